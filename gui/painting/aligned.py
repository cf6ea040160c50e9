"""Several runs above each other, aligned by layer: the same work at the same place."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from cosim.units import format_time
from gui.painting.heights import ALIGNED_LANE
from gui.painting.lane_picture import Window, draw_lane
from gui.painting.palette import Palette, mixed, on, palette
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, Entry, hatch, heading, legend, width, write
from gui.painting.tracks import HEADER_WIDTH
from gui.views.alignment import Alignment, align
from gui.views.comparison import short_names
from gui.views.lanes import CATEGORIES, N_ACTIVITIES
from gui.views.run_data import Run
from gui.views.view import View

BAND = 20.0
GAP = 14.0


def paint_aligned(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Engines and channels of every shown run, over the window of the first one.

    Where a run is faster than the slowest in a layer, the rest of that layer's room stays empty.
    """
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    runs = stores.runs
    if len(runs) < 2 or not all(run.has("layers") for run in runs):
        text = "Check two or more runs, or select several design points, to align them by layer"
        write(painter, rect, text, colours.faint, align=CENTRE)
        return scene
    found = align(runs)
    note = "every layer begins at the same place; hatched: time saved against the slowest there"
    top = rect.top() + heading(painter, rect, "Timelines aligned by layer", colours, note)
    header = min(HEADER_WIDTH, rect.width() * 0.3)
    start, end = view.window(runs[0].makespan_ps)
    low, high = found.place(0, start), found.place(0, end)
    window = Window(low, max(low + 1, high), rect.left() + header, rect.width() - header - 8)
    scene.start_ps, scene.end_ps = start, end
    codes: set[int] = set()
    first = top
    for position, name in enumerate(short_names(runs)):
        area = QRectF(rect.left(), top, rect.width(), rect.bottom() - top)
        painter.save()
        painter.setClipRect(rect)
        top = _draw_run(painter, view, runs, position, name, found, area, window, scene, codes,
                        colours) + GAP  # fmt: skip
        painter.restore()
    entries: list[Entry] = [
        (CATEGORIES[code].replace("wait: ", "waits: "), colours.category(code),
         code >= N_ACTIVITIES) for code in sorted(codes)
    ]  # fmt: skip
    room = QRectF(rect.left() + 14, top - 4, rect.width() - 24, 40)
    top += legend(painter, room, entries, colours)
    scene.plot = QRectF(window.left, first, window.width, top - first)
    scene.height = top - rect.top()
    return scene


def _draw_run(
    painter: QPainter, view: View, runs: tuple[Run, ...], position: int, name: str,
    found: Alignment, area: QRectF, window: Window, scene: Scene, codes: set[int],
    colours: Palette,
) -> float:  # fmt: skip
    run = runs[position]
    lanes = [s for s in run.intervals.lanes if s.lane.group in ("engines", "DMA")]
    labels = QRectF(area.left() + 10, area.top(), window.left - area.left() - 18, BAND)
    lasts = format_time(run.makespan_ps, 4)
    write(painter, labels.adjusted(0, 0, -width(lasts, 10) - 8, 0), name, colours.text, bold=True)
    top = area.top() + BAND
    bottom = top + ALIGNED_LANE * len(lanes)
    write(painter, labels, lasts, colours.faint, pixels=10, align=RIGHT)
    body = QRectF(window.left, area.top(), window.width, bottom - area.top())
    painter.save()
    painter.setClipRect(body.intersected(painter.clipBoundingRect()))
    _draw_saved(painter, found, position, body.adjusted(0, BAND, 0, 0), window, colours)
    _draw_band(painter, view, found, position, runs, body, window, scene, colours)
    names = [run.outline.layer_name(t) for t in range(len(run.outline.tasks))] + ["external"]
    for start, end, place in found.pieces(position):
        left = window.left + (place - window.start_ps) * window.scale
        wide = (end - start) * window.scale
        if left + wide < window.left or left > window.left + window.width or wide < 0.3:
            continue
        part = _inside(Window(start, end, left, wide), window)
        for line, lane in enumerate(lanes):
            strip = QRectF(part.left, top + line * ALIGNED_LANE, part.width, ALIGNED_LANE)
            drawn = draw_lane(painter, lane, strip, part, colours, names,
                              max(4, int(0.8 * part.width)))  # fmt: skip
            codes |= drawn.codes()
    painter.restore()
    for line, lane in enumerate(lanes):
        label = QRectF(area.left() + 10, top + line * ALIGNED_LANE, labels.width(), ALIGNED_LANE)
        write(painter, label, lane.lane.name, colours.faint, pixels=10, align=RIGHT)
    painter.setPen(QPen(colours.grid, 1))
    painter.drawLine(QLineF(area.left(), bottom + 4, area.right(), bottom + 4))
    return bottom


