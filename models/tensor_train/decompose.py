"""Factors of a given dense weight, to a rank or to an error.

TT and TTM by successive singular value decompositions (TT-SVD, Oseledets 2011), Tucker by the
truncated higher-order SVD (De Lathauwer et al. 2000), CP by alternating least squares. With an
error bound, every truncation of the first two may lose an equal share of the squared error, so the
bound holds for the whole; CP raises its rank until the bound is met.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from models.errors import ModelError
from models.tensor_train.formats import Factorization, check_modes, factorization, rank_bounds

ALS_SWEEPS = 200
ALS_TOLERANCE = 1e-9


@torch.no_grad()
def decompose(
    weight: Tensor,
    in_modes: Sequence[int],
    out_modes: Sequence[int],
    rank: int | Sequence[int] | None = None,
    error: float | None = None,
    format: str = "ttm",
    seed: int = 0,
) -> tuple[Factorization, list[Tensor]]:
    """Factorise a dense weight.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs)
    in_modes, out_modes : sequences of int
    rank : int or sequence, optional
        As in :func:`~models.tensor_train.formats.factorization`.
    error : float, optional
        Largest relative error in the Frobenius norm. Give a rank, an error, or both (the rank is
        then a cap that wins over the error).
    format : "ttm", "tt", "cp" or "tucker"
    seed : int
        Start of the alternating least squares.

    Returns
    -------
    form : Factorization
    factors : list of Tensor, in the shapes of the format

    Raises
    ------
    ModelError
        Neither rank nor error, a negative error, or modes that do not fit the weight.
    """
    if rank is None and error is None:
        raise ModelError("decompose: give a rank, an error, or both")
    if error is not None and not 0.0 <= error < math.inf:
        raise ModelError(f"decompose: error {error}, expected at least 0")
    if weight.dim() != 2:
        raise ModelError(f"decompose: weight of shape {tuple(weight.shape)}, expected two axes")
    cap = (
        rank
        if rank is not None
        else max(rank_bounds(format, in_modes, out_modes), default=1)
        if format in ("ttm", "tt", "cp", "tucker")
        else 1
    )
    form = factorization(format, in_modes, out_modes, cap)
    check_modes("in_modes", form.in_modes, weight.shape[1])
    check_modes("out_modes", form.out_modes, weight.shape[0])
    work = weight.detach().double()
    tensor = work.t().reshape(*form.in_modes, *form.out_modes)
    if format == "cp":
        form, factors = _cp(tensor, form, rank, error, seed)
    elif format == "tucker":
        form, factors = _tucker(tensor, form, error)
    else:
        form, factors = _chain(tensor, form, error)
    return form, [f.to(weight.dtype).contiguous() for f in factors]


def _kept(values: Tensor, cap: int, budget: float) -> int:
    """Singular values to keep: at most `cap`, fewer if the squares cut away fit the budget."""
    if budget <= 0.0:
        return min(cap, len(values))
    tails = torch.flip(torch.cumsum(torch.flip(values.square(), [0]), 0), [0])
    enough = int((tails > budget).sum())
    return max(1, min(cap, enough))


def _chain(
    tensor: Tensor, form: Factorization, error: float | None
) -> tuple[Factorization, list[Tensor]]:
    count = len(form.factors)
    if form.format == "ttm":
        order = [axis for n in range(count) for axis in (n, count + n)]
        tensor = tensor.permute(order)
    budget = 0.0
    if error is not None and count > 1:
        budget = float(error**2 * tensor.square().sum()) / (count - 1)
    rest, ranks, cores = tensor.reshape(1, -1), [], []
    left = 1
    for number, spec in enumerate(form.factors[:-1]):
        middle = spec.shape[1:-1]
        matrix = rest.reshape(left * math.prod(middle), -1)
        u, s, v = torch.linalg.svd(matrix, full_matrices=False)
        kept = _kept(s, form.ranks[number], budget)
        cores.append(u[:, :kept].reshape(left, *middle, kept))
        rest, left = s[:kept, None] * v[:kept], kept
        ranks.append(kept)
    cores.append(rest.reshape(left, *form.factors[-1].shape[1:-1], 1))
    # The bounds of a later bond shrink with the ranks before it, so a cap may not be reached.
    return replace(form, ranks=tuple(ranks)), _balance(cores)


def _balance(factors: list[Tensor]) -> list[Tensor]:
    """Spread the norm evenly; training and fixed point dislike one large and many small cores."""
    norms = [float(f.norm()) / math.sqrt(f.numel()) for f in factors]
    if min(norms) <= 0.0:
        return factors
    mean = math.prod(norms) ** (1 / len(norms))
    return [f * (mean / n) for f, n in zip(factors, norms, strict=True)]


def _tucker(
    tensor: Tensor, form: Factorization, error: float | None
) -> tuple[Factorization, list[Tensor]]:
    budget = 0.0 if error is None else float(error**2 * tensor.square().sum()) / tensor.dim()
    matrices, ranks = [], []
    core = tensor
    for axis, size in enumerate(tensor.shape):
        unfolded = tensor.movedim(axis, 0).reshape(size, -1)
        u, s, _ = torch.linalg.svd(unfolded, full_matrices=False)
        kept = _kept(s, form.ranks[axis], budget)
        matrices.append(u[:, :kept])
        ranks.append(kept)
        core = torch.tensordot(core, u[:, :kept], dims=([0], [0]))
    return replace(form, ranks=tuple(ranks)), _balance([*matrices, core])


def _cp(
    tensor: Tensor,
    form: Factorization,
    rank: int | Sequence[int] | None,
    error: float | None,
    seed: int,
) -> tuple[Factorization, list[Tensor]]:
    if error is None:
        return form, _balance(_alternate(tensor, form.ranks[0], seed)[0])
    size = 1
    while True:
        factors, reached = _alternate(tensor, size, seed)
        if reached <= error or size >= form.ranks[0]:
            return replace(form, ranks=(size,)), _balance(factors)
        size = min(form.ranks[0], size + max(1, size // 4))


def _alternate(tensor: Tensor, rank: int, seed: int) -> tuple[list[Tensor], float]:
    """Alternating least squares; returns the factors and the relative error."""
    generator = torch.Generator().manual_seed(seed)
    factors = [torch.randn(s, rank, generator=generator, dtype=tensor.dtype) for s in tensor.shape]
    norm, last = float(tensor.norm()), math.inf
    if norm == 0.0:
        return [torch.zeros_like(f) for f in factors], 0.0
    for _ in range(ALS_SWEEPS):
        for axis in range(tensor.dim()):
            others = [f for n, f in enumerate(factors) if n != axis]
            gram = torch.ones(rank, rank, dtype=tensor.dtype)
            product = torch.ones(1, rank, dtype=tensor.dtype)
            for other in others:
                gram = gram * (other.t() @ other)
                product = (product[:, None, :] * other[None, :, :]).reshape(-1, rank)
            target = tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1) @ product
            factors[axis] = target @ torch.linalg.pinv(gram, hermitian=True)
        inner = float((target * factors[-1]).sum())
        square = float((gram * (factors[-1].t() @ factors[-1])).sum())
        error = math.sqrt(max(0.0, norm**2 - 2 * inner + square)) / norm
        if abs(last - error) < ALS_TOLERANCE:
            break
        last = error
    return factors, error
