"""Every action with its keys, made of the registry; keys can be changed here."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.widgets.actions import ActionRegistry

MOUSE = (
    ("wheel", "scroll the lanes, or a panel that is higher than its room"),
    ("Ctrl+wheel", "zoom at the pointer"),
    ("Shift+wheel", "move in time"),
    ("drag", "select a range; its edges snap to intervals"),
    ("Shift+drag, middle drag", "move in time"),
    ("click, double click", "select an interval; fit it"),
    ("click a layer", "select it: every panel shows it"),
    ("click a group's name", "close or open it"),
    ("drag a marker's flag", "move it; it snaps to intervals"),
    ("drag over design points", "choose them; with Ctrl, more of them"),
    ("right click", "markers, run until here, pin and hide lanes, export and copy"),
)


def keys_table(registry: ActionRegistry) -> str:
    """Every action that has a key, and what the mouse does, as a table in Markdown."""
    lines = ["| keys | |", "|---|---|"]
    for id_, (menu, text, keys, words) in zip(registry.commands, registry.rows(), strict=True):
        if not keys or (id_.startswith(("view.keep.", "view.go.")) and not id_.endswith(".1")):
            continue
        shown = ", ".join(f"`{key}`" for key in keys.replace(", ,", ", comma").split(", "))
        shown = shown.replace("`comma`", "`,`")
        if id_ == "view.keep.1":
            shown, text, words = "`Ctrl+1` … `Ctrl+9`", "Keep view", "Keep this window"
        elif id_ == "view.go.1":
            shown, text, words = "`1` … `9`", "Go to view", "To a window that was kept"
        lines.append(f"| {shown} | **{menu.partition('/')[0]}: {text}**. {words} |")
    lines += [f"| {mouse} | {words} |" for mouse, words in MOUSE]
    return "\n".join(lines) + "\n"


class ShortcutSheet(QDialog):
    """The table of actions."""

    def __init__(self, registry: ActionRegistry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and actions")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(860, 620)
        self.registry = registry
        self.narrow = QLineEdit(self)
        self.narrow.setPlaceholderText("type to narrow")
        self.narrow.setClearButtonEnabled(True)
        self.table = QTableWidget(0, 4, self)
        self.table.setHorizontalHeaderLabels(["menu", "action", "keys", "what it does"])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        header, rows = self.table.horizontalHeader(), self.table.verticalHeader()
        assert header is not None
        assert rows is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        rows.hide()
        rows.setDefaultSectionSize(22)
        self.keys = QKeySequenceEdit(self)
        self.keys.setMaximumSequenceLength(1)
        self.change = QPushButton("Use these keys", self)
        self.default = QPushButton("Default keys", self)
        self.told = QLabel("With the mouse: " + "; ".join(f"{a}: {b}" for a, b in MOUSE), self)
        self.told.setWordWrap(True)
        bar = QHBoxLayout()
        for widget in (QLabel("selected action:", self), self.keys, self.change, self.default):
            bar.addWidget(widget)
        bar.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.narrow)
        layout.addWidget(self.table, 1)
        layout.addLayout(bar)
        layout.addWidget(self.told)
        self.narrow.textChanged.connect(lambda _text: self.fill())
        self.change.clicked.connect(self._change)
        self.default.clicked.connect(self._default)
        self.fill()

    def fill(self) -> None:
        """Show what matches."""
        wanted = self.narrow.text().lower()
        rows = [
            (id_, cells) for id_, cells in zip(self.registry.commands, self.registry.rows(),
                                               strict=True)
            if wanted in " ".join(cells).lower()
        ]  # fmt: skip
        self.table.setRowCount(len(rows))
        for row, (id_, cells) in enumerate(rows):
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setData(Qt.ItemDataRole.UserRole, id_)
                self.table.setItem(row, column, item)

    def _id(self) -> str:
        item = self.table.item(self.table.currentRow(), 0)
        return str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else ""

    def _change(self) -> None:
        id_, key = self._id(), self.keys.keySequence()
        if not id_:
            return
        text = key.toString(QKeySequence.SequenceFormat.PortableText)
        other = self.registry.set_keys(id_, (text,) if text else ())
        if other:
            name = self.registry.commands[other].text.replace("&", "")
            self.told.setText(f"{text} belongs to '{name}' already; choose another key")
        self.fill()

    def _default(self) -> None:
        if self._id():
            self.registry.set_keys(self._id(), self.registry.commands[self._id()].keys)
            self.fill()
