"""A counter over time: a filled step line, its limit, and its peak."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPen

from cosim.units import format_bandwidth, format_bytes, format_power
from gui.painting.batch import draw_rects, draw_steps
from gui.painting.lane_picture import Window
from gui.painting.palette import Palette, mixed, with_alpha
from gui.painting.text import RIGHT, write
from gui.views.counter_store import Counter, Envelope

LOW = 60
"""Strips lower than this are drawn as images where they have many columns."""

FEW = 120


@lru_cache(maxsize=4096)
def counter_text(unit: str, value: float) -> str:
    """A counter's value with its unit."""
    if not value:
        return f"0 {'W' if unit == 'mW' else unit}"
    if unit == "B":
        return format_bytes(round(value), 3)
    if unit == "B/s":
        return format_bandwidth(value, 3)
    if unit == "mW":
        return format_power(value, 3)
    return f"{value:.3g} {unit}".strip()


def draw_counter(
    painter: QPainter, counter: Counter, rect: QRectF, window: Window, colour: QColor,
    colours: Palette, ceiling: float | None = None, numbers: bool = True,
) -> None:  # fmt: skip
    """Draw a counter into `rect`, 0 at the bottom and `ceiling` (its own by default) at the top."""
    top = ceiling or counter.ceiling or 1.0
    envelope = counter.window(window.start_ps, window.end_ps, max(1, int(window.width)))
    room = rect.adjusted(0, 4, 0, -1)
    _area(painter, envelope, room, window, colour, colours.background, top, counter.end_ps)
    if counter.limit is not None and counter.limit <= top:
        y = room.bottom() - counter.limit / top * room.height()
        painter.setPen(QPen(colours.bad, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QLineF(rect.left(), y, rect.right(), y))
    if numbers:
        text = counter_text(counter.unit, top)
        corner = QRectF(rect.right() - 84, rect.top() + 1, 80, 12)
        painter.fillRect(corner.adjusted(20, 0, 3, 1), with_alpha(colours.background, 0.6))
        write(painter, corner, text, colours.faint, pixels=9, align=RIGHT)


def _area(
    painter: QPainter, envelope: Envelope, room: QRectF, window: Window, colour: QColor,
    background: QColor, top: float, end_ps: int,
) -> None:  # fmt: skip
    if not len(envelope.times):
        return
    right = window.left + window.width
    edges = window.x(np.append(envelope.times, min(end_ps, window.end_ps)))
    edges = np.clip(edges, window.left, right)
    scale = room.height() / top
    high = room.bottom() - envelope.high * scale
    painter.setPen(Qt.PenStyle.NoPen)
    if room.height() < LOW and len(envelope.times) > FEW:
        _strip(painter, envelope, room, window, colour, background, top)
        return
    # solid rectangles: filling one polygon of thousands of edges takes a hundred times as long,
    # and blending thousands of columns ten times
    painter.setBrush(mixed(colour, background, 0.30))
    draw_rects(painter, _columns(edges, high, room.bottom()))
    if envelope.merged:
        # the band between smallest and largest value is where the counter was
        low = room.bottom() - envelope.low * scale
        painter.setBrush(mixed(colour, background, 0.58))
        draw_rects(painter, _columns(edges, low, room.bottom()))
    draw_steps(painter, edges, high, colour)


def _strip(
    painter: QPainter, envelope: Envelope, room: QRectF, window: Window, colour: QColor,
    background: QColor, top: float,
) -> None:  # fmt: skip
    """The same as an image: for a low strip of many columns that is several times faster."""
    count, rows = max(1, int(window.width)), max(2, int(room.height()))
    span = window.end_ps - window.start_ps
    moments = window.start_ps + np.arange(count, dtype=np.int64) * span // count
    first = np.maximum(0, np.searchsorted(envelope.times, moments, side="right") - 1)
    high = np.maximum.reduceat(envelope.high, first) / top * rows
    low = np.minimum.reduceat(envelope.low, first) / top * rows
    level = (rows - np.arange(rows) - 0.5)[:, None]
    image = np.full((rows, count), background.rgb(), np.uint32)
    image[level < high] = mixed(colour, background, 0.30).rgb()
    if envelope.merged:
        image[level < low] = mixed(colour, background, 0.58).rgb()
    image[np.abs(level - high) <= 0.5] = colour.rgb()
    image[-1, high < 1] = colour.rgb()
    made = QImage(image.data, count, rows, count * 4, QImage.Format.Format_RGB32)
    painter.drawImage(QRectF(window.left, room.top(), window.width, room.height()), made,
                      QRectF(0, 0, count, rows))  # fmt: skip


def _columns(edges: np.ndarray, level: np.ndarray, base: float) -> np.ndarray:
    """A rectangle from each level down to the base."""
    boxes = np.empty((len(level), 4))
    boxes[:, 0], boxes[:, 2] = edges[:-1], np.diff(edges)
    boxes[:, 1], boxes[:, 3] = level, base - level
    return boxes[(boxes[:, 2] > 0) & (boxes[:, 3] > 0)]
