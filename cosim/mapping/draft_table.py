"""The slots of a draft as numbers: what pricing computes with, whatever the machine makes of it.

A table is made once for a draft and serves every design on which its group is cut alike; a program
lays the tables of its groups one after the other and prices all slots together (`pricing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cached_property
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.core_steps import Core
from cosim.mapping.drafts import Command, Draft, Finish, Move, Multiply, Piece, Slot
from cosim.mapping.energy import ROLES
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.lower_vector import VectorTask
from cosim.mapping.program import Step

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


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


class MoveColumns(NamedTuple):
    """Of every `Move`: codes of `CARRIES`, `HOLDS` and `ROLES`, the rest as there."""

    carries: Integers
    holds: Integers
    role: Integers
    bytes: Integers
    chunks: Integers
    bits: Integers


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
    whether that is stored in DRAM."""

    elements: Integers
    extra: Integers
    out: Integers
    stores: Integers
    role: Integers
    shapes: Integers


class PieceColumns(NamedTuple):
    """Of every `Piece`; `reads` is the number of its rows in the table of reads."""

    operations: Integers
    out: Integers
    stores: Integers
    role: Integers
    reads: Integers


class ReadColumns(NamedTuple):
    """What pieces read: whether it is resident, and the role."""

    resident: Integers
    role: Integers


class DraftTable(NamedTuple):
    """A draft in numbers, rows of each kind in the order of the slots.

    Attributes
    ----------
    kinds : int64 array, shape (n_slots,)
    steps : int64 array, shape (n_steps, 4)
    parts : int64 array, shape (n_steps,)
        See `core_steps.Part`.
    lengths : int64 array, shape (n_slots,)
        Number of each slot's steps.
    moves, products, finishes, pieces, reads, shapes : int64 array, shape (n_columns, n_rows)
        See the classes above; shapes have the eight extents of a `TileShape`. None where there are
        no rows.
    zeros : float64 array or None
        Of every move, share of zeros among the elements.
    finish_cycles : float64 array, shape (2, n_finishes), or None
        Cycles of all lanes, and operations, of an element of the result.
    kept, read_bytes : float64 array or None
        Bytes that a piece keeps on chip; bytes of a read.
    """

    kinds: Integers
    steps: Integers
    parts: Integers
    lengths: Integers
    moves: Integers | None
    products: Integers | None
    finishes: Integers | None
    pieces: Integers | None
    reads: Integers | None
    shapes: Integers | None
    finish_shapes: Integers | None
    zeros: Numbers | None
    finish_cycles: Numbers | None
    kept: Numbers | None
    read_bytes: Numbers | None


def draft_table(
    draft: Draft, task: ArrayTask | VectorTask | None, core_of: Callable[[Slot], Core]
) -> DraftTable:
    """The table of a draft.

    Parameters
    ----------
    task
        What was drafted, or one that has the same draft; None where all slots are moves.
    core_of
        The steps of a slot between its waits and the tokens it gives.
    """
    rows = _Rows()
    steps: list[Step] = []
    parts: list[int] = []
    lengths: list[int] = []
    for slot in draft.slots:
        core = core_of(slot)
        steps += slot.before
        steps += core.steps
        steps += slot.after
        parts += (0,) * len(slot.before)
        parts += core.parts
        parts += (0,) * len(slot.after)
        lengths.append(len(core.parts) + len(slot.before) + len(slot.after))
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
    return DraftTable(
        np.array([KINDS[type(slot)] for slot in draft.slots], np.int64),
        np.fromiter(chain.from_iterable(steps), np.int64, 4 * len(steps)).reshape(-1, 4),
        np.array(parts, np.int64), np.array(lengths, np.int64),
        _columns(rows.moves), _columns(rows.products), _columns(rows.finishes),
        _columns(rows.pieces), _columns(rows.reads), _columns(rows.shapes),
        _columns(rows.finish_shapes), _numbers(rows.zeros),
        None if not rows.cycles else np.array(rows.cycles, np.float64).T,
        _numbers(rows.kept), _numbers(rows.read_bytes),
    )  # fmt: skip


