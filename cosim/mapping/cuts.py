"""How a group of the vector unit is cut into pieces that fit the buffers.

A piece is a box of each tensor: the whole of it in every dimension but one. Which one may be cut
follows from what the operation does:

* elementwise operations and plain copies: anywhere, in the order of memory; where an operand is
  seen transposed, along one dimension of the result;
* reductions, softmax, layer and batch norm: along dimensions that are not reduced;
* pooling: along batch and channels;
* concatenation: along any dimension but the joined one;
* gathers of rows: along the indices, or along the rows; see `gather_cuts`;
* scatters of rows: zeros anywhere, then along the indices.

Where no such dimension is there, or one step along it does not fit, the operands stream past piece
by piece: once for a reduction, whose running result stays in the unit, twice for a normalization
(statistics first, then the result).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from typing import NamedTuple, cast

from cosim.mapping.row_gather import RowGather, RowScatter, row_gather, row_scatter
from cosim.memo import Signature, canonical
from cosim.workload.workload import Kind, Op, Tensor

FLAT_MULTIPLE = 8
"""Elements a flat cut is rounded to, so that pieces below 8 bits end on whole bytes."""


@dataclass(frozen=True)
class Picks:
    """Of `dimension`, the `count` indices that tensor `by` names when the machine runs."""

    dimension: int
    by: int
    count: int


@dataclass(frozen=True)
class Slab:
    """A tensor as it is cut: reshaped, transposed, then cut along dimension `axis`."""

    shape: tuple[int, ...]
    transpose: tuple[int, ...]
    axis: int
    picks: Picks | None = None
    """Where not all of it is read, but what another tensor names."""
    aligned: bool = False
    """Whether every element ends on a whole byte, so that a cut needs no rounding."""

    @property
    def seen(self) -> tuple[int, ...]:
        """The shape in which `axis` counts."""
        if self.transpose:
            return tuple(self.shape[i] for i in self.transpose)
        if self.picks is None:
            return self.shape
        d = self.picks.dimension
        return (*self.shape[:d], self.picks.count, *self.shape[d + 1 :])

    @property
    def flat(self) -> bool:
        """Whether it is cut anywhere, so that pieces must be rounded to end on whole bytes."""
        return self.unit == 1 and not self.aligned

    @property
    def extent(self) -> int:
        return self.seen[self.axis]

    @property
    def unit(self) -> int:
        """Elements of one step along the cut dimension."""
        return prod(self.seen) // max(1, self.extent)

    @property
    def chunks(self) -> int:
        """Contiguous pieces of memory in one step along the cut."""
        if self.picks is None:
            return 1
        d = max(self.axis, self.picks.dimension)
        return prod(n for i, n in enumerate(self.seen[: d + 1]) if i != self.axis)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def flat(tensor: Tensor) -> Slab:
    """A tensor cut anywhere, in the order of its elements."""
    return Slab((tensor.elements,), (), 0)


@dataclass(frozen=True)
class Cut:
    """A vector group in pieces.

    `slabs` has the tensors that are cut, read and written; those not in it are read whole before
    the first piece or written whole with the last. Piece ``i`` of a tensor with extent ``n`` runs
    from ``i * step`` to ``(i + 1) * step``, where ``step = ceil(n / count)``, rounded up to
    `FLAT_MULTIPLE` in a flat cut.
    """

    slabs: dict[int, Slab]
    count: int = 1
    passes: int = 1
    """How often the pieces are read; results are written in the last pass."""
    whole: bool = False
    """Whether the result of a piece depends on more than that piece."""
    updates: Cut | None = None
    """Pieces that add rows to a result, which the pieces of this cut have filled with zeros."""

    @cached_property
    def signature(self) -> Signature:
        """Equal for cuts that are."""
        updates = self.updates and self.updates.signature
        slabs = tuple(self.slabs.items())
        return canonical(Signature((slabs, self.count, self.passes, self.whole, updates)))

    @cached_property
    def steps(self) -> dict[int, tuple[int, int, int]]:
        """Tensor -> extent of its cut dimension, step of a piece, elements of one step."""
        extents = {tensor: slab.extent for tensor, slab in self.slabs.items()}
        units = {tensor: slab.unit for tensor, slab in self.slabs.items()}
        flat_cut = self.count > 1 and any(slab.flat for slab in self.slabs.values())
        multiple = FLAT_MULTIPLE if flat_cut else 1
        return {
            tensor: (extent, _round_up(-(-extent // self.count), multiple), units[tensor])
            for tensor, extent in extents.items()
        }

    def piece(self, tensor: Tensor, index: int) -> tuple[int, int]:
        """First and last + 1 step of a tensor's piece; equal where it has none."""
        extent, step, _ = self.steps[tensor.id]
        return min(extent, index * step), min(extent, (index + 1) * step)

    def bytes(self, tensor: Tensor, index: int) -> int:
        """Packed bytes of a tensor's piece."""
        start, stop = self.piece(tensor, index)
        return -(-(stop - start) * self.steps[tensor.id][2] * tensor.bits // 8)

    def chunks(self, tensor: Tensor, index: int) -> int:
        """Contiguous pieces of memory that a tensor's piece is read from."""
        slab = self.slabs.get(tensor.id)
        if slab is None or slab.picks is None:
            return 1
        start, stop = self.piece(tensor, index)
        along = slab.axis <= slab.picks.dimension
        return slab.chunks * (stop - start if along else 1)

    def read_bytes(self, tensor: Tensor) -> int:
        """Bytes that are read of a tensor in one pass."""
        slab = self.slabs.get(tensor.id)
        if slab is None or slab.picks is None:
            return tensor.bytes
        return -(-prod(slab.seen) * tensor.bits // 8)

    def in_order(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """Those that are cut, in the order in which they are read: indices before their rows."""
        cut = [t for t in tensors if t.id in self.slabs]
        return sorted(cut, key=lambda t: self.slabs[t.id].picks is not None)


def slabs_of(ops: list[Op], tensors: dict[int, Tensor]) -> dict[int, Slab]:
    """Tensors of a vector group that may be cut together; empty if it has to stay whole."""
    op = ops[0]
    if op.kind in (Kind.ELEMENTWISE, Kind.QUANTIZE, Kind.COPY) and _pointwise(op):
        return _elementwise(ops, tensors)
    if op.kind in (Kind.REDUCTION, Kind.NORMALIZATION):
        return _along_kept(op, tensors)
    if op.kind is Kind.POOLING:
        return _planes(op, tensors)
    if op.attributes.get("function") == "concatenate":
        return _joined(op, tensors)
    return {}


def _pointwise(op: Op) -> bool:
    function = op.attributes.get("function")
    if op.kind is Kind.COPY:
        return function == "copy"
    if op.kind is Kind.QUANTIZE:
        return scale_is_given(op)
    return function not in _NOT_POINTWISE


def scale_is_given(op: Op) -> bool:
    """Whether a quantizer knows its scale; without, it measures the whole tensor first.

    One that rounds at random takes the elements in their order, for its numbers come in theirs.
    """
    if op.attributes.get("rounding") == "stochastic":
        return False
    given = (*cast("list[str]", op.attributes.get("operands", [])), *op.attributes)
    return "scale" in given or "exponent" in given


_NOT_POINTWISE = {"nll_loss", "arange", "tril", "triu", "eye", "linspace", "glu", "random"}


def view_of(op: Op, position: int) -> dict[str, list[int]]:
    """How an operation sees an operand: reshape, transpose, broadcast_to."""
    views = cast("list[dict[str, list[int]] | None]", op.attributes.get("views") or [])
    return (views[position] if position < len(views) else None) or {}


def output_view_of(op: Op, position: int) -> dict[str, list[int]]:
    """How an operation sees a result."""
    views = cast("list[dict[str, list[int]] | None]", op.attributes.get("output_views") or [])
    return (views[position] if position < len(views) else None) or {}


def seen_shape(tensor: Tensor, view: dict[str, list[int]]) -> tuple[int, ...]:
    """Shape of an operand under its view, broadcasting included."""
    if "broadcast_to" in view:
        return tuple(view["broadcast_to"])
    shape = tuple(view.get("reshape", tensor.shape))
    return tuple(shape[i] for i in view["transpose"]) if "transpose" in view else shape


def _elementwise(ops: list[Op], tensors: dict[int, Tensor]) -> dict[int, Slab]:
    size = tensors[ops[-1].outputs[0]].elements
    every = [
        (t, view) for op in ops
        for t, view in (
            *((t, view_of(op, i)) for i, t in enumerate(op.inputs)),
            *((t, output_view_of(op, i)) for i, t in enumerate(op.outputs)),
        )
    ]  # fmt: skip
    turned = any("transpose" in view for t, view in every if tensors[t].elements > 1)
    if not turned:
        return {t: flat(tensors[t]) for t, _ in every if tensors[t].elements == size and size > 1}
    return _turned(ops[0], tensors) if len(ops) == 1 else {}


def _turned(op: Op, tensors: dict[int, Tensor]) -> dict[int, Slab]:
    """Cut along one dimension of the result, the outermost of the largest."""
    result = tensors[op.outputs[0]]
    shape = seen_shape(result, output_view_of(op, 0))
    if not shape:
        return {}
    axis = max(range(len(shape)), key=lambda d: (shape[d], -d))
    slabs: dict[int, Slab] = {}
    operands = [(t, view_of(op, i)) for i, t in enumerate(op.inputs)]
    operands += [(t, output_view_of(op, i)) for i, t in enumerate(op.outputs)]
    for t, view in operands:
        tensor = tensors[t]
        inner = tuple(view.get("reshape", tensor.shape))
        turned = tuple(view.get("transpose", ()))
        seen = tuple(inner[i] for i in turned) if turned else inner
        place = axis - (len(shape) - len(seen))
        if place < 0 or seen[place] != shape[axis]:
            continue  # broadcast along the cut: read whole
        slab = Slab(inner, turned, place)
        if slabs.get(t, slab) != slab:
            return {}
        slabs[t] = slab
    return slabs


def _run(shape: tuple[int, ...], first: int, last: int) -> Slab:
    """Dimensions `first` to `last` merged into the one that is cut."""
    outer, extent = prod(shape[:first]), prod(shape[first : last + 1])
    return Slab((outer, extent, prod(shape[last + 1 :])), (), 1)


def kept_run(shape: tuple[int, ...], dims: list[int]) -> tuple[int, int] | None:
    """The largest run of neighbouring dimensions that are not in `dims`: first and last."""
    best: tuple[int, int] | None = None
    start: int | None = None
    for d in range(len(shape) + 1):
        if d < len(shape) and d not in dims:
            start = d if start is None else start
        elif start is not None:
            if best is None or prod(shape[start:d]) > prod(shape[best[0] : best[1] + 1]):
                best = (start, d - 1)
            start = None
    return best


def _along_kept(op: Op, tensors: dict[int, Tensor]) -> dict[int, Slab]:
    source = tensors[op.inputs[0]]
    view = view_of(op, 0)
    shape = seen_shape(source, view)
    dims = [int(d) for d in cast("list[int]", op.attributes.get("dims", []))]
    if "transpose" in view or "broadcast_to" in view or op.attributes.get("function") == "nll_loss":
        return {}
    run = kept_run(shape, dims)
    if run is None or prod(shape[run[0] : run[1] + 1]) < 2:
        return {}
    extent = prod(shape[run[0] : run[1] + 1])
    kept = [1 if d in dims else n for d, n in enumerate(shape)]
    slabs: dict[int, Slab] = {}
    for position, t in enumerate(op.inputs):
        if tensors[t].elements == source.elements:
            if seen_shape(tensors[t], view_of(op, position)) != shape:
                return {}
            if "transpose" in view_of(op, position):
                return {}
            slabs[t] = _run(shape, *run)
    for t in op.outputs:
        elements = tensors[t].elements
        if elements == source.elements:
            slabs[t] = _run(shape, *run)
        elif elements == prod(kept):
            slabs[t] = _run(tuple(kept), *run)
        elif elements == extent:
            slabs[t] = Slab((1, extent, 1), (), 1)
    return slabs


def _planes(op: Op, tensors: dict[int, Tensor]) -> dict[int, Slab]:
    """Pooling: whole images of one channel."""
    window = len(cast("list[int]", op.attributes["kernel"]))
    planes = prod(tensors[op.outputs[0]].shape[:-window])
    slabs: dict[int, Slab] = {}
    operands = [(t, view_of(op, i)) for i, t in enumerate(op.inputs)]
    operands += [(t, output_view_of(op, i)) for i, t in enumerate(op.outputs)]
    for t, view in operands:
        shape = seen_shape(tensors[t], view)
        if "transpose" in view or prod(shape[:-window]) != planes or not tensors[t].elements:
            return {}
        slabs[t] = Slab((1, planes, prod(shape[-window:])), (), 1)
    return slabs if planes > 1 else {}


def _joined(op: Op, tensors: dict[int, Tensor]) -> dict[int, Slab]:
    result = tensors[op.outputs[0]]
    rank = len(result.shape)
    dim = cast(int, op.attributes.get("dim", 0)) % max(1, rank)
    run = kept_run(result.shape, [dim])
    if run is None or prod(result.shape[run[0] : run[1] + 1]) < 2:
        return {}
    slabs: dict[int, Slab] = {}
    for position, t in enumerate((*op.inputs, *op.outputs)):
        view = view_of(op, position) if position < len(op.inputs) else {}
        if "transpose" in view or "broadcast_to" in view:
            return {}
        slabs[t] = _run(seen_shape(tensors[t], view), *run)
    return slabs


def gather_cuts(
    gather: RowGather, tensors: dict[int, Tensor], loaded: bool, burst: int
) -> list[dict[int, Slab]]:
    """Ways to cut a gather of rows, those that read less first.

    The rows that the indices name are read one by one: in pieces of the indices, or, where a row is
    too large, in pieces of the rows. Where the whole table comes to fewer bursts (more indices than
    rows, or rows shorter than a burst), it is read instead: kept beside pieces of the indices, or
    in pieces of what lies outside of the rows.
    """
    table, index, result = (tensors[t] for t in (gather.table, gather.index, gather.result))
    shape = (gather.outer, gather.rows, gather.inner)
    made = (gather.outer, gather.count, gather.inner)
    picks = Picks(1, index.id, gather.count)

    def cut(t: Tensor, of: tuple[int, ...], axis: int, picks: Picks | None = None) -> Slab:
        return Slab(of, (), axis, picks, aligned=t.bits % 8 == 0)

    along_index = {
        index.id: cut(index, (1, gather.count, 1), 1),
        result.id: cut(result, made, 1),
    }
    picked = [along_index | {table.id: cut(table, shape, 1, picks)}]
    picked += [
        {result.id: cut(result, made, axis), table.id: cut(table, shape, axis, picks)}
        for axis in (2, 0)
    ]
    dense = [along_index, {result.id: cut(result, made, 0), table.id: cut(table, shape, 0)}]
    row = burst * -(-gather.inner * table.bits // (8 * burst))
    few = not loaded or gather.outer * gather.count * row < table.bytes
    return [*picked, *dense] if few else [*dense, *picked]


class Room(NamedTuple):
    """Bytes of the buffers that operands and results pass through, and of a DRAM burst."""

    input: int
    output: int
    burst: int = 1


def choose_cut(
    ops: list[Op], tensors: dict[int, Tensor], loads: tuple[Tensor, ...],
    stores: tuple[Tensor, ...], others: tuple[Tensor, ...], room: Room,
) -> Cut | None:  # fmt: skip
    """Fewest pieces whose operands and results fit, two of each in flight.

    Parameters
    ----------
    loads, stores : tuple of Tensor
        What passes through the buffers.
    others : tuple of Tensor
        What is read and written in place, on chip.

    Returns
    -------
    Cut or None
        None when nothing fits, not even one step.
    """
    involved = {t.id for t in (*loads, *stores, *others)}
    gather = row_gather(ops[0], tensors) if len(ops) == 1 else None
    if gather is not None:
        is_loaded = any(t.id == gather.table for t in loads)
        for found in gather_cuts(gather, tensors, is_loaded, room.burst):
            kept = {t: slab for t, slab in found.items() if t in involved}
            count = _count(kept, loads, stores, room) if _extents(kept) == 1 else None
            if count is not None:
                return Cut(kept, count)
        return None
    scatter = row_scatter(ops[0], tensors) if len(ops) == 1 else None
    if scatter is not None and sum(t.bytes for t in stores) > room.output:
        return _scatter(scatter, tensors, loads, stores, room)
    slabs = {t: slab for t, slab in slabs_of(ops, tensors).items() if t in involved}
    everything = sum(t.bytes for t in loads) <= room.input
    if everything and sum(t.bytes for t in stores) <= room.output:
        return Cut({}, whole=True)
    for candidate in (slabs, _broadcast_kept(slabs, loads, tensors)):
        if _extents(candidate) == 1:
            count = _count(candidate, loads, stores, room)
            if count is not None:
                return Cut(candidate, count)
    return _stream(ops, tensors, loads, stores, others, room)


def _scatter(
    scatter: RowScatter, tensors: dict[int, Tensor], loads: tuple[Tensor, ...],
    stores: tuple[Tensor, ...], room: Room,
) -> Cut | None:  # fmt: skip
    """A result in memory: filled with zeros, then rows of it are read, added to and written."""
    values, index, result = (tensors[t] for t in (scatter.values, scatter.index, scatter.result))
    added = (1, scatter.count, scatter.inner)
    slabs = {
        index.id: Slab((1, scatter.count, 1), (), 1, aligned=index.bits % 8 == 0),
        values.id: Slab(added, (), 1, aligned=values.bits % 8 == 0),
        result.id: Slab(
            (1, scatter.rows, scatter.inner), (), 1, Picks(1, index.id, scatter.count),
            aligned=result.bits % 8 == 0,
        ),
    }  # fmt: skip
    count = _count(slabs, (*loads, result), stores, room)
    zeros = {result.id: flat(result)}
    pieces = _count(zeros, (), stores, room)
    if count is None or pieces is None:
        return None
    return Cut(zeros, pieces, updates=Cut(slabs, count))


def _extents(slabs: dict[int, Slab]) -> int:
    return len({slab.extent for slab in slabs.values()})


def _broadcast_kept(
    slabs: dict[int, Slab], loads: tuple[Tensor, ...], tensors: dict[int, Tensor]
) -> dict[int, Slab]:
    """The same slabs without those of a different extent than the largest tensor's."""
    if not slabs:
        return slabs
    largest = max(slabs, key=lambda t: tensors[t].elements)
    extent = slabs[largest].extent
    return {t: slab for t, slab in slabs.items() if slab.extent == extent}


def _count(
    slabs: dict[int, Slab], loads: tuple[Tensor, ...], stores: tuple[Tensor, ...], room: Room
) -> int | None:
    """Number of pieces along a common extent, or None if one step does not fit."""
    extent = next(iter(slabs.values())).extent
    steps = [extent]
    for moved, size in ((loads, room.input), (stores, room.output)):
        kept = sum(t.bytes for t in moved if t.id not in slabs)
        unit = sum(slabs[t.id].unit * t.bits / 8 for t in moved if t.id in slabs)
        # a byte of slack for each tensor whose piece ends within one
        free = size - kept - 2 * len(moved)
        if unit * extent <= free or not unit:
            if kept > size:
                return None
            continue
        steps.append(int(free / 2 // unit) or int(free // unit))
    step = min(steps)
    if step < 1:
        return None
    if any(slab.flat for slab in slabs.values()) and step < extent:
        step = step // FLAT_MULTIPLE * FLAT_MULTIPLE
        if not step:
            return None
        balanced = -(-extent // -(-extent // step))
        step = -(-balanced // FLAT_MULTIPLE) * FLAT_MULTIPLE
    return -(-extent // step)


def _stream(
    ops: list[Op], tensors: dict[int, Tensor], loads: tuple[Tensor, ...],
    stores: tuple[Tensor, ...], others: tuple[Tensor, ...], room: Room,
) -> Cut | None:  # fmt: skip
    """Operands stream past; the unit keeps what it needs of them."""
    largest = max((t.elements for t in loads), default=1)
    slabs = {t.id: flat(t) for t in loads if t.elements * 8 > largest}
    passes = 2 if ops[0].kind in (Kind.NORMALIZATION, Kind.QUANTIZE) else 1
    if sum(t.bytes for t in stores) > room.output:
        passes = 2
        slabs |= {t.id: flat(t) for t in stores if t.elements >= largest}
    count = 1
    for moved, size in ((loads, room.input), (stores, room.output)):
        kept = sum(t.bytes for t in moved if t.id not in slabs)
        cut = [t for t in moved if t.id in slabs]
        slack = sum(FLAT_MULTIPLE * t.bits // 4 + 2 for t in cut)  # of rounded pieces, twice
        free = size - kept - slack
        if cut and free > 0:
            count = max(count, ceil(2 * sum(t.bytes for t in cut) / free))
        if kept > size or (cut and free <= 0):
            return None
    longest = max((slab.extent for slab in slabs.values()), default=1)
    if count > 1:  # rounding must not leave the last pieces of the longest empty
        step = _round_up(-(-longest // count), FLAT_MULTIPLE)
        count = -(-longest // step)
    return Cut(slabs, count, passes, whole=True)
