"""How a search's front grew: hypervolume over evaluations, one line a search."""

from __future__ import annotations

from collections.abc import Sequence

from cosim.report.scatter_picture import HEIGHT, WIDTH, Scale
from cosim.report.svg import Svg

_LEFT, _RIGHT, _TOP, _BOTTOM = 84.0, 20.0, 30.0, 48.0
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#f0a648", "#6a51a3")


def search_section(history: Sequence[Sequence[tuple[int, float]]]) -> str:
    """The picture with its heading, as HTML; nothing where nothing grew.

    Parameters
    ----------
    history : sequence of sequence of (int, float)
        For each search: evaluations, and the hypervolume they reach.
    """
    most = max((volume for steps in history for _, volume in steps), default=0.0)
    if not most:
        return ""
    svg = Svg(WIDTH, HEIGHT * 0.7, "hypervolume over evaluations")
    bottom = HEIGHT * 0.7 - _BOTTOM
    counts = [float(count) for steps in history for count, _ in steps]
    horizontal = Scale([0.0, *counts], _LEFT, WIDTH - _RIGHT)
    vertical = Scale([0.0, 1.0], bottom, _TOP)
    for value in horizontal.ticks():
        if value >= 0:
            x = horizontal(value)
            svg.line(x, _TOP, x, bottom)
            svg.text(x, bottom + 16, f"{value:g}", anchor="middle", kind="small")
    for value in vertical.ticks():
        if 0 <= value <= 1:
            svg.line(_LEFT, vertical(value), WIDTH - _RIGHT, vertical(value))
            shown = f"{100 * value:.0f} %"
            svg.text(_LEFT - 6, vertical(value) + 4, shown, anchor="end", kind="small")
    svg.text((_LEFT + WIDTH - _RIGHT) / 2, bottom + 38, "evaluations", anchor="middle")
    svg.text(4, _TOP - 14, "hypervolume")
    for position, steps in enumerate(history):
        chain = [(horizontal(float(count)), vertical(volume / most)) for count, volume in steps]
        svg.curve(chain, _COLOURS[position % len(_COLOURS)])
    return (
        f"<h2>How the search went</h2><figure>{svg.render()}</figure>"
        "<p class='soft'>What the front found so far dominates, as a share of the most that any of "
        "the searches reached; one line a search.</p>"
    )
