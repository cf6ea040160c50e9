"""Latency breakdown as stacked bars: one bar a design point, one colour a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cosim.analysis.breakdown import LABELS
from cosim.report.palette import CAUSE_COLOURS, CAUSE_WORDS
from cosim.report.quantities import percent, picoseconds
from cosim.report.svg import Svg, nice_step, shortened

WIDTH, LEFT, RIGHT, BAR, GAP = 960.0, 240.0, 72.0, 20.0, 8.0


def breakdown_bars(named: Sequence[tuple[str, Mapping[str, int]]], description: str) -> str:
    """Bars on one time axis.

    Parameters
    ----------
    named : sequence of (name, breakdown)
        Breakdowns map a label to picoseconds.
    """
    longest = max((sum(parts.values()) for _, parts in named), default=0) or 1
    top = 22.0
    height = top + len(named) * (BAR + GAP) + 4
    svg = Svg(WIDTH, height, description)
    scale = (WIDTH - LEFT - RIGHT) / longest
    _axis(svg, longest, scale, top, height)
    for position, (name, parts) in enumerate(named):
        y = top + position * (BAR + GAP)
        svg.text(LEFT - 8, y + 14, shortened(name, LEFT - 12, 12), anchor="end", title=name)
        total = sum(parts.values())
        x = LEFT
        for label in LABELS:
            time = parts.get(label, 0)
            if time:
                says = f"{label}: {picoseconds(time)}, {percent(time / total)} of {name}"
                tip = f"{says} ({CAUSE_WORDS[label]})"
                svg.rectangle(x, y, time * scale, BAR, CAUSE_COLOURS[label], title=tip)
                x += time * scale
        svg.text(x + 6, y + 14, picoseconds(total))
    return svg.render()


def _axis(svg: Svg, longest: int, scale: float, top: float, height: float) -> None:
    step = nice_step(longest)
    tick = 0.0
    while tick <= longest * 1.0001:
        x = LEFT + tick * scale
        svg.line(x, top - 4, x, height - 6)
        svg.text(x, top - 9, picoseconds(tick) if tick else "0", anchor="middle", kind="small")
        tick += step


def legend(labels: Sequence[str], colours: Mapping[str, str], words: Mapping[str, str]) -> str:
    """Colour patches with their names as HTML; the words are tooltips."""
    items = "".join(
        f'<li title="{words.get(label, label)}"><i style="background:{colours[label]}"></i>'
        f"{label}</li>"
        for label in labels
    )
    return f'<ul class="legend">{items}</ul>'


def labels_of(breakdowns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Labels that occur, in the order of the stack."""
    return [label for label in LABELS if any(parts.get(label) for parts in breakdowns)]
