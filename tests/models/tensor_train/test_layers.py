"""Shapes, initial spread and refusals of the tensorized layers."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from models.errors import ModelError
from models.tensor_train import TTConv2d, TTEmbedding, TTLinear, factorization

from .cases import FORMATS, layer

CONVOLUTION_RANKS = {"ttm": 3, "tt": 3, "cp": 4, "tucker": 2}


@pytest.mark.parametrize("format", FORMATS)
def test_leading_axes_are_a_batch(format):
    made = layer(format)
    x = torch.randn(2, 3, 12, dtype=torch.double)
    assert made(x).shape == (2, 3, 12)
    torch.testing.assert_close(made(x)[1, 2], made(x[1, 2]))
    torch.testing.assert_close(made(x), made.to_dense()(x))


def test_published_parameter_counts():
    modes = ((4, 7, 4, 7), (4, 4, 8, 4))
    for rank, count in ((5, 1_720), (10, 6_440), (15, 14_160)):
        assert factorization("ttm", *modes, rank).parameters == count
    first = TTLinear(*modes, (11, 6, 10))
    second = TTLinear((16, 32), (2, 5), 20)
    assert sum(p.numel() for m in (first, second) for p in m.parameters()) == 8_586


@pytest.mark.parametrize("format", ["ttm", "tt", "cp"])
def test_initial_weight_has_the_wanted_spread(format):
    torch.manual_seed(0)
    modes = ((4, 7, 4, 7), (4, 4, 8, 4)) if format == "ttm" else ((28, 28), (16, 32))
    weights = [TTLinear(*modes, 12, format=format).weight.dense().detach() for _ in range(12)]
    spreads = [float(weight.std()) for weight in weights]
    assert sum(spreads) / len(spreads) == pytest.approx((2 / 784) ** 0.5, rel=0.25)


def test_equal_generators_give_equal_layers():
    made = [
        TTLinear((4, 3), (2, 6), 4, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    ]
    torch.testing.assert_close(made[0].weight.dense(), made[1].weight.dense(), rtol=0, atol=0)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), ((1, 2), (2, 0))])
def test_convolution_equals_the_dense_kernel(format, stride, padding):
    torch.manual_seed(0)
    made = TTConv2d(
        (2, 3), (4, 2), 3, CONVOLUTION_RANKS[format], format=format, stride=stride, padding=padding
    ).double()
    torch.nn.init.normal_(made.bias)
    x = torch.randn(2, 6, 9, 8, dtype=torch.double)
    wanted = torch.nn.functional.conv2d(x, made.kernel(), made.bias, stride, padding)
    torch.testing.assert_close(made(x), wanted)


@pytest.mark.parametrize("format", FORMATS)
def test_embedding_equals_the_dense_table_and_its_gradient(format):
    torch.manual_seed(0)
    made = TTEmbedding((3, 4, 5), (2, 3, 2), 2, format=format).double()
    rows = torch.randint(0, 60, (4, 7))
    torch.testing.assert_close(made(rows), made.table()[rows])
    expected = torch.autograd.grad(
        torch.nn.functional.embedding(rows, made.weight.dense().t()).square().sum(),
        list(made.parameters()),
    )
    got = torch.autograd.grad(made(rows).square().sum(), list(made.parameters()))
    torch.testing.assert_close(got, expected)


def test_embedding_of_one_core_is_a_plain_table():
    made = TTEmbedding((10,), (4,), 1)
    torch.testing.assert_close(made(torch.tensor([3])), made.table()[3:4])


@pytest.mark.parametrize("row", [-1, 60])
def test_rows_beyond_the_table_are_refused(row):
    with pytest.raises(ModelError, match="expected 0 to 59"):
        TTEmbedding((3, 4, 5), (2, 3, 2), 2)(torch.tensor([row]))


def test_layers_run_on_fake_tensors():
    with FakeTensorMode():
        linear, table = TTLinear((4, 3), (2, 6), 4), TTEmbedding((3, 4), (2, 3), 2)
        convolution = TTConv2d((2, 3), (4, 2), 3, 3)
        assert linear(torch.randn(5, 12)).shape == (5, 12)
        linear(torch.randn(5, 12)).sum().backward()
        assert linear.weight.factors[0].grad.shape == linear.weight.factors[0].shape
        assert table(torch.zeros(5, dtype=torch.long)).shape == (5, 6)
        assert convolution(torch.randn(1, 6, 5, 5)).shape == (1, 8, 3, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=4, in_features=13), "product is 12"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=4, out_features=10), "out_modes"),
        (dict(in_modes=(4, 3), out_modes=(12,), rank=4), "ttm pairs every input mode"),
        (dict(in_modes=(4, 0), out_modes=(2, 6), rank=4), "at least 1"),
        (dict(in_modes=(), out_modes=(), rank=4), "one or more sizes"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=9), "expected 1 to 8"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=0), "rank 0"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=(9,)), "rank 9 of bond 0: expected 1 to 8"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=(2, 2)), "has 1 bonds"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=2, format="ttn"), "nearest is 'tt"),
        (dict(in_modes=(4, 3), out_modes=(2, 6), rank=(2, 3, 2, 99), format="tucker"), "bond 3"),
    ],
)
def test_wrong_modes_ranks_and_formats_are_refused(arguments, message):
    with pytest.raises(ModelError, match=message):
        TTLinear(**arguments)


def test_wrong_inputs_are_refused():
    with pytest.raises(ModelError, match=r"expected \(..., 12\)"):
        TTLinear((4, 3), (2, 6), 4)(torch.randn(2, 11))
    with pytest.raises(ModelError, match=r"expected \(batch, 6, height, width\)"):
        TTConv2d((2, 3), (4, 2), 3, 3)(torch.randn(1, 5, 8, 8))
    with pytest.raises(ModelError, match="factor of shape"):
        layer("ttm").weight.set_factors((1, 1), [torch.zeros(1)] * 3)
