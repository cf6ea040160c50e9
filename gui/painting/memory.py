"""Memory over time: bytes alive by role, buffers, and every tensor's place and lifetime."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from cosim.units import format_bytes, format_time
from gui.painting import axes
from gui.painting.batch import polygon
from gui.painting.counter_picture import counter_text, draw_counter
from gui.painting.heights import MEMORY_STRIP, strips_of
from gui.painting.lane_picture import Window
from gui.painting.palette import Palette, mixed, on, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, heading, legend, width, write
from gui.views.run_data import Run
from gui.views.tensor_map import TensorBox
from gui.views.view import View

LEFT = 112.0
LEAST_MAP = 150.0
"""Pixels below which tensors have no room beside strips of counters."""


def paint_memory(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Memory of the first run."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    run = stores.run
    if run is None:
        return scene
    facts = run.memory_facts if run.has("memory_facts") else None
    note = f"{run.name}: {peak_words(facts)}" if facts else run.name
    y = rect.top() + heading(painter, rect, "Memory", colours, note)
    roles = [(role, colours.role(role), False) for role in (run.memory if facts else {})]
    legend_room = QRectF(rect.left() + LEFT, y, rect.width() - LEFT - 10, 40)
    y += legend(painter, legend_room, roles, colours) + 2
    start, end = view.window(run.makespan_ps)
    window = Window(start, end, rect.left() + LEFT, rect.width() - LEFT - 14)
    scene.start_ps, scene.end_ps = start, end
    axes.time_ruler(painter, QRectF(window.left, y, window.width, 20), start, end, colours,
                    rect.bottom() - 6)  # fmt: skip
    ruler = y
    y += 22
    scene.plot = QRectF(window.left, y, window.width, rect.bottom() - 8 - y)
    if facts is None:
        text = "memory over time is being prepared"
        write(painter, scene.plot, text, colours.faint, align=CENTRE)
        return scene
    strips = strips_of(run)
    if scene.plot.height() - MEMORY_STRIP * len(strips) < LEAST_MAP:
        strips = []
    room = scene.plot.height() - MEMORY_STRIP * len(strips) - 34
    alive = QRectF(window.left, y, window.width, room * 0.40)
    _draw_alive(painter, run, facts, alive, window, scene, colours)
    places = QRectF(window.left, alive.bottom() + 22, window.width, room * 0.60 - 4)
    _draw_map(painter, run, places, window, scene, view, colours)
    _draw_peak_line(painter, facts.peak_ps, alive.top(), places.bottom(), window, colours)
    top = places.bottom() + 10
    for counter in strips:
        strip = QRectF(window.left, top, window.width, MEMORY_STRIP - 1)
        moves = counter.name == "DRAM bandwidth"
        draw_counter(painter, counter, strip, window, colours.series[1 if moves else 0], colours)
        name = QRectF(rect.left() + 8, top, LEFT - 14, MEMORY_STRIP - 1)
        write(painter, name, counter.name, colours.text, pixels=10, align=RIGHT)
        what = "Bytes the DRAM moves in a second" if moves else f"Bytes held in the {counter.name}"
        tip = f"{what}: peak {counter_text(counter.unit, counter.peak)}"
        if counter.limit is not None:
            tip += f", at most {counter_text(counter.unit, counter.limit)} (dashed)"
        scene.add(strip, "counter", counter.name, tip)
        top += MEMORY_STRIP
    scene.pointers = QRectF(window.left, ruler, window.width, rect.bottom() - 6 - ruler)
    return scene


def peak_words(facts: Any, most: int = 3) -> str:
    """The peak, when it is, and the largest tensors alive at it."""
    text = f"peak {format_bytes(facts.peak_bytes)} at {format_time(facts.peak_ps)}"
    alive = sorted(facts.at_peak, key=lambda item: -item[2])
    named = [f"{name} ({role}) {format_bytes(size, 3)}" for name, role, size in alive[:most]]
    more = [f"{len(alive) - most} more"] if len(alive) > most else []
    return f"{text}, when alive: {', '.join(named + more)}" if named else text


def _draw_alive(
    painter: QPainter, run: Run, facts: object, plot: QRectF, window: Window, scene: Scene,
    colours: Palette,
) -> None:  # fmt: skip
    """Bytes alive, roles stacked, phases behind, the peak marked."""
    counters = list(run.memory.values())
    peak_bytes, peak_ps = facts.peak_bytes, facts.peak_ps  # type: ignore[attr-defined]
    place = axes.value_axis(
        painter,
        plot,
        0,
        max(1, peak_bytes) * 1.12,
        lambda v: format_bytes(round(v), 3),
        colours,
        wanted=4,
        steps=axes.byte_steps,
    )
    write(painter, QRectF(plot.left() - 106, plot.top() - 22, 100, 16), "alive in memory",
          colours.text, align=RIGHT, pixels=10)  # fmt: skip
    painter.save()
    painter.setClipRect(plot)
    _draw_phases(painter, facts.phases, plot, window, colours)  # type: ignore[attr-defined]
    times = np.unique(np.concatenate([c.times for c in counters])) if counters else np.zeros(1)
    edges = window.x(np.append(times, run.makespan_ps).astype(np.int64))
    base = np.zeros(len(times))
    for counter in counters:
        position = np.searchsorted(counter.times, times, side="right") - 1
        top = base + counter.values[position]
        low = np.array([place(v) for v in base])
        high = np.array([place(v) for v in top])
        x = np.repeat(edges, 2)[1:-1]
        shape = polygon(
            np.concatenate([x, x[::-1]]),
            np.concatenate([np.repeat(high, 2), np.repeat(low, 2)[::-1]]),
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(with_alpha(colours.role(counter.name), 0.88))
        painter.drawPolygon(shape)
        base = top
    _name_phases(painter, facts.phases, plot, window, colours)  # type: ignore[attr-defined]
    _draw_peak(painter, peak_ps, peak_bytes, plot, window, place(peak_bytes), colours)
    painter.restore()
    axes.frame(painter, plot, colours)
    lines = [f"Peak {format_bytes(peak_bytes)} at {format_time(peak_ps)}; alive then:"]
    alive = facts.at_peak  # type: ignore[attr-defined]
    lines += [f"  {format_bytes(size)}  {name} ({role})" for name, role, size in alive[:12]]
    if len(alive) > 12:
        lines.append(f"  … and {len(alive) - 12} more")
    scene.add(plot, "alive", None, "\n".join(lines))


def _draw_phases(
    painter: QPainter, phases: object, plot: QRectF, window: Window, colours: Palette
) -> None:
    if len(phases) < 2:  # type: ignore[arg-type]
        return
    for position, phase in enumerate(phases):  # type: ignore[arg-type, var-annotated]
        left, right = window.x(np.array([phase.start, phase.end], np.int64)).tolist()
        box = QRectF(left, plot.top(), right - left, plot.height())
        if position % 2:
            painter.fillRect(box, with_alpha(colours.faint, 0.10))


def _name_phases(
    painter: QPainter, phases: object, plot: QRectF, window: Window, colours: Palette
) -> None:
    """At the foot of the plot: the peak and its line are at the top."""
    if len(phases) < 2:  # type: ignore[arg-type]
        return
    for phase in phases:  # type: ignore[attr-defined]
        left, right = window.x(np.array([phase.start, phase.end], np.int64)).tolist()
        inside = QRectF(left, plot.top(), right - left, plot.height()).intersected(plot)
        room = QRectF(inside.left() + 3, plot.bottom() - 17, width(phase.name, 10) + 6, 14)
        if inside.width() > room.width() + 6:
            painter.fillRect(room, with_alpha(colours.background, 0.8))
            write(painter, room, phase.name, colours.text, pixels=10, align=CENTRE, cut=False)


def _draw_peak(
    painter: QPainter, peak_ps: int, peak_bytes: int, plot: QRectF, window: Window, y: float,
    colours: Palette,
) -> None:  # fmt: skip
    x = float(window.x(np.array([peak_ps], np.int64))[0])
    if not plot.left() - 1 <= x <= plot.right() + 1:
        return
    painter.setPen(QPen(colours.critical, 1, Qt.PenStyle.DashLine))
    painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
    painter.setBrush(colours.critical)
    painter.setPen(QPen(colours.background, 1))
    painter.drawEllipse(QPointF(x, y), 4, 4)
    text = f"peak {format_bytes(peak_bytes)}"
    room = QRectF(min(x + 7, plot.right() - width(text) - 8), y - 18, width(text) + 8, 15)
    if room.top() < plot.top():
        room.moveTop(y + 3)
    painter.fillRect(room, with_alpha(colours.background, 0.75))
    write(painter, room, text, colours.critical, align=CENTRE, cut=False)


def _draw_peak_line(
    painter: QPainter, peak_ps: int, top: float, bottom: float, window: Window, colours: Palette
) -> None:
    """Down through the map: the tensors it crosses are those alive at the peak."""
    x = float(window.x(np.array([peak_ps], np.int64))[0])
    if window.left <= x <= window.left + window.width:
        painter.setPen(QPen(colours.critical, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QLineF(x, top, x, bottom))


def _draw_map(
    painter: QPainter, run: Run, plot: QRectF, window: Window, scene: Scene, view: View,
    colours: Palette,
) -> None:  # fmt: skip
    """Address against time: each tensor a rectangle, memories above each other."""
    tensors = run.tensors if run.has("tensors") else None
    if tensors is None or not tensors.places:
        return
    write(painter, QRectF(plot.left() - 106, plot.top() - 18, 100, 16), "where tensors lie",
          colours.text, align=RIGHT, pixels=10)  # fmt: skip
    gap = 16.0
    # a small memory beside a large one still gets room to be read
    weights = {name: max(0.22, size / max(tensors.places.values()))
               for name, size in tensors.places.items()}  # fmt: skip
    unit = (plot.height() - gap * (len(weights) - 1)) / sum(weights.values())
    top = plot.top()
    for name, extent in tensors.places.items():
        area = QRectF(plot.left(), top, plot.width(), weights[name] * unit)
        place = axes.value_axis(
            painter,
            area,
            0,
            extent,
            lambda v: format_bytes(round(v), 3),
            colours,
            wanted=max(1, int(area.height() // 40)),
            steps=axes.byte_steps,
        )
        painter.save()
        painter.setClipRect(area)
        for box in tensors.boxes:
            if box.where == name and box.end_ps > window.start_ps and box.start_ps < window.end_ps:
                _draw_box(painter, box, area, place, window, scene, view, colours)
        painter.restore()
        axes.frame(painter, area, colours)
        label = "DRAM addresses" if name == "dram" else f"on chip ({name})"
        room = QRectF(
            area.right() - width(label, 10) - 10, area.top() + 2, width(label, 10) + 8, 14
        )
        painter.fillRect(room, with_alpha(colours.background, 0.8))
        write(painter, room, label, colours.text, pixels=10, align=CENTRE, cut=False)
        top = area.bottom() + gap


def _draw_box(
    painter: QPainter, box: TensorBox, area: QRectF, place: object, window: Window, scene: Scene,
    view: View, colours: Palette,
) -> None:  # fmt: skip
    left, right = window.x(np.array([box.start_ps, box.end_ps], np.int64)).tolist()
    left, right = max(left, area.left() - 2), min(right, area.right() + 2)
    low, high = place(box.address), place(box.address + box.bytes)  # type: ignore[operator]
    shape = QRectF(left, high, max(1.0, right - left), max(1.0, low - high))
    colour = colours.role(box.role)
    painter.setPen(QPen(mixed(colours.background, colour, 0.65), 1))
    painter.setBrush(colour)
    painter.drawRect(shape)
    if shape.height() >= 13 and shape.width() > 40:
        write(painter, shape.adjusted(4, 0, -3, 0), box.name, on(colour), pixels=10)
    tip = (
        f"{box.name} ({box.role})\n{format_bytes(box.bytes)} at address {box.address:,} in "
        f"{'DRAM' if box.where == 'dram' else 'the on-chip memory'}\n"
        f"alive from {format_time(box.start_ps)} to {format_time(box.end_ps)}"
    )
    scene.add(shape.intersected(area), "tensor", box, tip)
