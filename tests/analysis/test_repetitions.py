"""Analysis of a compressed timeline equals that of the same rows one by one, number by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from cosim.analysis.component_time import component_times
from cosim.analysis.counters import Counters
from cosim.analysis.critical_path import critical_path
from cosim.analysis.distinct_rows import distinct_rows
from cosim.analysis.layer_spans import layer_spans
from cosim.analysis.memory import group_starts
from cosim.analysis.path import path_of
from cosim.analysis.step_function import StepFunction
from cosim.analysis.summary import analyse, summarise
from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.machine.execute import RunResult, run
from cosim.mapping.mapping import map_workload
from cosim.mapping.program import Component, Program, TaskInfo, Template
from cosim.mapping.task_stream import Loop
from cosim.timeline.blocks import Block
from cosim.timeline.rows import COLUMN_TYPES, Rows
from cosim.timeline.timeline import Timeline
from cosim.workload.workload import Workload
from tests.analysis.tiny import DESIGN, compute, load, program, store
from tests.machine.random_programs import programs
from tests.test_simulation_laws import machines, workloads

relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = ("engine", "dma", "vector", "dma", "host")


def meaning(number: int, info: TaskInfo) -> TaskInfo:
    """What a random task might mean, so that all that analysis looks at occurs."""
    activity = ("compute", "load", "store", info.activity)[number % 4]
    return TaskInfo(
        info.op,
        activity,
        macs=7 * number,
        busy_cycles=number % 5,
        fill_cycles=number % 3,
        dram_read_bytes=64 * (number % 4 == 1),
        dram_write_bytes=96 * (number % 4 == 2),
        role=("weight", "activation")[number % 2],
        energy=(("array", "", 0.1 * number), ("dram", "weight", 1.7), ("host", "", 3.0)),
    )


def meaningful(made: Program) -> Program:
    """A random program whose tasks move, multiply and spend."""
    return replace(
        made,
        static_mw=3.25,
        templates=tuple(
            t._replace(info=meaning(number, t.info)) for number, t in enumerate(made.templates)
        ),
        components=tuple(
            c if c.background else replace(c, kind=KINDS[rank % len(KINDS)])
            for rank, c in enumerate(made.components)
        ),
    )


def looped(cycles: int, fill: int, tail_ps: int, outer: int, inner: int, layers: int) -> Program:
    """Loops within loops: `outer` times `inner` tiles and a larger one, in every layer."""
    templates: list[Template] = []
    streams: list[list[int | Loop]] = [[], [], []]
    for layer in range(layers):
        small = [load(layer, tail_ps), compute(layer, cycles, fill), store(layer)]
        large = [load(layer), compute(layer, 3 * cycles, fill), store(layer)]
        for place, stream in enumerate(streams):
            first = len(templates)
            templates += [small[place], large[place]]
            stream.append(Loop(outer, (Loop(inner, (first,)), first + 1)))
    made = program()
    names = (("load", "dma"), ("array", "engine"), ("store", "dma"))
    return replace(
        made,
        components=tuple(
            Component(*name, tuple(stream)) for name, stream in zip(names, streams, strict=True)
        ),
        templates=tuple(
            t._replace(info=t.info._replace(energy=(("array", "", 1.5 + number),)))
            for number, t in enumerate(templates)
        ),
        layers=tuple(f"layer {layer}" for layer in range(layers)),
    )


regular = st.builds(
    looped,
    cycles=st.integers(1, 400),
    fill=st.integers(0, 30),
    tail_ps=st.sampled_from((0, 1, 30_000, 250_000)),
    outer=st.integers(1, 20),
    inner=st.integers(1, 60),
    layers=st.integers(1, 4),
)
repeating = st.one_of(programs(max_iterations=40, max_tasks=400).map(meaningful), regular)


def both(made: Program) -> tuple[RunResult, RunResult]:
    return (
        run(made, executor="python"),
        run(made, executor="python", fast_forward=False),
    )


def same(found: Rows, expected: Rows) -> None:
    for name in (*COLUMN_TYPES, "number"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@given(repeating)
@relaxed
def test_the_summary_is_the_same_number_by_number(made: Program) -> None:
    folded, plain = both(made)
    assert not plain.timeline.blocks
    summaries = [
        summarise(analyse(made, DESIGN, r.timeline, r.makespan_ps)) for r in (folded, plain)
    ]
    assert summaries[0] == summaries[1]
    assert sum(summaries[0]["breakdown_ps"].values()) == folded.makespan_ps


@given(repeating)
@relaxed
def test_distinct_rows_expand_to_all_rows(made: Program) -> None:
    folded, plain = both(made)
    distinct = distinct_rows(made, folded.timeline)
    every = distinct.expanded(np.arange(len(distinct)))
    same(every, plain.timeline.rows())
    assert distinct.count.sum() == len(every) == distinct.total


def layers_of_mixed_templates() -> Program:
    """Layers that do the same, some by one template, some by two in turn.

    A jump from one layer to the next holds a jump over the tiles of the first, which all have one
    template; those of the second have not.
    """
    tiles = [load(0), compute(0, 50, 0), store(0)]
    between = [load(0, 7000), compute(0, 80, 0), store(0)]
    slower = tuple((kind, a + (kind == 1), b, c) for kind, a, b, c in between[2].steps)
    between[2] = between[2]._replace(steps=slower)
    templates = [t._replace(info=t.info._replace(op=op)) for op in (0, 1) for t in tiles] + between
    components = []
    for place, name in enumerate(("load", "array", "store")):
        one, other, gap = place, place + 3, place + 6
        wait, plain = Loop(60, (gap,)), Loop(60, (one,))
        mixed, thirds = Loop(30, (one, other)), Loop(20, (other, one, one))
        stream = (mixed, wait, plain, wait, mixed, wait, thirds, wait, mixed)
        components.append(Component(name, ("dma", "engine", "dma")[place], stream))
    return replace(
        program(), components=tuple(components), templates=tuple(templates), layers=("one", "two")
    )


def test_layers_of_mixed_templates_keep_them() -> None:
    made = layers_of_mixed_templates()
    folded, plain = both(made)
    outer = [block for block in folded.timeline.blocks if block.other_templates]
    assert any(not child.other_templates for block in outer for child in block.children)
    distinct = distinct_rows(made, folded.timeline)
    same(folded.timeline.rows(), plain.timeline.rows())
    same(distinct.expanded(np.arange(len(distinct))), plain.timeline.rows())
    rows, count = folded.timeline.distinct()
    every = plain.timeline.rows()
    templates = np.bincount(every.template)
    assert np.array_equal(np.bincount(rows.template, weights=count), templates)
    for made_of in folded, plain:
        analyse(made, DESIGN, made_of.timeline, made_of.makespan_ps)


@given(repeating)
@relaxed
def test_the_path_expands_to_the_path_walked_row_by_row(made: Program) -> None:
    folded, plain = both(made)
    rows = plain.timeline.rows()
    path = path_of(distinct_rows(made, folded.timeline))
    same(path.expanded(), rows.select(critical_path(made, rows)))
    assert (path.rows.duration * path.count).sum() == folded.makespan_ps


@given(repeating)
@relaxed
def test_components_wait_as_long_for_the_same_causes(made: Program) -> None:
    folded, plain = both(made)
    end = folded.makespan_ps
    found = component_times(made, folded.timeline, end)
    assert found == component_times(made, plain.timeline, end)
    for component in found:
        assert component.busy_ps + sum(component.idle_ps.values()) == end


@given(repeating, st.data())
@relaxed
def test_counters_are_the_same_at_every_instant_and_in_every_window(
    made: Program, data: st.DataObject
) -> None:
    folded, plain = both(made)
    end = folded.makespan_ps
    edges = np.unique(np.linspace(0, end, 1 + data.draw(st.integers(1, 30))).astype(np.int64))
    low = data.draw(st.integers(0, max(0, end - 1)))
    high = data.draw(st.integers(low + 1, max(low + 1, end)))
    few, all_ = (Counters(distinct_rows(made, r.timeline), end) for r in (folded, plain))
    for one, other in zip(
        (few.power, few.dram_bandwidth, *few.buffers),
        (all_.power, all_.dram_bandwidth, *all_.buffers),
        strict=True,
    ):
        found, expected = few.steps(one), all_.steps(other)
        assert isinstance(expected, StepFunction)
        every = expected.times
        assert np.array_equal(found.at(every), expected.values)
        assert np.array_equal(
            found.at(np.maximum(every - 1, 0)), expected.at(np.maximum(every - 1, 0))
        )
        assert found.peak == expected.peak == few.peaks([one])[0] == all_.peaks([other])[0]
        assert np.allclose(found.integral(every), expected.integral(every), rtol=1e-9)
        if end:
            assert np.array_equal(found.largest(edges), expected.largest(edges))
            window = found.window(low, high)
            moments = np.unique(np.append(every[(every >= low) & (every < high)], low))
            assert np.array_equal(window.at(moments), expected.at(moments))


@given(repeating)
@relaxed
def test_layers_begin_and_hold_the_latency_at_the_same_times(made: Program) -> None:
    folded, plain = both(made)
    assert np.array_equal(group_starts(made, folded.timeline), group_starts(made, plain.timeline))
    spans = []
    for result in (folded, plain):
        found = distinct_rows(made, result.timeline)
        spans.append(layer_spans(found.tasks, path_of(found)))
    assert spans[0] == spans[1]


PREFIX = 60
"""Rows before whatever repeats; no cause lies further back."""


@st.composite
def repeated_causes(draw: st.DrawFn) -> Timeline:
    """A timeline whose rows, one a picosecond, have causes anywhere before them."""
    back = [0] + [1] * (PREFIX - 1)
    blocks = []
    added = 0  # rows of all times but the first so far
    numbers = list(range(PREFIX))

    def rows(count: int) -> None:
        for _ in range(count):
            back.append(draw(st.integers(1, PREFIX)))
            numbers.append(len(numbers) + added)

    def block(depth: int) -> Block:
        nonlocal added
        first, number = len(back), len(back) + added
        children = []
        rows(draw(st.integers(0 if depth else 1, 6)))
        for _ in range(draw(st.integers(0 if len(back) > first else 1, 2)) if depth else 0):
            children.append(block(depth - 1))
            rows(draw(st.integers(0, 4)))
        size = len(back) + added - number
        repeats = draw(st.integers(1, (30, 9, 5)[depth]))
        added += repeats * size
        return Block(first, len(back), repeats, size, (size,), False, tuple(children))

    for _ in range(draw(st.integers(1, 3))):
        blocks.append(block(draw(st.integers(0, 2))))
        rows(draw(st.integers(0, 5)))
    end = np.array(numbers) + 1
    table = np.zeros((len(back), 8), np.int64)
    table[:, 1] = -1
    table[:, 2], table[:, 5], table[:, 7] = numbers, end, back
    table[:, 4] = np.where(table[:, 7] > 0, end - back, 0)
    return Timeline.from_table(lambda: None, table, blocks)  # type: ignore[arg-type, return-value]


ONE_COMPONENT = replace(program(), components=program().components[:1])


@given(repeated_causes())
@settings(max_examples=100, deadline=None)
def test_a_path_through_repetitions_within_repetitions_is_the_path_through_all_rows(
    timeline: Timeline,
) -> None:
    rows = timeline.rows()
    path = path_of(distinct_rows(ONE_COMPONENT, timeline))
    same(path.expanded(), rows.select(critical_path(ONE_COMPONENT, rows)))
    assert len(path) == len(path.expanded())


def test_what_a_path_goes_through_a_thousand_times_is_stored_a_few_times() -> None:
    made = program(tiles=1000)
    path = path_of(distinct_rows(made, run(made, executor="python").timeline))
    assert len(path) > 1000
    assert len(path.position) < 100


def test_a_run_of_billions_of_rows_is_analysed_without_expanding_it() -> None:
    made = program(compute_cycles=100, tiles=10**9)
    result = run(made, executor="python")
    assert len(result.timeline) > 5 * 10**9
    found = analyse(made, DESIGN, result.timeline, result.makespan_ps)
    assert len(found.run) < 1000
    assert len(found.breakdown.path.position) < 1000
    summary = summarise(found)
    assert summary["macs"] == 10**9 * 16 * 300
    assert summary["dram_bytes"] == 2 * 10**9 * 164
    assert sum(summary["breakdown_ps"].values()) == summary["makespan_ps"]
    middle = result.makespan_ps // 2
    window = found.power.window(middle, middle + 1_000_000)
    assert len(window.times) > 2
    # the same, from the rows of that window alone
    rows = result.timeline.rows(middle, middle + 1_000_000)
    bandwidth = found.dram_bandwidth.window(middle, middle + 1_000_000)
    busy = [
        bool(((rows.start <= t) & (t < rows.end) & np.isin(rows.component, (1, 3))).any())
        for t in bandwidth.times
    ]
    assert ((bandwidth.values > 0) == busy).all()
    assert found.power.mean / 1e3 == pytest.approx(summary["average_power_w"])


@given(workloads(), machines())
@settings(relaxed, max_examples=15)
def test_the_summary_of_a_mapped_network_is_the_same(workload: Workload, machine: Design) -> None:
    try:
        made = map_workload(workload, machine).program
    except CosimError:
        reject()
    folded, plain = both(made)
    summaries = [
        summarise(analyse(made, machine, r.timeline, r.makespan_ps)) for r in (folded, plain)
    ]
    assert summaries[0] == summaries[1]
