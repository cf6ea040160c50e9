"""On-chip memories that cannot keep up: laws of the stalls, and where they show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.analysis.breakdown import latency_breakdown
from cosim.design.design import Buffer, Dataflow
from cosim.mapping.engines.systolic import Systolic, matrix_product
from cosim.mapping.engines.timing import Layer
from cosim.mapping.feeding import Flow, Phase, shared, stall_cycles
from cosim.mapping.mapping import map_workload
from cosim.mapping.task_stream import template_counts
from cosim.simulate import simulate

from .examples import Builder, design, ideal


def memory(name="m", banks=1, ports=1, width=64, double=False):
    return Buffer(name, ("input",), 1 << 16, double, banks, ports, width)


shapes = st.fixed_dictionaries(
    {"banks": st.integers(1, 8), "ports": st.integers(1, 2), "width": st.integers(8, 256)}
)
demands = st.lists(
    st.tuples(st.sampled_from("ab"), st.floats(0, 1e5), st.sampled_from(list(Phase))), max_size=6
)
cycles = st.tuples(st.integers(1, 500), st.integers(1, 200), st.integers(0, 200))


def stall(demand, shape, window, double=False):
    stream, load, rest = window
    buffers = {name: memory(name, double=double, **shape) for name in "ab"}
    flows = [Flow(buffers[name], bits, phase) for name, bits, phase in demand]
    return stall_cycles(flows, stream, load, stream + load + rest)


@given(demands, shapes, cycles, st.sampled_from(["banks", "ports", "width"]), st.booleans())
def test_more_banks_ports_or_width_never_slow_a_task(demand, shape, window, what, double):
    more = shape | {what: shape[what] + 1}
    assert stall(demand, more, window, double) <= stall(demand, shape, window, double)


@given(demands, shapes, cycles)
def test_ports_move_no_more_than_their_width(demand, shape, window):
    """With its stalls, a task is long enough for every bit of every buffer."""
    total = sum(window) + stall(demand, shape, window)
    rate = memory(**shape).bits_per_cycle()
    for name in "ab":
        assert sum(bits for of, bits, _ in demand if of == name) <= total * rate


@given(demands, cycles)
def test_wide_memories_and_those_of_no_stated_width_never_stall(demand, window):
    assert stall(demand, {"banks": 64, "ports": 2, "width": 65536}, window) == 0
    assert stall(demand, {"banks": 1, "ports": 1, "width": None}, window) == 0


@pytest.mark.parametrize(("width", "slower"), [(512, 1), (128, 1), (64, 2), (32, 4), (16, 8)])
def test_rows_that_want_more_bits_than_a_cycle_gives_slow_the_stream_in_proportion(width, slower):
    """16 rows of 8 bits on one bank: the streamed dimension is stretched by 128 / width."""
    tile = matrix_product(100, 16, 16)
    tile = Systolic(design().array).timing(Layer(tile)).cycles(tile)
    flows = [Flow(memory(width=width), 100 * 16 * 8, Phase.STREAM)]
    stalled = stall_cycles(flows, tile.busy, 16, tile.total)
    assert tile.busy + stalled == slower * tile.busy


def test_a_stationary_operand_stalls_its_load_and_not_the_stream():
    """16 rows of 16 weights of 8 bits want 128 bits a cycle for 16 cycles."""
    flows = [Flow(memory(width=32), 16 * 16 * 8, Phase.LOAD)]
    assert stall_cycles(flows, 100, 16, 146) == 3 * 16


def test_results_that_leave_use_the_idle_cycles_of_the_ports():
    flows = [Flow(memory(), 64 * 100, Phase.STREAM), Flow(memory(), 64 * 30)]
    assert stall_cycles(flows, 100, 0, 130) == 0
    assert stall_cycles(flows, 100, 0, 120) == 10


def test_halves_in_banks_of_their_own_hide_the_dma():
    one, double, two = memory(), memory(double=True), memory(banks=2, double=True)
    assert shared(one, 7.0) == shared(double, 7.0) == 7.0
    assert shared(two, 7.0) == 0.0
    assert two.bits_per_cycle() == one.bits_per_cycle()
    assert memory(banks=2).bits_per_cycle() == 2 * one.bits_per_cycle()


@pytest.mark.parametrize(("clock_ps", "slower"), [(2000, 1), (1500, 1), (1000, 2), (500, 3)])
def test_banks_that_take_longer_than_a_cycle_are_accessed_less_often(clock_ps, slower):
    slow = replace(memory(), cycle_ps=1500)
    assert slow.bits_per_cycle(clock_ps) == 64 / slower
    flows = [Flow(slow, 64 * 100, Phase.STREAM)]
    assert stall_cycles(flows, 100, 0, 100, clock_ps) == 100 * (slower - 1)


# on a machine


def network():
    build = Builder()
    x = build.conv(build.input(1, 16, 12, 12), 32)
    x = build.relu(x)
    flat = build.gemm(build.input(24, 70), 40, bias=True)
    build.gemm(flat, 10)
    return build.build()


def with_buffers(base, **fields):
    return replace(base, buffers=tuple(replace(b, **fields) for b in base.buffers))


def engine_cycles(program) -> tuple[int, int]:
    """Cycles of all tasks of array and vector unit, and those of them that are stalls."""
    held = stalled = 0
    for component in program.components:
        if component.kind in ("engine", "vector"):
            for template, count in template_counts(component.stream).items():
                info = program.templates[template].info
                held += count * info.cycles
                stalled += count * info.stall_cycles
    return held, stalled


@pytest.mark.parametrize("dataflow", list(Dataflow))
def test_narrow_buffers_lengthen_the_tasks_and_nothing_else(dataflow):
    plain = design(dataflow=dataflow, resident_kib=16)
    base, none = engine_cycles(map_workload(network(), plain).program)
    assert none == 0
    last = base
    for width in (4096, 512, 128, 64, 16):
        narrow = with_buffers(plain, banks=2, width_bits=width)
        held, stalled = engine_cycles(map_workload(network(), narrow).program)
        assert held - stalled == base
        assert held >= last
        last = held
    assert last > base


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(list(Dataflow)), st.sampled_from([8, 32, 64, 256]), st.integers(1, 4),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_no_buffer_moves_more_than_its_ports_allow(dataflow, width, banks, double, overlap):
    """Bytes from the energy account (1 pJ a byte), cycles from the tasks: two separate counts."""
    made = with_buffers(
        design(dataflow=dataflow, resident_kib=16, fold_overlap=overlap),
        width_bits=width, banks=banks, double_buffered=double,
        read_pj_per_byte=1.0, write_pj_per_byte=1.0,
    )  # fmt: skip
    program = map_workload(network(), made).program
    for template in program.templates:
        if template.info.activity in ("compute", "epilogue", "elementwise"):
            for buffer in made.buffers:
                name = f"buffer {buffer.name}"
                moved = sum(pj for of, _, pj in template.info.energy if of == name)
                assert moved * 8 <= template.info.cycles * buffer.bits_per_cycle() * (1 + 1e-9)


def test_stalls_show_as_on_chip_memory_and_the_breakdown_still_sums_to_the_total():
    made = with_buffers(ideal(design()), width_bits=32)
    ran = simulate(network(), made)
    found = latency_breakdown(ran.program, made, ran.result.timeline)
    assert found.total_ps == ran.result.makespan_ps
    assert found.by_cause["on-chip memory"] > found.by_cause["compute"]
    wide = simulate(network(), ideal(design()))
    assert ran.result.makespan_ps > wide.result.makespan_ps
    assert (
        "on-chip memory"
        not in latency_breakdown(wide.program, wide.design, wide.result.timeline).by_cause
    )
