"""Reference values kept beside the captured workloads, so that a second run needs no torch.

A reference is kept under the content of everything it depends on; what PyTorch made when it
followed a machine's roundings (`Reference.follow`) is kept too, under the numbers it was given.
The oldest are dropped when together they take more than `LIMIT_BYTES`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cosim.errors import CosimError
from cosim.workload.networks import cache_directory
from cosim.workload.reference import Reference, Results

LIMIT_BYTES = 2 << 30

Record = Callable[[Results | None], Reference]
"""Runs the network, which goes on from the given results in place of its own."""


def remembered(key: str, record: Record) -> Reference:
    """A reference from the cache, or recorded now and kept.

    Parameters
    ----------
    key : str
        Names the content that the reference depends on.
    record : callable
        Called only for what is not kept.
    """
    reference = _one(key, lambda: record(None))
    reference.follow = lambda given: _one(f"{key}-{_digest(given)}", lambda: record(given))
    return reference


def path_of(key: str) -> Path:
    """The file of a kept reference."""
    return cache_directory() / f"values-{key}.npz"


def _one(key: str, record: Callable[[], Reference]) -> Reference:
    path = path_of(key)
    if path.exists():
        with contextlib.suppress(CosimError):  # damaged: recorded again, and replaced
            reference = Reference.load(path)
            with contextlib.suppress(OSError):
                os.utime(path)
            return reference
    reference = record()
    with contextlib.suppress(OSError):  # a cache that cannot be written is no error
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}.part")
        try:
            reference.save(half)
            os.replace(half, path)
        finally:
            half.unlink(missing_ok=True)
        _drop_oldest(path)
    return reference


def _drop_oldest(kept: Path) -> None:
    files = [(f, f.stat()) for f in kept.parent.glob("values-*.npz")]
    total = sum(status.st_size for _, status in files)
    for file, status in sorted(files, key=lambda pair: pair[1].st_mtime):
        if total <= LIMIT_BYTES:
            return
        if file != kept:
            file.unlink(missing_ok=True)
            total -= status.st_size


def _digest(given: Results) -> str:
    digest = hashlib.sha256()
    for key, values in sorted(given.items()):
        digest.update(f"{key} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values, np.float64).tobytes())
    return digest.hexdigest()[:24]
