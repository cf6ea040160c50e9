"""The search does not see stalls of narrow on-chip memories: what that costs, by simulation."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

import cosim.design as designs
from cosim.design.design import GivenTiling, MappingPolicy
from cosim.errors import CosimError
from cosim.simulate import simulate

from .examples import Builder

NARROW = {
    "input": {"buffer.input.banks": 1, "buffer.input.width_bits": 64},
    "weight": {"buffer.weight.banks": 1, "buffer.weight.width_bits": 32},
    "accumulator": {"buffer.accumulator.banks": 1, "buffer.accumulator.width_bits": 128},
}


@pytest.mark.parametrize("memory", NARROW)
def test_the_tiling_searched_for_is_nearly_the_best_of_all_tried(memory):
    """Every combination of three sizes of rows, two of filters and two of channels is simulated."""
    build = Builder()
    build.relu(build.conv(build.input(1, 16, 16, 16), 32))
    work, machine = build.build(), designs.load("edge-asic-16x16", NARROW[memory])
    searched = simulate(work, machine).result.makespan_ps
    stalled = simulate(work, designs.load("edge-asic-16x16")).result.makespan_ps
    assert searched > stalled  # the memory is too narrow, or there would be nothing to see
    tried = []
    for rows, filters, channels in product((14, 7, 3), (32, 16), (16, 8)):
        given = GivenTiling("*", rows=rows, filters=filters, channels=channels)
        try:
            run = simulate(work, replace(machine, mapping=MappingPolicy(layers=(given,))))
        except CosimError:
            continue
        tried.append(run.result.makespan_ps)
    assert len(tried) > 6
    assert searched <= 1.05 * min(tried)
