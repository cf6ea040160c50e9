"""One parameter of the what-if form: a field or a choice, with a slider where it is an amount."""

from __future__ import annotations

import math

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit, QSlider, QWidget

from cosim.errors import CosimError
from gui.views.what_if import Parameter, amount_of, text_of

REACH = 4
"""A slider goes from a sixteenth to sixteen times the current value, in powers of two."""

STEPS = 4
"""Places of a slider in a power of two."""


class ParameterField(QObject):
    """Shows a parameter, and tells what a user makes of it."""

    edited = pyqtSignal(str, str, str)
    """Key, and the text before and after an edit that is complete."""

    entered = pyqtSignal()
    """Return was pressed."""

    def __init__(self, parameter: Parameter, form: QWidget, grid: QGridLayout, row: int) -> None:
        super().__init__(form)
        self.parameter = parameter
        self._known = parameter.value
        self.label = QLabel(parameter.name, form)
        self.label.setToolTip(f"{parameter.words}\n{parameter.key}")
        self.slider: QSlider | None = None
        grid.addWidget(self.label, row, 0)
        self.editor: QLineEdit | QComboBox
        if parameter.choices:
            self.editor = box = QComboBox(form)
            box.addItems(parameter.choices)
            box.setCurrentText(parameter.value)
            box.currentTextChanged.connect(self._complete)
            grid.addWidget(box, row, 1, 1, 2)
        else:
            self.editor = line = QLineEdit(parameter.value, form)
            line.editingFinished.connect(self._complete)
            line.returnPressed.connect(self.entered)
            line.textChanged.connect(self._mark)
            grid.addWidget(line, row, 1)
        self.editor.setToolTip(f"{parameter.words}\nnow {parameter.value}")
        self.editor.setAccessibleName(parameter.name)
        if parameter.amount:
            self.slider = self._make_slider(form)
            grid.addWidget(self.slider, row, 2)

    def _make_slider(self, form: QWidget) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal, form)
        slider.setRange(-REACH * STEPS, REACH * STEPS)
        slider.setSingleStep(STEPS if self.parameter.kind in ("count", "bytes") else 1)
        slider.setPageStep(STEPS)
        slider.setMaximumWidth(90)
        slider.setAccessibleName(f"{self.parameter.name} slider")
        slider.setToolTip("A sixteenth to sixteen times the current value")
        slider.valueChanged.connect(self._slid)
        slider.sliderReleased.connect(self._complete)
        return slider

    @property
    def text(self) -> str:
        """What stands in the field."""
        editor = self.editor
        return editor.currentText() if isinstance(editor, QComboBox) else editor.text()

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the run's value."""
        return self.text.strip() != self.parameter.value

    def show_text(self, text: str) -> None:
        """Let the field hold a text, and the slider stand where it belongs."""
        self._known = text
        if isinstance(self.editor, QComboBox):
            self.editor.setCurrentText(text)
        else:
            self.editor.setText(text)
        self._place_slider()
        self._mark()

    def _slid(self, value: int) -> None:
        assert isinstance(self.editor, QLineEdit)
        assert self.slider is not None
        self.editor.setText(text_of(self.parameter, self._scaled(value)) if value
                            else self.parameter.value)  # fmt: skip
        if not self.slider.isSliderDown():
            self._complete()

    def _scaled(self, value: int) -> float:
        amount = self.parameter.amount
        assert amount is not None
        # whole numbers and memories go in powers of two, others in fourths of them
        steady = self.parameter.kind in ("count", "bytes")
        exponent = round(value / STEPS) if steady else value / STEPS
        amount *= 2.0**exponent
        if not steady:
            amount = round(amount, 3 - math.ceil(math.log10(amount)))
        return amount

    def _place_slider(self) -> None:
        if self.slider is None or not self.parameter.amount:
            return
        try:
            amount = amount_of(self.parameter, self.text)
        except CosimError:
            return
        places = round(STEPS * math.log2(amount / self.parameter.amount)) if amount else -99
        self.slider.blockSignals(True)
        self.slider.setValue(places)
        self.slider.blockSignals(False)

    def _complete(self) -> None:
        before, self._known = self._known, self.text
        self._mark()
        if before != self._known:
            self._place_slider()
            self.edited.emit(self.parameter.key, before, self._known)

    def _mark(self) -> None:
        """A changed parameter is told in bold, with what it was."""
        face = self.label.font()
        face.setBold(self.is_changed)
        self.label.setFont(face)
        was = f"\nthe run has {self.parameter.value}" if self.is_changed else ""
        self.label.setToolTip(f"{self.parameter.words}\n{self.parameter.key}{was}")
