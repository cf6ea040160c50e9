"""Groups of the vector unit and of the host, in numbers.

A piece of a cut is computed from its own operands alone. Where a group is not cut that way, the
unit has seen all operands by the last piece, and what it makes of them is computed then.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.machine.values.layout import Layout
from cosim.machine.values.operations import evaluate, take_rows
from cosim.machine.values.tile_product import TileProduct
from cosim.machine.values.viewed import seen, unseen
from cosim.mapping.cuts import (
    Cut,
    Slab,
    kept_run,
    output_view_of,
    seen_shape,
    view_of,
)  # fmt: skip
from cosim.mapping.fusion import CONTRACTIONS, Group
from cosim.mapping.regions import Region
from cosim.mapping.row_gather import RowGather, row_gather
from cosim.workload.reference import Reference
from cosim.workload.workload import Kind, Op

Values = dict[int, Array]


def sums_over_pieces(op: Op) -> bool:
    """Whether results that are not cut are sums over what is: gradients of a norm's constants."""
    return op.kind is Kind.NORMALIZATION and bool(op.attributes.get("gradient"))


class VectorValues:
    """What the operations of one group make of its operands, whole or piece by piece."""

    def __init__(
        self, group: Group, layout: Layout, reference: Reference, cut: Cut | None,
        taken: Callable[[Op], None],
    ) -> None:  # fmt: skip
        self.group, self.layout, self.reference, self.cut = group, layout, reference, cut
        self._taken = taken

    # Whole

    def whole(self, values: Values) -> Values:
        """Every tensor that the group's operations write, from everything they read.

        Parameters
        ----------
        values : dict
            Real values by tensor, in the tensors' shapes; results are added.
        """
        for op in self.group.ops:
            operands = [seen(values[t], view_of(op, i)) for i, t in enumerate(op.inputs)]
            for position, made in enumerate(self._made(op, operands)):
                tensor = op.outputs[position]
                shape = self.layout.tensors[tensor].shape
                values[tensor] = unseen(made, output_view_of(op, position), shape)
        return values

    def _made(self, op: Op, operands: list[Array]) -> list[Array]:
        if not op.outputs:  # a number told to the host
            return []
        if op.kind in CONTRACTIONS:
            return [self._product(op, operands)]
        shape = seen_shape(self.layout.tensors[op.outputs[0]], output_view_of(op, 0))
        try:
            return evaluate(self.reference.as_run(op), operands, shape)[: len(op.outputs)]
        except CosimError:
            return [
                seen(self._reference(op, position), output_view_of(op, position))
                for position in range(len(op.outputs))
            ]

    def _reference(self, op: Op, position: int) -> Array:
        """What PyTorch made, where nothing here knows the operation."""
        found = self.reference.outputs.get((op.id, position))
        if found is None:
            raise CosimError(f"no values of operation '{op.name}'", where=f"layer '{op.layer}'")
        self._taken(op)
        return found

    def _product(self, op: Op, operands: list[Array]) -> Array:
        """A contraction on the host: in double precision, whole; codes as their numerators."""
        assert op.result is not None
        codes = [self.layout.codes[a.tensor] for a in op.accesses]
        unit = 1.0
        if all(code.quantized and len(code.unit) == 1 for code in codes):
            unit = codes[0].unit[0] * codes[1].unit[0]
            operands = [
                *(np.rint(o / c.unit[0]) for o, c in zip(operands[:2], codes, strict=True)),
                *operands[2:],
            ]
        first, second = (
            o.astype(np.float64).reshape(o.shape[0], *a.view_shape)
            for o, a in zip(operands[:2], op.accesses, strict=True)
        )
        boxes = [
            Region(a.tensor, a.view_shape, tuple((0, n, 1) for n in a.view_shape))
            for a in (*op.accesses, op.result)
        ]
        shape = self.layout.tensors[op.outputs[0]].shape
        sums = TileProduct.of(op)({}, first, second, (boxes[0], boxes[1], boxes[2]))
        result = sums.reshape(sums.shape[0], *shape)
        result = result * (unit * float(op.attributes.get("alpha", 1)))  # type: ignore[arg-type]
        if len(operands) > 2:
            addend = operands[2] * float(op.attributes.get("beta", 1))  # type: ignore[arg-type]
            if op.kind is Kind.CONVOLUTION and addend.ndim == 2:
                addend = addend.reshape(*addend.shape, *[1] * (len(shape) - 2))
            result = result + addend
        return np.asarray(result)

    # Pieces

    def piece(self, pieces: Values, whole: Values, span: tuple[int, int]) -> Values:
        """Pieces of everything the group writes, in the shapes of their slabs.

        Parameters
        ----------
        pieces : dict
            Operands that are cut, this piece of them, as their slabs' boxes.
        whole : dict
            Operands that are not cut, in the tensors' shapes.
        span : (int, int)
            Where the piece starts and stops along the cut.
        """
        assert self.cut is not None
        gather = row_gather(self.group.ops[0], self.layout.tensors)
        if gather is not None:
            return {gather.result: self._rows(gather, pieces, whole)}
        done = dict(pieces)
        for op in self.group.ops:
            shape = seen_shape(self.layout.tensors[op.outputs[0]], output_view_of(op, 0))
            run = self._run(op)
            operands = [
                self._piece_of(op, i, done, whole, shape, span, run) for i in range(len(op.inputs))
            ]
            for position, made in enumerate(self._pieces_made(op, operands, span, run)):
                tensor = op.outputs[position]
                if run is not None and tensor not in self.cut.slabs:
                    if sums_over_pieces(op):
                        done[tensor] = made
                    continue  # or places of a maximum, say, that nobody reads
                slab = self.cut.slabs.get(tensor) or self._flat(tensor)
                sizes = [span[1] - span[0] if d == slab.axis else n
                         for d, n in enumerate(slab.seen)]  # fmt: skip
                wide = made
                if made[0].size != prod(sizes):
                    wide = np.broadcast_to(made, (made.shape[0], *sizes))
                done[tensor] = wide.reshape(made.shape[0], *sizes)
        return done

    def _rows(self, gather: RowGather, pieces: Values, whole: Values) -> Array:
        """A piece of what a gather makes: the rows that were read, or picked from those here."""
        assert self.cut is not None
        slab, table = self.cut.slabs.get(gather.table), pieces.get(gather.table)
        if slab is not None and slab.picks is not None:
            assert table is not None
            return table
        if table is None:
            table = whole[gather.table].reshape(-1, gather.outer, gather.rows, gather.inner)
        index = pieces[gather.index] if gather.index in pieces else whole[gather.index]
        return take_rows(table, index.reshape(len(index), -1), 1)

    def _flat(self, tensor: int) -> Slab:
        return Slab((self.layout.tensors[tensor].elements,), (), 0)

    def _run(self, op: Op) -> tuple[int, int] | None:
        """Dimensions of the operation's operand that are cut as one; None if the cut is flat."""
        assert self.cut is not None
        if op.kind in (Kind.REDUCTION, Kind.NORMALIZATION):
            shape = seen_shape(self.layout.tensors[op.inputs[0]], view_of(op, 0))
            dims = [int(d) for d in op.attributes.get("dims", [])]  # type: ignore[attr-defined]
            return kept_run(shape, dims)
        if op.kind is Kind.POOLING:
            window = len(op.attributes["kernel"])  # type: ignore[arg-type]
            shape = seen_shape(self.layout.tensors[op.inputs[0]], view_of(op, 0))
            return (0, len(shape) - window - 1)
        if op.attributes.get("function") == "concatenate":
            result = self.layout.tensors[op.outputs[0]].shape
            dim = int(op.attributes.get("dim", 0)) % len(result)  # type: ignore[call-overload]
            return kept_run(result, [dim])
        return None

    def _piece_of(
        self, op: Op, position: int, done: Values, whole: Values, shape: tuple[int, ...],
        span: tuple[int, int], run: tuple[int, int] | None,
    ) -> Array:  # fmt: skip
        tensor, view = op.inputs[position], view_of(op, position)
        if tensor in done:
            values = done[tensor]
            if run is None:
                return values
            seen_as = seen_shape(self.layout.tensors[tensor], view)
            middle = [1] * (run[1] - run[0]) + [span[1] - span[0]]
            return values.reshape(
                values.shape[0], *seen_as[: run[0]], *middle, *seen_as[run[1] + 1 :]
            )
        values = seen(whole[tensor], view)
        if values[0].size == 1:
            return values.reshape(values.shape[0], *[1] * self._rank(op, shape, run))
        if run is not None:
            if op.attributes.get("kind") == "batch" and values.ndim == 2:
                return values[:, span[0] : span[1]]
            return self._of_run(op, values, span, run)
        full = np.broadcast_to(
            values.reshape(
                values.shape[0], *[1] * (len(shape) + 1 - values.ndim), *values.shape[1:]
            ),
            (values.shape[0], *shape),
        )
        slab = self._slab_of_result(op)
        if slab.transpose or len(slab.shape) > 1:
            window = [slice(None)] * (1 + len(shape))
            window[1 + slab.axis] = slice(*span)
            return full[tuple(window)]
        return full.reshape(values.shape[0], -1)[:, span[0] : span[1]]

    def _of_run(self, op: Op, values: Array, span: tuple[int, int], run: tuple[int, int]) -> Array:
        """An operand that is held whole, as a piece sees it: statistics have the rows that are cut.

        Others (constants of a norm) are the same for all pieces.
        """
        first, last = run
        source = seen_shape(self.layout.tensors[op.inputs[0]], view_of(op, 0))
        rows = source[first : last + 1]
        if values.ndim - 1 != len(source) or values.shape[1 + first : 2 + last] != rows:
            return values
        merged = values.reshape(
            *values.shape[: 1 + first], *[1] * (last - first), prod(rows), *values.shape[2 + last :]
        )
        window = [slice(None)] * merged.ndim
        window[1 + last] = slice(*span)
        return merged[tuple(window)]

    def _rank(self, op: Op, shape: tuple[int, ...], run: tuple[int, int] | None) -> int:
        if run is not None:
            return len(shape)
        return len(self._slab_of_result(op).shape)

    def _slab_of_result(self, op: Op) -> Slab:
        assert self.cut is not None
        return self.cut.slabs.get(op.outputs[0]) or self._flat(op.outputs[0])

    def _pieces_made(
        self, op: Op, operands: list[Array], span: tuple[int, int], run: tuple[int, int] | None
    ) -> list[Array]:
        sizes = [span[1] - span[0] if d == self._slab_of_result(op).axis else n
                 for d, n in enumerate(self._slab_of_result(op).seen)]  # fmt: skip
        try:
            return evaluate(self.reference.as_run(op), operands, tuple(sizes))[: len(op.outputs)]
        except CosimError:
            made = []
            for position, tensor in enumerate(op.outputs):
                slab = self.cut.slabs.get(tensor, self._flat(tensor)) if self.cut else None
                assert slab is not None
                values = self._reference(op, position)
                values = values.reshape(values.shape[0], *slab.shape)
                if slab.transpose:
                    values = values.transpose(0, *(1 + d for d in slab.transpose))
                window = [slice(None)] * values.ndim
                window[1 + slab.axis] = slice(*span)
                made.append(values[tuple(window)])
            return made
