"""Laws of every kind of array engine, and the closed forms of each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cosim.design as designs
from cosim.design.arrays import (
    BitSerialArray,
    ContractionArray,
    Dataflow,
    Precision,
    RowStationaryArray,
    SpatialArray,
    Streamed,
    SystolicArray,
)
from cosim.design.design import RunLength
from cosim.machine.execute import run
from cosim.mapping.engines import engine_of, timing_of
from cosim.mapping.engines.shapes import tile_shape
from cosim.mapping.engines.timing import Layer, Pixels, Reduction, TileShape
from cosim.mapping.mapping import map_workload
from cosim.mapping.tiles import iterate
from cosim.workload.networks import capture_named

from .examples import Builder, design, ideal
from .test_dataflow import array_cycles

INT8 = (Precision("int8", 1, 0.3),)
small = st.integers(1, 6)


@st.composite
def arrays(draw):
    kind = draw(st.sampled_from(["systolic", "spatial", "rows", "bit-serial", "contraction"]))
    cycles = st.integers(0, 20)
    if kind == "systolic":
        flow, overlap = draw(st.sampled_from(list(Dataflow))), draw(st.booleans())
        return SystolicArray("array", flow, draw(small), draw(small), "core", INT8, overlap)
    if kind == "spatial":
        return SpatialArray(
            "array", draw(small), draw(small), draw(small), draw(small), "core", INT8,
            draw(st.sampled_from(list(Streamed))), draw(cycles), draw(cycles), draw(st.booleans()),
            merged_rows=draw(st.sampled_from([0, 1, 2])),
        )  # fmt: skip
    if kind == "rows":
        return RowStationaryArray(
            "array", draw(small), draw(small), draw(st.integers(1, 200)), draw(st.integers(1, 12)),
            draw(small), draw(small), draw(small), draw(small), "core", INT8,
        )  # fmt: skip
    if kind == "bit-serial":
        return BitSerialArray(
            "array", draw(small), draw(small), draw(small), draw(st.integers(1, 16)),
            draw(st.sampled_from([1, 2, 8])), draw(st.sampled_from([1, 2, 8])), "core", INT8,
            draw(cycles),
        )  # fmt: skip
    return ContractionArray(
        "array", draw(small), draw(small), draw(small), draw(small), "core", INT8, draw(cycles),
        draw(cycles),
    )  # fmt: skip


@st.composite
def layers(draw):
    size = st.integers(1, 20)
    tile = TileShape(
        draw(small), Pixels(draw(small), draw(size), draw(size)), draw(size),
        Reduction(draw(size), draw(small), draw(small)),
    )  # fmt: skip
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    bits = st.integers(1, 8)
    return Layer(tile, stride, draw(bits), draw(bits))


def grown(layer: Layer, dimension: int) -> TileShape:
    """The layer's tile with one extent larger by one."""
    (groups, pixels, filters, reduction), by = layer.whole, [0] * 8
    by[dimension] = 1
    return TileShape(
        groups + by[0],
        Pixels(*(a + b for a, b in zip(pixels, by[1:4], strict=True))),
        filters + by[4],
        Reduction(*(a + b for a, b in zip(reduction, by[5:], strict=True))),
    )


def macs(tile: TileShape) -> int:
    return tile.groups * tile.pixels.size * tile.filters * tile.reduction.size


@given(arrays(), layers())
def test_no_array_multiplies_more_than_its_elements_can(array, layer):
    cycles = timing_of(array, layer).cycles(layer.whole)
    assert cycles.busy * array.macs_per_cycle >= macs(layer.whole)
    assert cycles.overhead >= 0


@given(arrays(), layers(), st.integers(0, 7))
def test_a_larger_tile_never_takes_less(array, layer, dimension):
    timing = timing_of(array, layer)
    assert timing.cycles(grown(layer, dimension)).total >= timing.cycles(layer.whole).total


@given(arrays(), layers())
def test_results_cross_the_accumulator_once_more_than_they_come_back(array, layer):
    accesses = engine_of(array).accesses(layer, layer.whole)
    results = layer.whole.pixels.size * layer.whole.filters
    assert accesses.sums_written - accesses.sums_read == results
    assert accesses.weight >= layer.whole.filters * layer.whole.reduction.size


def closed_form(mapping) -> int:
    """Cycles of all tiles of the plan of a mapped workload's only layer."""
    request, plan = mapping.plans[0]
    timing = timing_of(mapping.design.array, request.layer)
    tiles = (
        tile_shape(request.nest, {loop: size for loop, (_, size) in at.items()})
        for at in iterate(plan)
    )
    return sum(timing.cycles(tile).total for tile in tiles) - timing.uncounted


