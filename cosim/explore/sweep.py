"""Runs the points of a plan in chunks, and writes every finished chunk to the store.

The unit of work is a chunk of points that takes about half a second: sending one costs a
millisecond or two, and being killed loses no more than the chunks that were running. This process
resolves points, hands out chunks and is the only one that writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.explore.manifest import design_source
from cosim.explore.plan import Plan, PlannedPoint
from cosim.explore.pools import Pool
from cosim.explore.store import ResultStore, Row
from cosim.explore.worker import Answer, Chunk, Job, evaluate

CHUNK_SECONDS = 0.5
LOOK_S, LOST_S = 5.0, 15.0
"""How often a silent pool is looked at, and how long a connection may be gone."""
LARGEST_CHUNK = 500
_FIRST_CHUNK = 4
_BLOCK = 256
"""Points that are resolved and looked up in the store at a time."""


class SweepProgress(Protocol):
    """What is told while a sweep runs."""

    def start(self, points: int) -> None:
        """So many points are to be had."""

    def advance(self, points: int, *, reused: int = 0, failed: int = 0) -> None:
        """So many more are there, some from the store, some without a result."""

    def ending(self) -> None:
        """It was interrupted; chunks that are out are waited for."""


class Unwatched:
    """Nobody looks."""

    def start(self, points: int) -> None:
        pass

    def advance(self, points: int, *, reused: int = 0, failed: int = 0) -> None:
        pass

    def ending(self) -> None:
        pass


@dataclass
class Tally:
    """What a sweep did.

    Attributes
    ----------
    keys : list of str
        Keys of all its points, in the plan's order; a point not reached has none.
    ran, reused, failed : int
        Points run now, found in the store, and those of both without a result.
    seconds : float
        Wall-clock time; `busy_seconds` is what the workers spent on points, summed.
    interrupted : bool
        Whether it was stopped before its end.
    """

    points: int
    keys: list[str]
    ran: int = 0
    reused: int = 0
    failed: int = 0
    seconds: float = 0.0
    busy_seconds: float = 0.0
    interrupted: bool = False


@dataclass(frozen=True)
class _Flight:
    """A chunk that is out, and the rows it is to fill."""

    chunk: Chunk
    rows: dict[str, Row]
    alone: bool = False
    """Whether nothing else runs beside it: then it is known who killed the worker."""


class Sweep:
    """One sweep over a plan's points.

    Parameters
    ----------
    shard : (int, int), optional
        This process's share ``(i, n)``, 1 <= i <= n: points whose key is i - 1 modulo n.
    retry : bool
        Whether failures in the store are tried again.
    runs : Path, optional
        Where run folders go if the plan keeps timelines.
    work : callable, optional
        What workers do with a chunk, in place of `cosim.explore.worker.evaluate`.
    """

    def __init__(
        self,
        plan: Plan,
        store: ResultStore,
        pool: Pool,
        *,
        shard: tuple[int, int] = (1, 1),
        retry: bool = False,
        executor: str = "auto",
        runs: Path | None = None,
        progress: SweepProgress | None = None,
        work: Callable[[Chunk], Answer] | None = None,
    ) -> None:
        self.plan, self.store, self.pool = plan, store, pool
        self.shard, self.retry, self.executor, self.runs = shard, retry, executor, runs
        self.progress = progress or Unwatched()
        self._evaluate = work or evaluate
        self._seconds_a_point = 0.0
        self._left = 0
        self._landing = False
        self._flights: dict[Future[Answer], _Flight] = {}
        self._again: list[_Flight] = []

    def run(self, positions: NDArray[np.int64]) -> Tally:
        """Have a row in the store for every one of these points.

        An interrupt (Ctrl-C) stops it: chunks that are out are waited for and kept.

        Raises
        ------
        CosimError
            When the store cannot be written.
        """
        tally = self._tally = Tally(len(positions), [])
        self._left = len(positions)
        self.progress.start(len(positions))
        begin = perf_counter()
        points = self._pending(self.plan.in_good_order(positions))
        try:
            self._work(points)
        except KeyboardInterrupt:
            tally.interrupted = True
            self.progress.ending()
            self._land()
        tally.seconds = perf_counter() - begin
        return tally

    def _work(self, points: Iterator[PlannedPoint]) -> None:
        exhausted = False
        while True:
            if self._again:  # after a worker died
                if not self._flights:
                    self._submit(self._again.pop())
            else:
                while len(self._flights) <= self.pool.workers and not exhausted:
                    flight = self._next_flight(points)
                    if flight is None:
                        exhausted = True
                    else:
                        self._submit(flight)
            if not self._flights and not self._again:
                return
            self._await_some()

    def _await_some(self) -> None:
        """Take what has come back; look now and then whether anything can."""
        lost_since: float | None = None
        while True:
            done, _ = wait(self._flights, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            for future in done:
                self._receive(future)
            if done:
                return
            lost_since = (lost_since or perf_counter()) if self.pool.is_lost() else None
            if lost_since and perf_counter() - lost_since > LOST_S:
                raise self._lost()

    def _lost(self) -> CosimError:
        return CosimError(
            "the connection to the Dask scheduler is lost; what was written is safe",
            where=self.pool.where, expected="the same command with --resume once it is back",
        )  # fmt: skip

    def _next_flight(self, points: Iterator[PlannedPoint]) -> _Flight | None:
        size = _FIRST_CHUNK
        if self._seconds_a_point:
            size = min(round(CHUNK_SECONDS / self._seconds_a_point), LARGEST_CHUNK)
        # towards the end smaller ones, so that no worker waits long for the others
        size = max(1, min(size, -(-self._left // (2 * self.pool.workers))))
        jobs: list[Job] = []
        rows: dict[str, Row] = {}
        for point in points:
            assert point.design is not None
            rows[point.row.key] = point.row
            jobs.append(job_of(self.plan, point, point.design, self.runs))
            if len(jobs) == size:
                break
        if not jobs:
            return None
        self._left -= len(jobs)
        needed = {job.workload: self.plan.packed(job.workload) for job in jobs}
        chunk = Chunk(tuple(jobs), needed, self.plan.columns, self.executor, self.plan.budgets)
        return _Flight(chunk, rows)

    def _pending(self, positions: NDArray[np.int64]) -> Iterator[PlannedPoint]:
        """Points of this shard that the store does not have, each key once."""
        tally, seen = self._tally, set[str]()
        index, count = self.shard
        for begin in range(0, len(positions), _BLOCK):
            block = [
                self.plan.resolve(tuple(p)) for p in positions[begin : begin + _BLOCK].tolist()
            ]
            tally.keys.extend(point.row.key for point in block)
            mine = [p for p in block if int(p.row.key[:8], 16) % count == index - 1]
            new = [p for p in mine if p.row.key not in seen]
            seen.update(point.row.key for point in new)
            keys = [point.row.key for point in new]
            if self.retry:
                self.store.remove_failed(keys)
            known = {row.key: row.failed for row in self.store.rows(keys)}
            failed = sum(known.values())
            tally.reused += len(known)
            tally.failed += failed
            skipped = len(block) - len(new) + len(known)
            self._left -= skipped
            if skipped:
                self.progress.advance(skipped, reused=len(known), failed=failed)
            refused = [p.row for p in new if p.design is None and p.row.key not in known]
            if refused:
                self._keep(refused)
            yield from (p for p in new if p.design is not None and p.row.key not in known)

    def _submit(self, flight: _Flight) -> None:
        try:
            future = self.pool.executor.submit(self._evaluate, flight.chunk)
        except BrokenProcessPool:
            self._recover([flight])
            return
        except Exception:
            if not self.pool.is_lost():
                raise
            raise self._lost() from None
        self._flights[future] = flight

    def _receive(self, future: Future[Answer]) -> None:
        flight = self._flights.pop(future, None)
        if flight is None:
            return
        try:
            answer = future.result()
        except CancelledError:  # by `_land`, or by a cluster that lost its scheduler
            if not self._landing:
                self._again.append(flight)
            return
        except BrokenProcessPool:
            broken = [flight, *self._flights.values()]
            self._flights.clear()
            if not self._landing:
                self._recover(broken)
            return
        except Exception as error:
            if not _is_lost_worker(error):
                raise
            if self._landing:
                return
            self._give_up_or_split(flight, str(error))
            return
        if self.pool.elsewhere and answer.model != self.plan.model:
            raise CosimError(
                f"a worker runs model {answer.model}, this is {self.plan.model}",
                expected="the same release on every machine",
            )
        self._keep(
            replace(flight.rows[o.key], result=o.values, reason=o.reason) for o in answer.outcomes
        )
        self._tally.busy_seconds += answer.seconds
        each = answer.seconds / len(answer.outcomes)
        known = self._seconds_a_point
        self._seconds_a_point = 0.5 * (known + each) if known else each

    def _recover(self, flights: Sequence[_Flight]) -> None:
        """A worker has died, and with it all chunks that were out: new workers, smaller chunks."""
        if not self.pool.replace_broken():
            raise CosimError("the workers are gone", expected="the same command with --resume")
        for flight in flights:
            self._give_up_or_split(flight, "its process died (out of memory?)")

    def _give_up_or_split(self, flight: _Flight, reason: str) -> None:
        jobs = flight.chunk.jobs
        if len(jobs) == 1:
            if flight.alone:
                self._keep([replace(flight.rows[jobs[0].key], reason=reason)])
            else:
                self._again.append(replace(flight, alone=True))
            return
        half = len(jobs) // 2
        for part in (jobs[:half], jobs[half:]):
            rows = {job.key: flight.rows[job.key] for job in part}
            self._again.append(_Flight(replace(flight.chunk, jobs=part), rows, alone=True))

    def _keep(self, rows: Any) -> None:
        kept = list(rows)
        self.store.add(kept)
        failed = sum(row.failed for row in kept)
        self._tally.ran += len(kept)
        self._tally.failed += failed
        self.progress.advance(len(kept), failed=failed)

    def _land(self) -> None:
        """Wait for the chunks that run, and keep what they give.

        A worker that dies meanwhile was ended by the same interrupt: its chunk is one not run.
        """
        self._landing = True
        for future in self._flights:
            future.cancel()
        for future in list(self._flights):
            if not future.cancelled():
                self._receive(future)


def job_of(plan: Plan, point: PlannedPoint, design: Design, runs: Path | None) -> Job:
    """What a worker is told of a point; with `runs`, it keeps the point's run folder there."""
    row = point.row
    if runs is None:
        return Job(row.key, point.workload, design)
    entry = plan.scenario.designs[point.position[1]]
    changed = {
        key.removeprefix("design."): value
        for key, value in row.varied.items() if key.startswith("design.")
    }  # fmt: skip
    made_of = design_source(replace(entry, overrides={**entry.overrides, **changed}))
    manifest = {
        "scenario": plan.scenario.name, "varied": dict(row.varied), "made_of": made_of,
        "workload": row.workload, "design": row.design, "key": row.key,
    }  # fmt: skip
    return Job(row.key, point.workload, design, str(runs / row.key[:16]), manifest)


def _is_lost_worker(error: Exception) -> bool:
    """Whether a cluster gave a chunk up because its workers died."""
    return type(error).__name__ in ("KilledWorker", "CommClosedError")
