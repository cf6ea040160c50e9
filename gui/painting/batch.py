"""Many rectangles or lines in one call, from numpy arrays.

PyQt wraps every rectangle of a list in a Python object; an array of them that C++ reads directly
is twenty times faster.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PyQt6 import sip
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPaintEngine, QPainter, QPen, QPolygonF


def draw_rects(painter: QPainter, values: NDArray[np.float64]) -> None:
    """Draw rectangles given as (x, y, width, height), shape (n, 4)."""
    _draw(QRectF, values, painter.drawRects)


def _draw(kind: type, values: NDArray[np.float64], draw: Callable[..., None]) -> None:
    if not len(values):
        return
    block = sip.array(kind, len(values))
    memory = sip.voidptr(block, len(values) * 32)
    np.frombuffer(memory, np.float64).reshape(-1, 4)[:] = values
    draw(block)


def draw_steps(
    painter: QPainter, edges: NDArray[np.float64], level: NDArray[np.float64], colour: QColor,
    thickness: float = 1.0,
) -> None:  # fmt: skip
    """Draw a step line: `level[i]` from `edges[i]` to `edges[i + 1]`, and the risers between.

    On pixels as rectangles: stroking one path of thousands of edges at two pixels a unit takes
    seconds. In a file of vectors as the path.
    """
    engine = painter.paintEngine()
    if engine is None or engine.type() != QPaintEngine.Type.Raster:
        painter.setPen(QPen(colour, thickness))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(polygon(np.repeat(edges, 2)[1:-1], np.repeat(level, 2)))
        return
    half = thickness / 2
    flat = np.empty((len(level), 4))
    flat[:, 0], flat[:, 2] = edges[:-1] - half, np.diff(edges) + thickness
    flat[:, 1], flat[:, 3] = level - half, thickness
    risers = np.empty((max(0, len(level) - 1), 4))
    risers[:, 0], risers[:, 2] = edges[1:-1] - half, thickness
    risers[:, 1] = np.minimum(level[1:], level[:-1]) - half
    risers[:, 3] = np.abs(np.diff(level)) + thickness
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    draw_rects(painter, flat)
    draw_rects(painter, risers)


def polygon(x: NDArray[np.float64], y: NDArray[np.float64]) -> QPolygonF:
    """A polygon through points."""
    shape = QPolygonF([QPointF()] * len(x))
    if len(x):
        memory = shape.data()
        memory.setsize(len(x) * 16)
        table = np.frombuffer(memory, np.float64).reshape(-1, 2)
        table[:, 0], table[:, 1] = x, y
    return shape
