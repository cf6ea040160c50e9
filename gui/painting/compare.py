"""Runs side by side, aligned by layer: totals by cause, and each layer's difference by cause."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QLineF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPen

from cosim.analysis.breakdown import LABELS
from cosim.units import format_time
from gui.painting.bars import bar_row
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, RIGHT, heading, legend, width, wrapped, write
from gui.views.comparison import LayerRow, RunComparison, compare_runs
from gui.views.view import View

ROW = 15.0
RUN_ROW = 13.0


def paint_compare(
    view: View, stores: Stores, painter: QPainter, rect: QRectF, scroll: float | None = None
) -> Scene:
    """The shown runs against the first of them."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    if len(stores.runs) < 2:
        text = "Select several design points, or open several runs, to compare them"
        write(painter, rect, text, colours.faint, align=CENTRE)
        return scene
    found = compare_runs(stores.runs)
    y = rect.top() + heading(painter, rect, "Comparison", colours, f"against {found.names[0]}")
    causes = [
        label
        for label in LABELS
        if any(layer.times[:, LABELS.index(label)].any() for layer in found.layers)
    ]
    entries = [(name, colours.cause(name), False) for name in causes]
    y += legend(painter, QRectF(rect.left() + 14, y, rect.width() - 28, 60), entries, colours) + 4
    y = _draw_totals(painter, stores, found, rect, y, scene, colours)
    for sentence in found.sentences():
        for line in wrapped(sentence, rect.width() - 28):
            write(painter, QRectF(rect.left() + 14, y, rect.width() - 28, 16), line, colours.text)
            y += 16
    _draw_layers(painter, view, found, QRectF(rect.left(), y + 6, rect.width(),
                 rect.bottom() - y - 8), scroll, scene, colours)  # fmt: skip
    return scene


def _draw_totals(
    painter: QPainter, stores: Stores, found: RunComparison, rect: QRectF, y: float, scene: Scene,
    colours: Palette,
) -> float:  # fmt: skip
    longest = max(found.makespans) or 1
    names = min(260.0, max(width(name, 11, True) for name in found.names) + 24)
    for run, name in enumerate(found.names):
        parts = {k: float(v) for k, v in stores.runs[run].summary["breakdown_ps"].items()}
        room = QRectF(rect.left() + 14, y, rect.width() - 28, 24)
        amount = format_time(found.makespans[run])
        if run:
            change = found.makespans[run] / max(1, found.makespans[0]) - 1
            amount += f" ({100 * change:+.1f} %)"
        places = bar_row(painter, room, name, amount, parts, longest, colours.causes, colours,
                         name_width=names, amount_width=150, bold=True)  # fmt: skip
        scene.add(room, "run", run, f"{stores.runs[run].name}: {amount}\n{stores.runs[run].path}")
        for box, label in places:
            share = 100 * parts[label] / max(1, found.makespans[run])
            tip = f"{name}: {label} {format_time(parts[label])}, {share:.1f} % of its latency"
            scene.add(box, "cause", ("", label), tip)
        y += 26
    return y + 2


def _draw_layers(
    painter: QPainter, view: View, found: RunComparison, area: QRectF, scroll: float | None,
    scene: Scene, colours: Palette,
) -> None:  # fmt: skip
    """Differences of every layer around a middle line: slower to the right, faster to the left."""
    layers = [layer for layer in found.layers if layer.largest_change]
    layers.sort(key=lambda layer: -layer.largest_change)
    reach = max((layer.largest_change for layer in layers), default=0)
    if not reach:
        write(painter, area, "no layer differs", colours.faint, align=CENTRE)
        return
    lefts, rights = zip(*(_extent(layer) for layer in layers), strict=True)
    left_most, right_most = max(lefts), max(rights)
    names = min(250.0, max(width(layer.name) for layer in layers) + 24)
    runs = len(found.names) - 1
    whose = [f"{name}: " if runs > 1 else "" for name in found.names]
    amounts = min(260.0, max(width(name, 10) for name in whose) + 84)
    body = QRectF(area.left() + 14 + names, area.top() + 20,
                  area.width() - names - amounts - 36, area.height() - 20)  # fmt: skip
    scale = body.width() / max(1, left_most + right_most)
    middle = body.left() + left_most * scale
    title = "◂ faster     time of each layer against the first run     slower ▸"
    write(painter, QRectF(area.left() + 14, area.top(), area.width() - 28, 16), title,
          colours.faint, align=CENTRE, pixels=10)  # fmt: skip
    painter.save()
    painter.setClipRect(QRectF(area.left(), body.top(), area.width(), body.height()))
    block = max(ROW, RUN_ROW * runs) + 4
    for position, layer in enumerate(layers):
        y = body.top() + position * block - (scroll or 0.0)
        if y > area.bottom():
            break
        row = QRectF(area.left() + 14, y, area.width() - 28, block)
        if layer.name == view.layer:
            painter.fillRect(row, with_alpha(colours.selection, 0.16))
        write(painter, QRectF(row.left(), y, names - 8, block), layer.name, colours.text)
        scene.add(row, "layer", layer.name, f"Layer {layer.name}: click to show it")
        for run in range(1, runs + 1):
            room = QRectF(body.left(), y + (run - 1) * (block - 4) / runs, body.width(),
                          (block - 4) / runs - 1)  # fmt: skip
            _draw_change(painter, layer, run, room, middle, scale, scene, colours, found.names[run])
            change = int(layer.times[run].sum() - layer.times[0].sum())
            sign = "+" if change > 0 else "−" if change < 0 else "±"
            beside = QRectF(area.right() - amounts - 14, room.top(), amounts, room.height())
            write(painter, beside, f"{whose[run]}{sign}{format_time(abs(change), 3)}",
                  colours.bad if change > 0 else colours.good, align=RIGHT, pixels=10)  # fmt: skip
    painter.setPen(QPen(colours.text, 1))
    painter.drawLine(QLineF(middle, body.top(), middle, body.bottom()))
    painter.restore()
    alike = len(found.layers) - len(layers)
    if alike:
        y = body.top() + len(layers) * block - (scroll or 0.0)
        text = f"{alike} more {'layer takes' if alike == 1 else 'layers take'} the same time"
        room = QRectF(area.left() + 14, y, 300, block)
        painter.fillRect(QRectF(room.left(), y, width(text) + 8, block), colours.background)
        write(painter, room, text, colours.faint)
    scene.height = body.top() + (len(layers) + bool(alike)) * block + 10


def _extent(layer: LayerRow) -> tuple[int, int]:
    change = layer.times[1:] - layer.times[0]
    less = int(-np.minimum(change, 0).sum(axis=1).min(initial=0))
    return less, int(np.maximum(change, 0).sum(axis=1).max(initial=0))


def _draw_change(
    painter: QPainter, layer: LayerRow, run: int, room: QRectF, middle: float, scale: float,
    scene: Scene, colours: Palette, name: str,
) -> None:  # fmt: skip
    change = layer.times[run] - layer.times[0]
    left = right = middle
    painter.setPen(Qt.PenStyle.NoPen)
    for code in np.argsort(-np.abs(change)).tolist():
        amount = int(change[code])
        if not amount:
            continue
        length = abs(amount) * scale
        if amount > 0:
            box = QRectF(right, room.top(), length, room.height())
            right += length
        else:
            left -= length
            box = QRectF(left, room.top(), length, room.height())
        label = LABELS[code]
        painter.fillRect(box, colours.cause(label))
        sign = "more" if amount > 0 else "less"
        tip = f"{layer.name} in {name}: {format_time(abs(amount))} {sign} {label}"
        scene.add(box, "cause", (layer.name, label), tip)
