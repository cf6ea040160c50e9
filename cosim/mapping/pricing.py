"""What drafted tasks cost on a machine: cycles, energy, power, and so their templates.

All slots of a program are priced together, a kind of slot after the other, as columns: what a
design point costs hardly depends on how many tiles of different shapes it has.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from cosim.design.design import Design, DmaChannel
from cosim.mapping.core_steps import Core, Part
from cosim.mapping.draft_table import (
    CARRIES,
    DraftTable,
    Integers,
    Machine,
    MoveColumns,
    Numbers,
    SlotKind,
    StepColumns,
    Tables,
    tables_of,
    together,
)  # fmt: skip
from cosim.mapping.drafts import Command, Draft, Move, Multiply, Slot
from cosim.mapping.energy import ROLES, Spent, power_of
from cosim.mapping.engine_prices import EnginePrices, Memories, Priced
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.lower_vector import VectorTask
from cosim.mapping.program import Template
from cosim.mapping.streams import HOST, Streams, load_lane, store_lane
from cosim.mapping.template_columns import NUMBERS, TemplateColumns
from cosim.mapping.transfer import Port, buffer_width, coded_share, port_of, transfer_times
from cosim.memo import Memo

ACTIVITIES = ("command", "load", "store", "compute", "epilogue", "elementwise")
COMMAND, LOAD, STORE, COMPUTE, EPILOGUE, ELEMENTWISE = range(len(ACTIVITIES))
COLUMNS = len(NUMBERS) + 4
OP, MACS, BUSY, FILL, READ, WRITTEN, STALL, ACTIVITY, ROLE, HOLD, DURATION = range(COLUMNS)
"""What is computed of a task: `NUMBERS`, codes of activity and role, its own time in cycles of its
clock, and the picoseconds for which it draws power of the budget; 0 where it draws none."""

STORES = CARRIES.index("output")
PART = StepColumns._fields.index("part")


_Engines = tuple[Tables, Sequence[ArrayTask | VectorTask], Integers, Spent]
_engines: Memo[tuple[object, ...], _Engines] = Memo("prices of engine tasks", 32)


class Pricing:
    """Prices the drafts of one program.

    Parameters
    ----------
    streams : Streams
        Of the program in the making.
    """

    def __init__(self, streams: Streams, design: Design) -> None:
        self.streams, self.design = streams, design
        self.drafts: list[tuple[Draft, ArrayTask | VectorTask | None]] = []
        self.places: list[int] = []
        self.groups: list[int] = []
        self.names: list[str] = []
        self._cores: dict[Hashable, Core] = {}
        self.machine = Machine(streams.structure, self._core, streams.lanes)

    def add(self, draft: Draft, group: int, name: str, task: ArrayTask | VectorTask) -> None:
        """The program goes on with the draft of a group."""
        self.places.append(self.streams.reserve(len(draft.slots)))
        self.drafts.append((draft, task))
        self.groups.append(group)
        self.names.append(name)

    def _core(self, slot: Slot, task: ArrayTask | VectorTask | None) -> Core:
        """Steps of a slot between its waits and its tokens."""
        array = task.array if isinstance(task, ArrayTask) else ""
        of = (slot.carries, slot.lane) if isinstance(slot, Move) else array
        key = (type(slot), of)
        found = self._cores.get(key)
        if found is None:
            found = self._cores[key] = self._new_core(slot, array)
        return found

    def _new_core(self, slot: Slot, array: str) -> Core:
        streams, design = self.streams, self.design
        if isinstance(slot, Command):
            return streams.command_core()
        if isinstance(slot, Move):
            write = slot.carries == "output"
            channel = streams.store if write else streams.load[slot.carries]
            return streams.descriptor_core(channel, slot.lane, 1 if write else 2)
        if isinstance(slot, Multiply):
            return streams.engine_core(array, design.array_named(array).clock)
        return streams.engine_core(design.vector.name, design.vector.clock)

    def priced(self) -> TemplateColumns | None:
        """The templates of all drafts, in order; None where nothing was drafted.

        Raises
        ------
        CosimError
            When the power budget could never admit a task.
        """
        if not self.drafts:
            return None
        tables = tables_of(self.drafts, self.machine)
        for place, table in zip(self.places, tables, strict=True):
            self.streams.lay_down(place, table.streams)
        return _Program(self, tables).templates()

    def descriptor(self, slot: Move, group: int, name: str) -> Template:
        """The template of one descriptor, which is not drafted with others."""
        alone = Pricing(self.streams, self.design)
        alone.drafts, alone.groups, alone.names = [(Draft((slot,), ()), None)], [group], [name]
        tables = tables_of(alone.drafts, self.machine)
        return _Program(alone, tables).templates().templates()[0]


class _Program:
    """All slots of a program while they are priced, columns of shape (n_slots,)."""

    def __init__(self, drafts: Pricing, of_drafts: Sequence[DraftTable]) -> None:
        self.design, self.streams, self.names = drafts.design, drafts.streams, drafts.names
        self.tables = tables = together(of_drafts)
        self.task, self.order, self.of_kind = tables.task, tables.order, tables.of_kind
        self.group = np.array(drafts.groups, np.int64)[self.task]
        # all that follows is kind by kind, and put in place at the end
        self.columns = np.zeros((COLUMNS, len(self.order)), np.int64)
        self.tail_ps = np.zeros(0, np.int64)
        """Of every `Move`."""
        self.spent = Spent()
        self.memories = Memories(self.design, self.spent)
        self.tasks = [task for _, task in drafts.drafts if task is not None]

    def templates(self) -> TemplateColumns:
        """Price everything."""
        self._commands(*self._slots_of(SlotKind.COMMAND))
        self._moves(*self._slots_of(SlotKind.MOVE))
        self._engines()
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(place))
        self.columns = self.columns[:, place]
        self.columns[OP] = self.group
        template, thing, spent = self.spent.entries
        steps, lengths = self._steps(self._power(template, spent))
        return TemplateColumns(
            steps, lengths, self.columns[: len(NUMBERS)], ACTIVITIES, self.columns[ACTIVITY],
            ROLES, self.columns[ROLE], self.spent.things, template, thing, spent,
        )  # fmt: skip

    def _slots_of(self, kind: SlotKind) -> tuple[slice, Integers]:
        """Where those of a kind are in what is priced, and their numbers."""
        own = self.of_kind[kind]
        return own, self.order[own]

    def _engines(self) -> None:
        """Tasks of engines, as before where these, their clocks and their buffers are the same."""
        design, of_engines = self.design, slice(self.of_kind[SlotKind.MULTIPLY].start, None)
        if of_engines.start == len(self.order):
            return
        periods = [design.clock(e.clock).period_ps for e in (*design.arrays, design.vector)]
        # what is named by its identity stays as long as what is remembered has it
        key = (
            id(self.tables), *map(id, self.tasks), *periods, design.arrays, design.vector,
            design.buffers,
        )  # fmt: skip
        known = _engines.get(key)
        if known is None:
            spent = self._price_engines()
            columns = self.columns[:, of_engines].copy()
            known = _engines[key] = (self.tables, self.tasks, columns, spent)
        self.columns[:, of_engines] = known[2]
        self.spent.absorb(known[3])

    def _price_engines(self) -> Spent:
        """Enter the tasks of engines; returns what they spend."""
        spent = Spent()
        engines = EnginePrices(
            self.design, self.tables, self.tasks, Memories(self.design, spent), spent
        )
        own, at = self._slots_of(SlotKind.MULTIPLY)
        if len(at):
            for some, priced in engines.products(at, self.task[at]):
                self._enter(own if some is None else own.start + some, COMPUTE, priced)
        own, at = self._slots_of(SlotKind.FINISH)
        if len(at):
            self._enter(own, EPILOGUE, engines.finishes(at, self.task[at]))
        own, at = self._slots_of(SlotKind.PIECE)
        if len(at):
            self._enter(own, ELEMENTWISE, engines.pieces(at, self.task[at]))
        return spent

    def _enter(self, own: slice | Integers, activity: int, priced: Priced) -> None:
        """Tasks of an engine."""
        columns = self.columns
        columns[MACS, own], columns[BUSY, own] = priced.macs, priced.busy
        columns[FILL, own], columns[STALL, own] = priced.fill, priced.stall
        columns[ACTIVITY, own], columns[ROLE, own] = activity, priced.role
        columns[HOLD, own], columns[DURATION, own] = priced.cycles, priced.duration_ps

    def _power(self, template: Integers, spent: Numbers) -> Integers | None:
        """Milliwatts that every task asks of the budget; None where there is none."""
        headroom = self.streams.headroom
        if headroom is None:
            return None
        total = np.bincount(template, spent, len(self.task))
        duration = self.columns[DURATION]
        need = np.where(duration > 0, power_of(total, duration), 0)
        beyond = np.flatnonzero(need > headroom)
        if len(beyond):
            name = self.names[self.task[beyond[0]]]
            raise self.streams.beyond_budget(int(need[beyond[0]]), name)
        return need

    def _steps(self, power: Integers | None) -> tuple[Integers, Integers]:
        """The steps of all slots with their amounts, and how many each has."""
        steps, part = self.tables.steps[:4].copy(), self.tables.steps[PART]
        lengths = self.tables.slots.steps
        # what the DRAM serves burst by burst has no time of its own
        by_bursts = self.streams.by_bursts
        own = self.tables.slots.kind != SlotKind.MOVE if by_bursts else slice(None)
        steps[1, part == Part.HOLD] = self.columns[HOLD, own]
        if power is not None:
            steps[2, part == Part.POWER] = np.repeat(power[self.columns[DURATION] > 0], 2)
        tails = np.flatnonzero(part == Part.TAIL)
        if not len(tails):
            return steps, lengths
        steps[1, tails] = self.tail_ps
        without = self.tail_ps == 0
        if without.any():
            kept = np.ones(len(part), bool)
            kept[tails[without]] = kept[tails[without] + 1] = False
            steps, lengths = steps[:, kept], lengths.copy()
            lengths[self.order[self.of_kind[SlotKind.MOVE]][without]] -= 2
        return steps, lengths

    # The host and the DMA

    @property
    def _channels(self) -> list[DmaChannel]:
        """By `CARRIES`; the store's where nothing is carried."""
        streams = self.streams
        return [streams.load.get(carries, streams.store) for carries in CARRIES]

    def _commands(self, own: slice, at: Integers) -> None:
        """The host prepares and issues one group's command."""
        if not len(at):
            return
        host = self.design.host
        self.columns[ACTIVITY, own], self.columns[HOLD, own] = COMMAND, host.command_overhead_ps
        spent = host.active_mw * host.command_overhead_ps / 1000
        self.spent.add(at, self.spent.component(HOST), 0, spent)

    def _moves(self, own: slice, at: Integers) -> None:
        """Descriptors: service by the DRAM, then the rest of the channel's own time."""
        if not len(at):
            return
        dram, memories = self.design.dram, self.memories
        moves = self.tables.moves
        carries, role = moves.carries, moves.role
        channels = self._channels
        ports = [port_of(self.design, channel) for channel in channels]
        of_period = {
            period: [buffer_width(buffer, period) for buffer in memories.buffers]
            for period in {port.period_ps for port in ports}
        }
        widths = np.array([of_period[port.period_ps] for port in ports])
        bytes_ = moves.bytes
        if any(channel.run_length for channel in channels):
            bytes_ = np.ceil(bytes_ * self._coded(moves)).astype(np.int64)
        moved, service, tail = transfer_times(
            dram, Port(*np.array(ports, np.int64).T[:, carries]), bytes_, moves.chunks,
            widths[carries, moves.holds],
        )  # fmt: skip
        write = carries == STORES
        self.tail_ps = tail.astype(np.int64)
        columns = self.columns
        columns[ACTIVITY, own], columns[ROLE, own] = np.where(write, STORE, LOAD), role
        columns[HOLD, own] = columns[DURATION, own] = service
        columns[BUSY, own], columns[FILL, own] = service - dram.latency_ps, dram.latency_ps
        columns[WRITTEN, own] = np.where(write, moved, 0)
        columns[READ, own] = moved - columns[WRITTEN, own]
        # energy
        spent = self.spent
        per_bit = np.where(write, dram.write_pj_per_bit, dram.read_pj_per_bit)
        spent.add(at, spent.component("dram"), role, per_bit * 8 * moved)
        per_byte = np.where(write, memories.read_pj[moves.holds], memories.write_pj[moves.holds])
        spent.add(at, memories.codes[moves.holds], role, per_byte * moves.bytes)
        lanes = [load_lane(channels[0]), load_lane(channels[1]), store_lane(channels[2])]
        components = np.array([spent.component(lane) for lane in lanes])
        active_mw = np.array([channel.active_mw for channel in channels])
        spent.add(at, components[carries], 0, active_mw[carries] * service / 1000)

    def _coded(self, moves: MoveColumns) -> Numbers:
        """Share of its bytes that each descriptor moves."""
        channels = self._channels
        asked = zip(moves.carries.tolist(), moves.bits.tolist(), moves.zeros.tolist(), strict=True)
        return np.array([coded_share(channels[c], bits, zeros) for c, bits, zeros in asked])
