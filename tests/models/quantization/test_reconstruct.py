"""Rounding for outputs: smaller output error than nearest rounding, on the same levels."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.quantization import calibrate, quantize_network
from models.quantization.convert import fit_weight_steps
from models.quantization.integer import integer_weight
from models.quantization.reconstruct import reconstruct


def correlated(rows: int, width: int) -> Tensor:
    """Smooth signals: neighbours are nearly equal, as pixels are."""
    steps = torch.randn(rows, width, generator=torch.Generator().manual_seed(3))
    return steps.cumsum(1) / width**0.5 + 0.5


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10)
    )


def output_error(network: nn.Module, reference: nn.Module, inputs: Tensor) -> float:
    with torch.no_grad():
        return float((network(inputs) - reference(inputs)).square().mean())


@pytest.mark.parametrize("bits", [1, 2, 3, 4, "ternary"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_outputs_are_closer_than_with_nearest_rounding(bits: int | str, per_channel: bool) -> None:
    torch.manual_seed(0)
    reference = nn.Linear(24, 16)
    inputs, unseen = correlated(800, 24).split(400)
    nearest = quantize_network(copy.deepcopy(reference), bits, per_channel=per_channel)
    fit_weight_steps(nearest)
    chosen = quantize_network(copy.deepcopy(reference), bits, per_channel=per_channel)
    reconstruct(chosen, inputs)
    assert output_error(chosen, reference, unseen) < 0.5 * output_error(nearest, reference, unseen)


@pytest.mark.parametrize("bits_a", [32, 8])
def test_later_layers_repair_what_earlier_ones_did(bits_a: int) -> None:
    reference = convolutional().eval()
    inputs = correlated(300, 64).reshape(300, 1, 8, 8)
    nearest = quantize_network(copy.deepcopy(reference), "ternary", bits_a)
    chosen = copy.deepcopy(nearest)
    fit_weight_steps(nearest)
    for network in (nearest, chosen):
        calibrate(network, [inputs])
    reconstruct(chosen, inputs[:200])
    unseen = inputs[200:]
    assert output_error(chosen, reference, unseen) < 0.2 * output_error(nearest, reference, unseen)


@pytest.mark.parametrize("bits", [1, 3, 8, "ternary"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_end_on_their_levels_and_stay_there(bits: int | str, per_channel: bool) -> None:
    layer = quantize_network(nn.Linear(24, 16), bits, per_channel=per_channel)
    reconstruct(layer, correlated(400, 24))
    torch.testing.assert_close(layer.quantized_weight(), layer.weight, rtol=1e-5, atol=1e-7)
    codes = integer_weight(layer).codes
    assert codes.min() < codes.max()


def test_other_layers_are_left_alone() -> None:
    inputs = torch.randn(64, 4, 6, 6)
    depthwise = quantize_network(nn.Conv2d(4, 4, 3, groups=4), 3)
    learned = quantize_network(nn.Conv2d(4, 4, 3), 3, scheme="lsq")
    for layer in (depthwise, learned):
        before = layer.weight.detach().clone()
        reconstruct(layer, inputs)
        assert torch.equal(layer.weight, before)
        assert layer.training
    with pytest.raises(ModelError, match="no inputs"):
        reconstruct(depthwise, inputs[:0])
