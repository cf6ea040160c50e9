"""Gathers that read rows and scatters that add to them: embeddings and their gradients.

::

    result[..., i, ...] = table[..., index[i], ...]        a gather along one dimension
    result = 0; result[index[i], ...] += values[i, ...]    the gradient of an embedding

Such an operation needs the rows that its indices name, whatever else is in the table. Which ones
they are is known when the machine runs; how many there are, and how large, is known before.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import cast

from cosim.workload.workload import Kind, Op, Tensor

View = dict[str, list[int]]

ROW_GATHERS = frozenset({"embedding", "index_select", "index", "_unsafe_index"})


@dataclass(frozen=True)
class RowGather:
    """A gather along one dimension.

    The table is seen as ``(outer, rows, inner)``, the result as ``(outer, count, inner)``.
    """

    table: int
    index: int
    result: int
    outer: int
    rows: int
    inner: int
    count: int

    def read_bytes(self, bits: int) -> int:
        """Bytes of the rows that the indices name, one after the other."""
        return -(-self.outer * self.count * self.inner * bits // 8)


def row_gather(op: Op, tensors: dict[int, Tensor]) -> RowGather | None:
    """`op` as a gather of rows; None for an operation that is none.

    Masks, several index tensors at once, gradients, and operands that are seen transposed or
    broadcast are none.
    """
    if op.kind is not Kind.GATHER or _name(op) not in ROW_GATHERS:
        return None
    if len(op.inputs) != 2 or len(set(op.inputs)) != 2 or not op.outputs:
        return None
    views = cast("list[View | None]", op.attributes.get("views") or [None, None])
    made = cast("list[View | None]", op.attributes.get("output_views") or [None])
    if any(set(view or ()) - {"reshape"} for view in (*views, *made)):
        return None
    table, index, result = (tensors[t] for t in (*op.inputs, op.outputs[0]))
    if "int" not in index.dtype or not index.elements:
        return None
    shape = tuple((views[0] or {}).get("reshape", table.shape))
    dimension = picked_dimension(op, len(shape))
    if dimension is None:
        return None
    outer, inner = prod(shape[:dimension]), prod(shape[dimension + 1 :])
    found = RowGather(
        table.id, index.id, result.id, outer, shape[dimension], inner, index.elements
    )  # fmt: skip
    return found if result.elements == outer * found.count * inner else None


@dataclass(frozen=True)
class RowScatter:
    """The gradient of an embedding: rows added into a tensor of zeros.

    The values are seen as ``(count, inner)``, the result as ``(rows, inner)``. An index that is
    `skipped` adds nothing.
    """

    values: int
    index: int
    result: int
    rows: int
    inner: int
    count: int
    skipped: int


def row_scatter(op: Op, tensors: dict[int, Tensor]) -> RowScatter | None:
    """`op` as a scatter of rows; None for an operation that is none."""
    if op.kind is not Kind.GATHER or _name(op) != "embedding_dense_backward":
        return None
    if op.attributes.get("scale_grad_by_freq") or len(set(op.inputs)) != 2 or not op.outputs:
        return None
    views = cast("list[View | None]", op.attributes.get("views") or [])
    made = cast("list[View | None]", op.attributes.get("output_views") or [])
    if any(set(view or ()) - {"reshape"} for view in (*views, *made)):
        return None
    values, index, result = (tensors[t] for t in (*op.inputs, op.outputs[0]))
    rows = cast(int, op.attributes.get("num_weights", 0))
    if not index.elements or not rows or "int" not in index.dtype:
        return None
    inner = result.elements // rows
    if values.elements != index.elements * inner:
        return None
    skipped = cast(int, op.attributes.get("padding_idx", -1))
    return RowScatter(
        values.id, index.id, result.id, rows, inner, index.elements, skipped
    )  # fmt: skip


def picked_dimension(op: Op, rank: int) -> int | None:
    """The dimension of a table of so many that a gather picks from; None if there is no such."""
    name = _name(op)
    if name not in ROW_GATHERS or op.attributes.get("gradient") or not rank:
        return None
    if name == "index_select":
        return cast(int, op.attributes.get("dim", 0)) % rank
    # x[:, i] is index(x, [None, i]): a list with gaps has the operands' places in it
    listed = cast("list[object] | None", op.attributes.get("indices"))
    if name == "embedding" or listed is None:
        return 0
    places = [d for d, item in enumerate(listed) if item is not None]
    return places[0] if len(places) == 1 else None


def _name(op: Op) -> str:
    return op.name.split(".")[1] if "." in op.name else op.name
