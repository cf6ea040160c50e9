"""Shared units on fixed tiles: their laws, and designs made of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import cosim.design as designs
from cosim.analysis.summary import analyse, summarise
from cosim.design.arrays import Precision, TiledArray
from cosim.design.design import MappingPolicy, Stays
from cosim.machine.execute import run
from cosim.mapping.engines.tiled import Tiled
from cosim.mapping.engines.timing import Layer, Pixels, Reduction, TileShape
from cosim.mapping.mapping import map_workload
from cosim.simulate import simulate
from cosim.timeline.rows import COLUMN_TYPES
from cosim.workload.workload import Kind

from .examples import Builder, design

INT8 = (Precision("int8", 1, 0.3),)
POINTWISE = TiledArray(
    "pointwise", 6, 8, 4, 8, 4, "core", INT8, border=1, pass_overhead=20, set_up=24,
    serves=("pointwise", "convolution", "product"),
)  # fmt: skip
DEPTHWISE = TiledArray(
    "depthwise", 6, 8, 1, 1, 1, "core", INT8, groups=4, border=1, set_up=24, serves=("depthwise",)
)  # fmt: skip


def machine(*arrays):
    """Engines with buffers for a few tiles."""
    base = design(buffer_kib=8)
    first, *others = arrays
    return replace(base, array=first, others=tuple(others))


def separable(side=12, channels=8, samples=1):
    build = Builder()
    x = build.conv(build.input(samples, channels, side, side), channels, groups=channels)
    x = build.relu(build.conv(build.relu(x), 2 * channels, kernel=1, padding=0))
    build.conv(x, 2 * channels, groups=2 * channels)
    return build.build()


def whole(groups, images, rows, columns, filters, channels, window=1):
    return TileShape(
        groups, Pixels(images, rows, columns), filters, Reduction(channels, window, window)
    )


def cycles(array, tile, interval=1):
    """Cycles of a layer that is this one tile."""
    return Tiled(array).timing(Layer(tile, cycles_per_step=interval)).cycles(tile).total


def test_calls_of_skynets_units_take_the_cycles_of_its_source():
    board = designs.load("skynet-ultra96")
    pointwise, depthwise = board.arrays
    full, bias = 42 * 82, 1722
    interval = {a.name: a.precisions[0].cycles_per_step for a in board.arrays}
    of_pointwise = cycles(pointwise, whole(1, 1, 40, 80, 32, 32), interval["pointwise"])
    of_depthwise = cycles(depthwise, whole(32, 4, 20, 40, 1, 1, 3), interval["depthwise"])
    assert of_pointwise == 2 * (512 + 2 * full) + bias == 14800 + bias
    assert of_depthwise == 9 * full + bias == 30996 + bias


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 5), st.integers(1, 7))
def test_a_call_takes_as_long_however_much_of_its_tile_is_used(filters, channels, rows, columns):
    full = cycles(POINTWISE, whole(1, 1, 5, 7, 8, 4))
    assert cycles(POINTWISE, whole(1, 1, rows, columns, filters, channels)) == full


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 30))
def test_buffers_hold_all_positions_with_their_borders(images, rows, columns):
    need = Tiled(POINTWISE).buffers(Pixels(images, rows, columns))
    assert need * 48 >= images * rows * columns
    one = Tiled(POINTWISE).buffers(Pixels(1, rows, columns))
    assert one <= need <= images * one


def test_small_pictures_are_stitched_with_a_border_between():
    buffers = Tiled(replace(POINTWISE, rows=42, columns=82)).buffers
    assert buffers(Pixels(4, 20, 40)) == 1
    assert buffers(Pixels(5, 20, 40)) == 2
    assert buffers(Pixels(4, 21, 40)) == 2  # 21 rows twice and a border are 43
    assert buffers(Pixels(1, 42, 82)) == 4  # no room for the border of the picture itself
    assert buffers(Pixels(1, 20, 40), (2, 2)) == 1  # 40 x 80 inputs
    assert buffers(Pixels(1, 21, 40), (2, 2)) == 2


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 3))
def test_the_tiles_of_a_layer_take_what_its_calls_take(filters, channels, side, images):
    """The cost over all tiles, as the search has it, is calls times cycles of a call."""
    build = Builder()
    build.conv(build.input(images, channels, side, side), filters, kernel=1, padding=0)
    free = replace(
        machine(POINTWISE),
        buffers=tuple(replace(b, size_bytes=1 << 20) for b in machine(POINTWISE).buffers),
    )
    mapping = map_workload(build.build(), free)
    ((_, plan),) = mapping.plans.values()
    done = analyse(mapping.program, free, run(mapping.program).timeline, 1)
    (layer,) = summarise(done)["layers"].values()
    at = plan.tile
    tiles = -(-images // at["n"]) * -(-side // at["p"]) * -(-side // at["q"])
    outputs = tiles * -(-filters // 8)
    calls = outputs * -(-channels // 4)
    share = calls - outputs  # set-up is spread over a reduction and rounded down in each tile
    assert 0 <= calls * 2 * (20 + 48) + outputs * 24 - layer["array_cycles"] <= share


def test_a_fused_pooling_window_is_never_cut():
    build = Builder()
    build.max_pool(build.conv(build.input(1, 4, 18, 18), 8, kernel=1, padding=0))
    ((_, plan),) = map_workload(build.build(), machine(POINTWISE)).plans.values()
    assert plan.tile["p"] % 2 == plan.tile["q"] % 2 == 0


def test_where_nothing_stays_every_call_has_its_loads():
    build = Builder()
    build.conv(build.input(1, 16, 5, 7), 24, kernel=1, padding=0)
    workload, held = build.build(), []
    for stays in (Stays.ANY, Stays.NOTHING):
        board = replace(machine(POINTWISE), mapping=MappingPolicy(stays=stays))
        ((_, plan),) = map_workload(workload, board).plans.values()
        held.append(plan.hold_streaming or plan.hold_weight)
    assert held == [True, False]


def test_both_executors_run_fixed_tiles_alike():
    program = map_workload(separable(samples=3), machine(POINTWISE, DEPTHWISE)).program
    slow, fast = (run(program, executor=name).timeline.rows() for name in ("simpy", "fast"))
    assert all(np.array_equal(getattr(slow, n), getattr(fast, n)) for n in COLUMN_TYPES)


def test_a_unit_of_its_own_pays_for_depthwise_convolutions():
    """One channel at a time leaves a pointwise unit's multipliers idle."""
    anything = replace(POINTWISE, serves=())
    alone = simulate(separable(), machine(anything)).result.makespan_ps
    both = simulate(separable(), machine(anything, DEPTHWISE)).result.makespan_ps
    assert both < 0.6 * alone


