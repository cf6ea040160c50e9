"""Change a parameter of the design, run again, see what moved."""

from __future__ import annotations

import math

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
    QSlider,
    QVBoxLayout,
    QWidget,
)

from cosim.errors import CosimError
from gui.views.comparison import compare_runs
from gui.views.run_data import Run
from gui.views.what_if import Parameter, parameters, parsed, text_of
from gui.widgets.state import State

REACH = 4
"""A slider goes from a sixteenth to sixteen times the current value, in powers of two."""


class WhatIfPanel(QWidget):
    """A form of the run's parameters."""

    run_wanted = pyqtSignal(object, dict)
    """The run, and the changed parameters by key."""

    cancel_wanted = pyqtSignal()

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.fields: dict[str, QLineEdit | QComboBox] = {}
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
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
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
        run = self.state.run
        try:
            found = parameters(run) if run else []
        except CosimError as error:
            found = []
            self.told.setText(str(error))
        self._parameters = {p.key: p for p in found}
        for row, parameter in enumerate(found):
            self._add(form, grid, row, parameter)
        grid.setRowStretch(len(found), 1)
        self._area.setWidget(form)
        self.form = form
        self.start.setEnabled(bool(found) and not self.cancel.isEnabled())

    def _add(self, form: QWidget, grid: QGridLayout, row: int, parameter: Parameter) -> None:
        label = QLabel(parameter.name, form)
        label.setToolTip(f"{parameter.words}\n{parameter.key}")
        grid.addWidget(label, row, 0)
        if parameter.choices:
            box = QComboBox(form)
            box.addItems(parameter.choices)
            box.setCurrentText(parameter.value)
            self.fields[parameter.key] = box
            grid.addWidget(box, row, 1, 1, 2)
            return
        edit = QLineEdit(parameter.value, form)
        edit.setToolTip(f"{parameter.words}\nnow {parameter.value}")
        edit.setAccessibleName(parameter.name)
        edit.returnPressed.connect(self.run_again)
        self.fields[parameter.key] = edit
        grid.addWidget(edit, row, 1)
        if parameter.amount:
            slider = QSlider(Qt.Orientation.Horizontal, form)
            slider.setRange(-REACH * 4, REACH * 4)
            slider.setSingleStep(4 if parameter.kind in ("count", "bytes") else 1)
            slider.setPageStep(4)
            slider.setMaximumWidth(90)
            slider.setAccessibleName(f"{parameter.name} slider")
            slider.setToolTip("A sixteenth to sixteen times the current value")
            slider.valueChanged.connect(
                lambda value, p=parameter, e=edit: e.setText(text_of(p, self._scaled(p, value)))
            )
            grid.addWidget(slider, row, 2)

    def _scaled(self, parameter: Parameter, value: int) -> float:
        assert parameter.amount is not None
        # whole numbers and memories go in powers of two, others in fourths of them
        exponent = round(value / 4) if parameter.kind in ("count", "bytes") else value / 4
        amount = parameter.amount * 2.0**exponent
        if parameter.kind in ("bandwidth", "frequency", "power") and exponent:
            digits = 3 - math.ceil(math.log10(amount))
            amount = round(amount, digits)
        return amount

    def changes(self) -> dict[str, object]:
        """Parameters whose value differs from the run's.

        Raises
        ------
        CosimError
            If a value cannot be read.
        """
        found: dict[str, object] = {}
        for key, field in self.fields.items():
            text = field.currentText() if isinstance(field, QComboBox) else field.text()
            if text.strip() != self._parameters[key].value:
                found[key] = parsed(self._parameters[key], text)
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
            sentence = compare_runs([self._base, run]).sentences()[0]
            self.told.setText(f"<b>{sentence}</b>")