def simulated(mapping) -> int:
    """Cycles for which the array is occupied in a run."""
    busy = run(mapping.program).timeline.busy_ps()
    period = mapping.design.clock("core").period_ps
    return int(busy[mapping.program.lanes.index("array")]) // period


@given(arrays(), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_mapped_product_with_ideal_memory_takes_the_closed_forms_cycles(array, m, n, k):
    build = Builder()
    build.gemm(build.input(m, k), n)
    mapping = map_workload(build.build(), replace(ideal(design()), array=array))
    assert simulated(mapping) == array_cycles(mapping.program) == closed_form(mapping)
    tile = matrix_product(m, n, k)
    assert mapping.plans[0][0].layer.whole == tile


@given(arrays(), st.sampled_from([1, 2]), st.sampled_from([1, 3, 5]), st.sampled_from([1, 4]))
@settings(max_examples=40, deadline=None)
def test_a_mapped_convolution_with_ideal_memory_takes_the_closed_forms_cycles(
    array, stride, kernel, groups
):
    build = Builder()
    build.conv(build.input(2, 8, 12, 11), 12, kernel, stride, kernel // 2, groups)
    mapping = map_workload(build.build(), replace(ideal(design()), array=array))
    rows, columns = -(-12 // stride), -(-11 // stride)
    layer = mapping.plans[0][0].layer
    assert layer.whole == TileShape(
        groups, Pixels(2, rows, columns), 12 // groups, Reduction(8 // groups, kernel, kernel)
    )
    assert layer.stride == (stride, stride)
    assert simulated(mapping) == array_cycles(mapping.program) == closed_form(mapping)


def matrix_product(m: int, n: int, k: int) -> TileShape:
    return TileShape(1, Pixels(m, 1, 1), n, Reduction(k, 1, 1))


def spatial(**changes) -> SpatialArray:
    return replace(SpatialArray("array", 16, 4, 5, 5, "core", INT8), **changes)


def conv(filters=6, channels=1, rows=24, columns=24, kernel=5, images=1) -> TileShape:
    return TileShape(1, Pixels(images, rows, columns), filters, Reduction(channels, kernel, kernel))


def test_a_pass_of_tdla_takes_the_work_time_of_its_instruction():
    array = spatial(streams=Streamed.INPUTS, pass_overhead=14)
    assert timing_of(array, Layer(conv())).cycles(conv()).total == 686


@pytest.mark.parametrize(("filters", "channels", "passes"), [(16, 4, 1), (17, 4, 2), (32, 9, 6)])
def test_layers_of_tdla_are_passes_over_maps(filters, channels, passes):
    array = spatial(streams=Streamed.INPUTS, pass_overhead=14, weight_load=8)
    layer = conv(filters, channels)
    assert timing_of(array, Layer(layer)).cycles(layer).total == passes * (686 + 8)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 30), st.integers(1, 30), small)
def test_a_window_of_one_is_a_filters_by_channels_array(filters, channels, rows, columns, kernel):
    array = spatial(window_rows=1, window_columns=1)
    layer = conv(filters, channels, rows, columns, kernel)
    expected = -(-filters // 16) * -(-channels // 4) * kernel**2 * rows * columns
    assert timing_of(array, Layer(layer)).cycles(layer).total == expected


def test_small_kernels_leave_the_rest_of_a_fixed_window_idle():
    layer = conv(16, 4, kernel=3)
    cycles = timing_of(spatial(), Layer(layer)).cycles(layer)
    assert macs(layer) / (cycles.busy * spatial().macs_per_cycle) == pytest.approx(9 / 25)


def test_weights_that_load_while_positions_stream_cost_only_what_is_longer():
    layer = conv(16, 4, rows=2, columns=3, kernel=5)
    for load, overhead in ((4, 0), (6, 0), (10, 4)):
        array = spatial(weight_load=load, overlap_weights=True)
        assert timing_of(array, Layer(layer)).cycles(layer).overhead == overhead


@pytest.mark.parametrize(("merged", "passes"), [(0, 49), (1, 7), (2, 4), (4, 4)])
def test_merging_the_window_fills_the_lanes_that_three_channels_leave_idle(merged, passes):
    # 7 columns of 3 channels and up to 2 rows of them fit in 64 lanes
    layer = conv(32, 3, kernel=7)
    array = SpatialArray("array", 32, 64, 1, 1, "core", INT8, merged_rows=merged)
    assert timing_of(array, Layer(layer)).cycles(layer).busy == passes * 24 * 24


def stripes(**changes) -> BitSerialArray:
    """16 filters x 16 windows x 16 lanes, one bit of the activation a cycle."""
    return replace(BitSerialArray("array", 16, 16, 16, 1, 1, 16, "core", INT8), **changes)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_serial_activations_take_a_cycle_a_bit(bits):
    tile = matrix_product(64, 32, 48)
    cycles = timing_of(stripes(), Layer(tile, streaming_bits=bits)).cycles(tile)
    assert cycles.busy == bits * 4 * 2 * 3


@pytest.mark.parametrize(
    ("streaming", "weight", "rate"), [(2, 2, 16), (4, 4, 4), (8, 2, 4), (8, 8, 1), (16, 16, 0.25)]
)
def test_fused_bricks_multiply_at_the_rate_of_the_product_of_bits(streaming, weight, rate):
    array = BitSerialArray("array", 1, 1, 1, 16, 2, 2, "core", INT8)
    tile = matrix_product(1, 1, 64)
    layer = Layer(tile, streaming_bits=streaming, weight_bits=weight)
    assert macs(tile) / timing_of(array, layer).cycles(tile).busy == rate
    energy = engine_of(array).mac_pj(layer, INT8[0])
    assert energy == pytest.approx(0.3 * streaming * weight / 64)


@given(layers(), st.integers(1, 7))
def test_fewer_bits_are_never_slower_nor_dearer(layer, bits):
    for array in (stripes(), BitSerialArray("array", 2, 1, 2, 16, 2, 2, "core", INT8)):
        fewer = replace(layer, streaming_bits=bits)
        more = replace(layer, streaming_bits=bits + 1)
        times = [timing_of(array, one).cycles(layer.whole).total for one in (fewer, more)]
        energies = [engine_of(array).mac_pj(one, INT8[0]) for one in (fewer, more)]
        assert times == sorted(times)
        assert energies == sorted(energies)


def contraction(**changes) -> ContractionArray:
    return replace(ContractionArray("array", 8, 4, 4, 8, "core", INT8, 100, 5), **changes)


def test_a_command_costs_more_than_a_small_contraction():
    tile = matrix_product(4, 4, 16)
    cycles = timing_of(contraction(), Layer(tile)).cycles(tile)
    assert cycles == (2, 105)


def test_a_batch_of_contractions_goes_to_different_units():
    one = matrix_product(4, 4, 16)
    batch = one._replace(groups=8)
    alone, together = (timing_of(contraction(), Layer(t)).cycles(t) for t in (one, batch))
    assert together == alone


def test_units_that_a_batch_leaves_free_share_the_rows_of_its_products():
    tile = matrix_product(64, 4, 16)._replace(groups=2)
    cycles = timing_of(contraction(), Layer(tile)).cycles(tile)
    # 4 units a product, 16 rows at once: 4 blocks of 2 + 5 cycles
    assert cycles == (8, 120)


def eyeriss(**changes) -> RowStationaryArray:
    array = RowStationaryArray("array", 12, 14, 224, 12, 24, 4, 1, 4, "core", INT8)
    return replace(array, **changes)


ALEXNET = {  # filters and channels of a group, output side, kernel, stride, groups
    "conv1": (96, 3, 55, 11, 4, 1),
    "conv2": (128, 48, 27, 5, 1, 2),
    "conv3": (384, 256, 13, 3, 1, 1),
    "conv4": (192, 192, 13, 3, 1, 2),
    "conv5": (128, 192, 13, 3, 1, 2),
}
# Chen et al., JSSC 2017: elements that work
ACTIVE = {"conv1": 154, "conv2": 135, "conv3": 156, "conv4": 156, "conv5": 156}


def alexnet(name: str, images: int = 1) -> Layer:
    filters, channels, side, kernel, stride, groups = ALEXNET[name]
    whole = TileShape(
        groups, Pixels(images, side, side), filters, Reduction(channels, kernel, kernel)
    )
    return Layer(whole, (stride, stride), 16, 16)


@pytest.mark.parametrize("name", ALEXNET)
def test_alexnet_lies_on_as_many_elements_as_published(name):
    layer = alexnet(name)
    way = engine_of(eyeriss()).passes(layer)
    kernel_rows = layer.whole.reduction.rows
    assert kernel_rows * way.strip * way.channel_sets * way.filter_sets == ACTIVE[name]


def test_a_pass_with_wide_buses_takes_the_products_of_an_element():
    wide = eyeriss(filter_bus=1 << 20, input_bus=1 << 20, sum_bus=1 << 20)
    layer = alexnet("conv2")
    cycles = timing_of(wide, layer).cycles(layer.whole)
    way = engine_of(wide).passes(layer)
    filters, channels, side, kernel, _, groups = ALEXNET["conv2"]
    passes = (
        groups
        * -(-filters // (way.filters * way.filter_sets))
        * -(-channels // (way.channels * way.channel_sets))
        * -(-side // way.strip)
    )
    assert cycles.busy == passes * side * way.filters * way.channels * kernel
    assert cycles.overhead == 3 * passes  # filters, first window and last sums, a cycle each


@given(layers())
def test_a_wider_bus_never_slows_a_row_stationary_array(layer):
    for bus in ("filter_bus", "input_bus", "sum_bus"):
        narrow, wide = (
            timing_of(eyeriss(**{bus: width}), layer).cycles(layer.whole).total for width in (1, 4)
        )
        assert wide <= narrow


def test_images_of_a_tile_share_the_filters_of_a_pass():
    one, four = (alexnet("conv2", images) for images in (1, 4))
    times = [timing_of(eyeriss(), x).cycles(x.whole).total for x in (one, four)]
    assert times[1] < 4 * times[0]


def test_gated_zeros_leave_only_the_access_that_finds_them():
    array = eyeriss(gates_zeros=True, scratchpad_pj=1.0)
    layer = alexnet("conv3")
    zeros = [engine_of(array).mac_pj(replace(layer, zeros=z), INT8[0]) for z in (0.0, 0.5, 1.0)]
    assert zeros == pytest.approx([4.3, 2.65, 1.0])


@pytest.mark.parametrize(("zeros", "ratio"), [(0.0, 1.0), (0.25, 1.0), (0.5, 2 / 3), (1.0, 1 / 24)])
def test_runs_of_zeros_shrink_what_has_enough_of_them(zeros, ratio):
    # three pairs of 5 + 16 bits in a word of 64
    assert RunLength(5, 64).ratio(16, zeros) == pytest.approx(ratio)


@given(layers(), st.integers(100, 4000), st.integers(20, 400))
def test_a_pass_takes_no_more_of_the_buffers_than_they_have(layer, words, filter_words):
    array = eyeriss(buffer_words=words, filter_buffer_words=filter_words)
    way, whole = engine_of(array).passes(layer), layer.whole
    rows = (way.strip - 1) * layer.stride[0] + min(whole.reduction.rows, 12)
    columns = (whole.pixels.columns - 1) * layer.stride[1] + whole.reduction.columns
    channels, filters = way.channels * way.channel_sets, way.filters * way.filter_sets
    held = filters * way.strip * whole.pixels.columns + channels * rows * columns
    kernel = min(whole.reduction.rows, 12) * whole.reduction.columns
    least = whole.pixels.columns + min(whole.reduction.rows, 12) * columns
    if least <= words and kernel <= filter_words:
        assert held <= words
        assert filters * channels * kernel <= filter_words


@pytest.mark.parametrize(
    ("bits", "rate"),
    [(8, 1), (4, 4), (2, 16)],
)
def test_bit_fusion_multiplies_as_often_as_its_bricks_allow(bits, rate):
    """16 bricks of 2 x 2 bits: 64 / (a w) products of an element a cycle."""
    array = designs.load("bit-fusion").array
    whole = TileShape(1, Pixels(1, 14, 14), 256, Reduction(256, 3, 3))
    cycles = timing_of(array, Layer(whole, (1, 1), bits, bits)).cycles(whole)
    assert cycles == (14 * 14 * (256 // 32) * (256 * 9 // (16 * rate)), 0)


@pytest.mark.parametrize("board", ["bit-fusion", "edge-contraction"])
@pytest.mark.parametrize("name", ["lenet5", "tt-mlp"])
def test_networks_run_on_every_kind_of_board(board, name):
    """No multiplication goes to the host, and both executors agree."""
    workload = capture_named(name)
    mapping = map_workload(workload, designs.load(board))
    assert {g.engine for g in mapping.grouping.groups if g.anchor} == {"array"}
    one, two = (run(mapping.program, executor=e).makespan_ps for e in ("simpy", "python"))
    assert one == two > 0
