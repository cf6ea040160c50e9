"""Machines without real numbers: what they make of a network, and PyTorch given the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.machine.values.fixed_point import unit_of
from cosim.workload.capture import record_values
from tests.values.cases import board, case, network


def wide(name: str, bits: int = 64) -> Design:
    """A board whose accumulators hold exact sums of products of its words."""
    design = board(name)
    return replace(
        design, array=replace(design.array, accumulator_bits=bits),
        others=tuple(replace(a, accumulator_bits=bits) for a in design.others),
    )  # fmt: skip


@pytest.mark.parametrize("options", [{"bits_w": 8, "bits_a": 8}, {}], ids=str)
@pytest.mark.parametrize("name", ["nvdla-256", "nvdla-32"])
def test_lenet_equals_pytorch_to_the_last_bit(name: str, options: dict[str, Any]) -> None:
    outcome = case("lenet5", board(name), samples=2, **options).replay()
    assert outcome.agrees
    assert not outcome.taken
    assert all(c.exact and c.compared and c.largest == 0.0 for c in outcome.comparisons)


@pytest.mark.parametrize("name", ["eyeriss", "skynet-ultra96"])
def test_accumulators_of_words_overflow_and_wider_ones_do_not(name: str) -> None:
    with pytest.raises(CosimError, match=r"fit the accumulator of 1[26] bits"):
        case("lenet5", board(name), bits_w=8, bits_a=8).replay()
    outcome = case("lenet5", wide(name, 32), bits_w=8, bits_a=8).replay()
    assert outcome.agrees
    assert not outcome.taken


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize(("model", "name"), [("mlp", "nvdla-128"), ("tt-mlp", "eyeriss")])
def test_perceptrons_equal_pytorch_to_the_last_bit(model: str, name: str, mode: str) -> None:
    options = {"rank": 4} if model == "tt-mlp" else {}
    outcome = case(model, wide(name), mode=mode, batch=2, **options).replay()
    assert outcome.agrees
    assert not outcome.taken
    assert all(c.exact for c in outcome.comparisons)


def test_batch_norms_are_folded_before_weights_are_rounded() -> None:
    outcome = case("ds-cnn", wide("nvdla-64")).replay()
    assert outcome.agrees
    assert all(c.exact for c in outcome.comparisons)


def test_fewer_bits_move_the_answer_away_from_the_real_one() -> None:
    found = {}
    real = None
    for bits in (6, 8, 12, 16):
        made = case("lenet5", replace(wide("nvdla-256"), fixed_point_bits=bits))
        last = made.simulation.mapping.workload.ops[-1]
        if real is None:
            model, inputs = network("lenet5", (), 1, 1)
            plain = record_values(model, inputs, made.simulation.workload)
            real = plain.outputs[last.id, 0]
        found[bits] = float(abs(made.reference.outputs[last.id, 0] - real).max())
    errors = list(found.values())
    assert errors == sorted(errors, reverse=True)
    assert 0.0 < errors[-1] < errors[0]


@given(largest=st.floats(1e-30, 1e30), bits=st.integers(2, 32))
def test_the_unit_is_the_smallest_power_of_two_at_which_nothing_saturates(
    largest: float, bits: int
) -> None:
    unit, end = unit_of(largest, bits), (1 << (bits - 1)) - 1
    assert largest <= unit * end
    assert largest > unit / 2 * end


def test_a_reference_of_another_machine_is_refused() -> None:
    found = case("lenet5", board("nvdla-256"))
    other = case("lenet5", board("pynq-z1")).reference
    with pytest.raises(CosimError, match="of a unit that nobody chose"):
        replace(found, reference=other).replay()
