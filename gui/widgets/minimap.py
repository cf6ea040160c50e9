"""The whole run in a strip, with the window on it."""

from __future__ import annotations

from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PyQt6.QtWidgets import QWidget

from cosim.units import format_time
from gui.painting.lane_picture import Window, draw_lane
from gui.painting.palette import palette, with_alpha
from gui.painting.tracks import HEADER_WIDTH
from gui.widgets.state import State

HEIGHT = 46
EDGE = 4
"""Pixels beside an edge of the frame that still take hold of it."""


class Minimap(QWidget):
    """An overview of the engines and channels; drag on it to move the window or its edges."""

    def __init__(self, state: State, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self._image: QImage | None = None
        self._edge = ""
        self.setMouseTracking(True)
        self.setFixedHeight(HEIGHT)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("minimap")
        self.setToolTip("The whole run; the frame is the time shown. Drag it to move, an edge to "
                        "make it wider; Ctrl+wheel zooms, a double click shows all.")  # fmt: skip
        state.changed.connect(self._on_change)

    def _on_change(self, what: set[str]) -> None:
        if what & {"run", "data", "theme"}:
            self._image = None
        if what & {"run", "data", "theme", "start_ps", "end_ps", "range_ps", "time_ps", "markers"}:
            self.update()

    def _body(self) -> QRectF:
        header = min(HEADER_WIDTH, self.width() * 0.3)
        return QRectF(header, 2, max(1.0, self.width() - header), self.height() - 4)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self._image = None

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        colours = palette(self.state.view.theme)
        painter.fillRect(self.rect(), colours.background)
        run, body = self.state.run, self._body()
        if run is not None:
            if self._image is None:
                self._image = self._overview(body)
            painter.drawImage(QPointF(0, 0), self._image)
            left, right = (self._x(t) for t in self.state.window)
            shade = with_alpha(colours.background, 0.62)
            painter.fillRect(QRectF(body.left(), 0, left - body.left(), HEIGHT), shade)
            painter.fillRect(QRectF(right, 0, body.right() - right, HEIGHT), shade)
            for marker in self.state.view.markers:
                painter.setPen(QPen(colours.accent, 1))
                x = self._x(marker.time_ps)
                painter.drawLine(QLineF(x, 0, x, HEIGHT))
            painter.setPen(QPen(colours.accent, 1.5))
            painter.drawRect(QRectF(left, 1, max(2.0, right - left), HEIGHT - 2))
            painter.setPen(colours.faint)
            start, end = self.state.window
            painter.drawText(QRectF(8, 4, body.left() - 12, 16), 0, "whole run")
            painter.drawText(QRectF(8, 22, body.left() - 12, 16), 0, format_time(end - start, 3))
        painter.end()

    def _overview(self, body: QRectF) -> QImage:
        run = self.state.run
        assert run is not None
        ratio = self.devicePixelRatioF()
        image = QImage(round(self.width() * ratio), round(HEIGHT * ratio),
                       QImage.Format.Format_ARGB32_Premultiplied)  # fmt: skip
        image.setDevicePixelRatio(ratio)
        image.fill(0)
        painter = QPainter(image)
        lanes = [s for s in run.intervals.lanes if s.lane.group in ("engines", "DMA")]
        window = Window(0, run.makespan_ps, body.left(), body.width())
        colours = palette(self.state.view.theme)
        names = [""] * (len(run.outline.tasks) + 1)
        height = body.height() / max(1, len(lanes))
        for position, lane in enumerate(lanes):
            top = body.top() + position * height - 2
            strip = QRectF(body.left(), top, body.width(), height + 4)
            draw_lane(painter, lane, strip, window, colours, names, int(0.8 * body.width()))
        painter.end()
        return image

    def _x(self, time_ps: int) -> float:
        body = self._body()
        share = time_ps / max(1, self.state.end_ps)
        return min(max(body.left() + share * body.width(), body.left()), body.right())

    def _move_to(self, x: float) -> None:
        body = self._body()
        start, end = self.state.window
        middle = round((x - body.left()) / body.width() * self.state.end_ps)
        half = (end - start) // 2
        self.state.go(middle - half, middle - half + end - start, "minimap")

    def _edge_at(self, x: float) -> str:
        """The edge of the frame at a place; none where the frame is too narrow to tell them."""
        left, right = (self._x(t) for t in self.state.window)
        if right - left < 4 * EDGE:
            return ""
        return "left" if abs(x - left) <= EDGE else "right" if abs(x - right) <= EDGE else ""

    def _time_at(self, x: float) -> int:
        body = self._body()
        share = (x - body.left()) / body.width()
        return round(max(0.0, min(1.0, share)) * self.state.end_ps)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self._edge = self._edge_at(event.position().x())
        if not self._edge:
            self._move_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        x = event.position().x()
        if not event.buttons() & Qt.MouseButton.LeftButton:
            shape = Qt.CursorShape
            self.setCursor(shape.SizeHorCursor if self._edge_at(x) else shape.PointingHandCursor)
        elif self._edge:
            start, end = self.state.window
            moved = (self._time_at(x), end) if self._edge == "left" else (start, self._time_at(x))
            if moved[0] < moved[1]:
                self.state.go(*moved, "minimap edge")
        else:
            self._move_to(x)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.state.go(0, self.state.end_ps)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        steps = event.angleDelta().y() / 120
        start, end = self.state.window
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            centre = self._time_at(event.position().x())
            width = (end - start) / 1.25**steps
            begin = round(centre - (centre - start) / max(1, end - start) * width)
            self.state.go(begin, begin + round(width), "wheel")
        else:
            step = round(-0.1 * steps * (end - start))
            self.state.go(start + step, end + step, "wheel pan")
        event.accept()
