"""The list of open runs."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
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
        self.told.setText(self._advice())
        self._filling = False

    def _advice(self) -> str:
        if not self.state.runs:
            return "No run is open. Ctrl+O opens one; or drop a folder here."
        compared = self.state.compared
        if len(compared) < 2:
            return "Check two or more runs to compare them."
        return (f"Compare and Aligned hold {len(compared)} runs against "
                f"{compared[0].design_name}, the first one that was checked.")  # fmt: skip

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
