"""A workload on a dataflow pipeline: stages, their widths, their FIFOs, and the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil

from cosim.design.arrays import StreamingEngines
from cosim.design.design import Design, DramTier
from cosim.design.pipeline import Pipeline, PipelineUnit, Resources
from cosim.errors import CosimError
from cosim.mapping.governing import govern
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.fifos import OUTPUT, Fifo, fifos_of
from cosim.mapping.pipeline.folding import folded
from cosim.mapping.pipeline.graph import stage_graph
from cosim.mapping.pipeline.lower_stages import StageLowering, component_kinds
from cosim.mapping.pipeline.resources import engine_resources, fifo
from cosim.mapping.pipeline.stages import StageGraph, StageKind
from cosim.mapping.program import Program
from cosim.mapping.streams import HOST, Streams, load_lane, store_lane
from cosim.mapping.transfer import channel_for
from cosim.workload.workload import Role, Workload


@dataclass(frozen=True)
class PipelineMapping:
    """A workload on a pipeline: the program and the decisions behind it.

    `design` is the one that was asked for with the engines that were built
    (`Pipeline.units`).
    """

    workload: Workload
    design: Design
    graph: StageGraph
    engines: tuple[Engine, ...]
    fifos: tuple[Fifo, ...]
    program: Program


@dataclass(frozen=True)
class BuiltPipeline:
    """Stages built as engines with FIFOs, and their program."""

    design: Design
    engines: tuple[Engine, ...]
    fifos: tuple[Fifo, ...]
    program: Program


def map_pipeline(workload: Workload, design: Design) -> PipelineMapping:
    """Map `workload` onto the pipeline of `design`.

    Raises
    ------
    CosimError
        An operation that no streaming engine does, a folding that does not divide, a rate out of
        reach, a network that does not fit the board.
    """
    graph = stage_graph(workload)
    built = build_pipeline(f"{workload.name} on {design.name}", graph, design)
    program = govern(built.program, built.design)
    return PipelineMapping(workload, built.design, graph, built.engines, built.fifos, program)


def build_pipeline(name: str, graph: StageGraph, design: Design) -> BuiltPipeline:
    """Choose widths and FIFOs for stages, and write their program.

    Raises
    ------
    CosimError
        See `map_pipeline`.
    """
    pipeline = design.pipeline
    assert pipeline is not None
    dma = (load_lane(channel_for(design, "input")), store_lane(channel_for(design, "output")))
    _tell_apart(graph, {HOST, *dma})
    engines = folded(graph, design)
    fifos = fifos_of(graph, engines, pipeline)
    units = _units(graph, engines, fifos, pipeline)
    _check_board(units, pipeline, design.name)
    built = _built(design, replace(pipeline, units=units))
    streams = Streams(built, component_kinds(graph, engines, dma))
    StageLowering(streams, graph, engines, fifos, pipeline).emit()
    facts = _facts(built, graph, engines, fifos)
    program = streams.program(name, [stage.name for stage in graph.stages], facts)
    if built.dram.tier is DramTier.BURST:
        from cosim.mapping.pipeline.addresses import with_dram  # which knows regions of tensors

        program = with_dram(program, built, graph)
    return BuiltPipeline(built, tuple(engines), tuple(fifos), program)


def _built(design: Design, pipeline: Pipeline) -> Design:
    """The design with its engines, whose peak is now known."""
    engines = design.array
    assert isinstance(engines, StreamingEngines)
    together = replace(engines, macs_per_cycle=pipeline.macs_per_cycle)
    return replace(design, pipeline=pipeline, array=together)


def _tell_apart(graph: StageGraph, taken: set[str]) -> None:
    """Layers that are called like a DMA channel or the host get another name."""
    for stage in graph.stages:
        if stage.name in taken:
            stage.name = f"{stage.name} engine"


def _units(
    graph: StageGraph, engines: Sequence[Engine], fifos: Sequence[Fifo], pipeline: Pipeline
) -> tuple[PipelineUnit, ...]:
    """The engines as built; each with the FIFO behind it."""
    units = []
    for number, (stage, engine) in enumerate(zip(graph.stages, engines, strict=True)):
        behind = [f for f in fifos if f.producer == number]
        takes = engine_resources(engine, pipeline, max(f.bits for f in behind))
        for stream in behind:
            if stream.consumer != OUTPUT:
                width = stream.word * stream.bits
                takes += fifo(stream.depth, width, pipeline.distributed_words)
        simd, pe = (engine.simd, engine.pe) if stage.kind is StageKind.MATRIX else (0, engine.pe)
        feeds = tuple(graph.stages[f.consumer].name for f in behind if f.consumer >= 0)
        units.append(
            PipelineUnit(
                stage.name, stage.kind.value, simd, pe, engine.interval_cycles, takes, feeds
            )
        )
    return tuple(units)


def total_resources(units: Sequence[PipelineUnit]) -> Resources:
    """What all engines take together."""
    total = Resources()
    for unit in units:
        total += unit.resources
    return total


def _check_board(units: Sequence[PipelineUnit], pipeline: Pipeline, design: str) -> None:
    board = pipeline.board
    if board is None:
        return
    total = total_resources(units)
    for what, needed, there in (
        ("LUTs", total.luts, board.luts),
        ("block RAMs of 18 Kbit", total.block_ram18, board.block_ram18),
        ("DSPs", total.dsps, board.dsps),
    ):
        if needed > there:
            worst = max(
                units, key=lambda u: vars(u.resources)[_FIELD[what]]
            )  # fmt: skip
            raise CosimError(
                f"the pipeline takes about {needed} {what}, of which there are {there}; "
                f"'{worst.name}' takes most, {vars(worst.resources)[_FIELD[what]]}",
                where=f"design '{design}', pipeline.board",
                expected="a narrower folding, fewer bits, or a larger board",
            )


_FIELD = {"LUTs": "luts", "block RAMs of 18 Kbit": "block_ram18", "DSPs": "dsps"}


def _facts(
    design: Design, graph: StageGraph, engines: Sequence[Engine], fifos: Sequence[Fifo]
) -> dict[str, object]:
    """What analysis and reports want to know beside the program."""
    pipeline = design.pipeline
    assert pipeline is not None
    slowest = max(pipeline.units, key=lambda unit: unit.cycles_per_image)
    period = design.clock(pipeline.clock).period_ps
    total = total_resources(pipeline.units)
    return {
        "memory": _memory(graph, engines, fifos),
        "macs": sum(stage.macs for stage in graph.stages) * graph.images,
        "phases": ["forward"] * len(graph.stages),
        "engines": ["pipeline"] * len(graph.stages),
        "fallbacks": {},
        "assumptions": list(design.assumptions),
        "pipeline": {
            "images": graph.images,
            "slowest": slowest.name,
            "cycles_per_image": slowest.cycles_per_image,
            "images_per_s": 1e12 / (slowest.cycles_per_image * period),
            "luts": total.luts, "block_ram18": total.block_ram18, "dsps": total.dsps,
            "fifos": {f.name: {"words": f.depth, "bits": f.word * f.bits} for f in fifos},
        },
    }  # fmt: skip


def _memory(
    graph: StageGraph, engines: Sequence[Engine], fifos: Sequence[Fifo]
) -> dict[str, object]:
    """All that lies on the chip, all the time."""
    last = len(graph.stages) - 1
    places = [
        (stage.name, Role.WEIGHT.value, ceil(stage.weights * stage.weight_bits / 8))
        for stage in graph.stages
        if stage.weights
    ]
    for stage, engine in zip(graph.stages, engines, strict=True):
        if engine.has_lines:
            elements = engine.buffered_lines * engine.line_width * stage.takes.channels
            bytes_ = ceil(elements * stage.sources[0].bits / 8)
            places.append((f"lines of {stage.name}", Role.ACTIVATION.value, bytes_))
    places += [(f"FIFO {f.name}", Role.ACTIVATION.value, f.bytes) for f in fifos]
    by_role: dict[str, int] = {}
    for _, role, bytes_ in places:
        by_role[role] = by_role.get(role, 0) + bytes_
    addresses = accumulate((bytes_ for _, _, bytes_ in places), initial=0)
    return {
        "peak_bytes": sum(by_role.values()),
        "peak_group": 0,
        "by_role": by_role,
        "dram_extent_bytes": 0,
        "timeline": [by_role] * len(graph.stages),
        "placements": [
            {
                "storage": number, "name": name, "role": role, "bytes": bytes_,
                "address": address, "where": "resident", "first": 0, "last": last,
            }
            for number, ((name, role, bytes_), address) in enumerate(
                zip(places, addresses, strict=False)
            )
        ],
    }  # fmt: skip
