"""Integer execution equals the fake-quantized network: integers exactly, reals to rounding."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models import checkpoints, networks
from models.errors import ModelError
from models.quantization import calibrate, quantize_network, quantized_layers
from models.quantization.integer import (
    accumulate,
    integer_activation,
    integer_input,
    integer_weight,
    rescale,
    run_integer,
)
from models.quantization.thresholds import compile_integer
from models.training import load

SCHEMES = [
    *((bits, "vecq") for bits in range(1, 9)),
    ("ternary", "ternary"),
    ("ternary", "twn"),
    (3, "min-max"),
    (1, "min-max"),
    (4, "lsq"),
    (1, "sign"),
]


def uneven(model: nn.Module) -> nn.Module:
    """Give batch norms factors of both signs, so that some codes fall with the sum."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model


def prepared(name: str, batch: int = 8, **options: Any) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = uneven(networks.build(name, **options))
    x = torch.rand(batch, *model.input_shape)
    calibrate(model, [x])
    model(x)  # batch-norm statistics
    return model.eval(), x


@pytest.mark.parametrize(("bits", "scheme"), SCHEMES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_integer_weights_are_the_fake_quantized_weights(
    bits: int | str, scheme: str, per_channel: bool
) -> None:
    layer = quantize_network(nn.Conv2d(3, 5, 3), bits, 8, scheme, per_channel=per_channel)
    weight = integer_weight(layer)
    low, high = -(2 ** (weight.bits - 1)), 2 ** (weight.bits - 1) - 1
    assert low <= weight.codes.min()
    assert weight.codes.max() <= high
    expected = layer.quantized_weight().detach().numpy()
    np.testing.assert_allclose(weight.real, expected, rtol=1e-6)


@settings(max_examples=60)
@given(
    bits=st.sampled_from([1, 2, 3, 4, 8, "ternary"]),
    bits_a=st.sampled_from([1, 2, 4, 8]),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    asymmetric=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_convolutions_sums_are_exact_integers(
    bits: int | str,
    bits_a: int,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    asymmetric: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    layer = quantize_network(
        nn.Conv2d(4, 8, 3, stride, padding, dilation, groups), bits, bits_a, asymmetric=asymmetric
    )
    x = torch.randn(2, 4, 9, 7)
    calibrate(layer, [x])
    codes, weight = integer_input(layer, x), integer_weight(layer)
    sums = accumulate(layer, codes, weight)
    assert sums.dtype == np.int64
    real = layer(x).detach().double().numpy()
    bias = layer.bias.detach().double().numpy().reshape(-1, 1, 1)
    # what float32 computed, in units of the integers: the nearest whole number is the sum
    np.testing.assert_array_equal(np.rint((real - bias) / (codes.unit * weight.unit)), sums)
    scale = np.abs(real).max()
    np.testing.assert_allclose(rescale(layer, sums, codes, weight), real, atol=1e-6 * scale)


@pytest.mark.parametrize("bits_w", [1, 2, 3, 4, 8, "ternary"])
@pytest.mark.parametrize("bits_a", [1, 4, 8])
def test_lenet_in_integers_throughout_equals_the_fake_quantized_network(
    bits_w: int | str, bits_a: int
) -> None:
    model, x = prepared("lenet5", bits_w=bits_w, bits_a=bits_a)
    expected = copy.deepcopy(model).double()(x.double()).detach().numpy()
    compiled = compile_integer(model)
    codes = compiled.quantize(x)
    assert codes.dtype == np.int64
    sums = compiled.run(codes)
    assert sums.dtype == np.int64
    np.testing.assert_allclose(compiled.output(sums), expected, rtol=1e-6, atol=1e-12)
    hybrid, records = run_integer(model, x)
    np.testing.assert_allclose(hybrid.numpy(), expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(records[-1].sums, sums)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnv", {}),
        ("cnv", {"bits_w": 2, "bits_a": 2}),
        ("mlp", {"bits_w": 3, "bits_a": 5, "asymmetric": True}),
        ("vgg-cifar", {"bits_w": 2, "bits_a": 4, "width": 0.125, "per_channel": True}),
    ],
)
def test_chains_compile_to_integers(name: str, options: dict[str, Any]) -> None:
    model, x = prepared(name, batch=2, **options)
    expected = copy.deepcopy(model).double()(x.double()).detach().numpy()
    np.testing.assert_allclose(compile_integer(model)(x), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {"image_size": 32, "width": 8, "num_classes": 10}),
        ("mobilenetv2", {"image_size": 32, "width": 0.25, "num_classes": 10}),
        ("ds-cnn", {}),
    ],
)
def test_networks_with_branches_run_their_layers_in_integers(
    name: str, options: dict[str, Any]
) -> None:
    model, x = prepared(name, batch=2, bits_w=4, bits_a=4, **options)
    output, records = run_integer(model, x)
    expected = copy.deepcopy(model).double()(x.double())
    torch.testing.assert_close(output, expected, rtol=1e-6, atol=1e-12)
    assert len(records) == sum(1 for _ in quantized_layers(model))


@pytest.mark.parametrize("name", ["lenet5-int8", "lenet5-vecq4", "lenet5-ternary"])
def test_a_trained_network_answers_the_same_in_integers(name: str) -> None:
    model = checkpoints.load(name)
    images = load("mnist-5k").test_inputs[::10]
    expected = copy.deepcopy(model).double()(images.double()).detach()
    sums = compile_integer(model)(images)
    np.testing.assert_allclose(sums, expected.numpy(), rtol=1e-6, atol=1e-9)
    assert (torch.from_numpy(sums).argmax(1) == model(images).argmax(1)).float().mean() > 0.98


def test_half_integer_levels_need_one_sum_of_activations_more() -> None:
    # Σ v x = Σ q x + 1/2 Σ x for v = q + 1/2
    layer = quantize_network(nn.Linear(12, 5, bias=False), 3, 8)
    x = torch.rand(4, 12)
    calibrate(layer, [x])
    codes, weight = integer_activation(layer.input_quantizer, x), integer_weight(layer)
    twice = 2 * (codes.codes @ weight.codes.T) + codes.codes.sum(1, keepdims=True)
    np.testing.assert_array_equal(accumulate(layer, codes, weight), twice)


def test_what_cannot_run_in_integers_is_named() -> None:
    x = torch.rand(1, 1, 28, 28)
    with pytest.raises(ModelError, match="float activations"):
        compile_integer(networks.build("lenet5", bits_w=4))
    with pytest.raises(ModelError, match="float weight"):
        run_integer(networks.build("lenet5", bits_a=4), x)
    with pytest.raises(ModelError, match="no quantized layer"):
        run_integer(networks.build("lenet5"), x)
    with pytest.raises(ModelError, match="Residual"):
        compile_integer(networks.build("resnet18", width=8, bits_w=4, bits_a=4))
