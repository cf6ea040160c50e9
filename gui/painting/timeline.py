"""The pipeline timeline: ruler, layer band, lanes by group with counters among them, legend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QLineF, QRectF
from PyQt6.QtGui import QPainter, QPen

from cosim.units import format_time
from gui.painting import axes
from gui.painting.counter_picture import counter_text, draw_counter
from gui.painting.lane_picture import LaneScene, Window, draw_lane
from gui.painting.overlays import (
    draw_critical,
    draw_markers,
    draw_range,
    draw_selection,
    lane_places,
)
from gui.painting.palette import Palette, mixed, on, palette
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, Entry, legend, legend_rows, width, write
from gui.painting.tracks import (
    BAND_HEIGHT,
    HEADER_WIDTH,
    RULER_HEIGHT,
    Track,
    height_of,
    tracks,
)
from gui.views.lanes import CATEGORIES, N_ACTIVITIES, explain
from gui.views.layers import LayerSpan
from gui.views.run_data import Run
from gui.views.view import View

CROWDED = 0.8
"""Intervals a pixel above which a lane is merged: more would look busier than they are."""

LEGEND_ROW = 17
LEAST_WITH_LEGEND = 220
"""A picture lower than this has no room for a legend."""

RECTANGLES = 24000
"""Most exact intervals in one picture; what has more is merged."""


FOLLOWS_POINTER = ("selected", "arrows", "time_ps", "range_ps", "markers")
"""What of a view is drawn over the lanes: changing it leaves what lies under it as it is."""


@dataclass
class Lanes:
    """What lies under selection, range and cursor, and where."""

    scene: Scene
    lines: list[Track]
    rect: QRectF
    window: Window
    scroll: float
    bottom: float
    """Where the lanes end and the legend begins."""

    @property
    def top(self) -> float:
        """Where the first line would be if nothing were scrolled."""
        return self.rect.top() + RULER_HEIGHT + BAND_HEIGHT


def paint_timeline(
    view: View, stores: Stores, painter: QPainter, rect: QRectF, scroll: float = 0.0
) -> Scene:
    """Draw the timeline of the first run; `scroll` is how far its lanes are moved up."""
    lanes = paint_lanes(view, stores, painter, rect, scroll)
    return lanes.scene if stores.run is None else paint_pointers(view, stores.run, painter, lanes)


def paint_lanes(
    view: View, stores: Stores, painter: QPainter, rect: QRectF, scroll: float = 0.0
) -> Lanes:
    """The part of the timeline that does not depend on `FOLLOWS_POINTER`."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    run = stores.run
    header = min(HEADER_WIDTH, rect.width() * 0.3)
    start, end = view.window(run.makespan_ps if run is not None else 1)
    window = Window(start, end, rect.left() + header, rect.width() - header)
    scene = Scene()
    if run is None:
        return Lanes(scene, [], rect, window, scroll, rect.bottom())
    lanes = Lanes(scene, tracks(view, run), rect, window, scroll, rect.bottom())
    top, lines = lanes.top, lanes.lines
    scene.plot = QRectF(window.left, top, window.width, max(0.0, rect.bottom() - top))
    scene.start_ps, scene.end_ps = start, end
    codes = _draw_tracks(painter, view, run, lines, rect, scene, window, scroll, colours)
    _draw_top(painter, run, view, rect, scene, window, colours)
    named = sorted(codes | _occurring(run))
    rows = legend_rows(_legend_entries(named, colours), rect.width() - 24)
    room = LEGEND_ROW * len(rows) + 10 if rect.height() >= LEAST_WITH_LEGEND else 0.0
    lanes.bottom = min(top + height_of(lines), rect.bottom() - room)
    if room:
        foot = QRectF(rect.left(), lanes.bottom, rect.width(), rect.bottom() - lanes.bottom)
        _draw_legend(painter, named, foot, scene, colours)
    scene.height = top + height_of(lines) + room - rect.top()
    return lanes


