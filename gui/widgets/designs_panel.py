"""Design points: a table beside a scatter and parallel coordinates, all three linked."""

from __future__ import annotations

from dataclasses import replace

from PyQt6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from gui.painting import Hit
from gui.views.view import View
from gui.widgets.design_model import DesignModel
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.state import State

_TIME = {"start_ps", "end_ps", "range_ps", "time_ps", "selected", "markers", "layer", "data",
         "critical", "only_critical", "counters", "hidden", "pinned", "collapsed"}  # fmt: skip


class DesignPicture(PicturePanel):
    """A picture of the points that the panel's own filter leaves."""

    def view_shown(self) -> View:
        pattern = str(self.state.view.extra.get("designs", ""))
        return replace(super().view_shown(), pattern=pattern)


class DesignsPanel(QWidget):
    """The points of a scenario or a folder of runs."""

    open_rows = pyqtSignal(tuple)
    """Rows whose runs shall be opened and compared."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self._telling = False
        self.model = DesignModel(self)
        self.table = QTableView(self)
        self.table.setModel(self.model)
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.setAlternatingRowColors(True)
        self.table.setAccessibleName("design points")
        header = self.table.verticalHeader()
        assert header is not None
        header.setDefaultSectionSize(21)
        header.hide()
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("filter (regular expression)")
        self.filter.setClearButtonEnabled(True)
        self.x, self.y = QComboBox(self), QComboBox(self)
        self.compare = QPushButton("Compare selected", self)
        self.compare.setToolTip("Open the runs of the selected points side by side")
        self.scatter = DesignPicture(state, "designs", _TIME, self)
        self.parallel = DesignPicture(state, "parallel", _TIME, self)
        self.tabs = QTabWidget(self)
        self.tabs.addTab(self.scatter, "Scatter")
        self.tabs.addTab(self.parallel, "Parallel coordinates")
        self._arrange()
        self.filter.textChanged.connect(self._filter)
        self.x.currentTextChanged.connect(lambda name: self._axis("x", name))
        self.y.currentTextChanged.connect(lambda name: self._axis("y", name))
        self.compare.clicked.connect(lambda: self.open_rows.emit(self.state.rows))
        self.table.doubleClicked.connect(self._open_one)
        selection = self.table.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._from_table)
        for panel in (self.scatter, self.parallel):
            panel.clicked.connect(self._clicked)
        state.changed.connect(self._on_change)
        self._on_change({"table", "rows"})

    def _arrange(self) -> None:
        bar = QHBoxLayout()
        bar.addWidget(self.filter, 1)
        for text, box in (("x", self.x), ("y", self.y)):
            bar.addWidget(QLabel(text, self))
            bar.addWidget(box)
        bar.addWidget(self.compare)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(self.table)
        split.addWidget(self.tabs)
        split.setSizes([500, 700])
        points, nothing = QWidget(self), QWidget(self)
        layout = QVBoxLayout(points)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(bar)
        layout.addWidget(split, 1)
        told = QLabel("No design points yet. A scenario, or a folder with several runs, shows here "
                      "as a table, a scatter and parallel coordinates.", nothing)  # fmt: skip
        told.setWordWrap(True)
        told.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.open_folder = QPushButton("Open a folder of runs…", nothing)
        self.open_scenario = QPushButton("Run a scenario…", nothing)
        empty = QVBoxLayout(nothing)
        empty.addStretch(1)
        empty.addWidget(told)
        for button in (self.open_folder, self.open_scenario):
            empty.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)
        empty.addStretch(1)
        self.pages = QStackedLayout(self)
        self.pages.addWidget(nothing)
        self.pages.addWidget(points)

    def _on_change(self, what: set[str]) -> None:
        if "table" in what:
            self.pages.setCurrentIndex(0 if self.state.table is None else 1)
            self.model.show(self.state.table)
            self._fill_axes()
            if len(self.model.order) <= 5000:
                self.table.resizeColumnsToContents()
        if what & {"table", "rows"}:
            self._to_table()
            self.compare.setEnabled(len(self.state.rows) > 0)
            count = len(self.state.rows)
            self.compare.setText(f"Compare {count} selected" if count > 1 else "Open selected")

    def _fill_axes(self) -> None:
        names = list(self.state.table.numbers) if self.state.table else []
        for box, field, default in ((self.x, "x", 0), (self.y, "y", 1)):
            box.blockSignals(True)
            box.clear()
            box.addItems(names)
            wanted = getattr(self.state.view, field)
            box.setCurrentIndex(names.index(wanted) if wanted in names
                                else min(default, len(names) - 1))  # fmt: skip
            box.blockSignals(False)

    def _axis(self, field: str, name: str) -> None:
        if name:
            self.state.change(**{field: name})

    def _filter(self, text: str) -> None:
        wrong = self.model.filter(text)
        self.filter.setToolTip(wrong)
        self.filter.setStyleSheet("color: #c0392b" if wrong else "")
        if not wrong:
            self.state.change(extra={**self.state.view.extra, "designs": text})
            self._to_table()

    def _clicked(self, hit: Hit, modifiers: Qt.KeyboardModifier) -> None:
        if hit.kind != "point":
            return
        rows = self.state.rows
        more = modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        if more and hit.key in rows:
            self.state.choose_rows(tuple(r for r in rows if r != hit.key))
        else:
            self.state.choose_rows((*rows, hit.key) if more else (hit.key,))

    def _open_one(self, index: QModelIndex) -> None:
        self.open_rows.emit((int(self.model.order[index.row()]),))

    def _from_table(self) -> None:
        if self._telling:
            return
        selection = self.table.selectionModel()
        assert selection is not None
        rows = tuple(int(self.model.order[i.row()]) for i in selection.selectedRows())
        self.state.choose_rows(rows)

    def _to_table(self) -> None:
        """Let the table's selection be the state's."""
        selection = self.table.selectionModel()
        assert selection is not None
        places = [self.model.place_of(row) for row in self.state.rows]
        wanted = QItemSelection()
        last = self.model.columnCount() - 1
        for place in places:
            if place >= 0:
                wanted.select(self.model.index(place, 0), self.model.index(place, last))
        self._telling = True
        selection.select(wanted, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._telling = False
        if places and places[-1] >= 0:
            self.table.scrollTo(self.model.index(places[-1], 0))
