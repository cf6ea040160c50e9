"""A table of numbers: compact rows, copied and exported as it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QAbstractItemModel, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QKeyEvent, QKeySequence
from PyQt6.QtWidgets import QApplication, QHeaderView, QMenu, QTableView, QWidget

RAW = Qt.ItemDataRole.UserRole
"""A cell's value as a number in base units, where its text is rounded or has a prefix."""

MOST_EXPORTED = 200_000


def table_text(
    model: QAbstractItemModel, separator: str = ",", rows: list[int] | None = None
) -> str:
    """The cells of a model as CSV, raw where they have raw values."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    columns = range(model.columnCount())
    writer.writerow([model.headerData(c, Qt.Orientation.Horizontal) for c in columns])
    chosen = range(min(model.rowCount(), MOST_EXPORTED)) if rows is None else rows
    for row in chosen:
        cells = [model.index(row, column) for column in columns]
        raw = [model.data(cell, RAW) for cell in cells]
        writer.writerow([model.data(cell) if value is None else value
                         for cell, value in zip(cells, raw, strict=True)])  # fmt: skip
    return out.getvalue()


class DataTable(QTableView):
    """A read-only table; its context menu copies and exports it."""

    export_wanted = pyqtSignal(str, object)
    """The table's name, and what writes it to a path."""

    def __init__(
        self, name: str, model: QAbstractItemModel, samples: tuple[str, ...] = (),
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.name = name
        self._entries: list[tuple[str, Callable[[], object]]] = []
        self.setModel(model)
        self.setAlternatingRowColors(True)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setAccessibleName(name)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        assert vertical is not None
        assert horizontal is not None
        for header in (vertical, horizontal):
            header.setMinimumSectionSize(16)
        vertical.hide()
        vertical.setDefaultSectionSize(20)
        # fitting widths to contents asks for every cell at every change
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.fit_columns(samples)

    def fit_columns(self, samples: tuple[str, ...]) -> None:
        """Make columns as wide as some text needs."""
        horizontal = self.horizontalHeader()
        assert horizontal is not None
        for column, sample in enumerate(samples):
            wide = self.fontMetrics().horizontalAdvance(sample) + 14
            horizontal.resizeSection(column, wide)

    def add_entry(self, text: str, run: Callable[[], object]) -> None:
        """Put something more into the context menu."""
        self._entries.append((text, run))

    def to_csv(self) -> str:
        """The whole table as CSV text."""
        model = self.model()
        assert model is not None
        return table_text(model)

    def copy(self) -> None:
        """The selected rows, or all of them, to the clipboard."""
        selection, model, clipboard = self.selectionModel(), self.model(), QApplication.clipboard()
        if selection is None or model is None or clipboard is None:
            return
        rows = sorted(index.row() for index in selection.selectedRows())
        clipboard.setText(table_text(model, "\t", rows if len(rows) > 1 else None))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        assert event is not None
        menu = QMenu(self)
        entries: list[tuple[str, Callable[[], object]]] = [
            *self._entries,
            ("Copy table  Ctrl+C", self.copy),
            ("Export table as CSV…", lambda: self.export_wanted.emit(self.name, self.write)),
        ]
        for text, run in entries:
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(lambda _=False, run=run: run())
        menu.exec(event.globalPos())
        menu.deleteLater()

    def write(self, path: Path) -> None:
        """Write the table to a CSV file."""
        path.write_text(self.to_csv(), encoding="utf-8")
