"""Power against its budget, what waits for it, temperature where there is one, DRAM bandwidth."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from cosim.analysis.sampled import DRAWN
from cosim.timeline.causes import Cause
from cosim.units import format_power
from gui.painting import axes
from gui.painting.counter_picture import counter_text, draw_counter
from gui.painting.lane_picture import Window
from gui.painting.overlays import draw_markers, draw_range
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, heading, width, write
from gui.views.counter_store import Counter
from gui.views.lanes import N_ACTIVITIES, WAITS
from gui.views.run_data import Run
from gui.views.view import View

LEFT = 112.0

_HELD_BACK = tuple(N_ACTIVITIES + WAITS.index(c) for c in (Cause.POWER, Cause.THROTTLED))


def paint_power(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Power of the first run over time."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    run = stores.run
    if run is None:
        return scene
    y = rect.top() + heading(painter, rect, "Power and temperature", colours, _note(run))
    start, end = view.window(run.makespan_ps)
    window = Window(start, end, rect.left() + LEFT, rect.width() - LEFT - 14)
    scene.start_ps, scene.end_ps = start, end
    axes.time_ruler(painter, QRectF(window.left, y, window.width, 20), start, end, colours,
                    rect.bottom() - 6)  # fmt: skip
    ruler = y
    y += 24
    scene.plot = QRectF(window.left, y, window.width, rect.bottom() - 8 - y)
    if not run.has("counters"):
        text = "power over time is being prepared"
        write(painter, scene.plot, text, colours.faint, align=CENTRE)
        return scene
    wanted = ("power", *DRAWN, "DRAM bandwidth")
    counters = [run.counters[name] for name in wanted if name in run.counters]
    shares = [3.0 if c.name == "power" else 1.6 for c in counters]
    unit = (scene.plot.height() - 24 * len(counters)) / sum(shares)
    for counter, share in zip(counters, shares, strict=True):
        plot = QRectF(window.left, y + 16, window.width, unit * share)
        _draw_one(painter, run, counter, plot, window, scene, colours)
        y = plot.bottom() + 8
    painter.save()
    painter.setClipRect(QRectF(window.left, rect.top(), window.width, rect.height()))
    draw_range(painter, view, scene, rect.bottom() - 6, colours)
    draw_markers(painter, view, scene, rect.bottom() - 6, colours, ruler)
    painter.restore()
    return scene


def _note(run: Run) -> str:
    summary = run.summary
    budget = summary.get("power_budget_w")
    parts = [
        f"{run.name}: mean {format_power(summary['average_power_w'] * 1e3, 3)}",
        f"peak {format_power(summary['peak_power_w'] * 1e3, 3)}",
        f"budget {format_power(budget * 1e3, 3)}" if budget else "no budget",
    ]
    return ", ".join(parts)


def _draw_one(
    painter: QPainter, run: Run, counter: Counter, plot: QRectF, window: Window, scene: Scene,
    colours: Palette,
) -> None:  # fmt: skip
    ceiling = counter.ceiling * 1.08
    axes.value_axis(painter, plot, 0, ceiling, lambda v: counter_text(counter.unit, v), colours,
                    wanted=max(2, int(plot.height() // 50)))  # fmt: skip
    write(painter, QRectF(plot.left() - 106, plot.top() - 17, 100, 16), counter.name,
          colours.text, align=RIGHT, pixels=10, bold=True)  # fmt: skip
    tip = f"{counter.name}: mean {counter_text(counter.unit, counter.average(0, run.makespan_ps))}"
    tip += f", peak {counter_text(counter.unit, counter.peak)}"
    scene.add(plot, "counter", counter.name, tip)
    if counter.name == "power":
        _shade(painter, run, plot, window, colours)
    colour = colours.series[6] if counter.name == "power" else colours.series[1]
    draw_counter(painter, counter, plot, window, colour, colours, ceiling, numbers=False)
    if counter.name == "power":
        static = run.program.static_mw
        _line(painter, plot, plot.bottom() - static / ceiling * (plot.height() - 5),
              f"static {format_power(static, 3)}", colours)  # fmt: skip
    if counter.limit is not None and counter.limit <= ceiling:
        word = "budget" if counter.name == "power" else "limit"
        y = plot.bottom() - 1 - counter.limit / ceiling * (plot.height() - 5)
        text = f"{word} {counter_text(counter.unit, counter.limit)}"
        above = y - 16 > plot.top()  # else it would lie on the frame
        room = QRectF(plot.right() - width(text) - 8, y - 16 if above else y + 2,
                      width(text) + 6, 14)  # fmt: skip
        painter.fillRect(room, with_alpha(colours.background, 0.8))
        write(painter, room, text, colours.bad, align=CENTRE, cut=False)
    if counter.window(window.start_ps, window.end_ps, max(1, int(window.width))).merged:
        text = "line: largest value in a pixel; dark: up to the smallest"
        room = QRectF(plot.center().x(), plot.top() - 17, plot.width() / 2, 16)
        write(painter, room, text, colours.faint, pixels=10, align=RIGHT)
    axes.frame(painter, plot, colours)


def _line(painter: QPainter, plot: QRectF, y: float, text: str, colours: Palette) -> None:
    painter.setPen(QPen(colours.faint, 1, Qt.PenStyle.DotLine))
    painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
    write(painter, QRectF(plot.left() + 4, y - 15, 160, 14), text, colours.faint, pixels=10)


def _shade(painter: QPainter, run: Run, plot: QRectF, window: Window, colours: Palette) -> None:
    """Where any component waits for power or runs throttled; the darker, the more of them."""
    columns = max(1, int(window.width))
    held = np.zeros(columns)
    for lane in run.intervals.lanes:
        shares = lane.shares(window.start_ps, window.end_ps, columns)
        if shares is None:
            continue
        lines = [i for i, code in enumerate(shares.categories) if code in _HELD_BACK]
        if lines and shares.values.shape[1]:
            at = window.start_ps + (np.arange(columns) + 0.5) / window.scale
            bins = ((at - shares.start_ps) // shares.bin_ps).astype(np.int64)
            inside = (bins >= 0) & (bins < shares.values.shape[1])
            total = shares.values[lines].sum(axis=0) / 255
            held[inside] += total[bins[inside]]
    if not held.any():
        return
    painter.setPen(Qt.PenStyle.NoPen)
    for column in np.flatnonzero(held > 0.02).tolist():
        alpha = min(0.5, 0.12 + 0.16 * float(held[column]))
        box = QRectF(window.left + column, plot.top(), 1, plot.height())
        painter.fillRect(box, with_alpha(colours.cause("power"), alpha))
    text = "shaded: something waits for power, or is throttled"
    room = QRectF(plot.left() + 2, plot.top() - 17, plot.width() / 2 - 4, 16)
    write(painter, room, text, colours.text, pixels=10)
