"""Parallel coordinates: an upright axis for every column, a line for every design point."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from gui.painting.batch import polygon
from gui.painting.designs import draw_groups, groups_of, point_tip, shown_rows
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, heading, write
from gui.views.design_columns import short_name
from gui.views.design_table import DesignTable
from gui.views.view import View

CROWDED = 110.0
"""Pixels between axes below which their titles stand on two lines in turn."""

MOST_LINES = 4000
MOST_HITS = 400
"""Points up to which single lines can be pointed at."""


def paint_parallel(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """What was varied at the left, what was found at the right; there, good is up."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    table = stores.table
    if table is None or not len(table) or len(table.axes) < 2:
        write(painter, rect, "Open a scenario, or a folder with several runs, to compare designs",
              colours.faint, align=CENTRE)  # fmt: skip
        return scene
    rows = shown_rows(view, table)
    names, equal = _columns(table, rows)
    note = "what was varied, then what was found, good being up; drag over an axis to choose points"
    note += f"; equal for all: {', '.join(map(short_name, equal))}" if equal else ""
    top = rect.top() + heading(painter, rect, "All quantities", colours, note)
    groups = groups_of(table)
    room = QRectF(rect.left() + 60, top, rect.width() - 80, 60)
    top += draw_groups(painter, room, groups, colours)
    plot = QRectF(rect.left() + 70, top + 39, rect.width() - 140, rect.bottom() - top - 60)
    scene.plot = plot
    xs = np.linspace(plot.left(), plot.right(), max(2, len(names)))[: len(names)]
    gap = plot.width() / max(1, len(names) - 1)
    crowded = gap < CROWDED
    for position, (x, name) in enumerate(zip(xs.tolist(), names, strict=True)):
        title = QRectF(x - gap, plot.top() - (38 if position % 2 else 25), 2 * gap - 8, 13)
        title.moveCenter(QPointF(x, title.center().y()))
        if not crowded:
            title = QRectF(x - gap / 2 + 2, plot.top() - 25, gap - 4, 13)
        _upright(painter, table, name, rows, x, min(124.0, gap - 4), plot, title, colours)
        words = table.quantities[name].words if name in table.quantities else f"varied: {name}"
        scene.add(QRectF(x - 40, plot.top() - 26, 80, plot.height() + 46), "axis", name, words)
    if len(rows) and names:
        share = np.stack([good_share(table, name, rows) for name in names])
        _draw_lines(painter, table, rows, share, xs, stores.rows, groups[1], scene, colours)
    return scene


def _columns(table: DesignTable, rows: NDArray[np.int64]) -> tuple[list[str], list[str]]:
    """Columns in which points differ, and those in which they do not."""
    differ: list[str] = []
    equal: list[str] = []
    for name in table.axes:
        values = table.values(name)[rows]
        values = values[np.isfinite(values)]
        if len(values):
            (differ if values.min() < values.max() else equal).append(name)
    return (differ, equal) if len(differ) > 1 else (differ + equal, [])


def good_share(table: DesignTable, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where each row's value lies: 1 for the best or largest, 0 for the worst or smallest."""
    values = table.values(name)[rows]
    if np.nanmin(values) > 0 and np.nanmax(values) / np.nanmin(values) > 20:
        values = np.log(values)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    quantity = table.quantities.get(name)
    return 1 - share if quantity is not None and quantity.smaller_is_better else share


def _draw_lines(
    painter: QPainter, table: DesignTable, rows: NDArray[np.int64], share: NDArray[np.float64],
    xs: NDArray[np.float64], chosen: tuple[int, ...], codes: NDArray[np.int64], scene: Scene,
    colours: Palette,
) -> None:  # fmt: skip
    plot, picked = scene.plot, set(chosen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for position in sorted(range(len(rows)), key=lambda i: int(rows[i]) in picked)[-MOST_LINES:]:
        row = int(rows[position])
        y = plot.bottom() - share[:, position] * plot.height()
        known = np.isfinite(y)
        colour = colours.serial(int(codes[row]))
        strong = row in picked
        faint = 0.25 if picked else max(0.12, min(0.8, 40 / len(rows)))
        painter.setPen(QPen(with_alpha(colour, 1.0 if strong else faint), 2.5 if strong else 1.2))
        painter.drawPolyline(polygon(xs[known], y[known]))
        if len(rows) <= MOST_HITS:
            tip = point_tip(table, row)
            for x, at in zip(xs[known].tolist(), y[known].tolist(), strict=True):
                scene.add(QRectF(x - 6, at - 4, 12, 8), "point", row, tip)


def _upright(
    painter: QPainter, table: DesignTable, name: str, rows: NDArray[np.int64], x: float,
    room: float, plot: QRectF, title: QRectF, colours: Palette,
) -> None:  # fmt: skip
    painter.setPen(QPen(colours.faint, 1))
    painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
    half = room / 2
    colour = colours.accent if name in table.varied else colours.text
    write(painter, title, short_name(name), colour, align=CENTRE, pixels=10, bold=True)
    values = table.values(name)[rows]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    quantity = table.quantities.get(name)
    small = quantity is not None and quantity.smaller_is_better
    best, worst = (low, high) if small else (high, low)
    for value, y in ((best, plot.top() - 12), (worst, plot.bottom() + 2)):
        shown = table.value_text(name, value) if not math.isnan(value) else "–"
        write(painter, QRectF(x - half, y, room, 13), shown, colours.faint, align=CENTRE, pixels=10)
