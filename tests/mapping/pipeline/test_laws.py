"""What holds for every pipeline, whatever its layers, widths and FIFOs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.analysis.component_time import component_times
from cosim.design.pipeline import FifoSize, LayerFolding
from cosim.machine.execute import run
from cosim.mapping.pipeline.mapping import BuiltPipeline, build_pipeline
from cosim.mapping.pipeline.stages import Shape, StageGraph, StageKind
from cosim.mapping.program import StepKind
from cosim.mapping.task_stream import template_counts
from cosim.timeline.causes import Cause
from cosim.timeline.rows import COLUMN_TYPES
from tests.mapping.pipeline.machines import chain, chains, convolution, machine, with_images

Chain = tuple[StageGraph, tuple[LayerFolding, ...]]
CYCLE = 1_000_000
"""Picoseconds."""


def built(given_chain: Chain, images: int = 1, **pipeline: object) -> BuiltPipeline:
    graph, layers = given_chain
    design = machine(layers=layers, **pipeline)
    return build_pipeline("chain", with_images(graph, images), design)


def makespan(pipeline: BuiltPipeline) -> int:
    return run(pipeline.program, executor="python").makespan_ps


@settings(max_examples=25, deadline=None)
@given(chains(), st.booleans())
def test_the_slowest_stage_sets_the_pace_if_fifos_are_deep(chosen: Chain, overlap: bool) -> None:
    """To the cycle: an image each `interval_cycles` of the slowest engine, as closed forms say."""
    options = {"fifo_depth": 4096, "image_overlap": overlap}
    pace = makespan(built(chosen, 7, **options)) - makespan(built(chosen, 6, **options))
    pipeline = built(chosen, **options).design.pipeline
    assert pipeline is not None
    slowest = max(unit.cycles_per_image for unit in pipeline.units)
    assert pace == pytest.approx(slowest * CYCLE, abs=CYCLE)


@settings(max_examples=25, deadline=None)
@given(chains(), st.integers(0, 6), st.integers(1, 12), st.data())
def test_a_deeper_fifo_never_makes_a_run_slower(
    chosen: Chain, depth: int, more: int, data: st.DataObject
) -> None:
    shallow = built(chosen, 3, fifo_depth=depth)
    one = data.draw(st.sampled_from(shallow.fifos[1:-1])) if len(shallow.fifos) > 2 else None
    before = makespan(shallow)
    assert makespan(built(chosen, 3, fifo_depth=depth + more)) <= before
    if one is not None:
        deeper = (FifoSize(one.name, depth + more),)
        assert makespan(built(chosen, 3, fifo_depth=depth, fifos=deeper)) <= before


@settings(max_examples=25, deadline=None)
@given(chains(), st.integers(0, 6))
def test_one_image_takes_at_most_all_stages_one_after_the_other(chosen: Chain, depth: int) -> None:
    pipeline = built(chosen, 1, fifo_depth=depth)
    result = run(pipeline.program, executor="python")
    parts = component_times(pipeline.program, result.timeline, result.makespan_ps)
    assert result.makespan_ps <= sum(part.busy_ps for part in parts)


@settings(max_examples=25, deadline=None)
@given(chains(), st.integers(1, 4))
def test_no_token_is_lost_and_every_product_is_made_once(chosen: Chain, images: int) -> None:
    pipeline = built(chosen, images)
    program, net = pipeline.program, Counter[int]()
    macs = 0
    for component in program.components:
        for template, count in template_counts(component.stream).items():
            macs += count * program.templates[template].info.macs
            for kind, pool, amount, _ in program.templates[template].steps:
                if kind in (StepKind.ACQUIRE, StepKind.RELEASE):
                    net[pool] += count * amount * (1 if kind == StepKind.RELEASE else -1)
    assert not any(net.values())
    assert macs == images * sum(stage.macs for stage in chosen[0].stages)


@settings(max_examples=20, deadline=None)
@given(chains(), st.integers(0, 4))
def test_both_executors_agree(chosen: Chain, depth: int) -> None:
    program = built(chosen, 5, fifo_depth=depth).program
    fast, slow = run(program, executor="python"), run(program, executor="simpy")
    assert fast.makespan_ps == slow.makespan_ps
    rows, others = fast.timeline.rows(), slow.timeline.rows()
    for name in COLUMN_TYPES:
        assert np.array_equal(getattr(rows, name), getattr(others, name)), name


@settings(max_examples=25, deadline=None)
@given(chains())
def test_an_engine_works_for_as_long_as_finns_equation_says(chosen: Chain) -> None:
    pipeline = built(chosen)
    result = run(pipeline.program, executor="python")
    times = component_times(pipeline.program, result.timeline, result.makespan_ps)
    busy = {part.name: part.busy_ps for part in times}
    for stage, engine in zip(chosen[0].stages, pipeline.engines, strict=True):
        if stage.kind is StageKind.MATRIX:
            pixels = stage.gives.pixels
            folds = stage.reduction // engine.simd * (stage.outputs // engine.pe)
            assert busy[stage.name] == pixels * folds * CYCLE


def test_what_waits_for_room_says_so_and_what_waits_for_data_as_well() -> None:
    """A slow engine between two fast ones: the first finds no room, the last no data."""
    shape = Shape(6, 6, 4)
    stages = [convolution(f"conv{n}", n - 1, shape, 4, 1) for n in range(3)]
    widths = [(4, 4), (1, 1), (4, 4)]
    layers = tuple(LayerFolding(f"conv{n}", *width) for n, width in enumerate(widths))
    pipeline = built((chain(stages, 1), layers), 4)
    result = run(pipeline.program)
    parts = component_times(pipeline.program, result.timeline, result.makespan_ps)
    idle = {part.name: part.idle_ps for part in parts}
    assert idle["conv0"][Cause.OUTPUT_SPACE.label] > 0.5 * result.makespan_ps
    assert idle["conv2"][Cause.INPUT.label] > 0.8 * result.makespan_ps
