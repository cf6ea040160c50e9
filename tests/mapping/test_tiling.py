"""The tile search against enumeration, and the errors when nothing fits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.design import load
from cosim.design.design import Dataflow
from cosim.errors import CosimError
from cosim.mapping.engines import timing_of
from cosim.mapping.mapping import map_workload
from cosim.mapping.nest import CLASSES, Axis
from cosim.mapping.stacks import request_stack
from cosim.mapping.tile_search import TileSearch
from cosim.mapping.tiles import iterate
from cosim.mapping.tiling import REACH, TilePlan, search, search_all
from tests.mapping.examples import tile_shapes

from .examples import KIB, Builder, design


@st.composite
def cases(draw):
    build = Builder()
    machine = design(
        rows=draw(st.sampled_from([4, 8, 16])),
        columns=draw(st.sampled_from([4, 8])),
        dataflow=draw(st.sampled_from(list(Dataflow))),
        buffer_kib=draw(st.sampled_from([2, 4, 16])),
        channels=draw(st.sampled_from([2, 3])),
        fold_overlap=draw(st.booleans()),
    )
    what = draw(st.sampled_from(["gemm", "conv", "scatter"]))
    if what == "gemm":
        m, n, k = (draw(st.integers(1, 90)) for _ in range(3))
        build.gemm(build.input(m, k), n, bias=draw(st.booleans()))
    elif what == "scatter":
        build.scatter(
            build.input(1, draw(st.integers(1, 12)), 7, draw(st.integers(3, 9))),
            draw(st.integers(1, 12)), draw(st.integers(1, 4)), draw(st.integers(1, 3)),
        )  # fmt: skip
    else:
        side = draw(st.integers(3, 14))
        build.conv(
            build.input(1, draw(st.integers(1, 12)), side, side), draw(st.integers(1, 12)),
            stride=draw(st.integers(1, 2)),
        )  # fmt: skip
    workload = build.build()
    return machine, workload


def request_of(workload, machine):
    return map_workload(workload, machine).plans[0][0]


@given(cases())
@settings(max_examples=25, deadline=None)
def test_the_search_finds_the_best_of_all_candidates(case):
    machine, workload = case
    try:
        request = request_of(workload, machine)
    except CosimError:
        return
    plan = search(machine, request, "layer")
    space = TileSearch(machine, request_stack([request], machine.array.accumulator_bits))
    costs = space.costs()
    best = min(
        float(costs.latency_ps[v, i])
        for v, i in product(*(range(n) for n in costs.feasible.shape))
        if costs.feasible[v, i]
    )
    assert plan.modelled_ps == pytest.approx(best, abs=1)


@given(st.lists(cases(), min_size=2, max_size=4))
@settings(max_examples=25, deadline=None)
def test_contractions_are_tiled_together_as_each_alone(several):
    machine = several[0][0]
    requests = []
    for _, workload in several:
        try:
            requests.append(request_of(workload, machine))
        except CosimError:
            continue
    alone = [search(machine, request, "layer") for request in requests]
    assert search_all(machine, requests) == alone


def test_few_candidates_of_a_large_layer_are_costed():
    build = Builder()
    build.conv(build.input(1, 64, 56, 56), 128)
    machine = design(rows=16, columns=16, buffer_kib=64)
    request = request_of(build.build(), machine)
    space = TileSearch(machine, request_stack([request], machine.array.accumulator_bits))
    costed = space.within(machine, space.about_ps(machine) * REACH)
    assert len(costed) < len(space.kept) / 3
    plan = search(machine, request, "layer")
    assert space.costs(machine, costed).latency_ps.min() <= plan.modelled_ps + 1


@given(cases())
@settings(max_examples=25, deadline=None)
def test_array_cycles_of_the_grid_are_the_sum_over_its_tiles(case):
    machine, workload = case
    try:
        request = request_of(workload, machine)
    except CosimError:
        return
    space, nest = (
        TileSearch(machine, request_stack([request], machine.array.accumulator_bits)),
        request.nest,
    )
    timing = timing_of(machine.array, request.layer)
    cycles, chosen = space.array_cycles(), list(space.cuts(space.kept))
    rng = np.random.default_rng(0)
    for index in rng.integers(len(cycles), size=5) if len(cycles) else ():
        tile = {}
        for cut in chosen[index]:
            tile.update(cut.sizes)
        axes = tuple(
            Axis(loop, name, tile[loop], nest.extents[loop])
            for name in CLASSES
            for loop in nest.classes[name]
            if tile[loop] < nest.extents[loop]
        )
        total = 0
        for at in iterate(TilePlan(axes, tuple(tile.items()), False, False, 0, 0)):
            for shape in tile_shapes(nest, {loop: size for loop, (_, size) in at.items()}):
                total += timing.cycles(shape).total
        assert cycles[index] == total


def test_a_layer_that_fits_no_buffer_names_the_buffer_and_both_sizes():
    build = Builder()
    build.gemm(build.input(8, 8), 8)
    base = design()
    buffers = [replace(b, size_bytes=3) if "accumulator" in b.holds else b for b in base.buffers]
    machine = replace(base, buffers=tuple(buffers))
    with pytest.raises(CosimError, match=r"buffer 'accumulator': the smallest needs 4 bytes, .* 3"):
        map_workload(build.build(), machine)


def test_an_output_buffer_that_is_too_small_is_named():
    """Of tiles of one size, as a shared unit has them, none is left that could be costed."""
    build = Builder()
    build.gemm(build.input(64, 256), 128)
    machine = load("skynet-ultra96", {"buffer.output.size": "1 KiB"})
    with pytest.raises(CosimError, match=r"no tile fits buffer 'output': .* the buffer has 1024"):
        map_workload(build.build(), machine)


def test_an_operand_that_fits_is_loaded_once():
    build = Builder()
    build.gemm(build.input(64, 64), 64)
    mapping = map_workload(build.build(), design(buffer_kib=64, bandwidth=50_000_000))
    assert mapping.plans[0][1].modelled_dram_bytes == 3 * 64 * 64


def test_a_larger_buffer_is_never_modelled_slower():
    build = Builder()
    build.conv(build.input(1, 64, 28, 28), 96)
    workload = build.build()
    times = []
    for kib in (8, 16, 32, 64, 128):
        machine = design(buffer_kib=kib)
        times.append(map_workload(workload, machine).plans[0][1].modelled_ps)
    assert times == sorted(times, reverse=True)
    small = replace(
        machine,
        buffers=tuple(replace(b, size_bytes=4 * KIB) for b in machine.buffers),
    )
    assert map_workload(workload, small).plans[0][1].modelled_ps >= times[0]


@pytest.mark.filterwarnings("error")
def test_a_convolution_that_sees_nothing_but_padding_is_mapped_all_the_same():
    build = Builder()
    build.conv(build.input(1, 2, 1, 1), 4, kernel=1, stride=3, padding=1)
    plan = map_workload(build.build(), design()).plans[0][1]
    assert plan.modelled_ps > 0
