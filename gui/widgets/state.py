"""What is open, shown and selected: the one thing that all panels share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QUndoCommand, QUndoStack

from gui.painting.scene import Stores
from gui.views.design_table import DesignTable
from gui.views.notes import Bookmark, Notes, changed_notes, load_notes, save_notes
from gui.views.run_data import Run
from gui.views.view import Marker, View

NARROWEST_PS = 20
"""The window never gets narrower: below, one picosecond would be wider than text."""

MOST_HISTORY = 200


class State(QObject):
    """The shared state.

    `changed` carries the names of what changed: fields of `View`, and ``run``, ``runs``,
    ``compared``, ``table``, ``rows``, ``data`` (something was prepared).
    """

    changed = pyqtSignal(set)
    message = pyqtSignal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.view = View()
        self.runs: list[Run] = []
        self.run: Run | None = None
        self.compared: tuple[Run, ...] = ()
        self.table: DesignTable | None = None
        self.rows: tuple[int, ...] = ()
        self.store: Path | None = None
        self.undo = QUndoStack(self)
        self.bookmarks: dict[str, Bookmark] = {}
        self._noted = Notes()
        self._back: list[tuple[int, int]] = []
        self._forward: list[tuple[int, int]] = []
        self._gesture: object = None

    # What is open

    def stores(self, panel: str) -> Stores:
        """What a panel draws."""
        if panel in ("compare", "aligned"):
            return Stores(self.compared, self.table, self.rows)
        return Stores((self.run,) if self.run else (), self.table, self.rows)

    def add_run(self, run: Run, show: bool = True) -> None:
        """Open a run; one of the same folder is replaced, and its view is kept."""
        same = [r for r in self.runs if r.path == run.path]
        for old in same:
            self.runs[self.runs.index(old)] = run
            self.compared = tuple(run if r is old else r for r in self.compared)
        if not same:
            self.runs.append(run)
        keep = bool(same) and self.run in same
        self.changed.emit({"runs"})
        if show or keep:
            self.show_run(run, keep_view=keep)

    def show_run(self, run: Run | None, keep_view: bool = False) -> None:
        """Make a run the one that panels show."""
        self._save_notes()
        self.run = run
        notes = self._noted = load_notes(run.path) if run else Notes()
        self.bookmarks = dict(notes.bookmarks)
        self.undo.clear()
        fresh: dict[str, Any] = {
            "markers": tuple(notes.markers), "pinned": tuple(notes.pinned),
            "hidden": tuple(notes.hidden), "selected": None, "layer": "",
        }  # fmt: skip
        if not keep_view:
            fresh |= {"start_ps": 0, "end_ps": 0, "range_ps": None, "time_ps": None}
            self._back.clear()
            self._forward.clear()
        self.view = replace(self.view, **fresh)
        self.changed.emit({"run", *fresh})

    def close_run(self, run: Run) -> None:
        """Close a run."""
        self.runs = [r for r in self.runs if r is not run]
        self.compared = tuple(r for r in self.compared if r is not run)
        self.changed.emit({"runs", "compared"})
        if self.run is run:
            self.show_run(self.runs[-1] if self.runs else None)

    def compare(self, runs: tuple[Run, ...]) -> None:
        """Choose the runs of the comparison, the first being what others are held against."""
        self.compared = runs
        self.changed.emit({"compared"})

    def show_table(self, table: DesignTable | None, store: Path | None = None) -> None:
        """Show design points: of run folders, or of a sweep's result store."""
        self.table, self.rows, self.store = table, (), store
        self.changed.emit({"table", "rows"})

    def choose_rows(self, rows: tuple[int, ...]) -> None:
        """Select design points."""
        if rows != self.rows:
            self.rows = rows
            self.changed.emit({"rows"})

    # What is shown

    def change(self, **fields: Any) -> None:
        """Change fields of the view; panels are told which really changed."""
        differ = {k for k, v in fields.items() if getattr(self.view, k) != v}
        if differ:
            self.view = replace(self.view, **fields)
            self.changed.emit(differ)

    @property
    def end_ps(self) -> int:
        return self.run.makespan_ps if self.run else 1

    @property
    def window(self) -> tuple[int, int]:
        """The window in time."""
        return self.view.window(self.end_ps)

    def go(self, start_ps: int, end_ps: int, gesture: object = None) -> None:
        """Show another window; steps of one gesture (a wheel, a drag) are one step back."""
        start_ps, end_ps = self._inside(start_ps, end_ps)
        if (start_ps, end_ps) == self.window:
            return
        if gesture is None or gesture != self._gesture:
            self._back.append(self.window)
            del self._back[:-MOST_HISTORY]
            self._forward.clear()
        self._gesture = gesture
        self.change(start_ps=start_ps, end_ps=end_ps)

    def back(self) -> None:
        """To the window before."""
        self._step(self._back, self._forward)

    def forward(self) -> None:
        """To the window that `back` left."""
        self._step(self._forward, self._back)

    def _step(self, source: list[tuple[int, int]], target: list[tuple[int, int]]) -> None:
        if source:
            target.append(self.window)
            start, end = source.pop()
            self._gesture = None
            self.change(start_ps=start, end_ps=end)

    def _inside(self, start_ps: int, end_ps: int) -> tuple[int, int]:
        """A window of sensible width that overlaps the run."""
        whole = self.end_ps
        width = max(NARROWEST_PS, min(end_ps - start_ps, round(whole * 1.1) + NARROWEST_PS))
        middle = (start_ps + end_ps) // 2
        low, high = min(0, whole - width), max(0, whole - width)
        slack = 0 if width < whole else round(0.05 * whole)
        start = max(low - slack, min(middle - width // 2, high + slack))
        return start, start + width

    # Edits that can be undone

    def edit(self, text: str, **fields: Any) -> None:
        """Change fields of the view as an edit: it can be undone, and is kept beside the run."""
        before = {key: getattr(self.view, key) for key in fields}
        if before != fields:
            self.undo.push(Edit(text, self._edited, before, fields))

    def _edited(self, fields: dict[str, Any]) -> None:
        self.change(**fields)
        self._save_notes()

    def bookmark(self, key: str) -> None:
        """Keep the window under a digit."""
        self.bookmarks[key] = Bookmark(*self.window)
        self._save_notes()
        self.message.emit(f"This view is kept as {key}: press {key} to come back")
        self.changed.emit({"bookmarks"})

    def go_bookmark(self, key: str) -> None:
        """To a window that was kept."""
        kept = self.bookmarks.get(key)
        if kept is None:
            self.message.emit(f"No view is kept as {key}: Ctrl+{key} keeps this one")
        else:
            self.go(kept.start_ps, kept.end_ps)

    def _save_notes(self) -> None:
        if self.run is None:
            return
        view = self.view
        notes = Notes(list(view.markers), dict(self.bookmarks), list(view.pinned),
                      list(view.hidden))  # fmt: skip
        if notes == self._noted:
            return
        # another window may have written about the run meanwhile
        wanted = changed_notes(load_notes(self.run.path), self._noted, notes)
        if save_notes(self.run.path, wanted):
            self._noted = notes
        else:
            self.message.emit("Markers and bookmarks cannot be saved: the folder is read-only")

    # Markers

    def add_marker(self, time_ps: int, text: str = "") -> None:
        """Put a marker at an instant."""
        markers = (*self.view.markers, Marker(time_ps, text))
        self.edit("add marker", markers=tuple(sorted(markers, key=lambda m: m.time_ps)))

    def move_marker(self, position: int, time_ps: int) -> None:
        """Put a marker elsewhere."""
        markers = list(self.view.markers)
        markers[position] = replace(markers[position], time_ps=time_ps)
        self.edit("move marker", markers=tuple(sorted(markers, key=lambda m: m.time_ps)))

    def remove_marker(self, position: int) -> None:
        """Take a marker away."""
        markers = self.view.markers
        self.edit("remove marker", markers=markers[:position] + markers[position + 1 :])

    def name_marker(self, position: int, text: str) -> None:
        """Write a note on a marker."""
        markers = list(self.view.markers)
        markers[position] = replace(markers[position], text=text)
        self.edit("name marker", markers=tuple(markers))


class Edit(QUndoCommand):
    """A change of some fields, of the view or of a form."""

    def __init__(
        self, text: str, apply: Callable[[dict[str, Any]], None], before: dict[str, Any],
        after: dict[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(text)
        self._apply, self._before, self._after = apply, before, after

    def redo(self) -> None:
        self._apply(self._after)

    def undo(self) -> None:
        self._apply(self._before)