def paint_pointers(view: View, run: Run, painter: QPainter, lanes: Lanes) -> Scene:
    """Selection, range, markers and cursor over the lanes, and what counters are at the cursor."""
    colours, window, rect = palette(view.theme), lanes.window, lanes.rect
    scene = replace(lanes.scene, hits=list(lanes.scene.hits), plot=QRectF(lanes.scene.plot))
    painter.save()
    lanes_height = lanes.bottom - lanes.top
    painter.setClipRect(QRectF(rect.left(), lanes.top, rect.width(), lanes_height))
    for line in lanes.lines:
        top = lanes.top + line.y - lanes.scroll
        if line.counter is not None and top + line.height >= lanes.top and top <= lanes.bottom:
            room = QRectF(rect.left() + 14, top + 14, window.left - rect.left() - 20,
                          line.height - 14)  # fmt: skip
            write(painter, room, _counter_now(line, view, window), colours.faint, pixels=10)
    places = lane_places(lanes.lines, lanes.top - lanes.scroll, window.left, window.width)
    painter.setClipRect(QRectF(window.left, lanes.top, window.width, lanes_height))
    draw_selection(painter, view, run, scene, places, colours)
    scene.plot.setBottom(lanes.bottom)
    painter.setClipRect(QRectF(window.left, rect.top(), window.width, rect.height()))
    draw_range(painter, view, scene, scene.plot.bottom(), colours)
    draw_markers(painter, view, scene, scene.plot.bottom(), colours)
    painter.restore()
    return scene


def _counter_now(line: Track, view: View, window: Window) -> str:
    counter = line.counter
    assert counter is not None
    if view.time_ps is not None:
        return f"{counter_text(counter.unit, counter.at(view.time_ps))} now"
    mean = counter.about(window.start_ps, window.end_ps)
    return f"mean {counter_text(counter.unit, mean)}"


