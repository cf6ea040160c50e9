"""The slots of a draft as numbers: what pricing computes with, whatever the machine makes of it.

A table is made once for a draft and serves every design on which its group is cut alike; a program
lays the tables of its groups one after the other and prices all slots together (`pricing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import chain, pairwise, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.core_steps import Core
from cosim.mapping.drafts import Command, Draft, Finish, Move, Multiply, Piece, Slot
from cosim.mapping.energy import ROLES
from cosim.mapping.lower_array import ArrayTask
from cosim.mapping.lower_vector import VectorTask
from cosim.mapping.task_stream import on_lanes
from cosim.memo import Memo, Signature

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
    streams: Integers
    """What components do, see `Streams.lay_down`."""


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


def tables_of(
    drafts: Sequence[tuple[Draft, ArrayTask | VectorTask | None]], machine: Machine
) -> list[DraftTable]:
    """The tables of drafts, made together where there are none yet.

    Parameters
    ----------
    drafts
        Each with what was drafted, or what has the same draft; None where all slots are moves.
    """
    structure = machine.structure
    new = [each for each in drafts if structure not in each[0].tables]
    if new:
        for (draft, _), table in zip(new, _new_tables(new, machine), strict=True):
            draft.tables[structure] = table
    return [draft.tables[structure] for draft, _ in drafts]


class _Rows:
    """Rows of one kind, draft by draft; floats beside them."""

    def __init__(self, numbers: int = 0) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.numbers: tuple[list[float], ...] = tuple([] for _ in range(numbers))
        self._ends: list[int] = []

    def end(self) -> None:
        """What comes is the next draft's."""
        self._ends.append(len(self.rows))

    def tables(self) -> Iterator[Integers | None]:
        """The columns of every draft, integers and then floats bit by bit; None if it has none."""
        if not self.rows:
            yield from repeat(None, len(self._ends))
            return
        width, count = len(self.rows[0]), len(self.rows)
        table = np.empty((width + len(self.numbers), count), np.int64)
        flat = np.fromiter(chain.from_iterable(self.rows), np.int64, width * count)
        table[:width] = flat.reshape(-1, width).T
        for row, column in zip(table[width:], self.numbers, strict=True):
            row.view(np.float64)[:] = column
        begin = 0
        for end in self._ends:
            yield table[:, begin:end] if begin < end else None
            begin = end


def _new_tables(
    drafts: Sequence[tuple[Draft, ArrayTask | VectorTask | None]], machine: Machine
) -> Iterator[DraftTable]:
    """One table for each draft, all made at once."""
    slots, steps, products, shapes, finish_shapes = (_Rows() for _ in range(5))
    moves, finishes, pieces, reads = _Rows(1), _Rows(2), _Rows(1), _Rows(1)
    streams = []
    kinds = (slots, steps, moves, products, finishes, pieces, reads, shapes, finish_shapes)
    for draft, task in drafts:
        _enter_steps(draft, task, machine, slots, steps)
        if isinstance(task, ArrayTask):
            _enter_products(draft, task, products, shapes)
            _enter_finishes(draft, task, finishes, finish_shapes)
        else:
            _enter_pieces(draft, pieces, reads)
        _enter_moves(draft, moves)
        streams.append(on_lanes((machine.ranks[lane], nodes) for lane, nodes in draft.streams))
        for rows in kinds:
            rows.end()
    for columns in zip(*(rows.tables() for rows in kinds), streams, strict=True):
        yield DraftTable(*columns)


def _enter_steps(
    draft: Draft, task: ArrayTask | VectorTask | None, machine: Machine, slots: _Rows, steps: _Rows
) -> None:
    rows, sizes, core_of = steps.rows, slots.rows, machine.core_of
    for slot in draft.slots:
        first = len(rows)
        rows += [(*step, 0) for step in slot.before]
        rows += core_of(slot, task).rows
        rows += [(*step, 0) for step in slot.after]
        sizes.append((KINDS[type(slot)], len(rows) - first))


def _enter_moves(draft: Draft, moves: _Rows) -> None:
    for slot in draft.slots:
        if type(slot) is Move:
            _, carries, role, bytes_, chunks, (bits, zeros), holds, _, _ = slot
            moves.rows.append(
                (_CARRIES[carries], _HOLDS[holds], _ROLES[role], bytes_, chunks, bits)
            )
            moves.numbers[0].append(zeros)


