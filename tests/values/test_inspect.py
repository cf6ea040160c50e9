"""A selected task: what it reads and writes, and its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.machine.values.inspect import Inspection
from tests.values.cases import board, case, small


def test_a_tile_says_its_regions_and_its_values_multiply_to_its_sums() -> None:
    found = case("mlp", board("pynq-z1"), batch=2)
    mapping = found.simulation.mapping
    look = Inspection(mapping)
    told = look.task("array", 0)
    assert told["layer"] == "fc1"
    assert told["activity"] == "compute"
    streaming, weight = told["reads"]
    assert streaming["tensor"] == "input"
    assert weight["tensor"] == "fc1.weight"
    assert told["takes"][0]["buffer"] == "accumulator"
    timeline = found.simulation.result.timeline
    values = look.values("array", 0, timeline, found.reference)
    sizes = [[len(range(*span)) for span in region["box"]] for region in told["reads"]]
    x, w = (
        next(v for k, v in values.items() if k.startswith(f"'{name}'")).reshape(size)
        for name, size in zip(("input", "fc1.weight"), sizes, strict=True)
    )
    sums = next(v for k, v in values.items() if k.startswith("'fc1:addmm'"))
    np.testing.assert_allclose(sums.reshape(2, -1), x @ w.T, rtol=1e-5, atol=1e-6)


def test_every_task_of_a_run_can_be_looked_at() -> None:
    found = case("lenet5", board("ultra96"), bits_w=8, bits_a=8)
    look = Inspection(found.simulation.mapping)
    for component, tasks in look.tasks.items():
        for ordinal in range(len(tasks)):
            told = look.task(component, ordinal)
            if told["activity"] in ("load", "fill"):
                assert len(told["reads"]) == 1
            if told["activity"] == "store":
                assert len(told["writes"]) == 1


def test_a_task_that_does_not_exist_is_said_so() -> None:
    look = Inspection(case("lenet5", board("ultra96"), bits_w=8, bits_a=8).simulation.mapping)
    with pytest.raises(CosimError, match="component 'array' has no task 99999"):
        look.task("array", 99999)
    with pytest.raises(CosimError, match="component 'arrow' has no task 0"):
        look.task("arrow", 0)


@pytest.mark.parametrize("options", [{"bits_w": 8, "bits_a": 8}, {}], ids=str)
def test_tiles_are_held_against_pytorchs_part_of_the_tensor(options: dict[str, int]) -> None:
    found = case("lenet5", small(buffer_bytes=4 << 10, resident_bytes=1 << 15), **options)
    look = Inspection(found.simulation.mapping)
    timeline, beside = found.simulation.result.timeline, 0
    for component, tasks in look.tasks.items():
        for ordinal in range(0, len(tasks), max(1, len(tasks) // 4)):
            for tile in look.tiles(component, ordinal, timeline, found.reference):
                if tile.expected is None:
                    assert tile.slot is not None
                    assert tile.slot.name == "sums"
                    continue
                beside += 1
                assert tile.region is not None
                assert tile.values.shape[1:] == tile.region.sizes
                np.testing.assert_allclose(tile.values, tile.expected, rtol=1e-4, atol=1e-5)
                assert tile.differing == 0 or not options
    assert beside > 20
