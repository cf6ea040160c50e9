"""Many rectangles or lines in one call, from numpy arrays.

PyQt wraps every rectangle of a list in a Python object; an array of them that C++ reads directly
is twenty times faster.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PyQt6 import sip
from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QPainter, QPolygonF


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


def polygon(x: NDArray[np.float64], y: NDArray[np.float64]) -> QPolygonF:
    """A polygon through points."""
    shape = QPolygonF([QPointF()] * len(x))
    if len(x):
        memory = shape.data()
        memory.setsize(len(x) * 16)
        table = np.frombuffer(memory, np.float64).reshape(-1, 2)
        table[:, 0], table[:, 1] = x, y
    return shape
