"""Makes the pictures of the documentation: ``python docs/images/make.py [NAME...]``.

It runs scenarios, opens the desktop program without a screen and grabs what it shows, or draws as
`cosim render` does. Nothing is drawn by hand. The table of keys in ``docs/desktop.md`` is written
anew as well. A minute or two of work.
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

from cosim.cli.main import main as cosim
from gui.render import render
from gui.views.view import View
from gui.widgets.main_window import MainWindow
from gui.widgets.shortcut_sheet import keys_table

HERE = Path(__file__).parent
PAGE = HERE.parent / "desktop.md"
SIZE = (1440, 900)
RENDERED = 1500, 600

BITS_AND_BANDWIDTH = """
[[workload]]
name = "lenet5"
network = "lenet5"
options = { bits_w = 8, bits_a = 8 }

[[design]]
base = "edge-asic-16x16"

[vary]
"workload.options.bits_w" = [8, 4, 2]
"design.engine.array.dataflow" = ["weight-stationary", "output-stationary"]
"design.dram.bandwidth" = ["200 MB/s", "800 MB/s", "3.2 GB/s"]
"""

BEGIN, END = "<!-- keys -->\n", "<!-- end of keys -->\n"


class Studio:
    """The program, and runs to show in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        settings.setValue("tour/seen", True)
        self.window = MainWindow(settings)
        self.window.resize(*SIZE)
        self.window.show()

    def run(self, scenario: str, *only: str) -> Path:
        """The folder of a scenario's runs, made if it is not there."""
        folder = self.folder / Path(scenario).stem
        arguments = ["run", scenario, "--out", str(folder)]
        for pattern in only:
            arguments += ["--only", pattern]
        if not folder.exists() and cosim(arguments):
            raise SystemExit(f"cosim run {scenario} failed")
        return folder

    def open(self, folder: Path) -> None:
        self.window.opening.open_paths([folder])
        self.settle()

    def settle(self) -> None:
        while self.window.opening.loaders:
            QTest.qWait(20)
        QTest.qWait(100)

    def grab(self, name: str) -> None:
        self.settle()
        status = self.window.statusBar()
        if status is not None:
            status.clearMessage()
        image = self.window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        image.save(str(HERE / f"{name}.png"), "PNG", 0)


def training(studio: Studio) -> Path:
    folder = studio.run("edge-mnist", "train-mlp/ultra96*", "train-tt-mlp/ultra96")
    return folder / "train-mlp" / "ultra96-budget-1-W"


def desktop_timeline(studio: Studio) -> None:
    window = studio.window
    studio.open(training(studio))
    path = window.state.run.critical.numbers
    window.navigation.select(int(path[len(path) // 3]))
    start, end = window.state.window
    window.state.go(start + (end - start) // 3, end - (end - start) // 3)
    window.state.change(critical=True)
    window.show_panel("breakdown")
    studio.grab("desktop-timeline")
    window.state.change(critical=False)


def desktop_machine(studio: Studio) -> None:
    studio.open(training(studio))
    path = studio.window.state.run.critical.numbers
    studio.window.navigation.select(int(path[len(path) // 3]), reveal=False)
    studio.window.state.change(theme="dark")
    studio.window.show_panel("machine")
    studio.grab("desktop-machine")
    studio.window.state.change(theme="light")


def desktop_memory(studio: Studio) -> None:
    folder = studio.run("resnet18")
    studio.open(next(folder.glob("*/*/manifest.json")).parent)
    studio.window.show_panel("memory")
    studio.grab("desktop-memory")


def policies(studio: Studio) -> Path:
    return studio.run("power-policies", "*/ladder", "*/hot-board") / "resnet18-int8"


def aligned(studio: Studio) -> None:
    folder = policies(studio)
    runs = [folder / "ladder", folder / "hot-board"]
    render(runs, View(panel="aligned"), HERE / "aligned.png", (1300, 340))


def desktop_power(studio: Studio) -> None:
    studio.open(policies(studio) / "ladder")
    studio.window.show_panel("power")
    studio.grab("desktop-power")


def desktop_compare(studio: Studio) -> None:
    folder = training(studio).parent
    studio.open(folder)
    table = studio.window.state.table
    boards = [str(name) for name in table.texts["design"]]
    studio.window.opening.open_rows((boards.index("ultra96, budget 1 W"), boards.index("ultra96")))
    studio.settle()
    studio.window.show_panel("compare")
    studio.window.show_panel("what-if")
    studio.grab("desktop-compare")


def desktop_designs(studio: Studio) -> None:
    scenario = studio.folder / "bits-and-bandwidth.toml"
    scenario.write_text(BITS_AND_BANDWIDTH, encoding="utf-8")
    studio.open(studio.run(str(scenario)))
    window = studio.window
    table = window.state.table
    window.state.choose_rows(tuple(int(row) for row in table.pareto(["latency", "energy"])))
    window.designs.tabs.setCurrentIndex(1)
    window.show_panel("designs")
    studio.grab("desktop-designs")


def desktop_chart(studio: Studio) -> None:
    scenario = studio.folder / "bits-and-bandwidth.toml"
    scenario.write_text(BITS_AND_BANDWIDTH, encoding="utf-8")
    studio.open(studio.run(str(scenario)))
    window = studio.window
    window.show_panel("chart")
    for box, column in ((window.chart.choice.x, "design.dram.bandwidth"),
                        (window.chart.choice.by, "workload.options.bits_w")):  # fmt: skip
        box.setCurrentIndex(box.findData(column))
    window.chart.choice.log_x.setChecked(True)
    window.only_timeline()
    window.docks["chart"].show()
    window.show_panel("chart")
    studio.grab("desktop-chart")
    window.reset_layout()


def timeline(studio: Studio) -> None:
    training(studio)
    run = studio.folder / "edge-mnist" / "train-tt-mlp" / "ultra96"
    render([run], View(), HERE / "timeline.png", RENDERED)


def pipeline(studio: Studio) -> None:
    run = studio.run("finn-cnv") / "cnv-w1a1-batch-100" / "finn-cnv-ultra96"
    render([run], View(end_ps=900_000_000), HERE / "pipeline.png", (1200, 640))


PICTURES: tuple[Callable[[Studio], None], ...] = (
    desktop_timeline, desktop_machine, desktop_memory, desktop_power, desktop_compare,
    desktop_designs, desktop_chart, aligned, timeline, pipeline,
)  # fmt: skip


def write_keys(studio: Studio) -> None:
    """The table of keys in the page about the desktop program."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    table = keys_table(studio.window.registry)
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")


def main(names: list[str]) -> int:
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert application is not None
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder))
        write_keys(studio)
        for picture in PICTURES:
            name = picture.__name__.replace("_", "-")
            if not names or name in names:
                picture(studio)
                print(f"wrote {HERE.name}/{name}.png")
        studio.window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
