"""Designs with several array engines, with wider lanes and host work compute what PyTorch does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.design.arrays import TiledArray
from tests.mapping.examples import two_arrays
from tests.values.cases import case, small

MACHINE = two_arrays(small())
COMMON = {
    "rows": 7, "columns": 6, "border": 1, "clock": MACHINE.array.clock,
    "precisions": MACHINE.array.precisions,
}  # fmt: skip
POINTWISE = TiledArray(name="array", channels=16, filters=16, filters_at_once=4, **COMMON)
DEPTHWISE = TiledArray(
    name="depthwise", groups=16, channels=1, filters=1, filters_at_once=1, serves=("depthwise",),
    **COMMON,
)  # fmt: skip
MACHINES = {
    "two engines": MACHINE,
    "sequential control": replace(MACHINE, exclusive=("array", "depthwise", "vector", "output")),
    "host work": replace(MACHINE, host=replace(MACHINE.host, preparation_ps=1_000_000)),
    "wider lanes": replace(MACHINE, element_bits=8),
    "fixed tiles": replace(MACHINE, array=POINTWISE, others=(DEPTHWISE,)),
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_separable_network_computes_what_pytorch_does(name):
    run = case("ds-cnn", MACHINES[name], bits_w=4, bits_a=8)
    groups = run.simulation.mapping.grouping.groups
    assert {g.array for g in groups if g.anchor} == {"array", "depthwise"}
    assert run.replay().agrees
