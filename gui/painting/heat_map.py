"""The numbers of a tile as a heat map: colour for the value, digits where they fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from gui.painting.palette import Palette

LEAST_CELL = 3.0
MOST_CELL = 44.0
DIGITS_FROM = 24.0
"""Narrowest cell that a number is written into."""


@dataclass(frozen=True)
class HeatMap:
    """Where the cells of a tile's window lie in a rectangle."""

    rows: list[list[Any]]
    wrong: list[list[int]]
    least: float
    most: float
    body: QRectF
    width: float
    height: float

    @staticmethod
    def of(tile: dict[str, Any], room: QRectF) -> HeatMap:
        """The map of a tile (`gui.views.value_inspection.tile_data`) that fits into a room."""
        rows = tile["rows"]
        columns = max((len(row) for row in rows), default=1)
        width = min(MOST_CELL, max(LEAST_CELL, room.width() / max(1, columns)))
        height = min(MOST_CELL / 2, max(LEAST_CELL, room.height() / max(1, len(rows))))
        body = QRectF(room.left(), room.top(), width * columns, height * len(rows))
        return HeatMap(rows, tile["wrong"], tile["least"], tile["most"], body, width, height)

    def cell(self, row: int, column: int) -> QRectF:
        left, top = self.body.left() + column * self.width, self.body.top() + row * self.height
        return QRectF(left, top, self.width, self.height)

    def at(self, point: QPointF) -> tuple[int, int] | None:
        """Row and column under a point."""
        row = int((point.y() - self.body.top()) // self.height)
        column = int((point.x() - self.body.left()) // self.width)
        if 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row]):
            return row, column
        return None


def paint_heat_map(painter: QPainter, heat: HeatMap, colours: Palette) -> None:
    """Draw a map: below zero towards one colour, above towards another, zero as the background."""
    reach = max(abs(heat.least), abs(heat.most)) or 1.0
    font = painter.font()
    font.setPointSizeF(max(5.5, min(8.0, heat.height * 0.42)))
    painter.setFont(font)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    digits = heat.width >= DIGITS_FROM and heat.height >= 11
    for r, row in enumerate(heat.rows):
        for c, value in enumerate(row):
            cell = heat.cell(r, c)
            fill = colour_of(float(value), reach, colours)
            painter.fillRect(cell, fill)
            if digits:
                dark = fill.lightnessF() < 0.5
                painter.setPen(QColor("#ffffff") if dark else QColor("#101418"))
                painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, short(value, heat.width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colours.bad, 2))
    for r, row in enumerate(heat.wrong):
        for c, value in enumerate(row):
            if value:
                painter.drawRect(heat.cell(r, c).adjusted(1, 1, -1, -1))
    painter.setPen(QPen(colours.grid, 1))
    painter.drawRect(heat.body)


def colour_of(value: float, reach: float, colours: Palette) -> QColor:
    """Between the background (zero) and a series' colour (the largest magnitude)."""
    if value != value:
        return colours.bad
    part = min(1.0, abs(value) / reach)
    full = colours.serial(0) if value >= 0 else colours.serial(1)
    empty = colours.background
    mixed = [
        round(e + (f - e) * part)
        for e, f in zip(empty.getRgb()[:3], full.getRgb()[:3], strict=True)  # type: ignore[arg-type, operator]
    ]
    return QColor(*mixed)


def short(value: Any, width: float = MOST_CELL) -> str:
    """A number in the few characters that a cell has."""
    if isinstance(value, int):
        text = str(value)
    else:
        text = f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
    return text if len(text) * 6.2 <= width + 6 else "·"
