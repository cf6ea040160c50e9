"""What was open and shown, kept from one start to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSettings

from cosim.errors import CosimError
from gui.views.run_data import find_runs
from gui.views.view import view_from_json
from gui.widgets.state import State

if TYPE_CHECKING:
    from gui.widgets.opening import Opening


class Session:
    """Open runs, the shown one with its view, and the folder of design points."""

    def __init__(self, state: State, settings: QSettings) -> None:
        self._state, self._settings = state, settings

    def save(self) -> None:
        """Keep what is open."""
        state = self._state
        table = state.table
        folders = [str(f) for f in table.folders if f is not None] if table else []
        data = {
            "runs": [str(run.path.resolve()) for run in state.runs],
            "shown": str(state.run.path.resolve()) if state.run else "",
            "compared": [str(run.path.resolve()) for run in state.compared],
            "table": folders[:10000] if state.store is None else [],
            "store": str(state.store.resolve()) if state.store is not None else "",
            "view": json.loads(state.view.to_json()),
        }
        self._settings.setValue("session", json.dumps(data))

    def restore(self, opening: Opening) -> list[str]:
        """Open what was open; returns what could not be."""
        try:
            data = json.loads(str(self._settings.value("session", "{}")))
        except ValueError:
            return ["The last session could not be read"]
        state = self._state
        problems = []
        for name in data.get("runs", []):
            if not find_runs(name):
                problems.append(f"{name} is no longer there")
                continue
            opening.open_run(Path(name), show=False)
        by_path = {str(run.path.resolve()): run for run in state.runs}
        shown = by_path.get(data.get("shown", ""), state.runs[-1] if state.runs else None)
        if shown is not None:
            state.show_run(shown)
        state.compare(tuple(by_path[n] for n in data.get("compared", []) if n in by_path))
        folders = [Path(name) for name in data.get("table", []) if Path(name).is_dir()]
        store = data.get("store", "")
        if store and Path(store).is_file():
            opening.show_store(Path(store))
        elif folders:
            opening.show_folder(folders[0].parent, folders)
        if "view" in data:
            self._restore_view(data["view"], shown is not None)
        return problems

    def _restore_view(self, data: dict[str, object], of_run: bool) -> None:
        try:
            view = view_from_json(json.dumps(data))
        except CosimError:
            return
        if "chart" in view.extra:
            extra = {**self._state.view.extra, "chart": view.extra["chart"]}
            self._state.change(extra=extra)
        if not of_run:
            return
        keep = ("start_ps", "end_ps", "time_ps", "range_ps", "layer", "collapsed", "counters",
                "critical", "only_critical", "arrows", "least_ps", "x", "y")  # fmt: skip
        self._state.change(**{name: getattr(view, name) for name in keep})
