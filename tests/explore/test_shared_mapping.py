"""A mapping made for another budget is the mapping that would have been made."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cosim.design as designs
import scenarios
from cosim.errors import CosimError
from cosim.explore.shared_mapping import MappingMemory
from cosim.mapping.mapping import map_workload
from tests.mapping.examples import Builder


def network():
    builder = Builder("small")
    hidden = builder.gemm(builder.input(32, 64), 96, bias=True)
    builder.gemm(hidden, 10)
    return builder.build()


SMALL = network()


@given(
    st.sampled_from(["ultra96", "pynq-z1", "edge-asic-16x16"]),
    st.lists(st.one_of(st.none(), st.floats(50.0, 5000.0)), min_size=2, max_size=5),
    st.integers(1, 32),
)
def test_programs_are_those_of_a_mapping_of_its_own(
    board: str, budgets: list[float | None], rows: int
) -> None:
    memory = MappingMemory()
    plain = designs.load(board, {"engine.array.rows": rows})
    for budget in budgets:
        design = replace(plain, power=replace(plain.power, budget_mw=budget))
        try:
            expected = map_workload(SMALL, design)
        except CosimError as error:
            with pytest.raises(CosimError, match=re.escape(str(error))):
                memory.mapping(SMALL, design, budgets=True)
            continue
        found = memory.mapping(SMALL, design, budgets=True)
        assert found.program == expected.program
        assert found.program.facts == expected.program.facts
        assert found.design == design


def test_other_designs_are_not_taken_for_each_other() -> None:
    memory = MappingMemory()
    for rows in (4, 8, 4):
        design = designs.load("ultra96", {"engine.array.rows": rows})
        assert memory.mapping(SMALL, design, budgets=True).program == (
            map_workload(SMALL, design).program
        )


@pytest.mark.parametrize(
    "policy", ["running-average", "thermal-pid", "ladder", "token-bucket", "capacitor", "battery"]
)
def test_a_policy_keeps_its_own_mapping(policy: str) -> None:
    for budget in (None, 1300.0):
        plain = designs.load(scenarios.FOLDER / "designs" / "power" / f"{policy}.toml")
        design = replace(plain, power=replace(plain.power, budget_mw=budget))
        found = MappingMemory().mapping(SMALL, design, budgets=True)
        assert found.program == map_workload(SMALL, design).program
