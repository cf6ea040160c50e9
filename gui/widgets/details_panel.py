"""The selected interval in words, and statistics of the selected range, lane by lane."""

from __future__ import annotations

import html
from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cosim.timeline.causes import Cause
from cosim.units import format_time
from gui.painting.counter_picture import counter_text
from gui.views.counter_range import counter_range
from gui.views.lanes import CATEGORIES, explain
from gui.views.run_data import Run
from gui.widgets.data_table import DataTable
from gui.widgets.navigation import Navigation
from gui.widgets.quiet_text import Line, RichText
from gui.widgets.state import State

COLUMNS = (
    ("lane", "component"),
    ("what", "what it does, or waits for"),
    ("count", "intervals in the range, those that stick out included"),
    ("sum", "time of it inside the range"),
    (
        "share",
        "share of the range: occupancy of the lane, or share spent waiting; of a buffer, "
        "how full it is on average; of power, its share of the budget",
    ),
    ("mean", "mean time inside the range; of a counter, its mean over time"),
    ("least", "shortest interval, at full length; of a counter, its smallest value"),
    ("most", "longest interval, at full length; of a counter, its largest value"),
)


LINES = 11
"""Room for the words about an interval."""

SAMPLES = ("accumula", "wait: DRAM busy", "12,345", "123.4 us", "100.0 %", "123.45 us",
           "123.45 us", "123.45 us")  # fmt: skip
"""Text as wide as a column shall be."""


Row = tuple[str, str, str, str, str, str, str, str, str]
"""The cells of a row as they are shown, and a tooltip."""


def lane_rows(run: Run, start_ps: int, end_ps: int) -> list[Row]:
    """What every lane did and waited for in a range."""
    rows = []
    for lane in run.intervals.lanes:
        totals = lane.totals(start_ps, end_ps)
        for code in range(len(CATEGORIES)):
            count = int(totals.count[code])
            if not count:
                continue
            spent = int(totals.sum_ps[code])
            times = (totals.mean_ps(code), totals.least_ps[code], totals.most_ps[code])
            rows.append(
                (lane.lane.name, CATEGORIES[code], f"{count:,}", format_time(spent, 4),
                 f"{100 * spent / max(1, end_ps - start_ps):.1f} %",
                 *(format_time(round(time), 4) for time in times), explain(code))
            )  # fmt: skip
    return rows


def counter_rows(run: Run, start_ps: int, end_ps: int) -> list[Row]:
    """What every counter was in a range."""
    rows = []
    for name, counter in run.counters.items() if run.has("counters") else ():
        found = counter_range(counter, start_ps, end_ps)
        share = f"{100 * found.mean / counter.limit:.1f} %" if counter.limit else ""
        values = ("–" if v is None else counter_text(counter.unit, v)
                  for v in (found.mean, found.least, found.most))  # fmt: skip
        rows.append((name, "level", "", "", share, *values, f"{name} over the range"))
    return rows


class RangeModel(QAbstractTableModel):
    """Count, sum, mean, least and most of every lane and category, and of every counter."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []

    def show(self, run: Run | None, start_ps: int, end_ps: int) -> None:
        """Take the numbers of a window."""
        rows: list[Row] = []
        if run is not None:
            rows = lane_rows(run, start_ps, end_ps) + counter_rows(run, start_ps, end_ps)
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return row[-1]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 1:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and section < len(COLUMNS):
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section][0]
            if role == Qt.ItemDataRole.ToolTipRole:
                return COLUMNS[section][1]
        return None


class DetailsPanel(QWidget):
    """What is selected."""

    jump = pyqtSignal(str)
    """``cause`` or ``consequence``."""

    def __init__(self, state: State, navigation: Navigation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.text = RichText(LINES, self)
        self.text.setAccessibleName("the selected interval")
        self.cause = QPushButton("◂ cause", self)
        self.cause.setToolTip("The interval whose end let this one start  [")
        self.consequence = QPushButton("consequence ▸", self)
        self.consequence.setToolTip("An interval that this one let start  ]")
        self.values = QPushButton("values", self)
        self.values.setToolTip("What its task reads and writes, and the numbers in it  Shift+Q")
        self.cause.clicked.connect(navigation.to_cause)
        self.consequence.clicked.connect(navigation.to_consequence)
        self.title = Line(200, self)
        self.model = RangeModel(self)
        self.table = DataTable("range statistics", self.model, SAMPLES, self)
        buttons = QHBoxLayout()
        buttons.addWidget(self.cause)
        buttons.addWidget(self.consequence)
        buttons.addWidget(self.values)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        layout.addWidget(self.title)
        layout.addWidget(self.table, 1)
        state.changed.connect(self._on_change)
        self._show_interval()
        self._show_range()

    def _on_change(self, what: set[str]) -> None:
        if what & {"selected", "run"}:
            self._show_interval()
        if what & {"range_ps", "run", "data"}:
            self._show_range()

    def _show_interval(self) -> None:
        run, number = self.state.run, self.state.view.selected
        chosen = run is not None and number is not None
        self.cause.setEnabled(chosen)
        self.consequence.setEnabled(chosen)
        self.values.setEnabled(chosen)
        if run is None or number is None:
            self.text.setText("<i>Click an interval: what it is and why it waited stands here."
                              "</i>")  # fmt: skip
            return
        found = run.intervals.interval(number)
        waited = Cause(found.cause).label.replace("dram", "DRAM")
        lines = [
            ("layer", found.layer or "–"),
            ("does", f"{found.activity} on {found.component}, task {found.task:,}"),
            ("from", f"{format_time(found.start_ps, 9)} to {format_time(found.end_ps, 9)}"),
            ("lasts", format_time(found.duration_ps)),
            ("waited", f"{format_time(found.wait_ps)} for {waited}" if found.wait_ps
             else f"not at all ({waited})"),
        ]  # fmt: skip
        if run.has("critical"):
            on_path = run.critical.place(number) >= 0
            lines.append(("critical", "yes: it holds the latency" if on_path else "no"))
        rows = "".join(
            f"<tr><td style='padding-right:10px'>{name}</td><td><b>{html.escape(value)}</b></td>"
            "</tr>"
            for name, value in lines
        )
        self.text.setText(f"<table>{rows}</table>{explain(found.category)}")

    def _show_range(self) -> None:
        run, chosen = self.state.run, self.state.view.range_ps
        start, end = chosen or (0, self.state.end_ps)
        if chosen is None:
            self.title.setText("<b>Whole run</b> (drag over the timeline for a range)")
        else:
            self.title.setText(
                f"<b>Range</b> {format_time(start, 6)} to {format_time(end, 6)}: "
                f"<b>{format_time(end - start)}</b>"
            )
        ready = run is not None and (chosen is not None or run.intervals.ready)
        self.model.show(run if ready else None, start, end)
