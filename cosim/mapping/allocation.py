"""Placing tensors in a memory by address and time.

Each tensor occupies its bytes from its first to its last use. Two tensors may share addresses when
their lifetimes do not meet. Finding the smallest memory is NP-hard (dynamic storage allocation);
largest-first with the lowest free address is the usual heuristic and is within a few percent of
the lower bound on network lifetimes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetime:
    """Something that wants `bytes` of memory from step `first` to step `last`, both included."""

    key: int
    bytes: int
    first: int
    last: int

    def meets(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Placement:
    """Where it lies: `address` to `address + bytes` during its lifetime."""

    lifetime: Lifetime
    address: int

    @property
    def end(self) -> int:
        return self.address + self.lifetime.bytes


def lowest_gap(
    wanted: Lifetime, placed: Iterable[Placement], align: int, limit: int | None
) -> int | None:
    """Lowest aligned address where `wanted` fits beside what is alive with it, or None."""
    address = 0
    for other in sorted(
        (p for p in placed if p.lifetime.meets(wanted)), key=lambda p: (p.address, p.end)
    ):
        if address + wanted.bytes <= other.address:
            break
        address = max(address, -(-other.end // align) * align)
    if limit is not None and address + wanted.bytes > limit:
        return None
    return address


def place_all(lifetimes: Iterable[Lifetime], *, align: int = 64) -> list[Placement]:
    """Place every lifetime, largest first; the memory's extent is ``max(p.end)``."""
    placed: list[Placement] = []
    for wanted in sorted(lifetimes, key=lambda t: (-t.bytes, t.first, t.key)):
        address = lowest_gap(wanted, placed, align, None)
        assert address is not None
        placed.append(Placement(wanted, address))
    return sorted(placed, key=lambda p: p.lifetime.key)


def live_bytes(lifetimes: Iterable[Lifetime], steps: int) -> list[int]:
    """Bytes alive at each of `steps` steps: the lower bound of any placement."""
    change = [0] * (steps + 1)
    for item in lifetimes:
        change[item.first] += item.bytes
        if item.last + 1 <= steps:
            change[item.last + 1] -= item.bytes
    total, result = 0, []
    for step in range(steps):
        total += change[step]
        result.append(total)
    return result
