"""Constants of channels that do not fit the weight buffer come in parts, with their tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cosim.design.design import Design
from cosim.mapping.mapping import Mapping, map_workload
from cosim.mapping.regions import tasks_of
from tests.values.cases import board, case, workload


def with_weights(name: str, size: int) -> Design:
    """A board with a weight buffer of `size` bytes."""
    design = board(name)
    buffers = tuple(
        replace(b, size_bytes=size) if "weight" in b.holds else b for b in design.buffers
    )
    return replace(design, buffers=buffers)


def groups_with_parts(mapping: Mapping) -> set[int]:
    """Groups whose constants are loaded in several parts."""
    parts: dict[int, set[Any]] = {}
    for tasks in tasks_of(mapping).values():
        for task in tasks:
            for region in task.constants:
                parts.setdefault(task.group, set()).add(region)
    return {group for group, regions in parts.items() if len(regions) > 1}


@pytest.mark.parametrize(
    ("name", "network", "size"),
    [
        ("ultra96", "lenet5", 1024), ("pynq-z1", "ds-cnn", 512), ("edge-asic-16x16", "ds-cnn", 512),
        ("edge-asic-16x16", "mlp", 4096),
    ],
    ids=["convolutions", "groups", "groups-weights-stay", "columns"],
)  # fmt: skip
def test_every_layer_agrees_where_constants_come_in_parts(
    name: str, network: str, size: int
) -> None:
    taken = case(network, with_weights(name, size), bits_w=8, bits_a=8)
    assert groups_with_parts(taken.simulation.mapping)
    outcome = taken.replay()
    assert outcome.agrees
    assert not outcome.taken


def test_a_bias_that_the_array_adds_comes_in_parts_too() -> None:
    taken = case("mlp", with_weights("edge-asic-16x16", 512))
    assert groups_with_parts(taken.simulation.mapping)
    assert taken.replay().agrees


def test_parts_are_loaded_once_where_columns_run_outside() -> None:
    """Each part stays while the rows of its columns pass, and is loaded again where they do not."""
    mapping = map_workload(
        workload("lenet5", (("bits_a", 8), ("bits_w", 8)), "inference", 4, "sgd"),
        with_weights("edge-asic-16x16", 1024),
    )
    for position in groups_with_parts(mapping):
        request, plan = mapping.plans[position]
        loads = [
            task.source for task in tasks_of(mapping)["load"]
            if task.group == position and task.source is not None
            and len(task.source.box) == len(request.nest.channel_loops) + 1
            and task.source.box[-1] in ((0, 1, 1), (0, 2, 1))
        ]  # fmt: skip
        inside = [a for a in plan.axes if a.cls in "bn"]
        outer = [a.count for a in plan.axes[: plan.axes.index(inside[-1])] if a.cls == "m"]
        again = 1
        for count in outer:
            again *= count
        assert len(loads) == again * len(set(loads))
