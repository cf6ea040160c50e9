"""A sweep's or search's results as terminal output: front, importance, best points, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.explore.options import Objective
from cosim.explore.results import ResultTable, repr_of, split_keys
from cosim.explore.store import Row
from cosim.report import quantities as q
from cosim.report.terminal import heading

MOST_LINES = 16
"""Lines of a front that are shown; the export has all of them."""

_SHOWN: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("bytes_per_s", q.bandwidth),
    ("macs_per_s", lambda v: f"{v / 1e9:.3g} GMAC/s"),
    ("energy_delay_js", lambda v: f"{v:.3g} J s"),
    ("_ps", q.picoseconds),
    ("_s", q.seconds),
    ("_j", q.joules),
    ("_w", q.watts),
    ("bytes", q.size),
    ("utilisation", q.percent),
    ("accuracy", lambda v: f"{100 * v:.1f} %"),
)
"""How a column is printed, by the unit its name ends in."""


def shown(column: str, value: Any) -> str:
    """A result as a person reads it: ``1.3 ms``, ``61 %``."""
    if value is None or isinstance(value, str):
        return value or ""
    name = column.rpartition(".")[2] if not column.startswith("breakdown") else "breakdown_s"
    for ending, show in _SHOWN:
        if name.endswith(ending):
            return show(float(value))
    return q.count(value) if isinstance(value, int) else f"{value:.4g}"


def named(column: str) -> str:
    """A column as a heading: without its unit."""
    words = {"latency_s": "latency", "energy_j": "energy", "average_power_w": "mean power",
             "peak_power_w": "peak power",
             "dram_bytes": "DRAM traffic", "peak_memory_bytes": "peak memory",
             "array_elements": "elements", "buffer_bytes": "buffers",
             "array_utilisation": "array use"}  # fmt: skip
    if column in words:
        return words[column]
    table, _, rest = column.partition(".")
    where, _, what = rest.rpartition(".")
    return "\n".join(filter(None, (_in_lines(where), (what or table).replace("_", " "))))


def _in_lines(name: str, longest: int = 14) -> str:
    """A dotted name over several lines, broken behind its dots."""
    lines = [""]
    for part in name.replace(".", ".\0").split("\0"):
        if lines[-1] and len(lines[-1] + part) > longest:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def short_name(axis: str, short: Mapping[str, str]) -> str:
    """An axis by its short keys."""
    return " + ".join(short.get(key, key) for key in split_keys(axis))


def empty_columns(table: ResultTable) -> list[str]:
    """Columns that were asked for and that no point has."""
    return [
        column
        for column in table.scenario.report.columns
        if table.done and all(row.get(column) is None for row in table.done)
    ]


def short_keys(axes: Sequence[str]) -> dict[str, str]:
    """Axis -> the shortest end of it that no other axis has."""
    result = {}
    for axis in axes:
        parts = axis.split(".")
        for count in range(1, len(parts) + 1):
            end = ".".join(parts[-count:])
            same = [o for o in axes if o == end or o.endswith(f".{end}")]
            if len(same) <= 1:
                break
        result[axis] = end
    return result


def result_columns(table: ResultTable) -> list[str]:
    """Columns worth showing: objectives, constraints, what the scenario asks for, the usual."""
    asked = [
        *(objective.column for objective in table.objectives),
        *(name for c in table.scenario.constraints for name in c.names),
        *table.scenario.report.columns,
    ]  # fmt: skip
    if len(asked) < 6:
        asked += ["latency_s", "energy_j", "peak_memory_bytes"]
    return [name for name in dict.fromkeys(asked) if name in table.columns]


def sweep_report(console: Console, table: ResultTable) -> None:
    """Everything a sweep has to say, in the order of a first reading."""
    if not table.done:
        failures(console, table)
        return
    words = " and ".join(f"{_wish(o)} {named(o.column)}" for o in table.objectives)
    front = table.front
    heading(console, f"Pareto front: {words} ({len(front)} of {len(table.feasible)} points)")
    _print_points(console, table, front)
    if len(front) > MOST_LINES:
        console.print(f"... and {len(front) - MOST_LINES} more (--export front.csv has all points)")
    heading(console, "How much each axis matters")
    _print_importance(console, table)
    for key in table.scenario.report.best_by:
        heading(console, f"Best for every {key}")
        _print_points(console, table, table.best_by(key), first=split_keys(key))
    for column in empty_columns(table):
        console.print(f"\nNo point has a column '{column}': layers are named as in cosim show")
    failures(console, table)


def failures(console: Console, table: ResultTable) -> None:
    """Why points have no result, by reason."""
    if not table.failures:
        return
    heading(console, f"{len(table.failures)} points without a result")
    counted = Counter(row.reason for row in table.failures)
    for reason, count in counted.most_common(5):
        console.print(f"{count} x {reason}", soft_wrap=True)
    if len(counted) > 5:
        console.print(f"... and {len(counted) - 5} more reasons")


def _wish(objective: Objective) -> str:
    return "less" if objective.direction == "min" else "more"


def _print_points(
    console: Console, table: ResultTable, rows: Sequence[Row], first: Sequence[str] = ()
) -> None:
    """The points, without the least columns where the console is too narrow for all of them."""
    columns, left_out = result_columns(table), []
    objectives = {objective.column for objective in table.objectives}
    asked = [c for c in table.scenario.report.columns if c in columns and c not in objectives]
    usual = [c for c in columns if c not in objectives and c not in asked]
    droppable = [*usual, *asked]
    axes = [axis for axis in table.axes if any(row.get(axis) is not None for row in rows)]
    axes = [*first, *(axis for axis in axes if axis not in first)]
    alike = [
        axis for axis in axes
        if axis not in first and len({repr_of(row.get(axis)) for row in rows}) == 1
    ]  # fmt: skip
    while not _fits(console, grid := _points(table, rows, axes, columns, bool(first))):
        if droppable:
            left_out.append(droppable.pop())
            columns = [column for column in columns if column != left_out[-1]]
        elif len(rows) > 1 and set(alike) & set(axes):
            axes = [axis for axis in axes if axis not in alike]
        else:
            grid.padding = (0, 1, 0, 0)
            break
    console.print(grid)
    gone = [axis for axis in alike if axis not in axes]
    if gone:
        short = short_keys(table.axes)
        values = ", ".join(f"{short[axis]} {repr_of(rows[0].get(axis))}" for axis in gone)
        console.print(f"(all of them: {values})", style="dim")
    if left_out:
        names = ", ".join(" ".join(named(column).split()) for column in reversed(left_out))
        console.print(f"(too narrow here for: {names})", style="dim")


def _fits(console: Console, grid: Table) -> bool:
    return console.measure(grid, options=console.options.update(max_width=10_000)).maximum <= (
        console.width
    )


def _points(
    table: ResultTable, rows: Sequence[Row], axes: Sequence[str], columns: Sequence[str],
    every: bool,
) -> Table:  # fmt: skip
    short = short_keys(axes)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for axis in axes:
        grid.add_column(short[axis], no_wrap=True)
    for column in columns:
        grid.add_column(named(column), justify="right", no_wrap=True, vertical="bottom")
    grid.add_column("", no_wrap=True)
    knee = table.knee
    listed = list(rows)
    if not every and len(listed) > MOST_LINES:
        step = len(listed) / MOST_LINES
        listed = [listed[int(i * step)] for i in range(MOST_LINES)]
        if knee is not None and knee not in listed:
            listed = sorted([*listed, knee], key=list(rows).index)
    for row in listed:
        is_knee = knee is not None and row.key == knee.key
        cells = [repr_of(row.get(axis)) for axis in axes]
        cells += [shown(column, row.get(column)) for column in columns]
        grid.add_row(*cells, Text("knee" if is_knee else "", style="bold green"))
    return grid


def _print_importance(console: Console, table: ResultTable) -> None:
    """All objectives beside each other, or below each other where the console is too narrow."""
    grid = _importance(table, table.objectives)
    if _fits(console, grid):
        console.print(grid)
        return
    for objective in table.objectives:
        console.print(_importance(table, [objective]))


def _importance(table: ResultTable, objectives: Sequence[Objective]) -> Table:
    axes = list(table.axes)
    short = short_keys(axes)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("axis", no_wrap=True)
    found = {o.column: {i.axis: i for i in table.importance(o)} for o in objectives}
    for objective in objectives:
        grid.add_column(named(objective.column), justify="right", no_wrap=True)
        grid.add_column("best", no_wrap=True)
    ranked = sorted(
        dict.fromkeys(axis for entries in found.values() for axis in entries),
        key=lambda axis: -max(entries[axis].share for entries in found.values()),
    )
    for axis in ranked:
        cells = []
        for objective in objectives:
            entry = found[objective.column][axis]
            cells += [f"{q.percent(entry.share)} (x{entry.factor:.3g})", repr_of(entry.best)]
        grid.add_row(short_name(axis, short), *cells)
    return grid
