"""One run over time: layers, lanes with the critical path, DRAM bandwidth, power and memory.

All panels share the time axis, so that what happens at one moment stands in one column. A lane
with few intervals shows each of them; one with many shows, pixel by pixel, the share of time in
which it was busy, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.counters import Contributions, OverTime
from cosim.analysis.layer_spans import layer_spans
from cosim.analysis.repeated_steps import Counter
from cosim.analysis.sampled import DRAWN
from cosim.analysis.step_function import StepFunction
from cosim.analysis.summary import Analysis
from cosim.report.palette import ROLE_COLOURS, activity_colour, role_colour
from cosim.report.quantities import bandwidth, percent, picoseconds, size, watts
from cosim.report.svg import Svg, nice_step, shortened
from cosim.timeline.causes import Cause
from cosim.timeline.rows import Rows

WIDTH, LEFT, RIGHT = 960.0, 112.0, 62.0
PLOT = WIDTH - LEFT - RIGHT
LANE, GAP, BAND, PANEL = 18.0, 6.0, 16.0, 54.0
BINS = 393
"""Merged marks are two units wide."""
FEW = 240
"""Up to so many intervals of a lane are drawn one by one."""
SHADES = 6
NARROWEST = 0.2
"""Layers whose part is narrower are not drawn."""


def time_picture(analysis: Analysis, name: str) -> str:
    """The picture of a whole run as an SVG element."""
    return _TimePicture(analysis, name).render()


class _TimePicture:
    def __init__(self, analysis: Analysis, name: str) -> None:
        self.analysis = analysis
        self.end = max(1, analysis.makespan_ps)
        self.lanes = [c for c in analysis.components if c.rows]
        memory = 2 * PANEL if analysis.memory else 0.0
        self.sampled = [c for c in analysis.sampled if c.name in DRAWN]
        curves = 2 + len(self.sampled)
        height = 44 + BAND + len(self.lanes) * (LANE + GAP) + curves * (PANEL + 26) + memory + 40
        self.svg = Svg(WIDTH, height, f"{name} over time: lanes, bandwidth, power, memory")
        self.y = 22.0
        self.bottom = height - 12
        self.edges = np.linspace(0, self.end, BINS + 1).astype(np.int64)
        path = analysis.breakdown.path
        self.all_rows = OverTime(analysis.run, self.end)
        self.path_rows = OverTime(path, self.end)

    def render(self) -> str:
        self._time_axis()
        self._layers()
        for part in self.lanes:
            self._lane(part.name, part.kind, part.busy_ps)
        self._curve(
            self.analysis.dram_bandwidth, bandwidth, "#d55e00", "DRAM bandwidth",
            self.analysis.design.dram.bandwidth_bytes_per_s, "peak rate of the DRAM",
        )  # fmt: skip
        self._curve(
            self.analysis.power, lambda mw: watts(mw / 1e3), "#b2182b", "power",
            self.analysis.design.power.budget_mw, "power budget",
        )  # fmt: skip
        for counter in self.sampled:
            self._curve(counter, _with_unit(counter.unit), "#7b3294", counter.name, None, "")
        self._memory()
        self.svg.height = self.y + 4
        return self.svg.render()

    def _x(self, time: float) -> float:
        return LEFT + PLOT * time / self.end

    def _label(self, text: str, y: float, title: str = "", kind: str = "label") -> None:
        self.svg.text(
            LEFT - 8, y, shortened(text, LEFT - 10, 12), anchor="end", kind=kind, title=title
        )

    def _time_axis(self) -> None:
        step = nice_step(self.end, 6)
        tick = 0.0
        while tick <= self.end:
            self.svg.line(self._x(tick), 16, self._x(tick), self.bottom)
            text = picoseconds(tick) if tick else "0"
            anchor = "middle"
            self.svg.text(self._x(tick), 11, text, anchor=anchor, kind="small")
            tick += step

    def _layers(self) -> None:
        """The layer that holds the latency at each moment: that of the critical path."""
        self._label("layer", self.y + 12, "the layer on the critical path")
        self.svg.rectangle(LEFT, self.y, PLOT, BAND, kind="lane")
        path, shortest = self.analysis.breakdown.path, NARROWEST * self.end / PLOT
        for position, span in enumerate(layer_spans(self.analysis.tasks, path, shortest)):
            self._layer(span.layer, span.start, span.end, f"band{position % 2}")
        self.y += BAND + GAP

    def _layer(self, index: int, begin: int, stop: int, kind: str) -> None:
        width = self._x(stop) - self._x(begin)
        if index < 0 or width < NARROWEST:
            return
        name, x = self.analysis.program.layers[index], self._x(begin)
        tip = f"{name} holds the latency from {picoseconds(begin)} to {picoseconds(stop)}"
        self.svg.rectangle(x, self.y, width, BAND, title=tip, kind=kind)
        text = shortened(name, width - 6, 11, keep_end=True)
        if text:
            self.svg.text(x + 3, self.y + 12, text, kind="small ink", title=tip)

    def _lane(self, name: str, kind: str, busy: int) -> None:
        rank = [c.name for c in self.analysis.program.components].index(name)
        self._label(name, self.y + 13, f"{name}: busy {percent(busy / self.end)} of the time")
        self.svg.rectangle(LEFT, self.y, PLOT, LANE, kind="lane")
        run, path = self.analysis.run, self.analysis.breakdown.path
        mine = np.flatnonzero(run.rows.component == rank)
        if run.count[mine].sum() <= FEW:
            on_path = path.expanded(np.flatnonzero(path.rows.component == rank))
            self._each(run.expanded(mine), on_path, activity_colour(kind))
        else:
            self._merged(name, rank, activity_colour(kind))
        self.y += LANE + GAP

    def _each(self, rows: Rows, on_path: Rows, colour: str) -> None:
        critical = np.isin(rows.number, on_path.number)
        ends = np.concatenate([[0], rows.end])[: len(rows)]
        for i in range(len(rows)):
            start, end = int(rows.start[i]), int(rows.end[i])
            width = max(self._x(end) - self._x(start), 0.4)
            tip = self._says(rows, i, int(ends[i]))
            self.svg.rectangle(self._x(start), self.y, width, LANE - 4, colour, title=tip)
            if critical[i]:
                self.svg.rectangle(self._x(start), self.y + LANE - 3, width, 3, kind="critical")

    def _says(self, rows: Rows, i: int, before: int) -> str:
        info = self.analysis.program.templates[int(rows.template[i])].info
        layers = self.analysis.program.layers
        layer = layers[info.op] if 0 <= info.op < len(layers) else ""
        start, end = int(rows.start[i]), int(rows.end[i])
        text = f"{layer} {info.activity} {info.role}: {picoseconds(end - start)} from "
        text += picoseconds(start)
        if start > before:
            cause = Cause(int(rows.cause[i])).label
            text += f", after waiting {picoseconds(start - before)} for {cause}"
        return text.strip()

    def _merged(self, name: str, rank: int, colour: str) -> None:
        run, path = self.analysis.run, self.analysis.breakdown.path
        for first, last, share in _runs(self._busy(self.all_rows, run.rows, rank)):
            begin, stop = int(self.edges[first]), int(self.edges[last])
            tip = (
                f"{name}: about {percent(share)} busy from {picoseconds(begin)} to "
                f"{picoseconds(stop)} (many short intervals)"
            )
            width = self._x(stop) - self._x(begin)
            self.svg.rectangle(
                self._x(begin), self.y, width, LANE - 4, colour, title=tip, opacity=share
            )
        for first, last, share in _runs(self._busy(self.path_rows, path.rows, rank)):
            left, right = self._x(self.edges[first]), self._x(self.edges[last])
            self.svg.rectangle(
                left, self.y + LANE - 3, right - left, 3, kind="critical", opacity=share
            )

    def _busy(self, over_time: OverTime, rows: Rows, rank: int) -> NDArray[np.float64]:
        """Share of each bin in which one of a component's rows runs."""
        ones = (rows.component == rank).astype(np.int64)
        return over_time.steps(Contributions("busy", "", ones, ones)).average(self.edges)

    def _panel(self, title: str, height: float, note: str = "") -> float:
        """Starts a panel below its heading; returns its lower edge."""
        self.y += 16
        self._label(title, self.y + 12)
        if note:
            self._label(note, self.y + 26, kind="small")
        self.svg.rectangle(LEFT, self.y, PLOT, height, kind="lane")
        return self.y + height

    def _curve(
        self, counter: Counter, show: object, colour: str, title: str,
        limit: float | None, limit_name: str,
    ) -> None:  # fmt: skip
        assert callable(show)
        means = counter.average(self.edges)
        bottom = self._panel(title, PANEL, f"mean {show(counter.mean)}")
        largest = max(float(means.max()), 1e-9)
        shows_limit = limit is not None and limit <= 3 * largest
        top = 1.12 * max(largest, limit if shows_limit and limit else 0.0)
        # bins a few units wide, so that the area looks like the steps it is
        points = [(LEFT, bottom)]
        for i, mean in enumerate(means):
            y = bottom - PANEL * float(mean) / top
            points += [(self._x(self.edges[i]), y), (self._x(self.edges[i + 1]), y)]
        points.append((LEFT + PLOT, bottom))
        tip = f"{title}: mean {show(counter.mean)}, peak {show(counter.peak)}"
        self.svg.area(points, colour, title=tip, opacity=0.75)
        self._scale(bottom, PANEL, top, nice_step(top, 2), show)
        if shows_limit and limit:
            y = bottom - PANEL * limit / top
            self.svg.line(LEFT, y, LEFT + PLOT, y, kind="limit")
            self.svg.text(LEFT + PLOT - 4, y - 3, f"{limit_name}, {show(limit)}", anchor="end",
                          kind="small ink")  # fmt: skip
        self.y = bottom

    def _scale(self, bottom: float, height: float, top: float, step: float, show: object) -> None:
        assert callable(show)
        value = step
        while value < top:
            y = bottom - height * value / top
            self.svg.line(LEFT, y, LEFT + PLOT, y)
            self.svg.text(LEFT + PLOT + 5, y + 4, show(value), kind="small")
            value += step

    def _memory(self) -> None:
        memory = self.analysis.memory
        if memory is None:
            return
        height = 1.6 * PANEL
        bottom = self._panel("memory", height, f"peak {size(memory.peak_bytes)}")
        top = 1.12 * max(memory.peak_bytes, 1)
        base = np.zeros(BINS)
        times = self.edges[:-1]
        for role, counter in memory.by_role.items():
            upper = base + counter.at(times)
            self._layer_area(base, upper, bottom, height / top, role, counter)
            base = upper
        self._scale(bottom, height, top, _binary_step(top), size)
        x = self._x(memory.peak_ps)
        self.svg.line(x, bottom - height, x, bottom, kind="limit")
        side = "start" if x < LEFT + PLOT / 2 else "end"
        text = f"peak {size(memory.peak_bytes)} at {picoseconds(memory.peak_ps)}"
        self.svg.text(x + (4 if side == "start" else -4), bottom - height + 10, text, anchor=side,
                      kind="small ink")  # fmt: skip
        self.y = bottom
        self._phases()

    def _layer_area(
        self, low: NDArray[np.float64], high: NDArray[np.float64], bottom: float, scale: float,
        role: str, counter: StepFunction,
    ) -> None:  # fmt: skip
        if role not in ROLE_COLOURS and not counter.peak:
            return
        upper = list(_staircase(self.edges, high))
        lower = list(_staircase(self.edges, low))[::-1]
        points = [(self._x(t), bottom - v * scale) for t, v in upper + lower]
        tip = f"{role}: at most {size(counter.peak)}, mean {size(counter.mean)}"
        self.svg.area(points, role_colour(role), title=tip)

    def _phases(self) -> None:
        phases = self.analysis.memory.phases if self.analysis.memory else ()
        if len(phases) < 2:
            return
        self.y += 2
        for index, phase in enumerate(phases):
            x, width = self._x(phase.start), self._x(phase.end) - self._x(phase.start)
            tip = f"{phase.name}: {picoseconds(phase.start)} to {picoseconds(phase.end)}"
            self.svg.rectangle(x, self.y, width, 14, title=tip, kind=f"band{index % 2}")
            text = shortened(phase.name, width - 6)
            if text:
                self.svg.text(x + 3, self.y + 11, text, kind="small ink", title=tip)
        self._label("phase", self.y + 11)
        self.y += 14


def _runs(shares: NDArray[np.float64]) -> Iterator[tuple[int, int, float]]:
    """Stretches of bins of one shade: (first bin, bin after the last, shade), empty ones left out.

    What is there at all gets at least the lightest shade.
    """
    shades = np.ceil(np.clip(shares, 0, 1) * SHADES - 1e-9).astype(int)
    borders = np.flatnonzero(np.diff(shades)) + 1
    firsts = np.concatenate([[0], borders])
    lasts = np.concatenate([borders, [len(shades)]])
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        if shades[first]:
            yield first, last, shades[first] / SHADES


def _staircase(
    edges: NDArray[np.int64], values: NDArray[np.float64]
) -> Iterator[tuple[float, float]]:
    """Corners of a step curve, only where it changes."""
    kept = np.concatenate([[True], np.diff(values) != 0])
    starts = np.append(edges[:-1][kept], edges[-1])
    for i, value in enumerate(values[kept]):
        yield float(starts[i]), float(value)
        yield float(starts[i + 1]), float(value)


def _binary_step(top: float) -> float:
    """A power of two, so that bytes are labelled 64 KiB, not 62.5 KiB."""
    step = 1.0
    while step * 4 < top:
        step *= 2
    return step


def _with_unit(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:.4g} {unit}"
