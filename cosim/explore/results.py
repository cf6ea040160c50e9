"""The results of a sweep or search as a table, and what follows from it.

Rows come from the store in the order of the plan, under the names of this scenario.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import CosimError, nearest
from cosim.explore import pareto
from cosim.explore.columns import FROM_PARENT, USUAL
from cosim.explore.expressions import Expression, plain
from cosim.explore.importance import Importance, importance
from cosim.explore.notebook import html_table
from cosim.explore.options import Objective
from cosim.explore.scenario import Scenario
from cosim.explore.store import Row
from cosim.whole_file import whole_file


@dataclass(frozen=True)
class ResultTable:
    """The points of one scenario with their results, failures included.

    Attributes
    ----------
    rows : tuple of Row
    axes : tuple of str
        Names of what varies: ``workload``, ``design`` (where there are several) and the keys.
    """

    scenario: Scenario
    rows: tuple[Row, ...]

    @cached_property
    def axes(self) -> tuple[str, ...]:
        keys = tuple(key for axis in self.scenario.axes for key in axis.keys)
        several = [("workload", self.scenario.workloads), ("design", self.scenario.designs)]
        return (*(name for name, entries in several if len(entries) > 1), *keys)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the result columns."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row.result or ()))

    @cached_property
    def done(self) -> tuple[Row, ...]:
        """Points that have a result."""
        return tuple(row for row in self.rows if not row.failed)

    @cached_property
    def failures(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.failed)

    @cached_property
    def feasible(self) -> tuple[Row, ...]:
        """Points that fulfil the constraints.

        Raises
        ------
        CosimError
            If there are results and the constraints exclude all of them.
        """
        conditions = self.scenario.constraints
        kept = tuple(row for row in self.done if self.fulfils(row, conditions))
        if self.done and not kept:
            closest = "; ".join(
                f"'{c.text}' holds for {sum(self.fulfils(r, (c,)) for r in self.done)}"
                for c in conditions
            )
            raise CosimError(
                f"the constraints exclude all {len(self.done)} points ({closest})",
                where=conditions[0].where,
                expected="constraints that some point fulfils together",
            )
        return kept

    @staticmethod
    def fulfils(row: Row, conditions: Iterable[Expression]) -> bool:
        """Whether a result fulfils every one of the conditions."""
        values = _Values(row)
        return all(condition(values) for condition in conditions)

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """Those of the scenario, or latency and energy."""
        chosen = self.scenario.objectives
        return chosen or (Objective("latency_s"), Objective("energy_j"))

    @cached_property
    def front(self) -> tuple[Row, ...]:
        """The Pareto front of the feasible points."""
        found = self.feasible
        return tuple(found[i] for i in pareto.front(self.costs(found)).tolist())

    @cached_property
    def knee(self) -> Row | None:
        """The front's point nearest to the best of everything."""
        if not self.front:
            return None
        return self.front[pareto.knee(self.costs(self.front))]

    def costs(self, rows: Sequence[Row]) -> pareto.Costs:
        """Objectives of rows, less being better."""
        check_columns([o.column for o in self.objectives], self.columns)
        return pareto.costs([row.result or {} for row in rows], self.objectives)

    def importance(self, objective: Objective) -> list[Importance]:
        """How much each axis matters for an objective, among the points that have a result."""
        names = [axis for axis in self.axes if axis in ("workload", "design")]
        names += [axis.name for axis in self.scenario.axes]
        columns = {name: [_value_of(row, split_keys(name)) for row in self.done] for name in names}
        results = [float(row.get(objective.column)) for row in self.done]
        return importance(
            results, columns, self._listed, numbers=self._numbers,
            larger_is_better=objective.direction == "max",
        )  # fmt: skip

    @cached_property
    def _listed(self) -> dict[str, list[str]]:
        """The values of every axis in their order."""
        scenario = self.scenario
        return {
            "workload": [entry.name for entry in scenario.workloads],
            "design": [entry.name for entry in scenario.designs],
            **{a.name: [", ".join(map(repr_of, c)) for c in a.choices] for a in scenario.axes},
        }

    @cached_property
    def _numbers(self) -> set[str]:
        """Axes whose values are numbers or quantities."""
        return {
            axis.name for axis in self.scenario.axes
            if all(isinstance(plain(choice[0]), int | float) for choice in axis.choices)
        }  # fmt: skip

    def best_by(self, keys: str) -> list[Row]:
        """For every value of an axis (or of several, ``"a + b"``), the best feasible point.

        Best is in the first objective.

        Raises
        ------
        CosimError
            For an axis the scenario does not have.
        """
        names = split_keys(keys)
        for key in names:
            if key not in self.axes:
                raise CosimError(
                    f"no such axis '{key}'", where="report.best_by",
                    expected=f"one of {', '.join(self.axes)}", nearest=nearest(key, self.axes),
                )  # fmt: skip
        first = self.objectives[0]
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.feasible:
            groups.setdefault(tuple(repr_of(row.get(key)) for key in names), []).append(row)
        return [
            min(rows, key=lambda row: first.sign * float(row.get(first.column)))
            for rows in groups.values()
        ]

    # Shown

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} without a result" if self.failures else ""
        return f"<{len(self.rows)} points of {self.scenario.name}{failed}>"

    def _repr_html_(self) -> str:
        """The Pareto front, for notebooks; without objectives' results nothing but a line."""
        try:
            front = self.front
        except CosimError as error:
            return f"<p>{escape(repr(self))}: {escape(str(error))}</p>"
        columns = list(dict.fromkeys([*self.axes, *(o.column for o in self.objectives), *USUAL]))
        columns = [name for name in columns if name in self.axes or name in self.columns]
        caption = f"Pareto front: {len(front)} of {len(self.rows)} points of {self.scenario.name}"
        return html_table(caption, columns, [[row.get(c) for c in columns] for row in front])

    # Export

    @property
    def header(self) -> list[str]:
        """Columns of an export."""
        varied = [axis for axis in self.axes if axis not in ("workload", "design")]
        return ["workload", "design", *varied, *self.columns, "reason", "key"]

    def records(self) -> list[list[Any]]:
        """Rows of an export."""
        header = self.header
        return [[row.get(name) for name in header] for row in self.rows]

    def export(self, path: Path) -> Path:
        """Write the table as ``.csv`` or ``.parquet``, whole or not at all.

        Raises
        ------
        CosimError
            Another ending; a place that cannot be written.
        """
        writers = {".csv": self._csv, ".parquet": self._parquet}
        if path.suffix not in writers:
            raise CosimError(
                f"cannot export to '{path.name}'", where=str(path),
                expected="a .csv or .parquet file",
            )  # fmt: skip
        with whole_file(path) as part:
            writers[path.suffix](part)
        return path

    def _csv(self, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.header)
            writer.writerows(self.records())

    def _parquet(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        columns = list(zip(*self.records(), strict=True)) or [() for _ in self.header]
        arrays = [pyarrow.array(_one_type(column)) for column in columns]
        table = pyarrow.Table.from_arrays(arrays, names=self.header)
        pyarrow.parquet.write_table(table, path, compression="zstd")


class _Values(dict[str, object]):
    """A row as constraints see it: columns by name, axes by key."""

    def __init__(self, row: Row) -> None:
        super().__init__({key: plain(value) for key, value in row.varied.items()})
        self.update(row.result or {})
        self.update({"workload.name": row.workload, "design.name": row.design})


def check_columns(names: Iterable[str], known: Sequence[str], where: str = "") -> None:
    """Raise `CosimError` for a column that is not there."""
    if not known:
        return
    for name in names:
        if name not in known:
            raise CosimError(
                f"no such column '{name}'", where=where,
                expected=f"one of {', '.join(known)}", nearest=nearest(name, known),
            )  # fmt: skip


def asked_columns(scenario: Scenario) -> tuple[tuple[str, ...], bool]:
    """Columns that runs must give beyond the usual ones, and whether accuracy is asked for."""
    asked = [
        *(objective.column for objective in scenario.objectives),
        *(name for c in scenario.constraints for name in c.names),
        *scenario.report.columns,
    ]
    axes = {key for axis in scenario.axes for key in axis.keys} | {"workload.name", "design.name"}
    further = [c for c in asked if c not in USUAL and c not in FROM_PARENT and c not in axes]
    return tuple(dict.fromkeys(further)), "accuracy" in asked


def split_keys(keys: str) -> list[str]:
    """The axes of ``"a + b"``."""
    return [key.strip() for key in keys.split(" + ")]


def _value_of(row: Row, keys: Sequence[str]) -> str | None:
    """A row's value of an axis as a table shows it; None where the axis does not apply."""
    values = [row.get(key) for key in keys]
    return None if None in values else ", ".join(map(repr_of, values))


def repr_of(value: object) -> str:
    """A value as a table shows it."""
    return value if isinstance(value, str) else "" if value is None else repr(value)


def _one_type(column: Sequence[Any]) -> list[Any]:
    """A column Parquet can hold: mixed values become texts, mixed numbers floats."""
    kinds = {type(value) for value in column if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return [None if value is None else float(value) for value in column]
    if len(kinds) > 1 or kinds & {list, dict, tuple}:
        return [None if value is None else repr_of(value) for value in column]
    return [value.item() if isinstance(value, np.generic) else value for value in column]
