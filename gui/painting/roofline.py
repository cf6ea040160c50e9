"""Roofline of a run's layers, and where its energy went."""

from __future__ import annotations

import math

from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPainterPath, QPen

from cosim.units import format_energy
from gui.painting import axes
from gui.painting.bars import bar_row
from gui.painting.labels import Labels
from gui.painting.palette import Palette, palette, with_alpha
from gui.painting.scene import Scene, Stores
from gui.painting.text import CENTRE, Entry, heading, legend, width, write
from gui.views.run_data import Run
from gui.views.view import View

SMALLEST_ROW = 13.0


def rate_text(value: float) -> str:
    """Multiply-accumulates per second with a prefix."""
    power = min(5, max(0, int(math.log10(value) // 3))) if value >= 1 else 0
    return f"{value / 1000**power:.3g} {('', 'k', 'M', 'G', 'T', 'P')[power]}MAC/s"


def paint_roofline(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Attained against attainable rate of every layer of the first run."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    run = stores.run
    if run is None:
        return scene
    note = f"{run.name}: each dot is a layer, the larger the longer it takes"
    top = rect.top() + heading(painter, rect, "Roofline", colours, note)
    entries: list[Entry] = [
        ("DRAM bandwidth is its roof", colours.series[1], False),
        ("the array is its roof", colours.series[0], False),
    ]
    room = QRectF(rect.left() + 112, top, rect.width() - 130, 34)
    top += legend(painter, room, entries, colours)
    roof = run.summary["roofline"]
    peak, bandwidth = roof["peak_macs_per_s"], roof["bandwidth_bytes_per_s"]
    layers = {n: p for n, p in roof["layers"].items() if p["attained_macs_per_s"] > 0}
    plot = QRectF(rect.left() + 112, top + 8, rect.width() - 136, rect.bottom() - top - 58)
    ridge = peak / bandwidth
    intensity = {n: p["macs"] / p["dram_bytes"] if p["dram_bytes"] else ridge * 30
                 for n, p in layers.items()}  # fmt: skip
    low_x = min([*intensity.values(), ridge]) / 3
    high_x = max([*intensity.values(), ridge]) * 3
    rates = [p["attained_macs_per_s"] for p in layers.values()]
    low_y, high_y = min([*rates, bandwidth * low_x]) / 2, peak * 2
    y = axes.value_axis(painter, plot, low_y, high_y, rate_text, colours, log=True,
                        title="multiply-accumulates a second")  # fmt: skip
    x = axes.flat_axis(painter, plot, low_x, high_x, lambda v: f"{v:g}", colours, log=True,
                       title="multiply-accumulates per byte of DRAM traffic")  # fmt: skip
    axes.frame(painter, plot, colours)
    painter.save()
    painter.setClipRect(plot)
    painter.setPen(QPen(colours.text, 2))
    line = QPainterPath(QPointF(x(low_x), y(bandwidth * low_x)))
    line.lineTo(x(ridge), y(peak))
    line.lineTo(x(high_x), y(peak))
    painter.drawPath(line)
    limit = f"array: {rate_text(peak)}"
    room = QRectF(plot.right() - width(limit) - 8, y(peak) - 18, width(limit) + 4, 16)
    write(painter, room, limit, colours.text, cut=False)
    slope = f"DRAM: {bandwidth / 1e9:.3g} GB/s"
    along = low_x**0.2 * ridge**0.8  # left of the line: layers lie at its right
    room = QRectF(x(along) - 8 - width(slope), y(bandwidth * along) - 18, width(slope), 16)
    room.moveLeft(max(room.left(), plot.left() + 4))
    write(painter, room, slope, colours.text, cut=False)
    labels = Labels(plot)
    spent = {n: run.summary["layers"].get(n, {}).get("seconds", 0.0) for n in layers}
    longest = max(spent.values(), default=1.0) or 1.0
    for name in sorted(layers, key=lambda n: -spent[n]):
        point = layers[name]
        place = QPointF(x(intensity[name]), y(point["attained_macs_per_s"]))
        size = 4 + 8 * math.sqrt(spent[name] / longest)
        bound = intensity[name] < ridge
        colour = colours.series[1] if bound else colours.series[0]
        chosen = name == view.layer
        roofed = y(min(peak, intensity[name] * bandwidth))
        painter.setPen(QPen(with_alpha(colour, 0.35), 1))
        painter.drawLine(QLineF(place.x(), place.y(), place.x(), roofed))
        painter.setPen(QPen(colours.text if chosen else colours.background, 2 if chosen else 1))
        painter.setBrush(with_alpha(colour, 0.85))
        painter.drawEllipse(place, size, size)
        labels.take(QRectF(place.x() - size, place.y() - size, 2 * size, 2 * size))
        share = point["attained_macs_per_s"] / max(1.0, point["attainable_macs_per_s"])
        tip = (
            f"{name}: {rate_text(point['attained_macs_per_s'])}, {100 * share:.0f} % of the roof\n"
            f"{point['macs']:,} multiply-accumulates, {point['dram_bytes']:,} bytes from and to "
            "DRAM\n"
            f"{'DRAM bandwidth' if bound else 'the array'} is its roof; larger dots take longer"
        )
        scene.add(QRectF(place.x() - 8, place.y() - 8, 16, 16), "layer", name, tip)
    for name in sorted(layers, key=lambda n: -spent[n])[:24]:
        place = QPointF(x(intensity[name]), y(layers[name]["attained_macs_per_s"]))
        labels.write(painter, place, name, colours.text)
    painter.restore()
    scene.plot = plot
    return scene


def paint_energy(view: View, stores: Stores, painter: QPainter, rect: QRectF) -> Scene:
    """Energy of the shown runs by component and by what it was spent on."""
    colours = palette(view.theme)
    painter.fillRect(rect, colours.background)
    scene = Scene()
    run = stores.run
    if run is None:
        return scene
    total = run.summary["energy_j"]
    note = f"{run.name}: {format_energy(total * 1e12)}, host included"
    y = rect.top() + heading(painter, rect, "Energy", colours, note) + 4
    splits = _energy_splits(run)
    share = rect.width() / len(splits)
    for column, (title, kind, amounts) in enumerate(splits):
        area = QRectF(rect.left() + 14 + column * share, y, share - 20, rect.bottom() - y - 8)
        _draw_amounts(painter, area, title, kind, amounts, total, scene, colours, view.layer)
    return scene


def _energy_splits(run: Run) -> list[tuple[str, str, dict[str, float]]]:
    """Title, kind and joules by name of every way in which a run splits its energy."""
    summary = run.summary
    channels = {name for name, part in summary.get("components", {}).items()
                if part.get("kind") == "dma"}  # fmt: skip
    components = {f"DMA {name}" if name in channels else name.replace("dram", "DRAM"): joules
                  for name, joules in summary["energy_by_component_j"].items()}  # fmt: skip
    splits = [
        ("by component", "component", components),
        ("by what it was spent on", "role", summary["energy_by_role_j"]),
    ]
    layers = summary.get("energy_by_layer_j")
    return [*splits, ("by layer", "layer", layers)] if layers else splits


def _draw_amounts(
    painter: QPainter, area: QRectF, title: str, kind: str, amounts: dict[str, float],
    total: float, scene: Scene, colours: Palette, layer: str,
) -> None:  # fmt: skip
    write(
        painter, QRectF(area.left(), area.top(), area.width(), 18), title, colours.text, bold=True
    )
    ordered = sorted(amounts.items(), key=lambda item: -item[1])
    if not ordered:
        write(painter, area, "no energy was spent", colours.faint, align=CENTRE)
        return
    fit = max(1, int((area.height() - 24) / SMALLEST_ROW))
    left, ordered = ordered[fit - 1 :], ordered[: fit - 1] if len(ordered) > fit else ordered
    if kind == "layer" and len(left) > 1:
        ordered.append((f"{len(left)} other layers", sum(joules for _, joules in left)))
    if not ordered:  # no room for a single one
        return
    height = min(26.0, (area.height() - 24) / len(ordered))
    names = min(0.42 * area.width(), max(width(name) for name, _ in ordered) + 20)
    longest = max(joules for _, joules in ordered)
    painter.setPen(Qt.PenStyle.NoPen)
    for position, (name, amount) in enumerate(ordered):
        room = QRectF(area.left(), area.top() + 22 + position * height, area.width(), height)
        share = 100 * amount / total if total else 0.0
        text = f"{format_energy(amount * 1e12, 3)}  {share:.1f} %"
        colour = colours.role(name) if kind == "role" else colours.series[0]
        if name in ("static", "logic", "DRAM background"):
            colour = colours.faint
        if kind == "layer" and name == layer:
            painter.fillRect(room, with_alpha(colours.selection, 0.16))
        bar_row(painter, room, name, text, {"": amount}, longest, {"": colour}, colours,
                name_width=names, amount_width=118)  # fmt: skip
        tip = f"{name}: {text} of all energy\n{ENERGY_WORDS.get(name, '')}".strip()
        scene.add(room, "layer" if kind == "layer" else "energy", name, tip)


ENERGY_WORDS = {
    "static": "drawn by logic and memories whether they work or not: power times latency",
    "logic": "static power of the accelerator's logic over the whole run",
    "DRAM background": "the DRAM's standby and refresh power over the whole run",
    "DRAM": "reads, writes and standby of the DRAM",
    "operations": "the arithmetic itself, and the host's work",
    "host": "the processor; outside the accelerator's power budget",
    "weight": "moving weights between DRAM, buffers and array",
    "activation": "moving activations between DRAM, buffers and array",
    "gradient": "moving gradients between DRAM, buffers and array",
    "input": "moving the network's input",
}
"""What the names of the energy account stand for."""
