"""How wide each engine of a pipeline is built: SIMD inputs and PE outputs at a time.

A layer takes what the design says of it; else the cheapest folding that reaches the wanted rate;
else the widest below the design's bounds. SIMD divides the reduction K * K * IC and PE the outputs
OC, for an engine has no partial folds. Engines without weights follow: a pooling handles all
channels of a pixel at a time, as FINN's does; joins, forks and poolings of overlapping windows are
as narrow as the slowest matrix-vector unit allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import ceil

from cosim.design.design import Design
from cosim.design.pipeline import BoardLimits, LayerFolding, Pipeline
from cosim.errors import CosimError, nearest
from cosim.mapping.pipeline.engines import Engine
from cosim.mapping.pipeline.resources import engine_resources
from cosim.mapping.pipeline.stages import Stage, StageGraph, StageKind

_FINN_CLASS = BoardLimits(70_560, 432, 360)
"""What the share of a resource is measured by where the design names no board: a ZU3EG."""


def folded(graph: StageGraph, design: Design) -> list[Engine]:
    """An engine for every stage.

    Raises
    ------
    CosimError
        A folding that does not divide, or of a layer that there is not; a rate out of reach.
    """
    pipeline = design.pipeline
    assert pipeline is not None
    matrix = [stage for stage in graph.stages if stage.kind is StageKind.MATRIX]
    own = _own(matrix, pipeline.layers, design.name)
    engines: dict[str, Engine] = {}
    for stage in matrix:
        stated = own.get(stage.name)
        engines[stage.name] = (
            _stated(stage, stated, pipeline, design)
            if stated is not None and (stated.simd or stated.pe)
            else _by_rule(stage, pipeline, design)
        )
    slowest = max((engine.busy_cycles for engine in engines.values()), default=0)
    return [
        engines.get(stage.name)
        or _follower(stage, own.get(stage.name), max(slowest, 1), pipeline, design)
        for stage in graph.stages
    ]


def _own(
    matrix: Sequence[Stage], layers: Sequence[LayerFolding], design: str
) -> dict[str, LayerFolding]:
    """What the design says of single layers, by their names."""
    names = [stage.name for stage in matrix]
    found: dict[str, LayerFolding] = {}
    for entry in layers:
        key = entry.layer
        if key.isdigit() and key not in names:
            name = names[int(key)] if int(key) < len(names) else ""
        else:
            name = key if key in names else ""
        if not name:
            raise CosimError(
                f"no layer '{key}' to fold",
                where=f"design '{design}', pipeline.layer",
                expected=f"one of {', '.join(names)}, or a number from 0 to {len(names) - 1}",
                nearest=nearest(key, names),
            )
        found[name] = entry
    return found


@cache
def divisors(number: int) -> tuple[int, ...]:
    """All divisors in ascending order."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


def _widest(number: int, bound: int) -> int:
    return max(d for d in divisors(number) if d <= max(1, bound))


def _stated(stage: Stage, entry: LayerFolding, pipeline: Pipeline, design: Design) -> Engine:
    where = f"design '{design.name}', pipeline.layer.{entry.layer}"
    for key, value, total, of in (
        ("simd", entry.simd, stage.reduction, "the products of one output, K * K * IC"),
        ("pe", entry.pe, stage.outputs, "the output channels"),
    ):
        if value is not None and total % value:
            allowed = divisors(total)
            close = min(allowed, key=lambda d: (abs(d - value), d))
            raise CosimError(
                f"{key} = {value} does not divide {total}, {of} of '{stage.name}'",
                where=where,
                expected=f"one of {', '.join(map(str, allowed))}",
                nearest=str(close),
            )
    simd = entry.simd or _widest(stage.reduction, pipeline.simd)
    pe = entry.pe or _widest(stage.outputs, pipeline.pe)
    return Engine(stage, simd, pe, pipeline.image_overlap)


def _by_rule(stage: Stage, pipeline: Pipeline, design: Design) -> Engine:
    if pipeline.target_images_per_s is None:
        return Engine(
            stage,
            _widest(stage.reduction, pipeline.simd),
            _widest(stage.outputs, pipeline.pe),
            pipeline.image_overlap,
        )
    clock = design.clock(pipeline.clock)
    limit = 1e12 / pipeline.target_images_per_s / clock.period_ps
    best: tuple[float, Engine] | None = None
    for simd in divisors(stage.reduction):
        # more outputs at a time than needed only cost more
        for pe in divisors(stage.outputs):
            engine = Engine(stage, simd, pe, pipeline.image_overlap)
            if engine.busy_cycles > limit or engine.interval_cycles > limit:
                continue
            share = cost(engine, pipeline)
            if best is None or share < best[0]:
                best = (share, engine)
            break
    if best is None:
        widest = Engine(stage, stage.reduction, stage.outputs, pipeline.image_overlap)
        rate = 1e12 / (widest.interval_cycles * clock.period_ps)
        raise CosimError(
            f"layer '{stage.name}' cannot make {pipeline.target_images_per_s:g} images a second "
            f"at {clock.frequency_hz / 1e6:g} MHz, however wide it is built",
            where=f"design '{design.name}', pipeline.target",
            expected=f"at most {rate:.6g} fps, or a faster clock",
        )
    return best[1]


def cost(engine: Engine, pipeline: Pipeline) -> float:
    """The share of the board that an engine takes, all resources together."""
    board = pipeline.board or _FINN_CLASS
    # the width of its results hardly matters for the choice
    takes = engine_resources(engine, pipeline, 1)
    return (
        takes.luts / max(1, board.luts)
        + takes.block_ram18 / max(1, board.block_ram18)
        + takes.dsps / max(1, board.dsps)
    )


def _follower(
    stage: Stage, entry: LayerFolding | None, slowest: int, pipeline: Pipeline, design: Design
) -> Engine:
    channels = stage.takes.channels
    whole = Engine(stage, channels, channels, pipeline.image_overlap)
    if stage.kind is StageKind.POOL:
        return whole
    one = Engine(stage, 1, 1, pipeline.image_overlap)
    wanted = ceil(one.interval_cycles / slowest)
    for width in divisors(channels):
        engine = replace(one, simd=width, pe=width)
        if width >= wanted and engine.interval_cycles <= slowest:
            return engine
    return whole