def _draw_tracks(
    painter: QPainter, view: View, run: Run, lines: list[Track], rect: QRectF, scene: Scene,
    window: Window, scroll: float, colours: Palette,
) -> set[int]:  # fmt: skip
    top = scene.plot.top()
    painter.save()
    painter.setClipRect(QRectF(rect.left(), top, rect.width(), rect.height()))
    _grid(painter, window, top, min(rect.bottom(), top + height_of(lines) - scroll), colours)
    names = _names(run)
    fade = _fade(view, run)
    lanes = max(1, sum(line.kind == "lane" for line in lines))
    budget = min(RECTANGLES // lanes, int(window.width * CROWDED))
    codes: set[int] = set()
    for line in lines:
        place = QRectF(rect.left(), top + line.y - scroll, rect.width(), line.height)
        if place.bottom() < top or place.top() > rect.bottom():
            continue
        body = QRectF(window.left, place.top(), window.width, line.height)
        if line.kind == "group":
            _draw_group(painter, line, place, view, scene, colours)
        elif line.counter is not None:
            colour = _counter_colour(line, colours)
            draw_counter(painter, line.counter, body, window, colour, colours)
            _counter_header(painter, line, place, body, scene, window, colours)
        elif line.lane is not None:
            painter.save()
            painter.setClipRect(body.intersected(painter.clipBoundingRect()))
            drawn = draw_lane(
                painter, line.lane, body, window, colours, names, budget, fade, view.least_ps
            )
            painter.restore()
            codes |= drawn.codes()
            scene.merged |= drawn.rows is None
            _lane_header(painter, line, place, drawn, scene, window, colours)
            _lane_hits(line, drawn, body, scene)
    places = lane_places(lines, top - scroll, window.left, window.width)
    painter.setClipRect(QRectF(window.left, top, window.width, rect.height()))
    if (view.critical or view.only_critical) and run.has("critical"):
        draw_critical(painter, run, places, window, view.only_critical, colours)
    painter.restore()
    return codes


def _names(run: Run) -> list[str]:
    """What is written into intervals, by template."""
    outline = run.outline
    count = len(outline.tasks)
    return [outline.layer_name(t) or outline.activity(t) for t in range(count)] + ["external"]


def _fade(view: View, run: Run) -> NDArray[np.bool_] | None:
    """Templates that the view's filter or selected layer leaves out."""
    if not view.pattern and not view.layer:
        return None
    return ~run.matching(view.pattern, view.layer)


def _grid(painter: QPainter, window: Window, top: float, bottom: float, colours: Palette) -> None:
    steps = axes.time_steps(window.start_ps, window.end_ps, max(2, int(window.width // 110)))
    painter.setPen(QPen(colours.grid, 1))
    for time in steps:
        x = window.left + (time - window.start_ps) * window.scale
        painter.drawLine(QLineF(x, top, x, bottom))


def _draw_group(
    painter: QPainter, line: Track, place: QRectF, view: View, scene: Scene, colours: Palette
) -> None:
    painter.fillRect(place, colours.band)
    closed = line.name in view.collapsed
    mark = "▸" if closed else "▾"
    write(painter, place.adjusted(6, 0, -6, 0), f"{mark} {line.name}", colours.faint,
          pixels=10, bold=True)  # fmt: skip
    verb = "open" if closed else "close"
    scene.add(place, "group", line.name, f"Group {line.name}: click to {verb} it")


def _counter_colour(line: Track, colours: Palette) -> object:
    if line.name == "power":
        return colours.series[6]
    return colours.series[1] if line.name == "DRAM bandwidth" else colours.series[0]


def _counter_header(
    painter: QPainter, line: Track, place: QRectF, body: QRectF, scene: Scene, window: Window,
    colours: Palette,
) -> None:  # fmt: skip
    counter = line.counter
    assert counter is not None
    room = QRectF(place.left() + 14, place.top(), window.left - place.left() - 20, place.height())
    name = line.name.removeprefix("buffer ")
    write(painter, room.adjusted(0, 0, 0, -14), name, colours.text)
    tip = (
        f"{line.name}: peak {counter_text(counter.unit, counter.peak)}"
        + (f", limit {counter_text(counter.unit, counter.limit)} (dashed)"
           if counter.limit is not None else "")
    )  # fmt: skip
    scene.add(body, "counter", line.name, tip)
    scene.add(QRectF(place.left(), place.top(), body.left() - place.left(), place.height()),
              "lane", line.name, tip)  # fmt: skip


def _lane_header(
    painter: QPainter, line: Track, place: QRectF, drawn: LaneScene, scene: Scene,
    window: Window, colours: Palette,
) -> None:  # fmt: skip
    head = QRectF(place.left(), place.top(), window.left - place.left(), place.height())
    write(painter, head.adjusted(14, 0, -48, 0), line.name, colours.text)
    busy = _busy(drawn, window)
    text = "…" if busy is None else f"{100 * busy:.0f} %"
    write(painter, head.adjusted(0, 0, -8, 0), text, colours.faint, align=RIGHT, pixels=10)
    lane = line.lane
    assert lane is not None
    tip = f"{line.name} ({lane.lane.kind}): {len(lane):,} intervals in the run"
    if busy is not None:
        tip += f"; busy {100 * busy:.1f} % of the time shown"
    scene.add(head, "lane", line.name, tip)


def _busy(drawn: LaneScene, window: Window) -> float | None:
    if drawn.rows is not None:
        start = np.maximum(drawn.rows.start, window.start_ps)
        end = np.minimum(drawn.rows.end, window.end_ps)
        return float(np.maximum(0, end - start).sum()) / max(1, window.end_ps - window.start_ps)
    if drawn.shares is not None and drawn.shares.values.shape[1]:
        working = [c < N_ACTIVITIES for c in drawn.shares.categories]
        return float(drawn.shares.values[working].mean(axis=1).sum()) / 255
    return None


def _lane_hits(line: Track, drawn: LaneScene, body: QRectF, scene: Scene) -> None:
    tip = "Intervals are too small to see: shares of time. Zoom in."
    scene.add(body, "lane body", line.name, "" if drawn.rows is not None else tip)


def _draw_top(
    painter: QPainter, run: Run, view: View, rect: QRectF, scene: Scene, window: Window,
    colours: Palette,
) -> None:  # fmt: skip
    """Ruler and layer band, with what one pixel stands for at their left."""
    ruler = QRectF(window.left, rect.top(), window.width, RULER_HEIGHT)
    axes.time_ruler(painter, ruler, window.start_ps, window.end_ps, colours)
    scene.add(ruler, "axis", "time", "Time since the run began")
    corner = QRectF(rect.left() + 6, rect.top() + 1, window.left - rect.left() - 10, 18)
    pixel = format_time(max(1, round((window.end_ps - window.start_ps) / window.width)), 2)
    write(painter, corner, f"1 pixel = {pixel}", colours.faint, pixels=10)
    note = "┈ merged: zoom in" if scene.merged else "layers"
    write(painter, corner.translated(0, RULER_HEIGHT), note, colours.faint, pixels=10)
    if run.has("layers"):
        band = QRectF(window.left, rect.top() + RULER_HEIGHT, window.width, BAND_HEIGHT)
        draw_layers(painter, run, view, band, scene, window, colours)


def draw_layers(
    painter: QPainter, run: Run, view: View, band: QRectF, scene: Scene, window: Window,
    colours: Palette,
) -> None:  # fmt: skip
    """The layers as named stretches; where two overlap, the later one begins where it begins."""
    painter.save()
    painter.setClipRect(band)
    spans = run.layers
    for position, span in enumerate(spans):
        following = spans[position + 1].start_ps if position + 1 < len(spans) else span.end_ps
        end = max(span.start_ps, min(max(span.end_ps, following), following))
        left = max(band.left(), window.left + (span.start_ps - window.start_ps) * window.scale)
        right = min(band.right(), window.left + (end - window.start_ps) * window.scale)
        if right <= left:
            continue
        box = QRectF(left, band.top() + 1, max(0.5, right - left), band.height() - 3)
        colour = mixed(colours.series[span.index % 2 * 4], colours.background,
                       0.34 if span.index % 2 else 0.22)  # fmt: skip
        if span.name == view.layer:
            colour = colours.accent
        painter.fillRect(box.adjusted(0, 0, -0.8 if box.width() > 3 else 0, 0), colour)
        if box.width() > 22:
            room = box.adjusted(3, 0, -3, 0)
            write(painter, room, span.name, on(colour), pixels=10, align=CENTRE)
        scene.add(box, "layer", span.name, layer_tip(span))
    painter.restore()


@lru_cache(maxsize=4096)
def layer_tip(span: LayerSpan) -> str:
    """What to say about a layer."""
    return (
        f"Layer {span.name}\nits work: {format_time(span.start_ps)} to "
        f"{format_time(span.end_ps)} ({format_time(span.end_ps - span.start_ps)})"
    )


def _occurring(run: Run) -> set[int]:
    """Categories of lanes that are prepared: the legend shall not jump while one scrolls."""
    found: set[int] = set()
    for lane in run.intervals.lanes:
        if lane.pyramid is not None:
            found.update(lane.pyramid.categories)
    return found


def _legend_entries(codes: list[int], colours: Palette) -> list[Entry]:
    return [
        (CATEGORIES[code].replace("wait: ", "waits: "), colours.category(code),
         code >= N_ACTIVITIES)
        for code in codes
    ]  # fmt: skip


def _draw_legend(
    painter: QPainter, codes: list[int], foot: QRectF, scene: Scene, colours: Palette
) -> None:
    """What the colours mean, below the lanes and above whatever of them has no room."""
    painter.fillRect(foot, colours.background)
    painter.setPen(QPen(colours.grid, 1))
    painter.drawLine(QLineF(foot.left(), foot.top(), foot.right(), foot.top()))
    scene.add(foot, "legend", None, "")
    area = foot.adjusted(14, 6, -10, 0)
    entries = _legend_entries(codes, colours)
    legend(painter, area, entries, colours)
    words = iter(codes)
    for position, row in enumerate(legend_rows(entries, area.width())):
        x = area.left()
        for name, _, _ in row:
            room = QRectF(x, area.top() + position * LEGEND_ROW, width(name) + 24, LEGEND_ROW)
            scene.add(room, "legend", name, explain(next(words)))
            x += width(name) + 30
