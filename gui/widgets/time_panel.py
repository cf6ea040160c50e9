"""Panels over time: zoom, pan, ranges and the cursor with the mouse.

Ctrl+wheel zooms at the pointer, Shift+wheel pans, the wheel alone scrolls; dragging selects a
range, dragging with Shift or the middle button pans; a click selects, a double click fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QPainter, QPen, QWheelEvent
from PyQt6.QtWidgets import QMenu, QWidget

from cosim.units import format_time
from gui.painting.palette import palette
from gui.painting.scene import Scene
from gui.painting.timeline import Lanes, paint_lanes, paint_pointers
from gui.views.interval_store import LaneStore
from gui.views.lanes import CATEGORIES, NO_WAIT, explain
from gui.views.view import Marker
from gui.widgets.layered_panel import LayeredPanel
from gui.widgets.navigation import Navigation
from gui.widgets.state import State

DRAG = 4
"""Pixels that make a press a drag."""

SNAP = 6
"""Pixels within which a range snaps to an interval's edge."""


class TimePanel(LayeredPanel):
    """A panel whose horizontal axis is the shared window in time."""

    run_until = pyqtSignal(object)
    """An instant up to which time shall run."""

    def __init__(
        self, state: State, navigation: Navigation, panel: str, ignores: set[str] | None = None,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(state, panel, ignores, parent)
        self.navigation = navigation
        self._press: QPointF | None = None
        self._mode = ""
        self._window = (0, 1)
        self._hover: float | None = None
        self._dragged: tuple[int, tuple[Marker, ...]] | None = None

    # Wheel

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        assert event is not None
        steps = event.angleDelta().y() / 120 or event.angleDelta().x() / 120
        modifiers = event.modifiers()
        if modifiers & Qt.KeyboardModifier.ControlModifier:
            centre = self.scene_drawn.time_at(event.position().x())
            self.navigation.zoom(1.25**steps, centre, "wheel")
        elif modifiers & Qt.KeyboardModifier.ShiftModifier or event.angleDelta().x():
            self.navigation.pan(-0.1 * steps, "wheel pan")
        else:
            bar = self.verticalScrollBar()
            if bar is not None and bar.maximum():
                bar.setValue(bar.value() - round(steps * 48))
        event.accept()

    # Drags

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self._press, self._mode = event.position(), ""
        self._window = self.state.window
        flag = self.scene_drawn.at(event.position(), "marker")
        if flag is not None and event.button() == Qt.MouseButton.LeftButton:
            self._dragged = (int(flag.key), self.state.view.markers)
        if event.button() == Qt.MouseButton.MiddleButton or (
            event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        ):
            self._mode = "pan"

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        place = event.position()
        if self._press is None or not event.buttons():
            self._hover = place.x()
            self.refresh()
            return
        if not self._mode and abs(place.x() - self._press.x()) >= DRAG:
            self._mode = "range" if self._dragged is None else "marker"
        if self._mode == "pan":
            start, end = self._window
            scale = (end - start) / max(1.0, self.scene_drawn.plot.width())
            shift = round((self._press.x() - place.x()) * scale)
            self.state.go(start + shift, end + shift, ("drag", self._press.x()))
        elif self._mode == "marker" and self._dragged is not None:
            self._move_marker(place.x())
        elif self._mode == "range" and self._press.x() >= self.scene_drawn.plot.left():
            times = sorted((self._snapped(self._press.x()), self._snapped(place.x())))
            self.state.change(range_ps=(max(0, times[0]), min(times[1], self.state.end_ps)))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        pressed, mode, dragged = self._press, self._mode, self._dragged
        self._press, self._mode, self._dragged = None, "", None
        if mode == "marker" and dragged is not None:
            moved = self.state.view.markers[dragged[0]].time_ps
            self.state.change(markers=dragged[1])  # one edit, from where it was
            self.state.move_marker(dragged[0], moved)
        if pressed is not None and not mode and event.button() == Qt.MouseButton.LeftButton:
            self.click(pressed, event.modifiers())

    def _move_marker(self, x: float) -> None:
        """Show a dragged marker where it would go."""
        assert self._dragged is not None
        position, before = self._dragged
        time = max(0, min(self._snapped(x), self.state.end_ps))
        moved = replace(before[position], time_ps=time)
        self.state.change(markers=(*before[:position], moved, *before[position + 1 :]))

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self.click(event.position(), event.modifiers())
        span = self.navigation.selected_span()
        if span is not None:
            margin = max(1, (span[1] - span[0]) // 4)
            self.state.go(span[0] - margin, span[1] + margin)

    def leaveEvent(self, event: object) -> None:
        self._hover = None
        self.refresh()

    def _snapped(self, x: float) -> int:
        scene = self.scene_drawn
        reach = round(SNAP * (scene.end_ps - scene.start_ps) / max(1.0, scene.plot.width()))
        return self.navigation.snapped(scene.time_at(x), reach)

    def click(self, place: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """Select what is at a place, and put the cursor there."""
        hit = self.hit_at(place)
        if hit is not None and hit.kind == "legend":
            return
        inside = self.scene_drawn.plot.left() <= place.x() <= self.scene_drawn.plot.right()
        if inside:
            self.state.change(time_ps=max(0, min(self.scene_drawn.time_at(place.x()),
                                                 self.state.end_ps)))  # fmt: skip
        if hit is None:
            return
        if hit.kind == "layer":
            chosen = "" if self.state.view.layer == hit.key else hit.key
            self.state.change(layer=chosen, range_ps=None)
        elif hit.kind == "group":
            self.toggle_group(hit.key)
        self.clicked.emit(hit, modifiers)

    def toggle_group(self, name: str) -> None:
        """Close or open a group of lanes."""
        closed = self.state.view.collapsed
        left = tuple(group for group in closed if group != name)
        self.state.change(collapsed=left if name in closed else (*closed, name))

    def paint_over(self, painter: QPainter, area: QRectF) -> None:
        plot = self.scene_drawn.plot
        if self._hover is not None and plot.left() <= self._hover <= plot.right():
            colours = palette(self.state.view.theme)
            painter.setPen(QPen(colours.faint, 1, Qt.PenStyle.DotLine))
            x = round(self._hover) + 0.5
            painter.drawLine(QPointF(x, area.top()), QPointF(x, plot.bottom()))

    def add_to_menu(self, menu: QMenu, place: QPointF) -> None:
        time = self.scene_drawn.time_at(place.x())
        if not 0 <= time <= self.state.end_ps:
            return
        menu.addSeparator()
        at = format_time(time, 5)
        entries: list[tuple[str, Callable[[], object]]] = [
            (f"Marker at {at}", lambda: self.state.add_marker(self._snapped(place.x()))),
            (f"Run until {at}", lambda: self.run_until.emit(time)),
        ]
        span = self.state.view.range_ps
        if span is not None:
            entries.append(("Zoom to the range", lambda: self.state.go(*span)))
        flag = self.scene_drawn.at(place, "marker")
        if flag is not None:
            entries.append(("Remove this marker", lambda: self.state.remove_marker(flag.key)))
        for text, run in entries:
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(lambda _=False, run=run: run())


class TimelinePanel(TimePanel):
    """The pipeline timeline: selects single intervals and lanes beside.

    Selection and arrows are drawn over its lanes as well as range, markers and cursor.
    """

    def can_keep(self) -> bool:
        return super().can_keep() and self.state.run.intervals.ready  # type: ignore[union-attr]

    def paint_below(self, painter: QPainter, area: QRectF, scroll: float | None) -> Lanes:
        stores = self.state.stores(self.panel)
        return paint_lanes(self.view_shown(), stores, painter, area, scroll or 0.0)

    def paint_above(self, painter: QPainter, area: QRectF, below: Any) -> Scene:
        assert self.state.run is not None
        return paint_pointers(self.view_shown(), self.state.run, painter, below)

    def lane_at(self, place: QPointF) -> LaneStore | None:
        """The lane under a place."""
        run = self.state.run
        hit = self.scene_drawn.at(place, "lane body", "legend")
        if run is None or hit is None or hit.kind == "legend":
            return None
        return next((s for s in run.intervals.lanes if s.lane.name == hit.key), None)

    def click(self, place: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        super().click(place, modifiers)
        lane = self.lane_at(place)
        if lane is None:
            return
        time = self.scene_drawn.time_at(place.x())
        found = lane.at(time)
        if found < 0 and len(lane):
            # waiting belongs to the interval that it precedes
            found = min(len(lane) - 1, lane.before(time) + 1)
        if found >= 0:
            number = int(lane.index.numbers(found, found + 1)[0])
            self.state.change(selected=number, range_ps=None)

    def tip_at(self, place: QPointF) -> str:
        lane, run = self.lane_at(place), self.state.run
        plain = super().tip_at(place)
        if lane is None or run is None or plain:
            return plain
        time = self.scene_drawn.time_at(place.x())
        found = lane.at(time)
        busy = found >= 0
        if not busy:
            found = lane.before(time) + 1
        if not 0 <= found < len(lane):
            return f"{lane.lane.name}: nothing more to do"
        row = lane.rows(found, found + 1)
        template = int(row.template[0])
        name = f"{run.outline.layer_name(template)} {run.outline.activity(template)}".strip()
        if busy:
            category = int(row.category[0])
            length = int(row.end[0] - row.start[0])
            return f"{name}\n{format_time(length)} on {lane.lane.name}\n{explain(category)}"
        if int(row.wait[0]) == NO_WAIT:
            return f"{lane.lane.name}: idle before {name}"
        wait, length = int(row.wait[0]), int(row.start[0] - row.wait_start[0])
        what = CATEGORIES[wait].removeprefix("wait: ")
        waits = f"{lane.lane.name} waits for {what} before {name}"
        return f"{waits}\n{format_time(length)}\n{explain(wait)}"

    def add_to_menu(self, menu: QMenu, place: QPointF) -> None:
        super().add_to_menu(menu, place)
        hit = self.scene_drawn.at(place, "lane", "lane body", "counter", "legend")
        if hit is None or hit.kind == "legend":
            return
        view = self.state.view
        for text, field in (("Pin", "pinned"), ("Hide", "hidden")):
            names = getattr(view, field)
            has = hit.key in names
            action = menu.addAction(f"{'Un' + text.lower() if has else text} lane {hit.key}")
            assert action is not None
            left = tuple(n for n in names if n != hit.key) if has else (*names, hit.key)
            action.triggered.connect(
                lambda _=False, field=field, left=left, text=text: self.state.edit(
                    f"{text.lower()} lane", **{field: left}
                )
            )
