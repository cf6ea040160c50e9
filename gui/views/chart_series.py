"""What the chart draws: design points as lines of one colour, and counters over time as steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gui.views.counter_store import Counter
from gui.views.design_columns import short_name
from gui.views.design_table import DesignTable
from gui.views.panel_table import Table, counter_rows
from gui.views.run_data import Run
from gui.views.view import View

DESIGNS, TIME = "designs", "time"

MOST_COLOURS = 16
"""Different values of a column up to which each can have a line of its own."""

NO_COLUMN = "-"
"""Chosen where all points shall have one colour."""


@dataclass(frozen=True)
class Choices:
    """What the chart shows; an empty choice stands for a sensible one.

    Attributes
    ----------
    mode : str
        ``designs`` or ``time``.
    x, by : str
        Columns of the design table: along the axis, and told apart by colour.
    ys, counters : tuple of str
        Quantities of the design points, and counters of the run.
    log_x, log_y : bool
    off : tuple of str
        Values of `by` that are hidden.
    """

    mode: str = ""
    x: str = ""
    ys: tuple[str, ...] = ()
    by: str = ""
    counters: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    off: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As plain data, as a view keeps it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def choices_of(view: View) -> Choices:
    """The chart's choices in a view; what is no choice is left out."""
    data = view.extra.get("chart")
    if not isinstance(data, Mapping):
        return Choices()
    kept: dict[str, Any] = {}
    for field in fields(Choices):
        value = data.get(field.name, field.default)
        if isinstance(field.default, tuple):
            if isinstance(value, list | tuple):
                kept[field.name] = tuple(v for v in value if isinstance(v, str))
        elif isinstance(value, type(field.default)):
            kept[field.name] = value
    return Choices(**kept)


@dataclass(frozen=True)
class Series:
    """A line of the chart.

    Attributes
    ----------
    name, unit : str
        The quantity, and its unit.
    group : str
        Value of the column that colours tell apart; empty for a counter.
    colour, style : int
        Position of the group among all groups, and of the quantity among those shown.
    x, y : float64 array, shape (n,)
        NaN where a line ends and the next begins. Time is in picoseconds.
    rows : int64 array, shape (n,)
        Row of the design table of each point, -1 at a gap; empty for a counter.
    """

    name: str
    unit: str
    group: str
    colour: int
    style: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: NDArray[np.int64]


def resolved(choices: Choices, table: DesignTable | None, run: Run | None) -> Choices:
    """The same with every empty or impossible choice made."""
    made = asdict(choices)
    if choices.mode not in (DESIGNS, TIME):
        made["mode"] = DESIGNS if table is not None or run is None else TIME
    if table is not None:
        made["x"], made["ys"] = _axes(choices, table)
        allowed = [NO_COLUMN, *group_columns(table)]
        if choices.by not in allowed:
            others = [name for name in table.varied if name in allowed and name != made["x"]]
            made["by"] = next(iter([*others, *(n for n in allowed[1:] if n != made["x"])]),
                              NO_COLUMN)  # fmt: skip
    if run is not None and run.has("counters"):
        known = run.counters
        made["counters"] = tuple(n for n in choices.counters if n in known)
        if not choices.counters:
            made["counters"] = tuple(n for n in ("power", "DRAM bandwidth") if n in known)
    return Choices(**made)


def _axes(choices: Choices, table: DesignTable) -> tuple[str, tuple[str, ...]]:
    varied = [name for name in number_columns(table) if name in table.varied]
    found = [name for name in number_columns(table) if name not in table.varied]
    counts = {name: len(np.unique(table.numbers[name][np.isfinite(table.numbers[name])]))
              for name in varied}  # fmt: skip
    several = [name for name in varied if counts[name] > 1]
    most = max(several, key=lambda n: (counts[n], n in table.quantities), default="")
    x = choices.x if choices.x in table.numbers else most or next(iter(found), "")
    ys = tuple(name for name in choices.ys if name in table.numbers)
    if not choices.ys:
        ys = tuple(name for name in found if name != x)[:1]
    return x, ys


def number_columns(table: DesignTable) -> list[str]:
    """Columns that can be an axis: what was varied first."""
    chosen = [name for name in table.varied if name in table.numbers]
    return [*chosen, *(name for name in table.numbers if name not in chosen)]


def group_columns(table: DesignTable) -> list[str]:
    """Columns with few enough values to give each a colour."""
    names = [*table.varied, *(n for n in table.texts if n not in table.varied)]
    return [name for name in names if 1 < len(np.unique(_codes(table, name))) <= MOST_COLOURS]


def group_names(table: DesignTable, by: str) -> list[str]:
    """The values that colours tell apart, in order."""
    if by == NO_COLUMN or not by:
        return ["design points"]
    return [table.value_text(by, v) or "none" if np.isfinite(v) else "none"
            for v in np.unique(table.values(by)).tolist()]  # fmt: skip


def _codes(table: DesignTable, column: str) -> NDArray[np.int64]:
    """A number for each row, equal where the column's values are."""
    found = np.unique(table.values(column), return_inverse=True)[1]
    return np.asarray(found, np.int64)


