"""Runs aligned by layer, zoomed and moved together with the timeline of the first of them."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, Qt
from PyQt6.QtGui import QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QWidget

from gui.views.alignment import align
from gui.widgets.navigation import Navigation
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.state import State
from gui.widgets.time_panel import DRAG


class AlignedPanel(PicturePanel):
    """Ctrl+wheel zooms at the pointer, Shift+wheel and dragging move; a click shows the layer."""

    def __init__(
        self, state: State, navigation: Navigation, ignores: set[str],
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(state, "aligned", ignores, parent)
        self.navigation = navigation
        self._press: QPointF | None = None
        self._window = (0, 1)
        self._moved = False

    def instant_at(self, x: float) -> int:
        """The instant of the first run at a horizontal place."""
        runs, plot = self.state.compared, self.scene_drawn.plot
        if not runs or not all(run.has("layers") for run in runs):
            return self.state.window[0]
        found = align(runs)
        low, high = (found.place(0, time) for time in self.state.window)
        share = (x - plot.left()) / max(1.0, plot.width())
        return found.instant(0, low + round(share * (high - low)))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        steps = event.angleDelta().y() / 120 or event.angleDelta().x() / 120
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.navigation.zoom(1.25**steps, self.instant_at(event.position().x()), "wheel")
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier or event.angleDelta().x():
            self.navigation.pan(-0.1 * steps, "wheel pan")
        else:
            super().wheelEvent(event)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._press, self._moved = event.position(), False
            self._window = self.state.window

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if self._press is None:
            return
        gone = event.position().x() - self._press.x()
        self._moved |= abs(gone) >= DRAG
        if self._moved:
            start, end = self._window
            shift = round(gone * (end - start) / max(1.0, self.scene_drawn.plot.width()))
            self.state.go(start - shift, end - shift, ("aligned", self._press.x()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        place, self._press = self._press, None
        if place is None or self._moved:
            return
        hit = self.hit_at(place)
        if hit is not None:
            self.clicked.emit(hit, event.modifiers())
