"""Programs and workloads that `cosim bench` measures with."""

from __future__ import annotations

from dataclasses import replace
from random import Random

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
from cosim.mapping.task_stream import Loop, Node
from cosim.timeline.causes import Cause
from cosim.workload.workload import (
    Access,
    Index,
    Kind,
    Op,
    Phase,
    Role,
    Tensor,
    Workload,
)
from cosim.workload.workload import Loop as Dimension

ACQUIRE, HOLD, RELEASE, MARK, _ = (int(kind) for kind in StepKind)
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
    """The reference pipeline: loader, array and store, one DRAM channel, a power budget.

    A tiled GEMM of `rows` x `columns` output tiles; each is the sum of `depth` tiles, which are
    loaded and computed one after the other.

    Parameters
    ----------
    load, compute, store : int
        Cycles of a tile; at 125 MHz for transfers, 200 MHz for the array.
    budget : int
        Milliwatts. The array draws 600, a transfer 350.
    ragged : bool
        Whether the last of the `depth` tiles is smaller.
    layers : int
        How often all of it happens.
    """
    last = 17 if ragged else 0
    steps = (
        _load(load),
        _load(load - last),
        _compute(compute, False),
        _compute(compute - last, True),
        _store(store),
    )

    def nest(inner: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(Loop(rows, (Loop(columns, inner),)) for _ in range(layers))

    streams = (
        nest((Loop(depth - 1, (0,)), 1)),
        nest((Loop(depth - 1, (2,)), 3)),
        nest((4,)),
    )
    return _pipeline_program(steps, streams, budget)


def random_tiles(tiles: int) -> Program:
    """The reference pipeline with tiles of random times in random order: nothing repeats."""
    random = Random(7)
    kinds = 200
    steps: list[tuple[Step, ...]] = []
    for _ in range(kinds):
        steps += [
            _load(random.randrange(50, 5000)),
            _compute(random.randrange(50, 5000), True),
            _store(random.randrange(50, 5000)),
        ]
    order = [[3 * random.randrange(kinds) + part for _ in range(tiles)] for part in range(3)]
    return _pipeline_program(
        tuple(steps), (tuple(order[0]), tuple(order[1]), tuple(order[2])), 1000
    )


def incommensurate_loops(tiles: int) -> Program:
    """Three components in long loops, whose times have no common measure: states never recur."""
    times = (9973, 10007, 10009)  # primes
    return Program(
        name="incommensurate loops",
        clock_periods_ps=(1,),
        clock_names=("ps",),
        pools=(),
        components=tuple(
            Component(f"part {place}", "engine", (Loop(tiles, (place,)),)) for place in range(3)
        ),
        templates=tuple(
            Template(((HOLD, time, 0, 0), (MARK, 0, 0, 0)), TaskInfo(0, "work")) for time in times
        ),
        lanes=("work",),
        layers=("layer",),
    )


def _pipeline_program(
    steps: tuple[tuple[Step, ...], ...], streams: tuple[tuple[Node, ...], ...], budget: int
) -> Program:
    activity = {IN_SLOTS: "load", LOADED: "compute", COMPUTED: "store"}
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
            Component("loader", "dma", streams[0]),
            Component("array", "engine", streams[1]),
            Component("store", "dma", streams[2]),
        ),
        templates=tuple(Template(own, TaskInfo(0, activity[own[0][1]])) for own in steps),
        lanes=("load", "compute", "store"),
        layers=("gemm",),
    )


def _load(cycles: int) -> tuple[Step, ...]:
    return (
        (ACQUIRE, IN_SLOTS, 1, 0), (ACQUIRE, DRAM, 1, 2), (ACQUIRE, POWER, 350, 2),
        (HOLD, cycles, 2, 0), (MARK, 0, 0, 0),
        (RELEASE, POWER, 350, 0), (RELEASE, DRAM, 1, 0), (RELEASE, LOADED, 1, 0),
    )  # fmt: skip


def _compute(cycles: int, last: bool) -> tuple[Step, ...]:
    before: tuple[Step, ...] = ((ACQUIRE, OUT_SLOTS, 1, 0),) if last else ()
    after: tuple[Step, ...] = ((RELEASE, COMPUTED, 1, 0),) if last else ()
    return (
        (ACQUIRE, LOADED, 1, 0), *before, (ACQUIRE, POWER, 600, 0), (HOLD, cycles, 1, 0),
        (MARK, 1, 0, 0), (RELEASE, POWER, 600, 0), *after, (RELEASE, IN_SLOTS, 1, 0),
    )  # fmt: skip


def _store(cycles: int) -> tuple[Step, ...]:
    return (
        (ACQUIRE, COMPUTED, 1, 0), (ACQUIRE, DRAM, 1, 1), (ACQUIRE, POWER, 350, 1),
        (HOLD, cycles, 2, 0), (MARK, 2, 0, 0),
        (RELEASE, POWER, 350, 0), (RELEASE, DRAM, 1, 0), (RELEASE, OUT_SLOTS, 1, 0),
    )  # fmt: skip


def bert_base(tokens: int = 512) -> Workload:
    """The 72 weight GEMMs of BERT-base, 8 bits: query, key, value, output and two feed-forward
    layers in each of twelve blocks (Devlin et al. 2019, table 1: hidden 768, inner 3072).
    """
    tensors: list[Tensor] = []
    ops: list[Op] = []

    def tensor(shape: tuple[int, ...], role: Role, birth: int) -> int:
        number = len(tensors)
        tensors.append(
            Tensor(
                number, f"t{number}", shape, "float32", 8, role, number, birth, birth,
                scheme="min-max",
            )
        )  # fmt: skip
        return number

    def gemm(source: int, outputs: int, layer: str) -> int:
        rows, inner = tensors[source].shape
        number = len(ops)
        weight = tensor((outputs, inner), Role.WEIGHT, -1)
        made = tensor((rows, outputs), Role.ACTIVATION, number)
        m, n, k = (Index(((name, 1),)) for name in "mnk")
        writer = tensors[source].birth
        ops.append(
            Op(
                number, Kind.CONTRACTION, "contraction", layer, Phase.FORWARD, (source, weight),
                (made,),
                loops=(Dimension("m", rows), Dimension("n", outputs), Dimension("k", inner)),
                accesses=(
                    Access(source, (m, k), (rows, inner)),
                    Access(weight, (n, k), (outputs, inner)),
                ),
                result=Access(made, (m, n), (rows, outputs)),
                depends=(writer,) if writer >= 0 else (),
            )
        )  # fmt: skip
        return made

    hidden = tensor((tokens, 768), Role.INPUT, -1)
    for block in range(12):
        query = gemm(hidden, 768, f"block{block}.query")
        gemm(hidden, 768, f"block{block}.key")
        gemm(hidden, 768, f"block{block}.value")
        attended = gemm(query, 768, f"block{block}.output")
        hidden = gemm(gemm(attended, 3072, f"block{block}.expand"), 768, f"block{block}.shrink")
    return Workload("bert-base-gemms", tuple(_with_deaths(tensors, ops)), tuple(ops))


def _with_deaths(tensors: list[Tensor], ops: list[Op]) -> list[Tensor]:
    """Activations die with their last reader; weights, inputs and results survive."""
    last = {number: op.id for op in ops for number in op.inputs}
    return [
        replace(
            tensor,
            death=len(ops) if tensor.birth < 0 else last.get(tensor.id, len(ops)),
        )
        for tensor in tensors
    ]
