"""Opens the run folders that a command line names."""

from __future__ import annotations

from pathlib import Path

from cosim.errors import CosimError
from cosim.timeline.run_folder import RunFolder, load_run


def open_run(text: str) -> RunFolder:
    """The run folder at `text`.

    Raises
    ------
    CosimError
        If it is none; if runs lie below it, one is named.
    """
    folder = Path(text)
    if folder.is_dir() and not (folder / "manifest.json").is_file():
        below = sorted(file.parent for file in folder.glob("*/*/manifest.json"))
        below += sorted(file.parent for file in folder.glob("*/manifest.json"))
        expected = f"a run folder, as {below[0]}" if below else "a run folder"
        raise CosimError("is no run folder", where=text, expected=expected)
    return load_run(folder)


def names_of(runs: list[RunFolder]) -> list[str]:
    """What to call runs beside each other: by what differs, or by their folders."""
    pairs = [(r.summary.get("workload", ""), r.summary.get("design", "")) for r in runs]
    workloads, designs = {w for w, _ in pairs}, {d for _, d in pairs}
    if len(set(pairs)) < len(runs) or not all(w and d for w, d in pairs):
        return [str(run.path) for run in runs]
    if len(workloads) == 1:
        return [design for _, design in pairs]
    if len(designs) == 1:
        return [workload for workload, _ in pairs]
    return [f"{workload} on {design}" for workload, design in pairs]
