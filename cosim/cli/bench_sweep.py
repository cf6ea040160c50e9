"""What a sweep costs beside its points: resolving, scheduling, pickling, the store, the progress.

The points are stand-ins that burn ten milliseconds each; all else is a sweep as `cosim sweep` runs
it, with worker processes, a store on disk and a bar on a terminal that nobody sees.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from cosim.cli.bench_measures import BOARD, Measurement
from cosim.explore.columns import USUAL
from cosim.explore.worker import Answer, Chunk, Outcome

POINT_S = 0.01
_BESIDE = "beside_s"
"""Column in which a worker hands over the CPU time it spent since its last chunk."""

_last_end: float | None = None


def burn(chunk: Chunk) -> Answer:
    """In place of `cosim.explore.worker.evaluate`: every point takes `POINT_S` of CPU time."""
    global _last_end
    begin, wall = time.process_time(), time.perf_counter()
    # what came before the first chunk was the start of the process
    beside = 0.0 if _last_end is None else begin - _last_end
    outcomes = []
    for number, job in enumerate(chunk.jobs, 1):
        while time.process_time() < begin + number * POINT_S:
            pass
        values = dict.fromkeys(USUAL, 1.2345678901234567) | {_BESIDE: beside if number == 1 else 0}
        outcomes.append(Outcome(job.key, values))
    _last_end = time.process_time()
    return Answer(tuple(outcomes), time.perf_counter() - wall)


def sweep_overhead(points: int) -> Iterator[Measurement]:
    """CPU time beside the points, and the share of their time that workers wait for work."""
    beside = "10 ms points: CPU time beside them, of theirs"
    waiting = "10 ms points: workers waiting for work, of their time"
    if not find_spec("torch"):
        for name in (beside, waiting):
            yield Measurement(name, None, 0.1, False, "", "needs torch to capture")
        return
    from rich.console import Console

    from cosim.cli.sweep_progress import Bar
    from cosim.explore.axes import single_axis
    from cosim.explore.interface import planned
    from cosim.explore.options import SweepOptions
    from cosim.explore.pools import open_pool
    from cosim.explore.scenario import DesignEntry, Scenario, WorkloadEntry
    from cosim.explore.store import ResultStore
    from cosim.explore.sweep import Sweep

    axes = (
        single_axis("design.dram.bandwidth", [f"{1000 + 100 * i} MB/s" for i in range(points)]),
        single_axis("design.engine.array.rows", [8, 16]),
    )
    scenario = Scenario(
        "bench", "", "", (WorkloadEntry("lenet5", "lenet5"),), (DesignEntry(BOARD, BOARD),), axes
    )
    plan, positions = planned(scenario, SweepOptions())
    plan.capture(positions)
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        ResultStore(Path(folder) / "sweep.sqlite") as store,
        open_pool(points=len(positions)) as pool,
    ):
        bar = Bar(Console(file=nowhere, force_terminal=True, width=80))
        warm = Sweep(plan, store, pool, work=burn)
        warm.run(positions[: 4 * pool.workers])  # the workers have started
        sweep = Sweep(plan, store, pool, work=burn, progress=bar)
        begin = time.process_time()
        with bar.rich:
            tally = sweep.run(positions[4 * pool.workers :])
        spent = time.process_time() - begin
        spent += sum(float(row.get(_BESIDE)) for row in store.rows(tally.keys))
    note = f"{tally.ran} points, {pool.workers} workers"
    yield Measurement(beside, spent / (tally.ran * POINT_S), 0.1, False, "", note)
    idle = 1 - tally.busy_seconds / (pool.workers * tally.seconds)
    yield Measurement(waiting, idle, 0.1, False, "", "wall time: counts on a quiet machine")
