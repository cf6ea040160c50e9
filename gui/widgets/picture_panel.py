"""A panel that shows a picture: tooltips, clicks, scrolling, and export of what it shows."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QContextMenuEvent,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PyQt6.QtWidgets import QAbstractScrollArea, QMenu, QToolTip, QWidget

from gui.painting import Hit, Scene, paint
from gui.painting.paint import READS
from gui.views.view import PANELS, View
from gui.widgets.state import State

log = logging.getLogger(__name__)

EXPORTS = (
    ("Export picture…", "picture"),
    ("Export table as CSV…", "table"),
    ("Copy picture", "copy picture"),
    ("Copy table", "copy table"),
)

_TAKES_NO_PART = {"message", "bookmarks"}


class PicturePanel(QAbstractScrollArea):
    """Draws one panel of the shared state.

    Parameters
    ----------
    ignores : set of str
        Changes of the state, beside fields of the view that its picture does not read, after
        which the panel looks the same.
    """

    clicked = pyqtSignal(object, object)
    """Something drawn was clicked: its `Hit`, and the keyboard modifiers."""

    export_wanted = pyqtSignal(str, str)
    """The panel's name, and ``picture``, ``table``, ``copy picture`` or ``copy table``."""

    def __init__(
        self, state: State, panel: str, ignores: set[str] | None = None,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.state, self.panel = state, panel
        self.scene_drawn = Scene()
        self.frames = 0
        unread = {f.name for f in fields(View)} - READS[panel]
        self._ignores = (ignores or set()) | _TAKES_NO_PART | unread
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        port = self.viewport()
        assert port is not None
        port.setMouseTracking(True)
        port.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 90)
        self.setAccessibleName(panel)
        self.setAccessibleDescription(PANELS.get(panel, panel))
        state.changed.connect(self._on_change)

    def view_shown(self) -> View:
        """The view that this panel draws."""
        return replace(self.state.view, panel=self.panel)

    def _on_change(self, what: set[str]) -> None:
        if not what <= self._ignores:
            self.refresh()

    def refresh(self) -> None:
        """Draw again, soon."""
        port = self.viewport()
        if port is not None:
            port.update()

    # Drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        port = self.viewport()
        assert port is not None
        painter = QPainter(port)
        area = QRectF(port.rect())
        bar = self.verticalScrollBar()
        scroll = float(bar.value()) if bar is not None else None
        try:
            self.scene_drawn = self.paint_picture(painter, area, scroll)
            self.paint_over(painter, area)
        except Exception as error:
            # a picture that cannot be drawn shall not take the program with it
            log.exception("drawing %s", self.panel)
            painter.resetTransform()
            painter.setClipping(False)
            painter.fillRect(area, QColor("#7d1f1f"))
            painter.setPen(QColor("white"))
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter) | int(
                Qt.TextFlag.TextWordWrap), f"This panel cannot be drawn: {error}")  # fmt: skip
        finally:
            painter.end()
        self.frames += 1
        self._set_scroll()

    def paint_picture(self, painter: QPainter, area: QRectF, scroll: float | None) -> Scene:
        """Draw the panel's picture."""
        return paint(self.view_shown(), self.state.stores(self.panel), painter, area, scroll)

    def paint_over(self, painter: QPainter, area: QRectF) -> None:
        """For what only a widget has: hover, drags."""

    def _set_scroll(self) -> None:
        bar, port = self.verticalScrollBar(), self.viewport()
        if bar is None or port is None:
            return
        most = max(0, round(self.scene_drawn.height - port.height()))
        if bar.maximum() != most:
            bar.setRange(0, most)
            bar.setPageStep(max(1, port.height()))
            bar.setSingleStep(24)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.refresh()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.refresh()

    # Pointer

    def hit_at(self, place: QPointF) -> Hit | None:
        """What is drawn at a place of the viewport."""
        return self.scene_drawn.at(place)

    def tip_at(self, place: QPointF) -> str:
        """What to say about a place."""
        hit = self.hit_at(place)
        return hit.tip if hit else ""

    def viewportEvent(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent):
            text = self.tip_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), text, self) if text else QToolTip.hideText()
            return True
        return super().viewportEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            hit = self.hit_at(event.position())
            if hit is not None:
                self.clicked.emit(hit, event.modifiers())

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        assert event is not None
        menu = QMenu(self)
        for text, what in EXPORTS:
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(
                lambda _=False, what=what: self.export_wanted.emit(self.panel, what)
            )
        self.add_to_menu(menu, QPointF(event.pos()))
        menu.exec(event.globalPos())
        menu.deleteLater()

    def add_to_menu(self, menu: QMenu, place: QPointF) -> None:
        """More entries of the context menu at a place."""
