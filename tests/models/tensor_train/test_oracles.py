"""Other people's libraries compute the same layers from the same factors."""

from __future__ import annotations

import warnings

import pytest
import torch

from models.tensor_train import TTLinear

MODES = ((4, 7, 4, 7), (4, 4, 8, 4))


def test_ttm_equals_the_block_tensor_train_of_tensorly_torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tltorch = pytest.importorskip("tltorch")
    torch.manual_seed(0)
    made = TTLinear(*MODES, (5, 6, 4))
    # Its block tensor train has cores (rank, out, in, rank) of an out x in matrix.
    cores = [f.detach().transpose(1, 2).contiguous() for f in made.weight.factors]
    oracle = tltorch.FactorizedLinear(*MODES, bias=True, factorization="blocktt", rank=4)
    oracle.weight = tltorch.BlockTT(
        [torch.nn.Parameter(c) for c in cores],
        tensorized_shape=(MODES[1], MODES[0]),
        rank=(1, 5, 6, 4, 1),
    )
    torch.nn.init.normal_(made.bias)
    oracle.bias = torch.nn.Parameter(made.bias.detach().clone())
    x = torch.randn(3, 784)
    torch.testing.assert_close(made(x), oracle(x), rtol=1e-4, atol=1e-5)
    made(x).square().sum().backward()
    oracle(x).square().sum().backward()
    for mine, theirs in zip(made.weight.factors, oracle.weight.factors, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad.transpose(1, 2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("format", ["cp", "tucker"])
def test_cp_and_tucker_equal_tensorly(format):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensorly = pytest.importorskip("tensorly")
    torch.manual_seed(0)
    made = TTLinear((7, 4), (3, 5), 4 if format == "cp" else (3, 2, 3, 4), format=format)
    factors = [f.detach() for f in made.weight.factors]
    tensorly.set_backend("pytorch")
    try:
        full = (
            tensorly.cp_to_tensor((torch.ones(4), factors))
            if format == "cp"
            else tensorly.tucker_to_tensor((factors[-1], factors[:-1]))
        )
    finally:
        tensorly.set_backend("numpy")
    torch.testing.assert_close(made.weight.dense(), full.reshape(28, 15).t(), rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_ttm_equals_the_linear_layer_of_torchtt():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchtt = pytest.importorskip("torchtt")
        nn = pytest.importorskip("torchtt.nn")
    torch.manual_seed(0)
    made = TTLinear(*MODES, (5, 6, 4)).double()
    oracle = nn.LinearLayerTT(list(MODES[0]), list(MODES[1]), [1, 5, 6, 4, 1], dtype=torch.float64)
    for core, factor in zip(oracle.cores, made.weight.factors, strict=True):
        core.data = factor.detach().transpose(1, 2).contiguous()
    oracle.bias.data.zero_()
    x = torch.randn(3, 784, dtype=torch.double)
    torch.testing.assert_close(made(x), oracle(x.reshape(3, *MODES[0])).reshape(3, -1))
    assert torchtt is not None
