"""Quantizing whole networks: calibration, kept layers, recalibrated batch norm."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from models import networks
from models.errors import ModelError
from models.quantization import (
    ActivationQuantizer,
    ActivationSpecification,
    calibrate,
    quantize_network,
    quantized_layers,
    recalibrate_batch_norm,
)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )


def test_more_bits_come_closer_to_the_float_network() -> None:
    x = torch.randn(32, 1, 8, 8)
    model = small().eval()
    reference = model(x).detach()
    errors = []
    for bits in (2, 3, 4, 6, 8):
        quantized = calibrate(quantize_network(copy.deepcopy(model), bits, bits), [x])
        errors.append(float((quantized(x).detach() - reference).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3 * float(reference.square().mean())


def test_calibration_finds_range_and_sign() -> None:
    model = calibrate(quantize_network(small(), 8, 4), [torch.randn(64, 1, 8, 8)])
    first, second = (layer.input_quantizer for _, layer in quantized_layers(model))
    assert first.signed
    assert not second.signed


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_what_was_seen_is_represented_within_half_a_step(bits: int, asymmetric: bool) -> None:
    quantizer = ActivationQuantizer(ActivationSpecification(bits, "static", asymmetric))
    x = torch.linspace(-0.5, 3.0, 301)
    quantizer.observe(True)
    quantizer(x)
    quantizer.observe(False)
    # a rounded zero point can move one end of the range by another half step
    slack = 1.01 if asymmetric else 0.51
    assert (quantizer(x) - x).abs().max() <= slack * quantizer.scale
    assert quantizer(torch.zeros(1)) == 0.0


def test_a_zero_point_halves_the_step_of_one_sided_activations() -> None:
    steps = []
    for asymmetric in (False, True):
        quantizer = ActivationQuantizer(ActivationSpecification(4, "static", asymmetric))
        quantizer.observe(True)
        quantizer(torch.linspace(0.0, 3.0, 50))
        quantizer.observe(False)
        steps.append(float(quantizer.scale))
    assert steps[1] < 0.55 * steps[0]


def test_recalibrated_statistics_are_those_of_the_batches() -> None:
    model = quantize_network(small(), 2)
    data = torch.randn(90, 1, 8, 8) * 2 + 1
    recalibrate_batch_norm(model, data.split(30))
    outputs = model[0](data).transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[1].running_mean, outputs.mean(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model[1].running_var, outputs.var(1), rtol=0.05, atol=1e-3)
    assert model.training
    assert model[1].momentum == 0.1


def test_kept_layers_stay_float() -> None:
    model = quantize_network(small(), 4, keep=["4"])
    assert [name for name, _ in quantized_layers(model)] == ["0"]
    assert type(model[4]) is nn.Linear


def test_sign_of_codes_survives_a_saved_state() -> None:
    model = calibrate(quantize_network(small(), 8, 4), [torch.rand(64, 1, 8, 8)])
    other = quantize_network(small(), 8, 4)
    other.load_state_dict(model.state_dict())
    x = torch.rand(8, 1, 8, 8)
    assert torch.equal(other.eval()(x), model.eval()(x))


def test_an_image_keeps_eight_bits_and_a_relu_has_no_sign_bit() -> None:
    layers = dict(quantized_layers(networks.build("lenet5", bits_w=1, bits_a=1)))
    assert layers["conv1"].input_quantizer.bits == 8
    assert layers["conv2"].input_quantizer.bits == 1
    assert not layers["conv2"].input_quantizer.signed
    binary = dict(quantized_layers(networks.build("cnv")))
    assert binary["conv0.0"].input_quantizer.bits == 8
    assert binary["conv1.0"].input_quantizer.specification.scheme == "sign"


def test_requantizing_replaces_the_quantizers() -> None:
    model = quantize_network(small(), 4, 8, "lsq")
    quantize_network(model, 2, 32, "vecq")
    for _, layer in quantized_layers(model):
        assert layer.weight_specification.bits == 2
        assert layer.input_quantizer is None
        assert not isinstance(layer.step, nn.Parameter)


def test_mistakes_are_named() -> None:
    with pytest.raises(ModelError, match="nearest is '4'"):
        quantize_network(small(), 4, keep=["44"])
    with pytest.raises(ModelError, match="no linear or convolution"):
        quantize_network(nn.Sequential(nn.ReLU()), 4)
    with pytest.raises(ModelError, match="saw no activations"):
        calibrate(quantize_network(small(), 4, 4), [])
    with pytest.raises(ModelError, match="non-finite"):
        calibrate(quantize_network(small(), 4, 4), [torch.full((2, 1, 8, 8), torch.nan)])
    with pytest.raises(ModelError, match="no batches"):
        recalibrate_batch_norm(small(), [])
    with pytest.raises(ModelError, match="padding mode"):
        quantize_network(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")), 4)