def _inside(part: Window, shown: Window) -> Window:
    """The part of a piece that lies in the picture: what is outside is not looked at."""
    low, high = shown.left, shown.left + shown.width
    left, right = max(part.left, low), min(part.left + part.width, high)
    scale = max(1e-30, part.scale)
    start = part.start_ps + round((left - part.left) / scale)
    end = part.start_ps + round((right - part.left) / scale)
    return Window(start, max(start + 1, end), left, max(0.1, right - left))


def _stretches(found: Alignment, window: Window) -> list[tuple[int, float, float]]:
    """(stretch, left, right) of those in the window that have any width."""
    edges = window.left + (found.offsets - window.start_ps) * window.scale
    seen = (edges[1:] > window.left) & (edges[:-1] < window.left + window.width)
    wide = np.diff(found.offsets) > 0
    return [(i, float(edges[i]), float(edges[i + 1])) for i in np.flatnonzero(seen & wide).tolist()]


def _draw_saved(
    painter: QPainter, found: Alignment, position: int, body: QRectF, window: Window,
    colours: Palette,
) -> None:  # fmt: skip
    """Hatch what a run leaves of the room of its layers."""
    painter.setPen(Qt.PenStyle.NoPen)
    for stretch, left, right in _stretches(found, window):
        used = left + float(found.lengths[position][stretch]) * window.scale
        painter.setPen(QPen(colours.grid, 1))
        painter.drawLine(QLineF(left, body.top(), left, body.bottom()))
        if right - used > 1:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(mixed(colours.good, colours.background, 0.10))
            painter.drawRect(QRectF(used, body.top(), right - used, body.height()))
            painter.setBrush(hatch(mixed(colours.good, colours.background, 0.45)))
            painter.drawRect(QRectF(used, body.top(), right - used, body.height()))


def _draw_band(
    painter: QPainter, view: View, found: Alignment, position: int, runs: tuple[Run, ...],
    body: QRectF, window: Window, scene: Scene, colours: Palette,
) -> None:  # fmt: skip
    """The layers of a run, each with its time, or how much that differs from the first run."""
    shown = short_names(runs)
    for stretch, left, right in _stretches(found, window):
        name, length = found.names[stretch], int(found.lengths[position][stretch])
        box = QRectF(left, body.top() + 1, max(0.7, length * window.scale - 0.8), BAND - 3)
        colour = mixed(colours.series[stretch % 2 * 4], colours.background,
                       0.34 if stretch % 2 else 0.22)  # fmt: skip
        if name and name == view.layer:
            colour = colours.accent
        painter.fillRect(box, colour)
        change = length - int(found.lengths[0][stretch])
        sign = "+" if change > 0 else "−"
        told = f"{name}  {sign}{format_time(abs(change), 3)}" if position and change else name
        seen = QRectF(max(left, window.left), box.top(), 0, box.height())
        seen.setRight(min(max(box.right(), seen.left()), window.left + window.width))
        if seen.width() > 22:
            write(painter, seen.adjusted(3, 0, -3, 0), told, on(colour), pixels=10, align=CENTRE)
        lines = [f"{other}: {format_time(int(found.lengths[i][stretch]))}"
                 for i, other in enumerate(shown)]  # fmt: skip
        what = f"From the beginning of {name} to the next layer" if name else "Before any layer"
        where = QRectF(left, body.top(), right - left, body.height())
        scene.add(where, "layer" if name else "start", name, "\n".join([what, *lines]))
