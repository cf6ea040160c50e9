"""Opens the run folders that a command line names."""

from __future__ import annotations

from pathlib import Path

from cosim.errors import CosimError
from cosim.explore.store import STORE
from cosim.timeline.run_folder import RunFolder, load_run


def open_run(text: str) -> RunFolder:
    """The run folder at `text`, or that of a sweep's point: ``FOLDER:KEY``, ``FOLDER:knee``.

    Raises
    ------
    CosimError
        If it is none; if runs lie below it, one is named.
    """
    folder = place_of(text)
    if (folder / STORE).is_file():
        raise CosimError(
            "is a sweep", where=text, expected=f"one of its points, as {text.rstrip('/')}:knee"
        )
    if folder.is_dir() and not (folder / "manifest.json").is_file():
        below = sorted(file.parent for file in folder.glob("*/*/manifest.json"))
        below += sorted(file.parent for file in folder.glob("*/manifest.json"))
        expected = f"a run folder, as {below[0]}" if below else "a run folder"
        raise CosimError("is no run folder", where=text, expected=expected)
    return load_run(folder)


def place_of(text: str) -> Path:
    """A path as it is written; a sweep's point (``FOLDER:KEY``) as the run folder it has then."""
    place, separator, point = text.rpartition(":")
    if not separator or Path(text).exists() or not (Path(place) / STORE).is_file():
        return Path(text)
    from cosim.explore.kept_points import point_folder

    return point_folder(Path(place), point)


def names_of(runs: list[RunFolder]) -> list[str]:
    """What to call runs beside each other: by what differs, or by their folders."""
    pairs = [(r.summary.get("workload", ""), _design_of(r, runs)) for r in runs]
    workloads, designs = {w for w, _ in pairs}, {d for _, d in pairs}
    if len(set(pairs)) < len(runs) or not all(w and d for w, d in pairs):
        return [str(run.path) for run in runs]
    if len(workloads) == 1:
        return [design for _, design in pairs]
    if len(designs) == 1:
        return [workload for workload, _ in pairs]
    return [f"{workload} on {design}" for workload, design in pairs]


def _design_of(run: RunFolder, runs: list[RunFolder]) -> str:
    """The design's name, with what sets a sweep's point apart from those of the other runs."""
    name = str(run.summary.get("design", ""))
    if "key" not in run.manifest:  # a scenario's own runs have it in their design's name
        return name
    others = [other.manifest.get("varied", {}) for other in runs]
    own = run.manifest.get("varied", {})
    keys = [k for k in own if any(other.get(k) != own[k] for other in others)]
    words = [f"{key.rpartition('.')[2]} {own[key]}" for key in keys]
    several = len({other.summary.get("design") for other in runs}) > 1
    return ", ".join([name, *words] if several or not words else words)
