"""The chart: what it joins, what it reads, and how it follows what all panels share."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, QSizeF, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QWheelEvent
from PyQt6.QtSvg import QSvgRenderer
from PyQt6.QtWidgets import QApplication

from gui.painting.palette import palette
from gui.views import chart_series as data
from gui.views.chart_series import Choices
from gui.views.counter_store import CounterStore
from gui.views.design_table import table_of
from gui.views.view import THEMES, View, view_from_json

BITS, RATE, FLOW = ("workload.options.bits_w", "design.dram.bandwidth",
                    "design.engine.array.dataflow")  # fmt: skip
RATES = ("400 MB/s", "1.6 GB/s", "6.4 GB/s")


@pytest.fixture
def table():
    """A sweep over bits, bandwidth and dataflow, in no order, the name telling the bandwidth."""
    points = [(b, r, f) for b in (8, 2, 4) for r in RATES[::-1]
              for f in ("output-stationary", "weight-stationary")]  # fmt: skip
    summaries = [
        {"workload": "net", "design": f"board, bandwidth {r}", "latency_s": 1e-3 * (i + 1),
         "energy_j": 1e-3 * (len(points) - i), "macs": 7}
        for i, (_, r, _) in enumerate(points)
    ]  # fmt: skip
    varied = [{BITS: b, RATE: r, FLOW: f} for b, r, f in points]
    return table_of(summaries, varied, [None] * len(points))


@pytest.fixture
def points(window, table, qtbot):
    """The window with the chart of design points in sight."""
    window.state.show_table(table)
    return in_sight(window)


@pytest.fixture
def over_time(opened):
    """The window with the chart of a run's counters in sight."""
    window = in_sight(opened)
    window.chart._choose({"mode": data.TIME, "counters": ("power", "buffer weight")})
    return window


def in_sight(window):
    window.chart.setMinimumHeight(300)
    window.show_panel("chart")
    QApplication.processEvents()
    return window


def place_of(plot, row: int) -> QPointF:
    """Where a point is drawn, in the scene."""
    box, x, y, rows = next(part for part in plot._points if row in part[3])
    at = int(np.flatnonzero(rows == row)[0])
    return box.mapViewToScene(QPointF(x[at], y[at]))


# Series


@pytest.mark.parametrize("x", [BITS, RATE])
@pytest.mark.parametrize("by", [BITS, FLOW, data.NO_COLUMN])
def test_lines_join_points_that_differ_in_x_alone(table, x, by):
    made = data.design_series(table, Choices(x=x, ys=("latency", "energy"), by=by))
    rest = [name for name in table.varied if name != x]
    shown = {"latency": [], "energy": []}
    joined = 0
    for series in made:
        rows = series.rows
        shown[series.name] += rows[rows >= 0].tolist()
        assert np.array_equal(rows < 0, np.isnan(series.x))
        assert np.array_equal(series.y[rows >= 0], table.numbers[series.name][rows[rows >= 0]])
        for one, other in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
            if one < 0 or other < 0:
                continue
            joined += 1
            assert all(table.text(one, n) == table.text(other, n) for n in rest)
            assert table.numbers[x][one] <= table.numbers[x][other]
    assert all(sorted(rows) == list(range(len(table))) for rows in shown.values())
    lines = len(table) // len(np.unique(table.numbers[x]))
    coloured = by if by == x else ""
    assert joined == (0 if coloured else 2 * (len(table) - lines))


def test_what_was_found_joins_no_points(table):
    made = data.design_series(table, Choices(x="energy", ys=("latency",), by=BITS))
    assert len(made) == 3
    for series in made:
        assert (series.rows[0::2] >= 0).all()
        assert (series.rows[1::2] == -1).all()


def test_what_has_one_value_alone_is_no_axis_at_first():
    summaries = [{"workload": "n", "design": "d", "latency_s": i, "energy_j": 9 - i}
                 for i in (1.0, 2.0)]  # fmt: skip
    table = table_of(summaries, [{"design.power.budget": "1 W"}, {}], [None] * 2)
    made = data.resolved(Choices(), table, None)
    assert (made.x, made.ys) == ("latency", ("energy",))


