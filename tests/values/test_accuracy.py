"""Accuracy through the machine, image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cosim.design.arrays import Precision
from cosim.errors import CosimError
from cosim.explore.value_reference import ValueOptions
from cosim.explore.value_run import value_run
from cosim.machine.values.arithmetic import Arithmetic
from cosim.simulate import Simulation, simulate
from tests.values.cases import board, small, workload

INT8 = (("bits_a", 8), ("bits_w", 8))


def lenet(options: tuple[tuple[str, object], ...] = INT8, batch: int = 1) -> Simulation:
    taken = workload("lenet5", tuple(sorted(options)), "inference", batch, "sgd")
    return simulate(taken, board("edge-asic-16x16"))


def test_the_machine_says_what_pytorch_says_of_every_image() -> None:
    result = value_run(lenet(), ValueOptions(data=20))
    assert result.agrees
    assert result.checkpoint == "lenet5-int8"
    assert len(result.labels) == 20
    np.testing.assert_array_equal(result.classes, result.expected)
    assert result.as_data()["accuracy"] == result.as_data()["pytorch_accuracy"]
    assert float(np.mean(result.classes == result.labels)) > 0.8


def test_images_are_run_in_batches_where_the_workload_has_one() -> None:
    alone = value_run(lenet(), ValueOptions(data=7))
    together = value_run(lenet(batch=3), ValueOptions(data=7))
    np.testing.assert_array_equal(alone.classes, together.classes)
    assert together.agrees


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, "ternary", 4])
def test_accuracy_on_all_shipped_test_images_equals_pytorchs(bits: int | str) -> None:
    result = value_run(lenet((("bits_a", 8), ("bits_w", bits))), ValueOptions(data=1000))
    assert result.agrees
    np.testing.assert_array_equal(result.classes, result.expected)


def test_an_accumulator_that_can_overflow_is_named_before_the_run_with_its_bound() -> None:
    taken = workload("lenet5", INT8, "inference", 1, "sgd")
    simulation = simulate(taken, small(accumulator_bits=16))
    said: list[str] = []
    with pytest.raises(CosimError, match=r"a sum of \d+ does not fit the accumulator of 16 bits"):
        value_run(simulation, ValueOptions(data=2), warn=said.append)
    assert any("layer 'conv1': sums can reach" in line for line in said)
    assert all("an accumulator of 16 bits holds 32767" in line for line in said)


def test_no_sum_ever_exceeds_the_bound_given_before_the_run() -> None:
    """With the accumulator just wide enough for the bound, nothing overflows."""
    wide = value_run(lenet(), ValueOptions(data=3))
    bits = max(bound.largest for bound in wide.bounds).bit_length() + 1
    taken = workload("lenet5", INT8, "inference", 1, "sgd")
    said: list[str] = []
    options = ValueOptions(data=3)
    result = value_run(simulate(taken, small(accumulator_bits=bits)), options, warn=said.append)
    assert result.agrees
    assert not said


def test_codes_in_wider_words_have_the_same_bounds() -> None:
    taken = workload("lenet5", INT8, "inference", 1, "sgd")
    array = small().array
    given = replace(array, precisions=(*array.precisions, Precision("int16", 1, 1.0)))
    design = replace(small(), array=given)
    wider = replace(design, element_bits=16)
    bounds = [value_run(simulate(taken, d)).bounds for d in (design, wider)]
    assert bounds[0] == bounds[1]
    assert bounds[0]


def test_a_sum_that_wraps_around_costs_accuracy() -> None:
    taken = workload("lenet5", INT8, "inference", 1, "sgd")
    simulation = simulate(taken, small(accumulator_bits=14))
    options = ValueOptions(data=10, arithmetic=Arithmetic(overflow="wrap"))
    result = value_run(simulation, options)
    assert result.overflows > 0
    assert not result.agrees
    data = result.as_data()
    assert data["accuracy"] < data["pytorch_accuracy"]  # type: ignore[operator]


def test_a_narrower_rescaling_may_differ_and_is_reported() -> None:
    for how in ("single", "fixed"):
        options = ValueOptions(data=10, arithmetic=Arithmetic(rescale_as=how))
        result = value_run(lenet(), options)
        share = result.as_data()["differing"] / result.as_data()["elements"]  # type: ignore[operator]
        assert share < 0.02  # a bias rounded to a whole sum moves a code now and then


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ValueOptions(data=5000), "5000 samples, 'mnist-5k' has 1000 to test"),
        (ValueOptions(checkpoint="lenet5-ternary"), "checkpoint 'lenet5-ternary' is of network"),
        (ValueOptions(checkpoint="lenet5-int9"), "unknown checkpoint 'lenet5-int9'"),
        (ValueOptions(data=1, dataset="mnist-6k"), "nearest is 'mnist-5k'"),
        (ValueOptions(checkpoint="nowhere.safetensors"), "nowhere.safetensors"),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(options: ValueOptions, said: str) -> None:
    with pytest.raises(CosimError, match=said) as caught:
        value_run(lenet(), options)
    assert "\n" not in str(caught.value)


def test_a_workload_that_names_no_network_has_no_values() -> None:
    simulation = lenet()
    without = replace(simulation.workload, source={})
    with pytest.raises(CosimError, match="values were asked for a workload without values"):
        value_run(replace(simulation, workload=without))


def test_data_needs_a_network_for_digits() -> None:
    taken = workload("cnv", (("bits_a", 1), ("bits_w", 1)), "inference", 1, "sgd")
    with pytest.raises(CosimError, match="the data are digits of 28x28"):
        value_run(simulate(taken, board("ultra96")), ValueOptions(data=1))
