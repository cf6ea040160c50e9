"""Real runs for the desktop program, and a check that no test leaves anything behind."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import cosim.design as designs
from cosim.analysis.summary import analyse, summarise
from cosim.design.design import Design
from cosim.machine.execute import run as execute
from cosim.machine.program_file import program_to_data
from cosim.mapping.mapping import map_workload
from cosim.timeline.run_folder import write_run
from cosim.workload.networks import load_or_capture
from cosim.workload.workload import Workload
from gui.views.notes import notes_file


def write(folder: Path, workload: Workload, design: Design, *, fast_forward: bool = True) -> Path:
    """Map, run and keep a run, as `cosim run` does where nothing has been compiled."""
    mapping = map_workload(workload, design)
    result = execute(mapping.program, executor="python", fast_forward=fast_forward)
    analysis = analyse(mapping.program, design, result.timeline, result.makespan_ps)
    names = {"workload": workload.name, "design": design.name}
    write_run(
        folder,
        result.timeline,
        program=program_to_data(mapping.program),
        manifest={
            "workload": {
                "name": workload.name,
                "mode": workload.mode,
                "batch": workload.batch,
                "source": {"network": "mlp", "options": {}, "optimizer": "sgd"},
            },
            "design": {
                "name": design.name,
                "base": "ultra96",
                "overrides": {},
                "values": asdict(design),
            },
            "varied": {},
            "facts": dict(mapping.program.facts),
            "makespan_ps": result.makespan_ps,
        },
        summary={**names, **summarise(analysis)},
    )
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three real runs: a training step on three machines."""
    folder = tmp_path_factory.mktemp("runs")
    pytest.importorskip("torch")
    workload = load_or_capture("mlp", {}, mode="training", batch=16, optimizer="sgd")
    for name, board, changes in (
        ("ultra96", "ultra96", {}),
        ("ultra96-tight", "ultra96", {"power.budget": "1 W"}),
        ("asic", "edge-asic-16x16", {}),
    ):
        design = designs.load(board, changes)
        named = Design(**{**vars(design), "name": name})
        write(folder / workload.name / name, workload, named)
    return folder


@pytest.fixture(scope="session")
def run_path(runs: Path) -> Path:
    """The run with the power budget."""
    return next(runs.glob("*/ultra96-tight"))


@pytest.fixture(scope="session")
def run(run_path: Path):
    """The same, opened and prepared; tests must not change it."""
    from gui.views.run_data import open_run

    opened = open_run(run_path)
    opened.prepare()
    return opened


@pytest.fixture(scope="session")
def deep_run(tmp_path_factory: pytest.TempPathFactory):
    """Millions of intervals in periods within periods within periods, opened and prepared."""
    from gui.views.run_data import open_run

    pytest.importorskip("torch")
    buffers = ("input", "weight", "accumulator", "output")
    changes = {"engine.array.rows": 4, "engine.array.columns": 4}
    design = designs.load(
        "edge-asic-16x16", {**changes, **{f"buffer.{name}.size": "3 KiB" for name in buffers}}
    )
    workload = load_or_capture("mlp", {}, mode="inference", batch=4000, optimizer="sgd")
    opened = open_run(write(tmp_path_factory.mktemp("deep") / "deep", workload, design))
    opened.prepare()
    return opened


@pytest.fixture
def settings(tmp_path: Path):
    """Settings in a file of the test's own."""
    from PyQt6.QtCore import QSettings

    kept = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    kept.setValue("tour/seen", True)
    return kept


@pytest.fixture
def window(qtbot, settings):
    """The main window; closed at the end, with nothing left behind."""
    from PyQt6 import sip
    from PyQt6.QtCore import QTimer
    from PyQt6.QtWidgets import QApplication

    from gui.widgets.main_window import MainWindow

    before = set(threading.enumerate())
    made = MainWindow(settings)
    made.resize(1300, 850)
    made.show()
    yield made
    qtbot.waitUntil(lambda: not made.opening.loaders, timeout=20000)
    made.close()
    assert made.opening.simulation is None
    running = [timer for timer in made.findChildren(QTimer) if timer.isActive()]
    assert not running, f"timers still run: {running}"
    sip.delete(made)
    gc.collect()
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.processEvents()
    left = [w for w in application.topLevelWidgets() if w.isVisible()]
    assert not left, f"windows are left: {left}"
    threads = {t for t in threading.enumerate() if t.is_alive()} - before
    assert not threads, f"threads are left: {threads}"


@pytest.fixture
def opened(window, run_path, qtbot):
    """The window with a prepared run, without notes that another test left beside it."""
    notes_file(run_path).unlink(missing_ok=True)
    window.opening.open_run(run_path)
    qtbot.waitUntil(lambda: not window.opening.loaders, timeout=20000)
    return window
