"""The drawing of the chart with pyqtgraph: axes by unit, legend, crosshair, points to click.

Importing this module imports pyqtgraph, which takes more than half a second: the panel does so
when it is first seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QContextMenuEvent, QResizeEvent
from PyQt6.QtWidgets import QGraphicsItem, QWidget

from gui.painting.chart_axes import Axis
from gui.painting.palette import Palette, mixed
from gui.views.chart_series import Series

NEAR = 14.0
"""Pixels within which the pointer is at a point."""

FEW = 200
"""Points of a line up to which it is drawn wide and smooth."""

STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine,
          Qt.PenStyle.DashDotLine)  # fmt: skip
SYMBOLS = ("o", "s", "t", "d")


class TextAxis(pg.AxisItem):
    """An axis that writes values of a logarithmic scale as the rest of the program does."""

    text: Callable[[float], str] | None = None

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.text is None:
            return list(super().logTickStrings(values, scale, spacing))
        narrow = self.orientation in ("top", "bottom")
        return [self.text(10.0**v) if not narrow or _is_round(v) else "" for v in values]

    def show_axis(
        self, axis: Axis, most: float, colours: Palette, colour: QColor | None = None
    ) -> None:
        """Label and colour the axis, for values up to `most`."""
        self.text = axis.text
        unit, scale, prefixed = axis.scale(most)
        self.enableAutoSIPrefix(prefixed)
        self.setScale(scale)
        self.setLogMode(axis.log)
        self.setPen(pg.mkPen(mixed(colours.text, colours.background, 0.4)))
        self.setTextPen(pg.mkPen(colour or colours.text))
        self.setLabel(axis.label, units=unit)


class Sample(pg.graphicsItems.LegendItem.ItemSample):
    """A line of the legend: a click is told, what it does is for the panel to say."""

    def mouseClickEvent(self, event: Any) -> None:
        event.accept()
        self.sigClicked.emit(self.item)


class ChartPlot(pg.PlotWidget):
    """One chart: a left axis, and one on the right for every further unit."""

    ranged = pyqtSignal(float, float)
    """The horizontal axis was moved or zoomed by hand; its ends, as they are drawn."""
    hovered = pyqtSignal(float, object)
    """Where the pointer is along the horizontal axis, and the row of the point at it or None."""
    clicked = pyqtSignal(float, object, object)
    """The same for a click, and the keyboard modifiers."""
    legend_clicked = pyqtSignal(str)
    resized = pyqtSignal()
    menu_wanted = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        axes = {"bottom": TextAxis("bottom"), "left": TextAxis("left")}
        super().__init__(parent, axisItems=axes, enableMenu=False)
        self.setAccessibleName("chart")
        plot = self.getPlotItem()
        plot.hideButtons()
        plot.setMenuEnabled(False)
        plot.layout.setContentsMargins(4, 10, 10, 2)
        self._boxes: list[pg.ViewBox] = []
        self._right: list[TextAxis] = []
        self._points: list[tuple[pg.ViewBox, np.ndarray, np.ndarray, np.ndarray]] = []
        self._chosen: list[pg.ScatterPlotItem] = []
        self._of_boxes: list[pg.ViewBox] = []
        self._axes: list[Axis] = []
        self.curves: list[pg.PlotDataItem] = []
        self.legend = pg.LegendItem(offset=(-12, 8), sampleType=Sample)
        self.legend.setParentItem(plot.vb)
        self.cursor = pg.InfiniteLine(angle=90)
        self.cross = pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=0)
        for line in (self.cursor, *self.cross):
            line.setZValue(50)
            line.hide()
            plot.addItem(line, ignoreBounds=True)
        self.legend.sigSampleClicked.connect(lambda item: self.legend_clicked.emit(item.key))
        plot.vb.sigRangeChangedManually.connect(self._moved_by_hand)
        plot.vb.sigResized.connect(self._place_boxes)
        self.scene().sigMouseMoved.connect(self._hover)
        self.scene().sigMouseClicked.connect(self._click)

    # Drawing

    def show_series(
        self, series: Sequence[Series], x: Axis, ys: Sequence[Axis], colours: Palette,
        names: Sequence[str], *, over_time: bool, keep_ranges: bool = False,
    ) -> None:  # fmt: skip
        """Draw lines; `ys` has the axis of each, `names` what the legend calls it.

        `keep_ranges` leaves what the axes show as it is.
        """
        ranges = [box.viewRange() for box in (self.getPlotItem().vb, *self._boxes)]
        self._clear()
        self.setBackground(colours.background)
        plot = self.getPlotItem()
        plot.showGrid(x=True, y=True, alpha=0.18)
        plot.vb.setMouseEnabled(x=True, y=not over_time)
        units = list(dict.fromkeys(_together(axis) for axis in ys))
        boxes = [plot.vb, *(self._box(over_time) for _ in units[1:])]
        for box in boxes:  # numbers of a linear axis are no exponents
            box.setRange(xRange=(0, 1), yRange=(0, 1))
        plot.getAxis("bottom").show_axis(x, _most([one.x for one in series]), colours)
        axes = [plot.getAxis("left"), *self._right]
        for unit, axis in zip(units, axes, strict=True):
            of = [i for i, y in enumerate(ys) if _together(y) == unit]
            labels = list(dict.fromkeys(ys[i].label for i in of))
            label = ", ".join(labels if len(labels) < 3 else [*labels[:2], "…"])
            most = _most([series[i].y for i in of])
            own = colours.serial(series[of[0]].colour) if over_time and len(of) == 1 else None
            axis.show_axis(replace(ys[of[0]], label=label), most, colours, own)
        self.legend.setLabelTextColor(colours.text)
        self.legend.setBrush(pg.mkBrush(mixed(colours.band, colours.background, 0.8)))
        self.legend.setPen(pg.mkPen(colours.grid))
        for one, y, name in zip(series, ys, names, strict=True):
            self._add(one, x, y, name, boxes[units.index(_together(y))], colours, over_time)
        self.legend.setVisible(len(series) > 1)
        for line in self.cross:
            line.setPen(pg.mkPen(colours.faint, style=Qt.PenStyle.DotLine))
        self.cursor.setPen(pg.mkPen(colours.accent, width=1))
        self._of_boxes = [boxes[units.index(_together(y))] for y in ys]
        self._axes = list(ys)
        if over_time:
            self._fit_heights(series)
        elif keep_ranges and len(ranges) == len(boxes):
            for box, (along, up) in zip(boxes, ranges, strict=True):
                box.setRange(xRange=along, yRange=up, padding=0)
        else:
            self.fit()
        self._place_boxes()

    def _add(
        self, series: Series, x: Axis, y: Axis, name: str, box: pg.ViewBox, colours: Palette,
        over_time: bool,
    ) -> None:  # fmt: skip
        xs, ys = _placed(series.x, x.log), _placed(series.y, y.log)
        colour = colours.serial(series.colour)
        # wide, smooth and translucent lines are drawn many times slower
        fine = not over_time and len(xs) <= FEW
        line, width = (colour, 1.5) if fine else (colour, 1)
        pen = pg.mkPen(line, width=width, style=STYLES[series.style % len(STYLES)])
        curve = pg.PlotDataItem(xs, ys, pen=pen, connect="finite", name=name,
                                antialias=fine)  # fmt: skip
        curve.key, curve.log_y = series.group or series.name, y.log
        box.addItem(curve)
        self.curves.append(curve)
        self.legend.addItem(curve, name)
        if over_time:
            curve.setDownsampling(auto=True, method="peak")
            curve.setClipToView(True)
            # the cursor moves over it far more often than it changes
            curve.curve.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
            return
        # lines of design points go back to the left at every gap: they cannot be clipped
        known = np.isfinite(xs) & np.isfinite(ys)
        self._points.append((box, xs[known], ys[known], series.rows[known]))
        # segments of no length, as lone points have, would get a cap in vector files
        curve.curve.setSegmentedLineMode("off")
        if not (known[1:] & known[:-1]).any():
            curve.setPen(None)
        curve.setSymbol(SYMBOLS[series.style % len(SYMBOLS)])
        curve.setSymbolSize(8 if fine else 5)
        curve.setSymbolBrush(pg.mkBrush(colour))
        curve.setSymbolPen(pg.mkPen(colours.background if fine else colour))
        rings = pg.ScatterPlotItem(size=15, brush=None, pen=pg.mkPen(colours.text, width=2.5))
        rings.setZValue(20)
        box.addItem(rings, ignoreBounds=True)
        self._chosen.append(rings)

    def renew(self, series: Sequence[Series]) -> None:
        """Show other numbers of the same counters."""
        for curve, one in zip(self.curves, series, strict=True):
            curve.setData(one.x, _placed(one.y, curve.log_y))
        self._fit_heights(series)

    def _fit_heights(self, series: Sequence[Series]) -> None:
        """Let every axis reach over what is in sight, from zero where that says something."""
        for box in dict.fromkeys(self._of_boxes):
            of = [i for i, b in enumerate(self._of_boxes) if b is box]
            placed = np.concatenate([_placed(series[i].y, self._axes[i].log) for i in of])
            placed = placed[np.isfinite(placed)]
            if not len(placed):
                continue
            low, high = float(placed.min()), float(placed.max())
            axis = self._axes[of[0]]
            if not axis.log and not axis.level:
                low, high = min(0.0, low), max(0.0, high)
            box.setYRange(low, high if high > low else low + (abs(low) or 1.0), padding=0.06)

    def choose(self, rows: Sequence[int]) -> None:
        """Draw rings around the chosen points."""
        for rings, (_, x, y, of) in zip(self._chosen, self._points, strict=True):
            strong = np.isin(of, np.array(rows, np.int64))
            rings.setData(x[strong], y[strong])

    def show_cursor(self, time_ps: int | None) -> None:
        """Draw the shared cursor."""
        self.cursor.setVisible(time_ps is not None)
        if time_ps is not None:
            self.cursor.setValue(time_ps)

    def show_range(self, low: float, high: float) -> None:
        """Show a part of the horizontal axis; nothing is told of it."""
        self.getPlotItem().vb.setXRange(low, high, padding=0)

    def fit(self) -> None:
        """Show all points."""
        for box in (self.getPlotItem().vb, *self._boxes):
            box.enableAutoRange()

    def columns(self) -> int:
        """Width of the plot in pixels."""
        return max(1, int(self.getPlotItem().vb.width()))

    def _clear(self) -> None:
        for curve in self.curves:
            self.legend.removeItem(curve)
            curve.getViewBox().removeItem(curve)
        for rings, (box, *_) in zip(self._chosen, self._points, strict=True):
            box.removeItem(rings)
        plot = self.getPlotItem()
        for box, axis in zip(self._boxes, self._right, strict=True):
            axis.unlinkFromView()
            plot.layout.removeItem(axis)
            self.scene().removeItem(axis)
            self.scene().removeItem(box)
        for kept in (self.curves, self._points, self._chosen, self._boxes, self._right):
            kept.clear()

    def _box(self, over_time: bool) -> pg.ViewBox:
        """A further room for curves behind the plot, with an axis of its own on the right."""
        plot = self.getPlotItem()
        box, axis = pg.ViewBox(enableMenu=False), TextAxis("right")
        box.setZValue(-200)  # the plot itself has the pointer
        column = 3 + len(self._right)
        plot.layout.addItem(axis, 2, column)
        plot.layout.setColumnSpacing(column, 12)
        self.scene().addItem(box)
        axis.linkToView(box)
        box.setXLink(plot.vb)
        box.setMouseEnabled(x=False, y=not over_time)
        self._boxes.append(box)
        self._right.append(axis)
        return box

    def _place_boxes(self) -> None:
        room = self.getPlotItem().vb.sceneBoundingRect()
        for box in self._boxes:
            box.setGeometry(QRectF(room))

    # Pointer

    def _moved_by_hand(self) -> None:
        self.ranged.emit(*self.getPlotItem().vb.viewRange()[0])

    def point_at(self, place: QPointF) -> int | None:
        """The row of the nearest point at a place of the scene."""
        best, found = NEAR, None
        for box, x, y, rows in self._points:
            if not len(x):
                continue
            transform = box.childTransform() * box.sceneTransform()
            px = transform.m11() * x + transform.m21() * y + transform.dx()
            py = transform.m12() * x + transform.m22() * y + transform.dy()
            away = np.hypot(px - place.x(), py - place.y())
            nearest = int(np.argmin(away))
            if away[nearest] < best:
                best, found = float(away[nearest]), int(rows[nearest])
        return found

    def _inside(self, place: QPointF) -> bool:
        """Whether a place of the scene lies in the plot, and not on its legend."""
        legend = self.legend.isVisible() and self.legend.sceneBoundingRect().contains(place)
        return bool(self.getPlotItem().vb.sceneBoundingRect().contains(place)) and not legend

    def _hover(self, place: QPointF) -> None:
        inside = self._inside(place)
        for line in self.cross:
            line.setVisible(inside)
        if inside:
            at = self.getPlotItem().vb.mapSceneToView(place)
            self.cross[0].setValue(at.x())
            self.cross[1].setValue(at.y())
            self.hovered.emit(at.x(), self.point_at(place))

    def _click(self, event: Any) -> None:
        place = event.scenePos()
        left = event.button() == Qt.MouseButton.LeftButton
        if left and self._inside(place):
            at = self.getPlotItem().vb.mapSceneToView(place)
            modifiers = event.modifiers()
            self.clicked.emit(at.x(), self.point_at(place), modifiers)

    def leaveEvent(self, event: QEvent | None) -> None:
        super().leaveEvent(event)
        for line in self.cross:
            line.hide()

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        if event is not None:
            self.menu_wanted.emit(event.globalPos())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        if hasattr(self, "_boxes"):
            self.resized.emit()


def _together(axis: Axis) -> tuple[str, str]:
    """What quantities on one axis have in common; those without a unit have one each."""
    return axis.unit, "" if axis.unit else axis.label


def _most(values: Sequence[np.ndarray]) -> float:
    return max((float(np.nanmax(v)) for v in values if np.isfinite(v).any()), default=1.0)


def _placed(values: np.ndarray, log: bool) -> np.ndarray:
    """Where values lie on an axis; a logarithmic one has no place for zero."""
    if not log:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log10(values), np.nan)


def _is_round(exponent: float) -> bool:
    """Whether a tick of a logarithmic axis is 1, 2 or 5 of its decade."""
    return bool(np.isclose(10 ** (exponent % 1), (1, 2, 5, 10)).any())
