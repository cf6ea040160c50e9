"""Design points: what was varied is an axis and a name, and a drag chooses points."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt
from PyQt6.QtGui import QImage, QMouseEvent, QPainter

from gui.painting import paint
from gui.painting.scene import Stores
from gui.views.design_columns import as_quantity
from gui.views.design_table import table_of
from gui.views.view import View

BANDWIDTHS = ("400 MB/s", "3.2 GB/s")
FLOWS = ("weight-stationary", "output-stationary")


@pytest.fixture
def table():
    """A sweep of one workload and one board, as a result store has it."""
    points = [(flow, rate, bits) for flow in FLOWS for rate in BANDWIDTHS for bits in (2, 4, 8)]
    summaries = [
        {"workload": "net", "design": "board", "latency_s": 1e-3 * (i + 1),
         "energy_j": 1e-3 * (20 - i), "macs": 7}
        for i in range(len(points))
    ]  # fmt: skip
    varied = [{"design.engine.array.dataflow": flow, "design.dram.bandwidth": rate,
               "workload.options.bits_w": bits} for flow, rate, bits in points]  # fmt: skip
    return table_of(summaries, varied, [None] * len(points))


def drawn(table, view, rows=()):
    image = QImage(900, 500, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    scene = paint(view, Stores((), table, tuple(rows)), painter, QRectF(0, 0, 900, 500))
    painter.end()
    return scene


def test_quantities_with_units_become_numbers():
    assert as_quantity(["400 MB/s", "3.2 GB/s"])[0] == "B/s"
    unit, values = as_quantity(["1 W", "", "500 mW"])
    assert unit == "W"
    assert values[[0, 2]].tolist() == [1.0, 0.5]
    assert np.isnan(values[1])
    assert as_quantity(["weight-stationary"]) is None
    assert as_quantity(["1 W", "64 KiB"]) is None
    assert as_quantity(["", ""]) is None


def test_what_was_varied_is_an_axis_sorts_by_size_and_is_found_by_a_filter(table):
    assert table.axes[:3] == list(table.varied)
    order = table.order("design.dram.bandwidth")
    assert [table.text(int(r), "design.dram.bandwidth") for r in order[[0, -1]]] == [
        "400 MB/s", "3.2 GB/s"]  # fmt: skip
    assert len(table.matching("400 mb")) == 6


def test_no_two_points_have_the_same_name(table):
    names = [table.label(row) for row in range(len(table))]
    assert len(set(names)) == len(table)
    assert "board" not in names[0]
    short = [table.label(row, table.groups) for row in range(len(table))]
    assert "stationary" not in short[0]


def test_words_make_an_axis_of_the_scatter(table, qapp):
    scene = drawn(table, View(panel="designs", x="design.engine.array.dataflow", y="latency"))
    places = {h.key: h.rect.center().x() for h in scene.hits if h.kind == "point"}
    of_flow = [{round(x) for row, x in places.items() if table.texts[
        "design.engine.array.dataflow"][row] == flow} for flow in FLOWS]  # fmt: skip
    assert [len(xs) for xs in of_flow] == [1, 1]
    assert of_flow[0] != of_flow[1]


def test_the_front_is_that_of_the_workload_whatever_the_colours_say(table, qapp):
    from gui.painting.designs import _fronts, groups_of

    rows = np.arange(len(table))
    fronts = _fronts(table, rows, "latency", "energy")
    assert [sorted(f.tolist()) for f in fronts.values()] == [rows.tolist()]
    assert groups_of(table)[0] == sorted(FLOWS, reverse=True)


def test_parallel_coordinates_leave_out_what_is_equal_for_all(table, qapp):
    scene = drawn(table, View(panel="parallel"))
    axes = [hit.key for hit in scene.hits if hit.kind == "axis"]
    assert axes[:3] == list(table.varied)
    assert "operations" not in axes
    assert {hit.key for hit in scene.hits if hit.kind == "point"} == set(range(len(table)))


def test_a_drag_chooses_the_points_inside_and_a_click_one(window, table, qtbot):
    window.state.show_table(table)
    window.show_panel("designs")
    picture = window.designs.scatter
    picture.viewport().repaint()
    hits = {h.key: h.rect.center() for h in picture.scene_drawn.hits if h.kind == "point"}
    middle = picture.scene_drawn.plot.center().x()
    wanted = {row for row, place in hits.items() if place.x() < middle}
    plot, port = picture.scene_drawn.plot, picture.viewport()
    start, end = plot.topLeft() + QPointF(1, 1), QPointF(middle, plot.bottom() - 1)
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=start.toPoint())
    picture.mouseMoveEvent(QMouseEvent(
        QEvent.Type.MouseMove, end, end, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    ))  # fmt: skip
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=end.toPoint())
    assert set(window.state.rows) == wanted
    chosen = window.designs.table.selectionModel().selectedRows()
    assert len(chosen) == len(wanted)
    first = min(hits)
    qtbot.mouseClick(port, Qt.MouseButton.LeftButton, pos=hits[first].toPoint())
    assert window.state.rows == (first,)


def test_the_axes_of_the_scatter_can_be_any_column(window, table):
    window.state.show_table(table)
    box = window.designs.x
    assert [box.itemData(i) for i in range(box.count())] == table.axes
    box.setCurrentIndex(box.findData("design.dram.bandwidth"))
    assert window.state.view.x == "design.dram.bandwidth"


def test_words_that_what_was_varied_tells_already_are_no_axis():
    names = [f"board, rows {rows}" for rows in (8, 16) for _ in range(2)]
    summaries = [{"workload": f"net{i % 2}", "design": name, "latency_s": i + 1.0}
                 for i, name in enumerate(names)]  # fmt: skip
    varied = [{"design.engine.array.rows": rows} for rows in (8, 16) for _ in range(2)]
    table = table_of(summaries, varied, [None] * 4)
    assert table.axes == ["design.engine.array.rows", "workload", "latency"]


def test_a_sweeps_store_is_rendered_without_a_screen(tmp_path, qapp):
    from cosim.cli.main import main

    scenario = tmp_path / "sweep.toml"
    scenario.write_text(
        '[[workload]]\nnetwork = "lenet5"\n[[design]]\nbase = "edge-asic-16x16"\n'
        '[vary]\n"design.dram.bandwidth" = ["800 MB/s", "3.2 GB/s"]\n', encoding="utf-8",
    )  # fmt: skip
    pytest.importorskip("torch")
    assert main(["sweep", str(scenario), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    for panel in ("designs", "parallel"):
        picture = tmp_path / f"{panel}.csv"
        assert main(["render", str(tmp_path / "out"), "--view", panel, "-o", str(picture)]) == 0
        assert len(picture.read_text(encoding="utf-8").splitlines()) == 3


def test_the_points_of_a_sweep_come_back_at_the_next_start(window, settings, tmp_path, qtbot):
    from cosim.cli.main import main
    from gui.widgets.main_window import MainWindow

    pytest.importorskip("torch")
    scenario = tmp_path / "sweep.toml"
    scenario.write_text(
        '[[workload]]\nnetwork = "lenet5"\n[[design]]\nbase = "edge-asic-16x16"\n',
        encoding="utf-8",
    )
    assert main(["sweep", str(scenario), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    window.opening.open_paths([tmp_path / "out"])
    assert len(window.state.table) == 1
    window.session.save()
    again = MainWindow(settings)
    again.start([])
    assert again.state.table is not None
    assert again.state.table.columns == window.state.table.columns
    again.close()
    again.deleteLater()
