"""Makes the golden pictures: ``python -m tests.gui.golden``.

The runs they show are real ones, frozen in ``golden/runs.tar.xz`` (made anew with ``--runs``), so
that pictures change only when drawing does.
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PyQt6.QtGui import QImage

from gui.painting.picture import image_of
from gui.painting.scene import Stores
from gui.views.design_table import table_of_folders
from gui.views.run_data import find_runs, open_run
from gui.views.view import PANELS, Marker, View

FOLDER = Path(__file__).parent / "golden"
ARCHIVE = FOLDER / "runs.tar.xz"
SIZE = (560, 340)
THEMES = ("light", "dark")


@contextmanager
def frozen_runs() -> Iterator[Path]:
    """The frozen runs, unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def views(end_ps: int) -> dict[str, View]:
    """What is drawn of every panel."""
    third = end_ps // 3
    shown = {panel: View(panel=panel) for panel in PANELS}
    shown["timeline"] = View(critical=True, markers=(Marker(third, "third"),))
    shown["timeline near"] = View(
        start_ps=third, end_ps=third + end_ps // 60, time_ps=third + end_ps // 150,
        range_ps=(third + end_ps // 120, third + end_ps // 90), arrows=True,
    )  # fmt: skip
    shown["machine"] = View(panel="machine", time_ps=third)
    return shown


def pictures(folder: Path) -> Iterator[tuple[str, QImage]]:
    """Every golden picture by name."""
    runs = tuple(open_run(path) for path in find_runs(folder))
    for run in runs:
        run.prepare()
    table = table_of_folders([run.path for run in runs])
    for name, view in views(runs[0].makespan_ps).items():
        several = view.panel in ("compare", "aligned")
        stores = Stores(runs if several else runs[:1], table, (0,))
        for theme in THEMES:
            image = image_of(replace(view, theme=theme), stores, SIZE)
            yield f"{name} {theme}".replace(" ", "-"), image


def write_runs() -> None:
    """Freeze new runs."""
    import cosim.design as designs
    from cosim.design.design import Design
    from cosim.workload.networks import load_or_capture
    from tests.gui.conftest import write

    workload = load_or_capture("mlp", {}, mode="training", batch=8, optimizer="sgd")
    with tempfile.TemporaryDirectory() as folder:
        for name, changes in (("a", {"power.budget": "1 W"}), ("b", {"engine.array.rows": 16})):
            design = designs.load("ultra96", changes)
            write(Path(folder) / name, workload, Design(**{**vars(design), "name": name}))
        with tarfile.open(ARCHIVE, "w:xz") as archive:
            for path in sorted(Path(folder).iterdir()):
                archive.add(path, path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", action="store_true", help="freeze new runs first")
    FOLDER.mkdir(exist_ok=True)
    if parser.parse_args().runs:
        write_runs()
    with frozen_runs() as folder:
        for name, image in pictures(folder):
            plain = image.convertToFormat(QImage.Format.Format_RGB888)
            plain.save(str(FOLDER / f"{name}.png"), "PNG", 0)


if __name__ == "__main__":
    main()
