"""Keys that a focused table, slider or list needs itself, before the window's shortcuts get them.

Arrows move through the timeline wherever nothing else has a use for them. Fields of text claim
their keys from Qt by themselves; tables, sliders and choices do not.
"""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QAbstractItemView, QAbstractSlider, QComboBox, QScrollBar, QWidget

_MOVES = frozenset({
    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home,
    Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
})  # fmt: skip
_EDITS = frozenset({Qt.Key.Key_F2, Qt.Key.Key_Space})
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier,
          Qt.KeyboardModifier.ShiftModifier)  # fmt: skip


class _Keeper(QObject):
    """Claims the keys for the widgets it watches."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.modifiers() in _PLAIN
            and event.key() in (_MOVES | _EDITS)
        ):
            event.accept()
            return True
        return super().eventFilter(watched, event)


def keep_keys(top: QWidget) -> None:
    """Let every table, list, slider and choice below a widget have the keys that move in it."""
    keeper = _Keeper(top)
    for kind in (QAbstractItemView, QAbstractSlider, QComboBox):
        for widget in top.findChildren(kind):
            if not isinstance(widget, QScrollBar):
                widget.installEventFilter(keeper)
