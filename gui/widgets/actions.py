"""Everything that can be done, in one table: menus, shortcuts, palette and sheet are made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMainWindow, QMenu, QToolBar


@dataclass(frozen=True)
class Command:
    """One thing that can be done.

    Attributes
    ----------
    id : str
        Stable name, ``menu.verb``; keys that a user sets are kept under it.
    menu : str
        The menu it stands in; sub-menus after a slash.
    text : str
    help : str
        A sentence for the tooltip and the palette.
    keys : tuple of str
        Default shortcuts; the first one is shown in the menu.
    run : callable
    checked : callable, optional
        For commands that are on or off: which it is.
    hidden : bool
        Not in menus (bookmarks 1 to 9), but in palette and sheet.
    """

    id: str
    menu: str
    text: str
    help: str
    run: Callable[[], object]
    keys: tuple[str, ...] = ()
    checked: Callable[[], bool] | None = None
    hidden: bool = False


MENUS = ("File", "Edit", "View", "Go", "Run", "Panels", "Help")


class ActionRegistry:
    """Holds the commands and makes the window's actions of them."""

    def __init__(self, window: QMainWindow, settings: QSettings) -> None:
        self._window, self._settings = window, settings
        self.commands: dict[str, Command] = {}
        self.actions: dict[str, QAction] = {}
        self._menus: dict[str, QMenu] = {}

    def add(self, command: Command) -> QAction:
        """Add a command.

        Raises
        ------
        ValueError
            If its id or one of its keys is taken.
        """
        if command.id in self.commands:
            raise ValueError(f"two actions are called {command.id}")
        self.commands[command.id] = command
        action = QAction(command.text, self._window)
        action.setObjectName(command.id)
        action.setToolTip(command.help)
        action.setStatusTip(command.help)
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.triggered.connect(lambda _checked=False: command.run())
        if command.checked is not None:
            action.setCheckable(True)
        self.actions[command.id] = action
        self._window.addAction(action)
        self._set_keys(command.id, self.keys(command.id))
        return action

    def build_menus(self) -> None:
        """Fill the menu bar, in the order in which commands were added."""
        bar = self._window.menuBar()
        assert bar is not None
        for name in MENUS:
            self._menu(name)
        for command in self.commands.values():
            if not command.hidden:
                self._menu(command.menu).addAction(self.actions[command.id])

    def _menu(self, path: str) -> QMenu:
        if path not in self._menus:
            above, _, name = path.rpartition("/")
            bar = self._window.menuBar()
            assert bar is not None
            menu = self._menu(above).addMenu(name) if above else bar.addMenu(f"&{name}")
            assert menu is not None
            menu.setToolTipsVisible(True)
            if not above:
                menu.aboutToShow.connect(self.refresh_checks)
            self._menus[path] = menu
        return self._menus[path]

    def menu(self, path: str) -> QMenu:
        """A menu, to put into it what is no command (recent files)."""
        return self._menu(path)

    def refresh_checks(self) -> None:
        """Let the check marks show what is on."""
        for command in self.commands.values():
            if command.checked is not None:
                self.actions[command.id].setChecked(command.checked())

    def fill_tools(self, bar: QToolBar, tools: Mapping[str, str]) -> None:
        """Put commands into a tool bar, under short names."""
        for id_, text in tools.items():
            action = self.actions[id_]
            action.setIconText(text)
            keys = ", ".join(self.keys(id_)[:1])
            action.setToolTip(f"{self.commands[id_].help}  {keys}".strip())
            bar.addAction(action)

    # Keys

    def keys(self, id_: str) -> tuple[str, ...]:
        """Shortcuts of a command: the user's own, or the default ones."""
        own = self._settings.value(f"keys/{id_}")
        if own is None:
            return self.commands[id_].keys
        return tuple(key for key in str(own).split(" ; ") if key)

    def set_keys(self, id_: str, keys: tuple[str, ...]) -> str:
        """Give a command other shortcuts; returns the command that has one of them already."""
        for other in self.commands:
            if other != id_ and {*map(_normal, keys)} & {*map(_normal, self.keys(other))}:
                return other
        if tuple(keys) == self.commands[id_].keys:
            self._settings.remove(f"keys/{id_}")
        else:
            self._settings.setValue(f"keys/{id_}", " ; ".join(keys))
        self._set_keys(id_, keys)
        return ""

    def _set_keys(self, id_: str, keys: tuple[str, ...]) -> None:
        self.actions[id_].setShortcuts([QKeySequence(key) for key in keys])

    def clashes(self) -> list[tuple[str, str, str]]:
        """Keys that two commands share, with both."""
        seen: dict[str, str] = {}
        found = []
        for id_ in self.commands:
            for key in map(_normal, self.keys(id_)):
                if key in seen:
                    found.append((key, seen[key], id_))
                seen[key] = id_
        return found

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """(menu, text, keys, help) of every command, for the sheet and the documentation."""
        for id_, command in self.commands.items():
            shown = ", ".join(
                QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
                for key in self.keys(id_)
            )
            yield command.menu, command.text.replace("&", "").rstrip("…"), shown, command.help


def _normal(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText)
