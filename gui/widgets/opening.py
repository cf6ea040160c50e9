"""Opening runs, folders and scenarios; running jobs; exporting. All that touches files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from PyQt6.QtCore import QObject, QSettings, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QMenu, QWidget

from cosim.errors import CosimError
from cosim.workload.networks import cache_directory
from gui.views.design_table import DesignTable, find_store, table_of_folders, table_of_store
from gui.views.run_data import Run, find_runs
from gui.views.view import View, is_view_file, load_view
from gui.views.what_if import Job, job_for
from gui.widgets.exporting import Exporter
from gui.widgets.loader import Loader, TableReader, Worker, try_open
from gui.widgets.simulation import Simulation
from gui.widgets.state import State

log = logging.getLogger(__name__)

MOST_RECENT = 12
MOST_OPENED = 6
"""Runs of a folder or selection that are opened at once; the others stay in the table."""

MANY_FOLDERS = 200
LARGE_STORE_BYTES = 1 << 20
"""More runs, or a larger result store, are read in a thread."""

DEMO = ("edge-mnist", ("train-mlp/ultra96, budget 1 W",))
"""Scenario and point of the demo run: training, with a power budget that is felt."""


class Opening(QObject):
    """What the window opens and starts."""

    problem = pyqtSignal(str, str)
    """A line, and details."""
    busy = pyqtSignal(str, float)
    started = pyqtSignal()
    simulated = pyqtSignal(list, bool)
    """Opened runs of a finished job, and whether it was a what-if."""
    failed = pyqtSignal(str)
    view_opened = pyqtSignal(str)
    """The panel that a view file is about."""
    ended = pyqtSignal()

    def __init__(self, state: State, settings: QSettings, window: QWidget) -> None:
        super().__init__(window)
        self.state, self.settings, self.window = state, settings, window
        self.loaders: list[Worker] = []
        self._table_wanted = 0
        self.simulation: Simulation | None = None
        self._base: Run | None = None
        self._recent_menu: QMenu | None = None
        self.exporter = Exporter(state, window)
        self.exporter.problem.connect(lambda line: self.problem.emit(line, ""))

    # Runs and folders

    def open_paths(self, paths: list[Path]) -> list[Run]:
        """Open run folders, folders of runs, and scenario files."""
        opened: list[Run] = []
        for path in paths:
            if path.suffix == ".json" and is_view_file(path):
                self.open_view(path)
                continue
            if path.suffix == ".toml":
                self.open_scenario(path)
                continue
            store = find_store(path)
            if store is not None:
                self.show_store(store)
                continue
            found = find_runs(path) if path.is_dir() else []
            if len(found) > 1:
                self.show_folder(path, found)
                found = found[:1]
            for folder in found or [path]:
                run = self.open_run(folder)
                if run is not None:
                    opened.append(run)
        return opened

    def open_run(self, path: Path, show: bool = True) -> Run | None:
        """Open one run folder; what is wrong with it is told."""
        run, why = try_open(path)
        if run is None:
            self.problem.emit(why, "")
            return None
        self.state.add_run(run, show)
        self.load(run)
        self._remember(path)
        return run

    def load(self, run: Run) -> None:
        """Prepare a run in a thread."""
        loader = Loader(run, self)
        loader.ready.connect(lambda what, part: self._ready(run, what, part))
        self._start(loader)

    def _start(self, worker: Worker) -> None:
        worker.failed.connect(lambda why: self.problem.emit(why, ""))
        worker.ended.connect(lambda: self._ended(worker))
        self.loaders.append(worker)
        worker.start()

    def _ready(self, run: Run, what: str, part: float) -> None:
        self.busy.emit(f"{run.name}: {what}" if what else "", part)
        self.state.changed.emit({"data"})

    def _ended(self, worker: Worker) -> None:
        worker.close()
        if worker in self.loaders:
            self.loaders.remove(worker)
        worker.deleteLater()
        self.busy.emit("", 1.0)
        self.state.changed.emit({"data"})

    def show_folder(self, path: Path, folders: list[Path]) -> None:
        """Show the runs below a folder as design points."""
        text = f"{len(folders)} runs below {path}: see Designs"
        many = len(folders) > MANY_FOLDERS
        self._show_table(path, lambda: table_of_folders(folders), many, lambda _: text)

    def show_store(self, store: Path) -> None:
        """Show the points of a sweep's result store; what is wrong with it is told."""

        def words(table: DesignTable) -> str:
            return f"{len(table)} points of {store}: see Designs"

        many = store.stat().st_size > LARGE_STORE_BYTES
        self._show_table(store, lambda: table_of_store(store), many, words, store)

    def _show_table(
        self, path: Path, read: Callable[[], DesignTable], in_thread: bool,
        words: Callable[[DesignTable], str], store: Path | None = None,
    ) -> None:  # fmt: skip
        """Show a table; what is read quickly is read at once, the last one asked for is shown."""
        self._table_wanted += 1
        wanted = self._table_wanted

        def show(table: DesignTable) -> None:
            if wanted == self._table_wanted:
                self.state.show_table(table, store)
                self.state.message.emit(words(table))
                self._remember(path)

        if in_thread:
            reader = TableReader(str(path), read, self)
            reader.made.connect(show)
            self.busy.emit(f"reading {path.name}", 0.0)
            self._start(reader)
            return
        try:
            show(read())
        except CosimError as error:
            self.problem.emit(str(error), "")

    def open_rows(self, rows: tuple[int, ...]) -> None:
        """Open the runs of design points, and compare them if they are several."""
        table = self.state.table
        if table is None:
            return
        folders = [table.folders[row] for row in rows]
        runs = []
        for folder in [f for f in folders if f is not None][:MOST_OPENED]:
            run = self._run_at(folder)
            if run is not None:
                runs.append(run)
        if runs:
            self.state.show_run(runs[0])
        if len(runs) > 1:
            self.state.compare(tuple(runs))
        if len(rows) > MOST_OPENED:
            self.state.message.emit(f"The first {MOST_OPENED} of {len(rows)} points were opened")

    def close_run(self, run: Run) -> None:
        """Close a run."""
        for loader in [one for one in self.loaders if one.run is run]:
            loader.close()
            self.loaders.remove(loader)
        self.state.close_run(run)

    def reload(self) -> None:
        """Read the shown run again; the view stays."""
        if self.state.run is not None:
            self.open_run(self.state.run.path)

    # Dialogs

    def ask_run(self) -> None:
        """Let one choose a run folder, or a folder of runs."""
        start = str(self.settings.value("folder", str(Path.cwd())))
        name = QFileDialog.getExistingDirectory(
            self.window, "Open a run, or a folder of runs", start
        )
        if name:
            self.settings.setValue("folder", name)
            self.open_paths([Path(name)])

    def ask_scenario(self) -> None:
        """Let one choose a scenario."""
        start = str(self.settings.value("folder", str(Path.cwd())))
        name, _ = QFileDialog.getOpenFileName(
            self.window, "Open a scenario", start, "Scenarios (*.toml)"
        )
        if name:
            self.open_scenario(Path(name))

    # Recent

    def _remember(self, path: Path) -> None:
        text = str(path.resolve())
        recent = [text, *(other for other in self.recent() if other != text)][:MOST_RECENT]
        self.settings.setValue("recent", recent)
        if self._recent_menu is not None:
            self.fill_recent(self._recent_menu)

    def recent(self) -> list[str]:
        """What was opened last."""
        value = self.settings.value("recent", [])
        return [str(v) for v in value] if isinstance(value, list) else [str(value)] if value else []

    def fill_recent(self, menu: QMenu) -> None:
        """List what was opened last."""
        self._recent_menu = menu
        menu.clear()
        for text in self.recent():
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(lambda _=False, t=text: self.open_paths([Path(t)]))
        menu.setEnabled(bool(self.recent()))

    # Jobs

    def open_scenario(self, path: Path) -> None:
        """Run a scenario's points in a process of its own, and show them as design points."""
        out = Path("runs") / path.stem
        self._remember(path)
        self.start_job(Job(str(out.resolve()), scenario=str(path)), None)

    def run_demo(self) -> None:
        """Run the demo."""
        scenario, only = DEMO
        self.start_job(Job(str(cache_directory() / "demo"), scenario=scenario, only=only), None)

    def run_again(self, run: Run, changes: dict[str, object]) -> None:
        """Run a run again with other parameters."""
        try:
            job = job_for(run, changes, cache_directory() / "what-if")
        except CosimError as error:
            self.failed.emit(str(error))
            return
        self.start_job(job, run)

    def start_job(self, job: Job, base: Run | None) -> None:
        """Start a job, if none runs."""
        if self.simulation is not None:
            self.state.message.emit("A simulation runs already; cancel it first")
            return
        self._base = base
        simulation = self.simulation = Simulation(self)
        simulation.progress.connect(lambda part, what: self.busy.emit(what, min(part, 0.999)))
        simulation.finished.connect(self._on_runs)
        simulation.failed.connect(self._on_failed)
        simulation.ended.connect(self._on_end)
        self.started.emit()
        self.busy.emit("starting", 0.0)
        simulation.start(job)

    def cancel(self) -> None:
        """Stop the running job."""
        if self.simulation is not None:
            self.simulation.cancel()

    def _on_runs(self, folders: list[Path]) -> None:
        state, base = self.state, self._base
        lanes = {name: getattr(state.view, name) for name in ("hidden", "pinned")}
        (start, end), time = state.window, state.view.time_ps
        zoomed = state.run is base and (start > 0 or end < state.end_ps)
        opened = [run for folder in folders[:1] if (run := self.open_run(folder)) is not None]
        if base is not None and opened:  # what is looked at stays in sight
            state.edit("lanes as before", **lanes)
            if zoomed:
                state.go(start, end)  # one step back is the whole run
            if time is not None and time <= state.end_ps:
                state.change(time_ps=time)
            state.compare((base, opened[0]))
        if len(folders) > 1:
            self.state.show_table(table_of_folders(folders))
            self.state.message.emit(f"{len(folders)} design points: see Designs")
        self.simulated.emit(opened, base is not None)

    def _on_failed(self, why: str) -> None:
        self.failed.emit(why)
        if why == "cancelled":
            self.state.message.emit("The simulation was cancelled")
        elif self._base is None:
            self.problem.emit(why, "")

    def _on_end(self) -> None:
        if self.simulation is not None:
            self.simulation.deleteLater()
            self.simulation = None
        self.busy.emit("", 1.0)
        self.ended.emit()

    # Views

    def save_view(self, panel: str = "timeline", path: Path | None = None) -> None:
        """Write the view of a panel to a file that `cosim render --view` draws."""
        if self.state.run is None:
            self.state.message.emit("There is no view to save: open a run first")
            return
        path = path or self.exporter.ask("view", "Views (*.json)", "json")
        if path is None:
            return
        shown = self.state.stores(panel).runs or (self.state.run,)
        runs = tuple(str(run.path.resolve()) for run in shown)
        try:
            replace(self.state.view, panel=panel, runs=runs).save(path)
        except OSError as error:
            self.problem.emit(str(error), "")
            return
        self.state.message.emit(f"Wrote {path}")

    def ask_view(self) -> None:
        """Ask for a view file and show it."""
        name, _ = QFileDialog.getOpenFileName(self.window, "Open a view", "", "Views (*.json)")
        if name:
            self.open_view(Path(name))

    def open_view(self, path: Path) -> None:
        """Open the runs of a view file, and show them as it says; what is wrong with it is told."""
        try:
            view = load_view(path)
        except CosimError as error:
            self.problem.emit(str(error), "")
            return
        runs = [run for name in view.runs
                if (run := self._run_at(path.parent / name)) is not None]  # fmt: skip
        if not runs and (view.runs or self.state.run is None):
            if not view.runs:
                self.problem.emit(f"{path}: the view names no run, and none is open", "")
            return
        if runs:
            self.state.show_run(runs[0])
        if len(runs) > 1:
            self.state.compare(tuple(runs))
        names = [f.name for f in fields(View) if f.name not in ("panel", "runs", "extra", "title")]
        self.state.change(**{name: getattr(view, name) for name in names})
        self._remember(path)
        self.view_opened.emit(view.panel)

    def _run_at(self, folder: Path) -> Run | None:
        """The run of a folder, opened if it is not."""
        known = [run for run in self.state.runs if run.path.resolve() == folder.resolve()]
        return known[0] if known else self.open_run(folder, show=False)

    def close(self) -> None:
        """Stop everything that runs."""
        for loader in self.loaders:
            loader.close()
        self.loaders.clear()
        if self.simulation is not None:
            self.simulation.close()
            self.simulation = None
