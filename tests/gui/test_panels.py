"""Pictures in little room: legends stay, low panels scroll, comparisons leave out what is alike."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent

from gui.painting.batch import draw_steps
from gui.painting.scene import Stores
from gui.views.comparison import compare_runs
from gui.views.run_data import find_runs, open_run


def turn_wheel(panel, steps: int) -> None:
    place = QPointF(200, 60)
    panel.wheelEvent(QWheelEvent(
        place, place, QPoint(0, 0), QPoint(0, 120 * steps), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    ))  # fmt: skip


def test_the_legend_names_every_colour_however_little_of_the_lanes_is_in_sight(opened):
    panel = opened.timeline
    panel.setFixedHeight(240)
    panel.viewport().repaint()
    named = {hit.key for hit in panel.scene_drawn.hits if hit.kind == "legend" and hit.key}
    occur = {c for lane in opened.state.run.intervals.lanes for c in lane.pyramid.categories}
    assert len(named) == len(occur)
    assert all(hit.tip for hit in panel.scene_drawn.hits if hit.kind == "legend" and hit.key)


def test_a_click_on_the_legend_selects_nothing_that_lies_under_it(opened, qtbot):
    panel = opened.timeline
    panel.setFixedHeight(240)
    panel.viewport().repaint()
    foot = next(h for h in panel.scene_drawn.hits if h.kind == "legend")
    place = QPointF(foot.rect.right() - 40, foot.rect.bottom() - 4)
    for scroll in range(0, panel.verticalScrollBar().maximum(), 12):
        panel.verticalScrollBar().setValue(scroll)
        panel.viewport().repaint()
        if panel.scene_drawn.at(place, "lane body") is not None:
            break
    assert panel.scene_drawn.at(place, "lane body") is not None
    qtbot.mouseClick(panel.viewport(), Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert opened.state.view.selected is None
    assert opened.state.view.time_ps is None


@pytest.mark.parametrize("name", ["memory", "power", "machine", "roofline", "energy"])
def test_a_low_panel_scrolls_instead_of_squeezing_its_picture(opened, name):
    opened.show_panel(name)
    panel = opened.panels[name]
    panel.setFixedHeight(110)
    panel.viewport().repaint()
    bar = panel.verticalScrollBar()
    assert bar.maximum() > 60
    before = panel.viewport().grab().toImage()
    turn_wheel(panel, -1)
    assert bar.value() > 0
    panel.viewport().repaint()
    assert panel.viewport().grab().toImage() != before


def test_a_comparison_shows_the_layers_that_differ_the_largest_change_first(runs, qapp):
    from PyQt6.QtCore import QRectF
    from PyQt6.QtGui import QImage, QPainter

    from gui.painting import paint
    from gui.views.view import View

    opened = tuple(open_run(path) for path in find_runs(runs))
    found = compare_runs(opened)
    image = QImage(900, 700, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    scene = paint(View(panel="compare"), Stores(opened), painter, QRectF(0, 0, 900, 700), 0.0)
    painter.end()
    shown = [hit.key for hit in scene.hits if hit.kind == "layer"]
    changes = {layer.name: layer.largest_change for layer in found.layers}
    assert shown == sorted(shown, key=lambda name: -changes[name])
    assert all(changes[name] for name in shown)


def test_a_step_line_lies_at_its_levels_on_pixels_and_is_one_path_in_a_file(qapp, tmp_path):
    from PyQt6.QtCore import QRectF
    from PyQt6.QtGui import QColor, QImage, QPainter
    from PyQt6.QtSvg import QSvgGenerator

    edges, level = np.array([10.0, 50.0, 90.0]), np.array([20.5, 60.5])
    image = QImage(100, 100, QImage.Format.Format_RGB32)
    image.fill(0xFFFFFFFF)
    painter = QPainter(image)
    draw_steps(painter, edges, level, QColor("red"))
    painter.end()
    red = QColor("red").rgb()
    assert all(image.pixel(x, 20) == red for x in (12, 30, 48))
    assert all(image.pixel(x, 60) == red for x in (52, 88))
    assert all(image.pixel(50, y) == red or image.pixel(49, y) == red for y in range(21, 60))
    assert image.pixel(30, 40) == image.pixel(70, 20) == 0xFFFFFFFF
    generator = QSvgGenerator()
    generator.setFileName(str(tmp_path / "steps.svg"))
    generator.setViewBox(QRectF(0, 0, 100, 100))
    painter = QPainter(generator)
    draw_steps(painter, edges, level, QColor("red"))
    painter.end()
    text = (tmp_path / "steps.svg").read_text()
    assert text.count("<polyline") + text.count("<path") == 1


def test_the_memory_panel_has_every_buffer_and_the_dram_below_its_map(opened):
    opened.show_panel("memory")
    panel = opened.panels["memory"]
    panel.setFixedHeight(300)
    panel.viewport().repaint()
    shown = {hit.key for hit in panel.scene_drawn.hits if hit.kind == "counter"}
    buffers = {name for name in opened.state.run.counters if name.startswith("buffer ")}
    assert shown == {"DRAM bandwidth", *buffers}
    assert panel.verticalScrollBar().maximum() > 0
