"""Roofline: how close each layer comes to what array and DRAM allow.

A layer that does `m` multiply-accumulates for each byte it moves to or from DRAM can run at most at
min(peak rate, m * bandwidth) (Williams, Waterman, Patterson, CACM 52(4), 2009). Bandwidth is the
DRAM's effective one, or that of all ports together if lower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.analysis.breakdown import Breakdown
from cosim.analysis.task_table import Integers, TaskTable
from cosim.design.design import Design
from cosim.mapping.program import Program


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


@dataclass(frozen=True)
class LayerPoint:
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
    program: Program,
    design: Design,
    counts: Integers,
    breakdown: Breakdown,
    tasks: TaskTable | None = None,
) -> list[LayerPoint]:
    """A point for every layer that multiplies, in order of execution.

    Parameters
    ----------
    counts : int64 array, shape (n_templates,)
        Tasks executed of each template.
    """
    tasks = tasks or TaskTable(program)
    macs, moved = (
        layer_totals(program, tasks.layer[:-1], counts * column[:-1]).tolist()
        for column in (tasks.macs, tasks.dram_bytes)
    )
    seconds = (breakdown.by_layer.sum(axis=1) * 1e-12).tolist()
    over = roof(design)
    return [
        LayerPoint(name, macs[i], moved[i], seconds[i], over)
        for i, name in enumerate(program.layers)
        if macs[i]
    ]


def layer_totals(program: Program, layer: Integers, amount: Integers) -> Integers:
    """Sums of `amount` over templates by layer, shape (n_layers,)."""
    totals = np.zeros(len(program.layers), np.int64)
    named = layer >= 0
    np.add.at(totals, layer[named], amount[named])
    return totals
