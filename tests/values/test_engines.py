"""Every kind of array engine computes the same numbers: values depend on regions, not on timing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.design.arrays import (
    Array,
    BitSerialArray,
    ContractionArray,
    RowStationaryArray,
    SpatialArray,
    Streamed,
)
from cosim.design.design import MappingPolicy, Objective, Stays
from tests.values.cases import board, case

BASE = board("edge-asic-16x16")
GIVEN = (BASE.array.clock, BASE.array.precisions)
KINDS: dict[str, Array] = {
    "spatial": SpatialArray("array", 16, 4, 5, 5, *GIVEN, Streamed.INPUTS, 14, 8, most_pixels=200),
    "whole-reduction": SpatialArray("array", 16, 16, 1, 1, *GIVEN, whole_reduction=True),
    "row-stationary": RowStationaryArray("array", 12, 14, 224, 12, 24, 4, 1, 4, *GIVEN),
    "bit-serial": BitSerialArray("array", 16, 16, 16, 1, 1, 16, *GIVEN),
    "contraction": ContractionArray("array", 8, 4, 4, 8, *GIVEN, command=100, pipeline=5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_lenet_equals_pytorch_on_every_kind_of_array(kind: str) -> None:
    design = replace(BASE, array=KINDS[kind])
    outcome = case("lenet5", design, samples=1, bits_w=8, bits_a=8).replay()
    assert outcome.agrees
    assert not outcome.taken


@pytest.mark.parametrize(
    "policy", [MappingPolicy(stays=Stays.WEIGHTS), *(MappingPolicy(o) for o in Objective)], ids=str
)
def test_lenet_equals_pytorch_whatever_tilings_are_chosen_by(policy: MappingPolicy) -> None:
    design = replace(BASE, mapping=policy)
    outcome = case("lenet5", design, samples=1, bits_w=8, bits_a=8).replay()
    assert outcome.agrees


def test_limits_of_an_array_hold_for_every_tile() -> None:
    for kind, most, whole in (("spatial", 200, False), ("whole-reduction", None, True)):
        made = case("lenet5", replace(BASE, array=KINDS[kind]), samples=1, bits_w=8, bits_a=8)
        for request, plan in made.simulation.mapping.plans.values():
            sizes = plan.tile
            pixels = 1
            for loop in request.nest.classes["m"]:
                pixels *= sizes[loop]
            assert most is None or pixels <= most
            cut = {axis.cls for axis in plan.axes}
            assert not (whole and "k" in cut)
