"""The Python interface: ``from cosim import run, sweep, search, load_run``.

>>> from cosim import sweep
>>> table = sweep("studies/dataflows", {"design.dram.bandwidth": "8 GB/s"}).table
>>> table.knee.varied

Nothing here prints; progress is told to whoever hands in something to tell it to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, unknown
from cosim.explore.accuracy import AccuracyTable
from cosim.explore.kept_points import LETTERS, keep_points, write_record
from cosim.explore.options import METHODS, SweepOptions, check_seed
from cosim.explore.plan import Plan
from cosim.explore.pools import PROCESSES, open_pool
from cosim.explore.results import ResultTable, asked_columns
from cosim.explore.run_scenario import ScenarioResult, run_scenario
from cosim.explore.scenario import Scenario
from cosim.explore.store import STORE, ResultStore, Row
from cosim.explore.sweep import Sweep, SweepProgress, Tally
from cosim.machine.execute import EXECUTORS
from cosim.timeline.run_folder import RunFolder, load_run

Settings = Mapping[str, object]


@dataclass(frozen=True)
class SweepResult:
    """A finished or interrupted sweep.

    Attributes
    ----------
    table : ResultTable
        Its points with their results.
    tally : Tally
        How many ran, were reused or failed, and how long it took.
    out : Path
        Its folder, with the store.
    """

    table: ResultTable
    tally: Tally
    out: Path

    def __repr__(self) -> str:
        return f"{self.table!r} in {self.out}"

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def run_of(self, row: Row) -> RunFolder:
        """The run behind a row, with its timeline; it runs again unless it was kept."""
        folder = self.out / "points" / row.key[:LETTERS]
        if not (folder / "manifest.json").is_file():
            (folder,) = keep_points(self.table.scenario, [row], self.out)
        return load_run(folder)


def run(
    scenario: str | Path | Scenario, settings: Settings | None = None, *,
    out: str | Path | None = None, executor: str = "auto",
) -> ScenarioResult:  # fmt: skip
    """Run every point of a scenario, keeping a run folder for each.

    Parameters
    ----------
    scenario : str, Path or Scenario
        A file, or the name of one that comes along.
    settings : mapping, optional
        Key to value or list of values: ``{"design.power.budget": ["1 W", "2 W"]}``.
    out : path, optional
        Where the run folders go; ``runs/NAME`` by default.

    Raises
    ------
    CosimError
        Mistakes in the input.
    """
    chosen = prepared(scenario, settings, check_points=True)
    return run_scenario(
        chosen, chosen.points(), Path(out or Path("runs") / chosen.name), executor=executor,
        command="cosim.run",
    )  # fmt: skip


def sweep(
    scenario: str | Path | Scenario, settings: Settings | None = None, *,
    out: str | Path | None = None, pool: str = PROCESSES, workers: int | None = None,
    method: str | None = None, points: int | None = None, seed: int | None = None,
    limit: int | None = None, shard: tuple[int, int] = (1, 1), retry: bool = False,
    keep: str | None = None, train: int | None = None, executor: str = "auto",
    progress: SweepProgress | None = None,
) -> SweepResult:  # fmt: skip
    """Run all points of a scenario, or a sample of them, without keeping their timelines.

    Points that the store in `out` has already are not run again.

    Parameters
    ----------
    out : path, optional
        Folder of the store; ``runs/NAME`` by default.
    pool : ``processes``, ``in-process`` or the address of a Dask scheduler
    method : ``grid``, ``random``, ``latin-hypercube`` or ``sobol``, optional
        As the scenario says by default; so are `points`, `seed`, `limit` and `keep`.
    shard : (int, int)
        Share ``(i, n)`` of the points, 1 <= i <= n.
    retry : bool
        Whether points that failed before are tried again.
    train : int, optional
        Epochs to train networks whose accuracy is asked for and not known.

    Raises
    ------
    CosimError
        Mistakes in the input; a store that cannot be written.
    """
    check_executor(executor)
    chosen = prepared(scenario, settings)
    options = sweep_options(chosen, method, points, seed, limit, keep)
    check_shard(shard)
    plan, positions = planned(chosen, options)
    folder = Path(out or Path("runs") / chosen.name)
    plan.capture(positions)
    runs = folder / "points" if options.keep == "timelines" else None
    with (
        ResultStore(folder / STORE) as store,
        open_pool(pool, workers, len(positions)) as workforce,
    ):
        write_record(folder, chosen)
        work = Sweep(
            plan, store, workforce, shard=shard, retry=retry, executor=executor, runs=runs,
            progress=progress,
        )  # fmt: skip
        tally = work.run(positions)
        # an interrupted one ends at once: what it has not looked at yet is not looked up now
        reached = plan.reached(positions) if tally.interrupted else positions
        table = table_of(plan, reached, store, train)
    write_record(folder, chosen, knee_key(table))
    return SweepResult(table, tally, folder)


def prepared(
    scenario: str | Path | Scenario, settings: Settings | None, *, check_points: bool = False
) -> Scenario:
    """The scenario with its settings, checked."""
    from cosim.explore.scenario_file import check_conditions, checked, read_scenario

    if not isinstance(scenario, Scenario):
        scenario = read_scenario(scenario, check_points=check_points and not settings)
    if settings:
        lists = [(k, v if isinstance(v, list | tuple) else [v]) for k, v in settings.items()]
        scenario = scenario.with_settings(lists)
        check_conditions(scenario)
        if check_points:
            scenario = checked(scenario)
    return scenario


def sweep_options(
    scenario: Scenario, method: str | None, points: int | None, seed: int | None,
    limit: int | None, keep: str | None,
) -> SweepOptions:  # fmt: skip
    """What the scenario says about its sweep, with what was said beside it."""
    given = {"method": method, "points": points, "seed": seed, "limit": limit, "keep": keep}
    options = replace(scenario.sweep, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    if options.method not in METHODS:
        raise unknown("method", options.method, METHODS, where="--method")
    for name, value in (("points", points), ("limit", limit)):
        if value is not None and value < 1:
            raise CosimError(f"{value} points", where=f"--{name}", expected="at least one")
    if options.method == "grid" and options.points is not None:
        if points is not None:
            raise CosimError(
                f"{points} points of a grid, which has all of them", where="--points",
                expected=f"a method beside it: --method {' or '.join(METHODS[1:])}",
            )  # fmt: skip
        options = replace(options, points=None)
    check_seed(options.seed, options.repeats)
    return options


def check_executor(name: str) -> None:
    """Raise `CosimError` for an executor that is none, before it fails every point."""
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS, where="--executor")


def check_shard(shard: tuple[int, int]) -> None:
    """Raise `CosimError` unless it is i of n."""
    index, count = shard
    if not 1 <= index <= count:
        raise CosimError(f"shard {index}/{count}", expected="i/n with i from 1 to n")


def planned(scenario: Scenario, options: SweepOptions) -> tuple[Plan, NDArray[np.int64]]:
    """The plan of a sweep and the positions of its points."""
    columns, _ = asked_columns(scenario)
    plan = Plan(scenario, columns, options.keep)
    return plan, plan.positions(options)


def planned_space(scenario: Scenario) -> Plan:
    """The plan of a scenario whose points are chosen one by one."""
    columns, _ = asked_columns(scenario)
    return Plan(scenario, columns)


def table_of(
    plan: Plan, positions: NDArray[np.int64], store: ResultStore, train: int | None = None
) -> ResultTable:
    """The results of these points that the store has, in their order."""
    points = [(tuple(position), plan.row(tuple(position))) for position in positions.tolist()]
    found = {row.key: row for row in store.rows([row.key for _, row in points])}
    _, with_accuracy = asked_columns(plan.scenario)
    accuracies = AccuracyTable({"epochs": train} if train else None)
    rows: list[Row] = []
    for position, row in points:
        kept = found.get(row.key)
        if kept is None:
            continue
        result: Mapping[str, Any] | None = kept.result
        if with_accuracy and result is not None:
            result = {**result, "accuracy": accuracies.of(plan.entry(position))}
        rows.append(replace(row, result=result, reason=kept.reason))
    return ResultTable(plan.scenario, tuple(rows))


def knee_key(table: ResultTable) -> str:
    """The key of the knee; empty if there is none, or the constraints exclude everything."""
    try:
        knee = table.knee if table.done else None
    except CosimError:
        return ""
    return knee.key if knee else ""


def merge(stores: Sequence[str | Path], into: str | Path) -> int:
    """Put the rows of several stores into one; returns how many were new there."""
    with ResultStore(into) as store:
        return sum(store.merge(other) for other in stores)
