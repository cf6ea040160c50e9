"""What `cosim bench` measures: CPU time of one core, and ratios of it wherever that is possible.

Every measure is a function that yields `Measurement`. Times are medians of several runs after one
that fills the caches; two times that are compared are taken in turn, so that a machine that slows
down slows both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from cosim.cli.bench_programs import bert_base, incommensurate_loops, pipeline, random_tiles
from cosim.machine.execute import RunResult, run
from cosim.mapping.program import Program

if TYPE_CHECKING:
    from cosim.design.design import Design
    from cosim.workload.workload import Workload

BOARD = "edge-asic-16x16"
EIGHT_BITS = ("--option", "bits_w=8", "--option", "bits_a=8")


@dataclass(frozen=True)
class Measurement:
    """One line of the table.

    Attributes
    ----------
    measure : str
        What was measured.
    value : float or None
        None where it could not be; `note` then says why.
    goal : float
        The bound that `value` must keep.
    at_least : bool
        Whether `goal` is a lower bound, or an upper one.
    unit : str
    note : str
    """

    measure: str
    value: float | None
    goal: float
    at_least: bool
    unit: str
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met, None if not measured."""
        if self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def median_seconds(*works: Callable[[], object], repeats: int) -> list[float]:
    """Median CPU time of each of several pieces of work, taken in turn."""
    for work in works:
        work()
    taken = [[cpu_seconds(work) for work in works] for _ in range(repeats)]
    return [median(times) for times in zip(*taken, strict=True)]


def executors(repeats: int) -> Iterator[Measurement]:
    """The executors on the reference pipeline, timelines recorded."""
    tiles = 100_000
    irregular = pipeline(40, 50, 50)
    few = pipeline(8, 25, 50)  # SimPy's rate does not depend on the number of tiles
    regular, larger = pipeline(100, 100, 100), pipeline(1000, 1000, 1000)
    simpy, fast, skipping, billion = median_seconds(
        lambda: run(few, executor="simpy"),
        lambda: run(irregular, executor="compiled", fast_forward=False),
        lambda: run(regular, executor="compiled"),
        lambda: run(larger, executor="compiled"),
        repeats=repeats,
    )
    simpy_rate = 10_000 / simpy
    yield Measurement(
        "SimPy executor, tiles per second", simpy_rate, 0.1e6, True, "/s", "reference pipeline"
    )
    yield Measurement(
        "compiled without fast-forward over SimPy, 1e5 tiles",
        tiles / fast / simpy_rate, 30, True, "x", f"{tiles / fast / 1e6:.1f} M tiles/s",
    )  # fmt: skip
    yield Measurement(
        "fast-forward over SimPy, regular loop nest of 1e6 tiles",
        1_000_000 / skipping / simpy_rate, 1000, True, "x", f"{skipping * 1e3:.1f} ms",
    )  # fmt: skip
    yield Measurement(
        "growth of time from 1e6 to 1e9 tiles of it", billion / skipping, 1.5, False, "x"
    )


def worst_case(repeats: int) -> Iterator[Measurement]:
    """What looking for repetitions costs where there are none."""
    for name, program in (
        ("random tiles", random_tiles(100_000)),
        ("loops without a common period", incommensurate_loops(100_000)),
    ):
        skipped = run(program, executor="compiled").tasks_skipped
        on, off = median_seconds(
            _runner(program, True), _runner(program, False), repeats=repeats + 2
        )
        yield Measurement(
            f"fast-forward on over off, {name}", on / off, 1.1, False, "x", f"{skipped} skipped"
        )


def serve_bursts(compiled: bool) -> int:
    """Serve a layer's tiles and the streams of two more masters; how many bursts that takes."""
    from cosim.design import catalogue
    from cosim.design.address_map import address_map
    from cosim.machine.dram.channel import run_channel
    from cosim.machine.dram.layout import Master
    from cosim.machine.dram.traces import convolution_tiles, sequential

    part = catalogue.dram_part("ddr4-2400-x64")
    masters = [Master(convolution_tiles(), outstanding=16)]
    masters += [
        Master(sequential(base << 20, write=write)) for base, write in ((64, False), (160, True))
    ]
    served = run_channel(part, address_map(part.map, part), masters, compiled=compiled).commands
    return served.reads + served.writes


def burst_tier(repeats: int) -> Iterator[Measurement]:
    """The DRAM scheduler by itself."""
    bursts = serve_bursts(compiled=True)
    fast, plain = median_seconds(
        lambda: serve_bursts(True), lambda: serve_bursts(False), repeats=repeats
    )
    yield Measurement(
        "burst-tier DRAM, bursts per second", bursts / fast, 1e6, True, "/s",
        f"three masters, {bursts} bursts, compiled",
    )  # fmt: skip
    yield Measurement("burst-tier DRAM, compiled over plain Python", plain / fast, 50, True, "x")