def same_but(table: DesignTable, x: str) -> NDArray[np.int64]:
    """A number for each point, equal for points that differ in the column `x` alone.

    Points differ in what was varied, in their workload and in their design. A design's name may
    repeat what was varied ("board, budget 1 W"): then what stands before the comma counts.
    """
    columns = [_codes(table, name) for name in table.varied if name != x]
    known = [_codes(table, name) for name in table.varied]
    for name in ("workload", "design"):
        if name not in table.texts or name == x:
            continue
        whole = _codes(table, name)
        bases = np.array([str(text).split(", ")[0] for text in table.texts[name].tolist()])
        base = np.asarray(np.unique(bases, return_inverse=True)[1], np.int64)
        told = _different([*known, base]) == _different([*known, base, whole])
        columns.append(base if told else whole)
    if not columns or x not in table.varied:
        # what was found and not chosen joins no points
        return np.zeros(len(table), np.int64) if x in table.varied else np.arange(len(table))
    stacked = np.stack(columns)
    return np.asarray(np.unique(stacked, axis=1, return_inverse=True)[1], np.int64).ravel()


def _different(columns: Sequence[NDArray[np.int64]]) -> int:
    return int(np.unique(np.stack(columns), axis=1).shape[1])


def design_series(
    table: DesignTable, choices: Choices, rows: NDArray[np.int64] | None = None
) -> list[Series]:
    """A line for every quantity and value of `choices.by`, those that are hidden left out."""
    if not choices.x or not len(table):
        return []
    rows = np.arange(len(table), dtype=np.int64) if rows is None else rows
    by = choices.by
    groups = np.zeros(len(table), np.int64) if by in ("", NO_COLUMN) else _codes(table, by)
    lines = same_but(table, choices.x)
    made = []
    for style, name in enumerate(choices.ys):
        x, y = table.numbers[choices.x], table.numbers[name]
        quantity = table.quantities.get(name)
        for colour, group in enumerate(group_names(table, by)):
            of = rows[(groups[rows] == colour) & np.isfinite(x[rows]) & np.isfinite(y[rows])]
            if group in choices.off or not len(of):
                continue
            of = of[np.lexsort((of, x[of], lines[of]))]
            gaps = np.flatnonzero(np.diff(lines[of])) + 1
            made.append(Series(
                name, quantity.unit if quantity else "", group, colour, style,
                np.insert(x[of], gaps, np.nan), np.insert(y[of], gaps, np.nan),
                np.insert(of, gaps, -1),
            ))  # fmt: skip
    return made


def counter_series(
    run: Run, choices: Choices, start_ps: int, end_ps: int, pixels: int
) -> list[Series]:
    """Counters in a window as steps, read at the resolution of `pixels`.

    Where a pixel holds several changes, a line covers the values between the smallest and the
    largest one; of a run whose periods repeat, between the mean and the largest where that is
    known, else it is the mean.
    """
    return [
        Series(name, run.counters[name].unit, "", position, 0,
               *steps_of(run.counters[name], start_ps, end_ps, pixels), np.empty(0, np.int64))
        for position, name in enumerate(choices.counters)
    ]  # fmt: skip


def steps_of(
    counter: Counter, start_ps: int, end_ps: int, pixels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the steps of a counter in a window, x in picoseconds."""
    start, end = max(0, start_ps), min(counter.end_ps, end_ps)
    part = counter.window(start, end, max(1, pixels))
    if end <= start or not len(part.times):
        return np.empty(0), np.empty(0)
    edges = np.clip(np.append(part.times, end), start, end).astype(np.float64)
    if part.merged:
        values = np.stack([part.low, part.high], axis=1)
        values[1::2] = values[1::2, ::-1]  # up in one pixel, down in the next
        return np.repeat(edges[:-1], 2), values.ravel()
    return np.repeat(edges, 2)[1:-1], np.repeat(part.high, 2)


def chart_table(choices: Choices, view: View, table: DesignTable | None, run: Run | None) -> Table:
    """Columns and rows of what the chart shows."""
    if choices.mode == TIME:
        counters = [run.counters[n] for n in choices.counters] if run is not None else []
        end_ps = run.makespan_ps if run is not None else 1
        return ["counter", "unit", "from_ps", "value"], counter_rows(counters, view, end_ps)
    if table is None:
        return [], iter(())
    by = [] if choices.by in ("", NO_COLUMN) else [choices.by]
    names = list(dict.fromkeys([*table.naming, *by, choices.x, *choices.ys]))
    shown = [s.rows[s.rows >= 0] for s in design_series(table, choices, matching(table, view))]
    rows = np.unique(np.concatenate([*shown, np.empty(0, np.int64)]))

    def cells() -> Iterator[Sequence[object]]:
        for row in rows.tolist():
            yield [table.texts[n][row] if n in table.texts else float(table.numbers[n][row])
                   for n in names]  # fmt: skip

    return names, cells()


def matching(table: DesignTable, view: View) -> NDArray[np.int64]:
    """Rows that the filter of the design points leaves."""
    return table.matching(str(view.extra.get("designs", "")))


def title_of(choices: Choices) -> str:
    """What is shown, in a line."""
    if choices.mode == TIME:
        return f"{', '.join(choices.counters)} over time"
    ys = ", ".join(short_name(name) for name in choices.ys)
    told = "" if choices.by in ("", NO_COLUMN) else f", by {short_name(choices.by)}"
    return f"{ys} against {short_name(choices.x)}{told}"
