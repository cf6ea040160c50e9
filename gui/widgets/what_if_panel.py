"""Change a parameter of the design, run again, see what moved."""

from __future__ import annotations

import html
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from cosim.errors import CosimError
from gui.views.comparison import compare_runs
from gui.views.run_data import Run
from gui.views.what_if import Parameter, parameters, parsed, what_moved
from gui.widgets.own_keys import keep_keys
from gui.widgets.parameter_field import ParameterField
from gui.widgets.state import Edit, State


class WhatIfPanel(QWidget):
    """A form of the run's parameters."""

    run_wanted = pyqtSignal(object, dict)
    """The run, and the changed parameters by key."""

    cancel_wanted = pyqtSignal()
    panel_wanted = pyqtSignal(str)

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.fields: dict[str, QLineEdit | QComboBox] = {}
        self.rows: dict[str, ParameterField] = {}
        self._parameters: dict[str, Parameter] = {}
        self._base: Run | None = None
        self.form = QWidget(self)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setWidget(self.form)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        self._area = area
        self.start = QPushButton("Run again", self)
        self.start.setToolTip("Simulate the same workload with these parameters  Ctrl+F5")
        self.cancel = QPushButton("Cancel", self)
        self.cancel.setEnabled(False)
        self.reset = QPushButton("Reset", self)
        self.progress = QProgressBar(self)
        self.progress.setRange(0, 1000)
        self.progress.hide()
        self.told = QLabel(self)
        self.told.setWordWrap(True)
        flags = Qt.TextInteractionFlag
        self.told.setTextInteractionFlags(flags.TextBrowserInteraction)
        self.told.linkActivated.connect(self.panel_wanted)
        bar = QHBoxLayout()
        for button in (self.start, self.cancel, self.reset):
            bar.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(area, 1)
        layout.addLayout(bar)
        layout.addWidget(self.progress)
        layout.addWidget(self.told)
        self.start.clicked.connect(self.run_again)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.reset.clicked.connect(self.fill)
        state.changed.connect(self._on_change)
        self.fill()

    def _on_change(self, what: set[str]) -> None:
        if "run" in what:
            self.fill()

    def fill(self) -> None:
        """Show the parameters of the current run."""
        form = QWidget(self)
        grid = QGridLayout(form)
        grid.setContentsMargins(0, 0, 4, 0)
        self.fields.clear()
        self.rows.clear()
        run = self.state.run
        try:
            found = parameters(run) if run else []
        except CosimError as error:
            found = []
            self.told.setText(str(error))
        self._parameters = {p.key: p for p in found}
        for row, parameter in enumerate(found):
            made = ParameterField(parameter, form, grid, row)
            made.edited.connect(self._edited)
            made.entered.connect(self.run_again)
            self.rows[parameter.key], self.fields[parameter.key] = made, made.editor
        grid.setRowStretch(len(found), 1)
        self._area.setWidget(form)
        keep_keys(form)
        self.form = form
        self.start.setEnabled(bool(found) and not self.cancel.isEnabled())

    def _edited(self, key: str, before: str, after: str) -> None:
        """An edit of the form can be undone like one of the timeline."""
        name = self._parameters[key].name
        self.state.undo.push(Edit(f"change {name}", self._apply, {key: before}, {key: after}))

    def _apply(self, values: dict[str, Any]) -> None:
        for key, text in values.items():
            if key in self.rows:
                self.rows[key].show_text(str(text))

    def changes(self) -> dict[str, object]:
        """Parameters whose value differs from the run's.

        Raises
        ------
        CosimError
            If a value cannot be read.
        """
        found: dict[str, object] = {}
        for key, row in self.rows.items():
            if row.is_changed:
                found[key] = parsed(row.parameter, row.text)
        return found

    def run_again(self) -> None:
        """Ask for a run with the changed parameters."""
        if self.state.run is None or self.cancel.isEnabled():
            return
        try:
            changes = self.changes()
        except CosimError as error:
            self.told.setText(f"<span style='color:#c0392b'>{error}</span>")
            return
        if not changes:
            self.told.setText("Nothing is changed yet: edit a value, or move its slider.")
            return
        self._base = self.state.run
        self.run_wanted.emit(self.state.run, changes)

    # Told by the window

    def show_started(self) -> None:
        self.start.setEnabled(False)
        self.cancel.setEnabled(True)
        self.progress.setValue(0)
        self.progress.show()
        self.told.setText("Running in a process of its own …")

    def show_progress(self, part: float, what: str) -> None:
        self.progress.setValue(round(1000 * part))
        self.progress.setFormat(f"{what}  %p %")

    def show_ended(self) -> None:
        self.start.setEnabled(bool(self.fields))
        self.cancel.setEnabled(False)
        self.progress.hide()

    def show_failed(self, problem: str) -> None:
        self.told.setText(f"<span style='color:#c0392b'>{problem}</span>")

    def show_result(self, run: Run) -> None:
        """Say what moved against the run that was changed."""
        if self._base is not None:
            sentence = html.escape(compare_runs([self._base, run]).sentences()[0])
            rows = "".join(
                f"<tr><td>{name}&nbsp;</td><td align=right>{before}</td><td>&nbsp;→&nbsp;</td>"
                f"<td align=right><b>{after}</b></td><td align=right>&nbsp;{change}</td></tr>"
                for name, before, after, change in what_moved(self._base, run)
            )
            self.told.setText(
                f"<b>{sentence}</b><table>{rows}</table>By layer and cause: "
                "<a href='compare'>Compare</a>; side by side: <a href='aligned'>Aligned</a>"
            )
