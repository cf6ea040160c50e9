"""The best of many points under several objectives: Pareto front, knee point, hypervolume.

Everything here takes a matrix in which less is better in every column (`costs`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.explore.options import Objective

Costs = NDArray[np.float64]


def costs(values: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> Costs:
    """Objective values with less being better, shape (n_points, n_objectives)."""
    table = [[o.sign * float(value[o.column]) for o in objectives] for value in values]
    return np.array(table, np.float64).reshape(len(values), len(objectives))


def front(points: Costs) -> NDArray[np.int64]:
    """Positions of the points that no other point beats, best in the first objective first.

    A point beats another that is nowhere better and somewhere worse. Of equal points the first
    one counts.
    """
    if not len(points):
        return np.zeros(0, np.int64)
    order = np.lexsort(points.T[::-1])
    kept: list[int] = []
    chosen = np.empty((0, points.shape[1]))
    for position in order.tolist():
        # sorted, so that only an earlier point can beat (or equal) this one
        if not (chosen <= points[position]).all(axis=1).any():
            kept.append(position)
            chosen = points[kept]
    return np.array(kept, np.int64)


def knee(points: Costs) -> int:
    """Position of the knee of a front: nearest to the best value of every objective at once.

    Distances are measured with each objective scaled to 0 for the front's best and 1 for its
    worst value.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.where(high > low, high - low, 1.0)
    return int(np.linalg.norm(scaled, axis=1).argmin())


def hypervolume(points: Costs, reference: Sequence[float] | Costs) -> float:
    """Volume that the points dominate, up to a reference point that is worse than all of them.

    Points beyond the reference in some objective do not count. Exact: sliced along the last
    objective until three remain.
    """
    limit = np.asarray(reference, np.float64)
    inside = points[(points < limit).all(axis=1)]
    return _volume(inside[front(inside)], limit) if len(inside) else 0.0


def reference_of(points: Costs, margin: float = 0.1) -> Costs:
    """A reference point a little worse than the worst of the points in every objective."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    limit: Costs = high + margin * span
    return limit


def _volume(points: Costs, limit: Costs) -> float:
    if points.shape[1] == 1:
        return float(limit[0] - points[:, 0].min())
    if points.shape[1] == 2:
        chain = points[front(points)]
        heights = np.concatenate([[limit[1]], chain[:-1, 1]]) - chain[:, 1]
        return float(((limit[0] - chain[:, 0]) * heights).sum())
    order = np.argsort(points[:, -1])
    chain = points[order]
    if points.shape[1] == 3:
        return _volume_of_stairs(chain.tolist(), limit.tolist())
    edges = np.append(chain[:, -1], limit[-1])
    total = 0.0
    for count in range(1, len(chain) + 1):
        thickness = edges[count] - edges[count - 1]
        if thickness > 0:
            slab = chain[:count, :-1]
            total += thickness * _volume(slab[front(slab)], limit[:-1])
    return total


def _volume_of_stairs(points: list[list[float]], limit: list[float]) -> float:
    """Volume in three dimensions, of points ordered by the third.

    What is dominated in the plane of the first two is a staircase, which only grows: its area is
    kept, and every step that a point adds is counted when the point comes.
    """
    xs: list[float] = []
    ys: list[float] = []
    area = total = 0.0
    height = points[0][2]
    for x, y, z in points:
        total += area * (z - height)
        height = z
        first = bisect_left(xs, x)
        if (first and ys[first - 1] <= y) or (first < len(xs) and xs[first] == x and ys[first] < y):
            continue
        last, left, level = first, x, ys[first - 1] if first else limit[1]
        while last < len(xs) and ys[last] >= y:
            area += (xs[last] - left) * (level - y)
            left, level = xs[last], ys[last]
            last += 1
        area += ((xs[last] if last < len(xs) else limit[0]) - left) * (level - y)
        xs[first:last], ys[first:last] = [x], [y]
    return total + area * (limit[2] - height)


def front_over_time(points: Costs, reference: Costs, steps: int = 20) -> list[tuple[int, float]]:
    """Hypervolume of the first points, at about `steps` counts up to all of them."""
    counts = sorted({max(1, round(len(points) * (i + 1) / steps)) for i in range(steps)})
    return [(count, hypervolume(points[:count], reference)) for count in counts if len(points)]
