"""A counter of which every start and end of the large run is a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gui.benchmark.rows import Row, frames, timed
from gui.benchmark.runs import LARGE
from gui.benchmark.timeline import SIZE, journeys

COUNTER_MS = 12.0


def measure_counter(folder: Path, batch: int) -> list[Row]:
    """Drawing it large, at every zoom."""
    from PyQt6.QtCore import QRectF
    from PyQt6.QtGui import QGuiApplication, QImage, QPainter

    application = QGuiApplication([])
    from gui.painting.counter_picture import draw_counter
    from gui.painting.lane_picture import Window
    from gui.painting.palette import palette
    from gui.views.run_data import open_run

    run = open_run(folder / LARGE)
    store = _components_at_work(run)
    image = QImage(*SIZE, QImage.Format.Format_RGB32)
    colours = palette("light")
    rows = [Row("samples", len(store.times), "")]
    everything: list[float] = []
    for name, windows in journeys(run.makespan_ps).items():
        spent = []
        for start, end in windows:
            painter = QPainter(image)
            window = Window(start, end, 0, SIZE[0])
            area = QRectF(0, 0, SIZE[0], 400)

            def draw(p: Any = painter, a: QRectF = area, w: Window = window) -> None:
                draw_counter(p, store, a, w, colours.series[0], colours)

            spent.append(timed(draw))
            painter.end()
        rows += frames(name, spent, COUNTER_MS, COUNTER_MS)
        everything += spent
    rows += frames("all frames", everything, COUNTER_MS, COUNTER_MS)
    application.quit()
    return rows


def _components_at_work(run: Any) -> Any:
    from gui.views.counter_store import CounterStore

    stored = run.timeline.stored
    edges = np.concatenate([stored["start"], stored["end"]])
    change = np.ones(len(edges), np.int8)
    change[len(stored["start"]) :] = -1
    order = np.argsort(edges, kind="stable")
    times, active = edges[order], np.cumsum(change[order], dtype=np.float64)
    kept = np.append(times[1:] != times[:-1], True)
    return CounterStore("components at work", "", times[kept], active[kept], run.makespan_ps)