def _runner(program: Program, fast_forward: bool) -> Callable[[], RunResult]:
    return lambda: run(program, executor="compiled", fast_forward=fast_forward)


def bert_share(points: int) -> Iterator[Measurement]:
    """How much of BERT-base is really simulated, on random design points."""
    from cosim.design import load
    from cosim.mapping.mapping import map_workload

    random, workload = Random(11), bert_base()
    shares = []
    for _ in range(points):
        sizes = {
            "engine.array.rows": random.choice([8, 12, 16, 24, 32]),
            "engine.array.columns": random.choice([8, 12, 16, 24, 32]),
            "buffer.input.size": random.choice(["32 KiB", "64 KiB", "96 KiB"]),
            "buffer.weight.size": random.choice(["32 KiB", "64 KiB", "96 KiB"]),
            "buffer.accumulator.size": random.choice(["32 KiB", "64 KiB", "128 KiB"]),
        }
        result = run(map_workload(workload, load(BOARD, sizes)).program, executor="compiled")
        shares.append(result.tasks_simulated / (result.tasks_simulated + result.tasks_skipped))
    yield Measurement(
        f"share of tasks simulated, BERT-base on {points} random designs",
        median(shares), 0.05, False, "", f"{min(shares):.3f} to {max(shares):.3f}",
    )  # fmt: skip


def whole_runs(repeats: int) -> Iterator[Measurement]:
    """A captured workload to its complete summary, in a process that is warm."""
    from cosim.design import load
    from cosim.workload.files import load_workload

    with tempfile.TemporaryDirectory() as folder:
        resnet = captured(Path(folder), "resnet18", *EIGHT_BITS)
        training = ("--mode", "training", "--batch", "8")
        steps = {
            "dense": captured(Path(folder), "mlp", *training),
            "tensorized": captured(Path(folder), "tt-mlp", "--option", "rank=8", *training),
        }
        first, second = "ResNet-18 int8 on 16x16 to summary, warm", "the same, a new design point"
        if resnet is None:
            for name, goal in ((first, 0.1), (second, 0.03)):
                yield Measurement(name, None, goal, False, "s", "needs torch to capture")
        else:
            workload, design = load_workload(resnet), load(BOARD)
            (seconds,) = median_seconds(lambda: to_summary(workload, design), repeats=repeats)
            yield Measurement(first, seconds, 0.1, False, "s", "the same design again")
            seconds, note = _new_points(workload, repeats)
            yield Measurement(second, seconds, 0.03, False, "s", note)
        for name, file in steps.items():
            title = f"training step of the MLP ({name}) to summary, warm"
            moved = f"training step of the MLP ({name}), another memory bandwidth"
            new = f"training step of the MLP ({name}), a new design point"
            if file is None:
                for row in (title, moved, new):
                    yield Measurement(row, None, 0.003, False, "s", "needs torch to capture")
                continue
            step, design = load_workload(file), load(BOARD)
            (seconds,) = median_seconds(_summariser(step, design), repeats=2 * repeats + 1)
            yield Measurement(title, seconds, 0.003, False, "s", "the same design again")
            seconds, note = _moved_slider(step, 12 * repeats)
            yield Measurement(moved, seconds, 0.003, False, "s", note)
            seconds, note = _new_points(step, repeats)
            yield Measurement(new, seconds, 0.003, False, "s", note)
        yield _mapping_alone(captured(Path(folder), "resnet50", *EIGHT_BITS), repeats)
        yield _peak_memory(resnet)


def _mapping_alone(file: Path | None, repeats: int) -> Measurement:
    """What mapping a large network takes."""
    from cosim.mapping.mapping import map_workload
    from cosim.workload.files import load_workload

    title = "mapping ResNet-50 onto a new design point"
    if file is None:
        return Measurement(title, None, 0.2, False, "s", "needs torch to capture")
    workload, times = load_workload(file), []
    for design in new_designs(3 * repeats):
        times.append(cpu_seconds(partial(map_workload, workload, design)))
    note = f"{len(times)} random designs; the first of the process {1e3 * times[0]:.0f} ms"
    return Measurement(title, median(times), 0.2, False, "s", note)


def _summariser(workload: Workload, design: Design) -> Callable[[], object]:
    return lambda: to_summary(workload, design)


