"""The window: every action, linked panels, opening, run control, and what must not end it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QDialog, QFileDialog, QMessageBox

from cosim.units import format_time
from gui.views.lanes import CATEGORIES
from gui.views.notes import notes_file
from gui.widgets.command_palette import CommandPalette, fuzzy
from gui.widgets.shortcut_sheet import ShortcutSheet


@pytest.fixture
def no_dialogs(monkeypatch):
    """File dialogs that are answered with 'cancel'."""
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: ("", ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: ("", ""))


def test_no_two_actions_share_a_key(window):
    assert window.registry.clashes() == []


def test_the_keys_of_the_interaction_contract_are_there(window):
    registry = window.registry
    expected = {
        "view.zoom_in": "W", "view.zoom_out": "S", "view.left": "A", "view.right": "D",
        "view.fit": "F", "view.all": "0", "view.back": "Backspace", "go.next": ".",
        "go.previous": ",", "go.consequence": "]", "go.cause": "[", "edit.marker": "M",
        "edit.find": "/", "edit.next": "F3", "go.palette": "Ctrl+Shift+P", "go.lane": "Ctrl+P",
        "edit.pin": "P", "help.keys": "?", "view.clear": "Esc", "run.back": "F4", "run.step": "F5",
        "run.run": "F6", "run.fast": "F7", "run.stop": "F8", "run.again": "Ctrl+F5",
        "view.keep.1": "Ctrl+1", "view.go.1": "1", "panel.details": "Q",
    }  # fmt: skip
    for id_, key in expected.items():
        assert key in registry.keys(id_), id_


def test_every_action_can_be_triggered(opened, run_path, no_dialogs):
    # these two would end the test or start a simulation; they have tests of their own
    apart = {"file.quit", "help.demo", "run.again"}
    opened.navigation.select(int(opened.state.run.critical.numbers[40]))
    for id_, action in opened.registry.actions.items():
        if id_ in apart:
            continue
        if opened.state.run is None:
            opened.opening.open_run(run_path)
        action.trigger()
        for dialog in opened.findChildren(QDialog):
            if isinstance(dialog, CommandPalette | ShortcutSheet | QMessageBox):
                dialog.done(0)
        opened.control.stop()
    opened.tour.end()


def test_every_action_explains_itself(window):
    for command in window.registry.commands.values():
        assert command.text
        assert len(command.help) > 3


def test_a_key_can_be_changed_and_not_taken_from_another(window, settings):
    registry = window.registry
    assert registry.set_keys("view.zoom_in", ("D",)) == "view.right"
    assert registry.set_keys("view.zoom_in", ("Ctrl+Alt+I",)) == ""
    assert registry.keys("view.zoom_in") == ("Ctrl+Alt+I",)
    assert registry.clashes() == []


def test_the_palette_finds_words_that_begin_so_before_others():
    assert fuzzy("crit", "View: Critical path") > fuzzy("crit", "a circuit")
    assert fuzzy("xyz", "Zoom in") is None


# Navigation


def test_zooming_keeps_the_instant_under_the_pointer(opened, qtbot):
    panel = opened.timeline
    panel.viewport().repaint()
    x = panel.scene_drawn.plot.left() + 0.3 * panel.scene_drawn.plot.width()
    before = panel.scene_drawn.time_at(x)
    place = QPointF(x, 120)
    wheel = QWheelEvent(
        place, place, QPoint(0, 0), QPoint(0, 240), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    panel.wheelEvent(wheel)
    panel.viewport().repaint()
    start, end = opened.state.window
    assert end - start < opened.state.end_ps
    assert abs(panel.scene_drawn.time_at(x) - before) <= (end - start) / 500


def test_zooming_does_not_lose_the_range(opened):
    opened.state.change(range_ps=(1000, 5000))
    opened.navigation.zoom_in()
    opened.navigation.pan_right()
    assert opened.state.view.range_ps == (1000, 5000)


def test_back_returns_through_zooms_and_forward_again(opened):
    state = opened.state
    whole = state.window
    state.go(100, 10_000_000)
    state.go(200, 1_000_000)
    state.back()
    state.back()
    assert state.window == whole
    state.forward()
    state.forward()
    assert state.window == (200, 1_000_000)


def test_a_gesture_is_one_step_back(opened):
    state = opened.state
    whole = state.window
    for _ in range(5):
        opened.navigation.zoom(1.3, gesture="wheel")
    state.back()
    assert state.window == whole


def test_cause_and_consequence_lead_back(opened):
    path = opened.state.run.critical.numbers
    opened.navigation.select(int(path[60]))
    opened.navigation.to_cause()
    assert opened.state.view.selected == int(path[59])
    opened.navigation.to_consequence()
    assert opened.state.view.selected == int(path[60])


def test_next_and_previous_stay_on_the_lane(opened):
    lane = opened.state.run.intervals.lanes[0]
    numbers = lane.index.numbers(0, 8).tolist()
    opened.navigation.select(numbers[3])
    opened.navigation.step_on_lane(1)
    assert opened.state.view.selected == numbers[4]
    opened.navigation.step_on_lane(-1)
    opened.navigation.step_on_lane(-1)
    assert opened.state.view.selected == numbers[2]


def test_what_is_selected_is_brought_into_sight(opened):
    opened.state.go(0, 1000)
    last = int(opened.state.run.critical.numbers[-1])
    opened.navigation.select(last)
    chosen = opened.state.run.intervals.interval(last)
    start, end = opened.state.window
    assert start <= chosen.start_ps
    assert chosen.end_ps <= end


def test_search_selects_matches_and_goes_around(opened):
    opened.search.field.setText("store")
    opened.search.step(False)
    first = opened.state.view.selected
    interval = opened.state.run.intervals.interval(first)
    assert interval.activity == "store"
    opened.search.step(True)
    assert opened.state.run.intervals.interval(opened.state.view.selected).activity == "store"
    assert opened.state.view.selected != first


def test_clicking_the_timeline_selects_what_is_there(opened, qtbot):
    panel = opened.timeline
    panel.viewport().repaint()
    body = next(h for h in panel.scene_drawn.hits if h.kind == "lane body")
    lane = next(s for s in opened.state.run.intervals.lanes if s.lane.name == body.key)
    rows = lane.rows(0, len(lane))
    widest = int(np.argmax(rows.end - rows.start))
    x = panel.scene_drawn.x_of(int((rows.start[widest] + rows.end[widest]) // 2))
    qtbot.mouseClick(
        panel.viewport(), Qt.MouseButton.LeftButton,
        pos=QPointF(x, body.rect.center().y()).toPoint(),
    )  # fmt: skip
    chosen = opened.state.run.intervals.interval(opened.state.view.selected)
    assert chosen.component == body.key


def test_dragging_selects_a_range_and_tells_its_sums(opened, qtbot):
    port = opened.timeline.viewport()
    opened.timeline.viewport().repaint()
    left = int(opened.timeline.scene_drawn.plot.left())
    a, b = QPointF(left + 60, 100).toPoint(), QPointF(left + 260, 100).toPoint()
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=a)
    qtbot.mouseMove(port, b)
    move = QMouseEvent(QEvent.Type.MouseMove, QPointF(b), QPointF(b), Qt.MouseButton.NoButton,
                       Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)  # fmt: skip
    opened.timeline.mouseMoveEvent(move)
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=b)
    low, high = opened.state.view.range_ps
    assert low < high
    totals = opened.state.run.intervals.lanes[0].totals(low, high)
    shown = {r[1]: r[3] for r in opened.details.model.rows if r[0] == "array"}
    assert shown == {CATEGORIES[code]: format_time(int(totals.sum_ps[code]), 4)
                     for code in np.flatnonzero(totals.count)}  # fmt: skip


# Linked panels


def test_a_layer_selected_in_a_chart_is_shown_by_all(opened):
    span = opened.state.run.layers[2]
    opened.panels["breakdown"].viewport().repaint()
    hit = next(h for h in opened.panels["breakdown"].scene_drawn.hits
               if h.kind == "layer" and h.key == span.name)  # fmt: skip
    opened.panels["breakdown"].clicked.emit(hit, Qt.KeyboardModifier.NoModifier)
    assert opened.state.view.layer == span.name
    start, end = opened.state.window
    assert start <= span.start_ps
    assert span.end_ps <= end


def test_a_selection_redraws_the_panels_that_show_it_and_no_other(opened, qtbot):
    for name in ("breakdown", "timeline"):
        opened.show_panel(name)
    qtbot.wait(10)
    frames = {name: panel.frames for name, panel in opened.panels.items()}
    opened.navigation.select(int(opened.state.run.critical.numbers[5]), reveal=False)
    qtbot.waitUntil(lambda: opened.timeline.frames > frames["timeline"], timeout=2000)
    assert opened.panels["breakdown"].frames == frames["breakdown"]


# Run control


def test_steps_go_from_event_to_event_and_back(opened):
    control = opened.control
    control.reset()
    seen = [0]
    for _ in range(6):
        control.step()
        seen.append(opened.state.view.time_ps)
    assert seen == sorted(set(seen))
    for expected in seen[-2::-1]:
        control.step_back()
        assert opened.state.view.time_ps == expected


def test_running_lets_time_pass_and_stops_at_the_end(opened):
    control = opened.control
    control.reset()
    control.run()
    control.advance(2.0)
    assert opened.state.view.time_ps == pytest.approx(0.2 * opened.state.end_ps, rel=1e-6)
    control.fast()
    control.advance(100.0)
    assert opened.state.view.time_ps == opened.state.end_ps
    assert not control.is_running


def test_run_until_a_layer_stops_where_it_begins(opened):
    span = opened.state.run.layers[-1]
    opened.control.reset()
    opened.machine.until_kind.setCurrentText("layer")
    opened.machine.until.setText(span.name)
    opened.machine._run_until()
    opened.control.advance(1000.0)
    assert opened.state.view.time_ps == span.start_ps


# Markers, lanes, files


def test_markers_are_undone_and_kept_beside_the_run(opened, run_path):
    opened.state.go(0, 4000)
    opened.state.change(time_ps=777)
    opened.registry.actions["edit.marker"].trigger()
    assert [m.time_ps for m in opened.state.view.markers] == [777]
    assert notes_file(run_path).is_file()
    opened.registry.actions["edit.undo"].trigger()
    assert opened.state.view.markers == ()
    assert not notes_file(run_path).is_file()


def test_a_hidden_lane_is_not_drawn_and_can_come_back(opened):
    def drawn() -> set[str]:
        opened.timeline.viewport().repaint()
        return {h.key for h in opened.timeline.scene_drawn.hits if h.kind == "lane"}

    assert "array" in drawn()
    opened.state.edit("hide", hidden=("array",))
    assert "array" not in drawn()
    opened.registry.actions["edit.show_all"].trigger()
    assert "array" in drawn()


def test_a_folder_of_runs_becomes_design_points_that_compare(window, runs, qtbot):
    window.opening.open_paths([runs])
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    assert len(window.state.table) == 3
    window.opening.open_rows((0, 1, 2))
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    assert len(window.state.compared) == 3
    for name in ("compare", "aligned"):
        window.show_panel(name)
        window.panels[name].viewport().repaint()
        assert window.panels[name].scene_drawn.hits


def test_reload_keeps_the_view(opened, qtbot):
    opened.state.go(1000, 900_000)
    shown = opened.state.window
    opened.registry.actions["file.reload"].trigger()
    qtbot.waitUntil(lambda: not opened.opening.loaders, timeout=20000)
    assert opened.state.window == shown
    assert len(opened.state.runs) == 1


def test_the_session_comes_back(opened, settings, qtbot):
    from gui.widgets.main_window import MainWindow

    opened.state.go(1000, 900_000)
    opened.session.save()
    again = MainWindow(settings)
    again.start([])
    qtbot.waitUntil(lambda: not again.opening.loaders, timeout=20000)
    assert again.state.run is not None
    assert again.state.window == opened.state.window
    again.close()
    again.deleteLater()


def test_a_truncated_run_is_told_and_the_program_goes_on(opened, run_path, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(run_path, broken)
    data = (broken / "start.npy").read_bytes()
    (broken / "start.npy").write_bytes(data[: len(data) // 2])
    told = []
    opened.opening.problem.connect(lambda line, _details: told.append(line))
    assert opened.opening.open_run(broken) is None
    assert len(told) == 1
    assert "start.npy" in told[0]
    assert "\n" not in told[0]
    opened.errors.done(0)
    opened.navigation.zoom_in()
    assert opened.state.run is not None


def test_what_is_no_run_is_told(window, tmp_path):
    told = []
    window.opening.problem.connect(lambda line, _details: told.append(line))
    window.opening.open_paths([tmp_path])
    assert "not a run folder" in told[0]
    window.errors.done(0)


def test_panels_draw_before_anything_is_prepared(window, run_path, monkeypatch):
    monkeypatch.setattr(window.opening, "load", lambda run: None)
    window.opening.open_run(run_path)
    for name, panel in window.panels.items():
        window.show_panel(name if name in window.docks else "designs")
        panel.resize(600, 300)
        panel.viewport().repaint()
    assert window.state.run is not None
    assert not window.state.run.intervals.ready


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_every_panel_is_exported(opened, tmp_path, form):
    for panel in opened.panels:
        file = tmp_path / f"{panel}.{form}"
        opened.opening.exporter.export(panel, "picture", file)
        assert file.stat().st_size > 1000, panel


def test_every_panel_has_a_table(opened, runs, tmp_path, qtbot):
    opened.opening.open_paths([runs])
    opened.opening.open_rows((0, 1))
    qtbot.waitUntil(lambda: not opened.opening.loaders, timeout=20000)
    for panel in opened.panels:
        file = tmp_path / f"{panel}.csv"
        opened.opening.exporter.export(panel, "table", file)
        lines = file.read_text(encoding="utf-8").splitlines()
        assert len(lines) > 1, panel
        assert "," in lines[0]


def test_the_tour_raises_its_panels_and_ends(opened):
    opened.tour.start()
    for _ in range(20):
        if not opened.tour.isVisible():
            break
        opened.tour.next.click()
    assert not opened.tour.isVisible()


@pytest.mark.parametrize("theme", ["light", "dark", "colour-blind", "colour-blind-dark"])
def test_themes_change_every_picture(opened, theme):
    opened.state.change(theme=theme)
    opened.timeline.viewport().repaint()
    image = opened.timeline.viewport().grab().toImage()
    dark = image.pixelColor(20, image.height() // 2).lightness() < 128
    assert dark == theme.endswith("dark")


def test_every_dock_has_one_tab(window, qtbot):
    from collections import Counter

    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QTabBar

    qtbot.wait(1)
    bars = window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)
    shown = [bar for bar in bars if bar.isVisible()]
    names = Counter(bar.tabText(i) for bar in shown for i in range(bar.count()))
    assert set(names.values()) == {1}
    assert "Values" in names