def test_hidden_values_keep_the_colours_of_the_others(table):
    choices = Choices(x=RATE, ys=("latency",), by=BITS)
    all_of = {s.group: s.colour for s in data.design_series(table, choices)}
    left = {s.group: s.colour for s in data.design_series(table, replace(choices, off=("4",)))}
    assert list(all_of) == ["2", "4", "8"]
    assert left == {name: all_of[name] for name in ("2", "8")}


def test_choices_survive_a_view_and_what_is_none_is_left_out():
    chosen = Choices("time", "a", ("b", "c"), "d", ("power",), True, False, ("8",))
    view = View(extra={"chart": chosen.to_data()})
    assert data.choices_of(view_from_json(view.to_json())) == chosen
    wrong = View(extra={"chart": {"mode": 7, "ys": ["a", 3], "log_x": "yes", "unknown": 1}})
    assert data.choices_of(wrong) == Choices(ys=("a",))
    assert data.choices_of(View(extra={"chart": []})) == Choices()


def counter(count: int) -> CounterStore:
    made = np.random.default_rng(3)
    times = np.concatenate([[0], np.cumsum(made.integers(1, 20, count - 1))]).astype(np.int64)
    return CounterStore("c", "B", times, made.integers(0, 50, count) * 1.0, int(times[-1]) + 9)


def test_steps_have_the_values_of_the_counter():
    store = counter(300)
    x, y = data.steps_of(store, 500, 1500, 2000)
    assert (x[0], x[-1]) == (500, 1500)
    for time in range(500, 1500, 7):
        place = int(np.searchsorted(x, time, side="right")) - 1
        assert y[place] == store.at(time)


def test_a_long_counter_is_read_at_the_resolution_of_the_pixels():
    store = counter(400_000)
    x, y = data.steps_of(store, 0, store.end_ps, 500)
    assert len(x) <= 4 * 500
    assert (np.diff(x) >= 0).all()
    assert (y.min(), y.max()) == (store.values.min(), store.values.max())


