"""Rank shrinkage by a prior: slices that the data does not need are pulled to zero.

Every slice r of bond k has a variance λ_k[r]: its entries are N(0, λ_k[r]). With M the sum of
squares of the slice and D its number of entries, the best λ given the factors has a closed form
for each prior on λ (Hawkins, Liu, Zhang 2010.08689, MAP version):

- log-uniform:      λ = M / (D + 1)
- half-Cauchy(η):   λ = [M - η²D + sqrt(M² + (2D+8) η² M + η⁴ D²)] / (2D + 4)
- gamma(α, β):      λ = (2β + M) / (D + 2 + 2α)

Alternating that update with gradient steps on  Σ ½ (μ²/λ + ln λ)  drives useless slices to zero
and leaves the others almost alone; slices below a threshold are then cut away physically. In the
paper a chain core's variances belong to its last rank axis only (and the last core's to its
first); `scope="last"` does that. `scope="all"` lets both neighbours of a bond share it, and is
the only choice for CP and Tucker.
"""

from __future__ import annotations

import difflib
import math

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.tensor_train.layers import TensorizedWeight
from models.tensor_train.shrink import shrink, tensorized

PRIORS = ("log_uniform", "half_cauchy", "gamma")
SCOPES = ("all", "last")
SMALLEST = 1e-12


def best_variance(
    prior: str, mass: Tensor, entries: int, eta: float = 1.0, alpha: float = 1.0, beta: float = 1e-6
) -> Tensor:
    """Closed-form λ that maximises the posterior given a slice's mass and number of entries.

    Parameters
    ----------
    prior : "log_uniform", "half_cauchy" or "gamma"
    mass : Tensor, shape (rank,)
        M, sum of squares of each slice.
    entries : int
        D, entries of one slice.
    eta : scale of the half-Cauchy prior
    alpha, beta : shape and scale of the inverse-gamma prior

    Raises
    ------
    ModelError
        If the prior is unknown.
    """
    m, d = mass, float(entries)
    if prior == "log_uniform":
        return m / (d + 1)
    if prior == "half_cauchy":
        e = eta * eta
        return (m - e * d + torch.sqrt(m * m + (2 * d + 8) * e * m + e * e * d * d)) / (2 * d + 4)
    if prior == "gamma":
        return (2 * beta + m) / (d + 2 + 2 * alpha)
    near = difflib.get_close_matches(str(prior), PRIORS, 1, 0.0)[0]
    raise ModelError(f"prior {prior!r}: expected one of {PRIORS}; nearest is {near!r}")


class RankShrinkage:
    """Prior over the ranks of every tensorized weight of a model.

    Call :meth:`update` once per step, add ``strength * penalty()`` to the loss, and
    :meth:`prune` when ranks shall shrink.

    Parameters
    ----------
    model : nn.Module
    prior : see :func:`best_variance`
    step : float
        γ of  λ ← (1-γ) λ + γ λ*.
    eta, alpha, beta : parameters of the priors
    scope : "all" or "last"
    """

    def __init__(
        self,
        model: nn.Module,
        prior: str = "log_uniform",
        step: float = 1.0,
        eta: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1e-6,
        scope: str = "all",
    ) -> None:
        best_variance(prior, torch.ones(1), 1)
        if scope not in SCOPES:
            raise ModelError(f"scope {scope!r}: expected one of {SCOPES}")
        if not 0.0 < step <= 1.0:
            raise ModelError(f"step {step}: expected more than 0, at most 1")
        self.model, self.prior, self.step, self.scope = model, prior, step, scope
        self.parameters = {"eta": eta, "alpha": alpha, "beta": beta}
        self.variances: dict[str, list[Tensor]] = {}
        self.update()

    def _members(self, weight: TensorizedWeight, bond: int) -> tuple[tuple[int, int], ...]:
        members = weight.form.bonds[bond].members
        if self.scope == "last" and weight.form.format in ("tt", "ttm"):
            return members if bond == len(weight.ranks) - 1 else members[:1]
        return members

    @torch.no_grad()
    def update(self) -> None:
        """Move every λ towards its closed form; a λ whose rank has changed starts anew."""
        for name, weight in tensorized(self.model):
            fresh = []
            for bond, rank in enumerate(weight.ranks):
                mass = torch.zeros(rank)
                entries = 0
                for factor, axis in self._members(weight, bond):
                    value = weight.factors[factor]
                    mass = mass + _per_slice(value.square(), axis)
                    entries += value.numel() // rank
                best = best_variance(self.prior, mass, entries, **self.parameters)
                fresh.append(best.clamp_min(SMALLEST))
            old = self.variances.get(name)
            if old is not None and [len(v) for v in old] == [len(v) for v in fresh]:
                fresh = [torch.lerp(a, b, self.step) for a, b in zip(old, fresh, strict=True)]
            self.variances[name] = fresh

    def penalty(self) -> Tensor:
        """Negative log prior of the factors given the variances, Σ ½ (μ²/λ + ln λ)."""
        total = torch.zeros(())
        for name, weight in tensorized(self.model):
            for bond, variance in enumerate(self.variances[name]):
                for factor, axis in self._members(weight, bond):
                    value = weight.factors[factor]
                    mass = _per_slice(value.square(), axis)
                    entries = value.numel() / len(variance)
                    total = total + 0.5 * ((mass / variance).sum() + entries * variance.log().sum())
        return total

    def prune(
        self,
        optimizer: torch.optim.Optimizer | None = None,
        threshold: float | None = None,
        relative: float | None = 1e-2,
    ) -> bool:
        """Cut slices whose variance is at most the threshold; return whether any rank changed.

        Parameters
        ----------
        optimizer : its state follows
        threshold : absolute bound on λ, or None
        relative : bound as a share of the largest λ of the bond, or None
        """
        changed = False
        for name, weight in tensorized(self.model):
            keep = {}
            for bond, variance in enumerate(self.variances[name]):
                bound = max(threshold or 0.0, float(variance.max()) * (relative or 0.0))
                kept = torch.nonzero(variance > bound).flatten()
                keep[bond] = kept if len(kept) else variance.argmax().reshape(1)
            if any(
                len(k) < len(v) for k, v in zip(keep.values(), self.variances[name], strict=True)
            ):
                shrink(weight, keep, optimizer)
                self.variances[name] = [v[keep[b]] for b, v in enumerate(self.variances[name])]
                changed = True
        return changed


def _per_slice(value: Tensor, axis: int) -> Tensor:
    return value.sum([n for n in range(value.dim()) if n != axis])


def warm_up(epoch: float, start: float, length: float) -> float:
    """Linear ramp of the prior's strength: 0 up to `start`, 1 from `start + length` on."""
    if length <= 0:
        return float(epoch >= start)
    return min(1.0, max(0.0, (epoch - start) / length)) if math.isfinite(epoch) else 1.0
