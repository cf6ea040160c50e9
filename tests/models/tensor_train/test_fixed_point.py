"""Fixed point: on the grid, right on average, repeatable, and visible in the operator stream."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from models.errors import ModelError
from models.tensor_train import FixedPoint, Precision, TTLinear, fixed_precision, use_precision
from models.tensor_train.fixed_point import shared_exponent

OPS = torch.ops.edge


class Recorder(TorchDispatchMode):
    """(name, arguments by name) of every operator of the namespace edge."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, dict[str, object]]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "edge":
            names = [a.name for a in func._schema.arguments]
            self.calls.append((func._schema.name, dict(zip(names, args, strict=False))))
        return func(*args, **(kwargs or {}))


@given(
    values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20),
    bits=st.integers(2, 16),
    exponent=st.integers(-10, 3),
    rounding=st.sampled_from(["nearest", "stochastic"]),
    seed=st.integers(0, 2**31),
)
def test_results_lie_on_the_grid_within_one_step(values, bits, exponent, rounding, seed):
    x = torch.tensor(values, dtype=torch.double)
    y = OPS.fixed_point(x, bits, exponent, rounding, seed)
    codes = y * 2.0**-exponent
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert torch.equal(codes, codes.round())
    assert codes.min() >= low
    assert codes.max() <= high
    inside = x.clamp(low * 2.0**exponent, high * 2.0**exponent)
    step = 2.0**exponent * (0.5 if rounding == "nearest" else 1.0)
    assert ((y - inside).abs() <= step).all()
    again = OPS.fixed_point(y, bits, exponent, rounding, seed + 1)
    assert torch.equal(again, y), "values on the grid stay"


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), st.integers(2, 16))
def test_the_shared_exponent_is_the_smallest_that_does_not_saturate(values, bits):
    x = torch.tensor(values, dtype=torch.double)
    high = 2 ** (bits - 1) - 1
    exponent = shared_exponent(x, bits)
    largest = float(x.abs().max())
    assert largest <= high * 2.0**exponent
    if exponent > -126:
        assert largest > high * 2.0 ** (exponent - 1)


def test_stochastic_rounding_is_right_on_average_and_nearest_is_not():
    x = torch.full((20_000,), 0.3)
    mean = OPS.fixed_point(x, 8, 0, "stochastic", 5).mean()
    assert float(mean) == pytest.approx(0.3, abs=0.015)
    assert float(OPS.fixed_point(x, 8, 0, "nearest", 5).mean()) == 0.0


def test_equal_seeds_round_equally():
    x = torch.randn(100)
    first, second, third = (OPS.fixed_point(x, 6, -3, "stochastic", s) for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_gradients_pass_straight_through():
    x = torch.randn(10, requires_grad=True)
    OPS.fixed_point(x, 4, -2, "nearest", 0).sum().backward()
    assert torch.equal(x.grad, torch.ones(10))
    x.grad = None
    OPS.fixed_point_shared(x, 4, "nearest", 0).sum().backward()
    assert torch.equal(x.grad, torch.ones(10))


def test_the_learned_scale_follows_its_gradient_to_a_smaller_error():
    torch.manual_seed(0)
    x = torch.randn(500)
    scale = torch.tensor(1.5, requires_grad=True)
    optimizer = torch.optim.Adam([scale], lr=0.02)

    def error() -> torch.Tensor:
        return (OPS.fixed_point_learned(x, scale, 4, "nearest", 0) - x).square().mean()

    start = float(error().detach())
    for _ in range(200):
        optimizer.zero_grad()
        error().backward()
        optimizer.step()
    assert float(error().detach()) < 0.2 * start
    # The optimal uniform 4-bit step of a normal distribution is 0.335.
    assert 0.25 < float(scale.detach()) < 0.45


def test_learned_scale_gradient_inside_and_outside():
    x = torch.tensor([0.3, 9.0], requires_grad=True)
    scale = torch.tensor(1.0, requires_grad=True)
    OPS.fixed_point_learned(x, scale, 3, "nearest", 0).sum().backward()
    assert float(scale.grad) == pytest.approx((0 - 0.3) + 3)
    assert x.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bits", [0, 1, 17, 8.0, True])
def test_unsupported_widths_are_refused(bits):
    with pytest.raises(ModelError, match="bits are not supported, expected 2 to 16"):
        FixedPoint(bits)


def test_unknown_roundings_and_scales_are_refused():
    with pytest.raises(ModelError, match="rounding"):
        FixedPoint(8, "floor")
    with pytest.raises(ModelError, match="scale"):
        FixedPoint(8, scale="free")
    with pytest.raises(ModelError, match="learned scale is for factors"):
        Precision(activation=FixedPoint(8, scale="learned"))
    with pytest.raises(ModelError, match="needs the master copy"):
        Precision(factor=FixedPoint(8, scale="learned"), master=False)


@pytest.mark.parametrize("fake", [False, True])
def test_the_stream_carries_the_bits_of_factors_activations_and_gradients(fake):
    import contextlib

    with FakeTensorMode() if fake else contextlib.nullcontext():
        made = TTLinear((2, 3, 2), (3, 2, 2), (3, 2), path="chain")
        use_precision(made, fixed_precision(4, 8, 16, master=True))
        with Recorder() as seen:
            made(torch.randn(2, 12)).sum().backward()
    widths = [call["bits"] for _, call in seen.calls]
    # 3 factors and the bias; 2 intermediates and the output; then gradients: output, bias,
    # 3 factors and 2 intermediates.
    assert widths.count(4) == 4
    assert widths.count(8) == 3
    assert widths.count(16) == 7
    assert widths.index(4) < widths.index(8) < widths.index(16)


def test_with_a_learned_scale_factors_and_scale_train_together():
    torch.manual_seed(0)
    made = TTLinear((4, 3), (2, 6), 4)
    use_precision(made, Precision(factor=FixedPoint(4, scale="learned", exponent=-3)))
    x, y = torch.randn(64, 12), torch.randn(64, 12)
    scale = made.weight.precision.factor_scale
    before = float(scale.detach())
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = (made(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert float(scale.detach()) != before


def test_sixteen_bits_are_nearly_float_and_four_are_not():
    torch.manual_seed(0)
    made = TTLinear((4, 3), (2, 6), 4)
    x = torch.randn(8, 12)
    exact = made(x).detach()
    errors = []
    for bits in (16, 8, 4):
        use_precision(made, fixed_precision(bits, bits, bits, master=True))
        errors.append(float((made(x) - exact).detach().norm() / exact.norm()))
    use_precision(made, None)
    assert torch.equal(made(x), exact)
    assert errors[0] < 1e-3 < errors[1] < errors[2]


def test_rounding_does_not_hide_values_that_are_not_finite():
    for value in (float("nan"), float("inf")):
        with pytest.raises(ModelError, match="not finite"):
            OPS.fixed_point_shared(torch.tensor([1.0, value]), 8, "nearest", 0)
    assert torch.isnan(OPS.fixed_point(torch.tensor(float("nan")), 8, 0, "nearest", 0))
