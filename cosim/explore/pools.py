"""Where the points run: in this process, in worker processes, or on a cluster.

All three are a `concurrent.futures.Executor` with a number of workers:

====================  =====================================================================
``processes``         worker processes of this machine, one a core (the default)
``in-process``        here, one point after the other: for debugging and small sweeps
``tcp://HOST:PORT``   a running Dask scheduler and its workers (extra ``cluster``)
====================  =====================================================================
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from cosim.errors import CosimError
from cosim.explore import worker

PROCESSES = "processes"
IN_PROCESS = "in-process"
CLUSTER_PATIENCE_S = 10
_WORTH_COMPILING = 200
"""Points that make it worth to load the compiled kernel at once."""


@dataclass
class Pool:
    """Workers, and how to replace them should they die."""

    executor: Executor
    workers: int
    renew: Callable[[], Executor] | None = None
    """Makes a new executor in place of a broken one; None where that is not ours to do."""
    elsewhere: bool = False
    """Whether the workers may be of another installation."""
    is_lost: Callable[[], bool] = lambda: False
    """Whether the connection to workers elsewhere is gone."""
    where: str = ""
    """What the pool was called, for errors."""

    def replace_broken(self) -> bool:
        """Put new workers in place of dead ones; False if that is not possible."""
        if self.renew is None:
            return False
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self.renew()
        return True


class InProcess(Executor):
    """An executor that runs what it is given at once, here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def open_pool(name: str = PROCESSES, workers: int | None = None, points: int = 0) -> Iterator[Pool]:
    """The pool called `name`, closed at the end of the block.

    Parameters
    ----------
    workers : int, optional
        Processes; the cores this process may use by default.
    points : int
        How much there is to do, as far as known.

    Raises
    ------
    CosimError
        A name that is none, a cluster that does not answer.
    """
    if workers is not None and workers < 1:
        raise CosimError(f"{workers} workers", expected="at least one")
    if name == IN_PROCESS:
        yield Pool(InProcess(), 1)
    elif name == PROCESSES:
        count = min(workers or available_cores(), max(points, 1))
        yield from _processes(count, points >= _WORTH_COMPILING)
    elif "://" in name:
        yield from _cluster(name)
    else:
        raise CosimError(
            f"no such pool '{name}'",
            expected="processes, in-process or the address of a Dask scheduler, tcp://HOST:PORT",
        )


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_START = "forkserver" if sys.platform == "linux" else "spawn"
"""A forked copy of this process would carry its threads' locks, and torch if it was imported."""


class WorkerProcess(multiprocessing.get_context(_START).Process):  # type: ignore[misc]
    """A process that does not import the program's main module.

    By default it would, and with it whatever the user's script imports: torch, pandas, or the
    call that starts these workers.
    """

    def start(self) -> None:
        """Start it."""
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        try:
            main.__spec__ = None
            main.__file__ = None
            super().start()
        finally:
            main.__spec__, main.__file__ = spec, file


def _processes(count: int, compiled: bool) -> Iterator[Pool]:
    context = copy(multiprocessing.get_context(_START))
    context.Process = WorkerProcess  # type: ignore[attr-defined]
    if _START == "forkserver":
        context.set_forkserver_preload(["cosim.explore.worker"])

    def make() -> Executor:
        return ProcessPoolExecutor(
            count, mp_context=context, initializer=worker.begin_worker, initargs=(compiled,)
        )

    pool = Pool(make(), count, make)
    try:
        yield pool
    finally:
        pool.executor.shutdown(wait=True, cancel_futures=True)


def _cluster(address: str) -> Iterator[Pool]:
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it says is said here
    client: Any
    try:
        client = Client(address, timeout=CLUSTER_PATIENCE_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        raise CosimError(
            f"no Dask scheduler answers ({type(error).__name__})", where=address,
            expected="a running one: dask scheduler",
        ) from None  # fmt: skip
    try:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise CosimError(
                "the Dask scheduler has no workers", where=address,
                expected=f"at least one: dask worker {address}",
            )  # fmt: skip
        # a chunk whose worker dies is run again elsewhere
        yield Pool(
            client.get_executor(retries=3), workers, elsewhere=True, where=address,
            is_lost=lambda: client.status != "running",
        )  # fmt: skip
    finally:
        client.close(timeout=5)
