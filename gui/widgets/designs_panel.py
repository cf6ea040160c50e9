"""Design points: a table beside a scatter and parallel coordinates, all three linked."""

from __future__ import annotations

from dataclasses import replace

from PyQt6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPointF,
    QRectF,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QMouseEvent, QPainter, QPen
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from gui.painting import Hit
from gui.painting.designs import chosen_columns
from gui.painting.palette import palette, with_alpha
from gui.views.design_columns import short_name
from gui.views.view import View
from gui.widgets.data_table import DataTable
from gui.widgets.design_model import DesignModel
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.state import State

_TIME = {"start_ps", "end_ps", "range_ps", "time_ps", "selected", "markers", "layer", "data",
         "critical", "only_critical", "counters", "hidden", "pinned", "collapsed"}  # fmt: skip


DRAG = 4
"""Pixels that make a press a drag."""


class DesignPicture(PicturePanel):
    """A picture of the points that the panel's own filter leaves; a drag chooses those inside."""

    def __init__(self, state: State, panel: str, ignores: set[str], parent: QWidget) -> None:
        super().__init__(state, panel, ignores, parent)
        self._press: QPointF | None = None
        self._band: QRectF | None = None

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._press = event.position()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None or self._press is None:
            return
        place = event.position()
        if self._band is not None or (place - self._press).manhattanLength() >= DRAG:
            self._band = QRectF(self._press, place).normalized()
            self.refresh()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        press, band = self._press, self._band
        self._press = self._band = None
        if event is None or press is None:
            return
        if band is None:
            hit = self.scene_drawn.at(press, "point")
            if hit is not None:
                self.clicked.emit(hit, event.modifiers())
            return
        band.adjust(-1, -1, 1, 1)
        inside = [int(hit.key) for hit in self.scene_drawn.hits
                  if hit.kind == "point" and band.contains(hit.rect.center())]  # fmt: skip
        more = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        self.state.choose_rows(tuple(dict.fromkeys([*(self.state.rows if more else ()), *inside])))
        self.refresh()

    def paint_over(self, painter: QPainter, area: QRectF) -> None:
        if self._band is not None:
            colours = palette(self.state.view.theme)
            painter.setPen(QPen(colours.selection, 1))
            painter.setBrush(with_alpha(colours.selection, 0.12))
            painter.drawRect(self._band)

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
        self.table = DataTable("design points", self.model, parent=self)
        self.table.setSortingEnabled(True)
        self.table.add_entry(
            "Open and compare the selected points", lambda: self.open_rows.emit(self.state.rows)
        )
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
        for box, field in ((self.x, "x"), (self.y, "y")):
            box.currentIndexChanged.connect(
                lambda _, box=box, field=field: self._axis(field, box.currentData() or "")
            )
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
        table = self.state.table
        chosen = chosen_columns(self.state.view, table) if table else ("", "")
        for box, name in zip((self.x, self.y), chosen, strict=True):
            box.blockSignals(True)
            box.clear()
            for column in table.axes if table else ():
                box.addItem(short_name(column), column)
            box.setCurrentIndex(box.findData(name))
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