def test_a_repeating_run_is_not_expanded(deep_run, monkeypatch):
    name = "power"
    asked = []
    store = deep_run.counters[name]
    expand = store._steps.window
    monkeypatch.setattr(type(store._steps), "window", lambda self, low, high: asked.append(
        (low, high)) or expand(low, high))  # fmt: skip
    for parts in (1, 10, 1000):
        end = deep_run.makespan_ps // parts
        [series] = data.counter_series(deep_run, Choices(counters=(name,)), 0, end, 600)
        assert 2 <= len(series.x) <= 12 * 600
    assert all(high - low < deep_run.makespan_ps // 100 for low, high in asked)


# Importing


def test_pyqtgraph_is_imported_when_the_chart_is_first_seen(run_path, tmp_path):
    script = f"""
import sys
from pathlib import Path
from PyQt6.QtCore import QSettings
from PyQt6.QtWidgets import QApplication
from gui.widgets.main_window import MainWindow
app = QApplication([])
settings = QSettings({str(tmp_path / "s.ini")!r}, QSettings.Format.IniFormat)
settings.setValue("tour/seen", True)
window = MainWindow(settings)
window.show()
window.opening.open_paths([Path({str(run_path)!r})])
def loaded():
    return sum(name.split(".")[0] == "pyqtgraph" for name in sys.modules)
while window.opening.loaders:
    app.processEvents()
app.processEvents()
before = loaded()
window.show_panel("chart")
app.processEvents()
print(before, loaded() > 0)
window.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "True"]


# Choosing


def test_an_empty_chart_says_what_to_do(window, table):
    chart = in_sight(window).chart
    assert "open a folder" in chart.told.text()
    chart._choose({"mode": data.TIME})
    assert "Ctrl+O" in chart.told.text()
    assert "plot" not in chart.__dict__
    window.state.show_table(table)
    in_sight(window)
    chart._choose({"mode": data.DESIGNS, "ys": ("",)})
    assert chart.told.isVisible()
    assert "tick" in chart.told.text()


def test_two_choices_are_latency_against_bandwidth_by_bits(points):
    chart, box = points.chart, points.chart.choice
    assert chart.choices.x == RATE  # what has a unit goes along the axis at first
    box.x.setCurrentIndex(box.x.findData(BITS))
    assert chart.choices.x == BITS
    box.x.setCurrentIndex(box.x.findData(RATE))
    box.by.setCurrentIndex(box.by.findData(BITS))
    assert [s.group for s in chart.series] == ["2", "4", "8"]
    assert chart.choices.ys == ("latency",)
    assert chart.read_out.text() == "latency against dram.bandwidth, by bits_w"
    labels = [chart.plot.getPlotItem().getAxis(side).labelText for side in ("bottom", "left")]
    assert labels == ["dram.bandwidth", "latency"]
    names = [label.text for _, label in chart.plot.legend.items]
    assert names == ["bits_w 2", "bits_w 4", "bits_w 8"]


def test_a_further_unit_gets_an_axis_and_a_tick_takes_it_away(points):
    chart = points.chart
    items = {i.data(Qt.ItemDataRole.UserRole): i for i in map(chart.choice.ys.item,
             range(chart.choice.ys.count()))}  # fmt: skip
    items["energy"].setCheckState(Qt.CheckState.Checked)
    assert [axis.labelText for axis in chart.plot._right] == ["energy"]
    assert {s.name for s in chart.series} == {"latency", "energy"}
    items["energy"].setCheckState(Qt.CheckState.Unchecked)
    assert chart.plot._right == []


def test_a_click_into_the_legend_hides_a_line_and_a_tick_brings_it_back(points, qtbot):
    chart = points.chart
    QApplication.processEvents()
    sample, _ = chart.plot.legend.items[0]
    gone = chart.series[0].group
    place = chart.plot.mapFromScene(sample.mapToScene(sample.boundingRect().center()))
    qtbot.mouseClick(chart.plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QApplication.processEvents()
    assert points.state.rows == ()
    assert gone not in {s.group for s in chart.series}
    item = chart.choice.groups.item(0)
    assert item.checkState() == Qt.CheckState.Unchecked
    item.setCheckState(Qt.CheckState.Checked)
    assert chart.series[0].group == gone


def test_logarithmic_axes_say_which_points_they_have_no_place_for(points, table):
    chart = points.chart
    chart.choice.log_x.setChecked(True)
    chart.choice.log_y.setChecked(True)
    curve, series = chart.plot.curves[0], chart.series[0]
    assert np.allclose(curve.xData, np.log10(series.x), equal_nan=True)
    assert np.allclose(curve.yData, np.log10(series.y), equal_nan=True)
    assert "no place" not in chart.read_out.text()
    other = copy.copy(table)
    other.numbers = {**table.numbers, "latency": table.numbers["latency"] * (
        np.arange(len(table)) > 0)}  # fmt: skip
    points.state.show_table(other)
    in_sight(points)
    assert "1 points" in chart.read_out.text()


def test_the_filter_of_the_design_points_is_that_of_the_chart(points, table):
    points.designs.filter.setText("weight-")
    rows = np.concatenate([s.rows for s in points.chart.series])
    assert set(rows[rows >= 0].tolist()) == set(table.matching("weight-").tolist())


def test_choices_come_back_with_the_session(points, settings, table, qtbot):
    from gui.widgets.main_window import MainWindow

    points.chart._choose({"x": BITS, "ys": ("energy",), "by": RATE, "log_y": True})
    chosen = points.chart.choices
    points.session.save()
    other = MainWindow(settings)
    other.start([])
    other.state.show_table(table)
    assert other.chart.choices == chosen
    other.close()
    other.deleteLater()


def test_hiding_a_line_keeps_the_zoom_and_other_quantities_do_not(points):
    chart = points.chart
    box = chart.plot.getPlotItem().vb
    whole = box.viewRange()
    turn_wheel(chart.plot, 3)
    near = box.viewRange()
    assert not np.allclose(near, whole)
    chart.choice.untick(chart.series[0].group)
    assert np.allclose(box.viewRange(), near)
    chart.fit()
    points.state.change(theme="dark")
    chart._choose({"off": ()})
    QApplication.processEvents()
    turn_wheel(chart.plot, 3)
    chart._choose({"ys": ("energy",)})
    QApplication.processEvents()
    left, right = box.viewRange()[0]
    x = chart.series[0].x
    assert left <= np.nanmin(x) <= np.nanmax(x) <= right


# Selection


def test_a_click_selects_a_point_and_a_selection_is_ringed(points):
    plot, state = points.chart.plot, points.state
    for row in (3, 11):
        found = plot.point_at(place_of(plot, row))
        plot.clicked.emit(0.0, found, Qt.KeyboardModifier.NoModifier)
        assert state.rows == (row,)
    plot.clicked.emit(0.0, 3, Qt.KeyboardModifier.ControlModifier)
    assert state.rows == (11, 3)
    chosen = points.designs.table.selectionModel().selectedRows()
    assert len(chosen) == 2
    state.choose_rows((5,))
    ringed = np.concatenate([rings.getData()[1] for rings in plot._chosen])
    assert ringed.tolist() == [state.table.numbers["latency"][5]]


def test_a_real_click_and_the_pointer_tell_the_point(points, qtbot):
    plot = points.chart.plot
    QApplication.processEvents()
    place = plot.mapFromScene(place_of(plot, 6))
    plot._hover(plot.mapToScene(place))
    assert points.state.table.text(6, "latency") in points.chart.read_out.text()
    assert "latency" in plot.toolTip()
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert points.state.rows == (6,)


# Time


def turn_wheel(plot, steps: int) -> None:
    middle = QPointF(plot.mapFromScene(plot.getPlotItem().vb.sceneBoundingRect().center()))
    event = QWheelEvent(
        middle, plot.viewport().mapToGlobal(middle.toPoint()).toPointF(), QPointF(0, 0).toPoint(),
        QPointF(0, 120 * steps).toPoint(), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(plot.viewport(), event)


def test_a_zoom_of_the_chart_is_one_of_the_timeline_and_one_step_back(over_time):
    plot, state = over_time.chart.plot, over_time.state
    whole, told = state.window, []
    state.changed.connect(lambda what: told.append(what & {"start_ps", "end_ps"}))
    for step in range(3):
        turn_wheel(plot, 2)
        assert len([what for what in told if what]) == step + 1
    low, high = state.window
    assert whole[0] <= low < high <= whole[1]
    assert high - low < (whole[1] - whole[0]) / 2
    shown = plot.getPlotItem().vb.viewRange()[0]
    assert np.allclose(shown, (low, high), atol=1)
    state.back()
    assert state.window == whole


def test_the_chart_follows_the_timeline_and_reads_the_window_alone(over_time):
    chart, state = over_time.chart, over_time.state
    told = []
    chart.plot.ranged.connect(lambda *_: told.append(1))
    end = state.end_ps
    for window in ((end // 4, end // 2), (end // 3, end // 3 + 4000), (0, end)):
        state.go(*window)
        assert np.allclose(chart.plot.getPlotItem().vb.viewRange()[0], state.window)
        for series in chart.series:
            assert series.x[0] >= state.window[0]
            assert series.x[-1] <= state.window[1]
    assert not told
    curve = chart.plot.curves[0]
    state.go(end // 4, end // 2)
    assert chart.plot.curves[0] is curve  # new numbers, not a new chart


def test_a_window_beyond_the_end_is_brought_back(over_time):
    plot, state = over_time.chart.plot, over_time.state
    plot.ranged.emit(-9.0 * state.end_ps, 10.0 * state.end_ps)
    assert np.allclose(plot.getPlotItem().vb.viewRange()[0], state.window)
    assert state.window[1] - state.window[0] < 1.3 * state.end_ps


def test_the_cursor_is_that_of_all_panels(over_time):
    chart, state = over_time.chart, over_time.state
    chart.plot.clicked.emit(state.end_ps / 3, None, Qt.KeyboardModifier.NoModifier)
    assert state.view.time_ps == round(state.end_ps / 3)
    state.change(time_ps=state.end_ps // 2)
    assert chart.plot.cursor.value() == state.end_ps // 2
    chart.plot.hovered.emit(state.end_ps / 2, None)
    assert "power" in chart.read_out.text()


def test_counters_out_of_sight_are_not_read(over_time, monkeypatch):
    over_time.show_panel("power")
    QApplication.processEvents()
    series = over_time.chart.series
    over_time.state.go(0, over_time.state.end_ps // 7)
    assert over_time.chart.series is series
    in_sight(over_time)
    assert over_time.chart.series is not series
    shown = over_time.chart.plot.getPlotItem().vb.viewRange()[0]
    assert np.allclose(shown, over_time.state.window)


# Look and files


@pytest.mark.parametrize("theme", THEMES)
def test_colours_are_those_of_the_theme(points, theme):
    points.state.change(theme=theme)
    plot, colours = points.chart.plot, palette(theme)
    assert plot.backgroundBrush().color() == colours.background
    assert plot.getPlotItem().getAxis("left").textPen().color() == colours.text
    for curve, series in zip(plot.curves, points.chart.series, strict=True):
        assert curve.opts["pen"].color() == colours.serial(series.colour)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_picture_is_exported(over_time, tmp_path, form):
    file = tmp_path / f"chart.{form}"
    over_time.opening.exporter.export_chart(over_time.chart, "picture", file)
    assert file.stat().st_size > 2000
    if form == "svg":
        text = file.read_text(encoding="utf-8")
        assert "power" in text
        assert "<image" not in text


def near(one: QColor, other: QColor) -> bool:
    """Whether two colours are the same but for a grid over them and smoothed edges."""
    pairs = zip(one.getRgb(), other.getRgb(), strict=True)
    return max(abs(a - b) for a, b in pairs) < 40


def test_a_drawing_as_vectors_is_the_picture_on_the_screen(points, tmp_path):
    file = tmp_path / "chart.svg"
    points.opening.exporter.export_chart(points.chart, "picture", file)
    screen = points.chart.plot.grab().toImage()
    drawn = QImage(screen.size(), QImage.Format.Format_RGB32)
    painter = QPainter(drawn)
    renderer = QSvgRenderer(str(file))
    assert renderer.viewBoxF().size() == QSizeF(points.chart.plot.size())
    renderer.render(painter)
    painter.end()
    colours, compared = palette("light"), 0
    for series, (box, x, y, _) in zip(points.chart.series, points.chart.plot._points, strict=True):
        for spot in zip(x.tolist(), y.tolist(), strict=True):
            place = points.chart.plot.mapFromScene(box.mapViewToScene(QPointF(*spot)))
            found = [image.pixelColor(place) for image in (screen, drawn)]
            if near(found[0], colours.serial(series.colour)):  # no other point lies above
                assert near(*found)
                compared += 1
    assert compared > 9


def test_lines_of_many_points_are_drawn_the_quick_way(points):
    from gui.widgets.chart_plot import FEW

    assert all(curve.opts["antialias"] for curve in points.chart.plot.curves)
    summaries = [{"workload": "n", "design": "d", "latency_s": 1.0 + i} for i in range(FEW + 1)]
    points.state.show_table(
        table_of(summaries, [{BITS: i} for i in range(FEW + 1)], [None] * (FEW + 1))
    )
    in_sight(points)
    [curve] = points.chart.plot.curves
    assert not curve.opts["antialias"]
    assert curve.opts["pen"].widthF() == 1


def test_the_numbers_are_exported(over_time, tmp_path, table):
    def rows(name):
        file = tmp_path / name
        over_time.opening.exporter.export_chart(over_time.chart, "table", file)
        return [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()]

    over_time.state.go(0, over_time.state.end_ps // 10)
    head, *body = rows("time.csv")
    assert head == ["counter", "unit", "from_ps", "value"]
    assert {row[0] for row in body} == {"power", "buffer weight"}
    assert all(int(row[2]) <= over_time.state.window[1] for row in body)
    over_time.state.show_table(table)
    over_time.chart._choose({"mode": data.DESIGNS, "by": BITS, "x": RATE, "off": ("2", "4")})
    head, *body = rows("points.csv")
    assert "latency" in head
    assert len(body) == len(table) // 3


def test_the_keyboard_reaches_the_choices(points, qtbot):
    points.registry.actions["panel.chart"].trigger()
    points.activateWindow()
    ys = points.chart.choice.ys
    ys.setCurrentRow(ys.count() - 1)
    qtbot.keyClick(ys, Qt.Key.Key_Space)
    assert ys.item(ys.count() - 1).checkState() == Qt.CheckState.Checked
    assert len(points.chart.choices.ys) == 2
    for widget in points.chart.choice.findChildren(type(ys)):
        assert widget.accessibleName()
        assert widget.toolTip()
