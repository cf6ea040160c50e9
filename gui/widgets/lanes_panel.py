"""Which lanes the timeline shows: hide, pin, find by name, and leave out what is too short."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cosim.errors import CosimError
from cosim.units import format_time, parse_time
from gui.painting.tracks import tracks
from gui.views.view import View
from gui.widgets.state import State

SHOWN, PINNED = 0, 1
_ON, _OFF = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class LanesPanel(QWidget):
    """A tree of groups and lanes with a check mark each for shown and for pinned."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self._telling = False
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("find lanes by name")
        self.search.setClearButtonEnabled(True)
        self.tree = QTreeWidget(self)
        self.tree.setAccessibleName("lanes")
        self.tree.setColumnCount(2)
        self.tree.setHeaderLabels(["shown", "pin"])
        self.tree.setUniformRowHeights(True)
        header = self.tree.header()
        assert header is not None
        header.setStretchLastSection(False)
        header.setSectionResizeMode(SHOWN, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(PINNED, QHeaderView.ResizeMode.ResizeToContents)
        self.only = QPushButton("Only these", self)
        self.only.setToolTip("Show the lanes that are found, and hide the others")
        self.all = QPushButton("All", self)
        self.all.setToolTip("Show hidden and closed lanes again  Shift+H")
        self.least = QLineEdit(self)
        self.least.setPlaceholderText("0")
        self.least.setAccessibleName("shortest interval")
        self.least.setToolTip("Intervals that are shorter, such as 200 ns, are left out of the "
                              "timeline where single ones can be seen")  # fmt: skip
        buttons, shortest = QHBoxLayout(), QHBoxLayout()
        buttons.addWidget(self.only)
        buttons.addWidget(self.all)
        shortest.addWidget(QLabel("at least", self))
        shortest.addWidget(self.least)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.search)
        layout.addWidget(self.tree, 1)
        layout.addLayout(buttons)
        layout.addLayout(shortest)
        self.search.textChanged.connect(self._narrow)
        self.tree.itemChanged.connect(self._changed)
        self.only.clicked.connect(self._only_found)
        self.all.clicked.connect(self._show_all)
        self.least.editingFinished.connect(self._set_least)
        state.changed.connect(self._on_change)
        self._fill()

    def _on_change(self, what: set[str]) -> None:
        if what & {"run", "data"} and self._names() != self._wanted_names():
            self._fill()
        if what & {"run", "hidden", "pinned", "least_ps"}:
            self._show_marks()

    # The tree

    def _lanes(self) -> list[tuple[str, str]]:
        """Group and name of every lane and counter."""
        run = self.state.run
        if run is None:
            return []
        return [(line.group, line.name) for line in tracks(View(), run) if line.kind != "group"]

    def _wanted_names(self) -> list[str]:
        return [name for _, name in self._lanes()]

    def _names(self) -> list[str]:
        return [item.text(SHOWN) for item in self._items()]

    def _items(self) -> list[QTreeWidgetItem]:
        groups = (self.tree.topLevelItem(i) for i in range(self.tree.topLevelItemCount()))
        below = (group.child(i) for group in groups if group is not None
                 for i in range(group.childCount()))  # fmt: skip
        return [item for item in below if item is not None]

    def _fill(self) -> None:
        self._telling = True
        self.tree.clear()
        groups: dict[str, QTreeWidgetItem] = {}
        for group, name in self._lanes():
            if group not in groups:
                groups[group] = QTreeWidgetItem(self.tree, [group])
                groups[group].setFlags(groups[group].flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item = QTreeWidgetItem(groups[group], [name])
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setToolTip(SHOWN, f"{name}: shown in the timeline")
            item.setToolTip(PINNED, f"{name}: kept on top")
        self.tree.expandAll()
        self._telling = False
        self._show_marks()
        self._narrow(self.search.text())

    def _show_marks(self) -> None:
        view = self.state.view
        self._telling = True
        for item in self._items():
            name = item.text(SHOWN)
            item.setCheckState(SHOWN, _OFF if name in view.hidden else _ON)
            item.setCheckState(PINNED, _ON if name in view.pinned else _OFF)
        for position in range(self.tree.topLevelItemCount()):
            group = self.tree.topLevelItem(position)
            if group is not None:
                states = {group.child(i).checkState(SHOWN) for i in range(group.childCount())}
                both = len(states) > 1
                group.setCheckState(SHOWN, Qt.CheckState.PartiallyChecked if both
                                    else next(iter(states), _ON))  # fmt: skip
        if not self.least.hasFocus():
            self.least.setText(format_time(view.least_ps) if view.least_ps else "")
        self._telling = False

    def _narrow(self, text: str) -> None:
        for item in self._items():
            item.setHidden(text.lower() not in item.text(SHOWN).lower())
        self.only.setEnabled(bool(text))

    # Edits

    def _changed(self, item: QTreeWidgetItem, column: int) -> None:
        if self._telling:
            return
        if item.parent() is None:
            self._telling = True
            for position in range(item.childCount()):
                item.child(position).setCheckState(SHOWN, item.checkState(SHOWN))
            self._telling = False
        items = self._items()
        if column == PINNED:
            names = tuple(i.text(SHOWN) for i in items if i.checkState(PINNED) == _ON)
            self.state.edit("pin lanes", pinned=names)
        else:
            names = tuple(i.text(SHOWN) for i in items if i.checkState(SHOWN) == _OFF)
            self.state.edit("hide lanes", hidden=names)

    def _only_found(self) -> None:
        names = tuple(item.text(SHOWN) for item in self._items() if item.isHidden())
        self.state.edit("show only some lanes", hidden=names)

    def _show_all(self) -> None:
        self.search.clear()
        self.state.edit("show all lanes", hidden=())
        self.state.change(collapsed=())

    def _set_least(self) -> None:
        text = self.least.text().strip()
        try:
            least = parse_time(text) if text and text != "0" else 0
        except CosimError as error:
            self.state.message.emit(str(error))
            return
        self.state.change(least_ps=least)
