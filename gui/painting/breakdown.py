"""Where the latency went: one bar for the whole run, one for every layer."""

from __future__ import annotations

from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QPainter

from cosim.analysis.breakdown import LABELS
from cosim.report.palette import CAUSE_WORDS
from cosim.units import format_time
from gui.painting.bars import bar_row
from gui.painting.palette import palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import heading, legend, width, write
from gui.views.view import View

ROW = 21.0
SMALLEST_ROW = 11.0


def paint_breakdown(
    view: View, stores: Stores, painter: QPainter, rect: QRectF, scroll: float | None = None
) -> Scene:
    """The critical path of the first run split by layer and cause; the parts sum to the latency.

    With `scroll` (a widget's) rows keep their height; without, they shrink to fit.
    """
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    run = stores.run
    if run is None:
        return scene
    total = run.summary["breakdown_ps"]
    makespan = run.makespan_ps or 1
    note = f"{run.name}: {format_time(makespan)} on the critical path, split without remainder"
    y = rect.top() + heading(painter, rect, "Latency breakdown", colours, note)
    entries = [(name, colours.cause(name), False) for name in LABELS if total.get(name)]
    legend_room = QRectF(rect.left() + 14, y, rect.width() - 28, 60)
    y += legend(painter, legend_room, entries, colours) + 6
    layers = {n: layer["breakdown_ps"] for n, layer in run.summary["layers"].items()}
    names = min(260.0, max([width(name) for name in layers] + [60.0]) + 22, rect.width() * 0.35)
    area = rect.adjusted(14, 0, -14, 0)
    whole = QRectF(area.left(), y, area.width(), 30)
    places = bar_row(painter, whole, "whole run", format_time(makespan), _ordered(total), makespan,
                     colours.causes, colours, name_width=names, bold=True)  # fmt: skip
    _hits(scene, places, "", total, makespan)
    y += 36
    largest = max((sum(parts.values()) for parts in layers.values()), default=1) or 1
    height = ROW if scroll is not None else max(
        SMALLEST_ROW, min(ROW, (rect.bottom() - y - 18) / max(1, len(layers)))
    )  # fmt: skip
    painter.save()
    painter.setClipRect(QRectF(rect.left(), y, rect.width(), rect.bottom() - y))
    shown = 0
    for position, (name, parts) in enumerate(layers.items()):
        top = y + position * height - (scroll or 0.0)
        room = QRectF(area.left(), top, area.width(), height)
        if scroll is None and room.bottom() > rect.bottom() - 14:
            break
        shown += 1
        if room.bottom() < y or room.top() > rect.bottom():
            continue
        if name == view.layer:
            painter.fillRect(room, with_alpha(colours.selection, 0.16))
        sum_ps = sum(parts.values())
        amount = f"{format_time(sum_ps, 3)}  {100 * sum_ps / makespan:.1f} %"
        places = bar_row(painter, room, name, amount, _ordered(parts), largest, colours.causes,
                         colours, name_width=names, pixels=11 if height > 14 else 9)  # fmt: skip
        scene.add(room, "layer", name, f"{name}: {amount} of the latency. Click: show it.")
        _hits(scene, places, name, parts, makespan)
    painter.restore()
    if shown < len(layers):
        more = f"… and {len(layers) - shown} more layers"
        write(painter, QRectF(area.left(), rect.bottom() - 15, 300, 14), more, colours.faint)
    scene.height = y + len(layers) * height + 8 - rect.top()
    return scene


def _ordered(parts: dict[str, int]) -> dict[str, float]:
    return {name: float(parts[name]) for name in LABELS if parts.get(name)}


def _hits(
    scene: Scene, places: list[tuple[QRectF, str]], layer: str, parts: dict[str, int], whole: int
) -> None:
    for box, name in places:
        share = 100 * parts[name] / whole
        where = f" in {layer}" if layer else ""
        tip = (
            f"{name}{where}: {format_time(parts[name])}, {share:.1f} % of the latency\n"
            f"{CAUSE_WORDS.get(name, '')}"
        )
        scene.add(box, "cause", (layer, name), tip)
