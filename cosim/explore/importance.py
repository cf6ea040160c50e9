"""How much each axis matters: the share of a result's spread that one axis explains by itself.

On a full grid this is the first-order sensitivity index of variance-based analysis (Sobol'): the
variance of the mean over everything else, by the axis's value, over the whole variance. The
logarithm of a result is taken where all are above zero, so that a factor counts the same at both
ends. On a sample it is an estimate, corrected for the few points a value may have. An axis that
applies to some points only is judged among those.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.explore.binning import grouped


@dataclass(frozen=True)
class Importance:
    """What an axis does to a result.

    Attributes
    ----------
    share : float
        Share of the spread it explains by itself, 0 to 1.
    factor : float
        Largest over smallest mean among its values (geometric means); 1 if it does nothing.
    best : object
        The value with the best mean.
    means : tuple of (object, float)
        Every value with the mean result at it (geometric where all results are above zero), in
        the order of the values.
    """

    axis: str
    share: float
    factor: float
    best: object
    means: tuple[tuple[Hashable, float], ...] = ()


def importance(
    results: Sequence[float],
    axes: Mapping[str, Sequence[Hashable]],
    order: Mapping[str, Sequence[Hashable]] | None = None,
    *,
    numbers: Collection[str] = (),
    larger_is_better: bool = False,
) -> list[Importance]:
    """Importance of every axis for one result, the most important first.

    Parameters
    ----------
    results : sequence of float
        One for each point.
    axes : mapping of str to sequence
        Name -> value of the axis at each point; None where it does not apply.
    order : mapping of str to sequence, optional
        Name -> all values of the axis in their order; as they come by default.
    numbers : collection of str
        Axes whose neighbouring values count as one where a sample has met each too rarely.
    """
    values = np.asarray(results, np.float64)
    logarithmic = bool(len(values)) and bool((values > 0).all())
    scaled = np.log(values) if logarithmic else values
    found = []
    for name, column in axes.items():
        here = [i for i, value in enumerate(column) if value is not None]
        others = [
            tuple(other[i] for label, other in axes.items() if label != name) for i in here
        ]  # fmt: skip
        levels = [column[i] for i in here]
        exact = _same_companions(levels, others)
        listed = [*dict.fromkeys([*(order or {}).get(name, ()), *levels])]
        if name in numbers and not exact:
            levels, listed = grouped(levels, listed)
        entry = _of_axis(name, levels, scaled[here], logarithmic, larger_is_better, exact)
        means = _in_order(entry.means, listed)
        found.append(replace(entry, means=means))
    return sorted(found, key=lambda entry: -entry.share)


def _in_order(
    means: Sequence[tuple[Hashable, float]], listed: Sequence[Hashable]
) -> tuple[tuple[Hashable, float], ...]:
    place = {level: position for position, level in enumerate(listed)}
    return tuple(sorted(means, key=lambda mean: place[mean[0]]))


def _same_companions(levels: Sequence[Hashable], others: Sequence[Hashable]) -> bool:
    """Whether every value of an axis has met the same values of the others: no chance in it."""
    by_level: dict[Hashable, set[Hashable]] = {}
    for level, other in zip(levels, others, strict=True):
        by_level.setdefault(level, set()).add(other)
    count = sum(map(len, by_level.values()))
    first = next(iter(by_level.values()), set())
    return count == len(levels) and all(met == first for met in by_level.values())


def _of_axis(
    name: str,
    column: list[Hashable],
    scaled: NDArray[np.float64],
    logarithmic: bool,
    larger_is_better: bool,
    exact: bool,
) -> Importance:
    total = float(scaled.var()) if len(scaled) else 0.0
    levels = list(dict.fromkeys(column))
    place = {level: position for position, level in enumerate(levels)}
    index = np.array([place[level] for level in column], np.int64)
    counts = np.bincount(index, minlength=len(levels))
    means = np.bincount(index, scaled, len(levels)) / counts
    shown = tuple(zip(levels, (np.exp(means) if logarithmic else means).tolist(), strict=True))
    if len(levels) < 2 or not total:
        return Importance(name, 0.0, 1.0, levels[0] if levels else None, shown)
    between = float((counts * (means - scaled.mean()) ** 2).sum()) / len(scaled)
    # what chance alone puts between the means of groups this small
    freedom = len(scaled) - len(levels)
    within = (total - between) / freedom if freedom > 0 and not exact else 0.0
    share = max(0.0, between - (len(levels) - 1) * within) / total
    best = levels[int(means.argmax() if larger_is_better else means.argmin())]
    spread = float(means.max() - means.min())
    factor = float(np.exp(spread)) if logarithmic else 1.0 + spread
    return Importance(name, min(share, 1.0), factor, best, shown)
