"""Parameters that are held in fewer bits than their type are counted in those bits."""

from __future__ import annotations

import pytest
import torch

from cosim.workload.capture import capture
from cosim.workload.lifetime import memory
from models.tensor_train.optimizers import FixedPointOptimizer
from models.tensor_train.precision import fixed_point_parameters, fixed_precision, use_precision

step = pytest.importorskip("models.tensor_train.results.step")


@pytest.mark.parametrize("ranks", [(1, 5), (1, 8), (2, 3)])
def test_a_fixed_point_training_step_is_counted_as_its_own_books_count_it(ranks):
    """Two independent counts of every storage of a step, without merging rounded products."""
    precision = fixed_precision(16, 8, 8)
    network = step.two_core_network(*ranks)
    seeds = use_precision(network, precision)
    fixed_point_parameters(network, precision)
    image = step.INPUT.quantize(torch.rand(1, 784))
    image.bits = step.INPUT.bits
    workload = capture(
        network, image, mode="training",
        optimizer=lambda _: FixedPointOptimizer(
            fixed_point_parameters(network, precision), 0.01, seeds, "sgd"
        ),
    )  # fmt: skip
    own = step.measure(step.two_core_network(*ranks), precision=precision, merge=False).peak
    # Their count adds a byte for the exponent of a tensor that has one of its own.
    assert memory(workload, "hardware").peak == pytest.approx(own, abs=32)


def test_a_tensorized_step_in_fixed_point_needs_292_times_less_than_the_dense_one():
    dense = memory(
        capture(step.dense_network(), torch.rand(1, 784), mode="training"), "hardware"
    ).peak
    precision = fixed_precision(16, 8, 8)
    tensorized = step.measure(step.two_core_network(1, 5), precision=precision, merge=False).peak
    assert dense / tensorized >= 292
