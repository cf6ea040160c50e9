"""Design points as a Qt table model: sorting and filtering in numpy, never row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from cosim.errors import CosimError
from gui.views.design_columns import short_name
from gui.views.design_table import DesignTable
from gui.widgets.data_table import RAW


class DesignModel(QAbstractTableModel):
    """Rows of a `DesignTable` in an order of their own."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.table: DesignTable | None = None
        self.order = np.empty(0, np.int64)
        self._columns: list[str] = []
        self._sorted: tuple[str, bool] | None = None
        self._pattern = ""

    def show(self, table: DesignTable | None) -> None:
        """Show another table."""
        self.beginResetModel()
        self.table = table
        self._columns = table.columns if table else []
        if self._sorted is not None and self._sorted[0] not in self._columns:
            self._sorted = None
        self.order = self._ordered(self._pattern)
        self.endResetModel()

    def filter(self, pattern: str) -> str:
        """Keep only rows that match; returns what is wrong with the pattern, if anything is."""
        try:
            order = self._ordered(pattern)
        except CosimError as error:
            return str(error)
        self.beginResetModel()
        self._pattern, self.order = pattern, order
        self.endResetModel()
        return ""

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if self.table is None or not 0 <= column < len(self._columns):
            return
        self.layoutAboutToBeChanged.emit()
        chosen = [self.order[i.row()] for i in self.persistentIndexList()]
        self._sorted = (self._columns[column], order == Qt.SortOrder.DescendingOrder)
        self.order = self._ordered(self._pattern)
        places = np.argsort(self.order, kind="stable")
        for index, row in zip(self.persistentIndexList(), chosen, strict=True):
            at = int(places[np.searchsorted(self.order, row, sorter=places)])
            self.changePersistentIndex(index, self.index(at, index.column()))
        self.layoutChanged.emit()

    def _ordered(self, pattern: str) -> np.ndarray:
        if self.table is None:
            return np.empty(0, np.int64)
        rows = self.table.matching(pattern)
        if self._sorted is None:
            return rows
        return self.table.order(*self._sorted, rows)

    def place_of(self, row: int) -> int:
        """Where a row of the table is shown, -1 if it is filtered out."""
        found = np.flatnonzero(self.order == row)
        return int(found[0]) if len(found) else -1

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or self.table is None:
            return None
        column = self._columns[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self.table.text(int(self.order[index.row()]), column)
        if role == RAW and column in self.table.numbers:
            return float(self.table.numbers[column][self.order[index.row()]])
        if role == Qt.ItemDataRole.TextAlignmentRole and column in self.table.numbers:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        name = self._columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return short_name(name)
        if role == Qt.ItemDataRole.ToolTipRole and self.table is not None:
            quantity = self.table.quantities.get(name)
            return quantity.words if quantity else f"varied: {name}"
        return None
