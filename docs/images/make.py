"""Makes the pictures of the README: ``python docs/images/make.py``.

It runs two points of the demo scenario and ResNet-18, opens the desktop program without a screen,
and grabs what it shows. Nothing is drawn by hand.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PyQt6.QtCore import QSettings
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from cosim.explore.run_scenario import run_scenario
from cosim.explore.scenario import DesignEntry, Scenario, WorkloadEntry
from gui.widgets.main_window import MainWindow

HERE = Path(__file__).parent
SIZE = (1440, 900)


def make_runs(folder: Path) -> dict[str, Path]:
    """A training step with and without a power budget, and ResNet-18 on two machines."""
    budget = {"power.budget": "1 W"}
    points = {
        "training": (
            WorkloadEntry("train-mlp", "mlp", mode="training", batch=64),
            [DesignEntry("ultra96", "ultra96"), DesignEntry("ultra96, 1 W", "ultra96", budget)],
        ),
        "resnet": (
            WorkloadEntry("resnet18-int8", "resnet18", options={"bits_w": 8, "bits_a": 8}),
            [DesignEntry("ultra96", "ultra96"), DesignEntry("edge-asic", "edge-asic-16x16")],
        ),
    }
    found = {}
    for name, (workload, designs) in points.items():
        scenario = Scenario(name, "", "", (workload,), tuple(designs))
        result = run_scenario(scenario, scenario.points(), folder / name)
        for kept in result.results:
            found[f"{name} {kept.point.design.name}"] = kept.run_dir
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs = make_runs(folder)
        application = QApplication.instance() or QApplication(sys.argv[:1])
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("tour/seen", True)
        window = MainWindow(settings)
        window.resize(*SIZE)
        window.show()

        def settle() -> None:
            while window.opening.loaders:
                QTest.qWait(20)
            QTest.qWait(100)

        def grab(name: str, prepare: Callable[[], object]) -> None:
            prepare()
            settle()
            image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
            image.save(str(HERE / f"{name}.png"), "PNG", 0)
            print(f"wrote {HERE.name}/{name}.png")

        grab("desktop-timeline", lambda: _training(window, runs))
        grab("desktop-machine", lambda: _machine(window))
        grab("desktop-memory", lambda: _memory(window, runs))
        grab("desktop-compare", lambda: _compare(window, runs, folder))
        window.close()
        assert application is not None
    return 0


def _training(window: MainWindow, runs: dict[str, Path]) -> None:
    window.opening.open_run(runs["training ultra96, 1 W"])
    while window.opening.loaders:
        QTest.qWait(20)
    path = window.state.run.critical.numbers
    window.navigation.select(int(path[len(path) // 3]))
    start, end = window.state.window
    window.state.go(start + (end - start) // 3, end - (end - start) // 3)
    window.state.change(critical=True)


def _machine(window: MainWindow) -> None:
    window.state.change(theme="dark")
    window.show_panel("machine")


def _memory(window: MainWindow, runs: dict[str, Path]) -> None:
    window.state.change(theme="light", critical=False)
    window.opening.open_run(runs["resnet ultra96"])
    window.show_panel("memory")


def _compare(window: MainWindow, runs: dict[str, Path], folder: Path) -> None:
    window.opening.open_paths([folder / "resnet"])
    while window.opening.loaders:
        QTest.qWait(20)
    window.opening.open_rows((0, 1))
    window.show_panel("compare")
    window.show_panel("what-if")


if __name__ == "__main__":
    sys.exit(main())
