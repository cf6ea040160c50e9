"""What lies over the lanes: critical path, arrows, selected range, markers and cursor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from cosim.units import format_time
from gui.painting.batch import draw_rects
from gui.painting.lane_picture import Window
from gui.painting.palette import Palette, on, with_alpha
from gui.painting.scene import Scene
from gui.painting.text import CENTRE, width, write
from gui.painting.tracks import Track
from gui.views.run_data import Run
from gui.views.view import View

MOST_ARROWS = 12


def draw_critical(
    painter: QPainter, run: Run, places: dict[int, QRectF], window: Window, only: bool,
    colours: Palette,
) -> None:  # fmt: skip
    """The critical path as a line under the intervals that hold the latency.

    Exactly one row is on the path at every instant, so that a pixel column needs one look.

    Parameters
    ----------
    places : dict of int to QRectF
        Rectangle of each component's lane by rank.
    only : bool
        Everything else is washed out.
    """
    path = run.critical
    if not len(path):
        return
    columns = max(1, int(window.width))
    edges = (
        window.start_ps + (np.arange(columns + 1) * (window.end_ps - window.start_ps)) // columns
    )
    position = np.searchsorted(path.ends, edges[:-1], side="right")
    inside = (position < len(path)) & (edges[:-1] >= 0)
    rank = np.where(inside, path.components[np.minimum(position, len(path) - 1)], -1)
    if only:
        painter.setPen(Qt.PenStyle.NoPen)
        for place, rect in places.items():
            off = np.flatnonzero(rank != place)
            painter.setBrush(with_alpha(colours.background, 0.78))
            draw_rects(painter, _strips(off, window, rect.top() + 1, rect.height() - 2))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colours.critical)
    for place, rect in places.items():
        on_it = np.flatnonzero(rank == place)
        draw_rects(painter, _strips(on_it, window, rect.bottom() - 4, 3))
    _draw_steps(painter, rank, places, window, colours)


def _strips(columns: np.ndarray, window: Window, y: float, height: float) -> np.ndarray:
    """Runs of neighbouring pixel columns as rectangles."""
    if not len(columns):
        return np.empty((0, 4))
    cut = np.flatnonzero(np.diff(columns, prepend=columns[0] - 2) > 1)
    last = np.append(cut[1:], len(columns)) - 1
    boxes = np.empty((len(cut), 4))
    boxes[:, 0] = window.left + columns[cut]
    boxes[:, 2] = columns[last] - columns[cut] + 1
    boxes[:, 1], boxes[:, 3] = y, height
    return boxes


def _draw_steps(
    painter: QPainter, rank: np.ndarray, places: dict[int, QRectF], window: Window,
    colours: Palette,
) -> None:  # fmt: skip
    """Where the path goes from one lane to another, unless it does so all the time."""
    changes = np.flatnonzero((rank[1:] != rank[:-1]) & (rank[1:] >= 0) & (rank[:-1] >= 0)) + 1
    if len(changes) * 28 > len(rank):
        return
    painter.setPen(QPen(with_alpha(colours.critical, 0.7), 1))
    for column in changes.tolist():
        before, after = places.get(int(rank[column - 1])), places.get(int(rank[column]))
        if before is not None and after is not None:
            x = window.left + column
            painter.drawLine(QLineF(x, before.bottom() - 3, x, after.bottom() - 3))


def draw_selection(
    painter: QPainter, view: View, run: Run, scene: Scene, places: dict[int, QRectF],
    colours: Palette,
) -> None:  # fmt: skip
    """A frame around the selected interval, and arrows from its cause and to its consequences."""
    if view.selected is None or not 0 <= view.selected < len(run.timeline):
        return
    chosen = run.intervals.interval(view.selected)
    if view.arrows:
        if chosen.cause_row >= 0:
            _arrow(painter, run, chosen.cause_row, view.selected, scene, places, colours.accent,
                   colours.background)  # fmt: skip
        for number in run.intervals.consequences(view.selected, MOST_ARROWS):
            _arrow(painter, run, view.selected, number, scene, places, colours.good,
                   colours.background)  # fmt: skip
    place = places.get(chosen.rank)
    if place is None:
        return
    left = max(scene.x_of(chosen.start_ps), scene.plot.left() - 2)
    right = min(scene.x_of(chosen.end_ps), scene.plot.right() + 2)
    if right >= left:
        frame = QRectF(left, place.top() + 1, max(2.0, right - left), place.height() - 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colours.background, 4))
        painter.drawRect(frame)
        painter.setPen(QPen(colours.text, 2))
        painter.drawRect(frame)


def _arrow(
    painter: QPainter, run: Run, source: int, target: int, scene: Scene,
    places: dict[int, QRectF], colour: QColor, halo: QColor,
) -> None:  # fmt: skip
    """From one interval to the next; the halo keeps it apart from what it crosses."""
    rows = run.timeline.take(np.array([source, target]))
    ranks = rows.component.tolist()
    if any(rank not in places for rank in ranks):
        return
    begin, end = (places[rank] for rank in ranks)
    # both ends are the same instant: bow out so that the arrow can be seen
    x1, x2 = scene.x_of(int(rows.end[0])), scene.x_of(int(rows.start[1]))
    if max(x1, x2) < scene.plot.left() - 40 or min(x1, x2) > scene.plot.right() + 40:
        return
    y1, y2 = begin.center().y(), end.center().y()
    path = QPainterPath(QPointF(x1 - 1, y1))
    bow = 26 if y1 != y2 else 14
    if y1 == y2:
        path.cubicTo(x1 + 4, y1 - bow, x2 + bow, y2 - bow, x2 + 3, y2 - 6)
    else:
        path.cubicTo(x1 + bow, y1, x2 - bow, y2, x2, y2)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(with_alpha(halo, 0.75), 5))
    painter.drawPath(path)
    painter.setPen(QPen(colour, 2))
    painter.drawPath(path)
    painter.setBrush(colour)
    tip = QPointF(path.currentPosition())
    painter.drawPolygon(QPolygonF([tip, tip + QPointF(-7, -4), tip + QPointF(-7, 4)]))


def draw_pointers(
    painter: QPainter, view: View, scene: Scene, clip: QRectF, colours: Palette
) -> Scene:
    """Range, markers and cursor over a picture; returns its scene with them."""
    if scene.pointers is None:
        return scene
    scene = replace(scene, hits=list(scene.hits))
    over = scene.pointers
    assert over is not None
    painter.save()
    painter.setClipRect(QRectF(over.left(), clip.top(), over.width(), clip.height()))
    draw_range(painter, view, scene, over.bottom(), colours)
    draw_markers(painter, view, scene, over.bottom(), colours, over.top())
    painter.restore()
    return scene


def draw_range(
    painter: QPainter, view: View, scene: Scene, bottom: float, colours: Palette
) -> None:
    """The selected range of time with its length."""
    if view.range_ps is None:
        return
    low, high = view.range_ps
    left = max(scene.x_of(low), scene.plot.left())
    right = min(scene.x_of(high), scene.plot.right())
    if right < left:
        return
    area = QRectF(left, scene.plot.top(), right - left, bottom - scene.plot.top())
    painter.fillRect(area, with_alpha(colours.selection, 0.13))
    painter.setPen(QPen(colours.selection, 1))
    painter.drawLine(QLineF(left, area.top(), left, area.bottom()))
    painter.drawLine(QLineF(right, area.top(), right, area.bottom()))
    text = f"↔ {format_time(high - low)}"
    room = QRectF(area.center().x() - width(text) / 2 - 6, area.top() + 3, width(text) + 12, 16)
    painter.fillRect(room, colours.selection)
    write(painter, room, text, on(colours.selection), align=CENTRE, cut=False)


def draw_markers(
    painter: QPainter, view: View, scene: Scene, bottom: float, colours: Palette, top: float = 0.0
) -> None:
    """Markers as flags at the ruler, which is at `top`, and the cursor."""
    for position, marker in enumerate(view.markers):
        x = scene.x_of(marker.time_ps)
        if scene.plot.left() - 1 <= x <= scene.plot.right() + 1:
            _flag(painter, x, marker.text or f"m{position + 1}", top, bottom, colours)
            tip = f"{marker.text or 'Marker'} at {format_time(marker.time_ps, None)}"
            scene.add(QRectF(x - 3, top, 12, scene.plot.top() - top), "marker", position, tip)
    if view.time_ps is not None:
        x = scene.x_of(view.time_ps)
        if scene.plot.left() <= x <= scene.plot.right():
            painter.setPen(QPen(colours.text, 1, Qt.PenStyle.DashLine))
            painter.drawLine(QLineF(x, top, x, bottom))
            text = format_time(view.time_ps, 5)
            room = width(text) + 8
            left = min(max(scene.plot.left(), x - room / 2), scene.plot.right() - room)
            label = QRectF(left, top + 1, room, 15)
            painter.fillRect(label, colours.text)
            write(painter, label, text, colours.background, align=CENTRE)


def _flag(
    painter: QPainter, x: float, text: str, top: float, bottom: float, colours: Palette
) -> None:
    painter.setPen(QPen(colours.accent, 1))
    painter.drawLine(QLineF(x, top + 2, x, bottom))
    room = QRectF(x, top + 2, min(160.0, width(text, 10) + 8), 14)
    painter.fillRect(room, colours.accent)
    write(painter, room.adjusted(4, 0, 0, 0), text, on(colours.accent), pixels=10, cut=False)


def lane_places(lines: list[Track], top: float, left: float, width_: float) -> dict[int, QRectF]:
    """Rectangle of each component's lane by rank, from the lines' own places."""
    return {
        line.lane.lane.rank: QRectF(left, top + line.y, width_, line.height)
        for line in lines
        if line.lane is not None and line.lane.lane.rank >= 0
    }
