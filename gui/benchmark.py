"""How fast the desktop program draws: CPU milliseconds a frame, and memory.

``python -m gui.benchmark`` makes two real runs (one of ten million stored intervals, one that
stands for a billion), opens them in processes of their own, and prints what frames cost. CPU time
is that of the whole process, so that a busy machine changes it little; no screen is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

FRAMES = 80
SIZE = (1600, 900)
DEEPEST_PS = 400_000
LAYERS = "resnet18"
"""Folder of the run of many layers."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gui.benchmark", description=__doc__)
    parser.add_argument("--keep", metavar="DIR", type=Path, help="make the runs here, keep them")
    parser.add_argument("--batch", type=int, default=6912, help="of the run of 1e7 intervals")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--part", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if args.part:
        print(json.dumps(PARTS[args.part](args.keep, args.batch)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        results = {name: _in_process(name, folder, args.batch) for name in PARTS}
    print(json.dumps(results, indent=1) if args.json else _table(results))
    return 0


def _in_process(part: str, folder: Path, batch: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "gui.benchmark", "--part", part, "--keep", str(folder),
               "--batch", str(batch)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{part} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = []
    for part, values in results.items():
        lines.append(part)
        lines += [f"  {name:<44} {value}" for name, value in values.items()]
    return "\n".join(lines)


# Runs


def make_runs(folder: Path, batch: int) -> dict[str, Any]:
    """A perceptron on a small array with tiny buffers: many tiles; and ResNet-18: many layers."""
    from gui.views.run_data import find_runs, open_run

    sizes = {}
    for name, samples, forward in (("large", batch, False), ("compressed", 1_000_000, True)):
        if not (folder / name / "manifest.json").is_file():
            _make_run(folder / name, samples, forward)
    if not find_runs(folder / LAYERS):
        from cosim.explore.run_scenario import run_scenario
        from cosim.explore.scenario_file import read_scenario

        scenario = read_scenario("resnet18")
        run_scenario(scenario, scenario.points()[:1], folder / LAYERS)
    for name in ("large", "compressed", LAYERS):
        run = open_run(find_runs(folder / name)[0])
        stored = len(run.timeline.stored["end"])
        sizes[f"intervals of the {name} run"] = f"{len(run.timeline):,} ({stored:,} stored)"
    return sizes


def _make_run(folder: Path, batch: int, fast_forward: bool) -> None:
    import cosim.design as designs
    from cosim.machine.execute import run as execute
    from cosim.machine.program_file import program_to_data
    from cosim.mapping.mapping import map_workload
    from cosim.timeline.run_folder import write_run
    from cosim.workload.networks import load_or_capture

    buffers = ("input", "weight", "accumulator", "output")
    design = designs.load(
        "edge-asic-16x16",
        {"engine.array.rows": 4, "engine.array.columns": 4, "dram.capacity": "512 GiB",
         **{f"buffer.{name}.size": "3 KiB" for name in buffers}},
    )  # fmt: skip
    workload = load_or_capture("mlp", {}, mode="inference", batch=batch, optimizer="sgd")
    mapping = map_workload(workload, design)
    result = execute(mapping.program, fast_forward=fast_forward)
    write_run(
        folder, result.timeline, program=program_to_data(mapping.program),
        manifest={
            "workload": {"name": f"mlp, batch {batch}"},
            "design": {"name": "edge-asic-16x16, tiny", "values": asdict(design)},
            "facts": dict(mapping.program.facts), "makespan_ps": result.makespan_ps,
        },
        summary={"makespan_ps": result.makespan_ps, "breakdown_ps": {}, "layers": {}},
    )  # fmt: skip


# Timelines


def measure_large(folder: Path, batch: int) -> dict[str, Any]:
    """Opening, first picture, frames and memory of the run of ten million intervals."""
    return _measure_timeline(folder / "large")


def measure_compressed(folder: Path, batch: int) -> dict[str, Any]:
    """The same of the run that stands for a billion."""
    return _measure_timeline(folder / "compressed")


def _measure_timeline(path: Path) -> dict[str, Any]:
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
    _repaint(panel)
    first_wall, first_cpu = time.perf_counter() - wall, time.process_time() - cpu
    cpu = time.process_time()
    run.prepare()
    details = time.process_time() - cpu
    state.changed.emit({"data"})
    whole = run.makespan_ps
    result: dict[str, Any] = {
        "first picture after opening, ms (CPU / wall)":
            f"{1e3 * first_cpu:.0f} / {1e3 * first_wall:.0f}",
        "details from the worker, s CPU": round(details, 2),
    }  # fmt: skip
    for name, windows in _journeys(whole).items():
        spent = [_frame(lambda w=w: state.go(*w), panel) for w in windows]
        result[f"{name}, ms CPU a frame (median / 95 %)"] = _median(spent)
    everything = [_frame(lambda w=w: state.go(*w), panel)
                  for windows in _journeys(whole).values() for w in windows]  # fmt: skip
    result["all frames, ms CPU (median / 95 %)"] = _median(everything)
    third = [_timed(lambda: state.change(range_ps=(whole // 5, whole * 7 // 10)))]
    third.append(_timed(lambda: [s.totals(whole // 5, whole * 7 // 10)
                                 for s in run.intervals.lanes]))  # fmt: skip
    result["statistics of half the run, all lanes, ms CPU"] = f"{third[1]:.1f}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["peak memory, MB"] = round(peak)
    panel.close()
    return result


def _journeys(whole: int) -> dict[str, list[tuple[int, int]]]:
    deep = max(DEEPEST_PS, whole // 1_000_000)
    return {
        "pan over half the run": [
            (s, s + whole // 2) for s in np.linspace(0, whole // 2, FRAMES).astype(int).tolist()
        ],
        "zoom from all to the deepest": [
            (int(whole * 0.37), int(whole * 0.37) + int(w))
            for w in np.geomspace(whole * 0.6, deep, FRAMES)
        ],
        "pan at a thousandth": [
            (s, s + whole // 1000)
            for s in np.linspace(whole // 3, whole // 2, FRAMES).astype(int).tolist()
        ],
        "pan at the deepest": [
            (s, s + deep)
            for s in np.linspace(whole // 3, whole // 3 + 40 * deep, FRAMES).astype(int).tolist()
        ],
    }


def _repaint(panel: Any) -> None:
    panel.viewport().repaint()


def _frame(change: Callable[[], object], panel: Any) -> float:
    def run() -> None:
        change()
        _repaint(panel)

    return _timed(run)


def _timed(run: Callable[[], object]) -> float:
    """Milliseconds of CPU time."""
    begin = time.process_time()
    run()
    return 1e3 * (time.process_time() - begin)


def _median(spent: list[float]) -> str:
    return f"{np.median(spent):.1f} / {np.percentile(spent, 95):.1f}"


# Counters, tables, selection


def measure_counter(folder: Path, batch: int) -> dict[str, Any]:
    """A counter whose every start and end of the large run is a sample."""
    from PyQt6.QtCore import QRectF
    from PyQt6.QtGui import QGuiApplication, QImage, QPainter

    application = QGuiApplication([])
    from gui.painting.counter_picture import draw_counter
    from gui.painting.lane_picture import Window
    from gui.painting.palette import palette
    from gui.views.counter_store import CounterStore
    from gui.views.run_data import open_run

    run = open_run(folder / "large")
    stored = run.timeline.stored
    edges = np.concatenate([stored["start"], stored["end"]])
    change = np.ones(len(edges), np.int8)
    change[len(stored["start"]) :] = -1
    order = np.argsort(edges, kind="stable")
    times, active = edges[order], np.cumsum(change[order], dtype=np.float64)
    kept = np.append(times[1:] != times[:-1], True)
    store = CounterStore("components at work", "", times[kept], active[kept], run.makespan_ps)
    image = QImage(*SIZE, QImage.Format.Format_RGB32)
    spent: dict[str, list[float]] = {}
    for name, windows in _journeys(run.makespan_ps).items():
        for start, end in windows:
            painter = QPainter(image)
            window = Window(start, end, 0, SIZE[0])
            colours = palette("light")
            spent.setdefault(name, []).append(
                _timed(lambda p=painter, w=window, c=colours: draw_counter(
                    p, store, QRectF(0, 0, SIZE[0], 400), w, c.series[0], c))
            )  # fmt: skip
            painter.end()
    application.quit()
    result: dict[str, Any] = {"samples": f"{len(store.times):,}"}
    for name, values in spent.items():
        result[f"{name}, ms CPU a frame (median / 95 %)"] = _median(values)
    return result


def measure_table(folder: Path, batch: int, rows: int = 100_000) -> dict[str, Any]:
    """Sorting and filtering the table of design points."""
    from PyQt6.QtCore import Qt
    from PyQt6.QtWidgets import QApplication, QTableView

    application = QApplication([])
    from gui.views.design_table import table_of
    from gui.widgets.design_model import DesignModel

    random = np.random.default_rng(1)
    values = random.lognormal(size=(rows, 3))
    summaries = [
        {"workload": f"network-{i % 13}", "design": f"design {i}, rows {2 ** (i % 7)}",
         "latency_s": a, "energy_j": b, "peak_memory_bytes": c * 1e6}
        for i, (a, b, c) in enumerate(values.tolist())
    ]  # fmt: skip
    table = table_of(summaries, [{}] * rows, [None] * rows)
    model, view = DesignModel(), QTableView()
    model.show(table)
    view.setModel(model)
    view.resize(900, 600)
    view.show()
    application.processEvents()
    result: dict[str, Any] = {"rows": f"{rows:,}"}

    def shown(run: Callable[[], object]) -> float:
        def both() -> None:
            run()
            viewport = view.viewport()
            assert viewport is not None
            viewport.repaint()

        return _timed(both)

    order = Qt.SortOrder
    for column in range(model.columnCount()):
        name = model.headerData(column, Qt.Orientation.Horizontal)
        spent = [shown(lambda c=column, o=o: model.sort(c, o))
                 for o in (order.AscendingOrder, order.DescendingOrder)]  # fmt: skip
        result[f"sort by {name}, ms CPU"] = f"{max(spent):.1f}"
    for pattern in ("rows 64", "network-1.*rows (8|16)$", "nothing like this", ""):
        spent_ms = shown(lambda p=pattern: model.filter(p))
        result[f"filter '{pattern}', ms CPU"] = f"{spent_ms:.1f}"
    view.close()
    return result


def measure_selection(folder: Path, batch: int) -> dict[str, Any]:
    """Choosing an interval, a layer or a range, until every panel in sight shows it."""
    from PyQt6.QtCore import QSettings
    from PyQt6.QtWidgets import QApplication, QWidget

    application = QApplication([])
    from gui.views.run_data import find_runs
    from gui.widgets.main_window import MainWindow

    settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
    settings.setValue("tour/seen", True)
    window = MainWindow(settings)
    window.resize(1600, 1000)
    window.show()
    window.opening.open_run(find_runs(folder / LAYERS)[0])
    while window.opening.loaders:
        application.processEvents()
    run, state = window.state.run, window.state
    assert run is not None
    numbers = np.linspace(0, len(run.timeline) - 1, FRAMES).astype(int).tolist()
    spans = [run.intervals.interval(n) for n in numbers]
    changes: dict[str, list[Callable[[], object]]] = {
        "interval": [lambda n=n, s=s: state.change(selected=n, time_ps=s.start_ps)
                     for n, s in zip(numbers, spans, strict=True)],
        "layer": [lambda s=s: state.change(layer=s.name) for s in run.layers] * 3,
        "range": [lambda s=s: state.change(range_ps=(s.start_ps // 2, s.end_ps)) for s in spans],
    }  # fmt: skip

    def shown() -> None:
        application.sendPostedEvents()
        application.processEvents()

    result: dict[str, Any] = {"intervals": f"{len(run.timeline):,}"}
    for what, made in changes.items():
        shown()
        spent = [_timed(lambda c=c: (c(), shown())) for c in made[:FRAMES]]
        result[f"{what}, all panels in sight, ms CPU (median / 95 %)"] = _median(spent)
    for name in window.docks:
        window.show_panel(name)
        shown()
        widget = window.docks[name].widget()
        assert isinstance(widget, QWidget)
        slowest = 0.0
        for made in changes.values():
            spent = [_timed(lambda c=c: (c(), shown())) for c in made[:20]]
            slowest = max(slowest, float(np.median(spent)))
        result[f"with {name} in front, ms CPU (slowest median)"] = f"{slowest:.1f}"
    window.close()
    return result


PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "runs": make_runs,
    "run of 1e7 intervals": measure_large,
    "compressed run of 1e9 intervals": measure_compressed,
    "counter of 1e7 samples": measure_counter,
    "table of 1e5 design points": measure_table,
    "selection": measure_selection,
}


if __name__ == "__main__":
    sys.exit(main())
