"""Strided input gradients turned around, against enumeration of what they add where."""

from __future__ import annotations

from collections import Counter
from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cosim.mapping.nest import nest_of, tile_runs
from tests.mapping.examples import tile_shapes

from .examples import Builder


@st.composite
def scatters(draw):
    build = Builder()
    groups, kernel = draw(st.sampled_from([1, 2])), draw(st.integers(1, 4))
    dilation, stride = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    dy = build.input(1, groups * draw(st.integers(1, 2)), draw(st.integers(1, 8)), 5)
    reach = dilation * (kernel - 1)
    padding = draw(st.integers(0, reach))
    more = draw(st.integers(0, stride - 1))
    positions = min(build.tensors[dy].shape[2:])
    assume((positions - 1) * stride + reach + 1 - 2 * padding + more > 0)
    build.scatter(dy, groups, kernel, stride, padding, dilation, groups, more)
    return build.build().ops[0]


def rows(op):
    """(p, r) -> row of the result that they add into, in the padding or not."""
    extents = {loop.name: loop.extent for loop in op.loops}
    index = next(i for i in op.result.indices if {n for n, _ in i.terms} == {"p", "r"})
    step = dict(index.terms)
    return {
        (p, r): step["p"] * p + step["r"] * r + index.offset
        for p, r in product(range(extents["p"]), range(extents["r"]))
    }


def tiled(nest):
    """The loop over the rows of the result, and its dimensions in operand and result."""
    loop = next(d.loop for d in nest.result.dimensions[3:4])
    return loop, nest.streaming.dimensions[3], nest.result.dimensions[3]


@given(scatters(), st.data())
@settings(max_examples=150, deadline=None)
def test_tiles_of_the_result_are_its_rows_once_and_see_all_that_adds_into_them(op, data):
    nest = nest_of(op)
    loop, operand, result = tiled(nest)
    reach = nest.extents[loop]
    size = reach if loop in nest.fixed else data.draw(st.integers(1, reach))
    written, pairs = [], 0
    for start in range(0, reach, size):
        here = min(size, reach - start)
        low, stop = result.region(start, here)
        written += range(low, stop)
        seen = range(*operand.region(start, here)) if operand.loop == loop else range(operand.size)
        needed = {p for (p, _), h in rows(op).items() if low <= h < stop}
        assert needed <= set(seen)
        pairs += nest.gathered[loop].pairs(start, here) if loop in nest.gathered else 0
        if loop in nest.gathered and nest.gathered[loop].kernel == "r":
            assert needed <= set(range(*nest.gathered[loop].steps(start, here)))
    assert written == list(range(op.result.view_shape[3]))
    if loop in nest.gathered:
        assert pairs == len(rows(op))
    assert nest.useful({}) == op.macs


@given(scatters())
@settings(max_examples=100, deadline=None)
def test_a_phase_has_the_kernel_indices_that_meet_in_its_rows(op):
    nest = nest_of(op)
    for loop, by in nest.gathered.items():
        if loop != "p" or by.kernel != "r":
            continue
        phases = {(p, r): h % by.stride for (p, r), h in rows(op).items()}
        of_kernel = {r: phase for (_, r), phase in phases.items()}
        assert sorted(by.phases) == sorted(Counter(of_kernel.values()).values())
        assert sum(by.phases) == by.window


@given(scatters())
@settings(max_examples=50, deadline=None)
def test_the_array_multiplies_as_often_as_without_a_stride_it_would(op):
    """Every step meets every kernel index once, in one of the phases."""
    nest = nest_of(op)
    macs = sum(
        s.groups * s.pixels.size * s.filters * s.reduction.size for s in tile_shapes(nest, {})
    )
    whole = 1
    for extent in nest.extents.values():
        whole *= extent
    assert macs == whole


@given(scatters(), st.data())
@settings(max_examples=80, deadline=None)
def test_runs_of_alike_tiles_have_as_many_pairs_each(op, data):
    nest = nest_of(op)
    loop, operand, result = tiled(nest)
    by = nest.gathered.get(loop)
    size = data.draw(st.integers(1, nest.extents[loop]))
    dimensions = [d for d in (operand, result) if d.loop == loop]
    for first, count in tile_runs(nest.extents[loop], size, dimensions, by):
        starts = [i * size for i in range(first, first + count)]
        boxes = [(start, min(size, nest.extents[loop] - start)) for start in starts]
        assert len({tuple(d.span(*box) for d in dimensions) for box in boxes}) == 1
        if by is not None:
            assert len({by.pairs(*box) for box in boxes}) == 1
