"""A panel in two layers: a picture that is kept, and what follows the pointer drawn over it.

Selecting, marking and moving the cursor then cost what they draw themselves, however much lies
under them.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from PyQt6.QtCore import QPointF, QRectF
from PyQt6.QtGui import QPainter, QPixmap
from PyQt6.QtWidgets import QWidget

from gui.painting.overlays import draw_pointers
from gui.painting.paint import paint_below
from gui.painting.palette import palette
from gui.painting.scene import Scene
from gui.painting.timeline import FOLLOWS_POINTER
from gui.views.view import View
from gui.widgets.picture_panel import PicturePanel
from gui.widgets.state import State

_PLAIN = {f.name: f.default for f in fields(View) if f.name in FOLLOWS_POINTER}


class LayeredPanel(PicturePanel):
    """Draws `paint_below` seldom, and `paint_above` in every frame."""

    def __init__(
        self, state: State, panel: str, ignores: set[str] | None = None,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(state, panel, ignores, parent)
        self._kept: tuple[object, QPixmap, Any] | None = None
        self._last: object = None
        state.changed.connect(self._forget)

    def _forget(self, what: set[str]) -> None:
        if what & {"run", "data"}:
            self._kept = self._last = None

    def can_keep(self) -> bool:
        """Whether the picture is complete."""
        return self.state.run is not None

    def paint_picture(self, painter: QPainter, area: QRectF, scroll: float | None) -> Scene:
        if not self.can_keep():
            return super().paint_picture(painter, area, scroll)
        ratio = self.devicePixelRatioF()
        plain = replace(self.view_shown(), **_PLAIN)
        key = (plain, id(self.state.run), area.width(), area.height(), scroll, ratio)
        if self._kept is None or self._kept[0] != key:
            if key != self._last:  # while panning no picture is seen twice
                self._last = key
                return super().paint_picture(painter, area, scroll)
            self._kept = (key, *self._draw_below(area, scroll, ratio))
        _, picture, below = self._kept
        painter.drawPixmap(QPointF(0, 0), picture)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        return self.paint_above(painter, area, below)

    def _draw_below(
        self, area: QRectF, scroll: float | None, ratio: float
    ) -> tuple[QPixmap, object]:
        picture = QPixmap(round(area.width() * ratio), round(area.height() * ratio))
        picture.setDevicePixelRatio(ratio)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        try:
            return picture, self.paint_below(painter, area, scroll)
        finally:
            painter.end()

    def paint_below(self, painter: QPainter, area: QRectF, scroll: float | None) -> Any:
        """Draw what does not follow the pointer; returns what `paint_above` needs."""
        view = self.view_shown()
        return paint_below(view, self.state.stores(self.panel), painter, area, scroll)

    def paint_above(self, painter: QPainter, area: QRectF, below: Any) -> Scene:
        """Draw range, markers and cursor."""
        view = self.view_shown()
        return draw_pointers(painter, view, below, area, palette(view.theme))
