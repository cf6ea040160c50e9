"""Tiles in their loops, against a walk over all of them one by one."""

from __future__ import annotations

from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.mapping.nest import CLASSES, Axis, nest_of
from cosim.mapping.task_stream import expand
from cosim.mapping.tile_tree import Ends, tile_tree
from cosim.mapping.tiles import iterate
from cosim.mapping.tiling import TilePlan

from .examples import Builder


@st.composite
def cut_nests(draw):
    """A convolution, or the gradient of one that scatters, with some of its loops cut."""
    build = Builder()
    channels, side = draw(st.integers(1, 6)), draw(st.integers(3, 14))
    x = build.input(draw(st.integers(1, 3)), channels, side, side)
    kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    if draw(st.booleans()):
        build.conv(x, draw(st.integers(1, 8)), kernel, stride, draw(st.integers(0, kernel - 1)))
    else:
        build.scatter(x, draw(st.integers(1, 4)), kernel, stride, 0, 1, 1, 0)
    nest = nest_of(build.build().ops[0])
    axes = []
    for name in draw(st.sampled_from(["bmnk", "bnmk"])):
        for loop in nest.classes[name]:
            size = draw(st.integers(1, nest.extents[loop]))
            if loop not in nest.fixed and size < nest.extents[loop]:
                axes.append(Axis(loop, name, size, nest.extents[loop]))
    held = draw(st.tuples(st.booleans(), st.booleans()))
    assert set("bmnk") == set(CLASSES)
    return nest, TilePlan(tuple(axes), (), *held, 0, 0)


def stays(plan, loops, held):
    """Loops during which what depends on `loops` stays where it is."""
    last = max((i for i, axis in enumerate(plan.axes) if axis.loop in loops), default=-1)
    return [a.loop for i, a in enumerate(plan.axes) if a.loop not in loops and (held or i > last)]


def ends_of(nest, plan, at, step):
    """What begins (step 0) or ends (step 1) with the tile at these starts, by definition."""

    def there(loops):
        return all(
            at[a.loop][0] == 0 if step == 0 else sum(at[a.loop]) == a.extent
            for a in plan.axes if a.loop in loops and a.loop in at
        )  # fmt: skip

    return Ends(
        there([a.loop for a in plan.axes]),
        there([a.loop for a in plan.axes if a.cls == "k"]),
        there(stays(plan, nest.streaming.loops, plan.hold_streaming)),
        there(stays(plan, nest.weight.loops, plan.hold_weight)),
        there(stays(plan, set(nest.channel_loops), held=False)),
    )


def elements(nest, operand, at):
    return prod(
        d.span(*at.get(d.loop, (0, nest.extents.get(d.loop, 1)))) for d in operand.dimensions
    )


@given(cut_nests())
@settings(max_examples=150, deadline=None)
def test_leaves_in_their_loops_are_the_tiles_one_after_the_other(case):
    nest, plan = case
    loops = tile_tree(nest, plan).tiles
    stream = loops.stream([(number,) for number in range(len(loops.leaves))])
    walked = [loops.leaves[number] for number in expand(stream)]
    tiles = list(iterate(plan))
    assert len(walked) == len(tiles)
    for (tile, begins, ends), at in zip(walked, tiles, strict=True):
        assert {loop: run.size for loop, run in tile.at.items()} == {
            loop: size for loop, (_, size) in at.items()
        }
        assert tile.elements == tuple(
            elements(nest, o, at) for o in (nest.streaming, nest.weight, nest.result)
        )
        assert tile.macs == nest.useful(at)
        assert begins == ends_of(nest, plan, at, 0)
        assert ends == ends_of(nest, plan, at, 1)


@given(cut_nests())
@settings(max_examples=100, deadline=None)
def test_results_are_the_tiles_whose_sums_are_complete(case):
    nest, plan = case
    results = tile_tree(nest, plan).results
    stream = results.stream([(number,) for number in range(len(results.leaves))])
    walked = [results.leaves[number][0].elements[2] for number in expand(stream)]
    complete = [at for at in iterate(plan) if ends_of(nest, plan, at, 1).sums]
    assert walked == [elements(nest, nest.result, at) for at in complete]
