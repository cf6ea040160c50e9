"""Axes: ticks at round numbers, with units."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from cosim.units import format_time
from gui.painting.palette import Palette
from gui.painting.text import CENTRE, RIGHT, write, write_rotated

Steps = Callable[[float, float, int], list[float]]
"""Chooses about as many round numbers as wanted between two."""


def round_steps(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` round numbers from `low` to `high`."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / max(1, wanted)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def byte_steps(low: float, high: float, wanted: int) -> list[float]:
    """About `wanted` numbers of bytes that are round in KiB, MiB or GiB."""
    unit = 1.0
    while (high - low) / wanted >= 256 * unit:
        unit *= 1024
    return [step * unit for step in round_steps(low / unit, high / unit, wanted)]


def log_steps(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis: decades, with 2 and 5 between if there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    parts = (1, 2, 5) if last - first <= 3 else (1,)
    steps = [m * 10.0**k for k in range(first, last + 1) for m in parts]
    return [step for step in steps if low <= step <= high]


def time_steps(start_ps: int, end_ps: int, wanted: int) -> list[int]:
    """Round instants in a window."""
    span = max(1, end_ps - start_ps)
    raw = max(1.0, span / max(1, wanted))
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first = -(-start_ps // step)
    return [k * step for k in range(first, end_ps // step + 1)]


@lru_cache(maxsize=4096)
def tick_text(time_ps: int, step_ps: int) -> str:
    """An instant with as many digits as tell it from its neighbours a step away."""
    if time_ps == 0:
        return "0"
    magnitude = math.log10(abs(time_ps)) - math.log10(max(1, step_ps))
    digits = max(1, math.ceil(magnitude) + 1)
    return format_time(time_ps, min(15, digits))


def time_ruler(
    painter: QPainter, rect: QRectF, start_ps: int, end_ps: int, palette: Palette,
    below: float = 0.0,
) -> None:  # fmt: skip
    """Ticks and instants over `rect`, with grid lines down to `below` if that is given."""
    steps = time_steps(start_ps, end_ps, max(2, int(rect.width() // 110)))
    step = steps[1] - steps[0] if len(steps) > 1 else max(1, end_ps - start_ps)
    scale = rect.width() / max(1, end_ps - start_ps)
    for time in steps:
        x = rect.left() + (time - start_ps) * scale
        painter.setPen(QPen(palette.grid, 1))
        painter.drawLine(QLineF(x, rect.bottom() - 5, x, max(below, rect.bottom())))
        # the last instant would stick out: it ends where the picture does
        room = QRectF(x + 3, rect.top(), 110, rect.height() - 4)
        if room.right() > rect.right() + 40:
            continue
        write(painter, room, tick_text(time, step), palette.faint, cut=False)


def value_axis(
    painter: QPainter,
    plot: QRectF,
    low: float,
    high: float,
    text: Callable[[float], str],
    palette: Palette,
    *,
    wanted: int = 5,
    log: bool = False,
    title: str = "",
    steps: Steps = round_steps,
    zero: str = "0",
) -> Callable[[float], float]:
    """A vertical axis at the left of `plot` with grid lines; returns value -> y."""
    place = _scale(low, high, plot.bottom(), plot.top(), log)
    for value in log_steps(low, high) if log else steps(low, high, wanted):
        y = place(value)
        painter.setPen(QPen(palette.grid, 1))
        painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
        room = QRectF(plot.left() - 106, y - 8, 100, 16)
        shown = text(value) if value else zero
        write(painter, room, shown, palette.faint, align=RIGHT, pixels=10)
    if title:
        write_rotated(painter, QPointF(plot.left() - 96, plot.center().y()), title, palette.text)
    return place


def flat_axis(
    painter: QPainter,
    plot: QRectF,
    low: float,
    high: float,
    text: Callable[[float], str],
    palette: Palette,
    *,
    wanted: int = 6,
    log: bool = False,
    title: str = "",
    steps: Steps = round_steps,
    zero: str = "0",
) -> Callable[[float], float]:
    """A horizontal axis below `plot` with grid lines; returns value -> x."""
    place = _scale(low, high, plot.left(), plot.right(), log)
    for value in log_steps(low, high) if log else steps(low, high, wanted):
        x = place(value)
        painter.setPen(QPen(palette.grid, 1))
        painter.drawLine(QLineF(x, plot.top(), x, plot.bottom()))
        room = QRectF(x - 50, plot.bottom() + 3, 100, 16)
        shown = text(value) if value else zero
        write(painter, room, shown, palette.faint, align=CENTRE, pixels=10)
    if title:
        room = QRectF(plot.left(), plot.bottom() + 20, plot.width(), 18)
        write(painter, room, title, palette.text, align=CENTRE)
    return place


def _scale(
    low: float, high: float, first: float, last: float, log: bool
) -> Callable[[float], float]:
    if log:
        low, high = math.log(low), math.log(high)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        position = math.log(value) if log else value
        return float(np.clip(first + (position - low) / span * (last - first), -1e6, 1e6))

    return place


def frame(painter: QPainter, plot: QRectF, palette: Palette) -> None:
    """A thin line around a plot."""
    painter.setPen(QPen(palette.grid, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(plot)
