"""A quantize step is one operator that carries its bits, and is straight-through backwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from models import networks
from models.quantization import quantize_activation, quantize_network, quantize_weight


class Recorder(TorchDispatchMode):
    """Keeps the arguments of every operator of the namespace `edge`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[Any, ...]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.namespace == "edge":
            self.seen.append((func.__name__, args))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("fake", [False, True])
def test_a_capture_sees_one_operator_with_bits_scheme_and_sign(fake: bool) -> None:
    def step() -> list[tuple[str, tuple[Any, ...]]]:
        model = networks.build("lenet5", bits_w="ternary", bits_a=4)
        inputs, target = torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64)
        with Recorder() as recorder:
            networks.loss(model(inputs), target).backward()
        return recorder.seen

    if fake:
        with FakeTensorMode():
            seen = step()
    else:
        seen = step()
    weights = [args for name, args in seen if name == "quantize_weight.default"]
    inputs = [args for name, args in seen if name == "quantize_activation.default"]
    assert [args[1:4] for args in weights] == [(2, "ternary", True)] * 5
    assert [args[3:] for args in inputs] == [(8, True, "static")] + [(4, False, "static")] * 4


@pytest.mark.parametrize(("bits", "scheme"), [(4, "vecq"), (2, "twn"), (1, "sign")])
def test_weights_get_the_gradient_of_what_replaced_them(bits: int, scheme: str) -> None:
    weight = torch.randn(5, 7, requires_grad=True)
    factor = torch.randn(5, 7)
    (quantize_weight(weight, bits, scheme) * factor).sum().backward()
    assert torch.equal(weight.grad, factor)


def test_activations_beyond_the_range_get_no_gradient() -> None:
    x = torch.tensor([-3.0, -0.4, 0.3, 2.9, 40.0], requires_grad=True)
    scale, zero = torch.ones(1), torch.zeros(1)
    y = quantize_activation(x, scale, zero, 3, False, "static")
    assert y.tolist() == [0.0, 0.0, 0.0, 3.0, 7.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_the_sign_has_the_gradient_of_hard_tanh() -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    y = quantize_activation(x, torch.ones(1), torch.zeros(1), 1, True, "sign")
    assert y.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def finite_difference(function: Any, scale: Tensor) -> float:
    delta = 1e-4
    return float((function(scale + delta) - function(scale - delta)) / (2 * delta))


def test_a_clipped_value_moves_with_the_learned_step() -> None:
    # outside the range the output is limit * step, whose derivative needs no estimator
    x, zero = torch.full((6,), 100.0, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    scale = torch.full((1,), 0.7, dtype=torch.float64, requires_grad=True)
    quantize_activation(x, scale, zero, 4, True, "learned-clip").sum().backward()

    def outputs(size: Tensor) -> Tensor:
        return quantize_activation(x, size, zero, 4, True, "learned-clip").sum()

    expected = finite_difference(outputs, scale.detach()) / (6 * 7) ** 0.5
    assert float(scale.grad) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("axis", [-1, 0])
def test_the_learned_weight_step_has_one_gradient_a_scale(axis: int) -> None:
    weight = torch.randn(3, 8, requires_grad=True)
    step = torch.full((1 if axis == -1 else 3,), 0.1, requires_grad=True)
    quantize_weight(weight, 3, "lsq", True, axis, step).sum().backward()
    assert step.grad.shape == step.shape
    assert step.grad.abs().min() > 0
    inside = (torch.round(weight.detach() / 0.1) >= -4) & (torch.round(weight.detach() / 0.1) <= 3)
    assert torch.equal(weight.grad, inside.float())


def test_operators_pass_torchs_own_checks() -> None:
    weight, step = torch.randn(4, 6, requires_grad=True), torch.full((1,), 0.5, requires_grad=True)
    scale, zero = torch.full((1,), 0.3, requires_grad=True), torch.zeros(1)
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    for arguments in [(weight, 3, "vecq"), (weight, 3, "lsq", True, -1, step)]:
        torch.library.opcheck(quantize_weight, arguments, test_utils=checks)
    torch.library.opcheck(
        quantize_activation, (weight, scale, zero, 4, True, "learned-clip"), test_utils=checks
    )


def test_quantized_layers_keep_their_parameters() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    before = {name: parameter for name, parameter in model.named_parameters()}
    quantize_network(model, 4, 8)
    assert {name: id(p) for name, p in model.named_parameters()} == {
        name: id(p) for name, p in before.items()
    }
