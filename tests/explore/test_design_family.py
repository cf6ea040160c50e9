"""Designs put together from what single keys change are those that loading gives."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cosim.design as designs
from cosim.errors import CosimError
from cosim.explore.design_family import DesignFamily
from cosim.explore.keys import design_hash
from cosim.explore.scenario import DesignEntry

AXES: dict[str, list[object]] = {
    "engine.array.rows": [4, 16, 32],
    "engine.array.dataflow": ["weight-stationary", "output-stationary"],
    "engine.vector.lanes": [8, 16],
    "clocks.fabric": ["100 MHz", "200 MHz"],
    "buffer.input.size": ["64 KiB", "128 KiB"],
    "buffer.weight.size": ["16 KiB", "192 KiB"],
    "dram.part": ["lpddr4-2133-x32", "lpddr4-3200-x16"],
    "dram.bandwidth": ["4 GB/s", "8532 MB/s"],
    "power.budget": ["unlimited", "345 mW", "100 mW", "2 W"],
    "power.static": ["300 mW", "0 W"],
}
"""Keys that stand alone, keys that depend on each other, values the base has anyway, and budgets
that some combinations refuse."""

FAMILY = DesignFamily(DesignEntry("ultra96", "ultra96"), AXES)


@given(st.data())
def test_every_combination_is_what_loading_it_gives(data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.sampled_from(sorted(AXES)), unique=True))
    overrides = {key: data.draw(st.sampled_from(AXES[key])) for key in keys}
    try:
        expected = designs.load("ultra96", overrides)
    except CosimError as error:
        with pytest.raises(CosimError, match=re.escape(str(error))):
            FAMILY.design(overrides)
        return
    found = FAMILY.design(overrides)
    assert design_hash(found) == designs.content_hash(expected)
    assert designs.content_hash(found) == designs.content_hash(expected)


def test_values_that_a_design_refuses_are_known_with_their_errors() -> None:
    family = DesignFamily(DesignEntry("ultra96", "ultra96"), {"engine.array.rows": [8, 0, "x"]})
    assert sorted(family.errors["engine.array.rows"]) == ["'x'", "0"]


def test_equal_parts_are_shared_so_that_thousands_of_designs_stay_small() -> None:
    first = FAMILY.design({"engine.array.rows": 4, "clocks.fabric": "100 MHz"})
    second = FAMILY.design({"engine.array.rows": 4, "clocks.fabric": "200 MHz"})
    assert first.array is second.array
    assert first.buffers is second.buffers
    assert first.clocks != second.clocks