def test_a_layer_of_few_channels_is_walked_and_activated_in_full():
    def vector_time(channels):
        build = Builder()
        build.relu(build.conv(build.input(1, channels, 4, 4), 4, kernel=1, padding=0))
        program = map_workload(build.build(), machine(POINTWISE)).program
        rows = run(program).timeline.rows()
        own = rows.lane == program.lanes.index("vector")
        return int((rows.end - rows.start)[own].sum())

    assert vector_time(4) == 8 * 48 // 16 * 2000  # all filters of the buffer, two nanoseconds each


def test_real_numbers_travel_in_fixed_point():
    def traffic(bits, fixed):
        build = Builder(bits=bits)
        build.gemm(build.gemm(build.input(32, 64), 96), 10)
        base = design()
        ints = (*base.array.precisions, Precision("int16", 1, 1.0))
        m = replace(
            base, fixed_point_bits=fixed, array=replace(base.array, precisions=ints),
            vector=replace(base.vector, precisions=ints),
        )  # fmt: skip
        done = simulate(build.build(), m)
        result = done.result
        return summarise(analyse(done.program, m, result.timeline, result.makespan_ps))

    fixed, plain = traffic(32, 16), traffic(32, None)
    assert fixed["dram_bytes"] < plain["dram_bytes"]
    assert fixed["latency_s"] < plain["latency_s"]
    assert traffic(16, None)["dram_bytes"] == fixed["dram_bytes"]


def test_reordering_takes_its_steps_and_a_plain_copy_does_not():
    def vector_cycles(step, contiguous):
        build = Builder()
        x = build.input(8, 16)
        build._add(
            Kind.COPY, (x,), (8, 16), attributes={"function": "copy", "contiguous": contiguous}
        )
        base = design()
        m = replace(base, vector=replace(base.vector, reorder_step=step))
        program = map_workload(build.build(), m).program
        rows = run(program).timeline.rows()
        own = rows.lane == program.lanes.index("vector")
        return int((rows.end - rows.start)[own].sum()) // 2000

    assert vector_cycles(1, False) == vector_cycles(4, True) == 8
    assert vector_cycles(4, False) == 4 * 8
