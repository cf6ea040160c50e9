"""Design points: two quantities against each other with the Pareto front, or all side by side."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen

from gui.painting import axes
from gui.painting.batch import polygon
from gui.painting.labels import Labels
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, Entry, heading, legend, write
from gui.views.design_table import DesignTable
from gui.views.view import View

MOST_NAMED = 40
MOST_GROUPED = 20000


def chosen_columns(view: View, table: DesignTable) -> tuple[str, str]:
    """The columns of the two axes: those of the view, or latency and energy."""
    names = list(table.numbers)
    x = view.x if view.x in names else (names[0] if names else "")
    rest = [name for name in names if name != x]
    return x, view.y if view.y in names else (rest[0] if rest else x)


def shown_rows(view: View, table: DesignTable) -> NDArray[np.int64]:
    """Rows that the view's filter leaves."""
    return table.matching(view.pattern)


def paint_designs(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Scatter of the table's points."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    table = stores.table
    if table is None or not len(table) or not table.numbers:
        write(painter, rect, "Open a scenario, or a folder with several runs, to compare designs",
              colours.faint, align=CENTRE)  # fmt: skip
        return scene
    x_name, y_name = chosen_columns(view, table)
    rows = shown_rows(view, table)
    note = f"{len(rows)} of {len(table)} points; lines join the Pareto front of each workload"
    top = rect.top() + heading(painter, rect, f"{y_name} against {x_name}", colours, note)
    groups = _groups(table, rows)
    entries: list[Entry] = [(name, colours.serial(i), False) for i, name in enumerate(groups)]
    top += legend(painter, QRectF(rect.left() + 112, top, rect.width() - 130, 60), entries, colours)
    plot = QRectF(rect.left() + 112, top + 6, rect.width() - 136, rect.bottom() - top - 54)
    values = {name: table.numbers[name][rows] for name in (x_name, y_name)}
    usable = np.isfinite(values[x_name]) & np.isfinite(values[y_name])
    rows = rows[usable]
    xs, ys = values[x_name][usable], values[y_name][usable]
    if not len(rows):
        write(painter, plot, "no point has both quantities", colours.faint, align=CENTRE)
        return scene
    text = {name: _axis_text(table, name) for name in (x_name, y_name)}
    x = _axis(painter, plot, xs, text[x_name], x_name, colours, flat=True)
    y = _axis(painter, plot, ys, text[y_name], y_name, colours, flat=False)
    axes.frame(painter, plot, colours)
    painter.save()
    painter.setClipRect(plot.adjusted(-1, -1, 1, 1))
    fronts = _fronts(table, rows, x_name, y_name)
    for name, members in fronts.items():
        colour = colours.serial(groups.index(name)) if name in groups else colours.text
        _draw_front(painter, table, members, x_name, y_name, x, y, colour)
    front = np.concatenate([*fronts.values(), np.empty(0, np.int64)])
    code = {name: i for i, name in enumerate(groups)}
    chosen = set(stores.rows)
    for row, vx, vy in zip(rows.tolist(), xs.tolist(), ys.tolist(), strict=True):
        place = QPointF(x(vx), y(vy))
        colour = colours.serial(code[_group_of(table, row)])
        on_front = row in front
        radius = 7.0 if row in chosen else 5.5 if on_front else 4.0
        painter.setBrush(with_alpha(colour, 0.95 if on_front or row in chosen else 0.6))
        painter.setPen(QPen(colours.text if row in chosen else colours.background,
                            2 if row in chosen else 1))  # fmt: skip
        painter.drawEllipse(place, radius, radius)
        if len(rows) <= 3000:
            lines = [f"{name}: {table.text(row, name)}" for name in table.columns]
            scene.add(QRectF(place.x() - 7, place.y() - 7, 14, 14), "point", row, "\n".join(lines))
    named = [*chosen, *front.tolist(), *rows.tolist()]
    _name_points(painter, table, named, plot, x_name, y_name, x, y, colours)
    painter.restore()
    scene.plot = plot
    return scene


def _groups(table: DesignTable, rows: NDArray[np.int64]) -> list[str]:
    return list(dict.fromkeys(_group_of(table, row) for row in rows.tolist()))[:8]


def _group_of(table: DesignTable, row: int) -> str:
    for name in ("workload", "design"):
        if name in table.texts and len(set(table.texts[name].tolist())) in range(2, 9):
            return str(table.texts[name][row])
    return "design points"


def _fronts(
    table: DesignTable, rows: NDArray[np.int64], x_name: str, y_name: str
) -> dict[str, NDArray[np.int64]]:
    """Pareto front of each group: designs compete for one workload, not across workloads."""
    if len(rows) > MOST_GROUPED:
        return {"": table.pareto([x_name, y_name], rows)}
    groups = np.array([_group_of(table, row) for row in rows.tolist()], dtype=object)
    return {
        name: table.pareto([x_name, y_name], rows[groups == name])
        for name in dict.fromkeys(groups.tolist())
    }


def _axis_text(table: DesignTable, name: str) -> object:
    quantity = table.quantities.get(name)
    return quantity.text if quantity else (lambda value: f"{value:g}")


def _axis(
    painter: QPainter, plot: QRectF, values: NDArray[np.float64], text: object, title: str,
    colours: Palette, flat: bool,
) -> object:  # fmt: skip
    """A linear axis, or a logarithmic one where values span more than a factor of 20."""
    low, high = float(values.min()), float(values.max())
    log = low > 0 and high / low > 20
    if log:
        margin = (high / low) ** 0.06
        low, high = low / margin, high * margin
    else:
        margin = (high - low) * 0.07 or abs(high) * 0.1 or 1.0
        low, high = max(0.0, low - margin) if low >= 0 else low - margin, high + margin
    draw = axes.flat_axis if flat else axes.value_axis
    label = f"{title} (logarithmic)" if log else title
    return draw(painter, plot, low, high, text, colours, log=log, title=label)  # type: ignore[arg-type]


def _draw_front(
    painter: QPainter, table: DesignTable, front: NDArray[np.int64], x_name: str, y_name: str,
    x: object, y: object, colour: QColor,
) -> None:  # fmt: skip
    if len(front) < 2:
        return
    order = front[np.argsort(table.numbers[x_name][front])]
    path = QPainterPath()
    for position, row in enumerate(order.tolist()):
        place = QPointF(x(table.numbers[x_name][row]), y(table.numbers[y_name][row]))  # type: ignore[operator]
        if position:
            # nothing between two points is known to be reachable: the front is a staircase
            path.lineTo(place.x(), path.currentPosition().y())
            path.lineTo(place)
        else:
            path.moveTo(place)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(with_alpha(colour, 0.8), 1.5, Qt.PenStyle.DashLine))
    painter.drawPath(path)


