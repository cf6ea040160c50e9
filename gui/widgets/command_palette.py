"""Type a few letters, get the action, the lane or the layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

MOST_SHOWN = 60


@dataclass(frozen=True)
class Choice:
    """An entry: what is shown, what stands at its right, and what it does."""

    text: str
    note: str
    run: Callable[[], object]


class CommandPalette(QDialog):
    """A list that narrows while one types; Enter runs the chosen entry."""

    def __init__(self, title: str, choices: Sequence[Choice], parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._choices = list(choices)
        self.field = QLineEdit(self)
        self.field.setPlaceholderText(f"{title}: type to narrow, Enter to run")
        self.field.setClearButtonEnabled(True)
        self.list = QListWidget(self)
        self.list.setUniformItemSizes(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        self.resize(620, 420)
        self.field.textChanged.connect(self._narrow)
        self.field.installEventFilter(self)
        self.list.itemActivated.connect(lambda _item: self._run())
        self._narrow("")

    def _narrow(self, text: str) -> None:
        scored = [(score, i) for i, c in enumerate(self._choices)
                  if (score := fuzzy(text, f"{c.text} {c.note}")) is not None]  # fmt: skip
        scored.sort(key=lambda pair: (-pair[0], pair[1]))
        self.list.clear()
        for _, position in scored[:MOST_SHOWN]:
            choice = self._choices[position]
            item = QListWidgetItem(f"{choice.text}    {choice.note}")
            item.setData(Qt.ItemDataRole.UserRole, position)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 10,
                     Qt.Key.Key_PageUp: -10}  # fmt: skip
            step = steps.get(Qt.Key(event.key()))
            if step is not None:
                row = self.list.currentRow() + step
                self.list.setCurrentRow(max(0, min(self.list.count() - 1, row)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run()
                return True
        return super().eventFilter(watched, event)

    def _run(self) -> None:
        item = self.list.currentItem()
        self.accept()
        if item is not None:
            self._choices[int(item.data(Qt.ItemDataRole.UserRole))].run()


def fuzzy(wanted: str, text: str) -> float | None:
    """How well the letters of `wanted` are found in `text` in their order; None if they are not.

    Words that begin with what was typed, and letters that stand together, count most.
    """
    wanted, text = wanted.lower().strip(), text.lower()
    if not wanted:
        return 0.0
    at = text.find(wanted)
    if at >= 0:
        return 1000.0 - at + (200.0 if at == 0 or text[at - 1] == " " else 0.0)
    score, place = 0.0, -1
    for letter in wanted.replace(" ", ""):
        found = text.find(letter, place + 1)
        if found < 0:
            return None
        score += 10.0 if found == place + 1 else 5.0 if text[found - 1 : found] == " " else 0.0
        score -= 0.1 * (found - place)
        place = found
    return score
