"""Results that a loop nest scatters into, turned around so that tiles of them do not overlap.

An input gradient adds into ``h = s p + d r + o``: neighbouring ``p`` meet in the same ``h``. Every
kernel index r puts its results into one *phase* of h, and moves them by whole steps::

    c(r) = floor((d r + o) / s)      f(r) = (d r + o) mod s      h = s (p + c(r)) + f(r)

With ``u = p + c(r)`` for p, a loop over u has the rows ``s u`` to ``s u + s - 1`` of the result for
itself, and reads ``p = u - c(r)``: a box of the result takes a box of the operand with a halo. What
is computed for one u are the products of all r, each once, as many as before; the array does them
phase by phase, each a dense convolution with the kernel indices of that phase. A phase without any
stays zero. Without a stride there is one phase, and u is h.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from functools import cached_property

from cosim.workload.workload import Access, Index


@dataclass(frozen=True, order=True)
class Gathered:
    """A loop `p` that scattered into ``stride * p + coefficient * kernel + offset``, turned around.

    The loop now runs over the result, `stride` elements of it at a time. ``extent`` is what the
    original loop's was, ``window`` that of the kernel loop, ``reach`` how many steps there are.
    """

    kernel: str
    coefficient: int
    offset: int
    extent: int
    window: int
    reach: int
    stride: int = 1

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """Steps by which each kernel index moves: ``c(r)``."""
        return tuple(
            (self.coefficient * r + self.offset) // self.stride for r in range(self.window)
        )

    @cached_property
    def phases(self) -> tuple[int, ...]:
        """Kernel indices of every phase of the result that has any."""
        phase = [(self.coefficient * r + self.offset) % self.stride for r in range(self.window)]
        return tuple(phase.count(f) for f in dict.fromkeys(phase))

    def pairs(self, start: int, size: int) -> int:
        """Pairs of a step in the box and a kernel index that the operation as captured has.

        What falls into the padding around the result counts where the result begins and ends.
        """
        last = start + size >= self.reach
        total = 0
        for shift in self.shifts:
            low = shift if start <= 0 else max(start, shift)
            high = shift + self.extent if last else min(start + size, shift + self.extent)
            total += max(0, high - low)
        return total

    def steps(self, start: int, size: int) -> tuple[int, int]:
        """First and last + 1 value of the original loop that a box of steps takes."""
        low = max(0, start - max(self.shifts))
        return low, max(low, min(self.extent, start + size - min(self.shifts)))


def gather(
    accesses: tuple[Access, ...], result: Access, extents: dict[str, int],
    scattered: Container[str] = (),
) -> tuple[tuple[Access, ...], Access, dict[str, Gathered]]:  # fmt: skip
    """Turn scattered result dimensions around, but for loops that shall stay `scattered`.

    `extents` is changed in place.

    Where a stride lies between, the operand's index is not linear in the kernel index; it is left
    out of the sum with a coefficient of zero, and `Gathered.shifts` has what it adds.
    """
    gathered: dict[str, Gathered] = {}
    indices = list(result.indices)
    for d, index in enumerate(indices):
        if len(index.terms) != 2 or any(c < 1 for _, c in index.terms):
            continue
        loop, step = _turned(index, extents, result.view_shape[d])
        if loop in gathered or loop in scattered:
            continue
        kernel, coefficient = next(term for term in index.terms if term[0] != loop)
        reach = -(-result.view_shape[d] // step)
        by = Gathered(
            kernel, coefficient, index.offset, extents[loop], extents[kernel], reach, step
        )
        gathered[loop] = by
        extents[loop] = reach
        indices[d] = Index(((loop, step),))
        accesses = tuple(
            replace(a, indices=tuple(_substitute(i, loop, by) for i in a.indices)) for a in accesses
        )
    return accesses, replace(result, indices=tuple(indices)), gathered


def _turned(index: Index, extents: dict[str, int], size: int) -> tuple[str, int]:
    """The loop of a sum of two that runs over the result: that which leaves fewer pairs."""

    def pairs(term: tuple[str, int]) -> int:
        (other,) = (name for name, _ in index.terms if name != term[0])
        return -(-size // term[1]) * extents[other]

    return min(index.terms, key=lambda term: (pairs(term), -extents[term[0]], -term[1]))


def _substitute(index: Index, loop: str, by: Gathered) -> Index:
    """The index with ``loop`` replaced by ``loop - coefficient * kernel - offset``."""
    terms, offset = dict(index.terms), index.offset
    if loop not in terms:
        return index
    c = terms[loop]
    if by.stride > 1:
        return Index((*index.terms, (by.kernel, 0)), offset)
    terms[by.kernel] = terms.get(by.kernel, 0) - c * by.coefficient
    return Index(tuple((n, c) for n, c in terms.items() if c), offset - c * by.offset)