def _enter_products(draft: Draft, task: ArrayTask, products: _Rows, shapes: _Rows) -> None:
    request, streaming, weight = task.request, task.streaming, task.weight
    load_a, load_w = request.load_streaming, request.load_weight
    operands = (
        streaming.bits, weight.bits, _ROLES[streaming.role.value], _ROLES[weight.role.value]
    )  # fmt: skip
    for slot in draft.slots:
        if type(slot) is Multiply:
            tile, first_k, last_k, last, loads, _, _ = slot
            products.rows.append((
                tile.macs, not first_k, last_k, last, load_a, load_w, load_a and loads[0],
                load_w and loads[1], *tile.elements, *operands, len(tile.extents),
            ))  # fmt: skip
            shapes.rows += tile.extents


def _enter_finishes(draft: Draft, task: ArrayTask, finishes: _Rows, shapes: _Rows) -> None:
    request, role = task.request, _ROLES[task.result.role.value]
    cycles, stores = request.vector_cycles, request.store_result
    for slot in draft.slots:
        if type(slot) is Finish:
            tile = slot.tile
            finishes.rows.append((
                tile.elements[2], task.extra_bytes(tile), task.output_bytes(tile), stores, role,
                len(tile.extents),
            ))  # fmt: skip
            finishes.numbers[0].append(cycles)
            finishes.numbers[1].append(request.vector_operations or cycles)
            shapes.rows += tile.extents


def _enter_pieces(draft: Draft, pieces: _Rows, reads: _Rows) -> None:
    for slot in draft.slots:
        if type(slot) is Piece:
            count = len(slot.parts) + len(slot.resident)
            pieces.rows.append((slot.operations, slot.out, slot.stores, _ROLES[slot.role], count))
            pieces.numbers[0].append(slot.kept)
            reads.rows += [(False, _ROLES[role]) for role, _ in slot.parts]
            reads.rows += [(True, _ROLES[role]) for role, _ in slot.resident]
            reads.numbers[0].extend(bytes_ for _, bytes_ in (*slot.parts, *slot.resident))


class Tables:
    """The tables of a program's drafts, one after the other.

    Attributes
    ----------
    task : int64 array, shape (n_slots,)
        Number of the draft that each slot is of.
    order : int64 array, shape (n_slots,)
        Slots kind by kind.
    of_kind : list of slice
        Where in `order` those of each `SlotKind` are.
    steps : int64 array, shape (5, n_steps)
        Columns of `StepColumns`.
    products : int64 array
        Columns of `ProductColumns`.
    """

    def __init__(self, tables: Sequence[DraftTable]) -> None:
        self._of = tables
        rows = DraftTable._make([*_columns_joined(tables), None])
        self.task = np.repeat(np.arange(len(tables)), [t.slots.shape[1] for t in tables])
        self.slots = SlotColumns(*rows.slots)
        self.order = np.argsort(self.slots.kind, kind="stable")
        ends = np.cumsum(np.bincount(self.slots.kind, minlength=len(SlotKind))).tolist()
        self.of_kind = [slice(*both) for both in pairwise([0, *ends])]
        self.steps = rows.steps
        self.moves = MoveColumns(*_columns(rows.moves, 7, 1))
        self.products = np.zeros((0, 0), np.int64) if rows.products is None else rows.products
        self.shapes = np.zeros((8, 0), np.int64) if rows.shapes is None else rows.shapes
        self.finishes = FinishColumns(*_columns(rows.finishes, 8, 2))
        self.finish_shapes: Integers = (
            np.zeros((8, 0), np.int64) if rows.finish_shapes is None else rows.finish_shapes
        )
        self.pieces = PieceColumns(*_columns(rows.pieces, 6, 1))
        self.reads = ReadColumns(*_columns(rows.reads, 3, 1))


_together: Memo[tuple[int, ...], Tables] = Memo("tables of programs", 16)


def together(tables: Sequence[DraftTable]) -> Tables:
    """Tables of drafts as those of a program; the same object where nothing is cut anew."""
    key = tuple(map(id, tables))  # which stay theirs as long as what is remembered has the tables
    found = _together.get(key)
    if found is None:
        found = _together[key] = Tables(tables)
    return found


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
