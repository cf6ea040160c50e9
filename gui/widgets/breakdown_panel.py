"""The latency breakdown: stacked bars, and the same numbers as a table that sorts."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PyQt6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from cosim.analysis.breakdown import LABELS
from cosim.report.palette import CAUSE_WORDS
from cosim.units import format_time
from gui.views.run_data import Run
from gui.widgets.data_table import RAW, DataTable
from gui.widgets.navigation import Navigation
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.state import State

_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

WORDS = {
    "layer": "layer of the network, in the order of the program",
    "phase": "forward, backward or update",
    "latency": "picoseconds of the critical path that belong to the layer",
    "share": "share of the whole run's latency",
}
SAMPLES = ("stage1_block2.branch.0", "backward", "123.45 ms", "100.0 %")


class BreakdownModel(QAbstractTableModel):
    """Picoseconds by layer and cause; columns of causes that do not occur are left out."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layers: list[str] = []
        self.phases: list[str] = []
        self.causes: list[str] = []
        self.times = np.empty((0, 0), np.int64)
        self.order = np.empty(0, np.int64)
        self.makespan_ps = 1

    def show(self, run: Run | None) -> None:
        """Take the numbers of a run."""
        layers = run.summary.get("layers", {}) if run is not None else {}
        total = run.summary.get("breakdown_ps", {}) if run is not None else {}
        self.beginResetModel()
        self.layers = list(layers)
        self.phases = [str(layer.get("phase", "")) for layer in layers.values()]
        self.causes = [label for label in LABELS if total.get(label)]
        self.times = np.array(
            [[layer["breakdown_ps"].get(cause, 0) for cause in self.causes]
             for layer in layers.values()], np.int64,
        ).reshape(len(layers), len(self.causes))  # fmt: skip
        self.makespan_ps = (run.makespan_ps if run is not None else 1) or 1
        self.order = np.arange(len(layers))
        self.endResetModel()

    @property
    def columns(self) -> list[str]:
        return [*WORDS, *self.causes]

    def row_of(self, layer: str) -> int:
        """Where a layer is shown, -1 if it is none."""
        if layer not in self.layers:
            return -1
        return int(np.flatnonzero(self.order == self.layers.index(layer))[0])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        keys: Any
        if column < 0:
            keys = np.arange(len(self.layers))  # back to the order of the program
        elif column < 2:
            keys = np.array((self.layers, self.phases)[column])
        else:
            keys = self.times.sum(axis=1) if column < len(WORDS) else self.times[
                :, column - len(WORDS)]  # fmt: skip
        self.layoutAboutToBeChanged.emit()
        chosen = [self.order[index.row()] for index in self.persistentIndexList()]
        found = np.argsort(keys, kind="stable")
        self.order = found[::-1] if order == Qt.SortOrder.DescendingOrder else found
        places = np.argsort(self.order)
        for index, row in zip(self.persistentIndexList(), chosen, strict=True):
            self.changePersistentIndex(index, self.index(int(places[row]), index.column()))
        self.layoutChanged.emit()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = int(self.order[index.row()]), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column > 1 else None
        if column < 2:
            text = (self.layers, self.phases)[column][row]
            return (
                text if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole) else None
            )
        amount = int(self.times[row].sum() if column < len(WORDS) else
                     self.times[row, column - len(WORDS)])  # fmt: skip
        share = amount / self.makespan_ps
        if role == RAW:
            return share if column == 3 else amount
        if role == Qt.ItemDataRole.DisplayRole:
            if column == 3:
                return f"{100 * share:.1f} %"
            return format_time(amount, 4) if amount else "–"
        if role == Qt.ItemDataRole.ToolTipRole:
            cause = self.columns[column]
            told = f"{self.layers[row]}: {format_time(amount)}, {100 * share:.2f} % of the latency"
            return f"{told}\n{CAUSE_WORDS.get(cause, WORDS.get(cause, ''))}"
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        name = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return name
        if role == Qt.ItemDataRole.ToolTipRole:
            return WORDS.get(name) or CAUSE_WORDS.get(name, "")
        return None


class BreakdownPanel(QWidget):
    """Bars and table side by side; a click in either goes to the layer in the timeline."""

    def __init__(
        self, state: State, navigation: Navigation, picture: PicturePanel,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.state, self.navigation, self.picture = state, navigation, picture
        self._telling = False
        self.model = BreakdownModel(self)
        self.table = DataTable("latency breakdown", self.model, SAMPLES, self)
        self.table.setSortingEnabled(True)
        header = self.table.horizontalHeader()
        assert header is not None
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.addWidget(picture)
        split.addWidget(self.table)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([600, 400])
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)
        self.setFocusProxy(picture)
        selection = self.table.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._chosen)
        state.changed.connect(self._on_change)
        self._show_run()

    def _on_change(self, what: set[str]) -> None:
        if "run" in what:
            self._show_run()
        if what & {"run", "layer"}:
            self._show_layer()

    def _show_run(self) -> None:
        self._telling = True
        self.table.setVisible(self.state.run is not None)
        self.model.show(self.state.run)
        header = self.table.horizontalHeader()
        if header is not None:
            header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        samples = [max(cause, "123.4 us", key=len) for cause in self.model.causes]
        self.table.fit_columns((*SAMPLES, *samples))
        self._telling = False

    def _show_layer(self) -> None:
        self._telling = True
        row = self.model.row_of(self.state.view.layer)
        if row >= 0:
            self.table.selectRow(row)
        else:
            self.table.clearSelection()
        self._telling = False

    def _chosen(self, index: QModelIndex) -> None:
        if not self._telling and index.isValid():
            self.navigation.show_layer(self.model.layers[int(self.model.order[index.row()])])
