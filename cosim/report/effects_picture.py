"""What each value of each axis does to a result: its mean over all points, as bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cosim.explore.importance import Importance
from cosim.report.quantities import percent
from cosim.report.svg import Svg, shortened

WIDTH, LEFT, RIGHT = 900.0, 190.0, 78.0
ROW, HEAD, GAP = 17.0, 22.0, 8.0
MOST_VALUES = 12
"""Values of an axis that are drawn; of more, an even selection with both ends."""
_COLOUR, _BEST = "#7cc4ee", "#0072b2"


def effects_picture(
    effects: Sequence[Importance],
    names: Mapping[str, str],
    show: Callable[[float], str],
    description: str,
) -> str:
    """Bars on one scale, the axes in the order given; each axis's best value is darker.

    Parameters
    ----------
    effects : sequence of Importance
        Of one result.
    names : mapping
        Axis -> what to call it.
    show : callable
        How the result is printed.
    """
    drawn = [(entry, _selected(entry.means)) for entry in effects if len(entry.means) > 1]
    height = sum(HEAD + ROW * len(means) + GAP for _, means in drawn) + 4
    svg = Svg(WIDTH, height, description)
    largest = max((abs(mean) for _, means in drawn for _, mean in means), default=0.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / largest
    y = 0.0
    for entry, means in drawn:
        title = f"{names[entry.axis]}: explains {percent(entry.share)} of the spread"
        svg.text(4, y + 15, title, kind="label")
        y += HEAD
        for value, mean in means:
            text = str(value)
            svg.text(LEFT - 8, y + 12, shortened(text, LEFT - 20, 12), anchor="end", kind="small")
            colour = _BEST if value == entry.best else _COLOUR
            tip = f"{names[entry.axis]} {text}: {show(mean)} on average"
            svg.rectangle(LEFT, y + 2, abs(mean) * scale, ROW - 4, colour, title=tip)
            svg.text(LEFT + abs(mean) * scale + 6, y + 12, show(mean), kind="small")
            y += ROW
        y += GAP
    return svg.render()


def _selected(means: Sequence[tuple[object, float]]) -> list[tuple[object, float]]:
    if len(means) <= MOST_VALUES:
        return list(means)
    last = len(means) - 1
    return [means[round(i * last / (MOST_VALUES - 1))] for i in range(MOST_VALUES)]
