"""Power against its budget, what waits for it, temperature where there is one, DRAM bandwidth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from cosim.units import format_power
from gui.painting import axes
from gui.painting.batch import draw_rects, draw_steps
from gui.painting.counter_picture import counter_text, draw_counter
from gui.painting.lane_picture import Window
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, heading, width, write
from gui.views.counter_store import Counter, CounterStore
from gui.views.power_policy import held_back, thresholds
from gui.views.run_data import BESIDE_POWER, Run
from gui.views.view import View

LEFT = 112.0

LEVELS = ("temperature", "capacitor voltage")
"""Counters whose axis does not begin at zero."""

WORDS = {
    "power": "power of accelerator and DRAM at every instant",
    "reserved power": "what the budget has granted to tasks that run, static power included",
    "temperature": "of the chip, from the power and the board's thermal network",
    "frequency": "clock that the governor grants, of the full one",
    "long average": "power over the governor's long window",
    "granted power": "what the governor lets the machine draw",
    "tokens": "energy that tasks may still take",
    "charge": "of the battery",
    "capacitor voltage": "the harvester charges it, the machine draws from it",
    "DRAM bandwidth": "bytes that the DRAM moves in a second",
}
"""What each counter is."""

_SERIES = {"power": 6, "reserved power": 5, "temperature": 3, "frequency": 2}

Place = Callable[[float], float]


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
    wanted = ("power", *BESIDE_POWER, "DRAM bandwidth")
    counters = [run.counters[name] for name in wanted if name in run.counters]
    shares = [3.0 if c.name == "power" else 1.6 for c in counters]
    unit = (scene.plot.height() - 24 * len(counters)) / sum(shares)
    for counter, share in zip(counters, shares, strict=True):
        plot = QRectF(window.left, y + 16, window.width, unit * share)
        _draw_one(painter, run, counter, plot, window, scene, colours)
        y = plot.bottom() + 8
    scene.pointers = QRectF(window.left, ruler, window.width, rect.bottom() - 6 - ruler)
    return scene


def _note(run: Run) -> str:
    summary = run.summary
    figures = {"mean": "average_power_w", "peak": "peak_power_w"}
    parts = [f"{word} {format_power(summary[key] * 1e3, 3)}"
             for word, key in figures.items() if key in summary]  # fmt: skip
    budget = summary.get("power_budget_w")
    parts.append(f"budget {format_power(budget * 1e3, 3)}" if budget else "no budget")
    missing = [word for word, key in figures.items() if key not in summary]
    if missing:
        parts.append(f"its summary.json says no {' and no '.join(missing)}")
    return f"{run.name}: {', '.join(parts)}"


def _draw_one(
    painter: QPainter, run: Run, counter: Counter, plot: QRectF, window: Window, scene: Scene,
    colours: Palette,
) -> None:  # fmt: skip
    def text_of(value: float) -> str:
        return counter_text(counter.unit, value)

    level = counter.name in LEVELS
    marks = thresholds(run.design.power.policy, counter.name)
    low, top = _level_axis(counter, marks) if level else (0.0, counter.ceiling * 1.08)
    place = axes.value_axis(painter, plot, low, top, text_of, colours,
                            wanted=max(2, int(plot.height() // 40)))  # fmt: skip
    write(painter, QRectF(plot.left() - 106, plot.top() - 17, 100, 16), counter.name,
          colours.text, align=RIGHT, pixels=10, bold=True)  # fmt: skip
    tip = f"{counter.name}: mean {text_of(counter.average(0, run.makespan_ps))}"
    tip += f", peak {text_of(counter.peak)}\n{WORDS.get(counter.name, '')}"
    scene.add(plot, "counter", counter.name, tip.strip())
    if counter.name == "power":
        _shade(painter, run, plot, window, colours)
    colour = colours.series[_SERIES.get(counter.name, 1)]
    if level:
        _draw_level(painter, counter, plot, window, place, colour)
    else:
        draw_counter(painter, counter, plot, window, colour, colours, top, numbers=False)
        # the drawing of a counter leaves a little room above
        place = partial(_in_counter, plot, top)
    if counter.name == "power":
        static = run.program.static_mw
        _line(painter, plot, place(static), f"static {format_power(static, 3)}", colours)
    if counter.limit is not None and counter.limit <= top:
        marks = [("budget" if counter.unit == "mW" else "limit", counter.limit), *marks]
    right = plot.right() - 2
    for word, value in marks:
        if low <= value <= top:
            text = f"{word} {text_of(value)}"
            _threshold(painter, plot, place(value), text, right, colours)
            right -= width(text) + 14
    if counter.window(window.start_ps, window.end_ps, max(1, int(window.width))).merged:
        text = "line: largest value in a pixel; dark: up to the smallest"
        room = QRectF(plot.right() - width(text, 10) - 4, plot.top() - 17, width(text, 10) + 4, 16)
        shaded = counter.name == "power" and width(text, 10) > plot.width() / 2
        write(painter, room, "" if shaded else text, colours.faint, pixels=10, align=RIGHT)
    axes.frame(painter, plot, colours)


def _in_counter(plot: QRectF, top: float, value: float) -> float:
    """Where `draw_counter` draws a value."""
    return plot.bottom() - 1 - value / top * (plot.height() - 5)


def _threshold(
    painter: QPainter, plot: QRectF, y: float, text: str, right: float, colours: Palette
) -> None:
    """A dashed line with its name, which ends at `right`."""
    painter.setPen(QPen(colours.bad, 1, Qt.PenStyle.DashLine))
    painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
    above = y - 16 > plot.top()  # else it would lie on the frame
    room = QRectF(right - width(text) - 6, y - 16 if above else y + 2, width(text) + 6, 14)
    painter.fillRect(room, with_alpha(colours.background, 0.8))
    write(painter, room, text, colours.bad, align=CENTRE, cut=False)


def _line(painter: QPainter, plot: QRectF, y: float, text: str, colours: Palette) -> None:
    painter.setPen(QPen(colours.faint, 1, Qt.PenStyle.DotLine))
    painter.drawLine(QLineF(plot.left(), y, plot.right(), y))
    write(painter, QRectF(plot.left() + 4, y - 15, 160, 14), text, colours.faint, pixels=10)


def _shade(painter: QPainter, run: Run, plot: QRectF, window: Window, colours: Palette) -> None:
    """Where components wait for power, or run throttled: the darker, the more of them."""
    columns = max(1, int(window.width))
    held = held_back(run, window.start_ps, window.end_ps, columns)
    x = plot.left() + 2
    painter.setPen(Qt.PenStyle.NoPen)
    for kind, shares in held.items():
        colour = colours.cause(kind)
        # few steps of darkness: neighbouring columns of the same one are one rectangle
        steps = np.where(shares > 0.02, np.clip(np.ceil(shares * 4), 1, 6), 0).astype(int)
        cuts = np.flatnonzero(np.diff(steps, prepend=-1))
        for first, stop in zip(cuts.tolist(), [*cuts[1:].tolist(), columns], strict=True):
            if steps[first]:
                box = QRectF(window.left + first, plot.top(), stop - first, plot.height())
                painter.fillRect(box, with_alpha(colour, 0.10 + 0.06 * float(steps[first])))
        text = SHADES[kind]
        painter.fillRect(QRectF(x, plot.top() - 13, 10, 9), with_alpha(colour, 0.45))
        write(painter, QRectF(x + 14, plot.top() - 17, width(text, 10) + 4, 16), text,
              colours.text, pixels=10, cut=False)  # fmt: skip
        x += width(text, 10) + 30


SHADES = {
    "power": "shaded: waits for the power budget",
    "throttled": "shaded: throttled, the clock lowered or tasks held back",
}


def _level_axis(counter: Counter, marks: list[tuple[str, float]]) -> tuple[float, float]:
    """Bottom and top of the axis of a counter whose distance from zero says nothing."""
    values = [counter.peak, *(value for _, value in marks)]
    if isinstance(counter, CounterStore) and len(counter.values):
        values.append(float(counter.values.min()))
    low, high = min(values), max(values)
    margin = 0.12 * (high - low) or 0.02 * abs(high) or 1.0
    return low - margin, high + margin


def _draw_level(
    painter: QPainter, counter: Counter, plot: QRectF, window: Window, place: Place,
    colour: QColor,
) -> None:  # fmt: skip
    """A counter as a line, with the band between its smallest and largest value in a pixel."""
    envelope = counter.window(window.start_ps, window.end_ps, max(1, int(window.width)))
    if not len(envelope.times):
        return
    last = min(counter.end_ps, window.end_ps)
    edges = np.clip(window.x(np.append(envelope.times, last)), plot.left(), plot.right())
    high, low = (np.array([place(v) for v in part]) for part in (envelope.high, envelope.low))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(with_alpha(colour, 0.35))
    if envelope.merged:
        boxes = np.stack([edges[:-1], high, np.diff(edges), np.maximum(0.5, low - high)], axis=1)
        draw_rects(painter, boxes)
    draw_steps(painter, edges, high, colour, 1.5)