def _name_points(
    painter: QPainter, table: DesignTable, rows: list[int], plot: QRectF, x_name: str, y_name: str,
    x: object, y: object, colours: Palette,
) -> None:  # fmt: skip
    labels = Labels(plot)
    for row in list(dict.fromkeys(rows))[:MOST_NAMED]:
        place = QPointF(x(table.numbers[x_name][row]), y(table.numbers[y_name][row]))  # type: ignore[operator]
        labels.take(QRectF(place.x() - 5, place.y() - 5, 10, 10))
    for row in list(dict.fromkeys(rows))[:MOST_NAMED]:
        place = QPointF(x(table.numbers[x_name][row]), y(table.numbers[y_name][row]))  # type: ignore[operator]
        grouped = len(set(table.texts.get("workload", []))) in range(2, 9)
        name = str(table.texts["design"][row]) if grouped else _full_name(table, row)
        labels.write(painter, place, name, colours.text)


def _full_name(table: DesignTable, row: int) -> str:
    return " / ".join(str(table.texts[n][row]) for n in ("workload", "design") if n in table.texts)


def paint_parallel(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Parallel coordinates: an upright axis for every quantity, a line for every point."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    table = stores.table
    if table is None or not len(table) or len(table.numbers) < 2:
        write(painter, rect, "Open a scenario, or a folder with several runs, to compare designs",
              colours.faint, align=CENTRE)  # fmt: skip
        return scene
    rows = shown_rows(view, table)
    top = rect.top() + heading(painter, rect, "All quantities", colours,
                               "a line for every design point; good is up")  # fmt: skip
    groups = _groups(table, rows)
    entries: list[Entry] = [(name, colours.serial(i), False) for i, name in enumerate(groups)]
    top += legend(painter, QRectF(rect.left() + 60, top, rect.width() - 80, 60), entries, colours)
    names = [n for n in table.numbers if np.isfinite(table.numbers[n][rows]).any()]
    plot = QRectF(rect.left() + 70, top + 26, rect.width() - 140, rect.bottom() - top - 52)
    xs = np.linspace(plot.left(), plot.right(), len(names)) if len(names) > 1 else np.zeros(1)
    share = np.stack([_good_share(table, name, rows) for name in names]) if len(rows) else None
    gap = plot.width() / max(1, len(names) - 1)
    for x, name in zip(xs.tolist(), names, strict=True):
        _upright(painter, table, name, rows, x, min(124.0, gap - 4), plot, colours)
        scene.add(QRectF(x - 40, plot.top() - 26, 80, plot.height() + 46), "axis", name,
                  table.quantities[name].words if name in table.quantities else name)  # fmt: skip
    if share is None:
        return scene
    code = {name: i for i, name in enumerate(groups)}
    chosen = set(stores.rows)
    ordered = sorted(range(len(rows)), key=lambda i: int(rows[i]) in chosen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for position in ordered[:4000]:
        row = int(rows[position])
        y = plot.bottom() - share[:, position] * plot.height()
        known = np.isfinite(y)
        colour = colours.serial(code.get(_group_of(table, row), 7))
        strong = row in chosen
        faint = 0.25 if chosen else max(0.12, min(0.8, 40 / len(rows)))
        painter.setPen(QPen(with_alpha(colour, 1.0 if strong else faint), 2.5 if strong else 1.2))
        painter.drawPolyline(polygon(xs[known], y[known]))
    scene.plot = plot
    return scene


def _good_share(table: DesignTable, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where each row's value lies between the worst (0) and the best (1)."""
    values = table.numbers[name][rows]
    if np.nanmin(values) > 0 and np.nanmax(values) / np.nanmin(values) > 20:
        values = np.log(values)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    quantity = table.quantities.get(name)
    return share if quantity is None or not quantity.smaller_is_better else 1 - share


def _upright(
    painter: QPainter, table: DesignTable, name: str, rows: NDArray[np.int64], x: float,
    room: float, plot: QRectF, colours: Palette,
) -> None:  # fmt: skip
    painter.setPen(QPen(colours.faint, 1))
    painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
    half = room / 2
    title = name.removeprefix("design.")
    write(painter, QRectF(x - half, plot.top() - 24, room, 14), title, colours.text, align=CENTRE,
          pixels=10, bold=True)  # fmt: skip
    values = table.numbers[name][rows]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    text = _axis_text(table, name)
    quantity = table.quantities.get(name)
    best, worst = (low, high) if quantity and quantity.smaller_is_better else (high, low)
    for value, y in ((best, plot.top() - 12), (worst, plot.bottom() + 2)):
        shown = text(value) if not math.isnan(value) else "–"  # type: ignore[operator]
        write(painter, QRectF(x - half, y, room, 13), shown, colours.faint, align=CENTRE, pixels=10)
