"""The two-layer perceptron for 28x28 digits, dense and with a tensorized twin."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import nn

from models.errors import ModelError
from models.networks.blocks import AsVector, reads_image, reads_nonnegative
from models.networks.fixed_point import with_bits
from models.networks.registry import Options, network

INPUTS, HIDDEN = 784, 512
MODES_1 = ((4, 7, 4, 7), (4, 4, 8, 4))
MODES_2 = ((16, 32), (2, 5))
TENSOR_MODES_1 = ((28, 28), (16, 32))
TENSOR_MODES_2 = ((32, 16), (10,))


def _pixels(options: Options) -> tuple[int, ...]:
    return (INPUTS,)


@network("mlp", "two-layer perceptron 784-512-10, ReLU; takes 1x28x28 too", _pixels)
def mlp(hidden: int = HIDDEN, num_classes: int = 10) -> nn.Module:
    """Input (batch, 784) or (batch, 1, 28, 28), output (batch, num_classes)."""
    return nn.Sequential(
        OrderedDict(
            flatten=AsVector(),
            fc1=reads_image(nn.Linear(INPUTS, hidden)),
            relu=nn.ReLU(),
            fc2=reads_nonnegative(nn.Linear(hidden, num_classes)),
        )
    )


@network(
    "tt-mlp",
    "tensorized twin of mlp: factorised layers 784-512-10",
    _pixels,
    quantizable=False,
)
def tt_mlp(
    rank: Any = 20,
    format: str = "ttm",
    num_classes: int = 10,
    bits_w: int = 32,
    bits_a: int = 32,
    bits_g: int = 32,
    path: Any = None,
    cost: Any = "macs",
) -> nn.Module:
    """Input (batch, 784) or (batch, 1, 28, 28), output (batch, 10).

    Parameters
    ----------
    rank : int, str or pair of sequences
        A cap for all ranks, or the ranks of both layers: ``((11, 6, 10), (20,))``, as text
        ``"11,6,10/20"``.
    format : str
        ``ttm``, ``tt``, ``cp`` or ``tucker``.
    num_classes : int
        10: the last layer's modes are made for it.
    bits_w, bits_a, bits_g : int
        Fixed point of factors, activations and gradients, see `models.networks.fixed_point`.
    path, cost
        See `models.tensor_train.TTLinear`.
    """
    from models.tensor_train import TTLinear

    if num_classes != 10:
        raise ModelError(f"tt-mlp: num_classes is {num_classes}, expected 10")
    rank_1, rank_2 = layer_ranks(rank)
    matrix = format == "ttm"
    modes_1 = MODES_1 if matrix else TENSOR_MODES_1
    modes_2 = MODES_2 if matrix else TENSOR_MODES_2
    model = nn.Sequential(
        OrderedDict(
            flatten=AsVector(),
            fc1=TTLinear(*modes_1, rank_1, format, path=path, cost=cost),
            relu=nn.ReLU(),
            fc2=TTLinear(*modes_2, rank_2, format, path=path, cost=cost),
        )
    )
    return with_bits(model, bits_w, bits_a, bits_g)


def layer_ranks(rank: Any) -> tuple[Any, Any]:
    """Return the rank argument of both layers.

    Raises
    ------
    ModelError
        If `rank` is neither a whole number above 0, a text like ``"11,6,10/20"``, nor a pair.
    """
    message = f"tt-mlp: rank is {rank!r}, expected a whole number >= 1 or text like '11,6,10/20'"
    if isinstance(rank, str):
        try:
            parts = [tuple(int(number) for number in part.split(",")) for part in rank.split("/")]
        except ValueError:
            raise ModelError(message) from None
        rank = parts[0][0] if len(parts) == 1 and len(parts[0]) == 1 else parts
    if isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1:
        return rank, rank
    if isinstance(rank, list | tuple) and len(rank) == 2:
        pair = [part if isinstance(part, int) else tuple(part) for part in rank]
        return pair[0], pair[1]
    raise ModelError(message)
