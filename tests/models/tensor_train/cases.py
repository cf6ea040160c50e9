"""Small layers of every format, for the laws below."""

from __future__ import annotations

import torch

from models.tensor_train import TTLinear

SHAPES = {
    "ttm": ((2, 3, 2), (3, 2, 2), (3, 2)),
    "tt": ((4, 3), (2, 6), (3, 5, 4)),
    "cp": ((4, 3), (2, 6), (4,)),
    "tucker": ((4, 3), (2, 6), (2, 3, 2, 4)),
}
FORMATS = tuple(SHAPES)


def layer(format: str, seed: int = 0, **options: object) -> TTLinear:
    """A layer 12 -> 12 in double precision."""
    torch.manual_seed(seed)
    in_modes, out_modes, ranks = SHAPES[format]
    made = TTLinear(in_modes, out_modes, ranks, format=format, **options).double()
    assert made.bias is None or made.bias.shape == (12,)
    return made
