"""The machine as blocks and wires at one instant: who works, who waits for whom, what is where."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen, QPolygonF

from cosim.timeline.causes import Cause
from cosim.units import format_bandwidth, format_bytes, format_power, format_time
from gui.painting.machine_layout import Wire, layout
from gui.painting.palette import Palette, mixed, on, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import LEFT, RIGHT, heading, width, write
from gui.views.lanes import ACTIVITIES, ACTIVITY_WORDS, N_ACTIVITIES, WAIT_WORDS, WAITS, cause_name
from gui.views.machine_state import BufferState, MachineState, PartState, machine_state
from gui.views.run_data import Run
from gui.views.view import View


def paint_machine(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """The machine of the first run at the view's cursor (the start of its window without one)."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    run = stores.run
    if run is None:
        return scene
    window = view.window(run.makespan_ps)
    time = view.time_ps if view.time_ps is not None else window[0]
    state = machine_state(run, time, window)
    layer = _layer_at(run, time)
    note = f"at {format_time(time, 6)} of {format_time(run.makespan_ps)}"
    note += f", layer {layer}" if layer else ""
    top = rect.top() + heading(painter, rect, "Machine", colours, note)
    area = QRectF(rect.left() + 14, top + 6, rect.width() - 28, rect.bottom() - top - 34)
    places, wires = layout(run.design, [lane.lane for lane in run.intervals.lanes], area)
    for wire in wires:
        _draw_wire(painter, wire, state, time, places, colours)
    for part in state.parts.values():  # behind the blocks: no line crosses what is written there
        if part.wait is not None and part.holder in places and part.name in places:
            _draw_waiting(painter, part, places, colours)
    for name, place in places.items():
        if name in state.parts:
            _draw_part(painter, state.parts[name], place, scene, colours)
        elif name.startswith("buffer ") and name[7:] in state.buffers:
            _draw_buffer(painter, state.buffers[name[7:]], place, scene, colours)
        elif name == "DRAM":
            _draw_dram(painter, run, state, place, scene, colours)
    _draw_foot(painter, run, state, rect, colours)
    return scene


def _layer_at(run: Run, time: int) -> str:
    if not run.has("layers"):
        return ""
    inside = [span.name for span in run.layers if span.start_ps <= time < span.end_ps]
    return inside[-1] if inside else ""


def _category(part: PartState) -> int:
    if part.state == "busy" or part.wait is None:
        return ACTIVITIES.index(part.activity) if part.activity else N_ACTIVITIES - 1
    return N_ACTIVITIES + WAITS.index(part.wait)


def _draw_part(
    painter: QPainter, part: PartState, place: QRectF, scene: Scene, colours: Palette
) -> None:
    busy = part.state == "busy"
    colour = colours.category(_category(part))
    fill = colour if busy else mixed(colour, colours.background, 0.16 if part.wait else 0.0)
    if not busy and part.wait is None:
        fill = colours.band
    painter.setPen(QPen(colour if busy or part.wait else colours.grid, 2))
    painter.setBrush(fill)
    painter.drawRoundedRect(place, 6, 6)
    if part.wait is not None:
        painter.setBrush(QBrush(with_alpha(colour, 0.5), Qt.BrushStyle.BDiagPattern))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(place, 6, 6)
    ink = on(fill) if busy else colours.text
    inner = place.adjusted(8, 5, -8, -5)
    share = f"{100 * part.utilisation:.0f} %"
    # the bar at the bottom says it too: where there is no room for both, the name stays
    large = width(part.name, 13, True) <= inner.width()
    both = width(part.name, 13, True) + width(share, 10) + 6 <= inner.width()
    title = QRectF(inner.left(), inner.top(), inner.width(), 17)
    write(painter, title, part.name, ink, pixels=13 if large else 10, bold=True)
    if both:
        write(painter, title, share, ink, pixels=10, align=RIGHT)
    lines = _lines(part)
    for position, line in enumerate(lines):
        room = QRectF(inner.left(), inner.top() + 19 + 14 * position, inner.width(), 14)
        if room.bottom() > place.bottom() - 9:
            break
        write(painter, room, line, ink, pixels=10)
    bar = QRectF(place.left() + 6, place.bottom() - 8, place.width() - 12, 4)
    painter.fillRect(bar, with_alpha(ink, 0.20))
    painter.fillRect(QRectF(bar.left(), bar.top(), bar.width() * min(1, part.utilisation), 4),
                     with_alpha(ink, 0.75))  # fmt: skip
    scene.add(place, "part", part.name, _tip(part))


