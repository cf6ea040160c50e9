"""The scheduler's memory: a part, its address map, the controller and the masters as integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.design.address_map import AddressMap
from cosim.design.design import DramController
from cosim.design.dram_part import DramPart
from cosim.machine.dram import scheduler as s

RETURN_CLOCKS = 1
"""Clocks of the controller between the last data on the bus and their return. With the clock in
which a burst is admitted, the idle latency agrees with DRAMsim3 to a clock or two."""


class Descriptor(NamedTuple):
    """`chunks` chunks of `chunk` bytes, the first at byte address `base`, `pitch` bytes apart.

    And that `outer_count` times, `outer_pitch` bytes apart. The order is that of the scheduler's
    memory.
    """

    base: int
    chunk: int
    pitch: int
    chunks: int
    write: bool
    outer_pitch: int = 0
    outer_count: int = 1


@dataclass(frozen=True)
class Master:
    """One that asks for bursts.

    Attributes
    ----------
    descriptors : sequence of Descriptor, or int64 array of shape (n, 7)
        In the order in which they are asked for.
    outstanding : int
        Reads in flight at once, in bursts; 0 for no limit but the queues.
    period : int
        Thousandths of a clock between requests, 0 for as fast as possible.
    catches_up : bool
        Whether requests that were held back are made up for as fast as possible (the rate is that
        of the work that arrives), or not (the rate is that of a port).
    latency : int
        Clocks from the controller back to the master, added to each read.
    ready : int
        Clock of the first request.
    repeats : bool
        Whether the descriptors begin again after the last.
    """

    descriptors: Sequence[Descriptor] | NDArray[np.int64]
    outstanding: int = 0
    period: int = 0
    catches_up: bool = True
    latency: int = 0
    ready: int = 0
    repeats: bool = False


def channel_memory(
    part: DramPart,
    mapping: AddressMap,
    controller: DramController,
    masters: Sequence[Master],
    *,
    at: int = 0,
    request_bytes: int = 64,
    log_commands: int = 0,
) -> list[int]:
    """Memory of a channel at rest.

    Parameters
    ----------
    at : int
        Address that its first integer will have.
    request_bytes : int
        What a master asks for at once; its bursts are admitted one after the other.
    log_commands : int
        Room for that many commands in the log.
    """
    memory = [0] * s.SCALARS
    memory[: s.SETTINGS] = _settings(part, controller, request_bytes)
    tables: dict[int, int] = {}

    def here() -> int:
        return at + len(memory)

    groups, banks = part.bank_groups, part.banks
    tables[s.GROUPS] = here()
    memory += [s.LONG_AGO, s.LONG_AGO, s.LONG_AGO, 0, 0] * groups
    tables[s.GROUPS_END] = tables[s.BANKS] = here()
    for bank in range(banks):
        memory += [-1, 0, 0, 0, 0, 0, tables[s.GROUPS] + bank % groups * s.GROUP_FIELDS]
    tables[s.BANKS_END] = here()
    for queue in (s.READ_QUEUE, s.WRITE_QUEUE):
        tables[queue] = here()
        first = here() + s.QUEUE_FIELDS + controller.queue_entries
        memory += [0, 0]
        memory += [first + k * s.ENTRY_FIELDS for k in range(controller.queue_entries)]
        memory += [0] * (s.ENTRY_FIELDS * controller.queue_entries)
    tables[s.PIECES] = here()
    for piece in mapping.pieces:
        if piece.field != "column":
            place = piece.place + (mapping.group_bits if piece.field == "bank" else 0)
            memory += [piece.low, (1 << piece.bits) - 1, int(piece.field == "row"), place]
    tables[s.PIECES_END] = tables[s.MASTERS] = here()
    memory += [0] * (s.MASTER_FIELDS * len(masters))
    tables[s.MASTERS_END] = here()
    for number, master in enumerate(masters):
        first = tables[s.MASTERS] - at + number * s.MASTER_FIELDS
        lists = here()
        memory += np.asarray(master.descriptors, np.int64).ravel().tolist()
        memory[first : first + s.MASTER_FIELDS] = _master(master, part, lists, here())
        memory += [0] * master.outstanding
    tables[s.LOG] = here()
    memory += [0] * (s.LOG_FIELDS * log_commands)
    tables[s.LOG_END] = here()

    for place, value in tables.items():
        memory[place] = value
    memory[s.ADMITTED_AT] = memory[s.COLUMN_AT] = -1
    memory[s.ADMITTED_MASTER] = tables[s.MASTERS_END] - s.MASTER_FIELDS
    memory[s.NEXT_REFRESH] = part.tREFI
    for place in (s.ACTIVATED, s.READ_AT, s.WRITTEN_AT):
        memory[place] = s.LONG_AGO
    memory[s.FAW_RING : s.FAW_RING + 4] = [s.LONG_AGO] * 4
    return memory


def masters_of(memory: s.Memory, at: int = 0) -> range:
    """Addresses of the masters of a channel."""
    return range(memory[at + s.MASTERS], memory[at + s.MASTERS_END], s.MASTER_FIELDS)


def _settings(part: DramPart, controller: DramController, request_bytes: int) -> list[int]:
    data = part.burst_length // 2
    values = {
        s.BURST: data,
        s.CCD_S: max(data, part.tCCD_S),
        s.CCD_L: max(data, part.tCCD_L),
        s.RCD: part.tRCD,
        s.RP: part.tRP,
        s.RAS: part.tRAS,
        s.RC: part.tRC,
        s.READ_TO_PRECHARGE: part.tRTP,
        s.WRITE_TO_PRECHARGE: part.tCWL + data + part.tWR,
        s.READ_LATENCY: part.tCL,
        s.WRITE_LATENCY: part.tCWL,
        s.WRITE_TO_READ_S: part.tCWL + data + part.tWTR_S,
        s.WRITE_TO_READ_L: part.tCWL + data + part.tWTR_L,
        s.READ_TO_WRITE: part.tCL + data + part.tRTRS - part.tCWL,
        s.RRD_S: part.tRRD_S,
        s.RRD_L: part.tRRD_L,
        s.FAW: part.tFAW,
        s.REFI: part.tREFI,
        s.RFC: part.tRFC,
        s.RETURN: RETURN_CLOCKS,
        s.DEPTH: controller.queue_entries,
        s.HIGH: controller.drain_from,
        s.LOW: controller.drain_to,
        s.BURST_SHIFT: part.burst_bytes.bit_length() - 1,
        s.REQUEST_BURSTS: max(1, request_bytes // part.burst_bytes),
    }
    return [values[place] for place in range(s.SETTINGS)]


def _master(master: Master, part: DramPart, first: int, end: int) -> list[int]:
    fields = [0] * s.MASTER_FIELDS
    fields[s.DESCRIPTORS] = fields[s.NEXT_DESCRIPTOR] = first
    fields[s.DESCRIPTORS_END] = fields[s.RETURNS] = end
    fields[s.REPEATS] = int(master.repeats)
    fields[s.READY] = master.ready
    fields[s.PERIOD] = master.period
    fields[s.CATCHES_UP] = int(master.catches_up)
    fields[s.NEXT_REQUEST] = master.ready * 1000
    fields[s.LIMIT] = fields[s.RETURNS_SIZE] = master.outstanding
    fields[s.LATENCY] = master.latency
    return fields
