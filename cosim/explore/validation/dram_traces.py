"""Kind ``dram-traces``: DRAM traffic on the burst tier, beside what DRAM simulators took for it.

A row is a cell: one trace of `cosim.machine.dram.traces` on one part with one address map, its
time in clocks or its ``bandwidth`` in GB/s. Other measures are shares of cells::

    conflicts-inside    of the cells in the case's `conflicts` table, those whose time lies between
                        the simulators, `margin` of it around
    energy-within       of all saturated cells, those whose energy is within `margin` of the
                        simulator that reports it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cosim.errors import CosimError
from cosim.explore.validation.case import CaseSpec, RowSpec
from cosim.explore.validation.kinds import Simulated, Told
from cosim.machine.dram.channel import ChannelRun
from cosim.machine.dram.reference_results import Cell, read_cells, run_cell

OF_A_CELL = ("time", "bandwidth")
"""Measures of one cell; the others count cells."""


class TraceRow(RowSpec):
    part: str = ""
    """A DRAM part of the catalogue."""
    map: str = ""
    """Its address map."""
    trace: str = ""
    """A family of `cosim.machine.dram.traces`."""
    outstanding: int = Field(default=0, ge=0)
    """Requests in flight, 0 for as many as the queues take."""
    period: float = Field(default=0, ge=0)
    """Clocks between requests, 0 for as fast as possible."""
    activates: list[int] = Field(default_factory=list)
    """What each simulator counted; shown nowhere, compared nowhere: it is policy."""
    energy_nj: float | None = None
    """What DRAMsim3 reported."""
    measure: Literal["time", "bandwidth", "conflicts-inside", "energy-within"] = "time"
    margin: float = Field(default=0, ge=0)


class CASE(CaseSpec):
    conflicts: str | None = None
    """A table of cells beside the case that are counted together."""
    row: Annotated[list[TraceRow], Field(min_length=1)]


def simulate(case: CASE, folder: Path, told: Told) -> Sequence[Simulated]:
    """The figure of every cell, and the shares."""
    cells = [_cell(row) for row in case.row if row.measure in OF_A_CELL]
    others = read_cells(folder / case.conflicts) if case.conflicts else []
    runs: list[tuple[Cell, ChannelRun | CosimError]] = []
    for done, cell in enumerate((*cells, *others)):
        told(done / (len(cells) + len(others)))
        runs.append((cell, _run(cell)))
    times = iter(runs)
    return [
        _figure(row, next(times)[1]) if row.measure in OF_A_CELL else _share(row, runs, len(cells))
        for row in case.row
    ]


def _cell(row: TraceRow) -> Cell:
    references = tuple(round(value) for value in row.references)
    return Cell(
        row.part, row.map, row.trace, row.outstanding, row.period, references,
        tuple(row.activates), row.energy_nj,
    )  # fmt: skip


def _run(cell: Cell) -> ChannelRun | CosimError:
    try:
        return run_cell(cell)
    except CosimError as error:
        return error


def _figure(row: TraceRow, run: ChannelRun | CosimError) -> Simulated:
    if isinstance(run, CosimError):
        return run
    return run.bytes_per_s / 1e9 if row.measure == "bandwidth" else float(run.clocks)


def _share(
    row: TraceRow, runs: list[tuple[Cell, ChannelRun | CosimError]], first_conflict: int
) -> Simulated:
    def good() -> Iterator[bool]:
        if row.measure == "conflicts-inside":
            for cell, run in runs[first_conflict:]:
                yield isinstance(run, ChannelRun) and cell.encloses(run.clocks, row.margin)
            return
        for cell, run in runs:
            if cell.saturated and cell.energy_nj is not None:
                error = cell.energy_error(run) if isinstance(run, ChannelRun) else None
                yield error is not None and abs(error) <= row.margin

    found = list(good())
    return sum(found) / len(found) if found else CosimError("no cells to count")
