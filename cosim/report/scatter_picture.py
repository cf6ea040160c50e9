"""All points of a sweep in the plane of two objectives, with the front and its knee."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cosim.report.svg import Svg

WIDTH, HEIGHT = 900.0, 420.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 84.0, 20.0, 30.0, 48.0
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#f0a648", "#6a51a3", "#8a8f98")
MOST_POINTS = 3000
"""Points that are drawn; of more, an even selection, and the front always."""


def scatter_picture(
    points: Sequence[tuple[float, float, str, str]],
    front: Sequence[int],
    knee: int | None,
    labels: tuple[str, str],
    formats: tuple[Callable[[float], str], Callable[[float], str]],
    *,
    joined: bool = True,
) -> str:
    """The picture as SVG.

    Parameters
    ----------
    points : sequence of (x, y, group, tooltip)
        Groups have their own colours.
    front : sequence of int
        Positions of the points on the front.
    knee : int or None
        Position of the knee.
    labels : (str, str)
        Names of the axes.
    formats : (callable, callable)
        How a value on each axis is printed.
    joined : bool
        Whether a line joins the front; one of further objectives is no line in this plane.
    """
    svg = Svg(WIDTH, HEIGHT, f"{labels[1]} over {labels[0]} of {len(points)} design points")
    horizontal = Scale([p[0] for p in points], _LEFT, WIDTH - _RIGHT)
    vertical = Scale([p[1] for p in points], HEIGHT - _BOTTOM, _TOP)
    for value in horizontal.ticks():
        x = horizontal(value)
        svg.line(x, _TOP, x, HEIGHT - _BOTTOM)
        svg.text(x, HEIGHT - _BOTTOM + 16, formats[0](value), anchor="middle", kind="small")
    for value in vertical.ticks():
        y = vertical(value)
        svg.line(_LEFT, y, WIDTH - _RIGHT, y)
        svg.text(_LEFT - 6, y + 4, formats[1](value), anchor="end", kind="small")
    svg.text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, labels[0], anchor="middle")
    svg.text(4, _TOP - 14, labels[1])
    groups = list(dict.fromkeys(point[2] for point in points))
    on_front = set(front)
    step = max(1, math.ceil(len(points) / MOST_POINTS))
    for position, (x, y, group, tip) in enumerate(points):
        if position in on_front or position % step:
            continue
        _dot(svg, horizontal(x), vertical(y), 2.0, _colour(groups, group), tip, 0.45)
    chain = sorted((points[i][0], points[i][1]) for i in front)
    if joined and len(chain) > 1:
        svg.curve([(horizontal(x), vertical(y)) for x, y in chain], "#8a8f98")
    for position in front:
        x, y, group, tip = points[position]
        _dot(svg, horizontal(x), vertical(y), 4.0, _colour(groups, group), tip, 1.0)
    if knee is not None:
        x, y = horizontal(points[knee][0]), vertical(points[knee][1])
        svg.text(x - 8, y + 4, "knee", anchor="end", kind="label")
    return svg.render()


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """Group -> colour, for the legend."""
    names = list(dict.fromkeys(groups))
    return {name: _colour(names, name) for name in names}


def _colour(groups: Sequence[str], group: str) -> str:
    return _COLOURS[list(groups).index(group) % len(_COLOURS)]


def _dot(
    svg: Svg, x: float, y: float, radius: float, colour: str, tip: str, opacity: float
) -> None:
    svg.rectangle(
        x - radius, y - radius, 2 * radius, 2 * radius, colour, title=tip, opacity=opacity
    )


class Scale:
    """Values to places, by their logarithm where they span more than a factor of three."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values), max(values)
        self.logarithmic = low > 0 and high > 3 * low
        if not self.logarithmic:
            margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
            low, high = low - margin, high + margin
        self.low, self.high = self._of(low), self._of(high)
        if self.logarithmic:
            margin = 0.04 * (self.high - self.low)
            self.low, self.high = self.low - margin, self.high + margin
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """About five round values."""
        if self.logarithmic:
            found = [
                factor * 10.0**power
                for power in range(math.floor(self.low), math.ceil(self.high) + 1)
                for factor in (1.0, 2.0, 5.0)
            ]
            inside = [v for v in found if self.low <= math.log10(v) <= self.high]
            decades = [v for v in inside if round(math.log10(v), 6) % 1 == 0]
            return decades if len(inside) > 9 and len(decades) > 2 else inside
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / 4))
        step *= next((f for f in (1, 2, 5, 10) if (self.high - self.low) / (step * f) <= 6), 10)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]

    def _of(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value
