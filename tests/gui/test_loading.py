"""Nothing that is opened holds the window up, and nothing wrong with it ends the program."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from cosim.explore.store import ResultStore, Row
from gui.painting.power import _note
from gui.widgets.opening import LARGE_STORE_BYTES, MANY_FOLDERS

POINTS = 6000


def rows(first: int, stop: int) -> list[Row]:
    padding = {f"of layer {n}": n for n in range(12)}
    return [
        Row(f"{n:032x}", "1", "net", "board", {"design.engine.array.rows": n},
            {"latency_s": 1.0 / (n + 1), "energy_j": 2e-3, "more": padding})
        for n in range(first, stop)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def large_store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "sweep.sqlite"
    with ResultStore(path) as store:
        store.add(rows(0, POINTS))
    assert path.stat().st_size > LARGE_STORE_BYTES
    return path


def loaded(window, qtbot) -> None:
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)


def test_a_large_store_is_read_in_a_thread(window, large_store, qtbot):
    window.opening.open_paths([large_store])
    assert window.state.table is None
    assert [worker.is_running for worker in window.opening.loaders] == [True]
    loaded(window, qtbot)
    assert len(window.state.table) == POINTS
    assert window.state.store == large_store


def test_the_table_that_was_asked_for_last_is_shown(window, large_store, tmp_path, qtbot):
    small = tmp_path / "sweep.sqlite"
    with ResultStore(small) as store:
        store.add(rows(0, 7))
    window.opening.open_paths([large_store])
    window.opening.open_paths([small])
    loaded(window, qtbot)
    qtbot.wait(1)
    assert len(window.state.table) == 7


def test_the_window_closes_while_a_table_is_read(window, large_store):
    window.opening.open_paths([large_store])
    window.close()
    assert not window.opening.loaders


def test_a_store_that_is_being_written_shows_what_is_there(window, large_store, tmp_path, qtbot):
    path = tmp_path / "sweep.sqlite"
    shutil.copy(large_store, path)
    with ResultStore(path) as writing:
        writing.add(rows(POINTS, POINTS + 5))
        window.opening.open_paths([path])
        loaded(window, qtbot)
        assert len(window.state.table) == POINTS + 5
        writing.add(rows(POINTS + 5, POINTS + 9))
    window.opening.open_paths([path])
    loaded(window, qtbot)
    assert len(window.state.table) == POINTS + 9


@pytest.mark.parametrize("size", [100, LARGE_STORE_BYTES + 1])
def test_a_file_that_is_no_store_is_told_in_one_line(window, tmp_path, qtbot, size):
    broken = tmp_path / "sweep.sqlite"
    broken.write_bytes(b"no store" * (size // 8 + 1))
    told = []
    window.opening.problem.connect(lambda line, _details: told.append(line))
    window.opening.open_paths([broken])
    loaded(window, qtbot)
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert len(told) == 1
    assert "\n" not in told[0]
    window.errors.done(0)


def test_a_folder_of_many_runs_is_read_in_a_thread(window, run_path, tmp_path, qtbot):
    for number in range(MANY_FOLDERS + 1):
        folder = tmp_path / "points" / f"{number:04}"
        folder.mkdir(parents=True)
        for name in ("manifest", "summary", "program"):
            (folder / f"{name}.json").symlink_to(run_path / f"{name}.json")
    shutil.rmtree(tmp_path / "points" / "0000")
    shutil.copytree(run_path, tmp_path / "points" / "0000")
    window.opening.open_paths([tmp_path / "points"])
    loaded(window, qtbot)
    assert len(window.state.table) == MANY_FOLDERS + 1


def test_a_run_that_is_deleted_while_it_is_shown_stays_in_sight(window, run_path, tmp_path, qtbot):
    folder = tmp_path / "läufe ☃" / "gone"
    shutil.copytree(run_path, folder)
    window.opening.open_run(folder)
    shutil.rmtree(folder)
    loaded(window, qtbot)
    assert window.state.run.intervals.ready
    window.navigation.zoom_in()
    window.navigation.select(3)
    window.state.add_marker(1000)
    for name in window.docks:
        window.show_panel(name)
        qtbot.wait(1)
    told = []
    window.opening.problem.connect(lambda line, _details: told.append(line))
    window.opening.reload()
    assert len(told) == 1
    assert "no such run folder" in told[0]
    window.errors.done(0)
    assert window.state.run is not None


def test_notes_that_cannot_be_saved_are_told(opened, monkeypatch):
    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError("read-only")

    told = []
    opened.state.message.connect(told.append)
    monkeypatch.setattr(Path, "write_text", refuse)
    opened.state.add_marker(1000, "here")
    assert [m.text for m in opened.state.view.markers] == ["here"]
    assert any("read-only" in line for line in told)


def test_opening_and_closing_runs_leaves_no_maps_and_no_files_open(window, run_path, qtbot):
    def columns_mapped() -> int:
        maps = Path("/proc/self/maps")
        if not maps.exists():
            pytest.skip("only where the system says what is mapped")
        return sum(str(run_path) in line for line in maps.read_text().splitlines())

    import gc

    before = columns_mapped()
    for _ in range(3):
        window.opening.open_run(run_path)
        loaded(window, qtbot)
        window.state.change(selected=5, time_ps=10)
        window.opening.reload()
        loaded(window, qtbot)
        window.opening.close_run(window.state.run)
    qtbot.wait(1)
    gc.collect()
    assert window.state.run is None
    assert columns_mapped() == before


def test_the_stores_own_library_is_what_is_asked(large_store):
    """The store under test is one that others could be writing."""
    connection = sqlite3.connect(large_store)
    (mode,) = connection.execute("pragma journal_mode").fetchone()
    connection.close()
    assert mode == "wal"


def test_two_windows_write_about_one_run_without_losing_each_others_notes(
    opened, run_path, tmp_path, qtbot
):
    from PyQt6.QtCore import QSettings

    from gui.views.notes import load_notes, notes_file
    from gui.widgets.main_window import MainWindow

    settings = QSettings(str(tmp_path / "other.ini"), QSettings.Format.IniFormat)
    settings.setValue("tour/seen", True)
    other = MainWindow(settings)
    other.opening.open_run(run_path)
    loaded(other, qtbot)
    opened.state.add_marker(1000, "one")
    other.state.add_marker(2000, "other")
    opened.state.add_marker(3000, "one again")
    opened.state.bookmark("1")
    other.state.bookmark("2")
    opened.state.remove_marker(0)
    kept = load_notes(run_path)
    assert [m.text for m in kept.markers] == ["other", "one again"]
    assert set(kept.bookmarks) == {"1", "2"}
    other.opening.close_run(other.state.run)  # which saves nothing that is old
    assert load_notes(run_path) == kept
    other.close()
    other.deleteLater()
    notes_file(run_path).unlink()


@pytest.fixture
def without_summary(run_path, tmp_path) -> Path:
    """A run whose summary holds nothing but its length."""
    folder = tmp_path / "bare"
    shutil.copytree(run_path, folder)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    kept = {"makespan_ps": summary["makespan_ps"]}
    (folder / "summary.json").write_text(json.dumps(kept), encoding="utf-8")
    return folder


def test_what_a_summary_does_not_hold_is_said_in_words(window, without_summary, qtbot):
    window.opening.open_run(without_summary)
    loaded(window, qtbot)
    window.show_panel("power")
    window.panels["power"].viewport().repaint()
    drawn = {hit.key for hit in window.panels["power"].scene_drawn.hits if hit.kind == "counter"}
    assert {"power", "DRAM bandwidth"} <= drawn
    assert "its summary.json says no mean and no peak" in _note(window.state.run)
    assert window.breakdown.model.rowCount() == 0


@pytest.mark.parametrize(("panel", "key"), [
    ("breakdown", "breakdown_ps"), ("roofline", "roofline"), ("energy", "energy_j"),
])  # fmt: skip
def test_a_picture_without_its_numbers_names_them(without_summary, panel, key, tmp_path, capsys):
    from cosim.cli.main import main

    picture = tmp_path / "picture.png"
    assert main(["render", str(without_summary), "--view", panel, "-o", str(picture)]) != 0
    [line] = capsys.readouterr().err.strip().splitlines()
    assert f"holds no '{key}'" in line
    assert "summary.json" in line
    assert not picture.exists()
