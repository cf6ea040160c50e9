"""Steering by the weights themselves: the best step for the distribution that a layer has.

The Gaussian step is the optimum if weights are normal. Trained weights have heavier tails; here
the step (in standard deviations) is the minimizer of the squared error over the layer's own
weights. With the closed-form modulus the error at a step is ‖w‖² (1 - cos²θ), so the search runs
over the cosine alone. Ternary levels have an exact answer: with weights sorted by magnitude, the
best ternary vector keeps the n largest, where n maximizes (sum of the n largest)² / n.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.quantization.levels import TINY
from models.quantization.specification import WeightSpecification
from models.quantization.steps import gaussian_step, gaussian_ternary_step

CANDIDATES = 65
ROUNDS = 2
SAMPLES = 1 << 17
"""Longer rows are thinned to about this many weights for the search."""


@torch.no_grad()
def best_step(weight: Tensor, specification: WeightSpecification) -> Tensor:
    """Return the best step in standard deviations, shape (1,) or (channels,).

    Parameters
    ----------
    weight : Tensor
    specification : WeightSpecification
        Scheme ``vecq`` or ``ternary``.
    """
    rows = weight.flatten(1) if specification.per_channel else weight.reshape(1, -1)
    rows = rows[:, :: max(1, rows.shape[1] // SAMPLES)]
    rows = rows / rows.std(dim=1, unbiased=False, keepdim=True).clamp_min(TINY)
    if specification.scheme == "ternary":
        return _best_ternary(rows)
    if specification.bits == 1:
        return torch.full((rows.shape[0],), gaussian_step(1), device=rows.device)
    return _best_mid_rise(rows, specification.bits)


def _best_ternary(rows: Tensor) -> Tensor:
    sizes = rows.abs().sort(dim=1, descending=True).values
    counts = torch.arange(1, sizes.shape[1] + 1, dtype=torch.float64, device=rows.device)
    gain = sizes.to(torch.float64).cumsum(1).square() / counts
    kept = gain.argmax(1, keepdim=True)
    following = (kept + 1).clamp_max(sizes.shape[1] - 1)
    # the threshold, half a step, lies between the last one kept and the first one dropped
    threshold = 0.5 * (sizes.gather(1, kept) + sizes.gather(1, following))
    threshold = torch.where(following == kept, 0.5 * threshold, threshold)
    step = 2.0 * threshold.squeeze(1)
    return torch.where(step > 0, step, gaussian_ternary_step()).to(torch.float32)


def _best_mid_rise(rows: Tensor, bits: int) -> Tensor:
    center = torch.full((rows.shape[0], 1), gaussian_step(bits), device=rows.device)
    # outliers of s deviations ask for steps up to s / 2^(bits-1)
    widest = (rows.abs().amax(1, keepdim=True) / (2 ** (bits - 1) * center)).clamp_min(2.0)
    low, high = torch.full_like(center, 0.4), widest
    exponents = torch.linspace(0.0, 1.0, CANDIDATES, device=rows.device)
    found: list[tuple[Tensor, Tensor]] = []
    for _ in range(ROUNDS):
        ratios = low * (high / low) ** exponents  # (rows, candidates)
        errors = torch.stack([_error(rows, center * r.unsqueeze(1), bits) for r in ratios.T], 1)
        best = errors.argmin(1, keepdim=True)
        found.append((errors.gather(1, best), ratios.gather(1, best)))
        low = ratios.gather(1, (best - 1).clamp_min(0))
        high = ratios.gather(1, (best + 1).clamp_max(CANDIDATES - 1))
    errors, ratios = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    chosen = ratios.gather(1, errors.argmin(1, keepdim=True))
    return (center * chosen).squeeze(1).to(torch.float32)


def _error(rows: Tensor, step: Tensor, bits: int) -> Tensor:
    """1 - cos² between each row and its levels."""
    half = 2 ** (bits - 1)
    levels = torch.floor(rows / step).clamp(-half, half - 1) + 0.5
    along = (rows * levels).sum(1, dtype=torch.float64)
    lengths = levels.square().sum(1, dtype=torch.float64)
    own = rows.square().sum(1, dtype=torch.float64).clamp_min(TINY)
    return 1.0 - along.square() / (lengths * own)
