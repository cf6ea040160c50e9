"""The intervals of one lane as a table, linked with the timeline both ways."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PyQt6.QtGui import QShowEvent
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from cosim.units import format_time
from gui.views.interval_store import LaneStore
from gui.views.lane_rows import LaneRows
from gui.views.lanes import CATEGORIES, NO_WAIT, explain
from gui.views.run_data import Run
from gui.widgets.data_table import RAW, DataTable
from gui.widgets.navigation import Navigation
from gui.widgets.state import State

COLUMNS = (
    ("start", "when it begins, since the run began"),
    ("length", "how long it lasts"),
    ("layer", "layer that it works for"),
    ("does", "what the component does"),
    ("waited", "how long the component stood still before it"),
    ("for", "what it waited for"),
)
SAMPLES = ("123.456789012 ms", "123.4567 us", "stage1_block2.branch.0.conv", "compute", "123.4 us",
           "output space")  # fmt: skip
_TIMES = (0, 1, 4)

PAGE = 256
MOST_ROWS = 1_000_000
"""Rows of a table that a scroll bar can still address; a window with more shows the first ones."""


class IntervalsModel(QAbstractTableModel):
    """Intervals of a lane in a window, read a page at a time."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self.lane: LaneStore | None = None
        self.first = 0
        self.count = 0
        self.left_out = 0
        self._pages: dict[int, LaneRows] = {}

    def show(self, run: Run | None, lane: LaneStore | None, start_ps: int, end_ps: int) -> None:
        """Show what a lane does in a window."""
        self.beginResetModel()
        self.run, self.lane = run, lane
        self.first, stop = lane.span(start_ps, end_ps) if lane is not None else (0, 0)
        self.count = min(MOST_ROWS, stop - self.first)
        self.left_out = stop - self.first - self.count
        self._pages.clear()
        self.endResetModel()

    def _page(self, row: int) -> tuple[LaneRows, int]:
        page, place = divmod(row, PAGE)
        if page not in self._pages:
            if len(self._pages) > 16:
                self._pages.clear()
            assert self.lane is not None
            first = self.first + page * PAGE
            stop = min(first + PAGE, self.first + self.count)
            self._pages[page] = self.lane.rows(first, stop)
        return self._pages[page], place

    def number(self, row: int) -> int:
        """Number in the timeline of what a row shows."""
        rows, place = self._page(row)
        return int(rows.number[place])

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else self.count

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column = index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _TIMES:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        wanted = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, RAW)
        if not index.isValid() or role not in wanted or self.run is None:
            return None
        rows, at = self._page(index.row())
        wait = int(rows.wait[at])
        waited = int(rows.start[at] - rows.wait_start[at]) if wait != NO_WAIT else 0
        if role == Qt.ItemDataRole.ToolTipRole:
            return explain(wait if column > 3 and waited else int(rows.category[at]))
        if column in _TIMES:
            value = (int(rows.start[at]), int(rows.end[at] - rows.start[at]), waited)[
                _TIMES.index(column)]  # fmt: skip
            if role == RAW:
                return value
            return "–" if column == 4 and not value else format_time(value, 9 if not column else 7)
        if role == RAW:
            return None
        outline, template = self.run.outline, int(rows.template[at])
        if column == 5:
            return CATEGORIES[wait].removeprefix("wait: ") if waited else ""
        return outline.layer_name(template) if column == 2 else outline.activity(template)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and 0 <= section < len(COLUMNS):
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section][0]
            if role == Qt.ItemDataRole.ToolTipRole:
                return COLUMNS[section][1]
        return None


class IntervalsPanel(QWidget):
    """Intervals of the selected one's lane: in the selected range, or in the window shown."""

    def __init__(self, state: State, navigation: Navigation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state, self.navigation = state, navigation
        self._telling = False
        self._stale = True
        self.lane = QComboBox(self)
        self.lane.setAccessibleName("lane")
        self.lane.setToolTip("The component whose intervals are listed")
        self.told = QLabel(self)
        self.model = IntervalsModel(self)
        self.table = DataTable("intervals", self.model, SAMPLES, self)
        bar = QHBoxLayout()
        bar.addWidget(QLabel("lane", self))
        bar.addWidget(self.lane)
        bar.addWidget(self.told, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(bar)
        layout.addWidget(self.table, 1)
        self.setFocusProxy(self.table)
        self.lane.currentIndexChanged.connect(self._lane_chosen)
        selection = self.table.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._row_chosen)
        self.table.doubleClicked.connect(lambda _: navigation.fit_selected())
        state.changed.connect(self._on_change)
        self._fill_lanes()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self._stale:
            self._show()

    def _on_change(self, what: set[str]) -> None:
        if "run" in what:
            self._fill_lanes()
        if "selected" in what:
            self._follow()
        if what & {"run", "start_ps", "end_ps", "range_ps", "data", "selected"}:
            self._stale = True
            if self.isVisible():
                self._show(rows=bool(what - {"selected"}))

    def _fill_lanes(self) -> None:
        run = self.state.run
        self._telling = True
        self.lane.clear()
        for store in run.intervals.lanes if run else ():
            self.lane.addItem(f"{store.lane.name}  ({store.lane.group})")
        self._telling = False

    def _follow(self) -> None:
        """To the lane of what is selected."""
        run, number = self.state.run, self.state.view.selected
        if run is None or number is None:
            return
        position = run.intervals.interval(number).lane
        if position != self.lane.currentIndex():
            self._telling = True
            self.lane.setCurrentIndex(position)
            self._telling = False

    def _lane_chosen(self) -> None:
        self._stale = True
        if not self._telling and self.isVisible():
            self._show()

    def _show(self, rows: bool = True) -> None:
        run, position = self.state.run, self.lane.currentIndex()
        lane = run.intervals.lanes[position] if run is not None and position >= 0 else None
        start, end = self.state.view.range_ps or self.state.window
        self._telling = True
        if rows or lane is not self.model.lane:
            self.model.show(run, lane, start, end)
            self._tell()
        self._mark_selected()
        self._telling = self._stale = False

    def _tell(self) -> None:
        if self.model.run is None:
            self.told.setText("Open a run to see the intervals of its components")
            return
        where = "the selected range" if self.state.view.range_ps else "the time shown"
        more = f", the first {self.model.count:,} of them" if self.model.left_out else ""
        total = self.model.count + self.model.left_out
        self.told.setText(f"{total:,} intervals in {where}{more}")

    def _mark_selected(self) -> None:
        number, lane = self.state.view.selected, self.model.lane
        place = lane.place_of(number) if lane is not None and number is not None else -1
        row = place - self.model.first
        if place >= 0 and 0 <= row < self.model.count:
            if self.table.currentIndex().row() != row:
                self.table.selectRow(row)
        else:
            self.table.clearSelection()

    def _row_chosen(self, index: QModelIndex) -> None:
        if not self._telling and index.isValid():
            self.navigation.select(self.model.number(index.row()), reveal=False)
