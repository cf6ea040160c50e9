"""Strided views, and how they read the tensor that they are a view of.

Views cost nothing and are no operations: transposed, reshaped and broadcast operands are seen
through. Two views of one storage are the same `Tensor` when they hold the same elements, whatever
their shape; what differs is the `Access`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from cosim.workload.trace import View
from cosim.workload.workload import Access, Index

Region = tuple[object, ...]
"""Identity of a set of elements: storage, element type, first element, runs of elements."""


@dataclass(frozen=True)
class Layout:
    """The dimensions of a view in the order of memory.

    `order` lists the dimensions of the view, outermost in memory first; `shape` and `strides`
    follow that order. A broadcast dimension counts one element.
    """

    order: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    region: Region

    @property
    def contiguous(self) -> bool:
        """Row-major without gaps."""
        return _row_major(self.shape, self.strides)


def layout(view: View) -> Layout:
    """Sort the dimensions of a view by their place in memory."""
    shape = tuple(
        1 if stride == 0 else extent
        for extent, stride in zip(view.shape, view.strides, strict=True)
    )
    empty = 0 in view.shape
    kept = [i for i, extent in enumerate(shape) if extent != 1]
    by_stride = kept if empty else sorted(kept, key=lambda i: (-view.strides[i], i))
    if by_stride == kept:  # dimensions of extent 1 may stay where they are
        order = tuple(range(len(shape)))
    else:
        order = (*(i for i, extent in enumerate(shape) if extent == 1), *by_stride)
    runs: list[tuple[int, int]] = []
    for i in by_stride:
        extent, stride = shape[i], view.strides[i]
        if runs and runs[-1][1] == extent * stride:
            runs[-1] = (runs[-1][0] * extent, stride)
        else:
            runs.append((extent, stride))
    # an empty view has no elements to tell it by
    identity = view.shape if empty else tuple(runs)
    return Layout(
        order=order,
        shape=tuple(view.shape[i] if empty else shape[i] for i in order),
        strides=tuple(view.strides[i] for i in order),
        region=(view.storage, view.dtype, view.offset, identity),
    )


def extent(view_shape: Sequence[int], strides: Sequence[int]) -> int:
    """Elements from the first to the last of a strided view, both counted."""
    if 0 in view_shape:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(view_shape, strides, strict=True))


def access(tensor: int, view: View, indices: Sequence[Index]) -> Access:
    """An access to `tensor` seen as `view`, whose dimensions have the given indices."""
    placed = layout(view)
    broadcast = [s == 0 and n != 1 for n, s in zip(view.shape, view.strides, strict=True)]
    kept = [i for i in placed.order if not broadcast[i]]
    return Access(
        tensor=tensor,
        indices=tuple(indices[i] for i in kept),
        view_shape=tuple(view.shape[i] for i in kept),
    )


def description(view: View, tensor_shape: tuple[int, ...]) -> dict[str, list[int]] | None:
    """How a tensor has to be turned to be seen as `view`, for operations without loop nest.

    Returns
    -------
    dict or None
        Up to three steps, in this order, in the words of numpy: ``reshape``, ``transpose``,
        ``broadcast_to``; None if the tensor is seen as it is.
    """
    placed = layout(view)
    steps: dict[str, list[int]] = {}
    if placed.shape != tensor_shape:
        steps["reshape"] = list(placed.shape)
    if placed.order != tuple(range(len(placed.order))):
        inverse = sorted(range(len(placed.order)), key=placed.order.__getitem__)
        steps["transpose"] = inverse
    unbroadcast = prod(placed.shape)
    if unbroadcast != prod(view.shape):
        steps["broadcast_to"] = list(view.shape)
    return steps or None


def _row_major(shape: Sequence[int], strides: Sequence[int]) -> bool:
    expected = 1
    for n, stride in zip(reversed(shape), reversed(strides), strict=True):
        if n == 0:
            return True
        if n != 1:
            if stride != expected:
                return False
            expected *= n
    return True
