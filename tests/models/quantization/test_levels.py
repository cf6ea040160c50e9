"""Weight quantizers: computed steps are optimal, and two-stage quantization beats the baselines."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models import checkpoints
from models.errors import ModelError
from models.quantization import WeightSpecification, gaussian_step, gaussian_ternary_step
from models.quantization.fit import best_step
from models.quantization.levels import weight_codes
from models.quantization.specification import code_range
from models.quantization.steps import mid_rise_error, ternary_error

# SQNR in dB of the optimal uniform quantizer of N(0, 1) with 2^k levels (Max 1960)
PUBLISHED_DECIBELS = {1: 4.40, 2: 9.25, 3: 14.27, 4: 19.38, 5: 24.57, 6: 29.83, 7: 35.17, 8: 40.57}

SCHEMES = [
    *((bits, "vecq") for bits in range(1, 9)),
    *((bits, "min-max") for bits in range(1, 9)),
    *((bits, "lsq") for bits in range(2, 9)),
    (2, "ternary"),
    (2, "twn"),
    (1, "sign"),
]


def fitted(weight: Tensor, bits: int, scheme: str, per_channel: bool = False) -> float:
    """Relative squared error with the step fitted to the weights."""
    specification = WeightSpecification(bits, scheme, per_channel)
    step = best_step(weight, specification) if scheme in ("vecq", "ternary") else None
    return relative_error(weight, bits, scheme, specification.axis, step)


def relative_error(
    weight: Tensor, bits: int, scheme: str, axis: int = -1, step: Tensor | None = None
) -> float:
    codes, scale = weight_codes(weight, bits, scheme, axis, step)
    half = 0.5 if WeightSpecification(bits, scheme).half_integer else 0.0
    error = (weight - (codes + half) * scale).double().square().sum()
    return float(error / weight.double().square().sum())


def weights(seed: int, kind: str, size: int = 4096) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(size, generator=generator)
    if kind == "heavy tails":
        return normal / torch.randn(size, generator=generator).abs().clamp_min(0.2)
    if kind == "uniform":
        return torch.rand(size, generator=generator) - 0.5
    if kind == "shifted":
        return normal + 0.7
    return normal


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_step_is_a_minimum_and_has_the_published_error(bits: int) -> None:
    step = gaussian_step(bits)
    least = mid_rise_error(step, bits)
    assert least < mid_rise_error(step * 1.001, bits)
    assert least < mid_rise_error(step * 0.999, bits)
    assert -10 * math.log10(least) == pytest.approx(PUBLISHED_DECIBELS[bits], abs=0.05)


@pytest.mark.parametrize("bits", range(1, 9))
def test_quantized_normal_samples_have_the_published_error(bits: int) -> None:
    # quantiles: random samples have too few of the tail that 8 bits clip
    probabilities = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    samples = torch.special.ndtri(probabilities).float()
    decibels = -10 * math.log10(relative_error(samples, bits, "vecq"))
    assert decibels == pytest.approx(PUBLISHED_DECIBELS[bits], abs=0.05)


def test_the_ternary_step_is_a_minimum() -> None:
    step = gaussian_ternary_step()
    assert ternary_error(step) < min(ternary_error(step * 1.001), ternary_error(step * 0.999))
    # at an optimum the level is the mean of its cell: E[x | x > step / 2] = step
    tail = 0.5 * math.erfc(step / 2 / math.sqrt(2))
    mean = math.exp(-(step**2) / 8) / math.sqrt(2 * math.pi) / tail
    assert mean == pytest.approx(step, abs=1e-6)


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "uniform", "shifted"])
def test_the_fitted_step_is_within_half_a_percent_of_an_exhaustive_search(kind: str) -> None:
    weight = weights(3, kind)
    for bits in range(2, 9):
        grid = torch.linspace(0.1, 4.0, 400) * gaussian_step(bits)
        best = min(relative_error(weight, bits, "vecq", -1, step) for step in grid)
        assert fitted(weight, bits, "vecq") <= 1.005 * best
    grid = torch.linspace(0.01, 5.0, 500)
    best = min(relative_error(weight, 2, "ternary", -1, step) for step in grid)
    assert fitted(weight, 2, "ternary") <= 1.0001 * best


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["normal", "heavy tails", "uniform", "shifted"]),
    per_channel=st.booleans(),
)
def test_two_stage_error_is_never_above_the_baselines(
    seed: int, kind: str, per_channel: bool
) -> None:
    weight = weights(seed, kind, 1024).reshape(4, 256)
    ternary = fitted(weight, 2, "ternary", per_channel)
    assert ternary <= fitted(weight, 2, "twn", per_channel) * (1 + 1e-6)
    assert ternary <= fitted(weight, 2, "min-max", per_channel) * (1 + 1e-6)
    for bits in (1, 3, 4):
        best = fitted(weight, bits, "vecq", per_channel)
        if kind == "normal":
            assert best < fitted(weight, bits, "min-max", per_channel)
    one_bit = fitted(weight, 1, "vecq", per_channel)
    assert one_bit == pytest.approx(fitted(weight, 1, "sign", per_channel), rel=1e-5)
    assert one_bit <= fitted(weight, 1, "min-max", per_channel) * (1 + 1e-6)


@pytest.mark.parametrize("bits", range(2, 9))
def test_trained_weights_are_never_quantized_worse_than_by_min_max(bits: int) -> None:
    model = checkpoints.load("lenet5-float")
    for layer in (model.conv1, model.conv2, model.fc1, model.fc2, model.fc3):
        weight = layer.weight.detach()
        scheme = "ternary" if bits == 2 else "vecq"
        assert fitted(weight, bits, scheme) <= fitted(weight, bits, "min-max")
        if bits == 2:
            assert fitted(weight, bits, scheme) <= fitted(weight, bits, "twn")


@pytest.mark.parametrize(("bits", "scheme"), SCHEMES)
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_codes_are_whole_numbers_within_their_bits(bits: int, scheme: str, axis: int) -> None:
    weight = weights(1, "heavy tails", 240).reshape(4, 6, 10)
    codes, scale = weight_codes(weight, bits, scheme, axis)
    low, high = code_range(bits, signed=True)
    assert torch.equal(codes, codes.round())
    assert low <= codes.min()
    assert codes.max() <= high
    assert scale.numel() == (1 if axis == -1 else weight.shape[axis])
    assert (scale > 0).all()


@pytest.mark.parametrize(("bits", "scheme"), SCHEMES)
def test_a_channel_is_quantized_as_if_it_were_alone(bits: int, scheme: str) -> None:
    weight = weights(2, "normal", 96).reshape(3, 32) * torch.tensor([[1.0], [10.0], [0.1]])
    codes, scale = weight_codes(weight, bits, scheme, 0)
    for row in range(3):
        alone_codes, alone_scale = weight_codes(weight[row], bits, scheme)
        assert torch.equal(codes[row], alone_codes)
        torch.testing.assert_close(scale[row, 0], alone_scale[0])


@pytest.mark.parametrize(("bits", "scheme"), SCHEMES)
def test_levels_follow_the_weights_scale(bits: int, scheme: str) -> None:
    weight = weights(4, "normal", 512)
    codes, scale = weight_codes(weight, bits, scheme)
    doubled_codes, doubled_scale = weight_codes(4.0 * weight, bits, scheme)
    assert torch.equal(codes, doubled_codes)
    torch.testing.assert_close(4.0 * scale, doubled_scale)


def test_all_zero_weights_stay_finite() -> None:
    for bits, scheme in SCHEMES:
        codes, scale = weight_codes(torch.zeros(16), bits, scheme)
        assert torch.isfinite(codes * scale).all()


@pytest.mark.parametrize(
    ("bits", "scheme", "says"),
    [
        (0, "vecq", "1 to 8"),
        (9, "vecq", "1 to 8"),
        (3, "ternary", "2 bits"),
        (2, "sign", "1 bits"),
        (1, "lsq", "2 to 8"),
        (4, "vec", "nearest is 'vecq'"),
    ],
)
def test_impossible_specifications_are_named(bits: int, scheme: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        WeightSpecification(bits, scheme)
