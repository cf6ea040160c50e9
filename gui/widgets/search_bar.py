"""Search: a regular expression over layers and activities; next, previous, count, and a filter."""

from __future__ import annotations

import re

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QLineEdit, QToolButton, QWidget

from gui.views.regular_expression import expression
from gui.views.search import count, find
from gui.widgets.navigation import Navigation
from gui.widgets.state import State


class SearchBar(QWidget):
    """Finding goes from match to match; filtering draws everything else faint."""

    def __init__(self, state: State, navigation: Navigation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state, self.navigation = state, navigation
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("search layer or activity (regular expression)")
        self.field.setClearButtonEnabled(True)
        self.field.setMinimumWidth(230)
        self.field.setMaximumWidth(460)
        self.told = QLabel(self)
        self.told.setMinimumWidth(110)
        self.filter = QCheckBox("filter", self)
        self.filter.setToolTip("Draw what does not match faintly (this does not zoom)")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.addWidget(self.field)
        for text, tip, backwards in (("▴", "Previous match  Shift+F3", True),
                                     ("▾", "Next match  F3", False)):  # fmt: skip
            button = QToolButton(self)
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.clicked.connect(lambda _=False, b=backwards: self.step(b))
            layout.addWidget(button)
        layout.addWidget(self.told)
        layout.addWidget(self.filter)
        layout.addStretch(1)
        self.field.textChanged.connect(self._changed)
        self.field.returnPressed.connect(lambda: self.step(False))
        self.filter.toggled.connect(self._apply_filter)
        state.changed.connect(self._on_change)

    def _on_change(self, what: set[str]) -> None:
        if "run" in what and self.field.text():
            self._changed(self.field.text())

    def open(self) -> None:
        """Let one type."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def _changed(self, text: str) -> None:
        run = self.state.run
        wrong = ""
        try:
            expression(text)
        except re.error as error:
            wrong = f"taken as it is written: {error}"
        self.field.setToolTip(wrong)
        if run is None or not text:
            self.told.setText("")
        else:
            number = count(run, run.matching(text))
            self.told.setText(f"{number:,} match" if number == 1 else f"{number:,} matches")
        self._apply_filter(self.filter.isChecked())

    def _apply_filter(self, on: bool) -> None:
        self.state.change(pattern=self.field.text() if on else "")

    def step(self, backwards: bool) -> None:
        """To the next match, or the one before."""
        run, text, view = self.state.run, self.field.text(), self.state.view
        if run is None:
            return
        if not text:
            self.open()
            return
        wanted = run.matching(text)
        time, after = self.state.window[0], None
        if view.selected is not None:
            time, after = run.intervals.interval(view.selected).start_ps, view.selected
        number = find(run, wanted, time, backwards, after)
        if number is None and after is not None:  # around the end
            number = find(run, wanted, self.state.end_ps if backwards else 0, backwards)
            self.state.message.emit("Search went around the end of the run")
        if number is None:
            self.state.message.emit(f"Nothing matches '{text}'")
        else:
            self.navigation.select(number)
