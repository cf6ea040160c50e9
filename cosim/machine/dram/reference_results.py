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
from cosim.errors import unknown
from cosim.machine.dram.channel import ChannelRun, run_channel
from cosim.machine.dram.layout import Master
from cosim.machine.dram.traces import REQUEST, families

SIMULATORS = ("DRAMsim3", "Ramulator 2.1")


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
    cycles, activates : tuple of int
        By simulator, as in `SIMULATORS`.
    energy_nj : float or None
        What the first reported.
    """

    part: str
    map: str
    trace: str
    outstanding: int
    period: float
    cycles: tuple[int, ...]
    activates: tuple[int, ...]
    energy_nj: float | None

    @property
    def name(self) -> str:
        limits = f", {self.outstanding} outstanding" if self.outstanding else ""
        limits += f", one request in {self.period:g} clocks" if self.period else ""
        return f"{self.trace} on {self.part} ({self.map}{limits})"

    @property
    def saturated(self) -> bool:
        """Whether requests come as fast as the queues take them."""
        return not self.outstanding and not self.period

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
        return min(self.cycles, key=lambda reported: abs(reported - cycles))

    def encloses(self, cycles: int, margin: float = 0.1) -> bool:
        """Whether `cycles` lie between the simulators, give or take `margin` of their own."""
        return (1 - margin) * min(self.cycles) <= cycles <= (1 + margin) * max(self.cycles)

    def energy_error(self, run: ChannelRun) -> float | None:
        """Of a run's energy, relative to the simulator that reports energy."""
        return None if self.energy_nj is None else run.energy_pj / 1000 / self.energy_nj - 1


def read_cells(file: Path) -> list[Cell]:
    """Cells of a table, one a line; a column with several simulators has bars between them."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [
            Cell(
                row["part"],
                row["map"],
                row["trace"],
                int(row["outstanding"]),
                float(row["period"]),
                tuple(int(cycles) for cycles in row["reference"].split("|")),
                tuple(int(count) for count in row["activates"].split("|")),
                float(row["energy_nj"]) if row["energy_nj"] else None,
            )
            for row in csv.DictReader(lines)
        ]


def run_cell(cell: Cell) -> ChannelRun:
    """The cell's traffic on this model."""
    part = catalogue.dram_part(cell.part)
    known = dict(families())
    if cell.trace not in known:
        raise unknown("DRAM trace", cell.trace, known)
    trace = known[cell.trace]
    bursts = max(1, REQUEST // part.burst_bytes)
    master = Master(
        trace(),
        outstanding=cell.outstanding * bursts,
        period=round(cell.period * 1000),
    )
    return run_channel(part, address_map(cell.map, part), [master], request_bytes=REQUEST)
