"""What other DRAM simulators reported for the trace families, and the same traffic on this model.

A cell is one trace on one part with one address map, saturated or with bounded outstanding
requests or a bounded rate. Each was run on DRAMsim3 and on Ramulator 2.1; where they differ, the
scheduling policy is free, and the nearer one is the reference.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.machine.dram.channel import ChannelRun, run_channel
from cosim.machine.dram.layout import Master
from cosim.machine.dram.traces import REQUEST, families

ENERGY_SIMULATOR = "DRAMsim3"
"""The one that reports energy."""


class Kind(StrEnum):
    """Kinds of traffic, by how closely simulators agree on them."""

    STREAM = "sequential and gemv"
    NETWORK = "layers of networks"
    ADVERSARIAL = "adversarial and random"
    OUTSTANDING = "bounded outstanding requests"
    RATE = "bounded rate"


@dataclass(frozen=True)
class Cell:
    """One experiment, with what each simulator reported.

    Attributes
    ----------
    outstanding : int
        Requests in flight, 0 for as many as the queues take.
    period : float
        Clocks between requests, 0 for as fast as possible.
    cycles, activates : dict of str to int
        By simulator.
    energy_nj : dict of str to float
        By simulator, where reported.
    """

    part: str
    map: str
    trace: str
    outstanding: int
    period: float
    cycles: dict[str, int]
    activates: dict[str, int]
    energy_nj: dict[str, float]

    @property
    def name(self) -> str:
        limits = f", {self.outstanding} outstanding" if self.outstanding else ""
        limits += f", one request in {self.period:g} clocks" if self.period else ""
        return f"{self.trace} on {self.part} ({self.map}{limits})"

    @property
    def kind(self) -> Kind:
        """The kind of traffic; everything that is no stream and no network is adversarial."""
        if self.outstanding:
            return Kind.OUTSTANDING
        if self.period:
            return Kind.RATE
        family, *details = self.trace.split("_")
        if family in ("seq", "gemv"):
            return Kind.STREAM
        if family in ("conv", "depthwise"):
            return Kind.NETWORK
        if family == "mix3" and details[-1] != "aligned":
            return Kind.NETWORK
        if family == "tile":
            chunk, pitch = (int(text[1:]) for text in details[1:])
            if chunk >= 256 and pitch % 8192:  # pages follow one another through the banks
                return Kind.NETWORK
        return Kind.ADVERSARIAL

    def nearest(self, cycles: int) -> int:
        """The reported cycles that come nearest to `cycles`."""
        return min(self.cycles.values(), key=lambda reported: abs(reported - cycles))

    def encloses(self, cycles: int, margin: float = 0.1) -> bool:
        """Whether `cycles` lie between the simulators, give or take `margin` of their own."""
        reported = self.cycles.values()
        return (1 - margin) * min(reported) <= cycles <= (1 + margin) * max(reported)

    def energy_error(self, run: ChannelRun) -> float | None:
        """Of a run's energy, relative to the simulator that reports energy."""
        reported = self.energy_nj.get(ENERGY_SIMULATOR)
        return None if reported is None else run.energy_pj / 1000 / reported - 1


def read_cells(file: Path) -> list[Cell]:
    """Cells of a table with a line for each experiment of each simulator."""
    cells: dict[tuple[str, str, str, int, float], Cell] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            outstanding, period = int(row["outstanding"]), float(row["period_clocks"])
            key = (row["part"], row["map"], row["trace"], outstanding, period)
            cell = cells.setdefault(key, Cell(*key, {}, {}, {}))
            simulator = row["simulator"]
            cell.cycles[simulator] = int(row["cycles"])
            cell.activates[simulator] = int(row["activates"])
            if row["energy_nj"]:
                cell.energy_nj[simulator] = float(row["energy_nj"])
    return list(cells.values())


def run_cell(cell: Cell) -> ChannelRun:
    """The cell's traffic on this model."""
    part = catalogue.dram_part(cell.part)
    bursts = max(1, REQUEST // part.burst_bytes)
    master = Master(
        dict(families())[cell.trace](),
        outstanding=cell.outstanding * bursts,
        period=round(cell.period * 1000),
    )
    return run_channel(part, address_map(cell.map, part), [master], request_bytes=REQUEST)
