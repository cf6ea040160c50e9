"""What a tile touches, against enumeration of every index of the loop nest."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.mapping.nest import balanced_tiles, nest_of, tile_runs

from .examples import Builder


@st.composite
def convolutions(draw):
    build = Builder()
    groups = draw(st.sampled_from([1, 2, 3]))
    channels = groups * draw(st.integers(1, 3))
    kernel = draw(st.integers(1, 3))
    side = draw(st.integers(kernel, 9))
    x = build.input(draw(st.integers(1, 2)), channels, side, side + 1)
    build.conv(
        x, groups * draw(st.integers(1, 3)), kernel, draw(st.integers(1, 3)),
        draw(st.integers(0, kernel - 1)), groups,
    )  # fmt: skip
    return build.build()


def touched(access, box):
    """Every element an access reads while the loops run over a box, padding left out."""
    ranges = {name: range(start, start + size) for name, (start, size) in box.items()}
    names = list(ranges)
    found = set()
    for values in product(*ranges.values()):
        at = dict(zip(names, values, strict=True))
        where = tuple(
            sum(c * at[n] for n, c in index.terms) + index.offset for index in access.indices
        )
        if all(0 <= w < s for w, s in zip(where, access.view_shape, strict=True)):
            found.add(where)
    return found


@given(convolutions(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_region_of_a_tile_holds_all_it_touches_and_no_row_more(workload, data):
    op = workload.ops[0]
    nest = nest_of(op)
    # With a stride, elements between those touched at the border may lie in the region too.
    dense = all(c == 1 for a in op.accesses for i in a.indices for _, c in i.terms)
    box = {}
    for name, extent in nest.extents.items():
        size = extent if name in nest.fixed else data.draw(st.integers(1, extent), label=name)
        start = data.draw(st.integers(0, extent - size))
        box[name] = (start, size)
    for access, operand in zip(
        (*op.accesses, op.result), (nest.streaming, nest.weight, nest.result), strict=True
    ):
        elements = touched(access, box)
        for position, dimension in enumerate(operand.dimensions):
            start, size = box.get(dimension.loop, (0, 1))
            low, stop = dimension.region(start, size)
            seen = {where[position] for where in elements}
            assert seen <= set(range(low, stop))
            if seen and dense:
                assert (min(seen), max(seen) + 1) == (low, stop)
            if seen:
                assert dimension.span(start, size) >= len(seen)


def test_classes_of_a_grouped_convolution_are_those_of_its_matrix_product():
    build = Builder()
    build.conv(build.input(2, 8, 6, 6), 4, groups=2)
    nest = nest_of(build.build().ops[0])
    assert nest.classes == {
        "b": ("g",),
        "m": ("n", "p", "q"),
        "n": ("k",),
        "k": ("c", "r", "s"),
    }
    assert nest.fixed == {"r", "s"}


@given(st.integers(1, 5000), st.integers(1, 64))
def test_tile_sizes_start_whole_and_shrink_in_units(extent, unit):
    sizes = balanced_tiles(extent, unit)
    assert sizes[0] == extent
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(size % unit == 0 for size in sizes[1:])
    assert sizes[-1] <= max(unit, 1) or len(sizes) == 1


@given(convolutions(), st.data())
@settings(max_examples=60, deadline=None)
def test_runs_of_alike_tiles_are_the_tiles_one_by_one(workload, data):
    nest = nest_of(workload.ops[0])
    for loop, extent in nest.extents.items():
        tile = data.draw(st.integers(1, extent), label=loop)
        operands = (nest.streaming, nest.weight, nest.result)
        dimensions = [d for o in operands for d in o.dimensions if d.loop == loop]
        runs = tile_runs(extent, tile, dimensions)
        assert [i for first, count in runs for i in range(first, first + count)] == list(
            range(-(-extent // tile))
        )
        for first, count in runs:
            for index in range(first, first + count):
                for d in dimensions:
                    size = min(tile, extent - index * tile)
                    assert d.span(index * tile, size) == d.span(
                        first * tile, min(tile, extent - first * tile)
                    )
                    assert size == min(tile, extent - first * tile)


def test_a_loop_of_a_million_tiles_is_a_few_runs():
    build = Builder()
    build.gemm(build.input(1 << 20, 4), 4)
    nest = nest_of(build.build().ops[0])
    dimensions = [d for d in nest.streaming.dimensions if d.loop == "m"]
    assert len(tile_runs(1 << 20, 1, dimensions)) == 3
