"""The run folder: one run on disk, whole or not at all.

===================  ===============================================================
``manifest.json``    how the run came about: scenario, design, versions, seed, command
``summary.json``     its answers
``governor.json``    samples of a power governor, where there was one
``program.json``     names, task meanings and loop trees (`cosim.machine.program_file`)
``<column>.npy``     the timeline, one memory-mappable array a column
===================  ===============================================================

A folder is written under a temporary name beside its place and renamed when complete. Nothing in
it depends on when or where it was written, so the same run gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.outline import Outline
from cosim.timeline.timeline import Timeline

FORMAT = "edge-cosim run"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunFolder:
    """A run read from disk; the columns of its timeline stay on disk until they are looked at.

    Attributes
    ----------
    path : Path
    manifest, summary, program : dict
        The three JSON documents; `cosim.machine.program_file.program_from_data` reads the last.
    timeline : Timeline
    """

    path: Path
    manifest: dict[str, Any]
    summary: dict[str, Any]
    program: dict[str, Any]
    timeline: Timeline

    def __repr__(self) -> str:
        words = [str(self.summary[key]) for key in ("workload", "design") if key in self.summary]
        return f"<run {' on '.join(words)} in {self.path}>"


def write_run(
    path: str | os.PathLike[str],
    timeline: Timeline,
    *,
    program: dict[str, Any],
    manifest: dict[str, Any],
    summary: dict[str, Any],
) -> Path:
    """Write a run folder, replacing one that is there.

    Parameters
    ----------
    path : path
        The folder to make; its parents are made where missing.
    timeline : Timeline
    program : dict
        From `cosim.machine.program_file.program_to_data`.
    manifest, summary : dict
        JSON data.

    Raises
    ------
    CosimError
        If `path` exists and is not a run folder, or a document holds what JSON cannot.
    OSError
        A place that cannot be written, a full disk; it names `path`.
    """
    target = Path(path)
    if target.exists() and not _may_replace(target):
        raise CosimError("exists and is not a run folder", where=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        arrays = timeline.to_arrays()
        for name, array in arrays.items():
            np.save(made / f"{name}.npy", array, allow_pickle=False)
        # `manifest` cannot rename these two: they say what may be read at all
        marked = {**manifest, "format": FORMAT, "format_version": FORMAT_VERSION}
        marked["arrays"] = {name: len(array) for name, array in arrays.items()}
        documents = {"program": program, "summary": summary, "manifest": marked}
        if timeline.governor is not None:
            documents["governor"] = timeline.governor.to_data()
        for name, document in documents.items():
            (made / f"{name}.json").write_text(_to_json(document, name), encoding="utf-8")
        made.chmod(0o755)
        _replace(made, target)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        # numpy's says how many bytes were left over, and nothing else
        reason = error.strerror or f"cannot be written ({error})"
        raise OSError(error.errno, reason, str(target)) from None
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return target


def load_run(path: str | os.PathLike[str]) -> RunFolder:
    """Open a run folder.

    Raises
    ------
    CosimError
        If it is missing, truncated, or something else than a run folder of this version.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise CosimError("no such run folder", where=str(folder))
    manifest = _read_json(folder, "manifest")
    if manifest.get("format") != FORMAT:
        raise CosimError("not a run folder", where=str(folder), expected=f"format '{FORMAT}'")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise CosimError(
            f"run folder of version {manifest.get('format_version')}",
            where=str(folder),
            expected=f"version {FORMAT_VERSION}",
        )
    program = _read_json(folder, "program")
    try:
        outline = Outline.from_program(program)
    except (KeyError, TypeError, IndexError) as error:
        raise CosimError("damaged program", where=str(folder / "program.json")) from error
    arrays = {
        name: _read_array(folder, name, length)
        for name, length in dict(manifest.get("arrays", {})).items()
    }
    try:
        timeline = Timeline.from_arrays(outline, arrays)
        if (folder / "governor.json").exists():
            timeline.governor = GovernorLog.from_data(_read_json(folder, "governor"))
    except (KeyError, ValueError, IndexError) as error:
        raise CosimError(f"damaged timeline: {error}", where=str(folder)) from error
    return RunFolder(folder, manifest, _read_json(folder, "summary"), program, timeline)


def content_hash(path: str | os.PathLike[str]) -> str:
    """Hash over the names and bytes of a run folder's summary and columns (hex)."""
    digest = blake2b(digest_size=16)
    folder = Path(path)
    for file in sorted([*folder.glob("*.npy"), folder / "summary.json"]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _may_replace(target: Path) -> bool:
    return target.is_dir() and ((target / "manifest.json").is_file() or not any(target.iterdir()))


def _replace(made: Path, target: Path) -> None:
    """Put `made` in place of `target`, which is whole at every moment or absent for an instant."""
    if not target.exists():
        made.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    target.rename(old / "old")
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _to_json(document: dict[str, Any], name: str) -> str:
    try:
        # NaN is not JSON: an answer that is not a number is a defect to be told, not to be stored
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CosimError(f"{name}: {error}") from error


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    file = folder / f"{name}.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CosimError(f"not a run folder: no {name}.json", where=str(folder)) from error
    except (OSError, ValueError) as error:
        raise CosimError(f"damaged file: {error}", where=str(file)) from error
    if not isinstance(document, dict):
        raise CosimError("damaged file: not a JSON object", where=str(file))
    return document


def _read_array(folder: Path, name: str, length: object) -> np.ndarray[Any, Any]:
    file = folder / f"{name}.npy"
    array: np.ndarray[Any, Any]
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise CosimError(f"truncated run folder: no {name}.npy", where=str(folder)) from error
    except (OSError, ValueError, EOFError) as error:
        try:  # empty arrays cannot be memory-mapped
            array = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise CosimError(f"damaged column: {error}", where=str(file)) from error
    if len(array) != length:
        raise CosimError(
            f"truncated column: {len(array)} rows", where=str(file), expected=f"{length} rows"
        )
    return array
