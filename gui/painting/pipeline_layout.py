"""Where the engines of a dataflow pipeline stand in the machine diagram: in the order of the data.

Rows are read like a meandering line, left to right and back, so that neighbours in the stream are
neighbours in the picture::

    DRAM  input -> conv0 window -> conv0 -> conv1 window
                                                 v
    DRAM  output <-  fc1  <-  fc0  <-  pool1 <-  conv1
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

from PyQt6.QtCore import QPointF, QRectF

from cosim.design.pipeline import Pipeline
from gui.painting.wires import Wire
from gui.views.lanes import Lane

_DRAM = 0.09
_LEFT = 0.13
_GAP = 0.25
"""Of a cell, left between blocks for the wires."""


def pipeline_layout(
    pipeline: Pipeline, lanes: Sequence[Lane], area: QRectF
) -> tuple[dict[str, QRectF], list[Wire]]:
    """Rectangles of all blocks by name, and the wires between them."""
    order = [lane.name for lane in sorted(lanes, key=lambda lane: lane.rank) if lane.rank >= 0]
    stream = [name for name in order if name != "host"]
    places = _meander(stream, area)
    top, width = area.top() + 0.04 * area.height(), _DRAM * area.width()
    places["DRAM"] = QRectF(area.left(), top, width, 0.74 * area.height())
    if "host" in order:
        below = top + 0.78 * area.height()
        places["host"] = QRectF(area.left(), below, width, 0.12 * area.height())
    return places, _wires(pipeline, places, stream[0], stream[-1])


def _meander(names: Sequence[str], area: QRectF) -> dict[str, QRectF]:
    columns = max(1, ceil(sqrt(1.4 * len(names))))
    rows = ceil(len(names) / columns)
    width = (1 - _LEFT) * area.width() / columns
    height = min(0.94 * area.height() / rows, 170.0)
    places: dict[str, QRectF] = {}
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        column = columns - 1 - column if row % 2 else column
        left = area.left() + _LEFT * area.width() + column * width
        top = area.top() + 0.04 * area.height() + row * height
        places[name] = QRectF(left, top, width * (1 - _GAP), height * (1 - _GAP))
    return places


def _wires(pipeline: Pipeline, places: dict[str, QRectF], first: str, last: str) -> list[Wire]:
    """From each engine to those that it feeds, through their sliding-window units."""
    wires: list[Wire] = []

    def draw(mover: str, start: str, end: str) -> None:
        if start in places and end in places:
            wires.append(Wire(mover, _between(places[start], places[end])))

    draw(first, "DRAM", first)
    fed = {name for unit in pipeline.units for name in unit.feeds}
    for unit in pipeline.units:
        window = f"{unit.name} window"
        if window in places:
            draw(window, window, unit.name)
        entry = window if window in places else unit.name
        sources = [other.name for other in pipeline.units if unit.name in other.feeds]
        for source in sources or ([] if unit.name in fed else [first]):
            draw(source, source, entry)
        if not unit.feeds:
            draw(unit.name, unit.name, last)
    draw(last, last, "DRAM")
    return wires


def _between(start: QRectF, end: QRectF) -> tuple[QPointF, ...]:
    """From the side of one block to the facing side of another."""
    if end.left() >= start.right():
        first, second = QPointF(start.right(), 0), QPointF(end.left(), 0)
    elif end.right() <= start.left():
        first, second = QPointF(start.left(), 0), QPointF(end.right(), 0)
    else:
        x = (max(start.left(), end.left()) + min(start.right(), end.right())) / 2
        down = end.top() >= start.bottom()
        return (
            QPointF(x, start.bottom() if down else start.top()),
            QPointF(x, end.top() if down else end.bottom()),
        )
    low, high = max(start.top(), end.top()), min(start.bottom(), end.bottom())
    if high > low:
        first.setY((low + high) / 2)
        second.setY((low + high) / 2)
    else:
        first.setY(start.center().y())
        second.setY(end.center().y())
    return first, second