class _Rows:
    """Rows of every kind, as they come."""

    def __init__(self) -> None:
        self.moves: list[tuple[int, ...]] = []
        self.products: list[tuple[int, ...]] = []
        self.finishes: list[tuple[int, ...]] = []
        self.pieces: list[tuple[int, ...]] = []
        self.reads: list[tuple[int, ...]] = []
        self.shapes: list[tuple[int, ...]] = []
        self.finish_shapes: list[tuple[int, ...]] = []
        self.zeros: list[float] = []
        self.cycles: list[tuple[float, float]] = []
        self.kept: list[float] = []
        self.read_bytes: list[float] = []

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
        self.cycles.append(
            (request.vector_cycles, request.vector_operations or request.vector_cycles)
        )
        self.finish_shapes += [(s.groups, *s.pixels, s.filters, *s.reduction) for s in tile.shapes]

    def piece(self, slot: Piece) -> None:
        count = len(slot.parts) + len(slot.resident)
        self.pieces.append((slot.operations, slot.out, slot.stores, _ROLES[slot.role], count))
        self.kept.append(slot.kept)
        self.reads += [(False, _ROLES[role]) for role, _ in slot.parts]
        self.reads += [(True, _ROLES[role]) for role, _ in slot.resident]
        self.read_bytes += [bytes_ for _, bytes_ in (*slot.parts, *slot.resident)]


def _columns(rows: Sequence[tuple[int, ...]]) -> Integers | None:
    if not rows:
        return None
    width = len(rows[0])
    table = np.fromiter(chain.from_iterable(rows), np.int64, width * len(rows))
    return np.ascontiguousarray(table.reshape(-1, width).T)


def _numbers(values: Sequence[float]) -> Numbers | None:
    return np.array(values, np.float64) if values else None


_NO_ROWS = np.zeros((2, 0), np.int64)
_NO_NUMBERS = np.zeros(0)


class Tables:
    """The tables of a program's drafts, one after the other; attributes as of a `DraftTable`."""

    def __init__(self, tables: Sequence[DraftTable]) -> None:
        self._tables = tables
        self.sizes = np.array([len(table.lengths) for table in tables])
        """Number of each draft's slots."""
        self.kinds = np.concatenate([table.kinds for table in tables])
        self.steps = np.concatenate([table.steps for table in tables])
        self.parts = np.concatenate([table.parts for table in tables])
        self.lengths = np.concatenate([table.lengths for table in tables])

    @cached_property
    def moves(self) -> Integers:
        return side_by_side([table.moves for table in self._tables], _NO_ROWS)

    @cached_property
    def products(self) -> Integers:
        return side_by_side([table.products for table in self._tables], _NO_ROWS)

    @cached_property
    def shapes(self) -> Integers:
        return side_by_side([table.shapes for table in self._tables], _NO_ROWS)

    @cached_property
    def finishes(self) -> Integers:
        return side_by_side([table.finishes for table in self._tables], _NO_ROWS)

    @cached_property
    def finish_shapes(self) -> Integers:
        return side_by_side([table.finish_shapes for table in self._tables], _NO_ROWS)

    @cached_property
    def pieces(self) -> Integers:
        return side_by_side([table.pieces for table in self._tables], _NO_ROWS)

    @cached_property
    def reads(self) -> Integers:
        return side_by_side([table.reads for table in self._tables], _NO_ROWS)

    @cached_property
    def finish_cycles(self) -> Numbers:
        return side_by_side([table.finish_cycles for table in self._tables], _NO_NUMBERS)

    @cached_property
    def zeros(self) -> Numbers:
        return side_by_side([table.zeros for table in self._tables], _NO_NUMBERS)

    @cached_property
    def kept(self) -> Numbers:
        return side_by_side([table.kept for table in self._tables], _NO_NUMBERS)

    @cached_property
    def read_bytes(self) -> Numbers:
        return side_by_side([table.read_bytes for table in self._tables], _NO_NUMBERS)


def side_by_side(parts: Sequence[NDArray[Number] | None], none: NDArray[Number]) -> NDArray[Number]:
    """Columns one after the other of all tables that have any, `none` if no table has."""
    some = [part for part in parts if part is not None]
    return np.concatenate(some, axis=-1) if some else none
