"""Runs a chunk of design points: what a worker process does, and all that it imports.

Only the simulator itself is imported here: no torch, no Qt, no pydantic, no pandas. Designs come
resolved and workloads as bytes, so a worker reads no file and needs no folder in common with the
one who asks.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.explore.columns import further, needs_timeline, usual
from cosim.explore.keys import model_version
from cosim.explore.shared_mapping import MappingMemory
from cosim.machine.compiled import compiled_kernel
from cosim.machine.execute import run
from cosim.memo import collect_seldom
from cosim.workload.workload import Workload

KEPT_WORKLOADS = 16
"""Workloads that a worker remembers, with what mapping knows of them."""


@dataclass(frozen=True)
class Job:
    """One point: the key of its result, its operation stream by hash, its machine."""

    key: str
    workload: str
    design: Design
    folder: str = ""
    """Where its run folder is kept; empty: nowhere."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """What is kept there beside the machine's own facts."""


@dataclass(frozen=True)
class Chunk:
    """Points that one call runs, and the operation streams they need, packed by `pack`."""

    jobs: tuple[Job, ...]
    workloads: Mapping[str, bytes]
    columns: tuple[str, ...] = ()
    executor: str = "auto"
    budgets: bool = False
    """Whether points differ in their power budget alone: they share a mapping then."""


@dataclass(frozen=True)
class Outcome:
    """What a point gave: its columns, or the reason why there are none."""

    key: str
    values: Mapping[str, Any] | None
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """A chunk's outcomes, the seconds they took, and the model that gave them."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    model: str = ""


def pack(workload: Workload) -> bytes:
    """A workload as bytes for a `Chunk`."""
    return zlib.compress(pickle.dumps(workload, protocol=pickle.HIGHEST_PROTOCOL), 1)


def evaluate(chunk: Chunk) -> Answer:
    """Run the points of a chunk, one after the other; a point that fails does not stop it."""
    begin = perf_counter()
    outcomes = tuple(_outcome(job, chunk) for job in chunk.jobs)
    return Answer(outcomes, perf_counter() - begin, model_version())


def _outcome(job: Job, chunk: Chunk) -> Outcome:
    try:
        return Outcome(job.key, _values(job, chunk))
    except CosimError as error:
        return Outcome(job.key, None, str(error))
    except OSError as error:  # a run folder that cannot be kept is no property of the point
        raise CosimError(
            f"cannot keep its run folder ({error.strerror or error})", where=job.folder,
            expected="room for it, and the same command with --resume",
        ) from None  # fmt: skip
    except MemoryError:
        return Outcome(job.key, None, "out of memory")
    except Exception as error:  # a defect on one point must not cost the others
        return Outcome(job.key, None, f"defect: {type(error).__name__}: {error}")


def _values(job: Job, chunk: Chunk) -> dict[str, Any]:
    workload, memory = _workload(job.workload, chunk)
    mapping = memory.mapping(workload, job.design, budgets=chunk.budgets)
    recorded = bool(job.folder or chunk.columns) or needs_timeline(mapping.program)
    result = run(mapping.program, executor=chunk.executor, record=recorded)
    values: dict[str, Any] = {
        **usual(mapping, result),
        **further(mapping, result, chunk.columns),
    }
    if job.folder:
        from cosim.explore.kept_runs import keep_run

        keep_run(job, mapping, result)
    return values


_known: OrderedDict[str, tuple[Workload, MappingMemory]] = OrderedDict()


def _workload(key: str, chunk: Chunk) -> tuple[Workload, MappingMemory]:
    """The same object every time: mapping remembers what it knows of a workload by its object."""
    if key not in _known:
        _known[key] = (pickle.loads(zlib.decompress(chunk.workloads[key])), MappingMemory())
        while len(_known) > KEPT_WORKLOADS:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return _known[key]


def begin_worker(compiled: bool = False) -> None:
    """Make this process a worker: it leaves interrupts to its parent and ends with it.

    Parameters
    ----------
    compiled : bool
        Whether there is enough to do to load the compiled kernel at once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_seldom()
    if compiled:
        compiled_kernel()


def _end_with_parent() -> None:
    """A parent that is killed cannot say so; without it nobody takes the results."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