def _lines(part: PartState) -> list[str]:
    left = format_time(part.end_ps - part.start_ps, 3)
    if part.state == "busy":
        return [part.layer or part.activity, f"{part.activity}, {left}"]
    if part.wait is not None:
        holder = f" ({part.holder})" if part.holder else ""
        return [f"waits: {cause_name(part.wait)}{holder}", f"for {part.layer}", f"{left} in all"]
    return [part.state]


def _tip(part: PartState) -> str:
    words = [f"{part.name} ({part.kind}): {part.state}"]
    if part.state == "busy":
        words.append(ACTIVITY_WORDS[part.activity])
    elif part.wait is not None:
        queue = part.wait is Cause.HOST and part.kind == "host"
        words.append("waits for room in the command queue" if queue else WAIT_WORDS[part.wait])
        if part.holder:
            words.append(f"until {part.holder} has finished")
    words.append(f"busy {100 * part.utilisation:.1f} % of the time shown")
    return "\n".join(words)


def _draw_buffer(
    painter: QPainter, buffer: BufferState, place: QRectF, scene: Scene, colours: Palette
) -> None:
    share = min(1.0, buffer.bytes / buffer.size) if buffer.size else 0.0
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colours.band)
    painter.drawRect(place)
    level = QRectF(place.left(), place.bottom() - place.height() * share, place.width(),
                   place.height() * share)  # fmt: skip
    colour = colours.bad if share > 0.97 else colours.series[0]
    painter.fillRect(level, with_alpha(colour, 0.45))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colours.faint, 1))
    painter.drawRect(place)
    inner = place.adjusted(6, 3, -6, -3)
    write(painter, QRectF(inner.left(), inner.top(), inner.width(), 15), buffer.name,
          colours.text, bold=True)  # fmt: skip
    held = f"{format_bytes(round(buffer.bytes), 3)} of {format_bytes(round(buffer.size), 3)}"
    low = place.height() < 34
    room = QRectF(inner.left(), inner.top() + (0 if low else 15), inner.width(), 14)
    write(painter, room, held, colours.text, pixels=10, align=RIGHT if low else LEFT)
    tip = f"Buffer {buffer.name}: {held} held, {100 * share:.0f} %"
    scene.add(place, "buffer", buffer.name, tip)


def _draw_dram(
    painter: QPainter, run: Run, state: MachineState, place: QRectF, scene: Scene,
    colours: Palette,
) -> None:  # fmt: skip
    dram = run.design.dram
    most = dram.sustained_bytes_per_s
    rate = state.dram_bytes_per_s or 0.0
    painter.setPen(QPen(colours.faint, 1))
    painter.setBrush(colours.band)
    painter.drawRoundedRect(place, 4, 4)
    share = min(1.0, rate / most) if most else 0.0
    level = QRectF(place.left() + 1, place.bottom() - place.height() * share, place.width() - 2,
                   place.height() * share)  # fmt: skip
    painter.fillRect(level, with_alpha(colours.series[1], 0.45))
    inner = place.adjusted(6, 6, -6, -6)
    write(painter, QRectF(inner.left(), inner.top(), inner.width(), 16), "DRAM", colours.text,
          pixels=13, bold=True)  # fmt: skip
    for position, text in enumerate((dram.part, format_bandwidth(rate, 3),
                                     f"of {format_bandwidth(most, 3)}")):  # fmt: skip
        room = QRectF(inner.left(), inner.top() + 18 + 14 * position, inner.width(), 14)
        write(painter, room, text, colours.text, pixels=10)
    lane = state.parts.get("DRAM")
    used = f"\nserving {100 * lane.utilisation:.0f} % of the time shown" if lane else ""
    scene.add(place, "part", "DRAM", f"DRAM {dram.part}: {format_bandwidth(rate, 3)} now{used}")


