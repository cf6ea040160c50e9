"""Choosing something in one panel, until every panel in sight shows it."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gui.benchmark.rows import FRAME_MS, Row, frames, timed
from gui.benchmark.runs import LARGE, LAYERS
from gui.benchmark.timeline import FRAMES, MEMORY_MB, journeys

Change = Callable[[], object]


def measure_selection(folder: Path, batch: int) -> list[Row]:
    """The whole window on a run of many layers, each panel in front in turn."""
    return _measure(folder, LAYERS)


def measure_large_selection(folder: Path, batch: int) -> list[Row]:
    """The whole window on the run of ten million intervals."""
    rows = _measure(folder, LARGE)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*rows, Row("peak memory, whole window", peak, "MB", MEMORY_MB)]


def _measure(folder: Path, name: str) -> list[Row]:
    from PyQt6.QtCore import QSettings
    from PyQt6.QtWidgets import QApplication

    application = QApplication([])
    from gui.views.run_data import find_runs
    from gui.widgets.main_window import MainWindow

    settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
    settings.clear()
    settings.setValue("tour/seen", True)
    window = MainWindow(settings)
    window.resize(1600, 1000)
    window.show()
    window.opening.open_run(find_runs(folder / name)[0])
    while window.opening.loaders:
        application.processEvents()

    def shown() -> None:
        application.sendPostedEvents()
        application.processEvents()

    def spent(changes: list[Change]) -> list[float]:
        shown()
        return [timed(lambda c=change: (c(), shown())) for change in changes]

    changes = _changes(window)
    rows = [Row("intervals", len(window.state.run.timeline), "")]
    for what, made in changes.items():
        rows += frames(f"{what}, all panels in sight", spent(made), FRAME_MS, FRAME_MS)
    for dock in window.docks:
        window.show_panel(dock)
        window.state.go(0, window.state.end_ps)
        everything = [ms for made in changes.values() for ms in spent(made[:: FRAMES // 20])]
        rows += frames(f"with {dock} in front", everything, FRAME_MS, FRAME_MS)
        windows = journeys(window.state.end_ps)["pan at a thousandth"][::4]
        moved = spent([lambda w=w: window.state.go(*w) for w in windows])
        rows += frames(f"    moving with {dock} in front", moved)
    window.close()
    return rows


def _changes(window: Any) -> dict[str, list[Change]]:
    """What is chosen, by kind."""
    run, state = window.state.run, window.state
    numbers = np.linspace(0, len(run.timeline) - 1, FRAMES).astype(int).tolist()
    spans = [run.intervals.interval(number) for number in numbers]
    layers = [run.layers[i % len(run.layers)] for i in range(FRAMES)]
    return {
        "interval": [lambda n=n, s=s: state.change(selected=n, time_ps=s.start_ps)
                     for n, s in zip(numbers, spans, strict=True)],
        "layer": [lambda s=s: state.change(layer=s.name) for s in layers],
        "range": [lambda s=s: state.change(range_ps=(s.start_ps // 2, s.end_ps)) for s in spans],
    }  # fmt: skip
