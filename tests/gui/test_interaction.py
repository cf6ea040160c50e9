"""What a user does with keys and mouse: tables, lanes, markers, views, undone edits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QDialog, QFileDialog, QMenu

from cosim.design.power import ThermalPid
from cosim.errors import CosimError
from cosim.units import format_time
from gui.painting.memory import peak_words
from gui.views.counter_range import counter_range
from gui.views.counter_store import CounterStore
from gui.views.notes import load_notes
from gui.views.panel_table import panel_table, to_csv
from gui.views.power_policy import held_back, thresholds
from gui.views.view import View, load_view
from gui.widgets.breakdown_panel import BreakdownModel
from gui.widgets.data_table import RAW
from gui.widgets.intervals_panel import IntervalsModel
from gui.widgets.tour import STOPS


def drag(qtbot, panel, start: QPointF, end: QPointF) -> None:
    """Press, move and release the left button."""
    port = panel.viewport()
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=start.toPoint())
    panel.mouseMoveEvent(QMouseEvent(
        QEvent.Type.MouseMove, end, end, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    ))  # fmt: skip
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=end.toPoint())


def click_cell(qtbot, table, row: int, column: int) -> None:
    index = table.model().index(row, column)
    table.scrollTo(index)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton,
                     pos=table.visualRect(index).center())  # fmt: skip


# Keys


def test_arrows_move_in_a_focused_table_and_not_in_the_timeline(window, runs, qtbot):
    window.opening.open_paths([runs])
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    window.show_panel("designs")
    table = window.designs.table
    table.setFocus()
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key.Key_Down)
    assert table.currentIndex().row() == 1
    assert window.state.view.selected is None


def test_arrows_move_a_focused_slider(opened):
    opened.show_panel("machine")
    slider = opened.machine.speed
    slider.setFocus()
    before = slider.value()
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert slider.value() > before
    assert opened.state.view.selected is None


def test_arrows_and_letters_lead_through_the_timeline(opened):
    opened.timeline.setFocus()
    whole = opened.state.window
    QTest.keyClick(opened.timeline, Qt.Key.Key_W)
    assert opened.state.window != whole
    QTest.keyClick(opened.timeline, Qt.Key.Key_Right)
    first = opened.state.view.selected
    assert first is not None
    QTest.keyClick(opened.timeline, Qt.Key.Key_Right)
    assert opened.state.view.selected != first
    QTest.keyClick(opened.timeline, Qt.Key.Key_Escape)
    assert opened.state.view.selected is None


def test_the_tool_bar_shows_what_is_on(opened):
    action = opened.registry.actions["view.critical"]
    assert action in opened.tools.actions()
    button = opened.tools.widgetForAction(action)
    assert not button.isChecked()
    button.click()
    assert opened.state.view.critical
    opened.state.change(critical=False)
    assert not button.isChecked()


# The breakdown's table


def test_the_table_of_the_breakdown_holds_the_whole_latency(opened, qtmodeltester):
    model = opened.breakdown.model
    assert int(model.times.sum()) == opened.state.run.makespan_ps
    qtmodeltester.check(model, force_py=False)


def test_sorting_the_breakdown_sorts_by_time_and_not_by_text(run, qtbot):
    model = BreakdownModel()
    model.show(run)
    for column in range(2, model.columnCount()):
        model.sort(column, Qt.SortOrder.DescendingOrder)
        shown = [model.data(model.index(row, column), RAW) for row in range(model.rowCount())]
        assert shown == sorted(shown, reverse=True)


def test_a_click_in_the_breakdowns_table_goes_to_the_layer(opened, qtbot):
    opened.show_panel("breakdown")
    model = opened.breakdown.model
    row = int(np.argmax(model.times.sum(axis=1)))
    click_cell(qtbot, opened.breakdown.table, row, 2)
    name = model.layers[row]
    span = next(s for s in opened.state.run.layers if s.name == name)
    assert opened.state.view.layer == name
    start, end = opened.state.window
    assert start <= span.start_ps
    assert span.end_ps <= end


def test_a_layer_chosen_elsewhere_is_marked_in_the_breakdowns_table(opened):
    name = opened.breakdown.model.layers[-1]
    opened.navigation.show_layer(name)
    chosen = opened.breakdown.table.selectionModel().selectedRows()
    assert [index.data() for index in chosen] == [name]


# The table of intervals


def test_the_intervals_of_a_lane_are_listed_as_the_timeline_has_them(run, qtbot, qtmodeltester):
    lane = run.intervals.lanes[0]
    start, end = run.makespan_ps // 4, run.makespan_ps // 2
    model = IntervalsModel()
    model.show(run, lane, start, end)
    first, stop = lane.span(start, end)
    rows = lane.rows(first, stop)
    assert model.rowCount() == stop - first > 10
    raw = [model.data(model.index(i, 0), RAW) for i in range(model.rowCount())]
    assert raw == rows.start.tolist()
    lengths = [model.data(model.index(i, 1), RAW) for i in range(model.rowCount())]
    assert lengths == (rows.end - rows.start).tolist()
    qtmodeltester.check(model, force_py=False)


def test_table_and_timeline_select_each_other(opened, qtbot):
    opened.show_panel("intervals")
    panel = opened.intervals
    path = opened.state.run.critical.numbers
    opened.navigation.select(int(path[len(path) // 2]), reveal=False)
    chosen = opened.state.run.intervals.interval(opened.state.view.selected)
    assert opened.state.run.intervals.lanes[panel.lane.currentIndex()].lane.name == chosen.component
    row = panel.table.currentIndex().row()
    assert panel.model.number(row) == chosen.number
    panel.table.setFocus()
    QTest.keyClick(panel.table, Qt.Key.Key_Down)
    assert opened.state.view.selected == panel.model.number(row + 1)


def test_a_range_narrows_the_table_of_intervals(opened):
    opened.show_panel("intervals")
    every = opened.intervals.model.rowCount()
    end = opened.state.end_ps
    opened.state.change(range_ps=(end // 3, end // 2))
    assert 0 < opened.intervals.model.rowCount() < every
    assert "selected range" in opened.intervals.told.text()


def test_a_table_is_copied_and_exported(opened, tmp_path, monkeypatch):
    opened.show_panel("breakdown")
    table = opened.breakdown.table
    answer = (str(tmp_path / "table"), "")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: answer)
    table.export_wanted.emit(table.name, table.write)
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("layer,phase,latency")
    assert len(lines) == 1 + table.model().rowCount()
    latencies = [int(line.split(",")[2]) for line in lines[1:]]
    assert sum(latencies) == opened.state.run.makespan_ps
    table.clearSelection()
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text().count("\t") > len(lines)


# Counters in a range


def test_a_counters_range_is_what_its_samples_say(run):
    for name, counter in run.counters.items():
        start, end = run.makespan_ps // 5, run.makespan_ps // 3
        found = counter_range(counter, start, end)
        moments = np.unique(np.concatenate([[start], counter.times, [end]]))
        moments = moments[(moments >= start) & (moments < end)]
        values = np.array([counter.at(int(t)) for t in moments])
        lengths = np.diff(np.append(moments, end))
        assert found.least == values.min(), name
        assert found.most == values.max(), name
        assert found.mean == pytest.approx(float(values @ lengths) / (end - start), rel=1e-9), name


# Lanes


def item_of(panel, name: str):
    return next(item for item in panel._items() if item.text(0) == name)


def test_a_lane_is_hidden_and_pinned_in_the_list_and_undone(opened, run_path):
    panel = opened.lanes
    item_of(panel, "array").setCheckState(0, Qt.CheckState.Unchecked)
    item_of(panel, "vector").setCheckState(1, Qt.CheckState.Checked)
    assert opened.state.view.hidden == ("array",)
    assert opened.state.view.pinned == ("vector",)
    assert load_notes(run_path).hidden == ["array"]
    opened.registry.actions["edit.undo"].trigger()
    opened.registry.actions["edit.undo"].trigger()
    assert opened.state.view.hidden == opened.state.view.pinned == ()
    assert item_of(panel, "array").checkState(0) == Qt.CheckState.Checked


def test_a_group_hides_all_its_lanes_in_one_edit(opened):
    tree = opened.lanes.tree
    group = next(tree.topLevelItem(i) for i in range(tree.topLevelItemCount())
                 if tree.topLevelItem(i).text(0) == "buffers")  # fmt: skip
    group.setCheckState(0, Qt.CheckState.Unchecked)
    assert set(opened.state.view.hidden) == {
        name for name in opened.state.run.counters if name.startswith("buffer ")
    }
    opened.registry.actions["edit.undo"].trigger()
    assert opened.state.view.hidden == ()
    assert group.checkState(0) == Qt.CheckState.Checked


def test_only_lanes_that_are_found_are_shown(opened, qtbot):
    panel = opened.lanes
    qtbot.keyClicks(panel.search, "DRAM")
    panel.only.click()
    opened.timeline.viewport().repaint()
    drawn = {hit.key for hit in opened.timeline.scene_drawn.hits if hit.kind == "lane"}
    assert drawn == {"DRAM", "DRAM bandwidth"}
    panel.all.click()
    assert opened.state.view.hidden == ()


def test_intervals_that_are_too_short_are_left_out(opened, qtbot):
    panel = opened.lanes
    qtbot.keyClicks(panel.least, "200 ns")
    qtbot.keyClick(panel.least, Qt.Key.Key_Return)
    assert opened.state.view.least_ps == 200_000
    panel.least.clear()
    qtbot.keyClicks(panel.least, "soon")
    told = []
    opened.state.message.connect(told.append)
    qtbot.keyClick(panel.least, Qt.Key.Key_Return)
    assert opened.state.view.least_ps == 200_000
    assert told


# Markers


def test_a_marker_snaps_to_an_edge(opened):
    lane = opened.state.run.intervals.lanes[0]
    rows = lane.rows(4, 6)
    edge = int(rows.start[0])
    width = opened.timeline.width()
    opened.state.go(edge - 100 * width, edge + 100 * width)
    opened.state.change(time_ps=edge + 350)  # less than two pixels beside
    opened.registry.actions["edit.marker"].trigger()
    assert [m.time_ps for m in opened.state.view.markers] == [edge]


def test_a_marker_is_dragged_and_dragged_back_by_undo(opened, qtbot):
    opened.state.add_marker(opened.state.end_ps // 3, "here")
    panel = opened.timeline
    panel.viewport().repaint()
    flag = next(hit for hit in panel.scene_drawn.hits if hit.kind == "marker")
    start = QPointF(flag.rect.left() + 4, flag.rect.top() + 8)
    drag(qtbot, panel, start, start + QPointF(120, 0))
    moved = opened.state.view.markers[0].time_ps
    pixel = opened.state.end_ps / panel.scene_drawn.plot.width()
    assert abs(moved - opened.state.end_ps // 3 - 120 * pixel) < 14 * pixel
    assert opened.state.view.range_ps is None
    opened.registry.actions["edit.undo"].trigger()
    assert opened.state.view.markers[0].time_ps == opened.state.end_ps // 3


def test_the_list_of_markers_tells_times_and_leads_to_them(opened, qtbot):
    opened.show_panel("markers")
    end = opened.state.end_ps
    opened.state.add_marker(end // 4, "first")
    opened.state.add_marker(end // 2, "second")
    table = opened.markers.table
    assert [table.item(row, 0).text() for row in range(2)] == ["first", "second"]
    assert table.item(1, 2).text() == f"+{format_time(end // 2 - end // 4, 5)}"
    table.setCurrentCell(0, 0)
    click_cell(qtbot, table, 1, 1)
    assert opened.state.view.time_ps == end // 2
    table.item(1, 0).setText("the peak")
    assert opened.state.view.markers[1].text == "the peak"
    opened.markers.remove.click()
    assert [m.text for m in opened.state.view.markers] == ["first"]


def test_kept_views_are_listed_and_lead_back(opened, qtbot):
    opened.show_panel("markers")
    opened.state.go(1000, 900_000)
    kept = opened.state.window
    QTest.keyClick(opened.timeline, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    opened.navigation.fit_all()
    views = opened.markers.kept
    assert views.count() == 1
    qtbot.mouseClick(views.viewport(), Qt.MouseButton.LeftButton,
                     pos=views.visualItemRect(views.item(0)).center())  # fmt: skip
    assert opened.state.window == kept


# Views


def test_a_view_file_shows_again_what_it_was_saved_from(opened, window, tmp_path, qtbot):
    opened.state.go(1000, 900_000)
    opened.state.add_marker(5000, "m")
    opened.state.change(critical=True, theme="dark")
    file = tmp_path / "view.json"
    opened.opening.save_view("memory", file)
    saved = load_view(file)
    assert saved.panel == "memory"
    opened.navigation.fit_all()
    opened.state.change(critical=False, theme="light", markers=())
    opened.opening.open_paths([file])
    qtbot.waitUntil(lambda: not opened.opening.loaders, timeout=20000)
    view = opened.state.view
    assert (view.start_ps, view.end_ps, view.critical, view.theme) == (
        saved.start_ps, saved.end_ps, True, "dark")  # fmt: skip
    assert view.markers == saved.markers
    assert str(file) in opened.opening.recent()
    opened.state.change(markers=())


def test_a_view_of_a_run_that_is_gone_is_told(window, tmp_path):
    told = []
    window.opening.problem.connect(lambda line, _details: told.append(line))
    file = tmp_path / "view.json"
    View(runs=(str(tmp_path / "gone"),)).save(file)
    window.opening.open_paths([file])
    assert len(told) == 1
    assert "gone" in told[0]
    file.write_text(json.dumps({**json.loads(file.read_text()), "panel": "timelin"}))
    window.opening.open_paths([file])
    assert "timeline" in told[1]
    window.errors.done(0)


# Run control from the timeline


def test_time_runs_until_a_place_of_the_timeline(opened, monkeypatch):
    panel = opened.timeline
    panel.viewport().repaint()
    x = panel.scene_drawn.plot.left() + 0.5 * panel.scene_drawn.plot.width()
    menu = QMenu(panel)
    panel.add_to_menu(menu, QPointF(x, 100))
    entry = next(a for a in menu.actions() if a.text().startswith("Run until"))
    entry.trigger()
    assert opened.control.is_running
    opened.control.advance(1000.0)
    assert opened.state.view.time_ps == panel.scene_drawn.time_at(x)
    assert not opened.control.is_running
    menu.deleteLater()


# What-if edits


def test_an_edit_of_a_parameter_is_undone_and_done_again(opened, qtbot):
    panel = opened.what_if
    key = next(k for k in panel.rows if k.endswith(".rows"))
    row = panel.rows[key]
    before = row.text
    row.editor.clear()
    qtbot.keyClicks(row.editor, "64")
    row.editor.editingFinished.emit()
    assert panel.changes() == {key: 64}
    assert row.label.font().bold()
    opened.registry.actions["edit.undo"].trigger()
    assert row.text == before
    assert panel.changes() == {}
    assert row.slider.value() == 0
    opened.registry.actions["edit.redo"].trigger()
    assert panel.changes() == {key: 64}
    assert row.slider.value() == 4 * round(np.log2(64 / int(before)))


def test_a_slider_of_a_parameter_goes_in_powers_of_two_and_back_to_the_runs_value(opened):
    panel = opened.what_if
    row = panel.rows["design.dram.bandwidth"]
    exact = row.text
    row.slider.setValue(4)
    assert panel.changes() == {"design.dram.bandwidth": row.text}
    row.slider.setValue(0)
    assert row.text == exact
    assert panel.changes() == {}


def test_empty_design_points_say_what_to_do(window):
    window.show_panel("designs")
    assert window.designs.open_folder.isVisible()
    assert not window.designs.table.isVisible()


def test_scrolling_places_are_still_hit(opened, qtbot):
    """A panel that is scrolled finds what is under the pointer, not what was there before."""
    opened.show_panel("energy")
    panel = opened.panels["energy"]
    panel.setFixedHeight(120)
    panel.viewport().repaint()
    panel.verticalScrollBar().setValue(60)
    panel.viewport().repaint()
    hit = next(h for h in panel.scene_drawn.hits if 10 < h.rect.top() < 80)
    assert panel.tip_at(hit.rect.center()) == hit.tip


# Minimap, tour, power


def move(widget, x: float, buttons=Qt.MouseButton.LeftButton) -> None:
    place = QPointF(x, 20)
    widget.mouseMoveEvent(QMouseEvent(
        QEvent.Type.MouseMove, place, place, Qt.MouseButton.NoButton, buttons,
        Qt.KeyboardModifier.NoModifier,
    ))  # fmt: skip


def test_an_edge_of_the_minimaps_frame_is_dragged(opened, qtbot):
    end = opened.state.end_ps
    opened.state.go(end // 4, end // 2)
    minimap = opened.minimap
    right = minimap._x(opened.state.window[1])
    qtbot.mousePress(minimap, Qt.MouseButton.LeftButton, pos=QPointF(right, 20).toPoint())
    assert opened.state.window == (end // 4, end // 2)
    move(minimap, right + 100)
    start, stop = opened.state.window
    assert start == end // 4
    assert stop == pytest.approx(end // 2 + end * 100 / minimap._body().width(), rel=0.01)
    qtbot.mouseDClick(minimap, Qt.MouseButton.LeftButton, pos=QPointF(right, 20).toPoint())
    assert opened.state.window == (0, end)


def test_the_tour_does_not_cover_what_it_explains(opened):
    opened.tour.start()
    for position in range(len(STOPS)):
        opened.tour.go(position)
        shown = opened._widget_of(STOPS[position][0])
        place = QRect(shown.mapTo(opened, QPoint(0, 0)), shown.size())
        covered = place.intersected(opened.tour.geometry())
        share = covered.width() * covered.height() / (place.width() * place.height())
        assert share < 0.15, STOPS[position][0]
    opened.tour.end()


def test_a_lowered_clock_is_throttled_time(run, monkeypatch):
    end = run.makespan_ps
    clock = CounterStore("frequency", "%", np.array([0, end // 2]), np.array([100.0, 25.0]), end)
    monkeypatch.setitem(run.counters, "frequency", clock)
    held = held_back(run, 0, end, 100)
    assert held["throttled"][:49].max() < 0.01
    assert held["throttled"][51:].min() >= 0.75
    assert held["power"].max() > 0  # the run has a budget that is felt


def test_thresholds_of_a_policy_are_in_the_counters_unit():
    policy = ThermalPid(target_k=353.15, switch_on_k=348.15, sustainable_mw=900, period_ps=1)
    assert thresholds(policy, "temperature") == [
        ("target", pytest.approx(80.0)), ("acts from", pytest.approx(75.0))]  # fmt: skip
    assert thresholds(policy, "power") == []
    assert thresholds(None, "temperature") == []


def test_the_memory_panel_says_what_is_alive_at_the_peak(run):
    words = peak_words(run.memory_facts, 2)
    largest = max(run.memory_facts.at_peak, key=lambda item: item[2])
    assert largest[0] in words
    assert format_time(run.memory_facts.peak_ps) in words


# Fields of text, drops, menus


def test_escape_leaves_a_field_of_text_and_keeps_what_is_selected(opened, qtbot):
    opened.navigation.select(int(opened.state.run.critical.numbers[7]))
    chosen = opened.state.view.selected
    QTest.keyClick(opened.timeline, Qt.Key.Key_Slash)
    assert opened.search.field.hasFocus()
    qtbot.keyClicks(opened.search.field, "sd")  # letters that are actions elsewhere
    assert opened.search.field.text() == "sd"
    QTest.keyClick(opened.search.field, Qt.Key.Key_Escape)
    assert not opened.search.field.hasFocus()
    assert opened.state.view.selected == chosen
    QTest.keyClick(opened.timeline, Qt.Key.Key_Escape)
    assert opened.state.view.selected is None


def test_a_half_typed_expression_warns_of_nothing(opened, recwarn):
    opened.search.field.setText("store[[")
    opened.search.field.setText("store[[a]")
    assert not recwarn.list
    assert "match" in opened.search.told.text()


def test_runs_and_folders_are_dropped_on_the_window(window, runs, run_path, qtbot):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(run_path))])
    args = (QPointF(300, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier)  # fmt: skip
    entering = QDragEnterEvent(args[0].toPoint(), *args[1:])
    QApplication.sendEvent(window, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(window, QDropEvent(*args))
    assert [run.path for run in window.state.runs] == [run_path]
    data.setUrls([QUrl.fromLocalFile(str(runs))])
    QApplication.sendEvent(window, QDragEnterEvent(args[0].toPoint(), *args[1:]))
    QApplication.sendEvent(window, QDropEvent(*args))
    assert len(window.state.table) == 3


def test_a_lane_is_hidden_from_the_menu_of_its_body(opened):
    panel = opened.timeline
    panel.viewport().repaint()
    body = next(h for h in panel.scene_drawn.hits if h.kind == "lane body" and h.key == "vector")
    menu = QMenu(panel)
    panel.add_to_menu(menu, body.rect.center())
    next(a for a in menu.actions() if a.text() == "Hide lane vector").trigger()
    assert opened.state.view.hidden == ("vector",)
    menu.deleteLater()


def test_a_simulation_is_cancelled_from_the_status_bar(opened, qtbot):
    opened.what_if.rows["design.dram.bandwidth"].slider.setValue(4)
    opened.what_if.run_again()
    assert opened.stop.isVisible()
    opened.stop.click()
    qtbot.waitUntil(lambda: opened.opening.simulation is None, timeout=20000)
    assert not opened.stop.isVisible()
    assert len(opened.state.runs) == 1


# Exports and the welcome


def test_a_form_and_its_table_are_exported_as_well(opened, tmp_path, monkeypatch):
    told = []
    opened.opening.problem.connect(lambda line, _details: told.append(line))
    for name, form in (("details", "svg"), ("what-if", "png"), ("intervals", "pdf")):
        opened.show_panel(name)
        file = tmp_path / f"{name}.{form}"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, f=file, **k: (str(f), ""))
        opened.registry.actions["file.export"].trigger()
        assert file.stat().st_size > 500, name
    file = tmp_path / "intervals.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(file), ""))
    opened.registry.actions["file.export_table"].trigger()
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("start,length")
    assert len(lines) == 1 + opened.intervals.model.rowCount()
    assert not told


def test_a_window_of_too_many_intervals_is_not_written_one_by_one(run, monkeypatch):
    monkeypatch.setattr("gui.views.panel_table.MOST_ROWS", 100)
    with pytest.raises(CosimError, match="zoom in"):
        panel_table(View(), [run])
    names, rows = panel_table(View(end_ps=run.makespan_ps // 200), [run])
    assert len(list(rows)) <= 100
    assert names[0] == "row"


def test_cells_with_commas_are_copied_whole():
    table = (["design", "latency"], iter([("ultra96, budget 1 W", 3)]))
    assert to_csv(table, "\t") == "design\tlatency\nultra96, budget 1 W\t3\n"


def test_the_welcome_offers_what_was_opened_last(window, run_path, qtbot):
    window.opening.open_run(run_path)
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    window.opening.close_run(window.state.run)
    assert run_path.name in window.welcome.recent.text()
    window.welcome.recent.linkActivated.emit(str(run_path))
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    assert window.state.run.path == run_path


def test_a_re_run_keeps_the_lanes_and_the_window_that_are_looked_at(opened, qtbot):
    opened.state.edit("hide", hidden=("host",), pinned=("array",))
    end = opened.state.end_ps
    opened.state.go(end // 10, end // 5)
    opened.state.change(time_ps=end // 8)
    opened.what_if.rows["design.dram.bandwidth"].slider.setValue(4)
    opened.what_if.run_again()
    qtbot.waitUntil(lambda: opened.opening.simulation is None, timeout=60000)
    qtbot.waitUntil(lambda: not opened.opening.loaders, timeout=20000)
    assert len(opened.state.runs) == 2
    assert opened.state.view.hidden == ("host",)
    assert opened.state.view.pinned == ("array",)
    assert opened.state.window == (end // 10, end // 5)
    assert opened.state.view.time_ps == end // 8
    opened.state.back()
    assert opened.state.window == (0, opened.state.end_ps)
    assert "latency" in opened.what_if.told.text()
    assert opened.state.compared[0].design_name in opened.runs.told.text()
    opened.what_if.told.linkActivated.emit("aligned")
    assert opened.panels["aligned"].isVisible()
    opened.state.edit("show", hidden=(), pinned=())


def test_every_action_may_be_triggered_before_anything_is_open(window, monkeypatch, qtbot):
    for asked in ("getExistingDirectory", "getOpenFileName", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, asked, lambda *a, asked=asked, **k: (
            "" if asked == "getExistingDirectory" else ("", "")))  # fmt: skip
    told = []
    window.opening.problem.connect(lambda line, _details: told.append(line))
    for id_, action in window.registry.actions.items():
        if id_ in ("file.quit", "help.demo"):
            continue
        action.trigger()
        for dialog in window.findChildren(QDialog):
            dialog.done(0)
        qtbot.wait(0)
    for name in window.docks:
        window.show_panel(name)
        qtbot.wait(0)
    window.tour.end()
    window.errors.done(0)
    assert all("Traceback" not in line for line in told)
    assert window.state.run is None


def test_the_timeline_alone_and_back_and_a_layout_is_reset(opened, qtbot):
    shown = {name for name, dock in opened.docks.items() if not dock.isHidden()}
    QTest.keyClick(opened.timeline, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    assert all(dock.isHidden() for dock in opened.docks.values())
    assert opened.timeline.isVisible()
    QTest.keyClick(opened.timeline, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    assert {name for name, dock in opened.docks.items() if not dock.isHidden()} == shown
    opened.docks["memory"].close()
    opened.docks["details"].setFloating(True)
    opened.registry.actions["panel.reset"].trigger()
    assert not opened.docks["memory"].isHidden()
    assert not opened.docks["details"].isFloating()
