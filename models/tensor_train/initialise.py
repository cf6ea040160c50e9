"""Initial factor values with a chosen spread of the weight they stand for.

Every entry of the dense weight is a sum over all rank combinations (their number is the product
of the ranks) of a product of n factor entries. With independent zero-mean entries of standard
deviation s its variance is prod(ranks) * s^(2n). Solving for s gives, for a chain of d cores,
target^(1/d) * prod(R)^(-1/(2d)): the initialisation of Hawkins and Zhang (2010.08689), target
sqrt(2 / inputs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from models.tensor_train.formats import Factorization

TRUNCATION = 4.0


def factor_std(form: Factorization, target: float | None = None) -> float:
    """Standard deviation of the factors' entries for a weight of standard deviation `target`."""
    if target is None:
        target = math.sqrt(2.0 / math.prod(form.in_modes))
    terms = math.prod(form.ranks)
    return float((target**2 / terms) ** (1 / (2 * len(form.factors))))


@torch.no_grad()
def initialise(
    factors: Sequence[Tensor],
    form: Factorization,
    target: float | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Fill the factors in place, normal and truncated at four standard deviations."""
    std = factor_std(form, target)
    for factor in factors:
        # clamped rather than drawn again: a redraw looks at values, which fake tensors have not
        factor.normal_(0.0, std, generator=generator).clamp_(-TRUNCATION * std, TRUNCATION * std)
