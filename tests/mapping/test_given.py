"""Tilings that a design gives instead of having them searched for."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cosim.design as designs
from cosim.analysis.energy import task_counts
from cosim.design.design import GivenPass, GivenTiling, MappingPolicy
from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.mapping.engines import timing_of
from cosim.mapping.engines.timing import Layer, Pixels, Reduction, TileShape
from cosim.mapping.mapping import map_workload
from cosim.workload.workload import Kind

from .examples import Builder, design
from .test_engines import eyeriss

MACHINE = design(rows=8, columns=8, buffer_kib=256)


def network(pooled: bool = False):
    build = Builder()
    x = build.relu(build.conv(build.input(2, 4, 6, 6), 6))
    if pooled:
        build.max_pool(x)
    return build.build()


def with_tiling(machine=MACHINE, layer="conv*", **said):
    return replace(machine, mapping=MappingPolicy(layers=(GivenTiling(layer, **said),)))


def layer_names(workload):
    return [g.name for g in map_workload(workload, MACHINE).grouping.groups if g.array]


def plan_of(workload, machine):
    ((_, plan),) = map_workload(workload, machine).plans.values()
    return plan


@given(
    images=st.integers(1, 2), rows=st.integers(1, 6), columns=st.integers(1, 6),
    filters=st.integers(1, 6), channels=st.integers(1, 4),
)  # fmt: skip
def test_a_given_tile_is_the_tile_and_loses_no_product(images, rows, columns, filters, channels):
    """Every size that a tile can have is cut to the element, and the work stays what it was."""
    work = network()
    (name,) = layer_names(work)
    machine = with_tiling(
        layer=name, images=images, rows=rows, columns=columns, filters=filters, channels=channels
    )
    mapping = map_workload(work, machine)
    ((request, plan),) = mapping.plans.values()
    sizes = {request.nest.roles.get(loop, loop): size for loop, size in plan.tile.items()}
    assert (sizes["rows"], sizes["columns"]) == (rows, columns)
    for cls, asked in (("n", filters), ("k", channels)):
        (loop,) = (x for x in request.nest.classes[cls] if x not in request.nest.fixed)
        assert plan.tile[loop] == asked
    counts = task_counts(mapping.program, run(mapping.program, executor="fast").timeline)
    templates = mapping.program.templates
    macs = sum(int(n) * t.info.macs for n, t in zip(counts, templates, strict=True))
    assert macs == sum(op.macs for op in work.ops if op.kind is Kind.CONVOLUTION)


def test_what_is_not_said_is_whole():
    work = network()
    plan = plan_of(work, with_tiling(layer=layer_names(work)[0], rows=5))
    assert [axis.size for axis in plan.axes] == [5]


def test_the_first_of_several_that_match_holds():
    work = network()
    (name,) = layer_names(work)
    both = (GivenTiling(name, rows=3), GivenTiling("*", rows=7))
    machine = replace(MACHINE, mapping=MappingPolicy(layers=both))
    assert [axis.size for axis in plan_of(work, machine).axes] == [3]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"layer": "konv"},
            "no layer on an array is called 'konv'; expected a layer of the network, or a pattern "
            "of layers",
        ),
        (
            {"rows": 3},
            "3 rows cut the windows of the pooling behind; expected a multiple of 2, or "
            "engine.vector.pools = false",
        ),
        (
            {"passes": GivenPass(1, 1, 1, 1)},
            "passes of a systolic array; expected passes for a row-stationary array only",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(said, message):
    work = network(pooled=True)
    machine = with_tiling(**{"layer": layer_names(work)[0], **said})
    with pytest.raises(CosimError, match=re.escape(message)) as raised:
        map_workload(work, machine)
    assert "\n" not in str(raised.value)


def test_a_tile_too_large_for_a_buffer_is_refused():
    work = network()
    tiny = tuple(replace(buffer, size_bytes=64) for buffer in MACHINE.buffers)
    small = replace(MACHINE, buffers=tiny)
    with pytest.raises(CosimError, match="no tile fits buffer"):
        map_workload(work, with_tiling(small, layer=layer_names(work)[0]))


@pytest.mark.parametrize(
    ("passes", "rows", "message"),
    [
        (GivenPass(1, 1, 4, 3), 6, "12 sets of 3 x 6 elements on 12 x 14; expected at most 8 sets"),
        (GivenPass(24, 4, 1, 1), 14, "288 words of filters in an element; expected at most 224"),
        (GivenPass(1, 5, 1, 1), 14, "15 words of inputs in an element; expected at most 12"),
        (GivenPass(25, 1, 1, 1), 14, "25 sums in an element; expected at most 24"),
    ],
)
def test_passes_that_do_not_fit_the_array_are_refused(passes, rows, message):
    work = network()
    array = replace(MACHINE, array=eyeriss())
    machine = with_tiling(array, layer=layer_names(work)[0], rows=rows, passes=passes)
    with pytest.raises(CosimError, match=re.escape(message)):
        map_workload(work, machine)


# JSSC 2017: AlexNet's CONV4, batch 4, and VGG-16's CONV3-1, batch 1; 3x3 kernels
CONV4 = TileShape(2, Pixels(4, 13, 13), 192, Reduction(192, 3, 3))
CONV3_1 = TileShape(1, Pixels(1, 56, 56), 256, Reduction(128, 3, 3))


def test_a_published_pass_takes_the_products_of_an_element():
    """2 x 6 x 32 passes of 4 x 13 x 16 x 3 x 3 products; filters, first window, last sums."""
    cycles = timing_of(eyeriss(), Layer(CONV4, (1, 1), 16, 16, passes=(13, 16, 3, 2, 2)))
    found = cycles.cycles(CONV4)
    passes = 2 * 6 * 32
    assert found.busy == passes * 4 * 13 * 16 * 3 * 3
    assert found.overhead == passes * (1728 // 4 + 15 * 6 * 3 + 32 * 13 // 4)


def test_a_strip_with_fewer_rows_moves_fewer_sums():
    """56 rows in strips of 13 are bound by their sums, 4 a cycle; the last 4 rows are not.

    Filters, the first window and the last sums come on top.
    """
    layer = Layer(CONV3_1, (1, 1), 16, 16, passes=(13, 16, 2, 1, 4))
    passes = 4 * 64
    strips = sum(
        max(56 * 16 * 2 * 3, 64 * rows * 56 // 4)
        + 64 * 2 * 9 // 4 + (rows + 2) * 2 * 3 + 64 * rows // 4
        for rows in (13, 13, 13, 13, 4)
    )  # fmt: skip
    assert timing_of(eyeriss(), layer).cycles(CONV3_1).total == passes * strips


@pytest.mark.parametrize("name", ["eyeriss-alexnet", "eyeriss-vgg16"])
def test_the_shipped_mappings_fill_the_published_share_of_the_array(name):
    """Working elements by layer: 154 to 156 in AlexNet, 156 and 168 in VGG-16."""
    machine = designs.load(f"scenarios/designs/{name}.toml")
    kernels = {"conv1": 11, "conv2": 5} if name == "eyeriss-alexnet" else {}
    used = []
    for tiling in machine.mapping.layers:
        strip = tiling.rows or {"conv2": 27, "conv3": 13, "conv[45]": 13}.get(
            tiling.layer, 28 if tiling.layer == "conv1[123].0" else 14
        )
        way = tiling.passes
        used.append(kernels.get(tiling.layer, 3) * strip * way.channel_sets * way.filter_sets)
    published = {"eyeriss-alexnet": [154, 135, 156, 156], "eyeriss-vgg16": [156, 156, 168, 168]}
    assert used == published[name]
