"""Roofline: how close each layer comes to what array and DRAM allow.

A layer that does `m` multiply-accumulates for each byte it moves to or from DRAM can run at most at
min(peak rate, m * bandwidth) (Williams, Waterman, Patterson, CACM 52(4), 2009). Bandwidth is the
DRAM's effective one, or that of all ports together if lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cosim.design.design import Design


@dataclass(frozen=True)
class Roof:
    """What the machine allows."""

    peak_macs_per_s: float
    """One multiply-accumulate per element and cycle."""
    bandwidth_bytes_per_s: float

    @property
    def ridge(self) -> float:
        """Multiply-accumulates per byte from which on the array is the limit."""
        return self.peak_macs_per_s / self.bandwidth_bytes_per_s


class LayerPoint(NamedTuple):
    """One layer under the roof. Time is the layer's share of the critical path."""

    name: str
    macs: int
    dram_bytes: int
    seconds: float
    roof: Roof

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per DRAM byte; infinite if nothing is moved."""
        return self.macs / self.dram_bytes if self.dram_bytes else float("inf")

    @property
    def attained(self) -> float:
        """Multiply-accumulates per second; 0 for a layer that is off the critical path."""
        return self.macs / self.seconds if self.seconds else 0.0

    @property
    def attainable(self) -> float:
        return min(self.roof.peak_macs_per_s, self.intensity * self.roof.bandwidth_bytes_per_s)


def roof(design: Design) -> Roof:
    """Peak rate and bandwidth of a design."""
    peak = sum(a.macs_per_cycle * design.clock(a.clock).frequency_hz for a in design.arrays)
    ports = sum(c.port_bytes_per_cycle * design.clock(c.clock).frequency_hz for c in design.dma)
    dram = design.dram.sustained_bytes_per_s
    return Roof(float(peak), min(float(ports), dram))


def roofline(
    over: Roof, layers: Sequence[str], macs: list[int], moved: list[int], seconds: list[float]
) -> list[LayerPoint]:
    """A point for every layer that multiplies, in order of execution.

    Parameters
    ----------
    layers : sequence of str
    macs, moved : list of int
        Multiply-accumulates and DRAM bytes of each.
    seconds : list of float
        Share of each in the critical path.
    """
    columns = zip(layers, macs, moved, seconds, strict=False)  # what is in no layer comes last
    return [
        LayerPoint(name, count, size, time, over) for name, count, size, time in columns if count
    ]
