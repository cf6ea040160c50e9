"""A chart to explore freely: design points against each other, or counters over time."""

from __future__ import annotations

import html
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QStackedLayout,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from cosim.units import format_time
from gui.painting.chart_axes import counter_axis, design_axis, legend_name, time_axis
from gui.painting.counter_picture import counter_text
from gui.painting.designs import point_tip
from gui.painting.palette import palette
from gui.views import chart_series as data
from gui.views.chart_series import Choices, Series
from gui.views.design_columns import short_name
from gui.views.panel_table import Table
from gui.widgets.chart_choices import ChartChoices
from gui.widgets.picture_panel import EXPORTS
from gui.widgets.quiet_text import Line
from gui.widgets.state import State

if TYPE_CHECKING:
    from gui.widgets.chart_plot import ChartPlot

NO_POINTS = "No design points yet: open a folder with several runs or the results of a sweep, or " \
    "run a scenario (File menu). Counters over time need one open run alone."  # fmt: skip
NO_RUN = "No run is open: open one (Ctrl+O) to see its counters over time."
PREPARED = "The counters of the run are being prepared."
NOTHING = "Nothing to draw: tick a quantity on the left."


class ChartPanel(QWidget):
    """Choices on the left, the chart beside them; nothing is drawn while it is out of sight."""

    export_wanted = pyqtSignal(str)
    """``picture``, ``table``, ``copy picture`` or ``copy table``."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.series: list[Series] = []
        self._seen, self._stale = False, True
        self._shown: object = None
        self._axes: object = None
        self.choice = ChartChoices(self)
        self.told = QLabel(self)
        self.told.setWordWrap(True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.read_out = Line(200, self)
        self.pages = QStackedLayout()
        self.pages.addWidget(self.told)
        beside = QVBoxLayout()
        beside.addLayout(self.pages, 1)
        beside.addWidget(self.read_out)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.addWidget(self.choice)
        layout.addLayout(beside, 1)
        self.setFocusProxy(self.choice)
        self.choice.chosen.connect(self._choose)
        self.choice.fit.clicked.connect(self.fit)
        state.changed.connect(self._on_change)

    @cached_property
    def plot(self) -> ChartPlot:
        """The chart itself; pyqtgraph is imported when it is first needed."""
        from gui.widgets.chart_plot import ChartPlot

        plot = ChartPlot(self)
        self.pages.addWidget(plot)
        plot.ranged.connect(self._ranged)
        plot.hovered.connect(self._hovered)
        plot.clicked.connect(self._clicked)
        # later: what was clicked is taken out of the scene that still asks who wants the click
        plot.legend_clicked.connect(self.choice.untick, Qt.ConnectionType.QueuedConnection)
        plot.resized.connect(lambda: self._on_change({"start_ps"}))
        plot.menu_wanted.connect(self._menu)
        return plot

    @property
    def choices(self) -> Choices:
        """What is shown, every empty choice made."""
        state = self.state
        return data.resolved(data.choices_of(state.view), state.table, state.run)

    @property
    def picture(self) -> QWidget:
        """What an export draws."""
        return self.plot if self._is_drawn else self.told

    def table(self) -> Table:
        """The numbers that are shown."""
        return data.chart_table(self.choices, self.state.view, self.state.table, self.state.run)

    def _choose(self, fields: dict[str, object]) -> None:
        chosen = replace(data.choices_of(self.state.view), **fields)  # type: ignore[arg-type]
        self.state.change(extra={**self.state.view.extra, "chart": chosen.to_data()})

    def fit(self) -> None:
        """Show all points, or the whole run."""
        if self.choices.mode == data.TIME:
            self.state.go(0, self.state.end_ps)
        if self._is_drawn:
            self.plot.fit()
            self._follow()

    # Following the state

    @property
    def _is_drawn(self) -> bool:
        return self.pages.currentWidget() is not self.told

    def see(self, seen: bool) -> None:
        """Whether the panel is in sight: a tab behind others draws and imports nothing."""
        self._seen = seen
        if seen and self._stale:
            self._draw()

    def _on_change(self, what: set[str]) -> None:
        drawn = {"theme", "extra", "run", "table", "data", "start_ps", "end_ps"}
        what = what & {*drawn, "rows", "time_ps"}
        if not what:
            return
        if not self._seen:
            self._stale = True
        elif what & drawn:
            self._draw()
        else:
            self._follow()

    def _draw(self) -> None:
        self._stale = False
        choices, state = self.choices, self.state
        over_time = choices.mode == data.TIME
        pattern = str(state.view.extra.get("designs", ""))
        prepared = state.run is not None and state.run.has("counters")
        source = (state.run, prepared) if over_time else (state.table, pattern)
        key = (choices, state.view.theme, source)
        if key != self._shown:
            colours = palette(state.view.theme)
            self.choice.show_choices(choices, state.table, state.run, colours)
        elif not over_time:
            return
        problem = self._problem(choices)
        if not problem:
            self._read(choices)
            problem = "" if self.series else NOTHING
        if problem:
            self.told.setText(problem)
            self.pages.setCurrentWidget(self.told)
            self.read_out.setText("")
        else:
            self.pages.setCurrentWidget(self.plot)
            if key == self._shown:
                self.plot.renew(self.series)
            else:
                self._build(choices)
            self._follow()
        self._shown = key

    def _read(self, choices: Choices) -> None:
        """Take the numbers of the points that are left, or of the window in time."""
        state = self.state
        if choices.mode == data.TIME and state.run is not None:
            columns = self.plot.columns()
            self.series = data.counter_series(state.run, choices, *state.window, columns)
        elif state.table is not None:
            rows = data.matching(state.table, state.view)
            self.series = data.design_series(state.table, choices, rows)

    def _problem(self, choices: Choices) -> str:
        if choices.mode == data.TIME:
            if self.state.run is None:
                return NO_RUN
            return "" if self.state.run.has("counters") else PREPARED
        return "" if self.state.table is not None else NO_POINTS

    def _build(self, choices: Choices) -> None:
        state, over_time = self.state, choices.mode == data.TIME
        names = [legend_name(one, choices, state.table) for one in self.series]
        if over_time and state.run is not None:
            x = time_axis()
            ys = [counter_axis(state.run, one.name, choices.log_y) for one in self.series]
        elif state.table is not None:
            x = design_axis(state.table, choices.x, choices.log_x)
            ys = [design_axis(state.table, one.name, choices.log_y) for one in self.series]
        colours = palette(state.view.theme)
        same = (choices.mode, choices.x, choices.ys, choices.log_x, choices.log_y, id(state.table))
        self.plot.show_series(self.series, x, ys, colours, names, over_time=over_time,
                              keep_ranges=same == self._axes)  # fmt: skip
        self._axes = same
        self._tell_title(choices)

    def _tell_title(self, choices: Choices) -> None:
        """Say what is shown, and what is not."""
        text = html.escape(data.title_of(choices))
        lost = 0
        if choices.mode == data.DESIGNS:
            lost = sum(int(((s.x <= 0) & choices.log_x | (s.y <= 0) & choices.log_y).sum())
                       for s in self.series)  # fmt: skip
        if lost:
            text += f" &nbsp;({lost} points at or below zero have no place on a logarithmic axis)"
        self.read_out.setText(text)

    def _follow(self) -> None:
        """Show the window, the cursor and the chosen points that all panels share."""
        if not self._is_drawn:
            return
        over_time = self.choices.mode == data.TIME
        self.plot.show_cursor(self.state.view.time_ps if over_time else None)
        self.plot.choose(self.state.rows)
        if over_time:
            self.plot.show_range(*self.state.window)

    # Pointer

    def _ranged(self, low: float, high: float) -> None:
        if self.choices.mode == data.TIME:
            self.state.go(round(low), round(high), "chart")
            self.plot.show_range(*self.state.window)  # it ends soon after the run

    def _hovered(self, x: float, row: int | None) -> None:
        choices, run, table = self.choices, self.state.run, self.state.table
        if choices.mode == data.TIME and run is not None:
            time = max(0, min(round(x), run.makespan_ps))
            shown = [(c.name, counter_text(c.unit, c.at(time)))
                     for c in map(run.counters.__getitem__, choices.counters)]  # fmt: skip
            values = ", &nbsp;".join(f"{html.escape(n)} <b>{v}</b>" for n, v in shown)
            self.read_out.setText(f"at {format_time(time, 6)}: &nbsp;{values}")
        elif table is not None and row is not None:
            names = dict.fromkeys([*table.naming, choices.x, *choices.ys])
            self.read_out.setText(
                ", &nbsp;".join(
                    f"{html.escape(short_name(n))} <b>{html.escape(table.text(row, n))}</b>"
                    for n in names
                )
            )
            self.plot.setToolTip(point_tip(table, row))
        else:
            self._tell_title(choices)
            self.plot.setToolTip("")
            QToolTip.hideText()

    def _clicked(self, x: float, row: int | None, modifiers: Qt.KeyboardModifier) -> None:
        if self.choices.mode == data.TIME:
            self.state.change(time_ps=max(0, min(round(x), self.state.end_ps)))
        elif row is not None:
            rows = self.state.rows
            more = modifiers & (
                Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
            )
            left = tuple(r for r in rows if r != row)
            kept = left if row in rows else (*rows, row)
            self.state.choose_rows(kept if more else (row,))

    def _menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        for text, what in EXPORTS:
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(lambda _=False, what=what: self.export_wanted.emit(what))
        menu.exec(place)
        menu.deleteLater()
