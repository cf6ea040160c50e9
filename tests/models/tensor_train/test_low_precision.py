"""Training in fixed point: no float copy, memory counted in the bits it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.errors import ModelError
from models.tensor_train import (
    FixedPoint,
    FixedPointOptimizer,
    TTLinear,
    fixed_point_parameters,
    fixed_precision,
    shrink,
    use_precision,
)
from models.tensor_train.results.engine import Widths, train_samples
from models.tensor_train.results.memory import StorageCounter
from models.tensor_train.results.step import (
    INPUT,
    dense_network,
    measure,
    tensorized_network,
    two_core_network,
)


def on_grid(parameter: torch.Tensor, form: FixedPoint) -> bool:
    codes = parameter.detach().double() * 2.0**-form.exponent
    high = 2 ** (form.bits - 1) - 1
    return bool((codes == codes.round()).all() and codes.abs().max() <= high + 1)


@pytest.mark.parametrize(("method", "bits"), [("sgd", 4), ("sgd", 8), ("sgd", 16), ("adam", 8)])
def test_parameters_never_leave_their_grid_and_still_learn(method, bits):
    torch.manual_seed(0)
    x, y = torch.randn(128, 12), torch.randint(0, 3, (128,))
    y = (x @ torch.randn(12, 3)).argmax(1) + 0 * y
    made = torch.nn.Sequential(
        TTLinear((4, 3), (4, 4), 4), torch.nn.ReLU(), TTLinear((4, 4), (1, 3), 3)
    )
    precision = fixed_precision(bits, 8, 8)
    seeds = use_precision(made, precision, seed=3)
    held = fixed_point_parameters(made, precision)
    assert {p for p, _ in held} == set(made.parameters())
    assert all(p.bits == bits for p in made.parameters())
    rate = {"sgd": 0.1, "adam": 0.02}[method]
    optimizer = FixedPointOptimizer(held, rate, seeds, method)
    losses = []
    for _ in range(100):
        loss = functional.cross_entropy(made(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert all(on_grid(p, form) for p, form in held)
        losses.append(float(loss.detach()))
    assert sum(losses[-20:]) / 20 < 0.75 * losses[0]


def test_adam_states_are_held_in_their_bits():
    made = TTLinear((4, 3), (4, 4), 4)
    precision = fixed_precision(8, 8, 8)
    optimizer = FixedPointOptimizer(
        fixed_point_parameters(made, precision),
        0.01,
        use_precision(made, precision),
        "adam",
        state_bits=4,
    )
    made(torch.randn(5, 12)).square().sum().backward()
    optimizer.step()
    for state in optimizer.state.values():
        for name in ("moment", "spread"):
            assert state[name].bits == 4
            assert len(state[name].unique()) <= 16


def test_equal_seeds_train_equally_and_others_do_not():
    def trained(seed: int) -> torch.Tensor:
        torch.manual_seed(0)
        made = TTLinear((4, 3), (4, 4), 4)
        precision = fixed_precision(8, 8, 8)
        optimizer = FixedPointOptimizer(
            fixed_point_parameters(made, precision), 0.05, use_precision(made, precision, seed)
        )
        x = torch.randn(16, 12)
        for _ in range(5):
            optimizer.zero_grad()
            made(x).square().mean().backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in made.parameters()])

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_small_updates_survive_on_average_without_a_float_copy():
    parameter = torch.nn.Parameter(torch.zeros(4000))
    form = FixedPoint(8, "stochastic", "power-of-two", -4)
    made = TTLinear((4, 3), (4, 4), 4)
    optimizer = FixedPointOptimizer([(parameter, form)], 1.0, use_precision(made, None))
    parameter.grad = torch.full_like(parameter, 2.0**-8)
    for _ in range(16):
        optimizer.step()
    assert float(parameter.detach().mean()) == pytest.approx(-(2.0**-4), abs=5e-3)


@pytest.mark.slow  # compiling takes longer than training
def test_the_compiled_engine_trains_the_very_same_network():
    """50 samples with nearest rounding, double precision: every sum is exact in both."""
    pytest.importorskip("numba")
    torch.manual_seed(0)
    network = two_core_network(2, 3).double()
    precision = fixed_precision(16, 8, 8, stochastic_factors=False)
    precision = replace(precision, gradient=replace(precision.gradient, rounding="nearest"))
    seeds = use_precision(network, precision)
    held = fixed_point_parameters(network, precision)
    optimizer = FixedPointOptimizer(held, 0.02, seeds)
    x = INPUT.quantize(torch.rand(50, 784, dtype=torch.double) * 2 - 0.5)
    y = torch.randint(0, 10, (50,))

    def tensors() -> dict[str, np.ndarray]:
        first, second = network.fc1.weight.factors, network.fc2.weight.factors
        found = {
            "g1": first[0][0],
            "g2": first[1][..., 0],
            "f1": second[0][0],
            "f2": second[1][..., 0],
            "bias": network.fc2.bias,
        }
        return {name: t.detach().numpy().copy() for name, t in found.items()}

    start, engine = tensors(), tensors()
    train_samples(
        x.numpy().reshape(-1, 28, 28),
        y.numpy(),
        np.arange(50),
        engine,
        np.full(50, 0.02),
        Widths(16, 8, 8, -14, stochastic=False),
        0,
    )
    for n in range(50):
        optimizer.zero_grad()
        functional.cross_entropy(network(x[n : n + 1]), y[n : n + 1]).backward()
        optimizer.step()
    for name, value in tensors().items():
        np.testing.assert_array_equal(engine[name], value, err_msg=name)
        assert not np.array_equal(value, start[name]), f"{name} has been trained"


def test_the_memory_of_the_dense_step_is_arithmetic():
    """Weights and gradients, input and label, hidden values twice, scores and small change."""
    count = measure(dense_network())
    assert count.by_role["weight"] == 4 * 407_050
    assert count.by_role["gradient"] == 4 * 407_050
    assert count.by_role["input"] == 4 * 784 + 8
    assert count.by_role["activation"] < 4 * 3 * 512
    adam = measure(dense_network(), "adam")
    assert adam.by_role["optimizer state"] == 2 * 4 * 407_050 + 4 * 4


def test_low_precision_needs_292_times_less_memory_than_dense_float():
    dense = measure(dense_network()).peak
    for ranks in ((1, 5), (1, 8)):
        tensorized = measure(two_core_network(*ranks), precision=fixed_precision(16, 8, 8))
        assert dense / tensorized.peak >= 292
    # With every unrounded product counted as well the smaller network still holds it.
    strict = measure(two_core_network(1, 5), precision=fixed_precision(16, 8, 8), merge=False)
    assert dense / strict.peak >= 292


def test_fewer_bits_fewer_ranks_and_immediate_updates_never_need_more():
    sizes = [
        measure(two_core_network(1, 5), precision=fixed_precision(b, b, b)).peak for b in (4, 8, 16)
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    wide, narrow = (measure(tensorized_network(r, (8,))).peak for r in ((8, 8, 8), (4, 4, 4)))
    assert narrow < wide
    kept = measure(two_core_network(2, 5), precision=fixed_precision(8, 8, 8))
    dropped = measure(two_core_network(2, 5), precision=fixed_precision(8, 8, 8), immediate=True)
    assert dropped.peak < kept.peak


def test_the_counter_sees_storages_from_allocation_to_release():
    x = torch.zeros(100)
    with StorageCounter([("input", x)]) as counter:
        y = x + 1  # 400 bytes
        del y
        z = (x * 2).reshape(10, 10)  # 400 bytes; the view is free
        torch.ops.edge.fixed_point(z, 4, 0, "nearest", 0)  # 50 bytes and an exponent
    assert counter.count().peak == 400 + 400
    assert counter.count(merge=False).peak == 400 + 400 + 51


def test_mistakes_are_refused():
    parameter = torch.nn.Parameter(torch.zeros(2))
    seeds = use_precision(TTLinear((4, 3), (4, 4), 4), None)
    with pytest.raises(ModelError, match="power-of-two scale"):
        FixedPointOptimizer([(parameter, FixedPoint(8))], 0.1, seeds)
    with pytest.raises(ModelError, match="'sgd' or 'adam'"):
        FixedPointOptimizer([(parameter, FixedPoint(8, scale="power-of-two"))], 0.1, seeds, "rms")


@pytest.mark.parametrize(
    "network",
    [dense_network, lambda: two_core_network(1, 5), lambda: tensorized_network((6, 5, 6), (3,))],
)
def test_the_simulators_capture_counts_the_same_bytes(network):
    """Two independent counts of a float32 step, storage by storage."""
    capture = pytest.importorskip("cosim.workload.capture").capture
    memory = pytest.importorskip("cosim.workload.lifetime").memory
    workload = capture(network(), torch.rand(1, 784), mode="training", optimizer="sgd")
    assert memory(workload, "framework").peak == measure(network()).peak


def test_fixed_point_training_survives_a_physical_cut():
    torch.manual_seed(0)
    made = TTLinear((4, 3), (4, 4), 6)
    precision = fixed_precision(8, 8, 8)
    held = fixed_point_parameters(made, precision)
    optimizer = FixedPointOptimizer(held, 0.01, use_precision(made, precision), "adam")
    for keep in (range(6), [0, 2, 5]):
        shrink(made.weight, {0: keep}, optimizer)
        optimizer.zero_grad()
        made(torch.randn(5, 12)).square().sum().backward()
        optimizer.step()
    assert made.ranks == (3,)
    for parameter, form in held:
        assert on_grid(parameter, form)
        assert optimizer.state[parameter]["moment"].shape == parameter.shape
        assert optimizer.state[parameter]["moment"].bits == 8
