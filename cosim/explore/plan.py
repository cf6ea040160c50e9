"""The points of a sweep, resolved one after the other as they are needed.

A point is a row of positions: which workload, which design, which choice of every axis. Resolving
one gives its operation stream (by hash), its machine in integers and the key of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Design
from cosim.errors import CosimError, CosimErrors
from cosim.explore import sampling
from cosim.explore.design_family import DesignFamily
from cosim.explore.keys import model_version, point_key, text_key
from cosim.explore.options import SweepOptions
from cosim.explore.run_scenario import WorkloadStore
from cosim.explore.scenario import Allowed, Scenario, WorkloadEntry, with_key
from cosim.explore.store import Row
from cosim.explore.worker import pack
from cosim.workload.files import workload_hash

MOST_EXAMINED = 20_000_000
"""Combinations of a grid that are looked through, whatever is confirmed."""
BUDGET = "design.power.budget"

Position = tuple[int, ...]


@dataclass(frozen=True)
class PlannedPoint:
    """A resolved point.

    Attributes
    ----------
    row : Row
        Its names and key, without a result; with a reason if it failed before it could run.
    workload : str
        Hash of its operation stream.
    design : Design or None
        None if it was refused.
    """

    position: Position
    row: Row
    workload: str = ""
    design: Design | None = None


@dataclass(frozen=True)
class _Stream:
    """A captured operation stream, or why there is none."""

    key: str
    packed: bytes = b""
    error: CosimError | None = None


class Plan:
    """Which points a scenario's sweep runs, and how each is resolved.

    Parameters
    ----------
    columns : sequence of str
        Columns beyond the usual ones.
    captured : callable, optional
        Called with the name of every workload before it is captured.

    Raises
    ------
    CosimError
        Values that every design refuses, conditions that exclude everything.
    """

    def __init__(
        self, scenario: Scenario, columns: Iterable[str] = (), keep: str = "summary"
    ) -> None:
        self.scenario = scenario
        self.columns = tuple(columns)
        self.keep = keep
        self.model = model_version()
        self.shape = (
            len(scenario.workloads), len(scenario.designs), *(len(a) for a in scenario.axes)
        )  # fmt: skip
        self._allowed: dict[tuple[int, int], Allowed] = {}
        self._families = [self._family(entry) for entry in scenario.designs]
        self._check_values()
        self.budgets = any(axis.keys == (BUDGET,) for axis in scenario.axes)
        """Whether points differ in their power budget alone."""
        self._places = {key: axis.where for axis in scenario.axes for key in axis.keys}
        self._streams: dict[tuple[object, ...], _Stream] = {}
        self._store = WorkloadStore()
        self._keys: dict[Position, tuple[str, str]] = {}

    # Positions

    def positions(self, options: SweepOptions) -> NDArray[np.int64]:
        """The points to run, shape (n_points, n_dimensions), each once.

        Raises
        ------
        CosimError
            Conditions that exclude everything, a grid above the limit.
        """
        chosen = self._sampled(options) if options.method != "grid" else self._grid(options)
        found: dict[Position, None] = {}
        for position in chosen:
            allowed = self.canonical(position)
            if allowed is not None:
                found[allowed] = None
                if len(found) > options.limit and options.method == "grid":
                    raise self._too_many(f"more than {options.limit}", options)
        if not found:
            raise CosimError(
                "no points: the conditions exclude all of them",
                where=self.scenario.file,
                expected=" and ".join(f"'{c.text}'" for c in self.scenario.conditions)
                + " to hold somewhere",
            )
        return np.array(list(found), np.int64).reshape(len(found), len(self.shape))

    def _grid(self, options: SweepOptions) -> Iterable[Position]:
        raw = prod(self.shape)
        conditional = self.scenario.conditions or any(a.only for a in self.scenario.axes)
        if raw > min(MOST_EXAMINED, raw if conditional else options.limit):
            raise self._too_many(str(raw), options)
        return sampling.grid(self.shape)

    def _sampled(self, options: SweepOptions) -> Iterable[Position]:
        if options.points is None:
            raise CosimError(
                f"method {options.method} without a number of points",
                where=self.scenario.file, expected="points = N under [sweep], or --points N",
            )  # fmt: skip
        if options.points > options.limit:
            raise self._too_many(str(options.points), options)
        for repeat in range(options.repeats):
            seed = options.seed + repeat
            drawn = sampling.sample(options.method, self.shape, options.points, seed)
            yield from (tuple(row) for row in drawn.tolist())

    def _too_many(self, count: str, options: SweepOptions) -> CosimError:
        number = prod(self.shape) if options.method == "grid" else options.points or 0
        confirm = f"confirm with --limit {number}, " if number <= MOST_EXAMINED else ""
        return CosimError(
            f"{count} points",
            where=self.scenario.file,
            expected=f"at most {min(options.limit, MOST_EXAMINED)}: {confirm}take a sample "
            "(--method sobol --points N), search, or vary less",
        )

    def canonical(self, position: Position) -> Position | None:
        """`position` with axes that do not apply at 0; None if the conditions exclude it."""
        varied = self._varied(position)
        if varied is None:
            return None
        return (
            *position[:2],
            *(
                choice if axis.keys[0] in varied else 0
                for axis, choice in zip(self.scenario.axes, position[2:], strict=True)
            ),
        )

    def _varied(self, position: Position) -> dict[str, object] | None:
        pair = (position[0], position[1])
        if pair not in self._allowed:
            workload, design = self.scenario.workloads[pair[0]], self.scenario.designs[pair[1]]
            self._allowed[pair] = Allowed(
                workload, design, self.scenario.axes, self.scenario.conditions
            )
        return self._allowed[pair].varied(position[2:])

    def position_of(self, row: Row) -> Position | None:
        """The position whose row this is, by its names; None if this scenario has none."""
        scenario = self.scenario
        names = [entry.name for entry in scenario.workloads], [e.name for e in scenario.designs]
        if row.workload not in names[0] or row.design not in names[1]:
            return None
        choices = []
        for axis in scenario.axes:
            values = [row.varied.get(key) for key in axis.keys]
            shown = [list(choice) for choice in axis.choices]
            if values in shown:
                choices.append(shown.index(values))
            elif any(value is not None for value in values):
                return None
            else:
                choices.append(0)
        position = names[0].index(row.workload), names[1].index(row.design), *choices
        return self.canonical(position)

    # Workloads

    def capture(
        self, positions: NDArray[np.int64], told: Callable[[str], None] = lambda name: None
    ) -> None:
        """Have every operation stream of these points; one that cannot be had fails its points.

        Raises
        ------
        CosimError
            If none of a workload's streams can be had.
        """
        in_workload = [0] + [
            2 + i
            for i, axis in enumerate(self.scenario.axes)
            if any(key.startswith("workload.") for key in axis.keys)
        ]
        _, first = np.unique(positions[:, in_workload], axis=0, return_index=True)
        by_name: dict[str, list[_Stream]] = {}
        for position in positions[np.sort(first)].tolist():
            entry = self.entry(tuple(position))
            told(entry.name)
            by_name.setdefault(entry.name, []).append(self._stream(entry))
        for streams in by_name.values():
            errors = {str(s.error): s.error for s in streams if s.error is not None}
            if errors and all(s.error is not None for s in streams):
                raise CosimErrors(errors.values())

    def packed(self, workload: str) -> bytes:
        """The operation stream with this hash, for `cosim.explore.worker.Chunk`."""
        return next(s.packed for s in self._streams.values() if s.key == workload)

    def entry(self, position: Position) -> WorkloadEntry:
        """The workload of a point, its varied keys set."""
        return self._entry(position[0], self._varied(position) or {})

    def _entry(self, index: int, varied: Mapping[str, object]) -> WorkloadEntry:
        entry = self.scenario.workloads[index]
        for key, value in varied.items():
            if key.startswith("workload."):
                entry = with_key(entry, key.removeprefix("workload."), value, self._places[key])
        return entry

    def _stream(self, entry: WorkloadEntry) -> _Stream:
        key = entry.capture_key()
        if key not in self._streams:
            try:
                workload = replace(self._store.load(entry), name=entry.name)
                content = workload_hash(replace(workload, name=""))
                self._streams[key] = _Stream(content, pack(workload))
            except CosimError as error:
                self._streams[key] = _Stream(text_key("capture", repr(key)), error=error)
        return self._streams[key]

    # Points

    def reached(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of these positions that have been resolved."""
        return positions[[tuple(position) in self._keys for position in positions.tolist()]]

    def row(self, position: Position) -> Row:
        """Names, key and reason of a point, remembered from when it was resolved."""
        if position not in self._keys:
            return self.resolve(position).row
        key, reason = self._keys[position]
        names = (self.scenario.workloads[position[0]].name, self.scenario.designs[position[1]].name)
        return Row(key, self.model, *names, self._varied(position) or {}, reason=reason)

    def resolve(self, position: Position) -> PlannedPoint:
        """The point at a position that `positions` gave."""
        point = self._resolved(position)
        self._keys[position] = (point.row.key, point.row.reason)
        return point

    def _resolved(self, position: Position) -> PlannedPoint:
        varied = self._varied(position)
        assert varied is not None
        workload, family = self.scenario.workloads[position[0]], self._families[position[1]]
        row = Row("", self.model, workload.name, family.entry.name, varied)
        stream = self._stream(self._entry(position[0], varied))
        overrides = {
            key.removeprefix("design."): value
            for key, value in varied.items()
            if key.startswith("design.")
        }
        try:
            design = family.design(overrides)
        except CosimError as error:
            key = text_key(stream.key, family.entry.base, repr(sorted(overrides.items())))
            return PlannedPoint(position, replace(row, key=key, reason=str(error)))
        key = point_key(stream.key, design, self.columns, self.keep, self.model)
        if stream.error is not None:
            return PlannedPoint(position, replace(row, key=key, reason=str(stream.error)))
        return PlannedPoint(position, replace(row, key=key), stream.key, design)

    def in_good_order(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Points that have most in common beside each other: workload first, budget last."""
        rank = [0, 1]
        axes = self.scenario.axes
        software = [
            2 + i for i, a in enumerate(axes) if all(k.startswith("workload.") for k in a.keys)
        ]
        budget = [2 + i for i, axis in enumerate(axes) if axis.keys == (BUDGET,)]
        rest = [2 + i for i in range(len(axes)) if 2 + i not in (*software, *budget)]
        columns = [rank[0], *software, rank[1], *rest, *budget]
        return positions[np.lexsort([positions[:, column] for column in reversed(columns)])]

    def _family(self, entry: object) -> DesignFamily:
        axes: dict[str, list[object]] = {}
        for axis in self.scenario.axes:
            for place, key in enumerate(axis.keys):
                if key.startswith("design."):
                    values = axes.setdefault(key.removeprefix("design."), [])
                    values.extend(choice[place] for choice in axis.choices)
        return DesignFamily(entry, axes)  # type: ignore[arg-type]

    def _check_values(self) -> None:
        """Refuse keys and values that no design of the scenario takes."""
        errors: dict[str, CosimError] = {}
        for axis in self.scenario.axes:
            for key in axis.keys:
                path = key.removeprefix("design.")
                tables = [family.errors.get(path, {}) for family in self._families]
                for value in set.intersection(*(set(table) for table in tables)):
                    error = tables[0][value]
                    errors.setdefault(str(error), _at(error, axis.where))
        if errors:
            raise CosimErrors(errors.values())


def _at(error: CosimError, where: str) -> CosimError:
    """An error about an override, where the scenario wrote it."""
    parts: Iterator[CosimError] = iter(error.errors if isinstance(error, CosimErrors) else (error,))
    return CosimErrors(
        CosimError(
            part.problem,
            where=where if part.where.startswith("override") else part.where,
            expected=part.expected,
            nearest=part.nearest,
        )
        for part in parts
    )
