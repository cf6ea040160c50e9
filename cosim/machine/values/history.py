"""What PyTorch had in a tensor when it came to an operation."""

from __future__ import annotations

from math import prod

import numpy as np

from cosim.machine.values.codes import Array
from cosim.workload.reference import Reference
from cosim.workload.workload import Tensor, Workload


class History:
    """Values of tensors over the course of a recorded run.

    Tensors that share a storage may overlap (slices, gradients in place): what one of them holds is
    then put together from everything written to the storage before.
    """

    def __init__(self, workload: Workload) -> None:
        self._tensors = {t.id: t for t in workload.tensors}
        self._sharing: dict[int, list[Tensor]] = {}
        for tensor in workload.tensors:
            self._sharing.setdefault(tensor.storage, []).append(tensor)
        self._written: dict[int, list[tuple[int, int, int]]] = {}
        for op in workload.ops:
            for position, t in enumerate(op.outputs):
                storage = self._tensors[t].storage
                self._written.setdefault(storage, []).append((op.id, position, t))

    def at(self, reference: Reference, tensor: int, before: int) -> Array | None:
        """Values of a tensor as operation `before` reads it, shape (samples or 1, *shape)."""
        if tensor not in self._tensors:
            return reference.initial.get(tensor)
        storage = self._tensors[tensor].storage
        writes = [
            (t, reference.outputs[op, position])
            for op, position, t in self._written.get(storage, [])
            if op < before and (op, position) in reference.outputs
        ]
        if all(t == tensor for t, _ in writes) and (writes or tensor in reference.initial):
            return writes[-1][1] if writes else reference.initial[tensor]
        existing = [
            (t.id, reference.initial[t.id])
            for t in self._sharing[storage] if t.id in reference.initial
        ]  # fmt: skip
        return self._put_together(tensor, existing + writes)

    def is_written(self, tensor: int, before: int) -> bool:
        """Whether an operation before has written to a tensor's storage."""
        known = self._tensors.get(tensor)
        writes = self._written.get(known.storage, []) if known is not None else []
        return any(op < before for op, _, _ in writes)

    def _put_together(self, tensor: int, written: list[tuple[int, Array]]) -> Array | None:
        if not written:
            return None
        wanted = _elements(self._tensors[tensor])
        places = {t: _elements(self._tensors[t]) for t, _ in written}
        end = 1 + max(int(p.max(initial=0)) for p in (*places.values(), wanted))
        lanes = max(len(values) for _, values in written)
        held = np.full((lanes, end), np.nan)
        for t, values in written:
            held[:, places[t].reshape(-1)] = values.reshape(len(values), -1)
        found = held[:, wanted]
        return None if np.isnan(found).all() and found.size else found


def _elements(tensor: Tensor) -> Array:
    """Places of a tensor's elements in its storage, in its shape."""
    if not tensor.strides:
        return tensor.offset + np.arange(prod(tensor.shape)).reshape(tensor.shape)
    place: Array = np.full(tensor.shape, tensor.offset)
    for dimension, (extent, stride) in enumerate(zip(tensor.shape, tensor.strides, strict=True)):
        shape = [1] * len(tensor.shape)
        shape[dimension] = extent
        place = place + (np.arange(extent) * stride).reshape(shape)
    return place
