"""Decomposing dense weights: exact at full rank, within the error asked for otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.errors import ModelError
from models.tensor_train import TTConv2d, TTEmbedding, TTLinear, decompose

from .cases import FORMATS, SHAPES


def relative_error(made: TTLinear, linear: nn.Linear) -> float:
    lost = (made.weight.dense() - linear.weight).detach()
    return float(lost.norm() / linear.weight.detach().norm())


@pytest.mark.parametrize("format", ["ttm", "tt", "tucker"])
def test_full_rank_is_exact(format):
    torch.manual_seed(0)
    inputs, outputs, _ = SHAPES[format]
    linear = nn.Linear(12, 12).double()
    made = TTLinear.from_dense(linear, inputs, outputs, error=0.0, format=format).double()
    torch.testing.assert_close(
        made(torch.eye(12).double()), linear(torch.eye(12).double()), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("error", [0.5, 0.2, 0.05])
def test_the_error_asked_for_is_kept(format, error):
    torch.manual_seed(1)
    inputs, outputs, _ = SHAPES[format]
    linear = nn.Linear(12, 12).double()
    made = TTLinear.from_dense(linear, inputs, outputs, error=error, format=format)
    assert relative_error(made, linear) <= error * (1 + 1e-6)


@pytest.mark.parametrize("format", FORMATS)
def test_a_weight_of_low_rank_is_found_again(format):
    torch.manual_seed(2)
    inputs, outputs, ranks = SHAPES[format]
    source = TTLinear(inputs, outputs, ranks, format=format)
    rank = ranks if format != "cp" else ranks[0] + 2
    made = TTLinear.from_dense(source.to_dense(), inputs, outputs, rank, format=format)
    assert relative_error(made, source.to_dense()) < (1e-5 if format != "cp" else 0.02)


def test_a_larger_rank_is_never_worse():
    torch.manual_seed(3)
    linear = nn.Linear(12, 12)
    errors = [
        relative_error(TTLinear.from_dense(linear, (4, 3), (2, 6), rank), linear)
        for rank in range(1, 9)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5


def test_convolution_and_embedding_keep_their_function():
    torch.manual_seed(4)
    convolution = nn.Conv2d(6, 8, 3, stride=2, padding=1)
    made = TTConv2d.from_dense(convolution, (2, 3), (4, 2), error=0.0)
    x = torch.randn(1, 6, 7, 7)
    torch.testing.assert_close(made(x), convolution(x), rtol=1e-4, atol=1e-5)
    table = torch.randn(12, 6)
    torch.testing.assert_close(
        TTEmbedding.from_dense(table, (3, 4), (2, 3), error=0.0).table(),
        table,
        rtol=1e-4,
        atol=1e-5,
    )


def test_factors_share_the_norm_evenly():
    torch.manual_seed(5)
    _, factors = decompose(torch.randn(12, 12), (4, 3), (2, 6), 3)
    spreads = [float(f.norm()) / f.numel() ** 0.5 for f in factors]
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give a rank, an error"),
        ({"error": -0.1}, "error -0.1"),
        ({"rank": 2, "in_modes": (4, 4)}, "product is 16"),
    ],
)
def test_mistakes_are_refused(options, message):
    modes = {"in_modes": (4, 3), "out_modes": (2, 6)} | options
    with pytest.raises(ModelError, match=message):
        decompose(torch.randn(12, 12), **modes)


def test_grouped_convolutions_are_refused():
    with pytest.raises(ModelError, match="one group"):
        TTConv2d.from_dense(nn.Conv2d(6, 6, 3, groups=2), (2, 3), (2, 3), 2)
