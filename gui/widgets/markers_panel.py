"""Markers with their notes and distances, and kept views."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cosim.units import format_time
from gui.widgets.state import State

NOTE, TIME, LATER = range(3)


class MarkersPanel(QWidget):
    """A table of markers, and a list of kept views; both lead to where they stand for."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self._filling = False
        self.table = QTableWidget(0, 3, self)
        self.table.setAccessibleName("markers")
        self.table.setHorizontalHeaderLabels(["note", "at", "after the one before"])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setAlternatingRowColors(True)
        header, rows = self.table.horizontalHeader(), self.table.verticalHeader()
        assert header is not None
        assert rows is not None
        header.setSectionResizeMode(NOTE, QHeaderView.ResizeMode.Stretch)
        for column in (TIME, LATER):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        rows.hide()
        rows.setDefaultSectionSize(21)
        self.note = QPushButton("Write a note", self)
        self.note.setToolTip("Write into the chosen marker  F2")
        self.remove = QPushButton("Remove marker", self)
        self.kept = QListWidget(self)
        self.kept.setAccessibleName("kept views")
        self.kept.setMaximumHeight(120)
        help_text = QLabel(
            "M marks the cursor (it snaps to the next edge), Shift+M with a note. Drag a marker's "
            "flag to move it. Ctrl+1 … 9 keeps a view, 1 … 9 goes back to it. All of it is kept "
            "beside the run.", self,
        )  # fmt: skip
        help_text.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.note)
        row.addWidget(self.remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)
        layout.addWidget(QLabel("Kept views", self))
        layout.addWidget(self.kept)
        layout.addWidget(help_text)
        self.table.itemChanged.connect(self._renamed)
        self.table.currentCellChanged.connect(lambda row, *_: self._chosen(row))
        self.note.clicked.connect(lambda: self.edit_note(self.table.currentRow()))
        self.remove.clicked.connect(self._remove)
        self.kept.itemClicked.connect(self._go)
        self.kept.itemActivated.connect(self._go)
        state.changed.connect(self._on_change)
        self._fill()

    def _on_change(self, what: set[str]) -> None:
        if what & {"markers", "run", "bookmarks"}:
            self._fill()

    def _fill(self) -> None:
        self._filling = True
        markers = self.state.view.markers
        chosen = self.table.currentRow()
        self.table.setRowCount(len(markers))
        for row, marker in enumerate(markers):
            since = f"+{format_time(marker.time_ps - markers[row - 1].time_ps, 5)}" if row else ""
            cells = (marker.text or f"m{row + 1}", format_time(marker.time_ps, 9), since)
            for column, text in enumerate(cells):
                self._cell(row, column).setText(text)
        if markers:
            self.table.setCurrentCell(min(max(chosen, 0), len(markers) - 1), NOTE)
        for button in (self.note, self.remove):
            button.setEnabled(bool(markers))
        self.kept.clear()
        for key, mark in sorted(self.state.bookmarks.items()):
            text = f"{key}:  {format_time(mark.start_ps, 5)} to {format_time(mark.end_ps, 5)}"
            item = QListWidgetItem(text, self.kept)
            item.setData(Qt.ItemDataRole.UserRole, key)
        if not self.state.bookmarks:
            none = QListWidgetItem("none yet: Ctrl+1 keeps the one shown", self.kept)
            none.setFlags(Qt.ItemFlag.NoItemFlags)
        self._filling = False

    def _cell(self, row: int, column: int) -> QTableWidgetItem:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            if column != NOTE:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                item.setTextAlignment(
                    int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                )
            self.table.setItem(row, column, item)
        return item

    def edit_note(self, row: int) -> None:
        """Let one write the note of a marker."""
        item = self.table.item(row, NOTE)
        if item is not None:
            self.table.setCurrentItem(item)
            self.table.setFocus()
            self.table.editItem(item)

    def _renamed(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == NOTE:
            self.state.name_marker(item.row(), item.text())

    def _chosen(self, row: int) -> None:
        if not self._filling and 0 <= row < len(self.state.view.markers):
            time = self.state.view.markers[row].time_ps
            self.state.change(time_ps=time)
            start, end = self.state.window
            if not start <= time <= end:
                half = (end - start) // 2
                self.state.go(time - half, time + half)

    def _go(self, item: QListWidgetItem) -> None:
        key = item.data(Qt.ItemDataRole.UserRole)
        if key:
            self.state.go_bookmark(str(key))

    def _remove(self) -> None:
        row = self.table.currentRow()
        if row >= 0:
            self.state.remove_marker(row)
