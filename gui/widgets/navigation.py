"""Moving through a run: what keys and menus do to the shared state."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QObject

from gui.views.machine_state import next_event
from gui.views.run_data import Run
from gui.views.search import find
from gui.widgets.state import State

ZOOM = 1.5
PAN = 0.15


class Navigation(QObject):
    """Navigation in time and along causes."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state

    # Window

    def zoom(self, factor: float, centre_ps: int | None = None, gesture: object = None) -> None:
        """Show `factor` times less time around an instant (the cursor or the middle)."""
        start, end = self.state.window
        if centre_ps is None:
            time = self.state.view.time_ps
            centre_ps = time if time is not None and start <= time <= end else (start + end) // 2
        width = max(1.0, (end - start) / factor)
        share = (centre_ps - start) / max(1, end - start)
        begin = round(centre_ps - share * width)
        self.state.go(begin, begin + round(width), gesture)

    def zoom_in(self) -> None:
        self.zoom(ZOOM, gesture="zoom")

    def zoom_out(self) -> None:
        self.zoom(1 / ZOOM, gesture="zoom")

    def pan(self, share: float, gesture: object = "pan") -> None:
        """Move by a share of the window, to the right if positive."""
        start, end = self.state.window
        step = round((end - start) * share)
        self.state.go(start + step, end + step, gesture)

    def pan_left(self) -> None:
        self.pan(-PAN)

    def pan_right(self) -> None:
        self.pan(PAN)

    def fit_all(self) -> None:
        self.state.go(0, self.state.end_ps)

    def fit_selection(self) -> None:
        """The selected range, interval or layer; a second time zooms to it."""
        found = self.selected_span()
        if found is None:
            self.state.message.emit("Nothing is selected: click an interval, or drag a range")
            return
        start, end = found
        width = self.state.window[1] - self.state.window[0]
        middle = (start + end) // 2
        centred = abs((self.state.window[0] + self.state.window[1]) // 2 - middle) <= width // 100
        if centred or self.state.view.range_ps is not None or end - start > width:
            margin = max(1, (end - start) // 10)
            self.state.go(start - margin, end + margin)
        else:
            self.state.go(middle - width // 2, middle + width // 2)

    def fit_selected(self) -> None:
        """Let the window show the selected interval, large."""
        run, number = self.state.run, self.state.view.selected
        if run is not None and number is not None:
            chosen = run.intervals.interval(number)
            margin = max(1, (chosen.end_ps - chosen.start_ps) // 4)
            self.state.go(chosen.start_ps - margin, chosen.end_ps + margin)

    def selected_span(self) -> tuple[int, int] | None:
        """From when to when what is selected lasts."""
        state, view = self.state, self.state.view
        if view.range_ps is not None:
            return view.range_ps
        if state.run is not None and view.selected is not None:
            chosen = state.run.intervals.interval(view.selected)
            return chosen.start_ps, chosen.end_ps
        if state.run is not None and view.layer:
            spans = [s for s in state.run.layers if s.name == view.layer]
            if spans:
                return spans[0].start_ps, spans[0].end_ps
        return None

    def range_of_selection(self) -> None:
        """Make the selected interval or layer the selected range."""
        self.state.change(range_ps=None)
        span = self.selected_span()
        if span is not None:
            self.state.change(range_ps=span)

    # Intervals

    def select(self, number: int | None, reveal: bool = True) -> None:
        """Select an interval, and show it if it is out of sight."""
        state, run = self.state, self.state.run
        if number is None or run is None:
            state.change(selected=None)
            return
        chosen = run.intervals.interval(number)
        state.change(selected=number, time_ps=chosen.start_ps)
        if reveal:
            self.reveal(chosen.start_ps, chosen.end_ps)

    def reveal(self, start_ps: int, end_ps: int) -> None:
        """Move the window until a stretch of time is in it; its width stays if it can."""
        start, end = self.state.window
        if start <= start_ps and end_ps <= end and end_ps - start_ps > (end - start) / 400:
            return
        width = end - start
        if end_ps - start_ps > width:
            width = round(1.2 * (end_ps - start_ps))
        elif end_ps - start_ps < width / 400:
            # a jump shall show what it jumped to
            width = max(1, 60 * max(1, end_ps - start_ps))
        middle = (start_ps + end_ps) // 2
        self.state.go(middle - width // 2, middle + width // 2)

    def step_on_lane(self, step: int) -> None:
        """To the next (+1) or previous (-1) interval of the selected one's lane."""
        run = self.state.run
        if run is None:
            return
        if self.state.view.selected is None:
            self._select_first()
            return
        chosen = run.intervals.interval(self.state.view.selected)
        lane = run.intervals.lanes[chosen.lane]
        place = lane.place_of(chosen.number) + step
        if 0 <= place < len(lane):
            self.select(int(lane.index.numbers(place, place + 1)[0]))
        else:
            where = "last" if step > 0 else "first"
            self.state.message.emit(f"This is the {where} interval of {chosen.component}")

    def _select_first(self) -> None:
        run = self.state.run
        if run is None:
            return
        number = find(run, np.ones(len(run.outline.tasks) + 1, bool), self.state.window[0])
        if number is not None:
            self.select(number)

    def step_lane(self, step: int) -> None:
        """To the interval at the same time on the next lane down (+1) or up (-1)."""
        run, view = self.state.run, self.state.view
        if run is None:
            return
        if view.selected is None:
            self._select_first()
            return
        chosen = run.intervals.interval(view.selected)
        lanes = [s for s in run.intervals.lanes
                 if s.lane.rank >= 0 and s.lane.name not in view.hidden and len(s)]  # fmt: skip
        position = next((i for i, s in enumerate(lanes) if s.position == chosen.lane), 0) + step
        if 0 <= position < len(lanes):
            lane = lanes[position]
            place = lane.at(chosen.start_ps)
            place = place if place >= 0 else min(len(lane) - 1, lane.before(chosen.start_ps) + 1)
            self.select(int(lane.index.numbers(place, place + 1)[0]))

    def to_cause(self) -> None:
        """To the interval whose end let the selected one start."""
        run, selected = self.state.run, self.state.view.selected
        if run is None or selected is None:
            self._select_first()
            return
        cause = run.intervals.interval(selected).cause_row
        if cause < 0:
            self.state.message.emit("Nothing caused this interval: it starts the run")
        else:
            self.select(cause)

    def to_consequence(self) -> None:
        """To an interval that the selected one let start: one on the critical path if there is."""
        run, selected = self.state.run, self.state.view.selected
        if run is None or selected is None:
            self._select_first()
            return
        found = run.intervals.consequences(selected)
        if not found:
            self.state.message.emit("Nothing waited for this interval")
            return
        self.select(self._on_path(run, found))

    def _on_path(self, run: Run, numbers: list[int]) -> int:
        if run.has("critical"):
            for number in numbers:
                if run.critical.place(number) >= 0:
                    return number
        return numbers[0]

    def step_critical(self, step: int) -> None:
        """Along the critical path."""
        run, view = self.state.run, self.state.view
        if run is None or not run.has("critical") or not len(run.critical):
            self.state.message.emit("The critical path is not known yet")
            return
        place = -1 if view.selected is None else run.critical.place(view.selected)
        if place < 0:
            self.select(run.critical.at(view.time_ps or self.state.window[0]))
        elif 0 <= place + step < len(run.critical):
            self.select(int(run.critical.numbers[place + step]))

    # Instants and layers

    def step_event(self, step: int) -> None:
        """The cursor to the next (+1) or previous (-1) start or end of any interval."""
        run = self.state.run
        if run is None:
            return
        now = self.state.view.time_ps
        now = self.state.window[0] if now is None else now
        self.set_time(next_event(run, now, backwards=step < 0))

    def set_time(self, time_ps: int) -> None:
        """Move the cursor, and the window with it where it would leave it."""
        time_ps = max(0, min(time_ps, self.state.end_ps))
        self.state.change(time_ps=time_ps)
        start, end = self.state.window
        if not start <= time_ps <= end:
            self.state.go(time_ps - (end - start) // 5, time_ps + (end - start) * 4 // 5, "follow")

    def show_layer(self, name: str) -> None:
        """Select a layer and show its time."""
        self.state.change(layer=name, range_ps=None, selected=None)
        span = self.selected_span()
        if span is not None:
            margin = max(1, (span[1] - span[0]) // 20)
            self.state.go(span[0] - margin, span[1] + margin)

    def snapped(self, time_ps: int, reach_ps: int) -> int:
        """The start or end of an interval near an instant, or the instant itself."""
        run = self.state.run
        if run is None:
            return time_ps
        near = []
        for lane in run.intervals.lanes:
            first, stop = lane.span(time_ps - reach_ps, time_ps + reach_ps + 1)
            if stop - first > 64:
                continue
            rows = lane.rows(first, stop)
            near += [int(t) for t in (*rows.start.tolist(), *rows.end.tolist())]
        close = [t for t in near if abs(t - time_ps) <= reach_ps]
        return min(close, key=lambda t: (abs(t - time_ps), t)) if close else time_ps