def _draw_wire(
    painter: QPainter, wire: Wire, state: MachineState, time: int, places: dict[str, QRectF],
    colours: Palette,
) -> None:  # fmt: skip
    part = state.parts.get(wire.mover)
    moves = part is not None and part.state == "busy"
    if part is not None and moves and wire.activity and part.activity != wire.activity:
        moves = False
    colour = colours.category(_category(part)) if moves and part is not None else colours.grid
    path = QPainterPath(wire.points[0])
    for point in wire.points[1:]:
        path.lineTo(point)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    # solid: a wide line of a transparent colour takes thirty times as long
    pale = mixed(colour, colours.background, 0.45)
    painter.setPen(QPen(pale if moves else colour, 7 if moves else 3))
    if wire.command:
        painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DotLine))
    painter.drawPath(path)
    if moves and part is not None and not wire.command:
        done = (time - part.start_ps) / max(1, part.end_ps - part.start_ps)
        pen = QPen(colour, 3, Qt.PenStyle.CustomDashLine)
        pen.setDashPattern([2.5, 2.5])
        # the dashes advance with the transfer, so that scrubbing moves them
        pen.setDashOffset(-done * 25)
        painter.setPen(pen)
        painter.drawPath(path)
    _head(painter, wire.points[-2], wire.points[-1], colour, 9 if moves else 6)


def _head(painter: QPainter, before: QPointF, tip: QPointF, colour: QColor, size: float) -> None:
    along = tip - before
    length = max(1e-6, (along.x() ** 2 + along.y() ** 2) ** 0.5)
    along = along / length
    across = QPointF(-along.y(), along.x())
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    base = tip - along * size
    painter.drawPolygon(QPolygonF([tip, base + across * size * 0.6, base - across * size * 0.6]))


def _draw_waiting(
    painter: QPainter, part: PartState, places: dict[str, QRectF], colours: Palette
) -> None:
    """An arc from who waits to whom it waits for."""
    if part.holder == part.name:
        return
    first, second = places[part.name], places[part.holder]
    colour = colours.category(_category(part))
    start, control, end = _arc(first, second)
    path = QPainterPath(start)
    path.quadTo(control, end)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colours.background, 4))
    painter.drawPath(path)
    painter.setPen(QPen(colour, 2, Qt.PenStyle.DashLine))
    painter.drawPath(path)
    _head(painter, control, end, colour, 8)


def _arc(first: QRectF, second: QRectF) -> tuple[QPointF, QPointF, QPointF]:
    """Ends and control point of an arc that leaves the text of both blocks alone."""
    if abs(first.center().x() - second.center().x()) < 0.5 * first.width():
        # above each other: around their right side
        start = QPointF(first.right(), first.center().y())
        end = QPointF(
            second.right(), second.center().y() + (6 if first.top() > second.top() else -6)
        )
        reach = max(start.x(), end.x()) + 34 + 0.06 * abs(start.y() - end.y())
        return start, QPointF(reach, (start.y() + end.y()) / 2), end
    to_right = second.center().x() > first.center().x()
    start = QPointF(first.right() if to_right else first.left(), first.bottom() - 22)
    end = QPointF(second.left() if to_right else second.right(), second.bottom() - 22)
    lift = 18 + 0.10 * abs(start.x() - end.x())
    return start, QPointF((start.x() + end.x()) / 2, max(start.y(), end.y()) + lift), end


def _draw_foot(
    painter: QPainter, run: Run, state: MachineState, rect: QRectF, colours: Palette
) -> None:
    text = "blocks: colour = working, hatched = waiting, dashed arc = waits for; bar = busy share"
    room = QRectF(rect.left() + 14, rect.bottom() - 22, rect.width() - 28, 16)
    if state.power_mw is None:
        write(painter, room, text, colours.faint, pixels=10)
        return
    budget = run.design.power.budget_mw
    shown = f"power {format_power(state.power_mw, 3)}"
    shown += f" of {format_power(budget, 3)}" if budget else ""
    write(painter, room, shown, colours.text, align=RIGHT)
    left = room.adjusted(0, 0, -width(shown) - (124 if budget else 12), 0)
    write(painter, left, text, colours.faint, pixels=10)
    if budget:
        bar = QRectF(room.right() - width(shown) - 112, room.center().y() - 3, 100, 6)
        painter.fillRect(bar, colours.idle)
        share = min(1.0, state.power_mw / budget)
        painter.fillRect(QRectF(bar.left(), bar.top(), 100 * share, 6),
                         colours.bad if share > 0.9 else colours.good)  # fmt: skip
