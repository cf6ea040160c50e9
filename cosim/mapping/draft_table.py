"""The slots of a draft as numbers: what pricing computes with, whatever the machine makes of it.

A table is made once for a draft and serves every design on which its group is cut alike; a program
lays the tables of its groups one after the other and prices all slots together (`pricing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


KINDS: dict[type, SlotKind] = {
    Command: SlotKind.COMMAND, Move: SlotKind.MOVE, Multiply: SlotKind.MULTIPLY,
    Finish: SlotKind.FINISH, Piece: SlotKind.PIECE,
}  # fmt: skip

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


Cores = Callable[[Slot, ArrayTask | VectorTask | None], Core]


def table_of(
    draft: Draft, task: ArrayTask | VectorTask | None, structure: Signature, core_of: Cores
) -> DraftTable:
    """The table of a draft.

    Parameters
    ----------
    task
        What was drafted, or one that has the same draft; None where all slots are moves.
    structure
        Equal for machines on which all slots have the same steps.
    core_of
        The steps of a slot of a task between its waits and the tokens it gives.
    """
    table = draft.tables.get(structure)
    if table is None:
        table = draft.tables[structure] = _new_table(draft, task, structure, core_of)
    return table


def _new_table(
    draft: Draft, task: ArrayTask | VectorTask | None, structure: Signature, core_of: Cores
) -> DraftTable:
    rows = _Rows()
    for slot in draft.slots:
        core = core_of(slot, task)
        rows.steps += slot.before
        rows.steps += core.steps
        rows.steps += slot.after
        rows.parts += (0,) * len(slot.before)
        rows.parts += core.parts
        rows.parts += (0,) * len(slot.after)
        count = len(core.parts) + len(slot.before) + len(slot.after)
        rows.slots.append((KINDS[type(slot)], count))
        if isinstance(slot, Move):
            rows.move(slot)
        elif isinstance(slot, Multiply):
            assert isinstance(task, ArrayTask)
            rows.product(slot, task)
        elif isinstance(slot, Finish):
            assert isinstance(task, ArrayTask)
            rows.finish(slot, task)
        elif isinstance(slot, Piece):
            rows.piece(slot)
    return rows.table()


class _Rows:
    """Rows of every kind, as they come."""

    def __init__(self) -> None:
        self.slots: list[tuple[int, int]] = []
        self.steps: list[Step] = []
        self.parts: list[int] = []
        self.moves: list[tuple[int, ...]] = []
        self.zeros: list[float] = []
        self.products: list[tuple[int, ...]] = []
        self.finishes: list[tuple[int, ...]] = []
        self.cycles: list[float] = []
        self.operations: list[float] = []
        self.pieces: list[tuple[int, ...]] = []
        self.kept: list[float] = []
        self.reads: list[tuple[int, ...]] = []
        self.read_bytes: list[float] = []
        self.shapes: list[tuple[int, ...]] = []
        self.finish_shapes: list[tuple[int, ...]] = []

    def move(self, slot: Move) -> None:
        bits, zeros = slot.elements
        self.moves.append((
            _CARRIES[slot.carries], _HOLDS[slot.holds], _ROLES[slot.role], slot.bytes, slot.chunks,
            bits,
        ))  # fmt: skip
        self.zeros.append(zeros)

    def product(self, slot: Multiply, task: ArrayTask) -> None:
        request, tile = task.request, slot.tile
        a, w, o = tile.elements
        self.products.append((
            tile.macs, not slot.first_k, slot.last_k, slot.last,
            request.load_streaming, request.load_weight,
            request.load_streaming and slot.loads[0], request.load_weight and slot.loads[1],
            a, w, o, task.streaming.bits, task.weight.bits,
            _ROLES[task.streaming.role.value], _ROLES[task.weight.role.value], len(tile.shapes),
        ))  # fmt: skip
        self.shapes += [(s.groups, *s.pixels, s.filters, *s.reduction) for s in tile.shapes]

    def finish(self, slot: Finish, task: ArrayTask) -> None:
        request, tile = task.request, slot.tile
        self.finishes.append((
            tile.elements[2], task.extra_bytes(tile), task.output_bytes(tile),
            request.store_result, _ROLES[task.result.role.value], len(tile.shapes),
        ))  # fmt: skip
        self.cycles.append(request.vector_cycles)
        self.operations.append(request.vector_operations or request.vector_cycles)
        self.finish_shapes += [(s.groups, *s.pixels, s.filters, *s.reduction) for s in tile.shapes]

    def piece(self, slot: Piece) -> None:
        count = len(slot.parts) + len(slot.resident)
        self.pieces.append((slot.operations, slot.out, slot.stores, _ROLES[slot.role], count))
        self.kept.append(slot.kept)
        self.reads += [(False, _ROLES[role]) for role, _ in slot.parts]
        self.reads += [(True, _ROLES[role]) for role, _ in slot.resident]
        self.read_bytes += [bytes_ for _, bytes_ in (*slot.parts, *slot.resident)]

    def table(self) -> DraftTable:
        steps = np.zeros((len(StepColumns._fields), len(self.parts)), np.int64)
        flat = np.fromiter(chain.from_iterable(self.steps), np.int64, 4 * len(self.steps))
        steps[:-1], steps[-1] = flat.reshape(-1, 4).T, self.parts
        return DraftTable(
            np.array(self.slots, np.int64).T, steps, _rows(self.moves, self.zeros),
            _rows(self.products), _rows(self.finishes, self.cycles, self.operations),
            _rows(self.pieces, self.kept), _rows(self.reads, self.read_bytes),
            _rows(self.shapes), _rows(self.finish_shapes),
        )  # fmt: skip


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
        rows = joined(tables)
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


def joined(tables: Sequence[DraftTable]) -> DraftTable:
    """Tables one after the other as one."""
    slots, steps, *rows = (_side_by_side(columns) for columns in zip(*tables, strict=True))
    assert slots is not None
    assert steps is not None
    return DraftTable(slots, steps, *rows)


def _side_by_side(tables: Iterable[Integers | None]) -> Integers | None:
    some = [table for table in tables if table is not None]
    if len(some) < 2:
        return some[0] if some else None
    return np.concatenate(some, axis=1)
