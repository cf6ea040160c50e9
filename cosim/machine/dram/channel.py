"""One DRAM channel by itself: runs masters' descriptors to the end and counts what it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.design.address_map import AddressMap
from cosim.design.design import DramController
from cosim.design.dram_part import DramPart
from cosim.machine.compiled import compiled_functions
from cosim.machine.dram import scheduler as s
from cosim.machine.dram.energy import Commands
from cosim.machine.dram.layout import Master, channel_memory, masters_of


@dataclass(frozen=True)
class ChannelRun:
    """What a channel did.

    Attributes
    ----------
    clocks : int
        Until the last data have left or entered the bus.
    commands : Commands
    bytes : int
        Moved on the pins, whole bursts.
    read_clocks : float
        Mean time from a read burst's admission to its data.
    log : int64 array, shape (n, 4)
        Commands as (kind, bank, row, clock), as far as room was asked for.
    """

    part: DramPart
    clocks: int
    commands: Commands
    read_clocks: float
    log: NDArray[np.int64]

    @property
    def bytes(self) -> int:
        return (self.commands.reads + self.commands.writes) * self.part.burst_bytes

    @property
    def bytes_per_s(self) -> float:
        return self.bytes / (self.clocks * self.part.tCK * 1e-9)

    @property
    def energy_pj(self) -> float:
        return sum(self.commands.energy_pj(self.part).values())


def run_channel(
    part: DramPart,
    mapping: AddressMap,
    masters: Sequence[Master],
    *,
    controller: DramController | None = None,
    request_bytes: int = 64,
    log_commands: int = 0,
    compiled: bool = True,
) -> ChannelRun:
    """Serve all descriptors of all masters.

    Parameters
    ----------
    masters : sequence of Master
        None of them may repeat its descriptors.
    compiled : bool
        Whether to use the compiled text where numba is installed.
    """
    memory: s.Memory = channel_memory(
        part,
        mapping,
        controller or DramController(),
        masters,
        request_bytes=request_bytes,
        log_commands=log_commands,
    )
    first_command = memory[s.LOG]
    functions = compiled_functions(s) if compiled else None
    advance: Callable[..., int] = s.advance
    begin: Callable[..., None] = s.begin_descriptor
    if functions is not None:
        memory = np.array(memory, np.int64)
        advance, begin = functions["advance"], functions["begin_descriptor"]
    for master in masters_of(memory):
        begin(memory, 0, master)
    advance(memory, 0, s.NEVER)
    log = np.asarray(memory[first_command : int(memory[s.LOG])], np.int64)
    reads = int(memory[s.READS])
    return ChannelRun(
        part,
        int(memory[s.DATA_END]),
        Commands.counted(memory),
        int(memory[s.READ_CLOCKS]) / max(1, reads),
        log.reshape(-1, s.LOG_FIELDS),
    )
