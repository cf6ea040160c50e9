"""The slots of a draft as numbers: what pricing computes with, whatever the machine makes of it.

A table is made once for a draft and serves every design on which its group is cut alike; a program
lays the tables of its groups one after the other and prices all slots together (`pricing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.core_steps import Core
from cosim.mapping.drafts import Command, Draft, Finish, Move, Multiply, Piece, Slot
from cosim.mapping.energy import ROLES
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.lower_vector import VectorTask
from cosim.mapping.program import Step
from cosim.mapping.task_stream import on_lanes
from cosim.memo import Signature

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]


class SlotKind(IntEnum):
    """The kinds of `drafts.Slot`."""

    COMMAND = 0
    MOVE = 1
    MULTIPLY = 2
    FINISH = 3
    PIECE = 4


KINDS: dict[type, int] = {
    kind: number for number, kind in enumerate((Command, Move, Multiply, Finish, Piece))
}
"""Types of slots -> `SlotKind`."""

CARRIES = ("input", "weight", "output")
HOLDS = ("input", "weight", "accumulator", "output", "resident", "")
"""What the buffer at the other side of a descriptor holds; nothing: there is none."""


_CARRIES = {name: code for code, name in enumerate(CARRIES)}
_HOLDS = {name: code for code, name in enumerate(HOLDS)}
_ROLES = {name: code for code, name in enumerate(ROLES)}


class SlotColumns(NamedTuple):
    """Of every slot: its kind, and how many steps it has."""

    kind: Integers
    steps: Integers


class StepColumns(NamedTuple):
    """Of every step: itself, and its part (`core_steps.Part`)."""

    kind: Integers
    a: Integers
    b: Integers
    c: Integers
    part: Integers


class MoveColumns(NamedTuple):
    """Of every `Move`: codes of `CARRIES`, `HOLDS` and `ROLES`, the rest as there."""

    carries: Integers
    holds: Integers
    role: Integers
    bytes: Integers
    chunks: Integers
    bits: Integers
    zeros: Numbers


class ProductColumns(NamedTuple):
    """Of every `Multiply`.

    `accumulates` and `last_k` say whether sums are read back and are complete, `last` whether it
    is the group's last; `from_dram` whether an operand (`_a` streaming, `_w` weight) is staged,
    `loaded` whether it is loaded for this tile; `elements` of the operands and the result (`_o`);
    `shapes` is the number of its rows in the table of shapes.
    """

    macs: Integers
    accumulates: Integers
    last_k: Integers
    last: Integers
    from_dram_a: Integers
    from_dram_w: Integers
    loaded_a: Integers
    loaded_w: Integers
    elements_a: Integers
    elements_w: Integers
    elements_o: Integers
    bits_a: Integers
    bits_w: Integers
    role_a: Integers
    role_w: Integers
    shapes: Integers


class FinishColumns(NamedTuple):
    """Of every `Finish`: elements of the result, bytes of further operands and of what is written,
    whether that is stored in DRAM; cycles of all lanes and operations of an element."""

    elements: Integers
    extra: Integers
    out: Integers
    stores: Integers
    role: Integers
    shapes: Integers
    cycles: Numbers
    operations: Numbers


class PieceColumns(NamedTuple):
    """Of every `Piece`; `reads` is the number of its rows in the table of reads."""

    operations: Integers
    out: Integers
    stores: Integers
    role: Integers
    reads: Integers
    kept: Numbers


class ReadColumns(NamedTuple):
    """What pieces read: whether it is resident, the role, bytes."""

    resident: Integers
    role: Integers
    bytes: Numbers


class DraftTable(NamedTuple):
    """A draft in numbers, rows of each kind in the order of the slots.

    Each is an int64 array of shape (n_columns, n_rows) with the columns of the class above of that
    name, floats among them bit by bit, or None where there are no rows. `shapes` and
    `finish_shapes` have the eight extents of a `TileShape`.
    """

    slots: Integers
    steps: Integers
    moves: Integers | None
    products: Integers | None
    finishes: Integers | None
    pieces: Integers | None
    reads: Integers | None
    shapes: Integers | None
    finish_shapes: Integers | None
    streams: Integers | None
    """What components do, see `Streams.append`."""


class Machine(NamedTuple):
    """What of a machine decides how drafts are laid down.

    Attributes
    ----------
    structure : Signature
        Equal for machines on which the rest is.
    core_of : callable
        The steps of a slot of a task between its waits and the tokens it gives.
    ranks : mapping
        Of the components by their names.
    """

    structure: Signature
    core_of: Callable[[Slot, ArrayTask | VectorTask | None], Core]
    ranks: Mapping[str, int]


def table_of(draft: Draft, task: ArrayTask | VectorTask | None, machine: Machine) -> DraftTable:
    """The table of a draft.

    Parameters
    ----------
    task
        What was drafted, or one that has the same draft; None where all slots are moves.
    """
    table = draft.tables.get(machine.structure)
    if table is None:
        table = draft.tables[machine.structure] = _new_table(draft, task, machine)
    return table


def _new_table(draft: Draft, task: ArrayTask | VectorTask | None, machine: Machine) -> DraftTable:
    slots = draft.slots
    steps: list[Step] = []
    parts: list[int] = []
    kinds: list[tuple[int, int]] = []
    of_kind: dict[type, list[Any]] = {}
    for slot in slots:
        core, before, after = machine.core_of(slot, task), slot.before, slot.after
        steps += before
        steps += core.steps
        steps += after
        parts += (0,) * len(before)
        parts += core.parts
        parts += (0,) * len(after)
        kind = type(slot)
        kinds.append((KINDS[kind], len(before) + len(core.parts) + len(after)))
        of_kind.setdefault(kind, []).append(slot)
    table = np.empty((len(StepColumns._fields), len(steps)), np.int64)
    flat = np.fromiter(chain.from_iterable(steps), np.int64, 4 * len(steps))
    table[:-1], table[-1] = flat.reshape(-1, 4).T, parts
    pieces, ranks = of_kind.get(Piece, []), machine.ranks
    streams = [(ranks[lane], nodes) for lane, nodes in draft.streams]
    of_array: tuple[Integers | None, ...] = (None, None, None, None)
    if isinstance(task, ArrayTask):
        of_array = _of_array(of_kind.get(Multiply, []), of_kind.get(Finish, []), task)
    products, shapes, finishes, finish_shapes = of_array
    moves = _moves(of_kind.get(Move, []))
    return DraftTable(
        np.array(kinds, np.int64).T, table, moves, products, finishes, _pieces(pieces),
        _reads(pieces), shapes, finish_shapes, on_lanes(streams) if streams else None,
    )  # fmt: skip


def _moves(slots: Sequence[Move]) -> Integers | None:
    rows = [
        (_CARRIES[slot.carries], _HOLDS[slot.holds], _ROLES[slot.role], slot.bytes, slot.chunks,
         slot.elements[0])
        for slot in slots
    ]  # fmt: skip
    return _rows(rows, [slot.elements[1] for slot in slots])


def _of_array(
    multiplies: Sequence[Multiply], finishes: Sequence[Finish], task: ArrayTask
) -> tuple[Integers | None, ...]:
    """Products and their shapes, finishes and theirs."""
    request, streaming, weight = task.request, task.streaming, task.weight
    load_a, load_w = request.load_streaming, request.load_weight
    operands = (
        streaming.bits, weight.bits, _ROLES[streaming.role.value], _ROLES[weight.role.value]
    )  # fmt: skip
    products = [
        (tile.macs, not first_k, last_k, last, load_a, load_w, load_a and loads[0],
         load_w and loads[1], *tile.elements, *operands, len(tile.shapes))
        for tile, first_k, last_k, last, loads, _, _ in multiplies
    ]  # fmt: skip
    role, stores, cycles = (
        _ROLES[task.result.role.value],
        request.store_result,
        request.vector_cycles,
    )
    made = [
        (tile.elements[2], task.extra_bytes(tile), task.output_bytes(tile), stores, role,
         len(tile.shapes))
        for tile, _, _ in finishes
    ]  # fmt: skip
    count = len(made)
    operations = request.vector_operations or cycles
    return (
        _rows(products), _shapes(multiplies), _rows(made, [cycles] * count, [operations] * count),
        _shapes(finishes),
    )  # fmt: skip


def _shapes(slots: Sequence[Multiply | Finish]) -> Integers | None:
    return _rows([
        (s.groups, *s.pixels, s.filters, *s.reduction) for slot in slots for s in slot.tile.shapes
    ])  # fmt: skip


def _pieces(slots: Sequence[Piece]) -> Integers | None:
    rows = [
        (slot.operations, slot.out, slot.stores, _ROLES[slot.role],
         len(slot.parts) + len(slot.resident))
        for slot in slots
    ]  # fmt: skip
    return _rows(rows, [slot.kept for slot in slots])


def _reads(slots: Sequence[Piece]) -> Integers | None:
    reads = [
        (resident, _ROLES[role], bytes_)
        for slot in slots
        for resident, read in ((False, slot.parts), (True, slot.resident))
        for role, bytes_ in read
    ]
    return _rows([(resident, role) for resident, role, _ in reads], [b for _, _, b in reads])


def _rows(integers: Sequence[tuple[int, ...]], *numbers: Sequence[float]) -> Integers | None:
    """Columns of integers, then of floats bit by bit."""
    if not integers:
        return None
    width = len(integers[0])
    table = np.empty((width + len(numbers), len(integers)), np.int64)
    flat = np.fromiter(chain.from_iterable(integers), np.int64, width * len(integers))
    table[:width] = flat.reshape(-1, width).T
    for row, column in zip(table[width:], numbers, strict=True):
        row.view(np.float64)[:] = column
    return table


class Tables:
    """The tables of a program's drafts, one after the other."""

    def __init__(self, tables: Sequence[DraftTable]) -> None:
        rows = DraftTable._make([*_columns_joined(tables), None])
        self.sizes = [table.slots.shape[1] for table in tables]
        """Number of each draft's slots."""
        self.slots = SlotColumns(*rows.slots)
        self.steps = rows.steps.copy() if len(tables) == 1 else rows.steps
        """Columns of `StepColumns`; whoever prices them enters amounts here."""
        self.moves = MoveColumns(*_columns(rows.moves, 7, 1))
        self.products = np.zeros((0, 0), np.int64) if rows.products is None else rows.products
        """Columns of `ProductColumns`."""
        self.shapes = np.zeros((8, 0), np.int64) if rows.shapes is None else rows.shapes
        self.finishes = FinishColumns(*_columns(rows.finishes, 8, 2))
        self.finish_shapes: Integers = (
            np.zeros((8, 0), np.int64) if rows.finish_shapes is None else rows.finish_shapes
        )
        self.pieces = PieceColumns(*_columns(rows.pieces, 6, 1))
        self.reads = ReadColumns(*_columns(rows.reads, 3, 1))


def _columns(table: Integers | None, count: int, numbers: int) -> list[Any]:
    """The columns of a table, the last ones floats."""
    if table is None:
        table = np.zeros((count, 0), np.int64)
    return [*table[:-numbers], *table[-numbers:].view(np.float64)]


def _columns_joined(tables: Sequence[DraftTable]) -> Iterator[Any]:
    """All but the streams."""
    for columns in zip(*(table[:-1] for table in tables), strict=True):
        yield _side_by_side(columns)


def _side_by_side(tables: Iterable[Integers | None]) -> Integers | None:
    some = [table for table in tables if table is not None]
    if len(some) < 2:
        return some[0] if some else None
    return np.concatenate(some, axis=1)
