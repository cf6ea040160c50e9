"""Lists beside the pictures: open runs, and markers with bookmarks."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cosim.units import format_time
from gui.widgets.state import State


class RunsPanel(QWidget):
    """Open runs: a click shows one, check marks choose those to compare."""

    close_wanted = pyqtSignal(object)

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self._filling = False
        self.list = QListWidget(self)
        self.list.setAccessibleName("open runs")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAlternatingRowColors(True)
        self.told = QLabel("Check two or more runs to compare them.", self)
        self.told.setWordWrap(True)
        self.close_button = QPushButton("Close run", self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.told)
        layout.addWidget(self.close_button)
        self.list.currentRowChanged.connect(self._chosen)
        self.list.itemChanged.connect(self._checked)
        self.close_button.clicked.connect(self._close)
        state.changed.connect(self._on_change)
        self._fill()

    def _on_change(self, what: set[str]) -> None:
        if what & {"runs", "run", "compared"}:
            self._fill()

    def _fill(self) -> None:
        self._filling = True
        self.list.clear()
        runs = self.state.runs
        for run in runs:
            item = QListWidgetItem(
                f"{run.workload}\n{run.design_name}\n{format_time(run.makespan_ps)}"
            )
            item.setToolTip(f"{run.name}\n{run.path}")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            checked = run in self.state.compared
            item.setCheckState(Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked)
            self.list.addItem(item)
        if self.state.run in runs:
            self.list.setCurrentRow(runs.index(self.state.run))
        self.close_button.setEnabled(bool(runs))
        self._filling = False

    def _chosen(self, row: int) -> None:
        if not self._filling and 0 <= row < len(self.state.runs):
            self.state.show_run(self.state.runs[row])

    def _checked(self, item: QListWidgetItem) -> None:
        if self._filling:
            return
        on = [run for row, run in enumerate(self.state.runs)
              if self.list.item(row).checkState() == Qt.CheckState.Checked]  # fmt: skip
        # the order in which they were checked: the first one is held against
        kept = [run for run in self.state.compared if run in on]
        self.state.compare(tuple([*kept, *(run for run in on if run not in kept)]))

    def _close(self) -> None:
        if self.state.run is not None:
            self.close_wanted.emit(self.state.run)


class MarkersPanel(QWidget):
    """Markers with their notes, and kept views."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self._filling = False
        self.list = QListWidget(self)
        self.list.setAccessibleName("markers")
        self.remove = QPushButton("Remove marker", self)
        help_text = QLabel(
            "M marks the cursor, F2 or a double click writes a note.\n"
            "Ctrl+1 … 9 keeps a view, 1 … 9 goes back to it.", self,
        )  # fmt: skip
        help_text.setWordWrap(True)
        self.kept = QLabel(self)
        self.kept.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        layout.addWidget(self.kept)
        layout.addWidget(help_text)
        self.list.itemChanged.connect(self._renamed)
        self.list.currentRowChanged.connect(self._chosen)
        self.remove.clicked.connect(self._remove)
        state.changed.connect(self._on_change)
        self._fill()

    def _on_change(self, what: set[str]) -> None:
        if what & {"markers", "run", "bookmarks"}:
            self._fill()

    def _fill(self) -> None:
        self._filling = True
        self.list.clear()
        markers = self.state.view.markers
        for position, marker in enumerate(markers):
            item = QListWidgetItem(marker.text or f"m{position + 1}")
            gap = ""
            if position:
                gap = f", {format_time(marker.time_ps - markers[position - 1].time_ps)} later"
            item.setToolTip(f"{format_time(marker.time_ps, None)}{gap}")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            self.list.addItem(item)
        self.remove.setEnabled(bool(markers))
        kept = [f"{key}: {format_time(mark.start_ps, 4)} to {format_time(mark.end_ps, 4)}"
                for key, mark in sorted(self.state.bookmarks.items())]  # fmt: skip
        self.kept.setText("Kept views: " + "; ".join(kept) if kept else "")
        self._filling = False

    def _renamed(self, item: QListWidgetItem) -> None:
        if not self._filling:
            self.state.name_marker(self.list.row(item), item.text())

    def _chosen(self, row: int) -> None:
        if not self._filling and 0 <= row < len(self.state.view.markers):
            time = self.state.view.markers[row].time_ps
            self.state.change(time_ps=time)
            start, end = self.state.window
            if not start <= time <= end:
                half = (end - start) // 2
                self.state.go(time - half, time + half)

    def _remove(self) -> None:
        row = self.list.currentRow()
        if row >= 0:
            self.state.remove_marker(row)
