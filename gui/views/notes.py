"""Markers and bookmarks of a run, in a file beside its folder: a re-run does not lose them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from gui.views.view import Marker

T = TypeVar("T")


@dataclass(frozen=True)
class Bookmark:
    """A window that a digit key goes back to."""

    start_ps: int
    end_ps: int
    text: str = ""


@dataclass
class Notes:
    """What a reader wrote about a run."""

    markers: list[Marker] = field(default_factory=list)
    bookmarks: dict[str, Bookmark] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def notes_file(run: Path) -> Path:
    """Where the notes of a run folder lie."""
    return run.with_name(f"{run.name}.notes.json")


def load_notes(run: Path) -> Notes:
    """Notes of a run; none if there are none, or if they cannot be read."""
    try:
        data = json.loads(notes_file(run).read_text(encoding="utf-8"))
        return Notes(
            [Marker(int(m["time_ps"]), str(m["text"])) for m in data["markers"]],
            {key: Bookmark(**value) for key, value in data["bookmarks"].items()},
            [str(name) for name in data.get("pinned", [])],
            [str(name) for name in data.get("hidden", [])],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Notes()


def changed_notes(theirs: Notes, before: Notes, after: Notes) -> Notes:
    """`theirs` with what was changed from `before` to `after`.

    Two windows, or two people, may write about one run: each changes only what it touched.
    """
    markers = _changed(theirs.markers, before.markers, after.markers)
    bookmarks = {k: v for k, v in theirs.bookmarks.items()
                 if k in after.bookmarks or k not in before.bookmarks}  # fmt: skip
    bookmarks |= {k: v for k, v in after.bookmarks.items() if before.bookmarks.get(k) != v}
    return Notes(
        sorted(markers, key=lambda marker: marker.time_ps), bookmarks,
        _changed(theirs.pinned, before.pinned, after.pinned),
        _changed(theirs.hidden, before.hidden, after.hidden),
    )  # fmt: skip


def _changed(theirs: list[T], before: list[T], after: list[T]) -> list[T]:
    kept = [item for item in theirs if item in after or item not in before]
    return kept + [item for item in after if item not in before and item not in kept]


def save_notes(run: Path, notes: Notes) -> bool:
    """Write the notes; False if the place is read-only. Empty notes leave no file."""
    file = notes_file(run)
    try:
        if notes == Notes():
            file.unlink(missing_ok=True)
            return True
        beside = file.with_name(f".{file.name}.new")
        beside.write_text(json.dumps(asdict(notes), indent=1) + "\n", encoding="utf-8")
        beside.replace(file)
    except OSError:
        return False
    return True
