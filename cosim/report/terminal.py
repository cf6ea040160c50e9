"""Results as terminal output: the table of design points, breakdowns and memory peaks.

Everything takes a rich `Console`; what is not a terminal gets the same text without colour.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.analysis.breakdown import LABELS
from cosim.analysis.compare import Comparison
from cosim.report import quantities as q
from cosim.report.findings import Result, distinct, grouped, mostly, sentences
from cosim.report.memory_picture import ordered
from cosim.report.palette import CAUSE_COLOURS, ROLE_COLOURS

Summary = Mapping[str, Any]

BAR = 28
PLAIN_WIDTH = 120
"""Columns when the output is no terminal."""


def console(*, error: bool = False) -> Console:
    """A console for results, or with `error` for progress and remarks.

    Markup is off: names of layers hold brackets.
    """
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False)


COLUMNS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("energy", lambda s: q.joules(s["energy_j"])),
    ("DRAM\ntraffic", lambda s: q.size(s["dram_bytes"])),
    ("peak\nmemory", lambda s: q.size(s["peak_memory_bytes"])),
    ("mean\npower", lambda s: q.watts(s["average_power_w"])),
    ("array\nuse", lambda s: q.percent(array_use(s))),
    ("cycles", lambda s: q.count(s["cycles"])),
)
"""Columns of the table of design points, the last ones left out where the terminal is narrow."""


def design_points(results: Sequence[Result], width: int = PLAIN_WIDTH) -> Table:
    """The table of all points, by workload; points that a variation left alike share a line."""
    names = [name for group in grouped(results).values() for name, _ in distinct(group)]
    left = width - max(map(len, names), default=0) - 30
    columns = COLUMNS[: max(1, left // 10)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in ("latency", *(heading for heading, _ in columns)):
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    table.add_column("mostly", no_wrap=True)
    for workload, group in grouped(results).items():
        best = min(result.latency for result in group)
        table.add_row(Text(workload, style="bold"))
        for name, result in distinct(group):
            style = "bold green" if result.latency == best else ""
            cells = [show(result.summary) for _, show in columns]
            latency = Text(q.seconds(result.latency), style=style)
            table.add_row(f"  {name}", latency, *cells, mostly(result.summary))
    return table


def array_use(summary: Summary) -> float:
    """Utilisation of the array, whatever it is called."""
    engines = [n for n, c in summary["components"].items() if c["kind"] == "engine"]
    return max((float(summary["utilisation"][name]) for name in engines), default=0.0)


def breakdowns(results: Sequence[Result], width: int = PLAIN_WIDTH) -> Table:
    """Latency breakdowns as bars to one scale per workload, with as many shares as fit."""
    names = [name for group in grouped(results).values() for name, _ in distinct(group)]
    left = width - max(map(len, names), default=0) - 14
    longest_bar = max(8, min(BAR, left - 20))
    most = max(1, min(4, (left - longest_bar) // 18))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=longest_bar)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for workload, group in grouped(results).items():
        longest = max(result.latency for result in group) or 1.0
        table.add_row(Text(workload, style="bold"), "", "", "")
        for name, result in distinct(group):
            parts = result.summary["breakdown_ps"]
            length = max(1, round(longest_bar * result.latency / longest))
            table.add_row(
                f"  {name}", bar(parts, LABELS, CAUSE_COLOURS, length), q.seconds(result.latency),
                shares(parts, most),
            )  # fmt: skip
    return table


def layer_table(summary: Summary, most: int = 12, width: int = PLAIN_WIDTH) -> Table:
    """The layers that hold most of the latency, with as many of their causes as fit."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("of which", no_wrap=True)
    layers = sorted(summary["layers"].items(), key=lambda item: -item[1]["seconds"])
    total = summary["latency_s"] or 1.0
    left = width - max((len(name) for name, _ in layers[:most]), default=0) - 22
    longest_bar = max(6, min(16, left - 20))
    causes = max(1, min(3, (left - longest_bar) // 18))
    longest = layers[0][1]["seconds"] if layers and layers[0][1]["seconds"] else 1.0
    for name, layer in layers[:most]:
        parts = layer["breakdown_ps"]
        length = max(1, round(longest_bar * layer["seconds"] / longest))
        drawn = bar(parts, LABELS, CAUSE_COLOURS, length)
        share = q.percent(layer["seconds"] / total)
        table.add_row(name, q.seconds(layer["seconds"]), share, drawn, shares(parts, causes))
    rest = layers[most:]
    if rest:
        left = sum(layer["seconds"] for _, layer in rest)
        more = f"{len(rest)} more layers"
        table.add_row(Text(more, style="dim"), q.seconds(left), q.percent(left / total), "", "")
    return table


def memory_peaks(results: Sequence[Result]) -> Table:
    """Peak memory by role, one line for each workload."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=BAR)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    first = {workload: group[0] for workload, group in grouped(results).items()}
    largest = max((r.summary["peak_memory_bytes"] for r in first.values()), default=1) or 1
    for workload, result in first.items():
        parts = result.summary["peak_memory_by_role_bytes"]
        total = result.summary["peak_memory_bytes"]
        drawn = bar(parts, ordered(parts), ROLE_COLOURS, max(1, round(BAR * total / largest)))
        roles = ", ".join(f"{role} {q.size(parts[role])}" for role in ordered(parts))
        where = result.summary["peak_memory_layer"]
        says = f"{roles}; in {where}" if where else roles
        table.add_row(workload, drawn, q.size(total), says)
    return table


def comparison_table(comparison: Comparison, most: int = 12) -> Table:
    """Layers side by side: time in every run, and the ratio to the first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    for position, name in enumerate(comparison.names):
        table.add_column(name, justify="right")
        if position:
            table.add_column("ratio", justify="right")
    totals = [int(summary["makespan_ps"]) for summary in comparison.summaries]
    runs = range(len(totals))
    layers = sorted(comparison.layers, key=lambda c: -max(c.total(run) for run in runs))
    for layer in layers[:most]:
        table.add_row(layer.name, *_side_by_side([layer.total(run) for run in runs]))
    if layers[most:]:
        rest = [sum(layer.total(run) for layer in layers[most:]) for run in runs]
        table.add_row(f"{len(layers) - most} more layers", *_side_by_side(rest), style="dim")
    table.add_row("total", *_side_by_side(totals), style="bold")
    return table


def cause_table(comparison: Comparison) -> Table:
    """Causes side by side."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cause", no_wrap=True)
    for position, name in enumerate(comparison.names):
        table.add_column(name, justify="right")
        if position:
            table.add_column("ratio", justify="right")
    breakdowns = [summary["breakdown_ps"] for summary in comparison.summaries]
    for label in LABELS:
        if any(parts.get(label) for parts in breakdowns):
            table.add_row(label, *_side_by_side([parts.get(label, 0) for parts in breakdowns]))
    return table


def _side_by_side(times: Sequence[int]) -> list[str]:
    cells = [q.picoseconds(times[0]) if times[0] else "-"]
    for time in times[1:]:
        cells.append(q.picoseconds(time) if time else "-")
        cells.append(f"{time / times[0]:.2f}x" if times[0] and time else "")
    return cells


def bar(
    parts: Mapping[str, int], order: Sequence[str], colours: Mapping[str, str], width: int
) -> Text:
    """A stacked bar of `width` columns; parts are rounded so that they fill it exactly."""
    total = sum(parts.values()) or 1
    text, done, drawn = Text(), 0, 0
    for name in order:
        done += parts.get(name, 0)
        until = round(width * done / total)
        text.append("█" * (until - drawn), style=colours.get(name, "#6a51a3"))
        drawn = until
    return text


def shares(parts: Mapping[str, int], most: int = 4) -> str:
    """``compute 61 %, DRAM busy 29 %``: the largest parts that matter."""
    total = sum(parts.values()) or 1
    largest = sorted(parts.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{n} {q.percent(v / total)}" for n, v in largest if v / total >= 0.01)


def heading(console: Console, text: str) -> None:
    """A heading with a blank line before it."""
    console.print()
    console.print(Text(text, style="bold"))


def findings(console: Console, results: Sequence[Result]) -> None:
    """The sentences on what stands out, one bullet each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in sentences(results):
        table.add_row("-", line)
    console.print(table)
