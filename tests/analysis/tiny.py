"""A tiny accelerator by hand: host, loader, array, vector unit, store on one DRAM.

Times are so chosen that each law can be followed with a pencil. Clock 1 runs at 1 GHz.
"""

from __future__ import annotations

from cosim.design.design import (
    Buffer,
    Clock,
    Dataflow,
    Design,
    DmaChannel,
    Dram,
    Host,
    PowerDomain,
    Precision,
    SystolicArray,
    VectorUnit,
)
from cosim.machine import execute
from cosim.mapping.program import (
    Component,
    Pool,
    PoolPhase,
    Program,
    Step,
    StepKind,
    TaskInfo,
    Template,
)
from cosim.mapping.task_stream import Loop
from cosim.timeline.causes import Cause
from cosim.timeline.rows import Rows

A, H, R, M, _ = (int(kind) for kind in StepKind)

DESIGN = Design(
    name="tiny",
    description="one of each",
    clocks=(Clock("core", 1_000_000_000),),
    array=SystolicArray(
        "array", Dataflow.WEIGHT_STATIONARY, 4, 4, "core", (Precision("int8", 1, 0.5),)
    ),
    vector=VectorUnit("vector", 4, "core", (Precision("int8", 1, 0.1),)),
    buffers=(
        Buffer("in", ("input", "weight"), 200, static_mw=1.0),
        Buffer("out", ("accumulator", "output"), 64),
    ),
    dma=(
        DmaChannel("load", ("input", "weight"), 1, "core"),
        DmaChannel("store", ("output",), 1, "core"),
    ),
    dram=Dram("toy", 1_000_000_000, 1.0, 20_000, 1 << 20, 1.0, 1.0, 5.0),
    host=Host(1_000, 2, 1_000_000, 100.0),
    power=PowerDomain(10.0, 1000.0),
)
BUFFER, DRAM, LOADED, DONE, SPACE, QUEUE = range(6)


def pools() -> tuple[Pool, ...]:
    return (
        Pool("buffer in", 200, PoolPhase.IMMEDIATE, Cause.INPUT_SPACE, "buffer", 200),
        Pool("dram", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1),
        Pool("loaded", 0, PoolPhase.IMMEDIATE, Cause.INPUT),
        Pool("computed", 0, PoolPhase.IMMEDIATE, Cause.RESULT),
        Pool("buffer out", 64, PoolPhase.IMMEDIATE, Cause.OUTPUT_SPACE, "buffer", 64),
        Pool("command queue", 0, PoolPhase.IMMEDIATE, Cause.HOST, "queue"),
    )


def load(layer: int, tail_ps: int = 0) -> Template:
    """Load 100 bytes: 20 ns latency and 100 ns data on the DRAM, then a tail."""
    steps: list[Step] = [(A, BUFFER, 100, 0), (A, DRAM, 1, 1), (H, 120_000, 0, 0), (M, 1, 0, 0)]
    steps.append((R, DRAM, 1, 0))
    if tail_ps:
        steps += [(H, tail_ps, 0, 0), (M, 1, 0, 0)]
    steps.append((R, LOADED, 1, 0))
    info = TaskInfo(
        layer, "load", 0, 100_000, 20_000, 100, 0, "weight", (("dram", "weight", 800.0),)
    )
    return Template(tuple(steps), info)


def compute(layer: int, cycles: int, fill: int) -> Template:
    steps = (
        (A, LOADED, 1, 0),
        (A, SPACE, 64, 0),
        (H, cycles + fill, 1, 0),
        (M, 2, 0, 0),
        (R, BUFFER, 100, 0),
        (R, DONE, 1, 0),
    )
    info = TaskInfo(layer, "compute", 16 * cycles, cycles, fill, energy=(("array", "", 50.0),))
    return Template(steps, info)


def store(layer: int) -> Template:
    steps = (
        (A, DONE, 1, 0),
        (A, DRAM, 1, 0),
        (H, 84_000, 0, 0),
        (M, 3, 0, 0),
        (R, DRAM, 1, 0),
        (R, SPACE, 64, 0),
    )
    info = TaskInfo(
        layer, "store", 0, 64_000, 20_000, 0, 64, "activation", (("dram", "activation", 512.0),)
    )
    return Template(steps, info)


def command(layer: int) -> Template:
    return Template(((H, 1_000, 0, 0), (M, 0, 0, 0), (R, QUEUE, 1, 0)), TaskInfo(layer, "command"))


def first_load(layer: int) -> Template:
    plain = load(layer)
    return Template(((A, QUEUE, 1, 0), *plain.steps), plain.info)


def program(compute_cycles: int = 50, fill: int = 6, tiles: int = 4, tail_ps: int = 0) -> Program:
    """Two layers of `tiles` tiles each: load 100 bytes, compute, store 64 bytes."""
    templates = (
        command(0),
        first_load(0),
        load(0, tail_ps),
        compute(0, compute_cycles, fill),
        store(0),
        command(1),
        load(1, tail_ps),
        compute(1, 2 * compute_cycles, fill),
        store(1),
    )
    return Program(
        "tiny",
        (1, 1_000),
        ("ps", "core"),
        pools(),
        (
            Component("host", "host", (0, 5)),
            Component("load", "dma", (1, Loop(tiles - 1, (2,)), Loop(tiles, (6,)))),
            Component("array", "engine", (Loop(tiles, (3,)), Loop(tiles, (7,)))),
            Component("store", "dma", (Loop(tiles, (4,)), Loop(tiles, (8,)))),
        ),
        templates,
        ("host", "load", "array", "store"),
        ("first", "second"),
        static_mw=16.0,
    )


def run(made: Program) -> Rows:
    """All rows of the run of a program."""
    return execute.run(made, executor="simpy").timeline.rows()
