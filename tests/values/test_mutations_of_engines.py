"""The planted faults of `test_mutations`, on every kind of engine and of memory."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest

from cosim.design.arrays import TiledArray
from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.mapping.regions import tasks_of
from tests.values.cases import Case, case, small
from tests.values.test_engines import GIVEN, KINDS
from tests.values.test_mutations import MUTATIONS, Mutation

TILED = TiledArray(
    "array", 8, 8, 16, 16, 4, *GIVEN, border=1
)  # fmt: skip


def _designs() -> dict[str, Design]:
    base = small(buffer_bytes=4 << 10, resident_bytes=0)
    made = {
        kind: replace(base, array=array)
        for kind, array in (*KINDS.items(), ("tiled", TILED)) if kind != "whole-reduction"
    }  # fmt: skip
    made["in place"] = replace(base, vector=replace(base.vector, in_place=True))
    made["fixed point"] = replace(base, fixed_point_bits=8)
    return made


DESIGNS = _designs()


@cache
def tiled(kind: str) -> Case:
    options = {} if kind == "fixed point" else {"bits_w": 8, "bits_a": 8}
    return case("lenet5", DESIGNS[kind], samples=1, **options)


@pytest.mark.parametrize("kind", DESIGNS)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_a_planted_fault_is_caught_on_every_kind_of_engine(mutation: Mutation, kind: str) -> None:
    found = tiled(kind)
    tasks = {name: list(listed) for name, listed in tasks_of(found.simulation.mapping).items()}
    groups = found.simulation.mapping.grouping.groups
    expected = mutation(tasks, next(g.index for g in groups if g.name == "conv2"))
    with pytest.raises(CosimError) as caught:
        found.replay(tasks=tasks)
    assert re.search(expected, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("kind", DESIGNS)
def test_without_a_fault_nothing_is_reported(kind: str) -> None:
    assert tiled(kind).replay().agrees
