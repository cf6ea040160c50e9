"""Looks for the best points of a scenario without running all of them.

Optuna proposes points (ask), they run as one batch like those of a sweep, and their results are
told back. Two thirds of a batch, and more where it proposes what was run already, are neighbours
of the best points so far, one step along one axis. Optuna's memory is this process's; results go
to the same store as a sweep's, so that a search resumes, shares what a sweep has run, and never
runs a point twice.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import CosimError, unknown
from cosim.explore import pareto
from cosim.explore.accuracy import AccuracyTable
from cosim.explore.expressions import plain
from cosim.explore.interface import Settings, check_executor, knee_key, planned_space, prepared
from cosim.explore.kept_points import write_record
from cosim.explore.options import SAMPLERS, SearchOptions, check_seed
from cosim.explore.plan import Plan, Position
from cosim.explore.pools import PROCESSES, open_pool
from cosim.explore.results import ResultTable, asked_columns
from cosim.explore.scenario import Scenario
from cosim.explore.store import STORE, ResultStore, Row
from cosim.explore.sweep import Sweep, SweepProgress, Tally, Unwatched

LOCAL_SHARE = 0.65
"""Share of every batch but the first that are neighbours of the best points so far."""

_BARREN_BATCHES = 20
"""Batches without a new point after which a search has seen all there is."""


@dataclass(frozen=True)
class SearchResult:
    """A finished or interrupted search.

    Attributes
    ----------
    table : ResultTable
        Every point that was run, in the order in which it was.
    history : list of list of (int, float)
        For each repeat: evaluations, and the hypervolume they reach.
    reference : array, shape (n_objectives,)
        The point that hypervolumes are measured to, less being better.
    space : int
        Points of the full grid, before conditions.
    """

    table: ResultTable
    tally: Tally
    out: Path
    history: list[list[tuple[int, float]]]
    reference: pareto.Costs
    space: int
    searches: list[list[str]]

    def __repr__(self) -> str:
        return f"{self.table!r} in {self.out}, of {self.space}"

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def search(
    scenario: str | Path | Scenario, settings: Settings | None = None, *,
    out: str | Path | None = None, pool: str = PROCESSES, workers: int | None = None,
    evaluations: int | None = None, sampler: str | None = None, population: int | None = None,
    seed: int | None = None, repeats: int | None = None, train: int | None = None,
    executor: str = "auto", progress: SweepProgress | None = None,
) -> SearchResult:  # fmt: skip
    """Search the space of a scenario's axes for the Pareto front of its objectives.

    Parameters
    ----------
    evaluations : int, optional
        Different points that are run, at most; as the scenario says by default, like `sampler`,
        `population`, `seed` and `repeats`.
    sampler : ``nsga2``, ``tpe`` or ``random``, optional
    train : int, optional
        Epochs to train networks whose accuracy is asked for and not known.

    Raises
    ------
    CosimError
        Mistakes in the input; no point that runs.
    """
    check_executor(executor)
    chosen = prepared(scenario, settings)
    options = _options(chosen.search, {
        "evaluations": evaluations, "sampler": sampler, "population": population, "seed": seed,
        "repeats": repeats,
    })  # fmt: skip
    plan = planned_space(chosen)
    folder = Path(out or Path("runs") / chosen.name)
    watch = progress or Unwatched()
    watch.start(options.evaluations * options.repeats)
    with ResultStore(folder / STORE) as store, open_pool(pool, workers, 1 << 20) as workforce:
        write_record(folder, chosen)
        sweep = Sweep(plan, store, workforce, executor=executor, progress=_Batches(watch))
        accuracies = AccuracyTable({"epochs": train} if train else None)
        searches = []
        for repeat in range(options.repeats):
            one = _Search(plan, sweep, accuracies, options, options.seed + repeat)
            searches.append(one)
            one.run()
            if one.tally.interrupted:
                break
    result = _result(plan, searches, folder)
    write_record(folder, chosen, knee_key(result.table))
    return result


def _options(known: SearchOptions, given: Mapping[str, Any]) -> SearchOptions:
    options = replace(known, **{key: value for key, value in given.items() if value is not None})
    if options.sampler not in SAMPLERS:
        raise unknown("sampler", options.sampler, SAMPLERS, where="--sampler")
    for key in ("evaluations", "repeats"):
        if getattr(options, key) < 1:
            raise CosimError(f"{getattr(options, key)} {key}", expected="at least one")
    check_seed(options.seed, options.repeats)
    if options.population < 2:
        raise CosimError(f"a population of {options.population}", expected="at least two")
    return options


class _Batches(Unwatched):
    """Batches of a search as parts of one whole."""

    def __init__(self, whole: SweepProgress) -> None:
        self.advance, self.ending = whole.advance, whole.ending  # type: ignore[method-assign]


class _Search:
    """One search with one seed."""

    def __init__(
        self, plan: Plan, sweep: Sweep, accuracies: AccuracyTable, options: SearchOptions,
        seed: int,
    ) -> None:  # fmt: skip
        self.plan, self.sweep, self.options = plan, sweep, options
        self.accuracies = accuracies
        self.objectives = ResultTable(plan.scenario, ()).objectives
        _, self.with_accuracy = asked_columns(plan.scenario)
        self.names = ["workload", "design", *(axis.name for axis in plan.scenario.axes)]
        self.rows: dict[Position, Row] = {}
        self.tally = Tally(options.evaluations, [])
        self._random = random.Random(seed)
        self._study = _study(options, seed, [o.direction for o in self.objectives])
        self._ordered = [_is_ordered(plan, place) for place in range(len(self.names))]
        self._distributions = _distributions(plan, self.names)

    def run(self) -> None:
        barren = 0
        while len(self.rows) < self.options.evaluations and barren < _BARREN_BATCHES:
            before = len(self.rows)
            self._batch()
            barren = 0 if len(self.rows) > before else barren + 1
            if self.tally.interrupted:
                return

    def _batch(self) -> None:
        """Ask for a population, run what is new, tell all of it."""
        population = self.options.population
        count = population - int(LOCAL_SHARE * population) if self.rows else population
        trials = [self._study.ask(self._distributions) for _ in range(count)]
        asked = [self.plan.canonical(self._position(trial.params)) for trial in trials]
        left = self.options.evaluations - len(self.rows)
        new = dict.fromkeys(p for p in asked if p is not None and p not in self.rows)
        extra = self._neighbours(population - len(new), set(new))
        wanted = [*new, *extra][:left]
        self._run(wanted)
        if self.tally.interrupted:
            return
        for trial, position in zip(trials, asked, strict=True):
            self._tell(trial, position)
        for position in extra:
            self._add(position)

    def _run(self, positions: list[Position]) -> None:
        if not positions:
            return
        resolved = {position: self.plan.resolve(position) for position in positions}
        table = np.array(positions, np.int64).reshape(len(positions), -1)
        done = self.sweep.run(table)
        for field in ("ran", "reused", "failed"):
            setattr(self.tally, field, getattr(self.tally, field) + getattr(done, field))
        self.tally.seconds += done.seconds
        self.tally.busy_seconds += done.busy_seconds
        self.tally.interrupted |= done.interrupted
        keys = [point.row.key for point in resolved.values()]
        found = {row.key: row for row in self.sweep.store.rows(list(dict.fromkeys(keys)))}
        for position, point in resolved.items():
            kept = found.get(point.row.key)
            if kept is None:
                continue
            result = kept.result
            if self.with_accuracy and result is not None:
                accuracy = self.accuracies.of(self.plan.entry(position))
                result = {**result, "accuracy": accuracy}
            self.rows[position] = replace(point.row, result=result, reason=kept.reason)

    def _tell(self, trial: Any, position: Position | None) -> None:
        import optuna

        row = None if position is None else self.rows.get(position)
        if row is None or row.failed:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        trial.set_user_attr("violated", self._violated(row))
        self._study.tell(trial, [float(row.get(o.column)) for o in self.objectives])

    def _add(self, position: Position) -> None:
        """Tell of a point that was not asked for."""
        import optuna

        row = self.rows.get(position)
        if row is None or row.failed:
            return
        violated = self._violated(row)
        self._study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(self.names, position, strict=True)),
                distributions=self._distributions,
                values=[float(row.get(o.column)) for o in self.objectives],
                user_attrs={"violated": violated},
                system_attrs={"constraints": [violated]} if self.plan.scenario.constraints else {},
            )
        )

    def _violated(self, row: Row) -> float:
        """How many constraints a result breaks."""
        conditions = self.plan.scenario.constraints
        return float(sum(not ResultTable.fulfils(row, (c,)) for c in conditions))

    def _neighbours(self, count: int, taken: set[Position]) -> list[Position]:
        """Points not run yet, one step along one axis from the best so far."""
        best = self._best()
        found: dict[Position, None] = {}
        for _ in range(20 * count):
            if len(found) >= count or not best:
                break
            position = list(self._random.choice(best))
            place = self._random.randrange(len(position))
            position[place] = self._stepped(place, position[place])
            allowed = self.plan.canonical(tuple(position))
            if allowed is not None and allowed not in self.rows and allowed not in taken:
                found[allowed] = None
        return list(found)

    def _stepped(self, place: int, value: int) -> int:
        """A neighbouring value of an ordered axis, any other of another one."""
        size = self.plan.shape[place]
        if size < 2:
            return value
        if self._ordered[place]:
            return min(max(value + self._random.choice((-1, 1)), 0), size - 1)
        return (value + self._random.randrange(1, size)) % size

    def _best(self) -> list[Position]:
        done = [(p, row) for p, row in self.rows.items() if not row.failed]
        good = [(p, row) for p, row in done if not self._violated(row)] or done
        if not good:
            return []
        costs = pareto.costs([row.result or {} for _, row in good], self.objectives)
        return [good[i][0] for i in pareto.front(costs).tolist()]

    def _position(self, parameters: Mapping[str, int]) -> Position:
        return tuple(int(parameters[name]) for name in self.names)


def _study(options: SearchOptions, seed: int, directions: Sequence[str]) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def violated(trial: Any) -> list[float]:
        return [trial.user_attrs.get("violated", 1.0)]

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constraints are marked experimental
        samplers: dict[str, Any] = {
            "nsga2": lambda: optuna.samplers.NSGAIISampler(
                population_size=options.population, seed=seed, constraints_func=violated
            ),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, constraints_func=violated),
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        }
        words: dict[str, Any] = {"min": "minimize", "max": "maximize"}
        return optuna.create_study(
            sampler=samplers[options.sampler](), directions=[words[d] for d in directions]
        )


def _is_ordered(plan: Plan, place: int) -> bool:
    """Whether an axis has numbers or quantities, rather than names."""
    if place < 2:
        return False
    choices = plan.scenario.axes[place - 2].choices
    return all(isinstance(plain(choice[0]), int | float) for choice in choices)


def _distributions(plan: Plan, names: Sequence[str]) -> dict[str, Any]:
    """Positions along every axis: ordered where its values are numbers or quantities."""
    import optuna

    found: dict[str, Any] = {}
    for place, (name, size) in enumerate(zip(names, plan.shape, strict=True)):
        found[name] = (
            optuna.distributions.IntDistribution(0, size - 1)
            if _is_ordered(plan, place)
            else optuna.distributions.CategoricalDistribution(tuple(range(size)))
        )
    return found


def _result(plan: Plan, searches: Sequence[_Search], folder: Path) -> SearchResult:
    rows = {row.key: row for one in searches for row in one.rows.values()}
    table = ResultTable(plan.scenario, tuple(rows.values()))
    tally = Tally(len(rows), list(rows))
    for one in searches:
        for field in ("ran", "reused", "failed", "seconds", "busy_seconds"):
            setattr(tally, field, getattr(tally, field) + getattr(one.tally, field))
        tally.interrupted |= one.tally.interrupted
    if not table.done:
        reason = next(iter(row.reason for row in table.failures), "nothing was run")
        raise CosimError(f"no point has a result: {reason}", where=plan.scenario.file)
    reference = pareto.reference_of(table.costs(table.feasible))
    history = []
    for one in searches:
        good = [r for r in one.rows.values() if not r.failed and not one._violated(r)]
        history.append(pareto.front_over_time(table.costs(good), reference))
    space = prod(plan.shape)
    keys = [[row.key for row in one.rows.values()] for one in searches]
    return SearchResult(table, tally, folder, history, reference, space, keys)
