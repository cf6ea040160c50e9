"""Design points: two quantities against each other, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPen

from gui.painting import axes
from gui.painting.labels import Labels
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, Entry, heading, legend, write
from gui.views.design_columns import short_name
from gui.views.design_table import DesignTable
from gui.views.view import View

MOST_NAMED = 40
MOST_GROUPED = 20000
MOST_HITS = 3000
MOST_TIPS = 500

Place = Callable[[float], float]
"""From a value to its place on an axis."""


def chosen_columns(view: View, table: DesignTable) -> tuple[str, str]:
    """The columns of the two axes: those of the view, or latency and energy."""
    names = table.axes
    found = [name for name in table.numbers if name not in table.varied]
    names = [*found, *(name for name in names if name not in found)]
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
    several = table.classes.get("workload", 1) > 1
    note = f"{len(rows)} of {len(table)} points; dashed: the Pareto front"
    note += " of each workload" if several else ""
    title = f"{short_name(y_name)} against {short_name(x_name)}"
    top = rect.top() + heading(painter, rect, title, colours, note)
    groups = groups_of(table)
    top += draw_groups(painter, QRectF(rect.left() + 112, top, rect.width() - 130, 60), groups,
                       colours)  # fmt: skip
    plot = QRectF(rect.left() + 112, top + 6, rect.width() - 136, rect.bottom() - top - 54)
    scene.plot = plot
    xs, ys = table.values(x_name)[rows], table.values(y_name)[rows]
    usable = np.isfinite(xs) & np.isfinite(ys)
    rows, xs, ys = rows[usable], xs[usable], ys[usable]
    if not len(rows):
        write(painter, plot, "no point has both quantities", colours.faint, align=CENTRE)
        return scene
    x = _axis(painter, plot, table, x_name, xs, colours, flat=True)
    y = _axis(painter, plot, table, y_name, ys, colours, flat=False)
    axes.frame(painter, plot, colours)
    painter.save()
    painter.setClipRect(plot.adjusted(-1, -1, 1, 1))
    fronts = _fronts(table, rows, x_name, y_name)
    for members in fronts.values():
        of_group = several and table.groups == "workload" and len(members)
        colour = colours.serial(int(groups[1][members[0]])) if of_group else colours.text
        _draw_front(painter, table, members, x_name, y_name, x, y, colour)
    front = np.concatenate([*fronts.values(), np.empty(0, np.int64)])
    places = {
        row: QPointF(x(vx), y(vy))
        for row, vx, vy in zip(rows.tolist(), xs.tolist(), ys.tolist(), strict=True)
    }
    _draw_points(painter, table, places, groups, set(front.tolist()), stores.rows, scene, colours)
    _name_points(painter, table, places, [*stores.rows, *front.tolist()], plot, colours)
    painter.restore()
    return scene


def draw_groups(painter: QPainter, room: QRectF, groups: Groups, colours: Palette) -> float:
    """The legend of what points are coloured by; returns the height taken."""
    if len(groups[0]) < 2:
        return 0.0
    entries: list[Entry] = [(name, colours.serial(i), False) for i, name in enumerate(groups[0])]
    return legend(painter, room, entries, colours)


def point_tip(table: DesignTable, row: int) -> str:
    """Everything that is known about a point, a line for each column."""
    return "\n".join(f"{short_name(name)}: {table.text(row, name)}" for name in table.columns)


def _draw_points(
    painter: QPainter, table: DesignTable, places: dict[int, QPointF], groups: Groups,
    front: set[int], chosen: tuple[int, ...], scene: Scene, colours: Palette,
) -> None:  # fmt: skip
    codes, picked = groups[1], set(chosen)
    for row, place in places.items():
        strong = row in picked
        colour = colours.serial(int(codes[row]))
        radius = 7.0 if strong else 5.5 if row in front else 4.0
        painter.setBrush(with_alpha(colour, 0.95 if strong or row in front else 0.6))
        painter.setPen(QPen(colours.text if strong else colours.background, 2 if strong else 1))
        painter.drawEllipse(place, radius, radius)
        if len(places) <= MOST_HITS:
            tip = point_tip(table, row) if len(places) <= MOST_TIPS else table.label(row)
            scene.add(QRectF(place.x() - 7, place.y() - 7, 14, 14), "point", row, tip)


Groups = tuple[list[str], NDArray[np.int64]]
"""Names of what points are coloured by, and which of them each row of the table has."""


def groups_of(table: DesignTable) -> Groups:
    """What tells points apart by colour: workload, design, or what was varied."""
    if not table.groups:
        return ["design points"], np.zeros(len(table), np.int64)
    column = table.texts[table.groups]
    names = list(dict.fromkeys(column.tolist()))
    position = {name: i for i, name in enumerate(names)}
    return [str(n) for n in names], np.array([position[n] for n in column.tolist()], np.int64)


def _fronts(
    table: DesignTable, rows: NDArray[np.int64], x_name: str, y_name: str
) -> dict[str, NDArray[np.int64]]:
    """Pareto front of each workload: designs compete for one, not across them.

    There is none between quantities that were chosen and not found.
    """
    if x_name not in table.numbers or y_name not in table.numbers:
        return {}
    if len(rows) > MOST_GROUPED or table.classes.get("workload", 1) < 2:
        return {"": table.pareto([x_name, y_name], rows)}
    workloads = table.texts["workload"][rows]
    return {
        name: table.pareto([x_name, y_name], rows[workloads == name])
        for name in dict.fromkeys(workloads.tolist())
    }


def _axis(
    painter: QPainter, plot: QRectF, table: DesignTable, name: str, values: NDArray[np.float64],
    colours: Palette, flat: bool,
) -> Place:  # fmt: skip
    """A linear axis, a logarithmic one where values span more than a factor of 20, or words."""
    draw = axes.flat_axis if flat else axes.value_axis
    low, high = float(values.min()), float(values.max())
    title = short_name(name)

    def text(value: float) -> str:
        return table.value_text(name, value)

    if name in table.texts:
        return draw(painter, plot, low - 0.5, high + 0.5, text, colours, title=title,
                    steps=lambda a, b, _: [float(v) for v in range(math.ceil(a), int(b) + 1)],
                    zero=text(0.0))  # fmt: skip
    log = low > 0 and high / low > 20
    if log:
        margin = (high / low) ** 0.06
        low, high = low / margin, high * margin
    else:
        margin = (high - low) * 0.07 or abs(high) * 0.1 or 1.0
        low, high = max(0.0, low - margin) if low >= 0 else low - margin, high + margin
    label = f"{title} (logarithmic)" if log else title
    return draw(painter, plot, low, high, text, colours, log=log, title=label)


def _draw_front(
    painter: QPainter, table: DesignTable, front: NDArray[np.int64], x_name: str, y_name: str,
    x: Place, y: Place, colour: QColor,
) -> None:  # fmt: skip
    if len(front) < 2:
        return
    order = front[np.argsort(table.numbers[x_name][front])]
    path = QPainterPath()
    for position, row in enumerate(order.tolist()):
        place = QPointF(x(table.numbers[x_name][row]), y(table.numbers[y_name][row]))
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
    painter: QPainter, table: DesignTable, places: dict[int, QPointF], first: list[int],
    plot: QRectF, colours: Palette,
) -> None:  # fmt: skip
    """Names beside points while there is room: chosen ones first, then those of the front."""
    labels = Labels(plot)
    order = [row for row in dict.fromkeys([*first, *places]) if row in places][:MOST_NAMED]
    for row in order:
        place = places[row]
        labels.take(QRectF(place.x() - 5, place.y() - 5, 10, 10))
    for row in order:  # the colour says the rest
        labels.write(painter, places[row], table.label(row, table.groups), colours.text)
