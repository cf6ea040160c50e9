"""Several runs above each other, aligned by layer: the same work at the same place."""

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from cosim.units import format_time
from gui.painting import axes
from gui.painting.heights import ALIGNED_LANE
from gui.painting.lane_picture import Window, draw_lane
from gui.painting.palette import Palette, palette
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, heading, write
from gui.painting.timeline import draw_layers
from gui.painting.tracks import HEADER_WIDTH
from gui.views.comparison import aligned_time, short_names
from gui.views.run_data import Run
from gui.views.view import View

LANE = ALIGNED_LANE
GAP = 14.0


def paint_aligned(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Engines and channels of every shown run over the window of the first one.

    The window is the first run's; that of the others goes from what corresponds to its start to
    what corresponds to its end: the same share of the same layer.
    """
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    runs = stores.runs
    if len(runs) < 2 or not all(run.has("layers") for run in runs):
        text = "Check two or more runs, or select several design points, to align them by layer"
        write(painter, rect, text, colours.faint, align=CENTRE)
        return scene
    top = rect.top() + heading(
        painter, rect, "Timelines aligned by layer", colours,
        "each run over the same layers; every window has its own length",
    )  # fmt: skip
    first = runs[0]
    start, end = view.window(first.makespan_ps)
    whole = view.end_ps <= view.start_ps
    for run, name in zip(runs, short_names(runs), strict=True):
        window = (start, end)
        if run is not first:
            window = (0, run.makespan_ps) if whole else (
                aligned_time(first, run, start), aligned_time(first, run, end)
            )  # fmt: skip
        area = QRectF(rect.left(), top, rect.width(), rect.bottom() - top)
        top = _draw_run(painter, view, run, name, area, window, scene, colours) + GAP
        if run is first:
            scene.start_ps, scene.end_ps = start, end
    scene.plot = QRectF(rect.left() + HEADER_WIDTH, rect.top() + 32,
                        rect.width() - HEADER_WIDTH, top - rect.top() - 32)  # fmt: skip
    scene.height = top
    return scene


def _draw_run(
    painter: QPainter, view: View, run: Run, name: str, area: QRectF, span: tuple[int, int],
    scene: Scene, colours: Palette,
) -> float:  # fmt: skip
    lanes = [s for s in run.intervals.lanes if s.lane.group in ("engines", "DMA")]
    header = min(HEADER_WIDTH, area.width() * 0.3)
    window = Window(span[0], max(span[0] + 1, span[1]), area.left() + header,
                    area.width() - header - 8)  # fmt: skip
    write(painter, QRectF(area.left() + 10, area.top(), header - 16, 20), name, colours.text,
          bold=True)  # fmt: skip
    ruler = QRectF(window.left, area.top(), window.width, 20)
    bottom = area.top() + 40 + LANE * len(lanes)
    axes.time_ruler(painter, ruler, window.start_ps, window.end_ps, colours, bottom)
    band = QRectF(window.left, area.top() + 20, window.width, 18)
    length = format_time(window.end_ps - window.start_ps, 4)
    write(painter, QRectF(area.left() + 10, area.top() + 20, header - 16, 18), length,
          colours.faint, pixels=10)  # fmt: skip
    draw_layers(painter, run, view, band, scene, window, colours)
    names = [run.outline.layer_name(t) for t in range(len(run.outline.tasks))] + ["external"]
    for position, lane in enumerate(lanes):
        strip = QRectF(window.left, area.top() + 39 + position * LANE, window.width, LANE)
        painter.save()
        painter.setClipRect(strip)
        draw_lane(painter, lane, strip, window, colours, names, int(0.8 * window.width))
        painter.restore()
        label = QRectF(area.left() + 10, strip.top(), header - 18, LANE)
        write(painter, label, lane.lane.name, colours.faint, pixels=10, align=RIGHT)
    painter.setPen(QPen(colours.grid, 1, Qt.PenStyle.SolidLine))
    painter.drawLine(int(area.left()), int(bottom + 3), int(area.right()), int(bottom + 3))
    return bottom
