"""Stacked horizontal bars with a name at the left and an amount at the right."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QPainter

from gui.painting.palette import Palette, on
from gui.painting.text import CENTRE, width, write


def stacked_bar(
    painter: QPainter, room: QRectF, parts: Mapping[str, float], full: float,
    colour_of: Mapping[str, QColor], palette: Palette, labels: bool = True,
) -> list[tuple[QRectF, str]]:  # fmt: skip
    """Draw parts one after the other, `full` being as wide as `room`; returns where each lies."""
    places = []
    x = room.left()
    for name, amount in parts.items():
        length = amount / full * room.width() if full else 0.0
        if length <= 0:
            continue
        colour = colour_of.get(name, palette.faint)
        box = QRectF(x, room.top(), length, room.height())
        gap = 0.8 if length > 3 else 0.0
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(box.adjusted(0, 0, -gap, 0), colour)
        if labels and length > width(name, 10) + 8 and room.height() >= 12:
            write(painter, box, name, on(colour), pixels=10, align=CENTRE, cut=False)
        places.append((box, name))
        x += length
    return places


def bar_row(
    painter: QPainter, room: QRectF, name: str, amount: str, parts: Mapping[str, float],
    full: float, colour_of: Mapping[str, QColor], palette: Palette, *, name_width: float,
    amount_width: float = 120.0, bold: bool = False, pixels: int = 11,
) -> list[tuple[QRectF, str]]:  # fmt: skip
    """A named stacked bar with its amount."""
    write(painter, QRectF(room.left(), room.top(), name_width - 8, room.height()), name,
          palette.text, bold=bold, pixels=pixels)  # fmt: skip
    body = QRectF(
        room.left() + name_width, room.top() + room.height() * 0.12,
        room.width() - name_width - amount_width, room.height() * 0.76,
    )  # fmt: skip
    places = stacked_bar(painter, body, parts, full, colour_of, palette)
    after = body.left() + (sum(parts.values()) / full * body.width() if full else 0.0)
    write(painter, QRectF(after + 6, room.top(), amount_width - 8, room.height()), amount,
          palette.faint, pixels=10, bold=bold)  # fmt: skip
    return places
