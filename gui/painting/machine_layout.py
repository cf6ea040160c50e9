"""Where the blocks of the machine diagram stand, and the wires between them.

Operands flow along the top from DRAM to the array, results along the bottom back to DRAM::

    DRAM  load channels  input, weight buffers   array     host
          store channel  output buffer   vector  accumulator
"""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QPointF, QRectF

from cosim.design.design import Design
from gui.painting.pipeline_layout import pipeline_layout
from gui.painting.wires import Wire
from gui.views.lanes import Lane

_COLUMNS = ((0.0, 0.11), (0.16, 0.31), (0.37, 0.53), (0.59, 0.78), (0.85, 1.0))


def layout(
    design: Design, lanes: Sequence[Lane], area: QRectF
) -> tuple[dict[str, QRectF], list[Wire]]:
    """Rectangles of all blocks by name (buffers as ``buffer NAME``), and the wires."""
    if design.pipeline is not None:
        return pipeline_layout(design.pipeline, lanes, area)
    names = {lane.name for lane in lanes}
    loads, stores = _channels(design, names)
    feeding = [b for b in design.buffers if {"input", "weight"} & set(b.holds)]
    resident = [b for b in design.buffers if "resident" in b.holds and b not in feeding]
    places: dict[str, QRectF] = {}
    upper, lower = (area.top() + 0.04 * area.height(), area.top() + 0.60 * area.height())
    tall, low = 0.50 * area.height(), 0.34 * area.height()
    places["DRAM"] = _box(area, 0, area.top() + 0.04 * area.height(), 0.90 * area.height())
    _stack(places, loads, _box(area, 1, upper, tall))
    _stack(places, [f"buffer {b.name}" for b in (*feeding, *resident)], _box(area, 2, upper, tall))
    _stack(places, [a.name for a in design.arrays if a.name in names], _box(area, 3, upper, tall))
    _stack(places, stores, _box(area, 1, lower, low))
    _row(places, design, names, area, lower, low)
    others = [lane.name for lane in lanes if lane.name not in places and lane.kind != "dram"]
    _stack(places, others, _box(area, 4, upper, min(tall, 74.0 * max(1, len(others)))))
    return places, _wires(design, places, loads, stores, names)


def _channels(design: Design, names: set[str]) -> tuple[list[str], list[str]]:
    loads, stores = [], []
    for channel in design.dma:
        both = "output" in channel.carries and len(channel.carries) > 1
        if {"input", "weight"} & set(channel.carries):
            loads.append(f"{channel.name} load" if both else channel.name)
        if "output" in channel.carries:
            stores.append(f"{channel.name} store" if both else channel.name)
    return [n for n in loads if n in names], [n for n in stores if n in names]


def _row(
    places: dict[str, QRectF], design: Design, names: set[str], area: QRectF, top: float,
    height: float,
) -> None:  # fmt: skip
    """Accumulators, vector unit and output buffer from right to left."""
    accumulator, output = design.buffer("accumulator"), design.buffer("output")
    right = _box(area, 3, top, height)
    middle = _box(area, 2, top, height)
    if accumulator is not None and f"buffer {accumulator.name}" not in places:
        places[f"buffer {accumulator.name}"] = QRectF(
            right.left(), top, right.width(), height * 0.4
        )
    if design.vector.name in names:
        places[design.vector.name] = QRectF(
            right.left(), top + height * 0.5, right.width(), height * 0.5
        )
    if output is not None and f"buffer {output.name}" not in places:
        places[f"buffer {output.name}"] = QRectF(
            middle.left(), top + height * 0.5, middle.width(), height * 0.5
        )


def _box(area: QRectF, column: int, top: float, height: float) -> QRectF:
    left, right = _COLUMNS[column]
    return QRectF(area.left() + left * area.width(), top, (right - left) * area.width(), height)


def _stack(places: dict[str, QRectF], names: Sequence[str], room: QRectF) -> None:
    """Blocks of equal height above each other."""
    gap = 10.0
    height = (room.height() - gap * (len(names) - 1)) / max(1, len(names))
    for position, name in enumerate(names):
        top = room.top() + position * (height + gap)
        places[name] = QRectF(room.left(), top, room.width(), height)


def _wires(
    design: Design, places: dict[str, QRectF], loads: list[str], stores: list[str],
    names: set[str],
) -> list[Wire]:  # fmt: skip
    wires: list[Wire] = []
    dram, arrays = places["DRAM"], [a.name for a in design.arrays if a.name in places]
    array = places[arrays[0]] if arrays else None
    for channel in design.dma:
        for load in (n for n in loads if n in (channel.name, f"{channel.name} load")):
            wires.append(_level(load, dram, places[load]))
            for traffic in channel.carries:
                buffer = design.buffer(traffic) if traffic != "output" else None
                if buffer is not None and f"buffer {buffer.name}" in places:
                    wires.append(_bent(load, places[load], places[f"buffer {buffer.name}"]))
    for name in arrays:
        for traffic in ("input", "weight", "resident"):
            buffer = design.buffer(traffic)
            if buffer is not None and f"buffer {buffer.name}" in places:
                wires.append(_level(name, places[f"buffer {buffer.name}"], places[name]))
    wires += _results(design, places, arrays)
    output = design.buffer("output")
    for store in stores:
        if output is not None and f"buffer {output.name}" in places:
            wires.append(_level(store, places[f"buffer {output.name}"], places[store], left=True))
        wires.append(_level(store, places[store], dram, left=True))
    host = places.get("host")
    if host is not None and array is not None and "host" in names:
        wires.append(_level("host", host, array, left=True, command=True))
    return wires


def _results(design: Design, places: dict[str, QRectF], arrays: list[str]) -> list[Wire]:
    """From the arrays through the accumulators and the vector unit to the output buffer."""
    wires: list[Wire] = []
    accumulator, output = design.buffer("accumulator"), design.buffer("output")
    vector = places.get(design.vector.name)
    held = places.get(f"buffer {accumulator.name}") if accumulator is not None else None
    if arrays and held is not None:
        wires.append(_down(arrays[-1], places[arrays[-1]], held))
    if held is not None and vector is not None:
        wires.append(_down(design.vector.name, held, vector))
    if vector is not None and output is not None and f"buffer {output.name}" in places:
        wires.append(_level(design.vector.name, vector, places[f"buffer {output.name}"], left=True))
    return wires


def _level(
    mover: str, first: QRectF, second: QRectF, left: bool = False, command: bool = False
) -> Wire:
    """A straight wire at a height both blocks have."""
    low = max(first.top(), second.top())
    high = min(first.bottom(), second.bottom())
    y = (low + high) / 2 if high > low else second.center().y()
    ends = (first.left(), second.right()) if left else (first.right(), second.left())
    return Wire(mover, (QPointF(ends[0], y), QPointF(ends[1], y)), command=command)


def _bent(mover: str, first: QRectF, second: QRectF) -> Wire:
    """A wire with a step from one column to the next."""
    middle = (first.right() + second.left()) / 2
    y1, y2 = first.center().y(), second.center().y()
    points = (
        QPointF(first.right(), y1), QPointF(middle, y1), QPointF(middle, y2),
        QPointF(second.left(), y2),
    )  # fmt: skip
    return Wire(mover, points if abs(y1 - y2) > 1 else (points[0], points[3]))


def _down(mover: str, first: QRectF, second: QRectF) -> Wire:
    x = second.center().x()
    return Wire(mover, (QPointF(x, first.bottom()), QPointF(x, second.top())))
