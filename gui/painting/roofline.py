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
from gui.painting.text import CENTRE, heading, width, write
from gui.views.view import View


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
    note = f"{run.name}: each dot a layer; the line is what array and DRAM allow"
    top = rect.top() + heading(painter, rect, "Roofline", colours, note)
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
    y = axes.value_axis(painter, plot, low_y, high_y, rate_text, colours, log=True)
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
    write(painter, QRectF(x(low_x) + 8, y(bandwidth * low_x * 2.6) - 26, 160, 16), slope,
          colours.text, cut=False)  # fmt: skip
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
    half = rect.width() / 2
    for column, (title, key) in enumerate(
        (("by component", "energy_by_component_j"), ("by what it was spent on", "energy_by_role_j"))
    ):
        area = QRectF(rect.left() + 14 + column * half, y, half - 28, rect.bottom() - y - 8)
        _draw_amounts(painter, area, title, run.summary[key], total, scene, colours)
    return scene


def _draw_amounts(
    painter: QPainter, area: QRectF, title: str, amounts: dict[str, float], total: float,
    scene: Scene, colours: Palette,
) -> None:  # fmt: skip
    write(
        painter, QRectF(area.left(), area.top(), area.width(), 18), title, colours.text, bold=True
    )
    ordered = sorted(amounts.items(), key=lambda item: -item[1])
    if not ordered:
        write(painter, area, "no energy was spent", colours.faint, align=CENTRE)
        return
    height = min(30.0, (area.height() - 24) / len(ordered))
    names = min(170.0, max(width(name) for name, _ in ordered) + 20)
    painter.setPen(Qt.PenStyle.NoPen)
    for position, (name, amount) in enumerate(ordered):
        room = QRectF(area.left(), area.top() + 22 + position * height, area.width(), height)
        share = 100 * amount / total if total else 0.0
        text = f"{format_energy(amount * 1e12, 3)}  {share:.1f} %"
        colour = colours.roles.get(name, colours.series[4 if position % 2 else 0])
        if name in ("static", "logic", "DRAM background"):
            colour = colours.faint
        bar_row(painter, room, name, text, {"": amount}, ordered[0][1], {"": colour}, colours,
                name_width=names, amount_width=128)  # fmt: skip
        tip = f"{name}: {text} of all energy\n{ENERGY_WORDS.get(name, '')}"
        scene.add(room, "energy", name, tip)


ENERGY_WORDS = {
    "static": "drawn by logic and memories whether they work or not: power times latency",
    "logic": "static power of the accelerator's logic over the whole run",
    "DRAM background": "the DRAM's standby and refresh power over the whole run",
    "dram": "reads, writes and standby of the DRAM",
    "operations": "the arithmetic itself, and the host's work",
    "host": "the processor; outside the accelerator's power budget",
    "weight": "moving weights between DRAM, buffers and array",
    "activation": "moving activations between DRAM, buffers and array",
    "gradient": "moving gradients between DRAM, buffers and array",
    "input": "moving the network's input",
}
"""What the names of the energy account stand for."""
