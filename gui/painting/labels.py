"""Labels beside dots that do not cover each other: one that finds no room is left out."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QColor, QPainter

from gui.painting.text import fitted, width, write


class Labels:
    """Keeps track of taken room within `area`."""

    def __init__(self, area: QRectF) -> None:
        self._area = area
        self._taken: list[QRectF] = []

    def take(self, room: QRectF) -> None:
        """Nothing shall be written here."""
        self._taken.append(room)

    def write(
        self, painter: QPainter, place: QPointF, text: str, colour: QColor, pixels: int = 10,
        bold: bool = False,
    ) -> bool:  # fmt: skip
        """Write a label near `place` where there is room; False if there is none."""
        text = fitted(text, 170, pixels, bold, middle=True)
        wide = width(text, pixels, bold) + 4
        for dx, dy in ((9, -7), (9, 6), (-9 - wide, -7), (-9 - wide, 6), (-wide / 2, -24),
                       (-wide / 2, 12), (9, -20), (9, 19)):  # fmt: skip
            room = QRectF(place.x() + dx, place.y() + dy - 1, wide, 14)
            if self._area.contains(room) and not any(t.intersects(room) for t in self._taken):
                write(painter, room, text, colour, pixels=pixels, bold=bold, cut=False)
                self._taken.append(room)
                return True
        return False
