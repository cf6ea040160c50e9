"""The reference pipeline: loader -> array -> store, one DRAM channel, a power budget."""

from __future__ import annotations

from cosim.mapping.program import (
    Component,
    Loop,
    Pool,
    PoolPhase,
    Program,
    StepKind,
    TaskInfo,
    Template,
)
from cosim.timeline.causes import Cause

A, H, R, M = StepKind.ACQUIRE, StepKind.HOLD, StepKind.RELEASE, StepKind.MARK
DRAM, POWER, IN_SLOTS, OUT_SLOTS, LOADED, COMPUTED = range(6)


def pipeline(
    rows: int = 4,
    columns: int = 5,
    depth: int = 6,
    *,
    load: int = 70,
    compute: int = 100,
    store: int = 90,
    budget: int = 1000,
    ragged: bool = True,
    layers: int = 1,
) -> Program:
    """A tiled GEMM of `rows` x `columns` output tiles, `depth` loads and computes for each."""
    last = 17 if ragged else 0
    templates = (
        Template(_load(load), TaskInfo(0, "load")),
        Template(_load(load - last), TaskInfo(0, "load")),
        Template(_compute(compute, False), TaskInfo(0, "compute")),
        Template(_compute(compute - last, True), TaskInfo(0, "compute")),
        Template(_store(store), TaskInfo(0, "store")),
    )

    def nest(inner: tuple) -> tuple:
        return tuple(Loop(rows, (Loop(columns, inner),)) for _ in range(layers))

    return Program(
        name="reference pipeline",
        clock_periods_ps=(1, 5000, 8000),
        clock_names=("ps", "core", "dma"),
        pools=(
            Pool("dram", 1, PoolPhase.DRAM, Cause.DRAM_BUSY, "channel", 1),
            Pool("power", budget, PoolPhase.POWER, Cause.POWER, "power", budget),
            Pool("in slots", 2, PoolPhase.IMMEDIATE, Cause.INPUT_SPACE, "buffer", 2),
            Pool("out slots", 2, PoolPhase.IMMEDIATE, Cause.OUTPUT_SPACE, "buffer", 2),
            Pool("loaded", 0, PoolPhase.IMMEDIATE, Cause.INPUT, "token", 2),
            Pool("computed", 0, PoolPhase.IMMEDIATE, Cause.RESULT, "token", 2),
        ),
        components=(
            Component("loader", "dma", nest((Loop(depth - 1, (0,)), 1))),
            Component("array", "engine", nest((Loop(depth - 1, (2,)), 3))),
            Component("store", "dma", nest((4,))),
        ),
        templates=templates,
        lanes=("load", "compute", "store"),
        layers=("gemm",),
    )


def _load(cycles: int) -> tuple:
    return (
        (A, IN_SLOTS, 1, 0), (A, DRAM, 1, 2), (A, POWER, 350, 2), (H, cycles, 2, 0), (M, 0, 0, 0),
        (R, POWER, 350, 0), (R, DRAM, 1, 0), (R, LOADED, 1, 0),
    )  # fmt: skip


def _compute(cycles: int, last: bool) -> tuple:
    before = ((A, OUT_SLOTS, 1, 0),) if last else ()
    after = ((R, COMPUTED, 1, 0),) if last else ()
    return (
        (A, LOADED, 1, 0), *before, (A, POWER, 600, 0), (H, cycles, 1, 0), (M, 1, 0, 0),
        (R, POWER, 600, 0), *after, (R, IN_SLOTS, 1, 0),
    )  # fmt: skip


def _store(cycles: int) -> tuple:
    return (
        (A, COMPUTED, 1, 0), (A, DRAM, 1, 1), (A, POWER, 350, 1), (H, cycles, 2, 0), (M, 2, 0, 0),
        (R, POWER, 350, 0), (R, DRAM, 1, 0), (R, OUT_SLOTS, 1, 0),
    )  # fmt: skip
