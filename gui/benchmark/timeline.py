"""Opening a run, and panning and zooming in its timeline."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from gui.benchmark.rows import Row, frames, timed
from gui.benchmark.runs import COMPRESSED, LARGE

FRAMES = 80
SIZE = (1600, 900)
DEEPEST_PS = 400_000

MEDIAN_MS, MOST_MS, FIRST_MS, MEMORY_MB = 8.0, 20.0, 1000.0, 700.0


def measure_large(folder: Path, batch: int) -> list[Row]:
    """Opening, first picture, frames and memory of the run of ten million intervals."""
    return _measure(folder / LARGE)


def measure_compressed(folder: Path, batch: int) -> list[Row]:
    """The same of the run that stands for a billion."""
    return _measure(folder / COMPRESSED)


def _measure(path: Path) -> list[Row]:
    from PyQt6.QtWidgets import QApplication

    application = QApplication([])
    from gui.views.run_data import open_run
    from gui.widgets.navigation import Navigation
    from gui.widgets.state import State
    from gui.widgets.time_panel import TimelinePanel

    state = State()
    panel = TimelinePanel(state, Navigation(state), "timeline")
    panel.resize(*SIZE)
    panel.show()
    application.processEvents()
    wall, cpu = time.perf_counter(), time.process_time()
    run = open_run(path)
    state.add_run(run)
    repaint(panel)
    first_wall, first_cpu = time.perf_counter() - wall, time.process_time() - cpu
    details = timed(run.prepare)
    state.changed.emit({"data"})
    rows = [
        Row("first picture after opening", 1e3 * first_cpu, goal=FIRST_MS),
        Row("    as waited for, with what else ran", 1e3 * first_wall, "ms"),
        Row("details from the worker", details),
    ]
    whole = run.makespan_ps
    everything: list[float] = []
    for name, windows in journeys(whole).items():
        spent = [_frame(state, panel, window) for window in windows]
        rows += frames(name, spent, MEDIAN_MS, MOST_MS)
        everything += spent
    rows += frames("all frames", everything, MEDIAN_MS, MOST_MS)
    part = whole // 5, whole * 7 // 10
    sums = timed(lambda: [lane.totals(*part) for lane in run.intervals.lanes])
    rows.append(Row("statistics of half the run, all lanes", sums))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(Row("peak memory", peak, "MB", MEMORY_MB))
    panel.close()
    return rows


def journeys(whole: int) -> dict[str, list[tuple[int, int]]]:
    """Windows of the frames of pans and zooms over a run."""
    deep = max(DEEPEST_PS, whole // 1_000_000)

    def steps(first: int, last: int) -> list[int]:
        found: list[int] = np.linspace(first, last, FRAMES).astype(int).tolist()
        return found

    return {
        "pan over half the run": [(s, s + whole // 2) for s in steps(0, whole // 2)],
        "zoom from all to the deepest": [
            (int(whole * 0.37), int(whole * 0.37) + int(width))
            for width in np.geomspace(whole * 0.6, deep, FRAMES)
        ],
        "pan at a thousandth": [(s, s + whole // 1000) for s in steps(whole // 3, whole // 2)],
        "pan at the deepest": [
            (s, s + deep) for s in steps(whole // 3, whole // 3 + 40 * deep)
        ],
    }  # fmt: skip


def repaint(panel: Any) -> None:
    """Draw a panel now."""
    panel.viewport().repaint()


def _frame(state: Any, panel: Any, window: tuple[int, int]) -> float:
    def run() -> None:
        state.go(*window)
        repaint(panel)

    return timed(run)