def to_summary(workload: Workload, design: Design) -> dict[str, object]:
    """Map, run and analyse."""
    from cosim.analysis.summary import analyse, summarise
    from cosim.mapping.mapping import map_workload

    program = map_workload(workload, design).program
    result = run(program, executor="compiled")
    return summarise(analyse(program, design, result.timeline, result.makespan_ps))


def new_designs(count: int, seed: int = 5) -> list[Design]:
    """Random designs, no two alike, and what of one is new to a process is seldom another's."""
    from cosim.design import load

    random = Random(seed)
    found: dict[tuple[object, ...], dict[str, object]] = {}
    while len(found) < count:
        sizes = {
            "engine.array.rows": random.choice([8, 12, 16, 20, 24, 28, 32, 40, 48]),
            "engine.array.columns": random.choice([8, 12, 16, 20, 24, 28, 32, 40, 48]),
            "engine.array.dataflow": random.choice(["weight-stationary", "output-stationary"]),
            "buffer.input.size": f"{random.randrange(60, 132, 4)} KiB",
            "dram.bandwidth": f"{random.randrange(1000, 8000, 100)} MB/s",
            "clocks.core": f"{random.randrange(100, 600, 20)} MHz",
        }
        found[tuple(sizes.values())] = sizes
    return [load(BOARD, sizes) for sizes in found.values()]


def _new_points(workload: Workload, repeats: int) -> tuple[float, str]:
    """Median time of design points that this process has not seen, and how far they spread.

    Half of them come before: in a process that has seen none, a point costs more.
    """
    times = [cpu_seconds(_summariser(workload, design)) for design in new_designs(12 * repeats)]
    first, warm = times[: 6 * repeats], sorted(times[6 * repeats :])
    note = f"{len(warm)} random designs, {1e3 * warm[0]:.1f} to {1e3 * warm[-1]:.1f} ms"
    return median(warm), f"{note}; the {len(first)} before them {1e3 * median(first):.1f} ms"


def _moved_slider(workload: Workload, count: int) -> tuple[float, str]:
    """Median time of a design point that differs in one key from those before it.

    The bandwidth moves in steps over its range and back between them: no two points are alike.
    """
    from cosim.design import load

    rates = [1000 + 10 * (37 * step % 701) for step in range(count)]
    designs = [load(BOARD, {"dram.bandwidth": f"{rate} MB/s"}) for rate in rates]
    times = [cpu_seconds(_summariser(workload, design)) for design in designs]
    warm = sorted(times[count // 4 :])
    return median(warm), f"{len(warm)} points, {1e3 * warm[0]:.1f} to {1e3 * warm[-1]:.1f} ms"


def captured(folder: Path, network: str, *options: str) -> Path | None:
    """Capture in a process of its own, so that this one stays free of torch."""
    file = folder / f"{network}.json"
    command = [sys.executable, "-m", "cosim", "capture", network, "-o", str(file), *options]
    done = subprocess.run(command, capture_output=True, check=False)
    return file if done.returncode == 0 else None


_PEAK = """
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
status = Path("/proc/self/status")
found = status.read_text().split("VmHWM:")[1:] if status.exists() else []
print(found[0].split()[0] if found else getrusage(RUSAGE_SELF).ru_maxrss)
"""
# the resource usage of a process begins with the peak of the one that started it


def _peak_memory(workload: Path | None) -> Measurement:
    name = "peak memory of the ResNet-18 run over bare numpy and numba"
    if workload is None:
        return Measurement(name, None, 150, False, "MB", "needs torch to capture")
    code = (
        "from cosim.cli.bench_measures import to_summary, BOARD\n"
        "from cosim.design import load\n"
        "from cosim.workload.files import load_workload\n"
        f"to_summary(load_workload({str(workload)!r}), load(BOARD))\n"
    )
    whole, bare = _child_peak(code), _child_peak("import numpy, numba\n")
    return Measurement(name, (whole - bare) / 1e3, 150, False, "MB", f"{whole / 1e3:.0f} MB in all")


def _child_peak(code: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code + _PEAK], capture_output=True, check=True, text=True
    )
    return float(done.stdout.split()[-1])


def all_measures(quick: bool) -> dict[str, Callable[[], Iterator[Measurement]]]:
    """Every measure by the part of the program it is about."""
    from cosim.cli.bench_sweep import sweep_overhead

    repeats = 3 if quick else 5
    return {
        "executors": partial(executors, repeats),
        "worst-case": partial(worst_case, repeats),
        "bert": partial(bert_share, 4 if quick else 12),
        "burst-tier": partial(burst_tier, repeats),
        "runs": partial(whole_runs, repeats),
        "sweep": partial(sweep_overhead, 300 if quick else 1000),
    }
