"""One tile of a contraction or convolution, in numbers.

The tile is a box in loop space. Each operand is a box too, with its zero padding put back around
it; as an array over loops it is a strided view of that box, so a matrix product computes the tile
for any loop nest. Loops that a result is scattered over (``2p + r``) are added one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from cosim.machine.values.codes import Array
from cosim.mapping.gathering import Gathered
from cosim.mapping.nest import CLASSES, classes_of, loops_of, nest_of
from cosim.mapping.regions import Region
from cosim.workload.workload import Access, Index, Op


@dataclass(frozen=True)
class TileProduct:
    """The nest of one operation, ready to compute any of its tiles."""

    extents: dict[str, int]
    classes: dict[str, tuple[str, ...]]
    accesses: tuple[Access, Access]
    result: Access
    strided: dict[str, Gathered]
    """Loops that tiles count over a strided result: here they are what the operation has them."""

    @staticmethod
    def of(op: Op) -> TileProduct:
        """The product of a contraction or convolution."""
        nest = nest_of(op)
        strided = {loop: g for loop, g in nest.gathered.items() if g.stride > 1}
        accesses, result, extents = loops_of(op, strided)
        return TileProduct(
            extents, classes_of((*accesses, result), extents), (accesses[0], accesses[1]), result,
            strided,
        )  # fmt: skip

    def __call__(
        self, at: dict[str, tuple[int, int]], first: Array, second: Array,
        boxes: tuple[Region, Region, Region],
    ) -> Array:  # fmt: skip
        """Sums of a tile over its part of the reduction.

        Parameters
        ----------
        at : dict
            Start and size of the loops that are cut; the others are whole.
        first, second : array, shape (lanes or 1, *box)
            Operands: double precision for whole numbers, or single precision.
        boxes : tuple of Region
            Where both operands and the result lie in their tensors.

        Returns
        -------
        array, shape (lanes or 1, *boxes[2].sizes)
        """
        span = {loop: at.get(loop, (0, n)) for loop, n in self.extents.items()}
        for loop, by in self.strided.items():
            if loop in at:
                start, stop = by.steps(*at[loop])
                span[loop] = (start, stop - start)
        if not all(size for _, size in span.values()):  # no operand reaches this part of the result
            return np.zeros((max(len(first), len(second)), *boxes[2].sizes), first.dtype)
        loops = [loop for name in CLASSES for loop in self.classes[name]]
        a = self._over_loops(first, self.accesses[0], boxes[0], span, loops)
        w = self._over_loops(second, self.accesses[1], boxes[1], span, loops)
        b, m, n, k = (prod(span[x][1] for x in self.classes[c]) for c in CLASSES)
        lanes = max(first.shape[0], second.shape[0])
        shape = [span[loop][1] for loop in loops]
        rank_b, rank_m, rank_n = (len(self.classes[c]) for c in "bmn")
        # over loops (b, m, n, k): the first does not depend on n, the second not on m
        left = _without(a, 1 + rank_b + rank_m, rank_n).reshape(a.shape[0], b, m, k)
        right = _without(w, 1 + rank_b, rank_m).reshape(w.shape[0], b, n, k)
        sums = np.matmul(left, right.transpose(0, 1, 3, 2))
        kept = shape[: rank_b + rank_m + rank_n]
        over = sums.reshape(lanes, *kept)
        return self._placed(over, loops[: len(kept)], span, boxes[2])

    def _over_loops(
        self, values: Array, access: Access, region: Region, span: dict[str, tuple[int, int]],
        loops: list[str],
    ) -> Array:  # fmt: skip
        """An operand as a view over all loops; a loop it does not depend on has stride zero."""
        padded, offsets, steps = _padded(values, access, region, span)
        strides = dict.fromkeys(loops, 0)
        start = 0
        for d, (index, step) in enumerate(zip(access.indices, steps, strict=True)):
            stride = padded.strides[d + 1]
            position = index.offset - offsets[d]
            for loop, coefficient in index.terms:
                position += coefficient * span[loop][0]
                strides[loop] += coefficient * stride // step
            start += position // step * stride
        buffer = padded.reshape(-1).view(np.uint8)
        return np.ndarray(
            (padded.shape[0], *(span[loop][1] for loop in loops)), padded.dtype, buffer.data,
            offset=start, strides=(padded.strides[0], *(strides[loop] for loop in loops)),
        )  # fmt: skip

    def _placed(
        self, over: Array, loops: list[str], span: dict[str, tuple[int, int]], region: Region
    ) -> Array:
        """Sums over loops as a box of the result."""
        single = all(
            len(index.terms) <= 1 and all(c == 1 for _, c in index.terms)
            for index in self.result.indices
        )
        order = [term[0] for index in self.result.indices for term in index.terms]
        inside = [span[i.terms[0][0]][1] if i.terms else 1 for i in self.result.indices]
        single = single and inside == list(region.sizes)  # nothing falls into the padding
        if single and len(set(order)) == len(order):
            rest = [loop for loop in loops if loop not in order]
            moved = over.transpose(0, *(1 + loops.index(x) for x in (*order, *rest)))
            return moved.reshape(over.shape[0], *region.sizes)
        return self._scattered(over, loops, span, region)

    def _scattered(
        self, over: Array, loops: list[str], span: dict[str, tuple[int, int]], region: Region
    ) -> Array:
        """Add up a result whose indices are sums of loops."""
        result = np.zeros((over.shape[0], *region.sizes), over.dtype)
        free = [max(index.terms, key=lambda t: span[t[0]][1])[0] if index.terms else ""
                for index in self.result.indices]  # fmt: skip
        walked = [loop for loop in loops if loop not in free]
        for steps in product(*(range(span[loop][1]) for loop in walked)):
            fixed = dict(zip(walked, steps, strict=True))
            picked = over[(slice(None), *(fixed.get(loop, slice(None)) for loop in loops))]
            left = [loop for loop in loops if loop not in fixed]
            source, target = [], []
            for d, index in enumerate(self.result.indices):
                inside, there = _range(index, free[d], fixed, span, region.box[d])
                target.append(there)
                source.append(inside)
            picked = picked.transpose(0, *(1 + left.index(x) for x in free if x))
            shape = [len(range(span[x][1])) if x else 1 for x in free]
            picked = picked.reshape(over.shape[0], *shape)
            result[(slice(None), *target)] += picked[(slice(None), *source)]
        return result


def _without(values: Array, first: int, count: int) -> Array:
    """Drop dimensions that a view does not depend on."""
    return values[(slice(None),) * first + (0,) * count]


def _padded(
    values: Array, access: Access, region: Region, span: dict[str, tuple[int, int]]
) -> tuple[Array, list[int], list[int]]:
    """Values with the zero padding that the tile's indices reach into.

    Returns the array, and for every dimension the index of its first element and the step between
    elements.
    """
    offsets: list[int] = []
    steps: list[int] = []
    pads: list[tuple[int, int]] = [(0, 0)]
    inside: list[slice] = [slice(None)]
    for index, (start, stop, step), size in zip(
        access.indices, region.box, region.sizes, strict=True
    ):
        low = high = index.offset
        for loop, coefficient in index.terms:
            first = coefficient * span[loop][0]
            last = coefficient * (span[loop][0] + span[loop][1] - 1)
            low, high = low + min(first, last), high + max(first, last)
        if step > 1:
            low -= (low - start) % step if stop > start else 0
        before = max(0, -(-(start - low) // step)) if size else 0
        begin = start - before * step if size else low
        after = max(0, (high - begin) // step + 1 - before - size)
        pads.append((before, after))
        inside.append(slice(None))
        offsets.append(begin)
        steps.append(step)
    if any(pad != (0, 0) for pad in pads):
        values = np.pad(values, pads)
    return np.ascontiguousarray(values[tuple(inside)]), offsets, steps


def _range(
    index: Index, free: str, fixed: dict[str, int], span: dict[str, tuple[int, int]],
    box: tuple[int, int, int],
) -> tuple[slice, slice]:  # fmt: skip
    """Where a free loop lands inside a box: its indices, and those of the box."""
    base, step = index.offset, 1
    for loop, coefficient in index.terms:
        if loop == free:
            base += coefficient * span[loop][0]
            step = coefficient
        else:
            base += coefficient * (span[loop][0] + fixed[loop])
    count = span[free][1] if free else 1
    base -= box[0]
    first = max(0, -(base // step)) if base < 0 else 0
    last = min(count - 1, (box[1] - box[0] - 1 - base) // step)
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last + 1), slice(base + first * step, base + last * step + 1, step)
