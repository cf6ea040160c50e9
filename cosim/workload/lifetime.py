"""Memory that a workload needs, operation by operation.

A storage lives from the operation that first writes it through the one after which it is freed.
What one allocation takes is the reach of its widest tensor. Two ways to count:

* ``framework``: bytes of the element type, as PyTorch allocates them;
* ``hardware``: bytes of the bits, packed. What an inference computes from weights alone (their
  quantization) is there from the start instead of what it was computed from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosim.workload.quantized import DTYPE_BITS
from cosim.workload.views import extent
from cosim.workload.workload import Role, Tensor, Workload

Unit = Literal["framework", "hardware"]


@dataclass(frozen=True)
class Allocation:
    """One storage: what it takes, for what, and from which operation to which."""

    storage: int
    tensor: Tensor
    """The widest tensor on it; the others are views."""
    bytes: int
    birth: int
    death: int

    @property
    def role(self) -> Role:
        return self.tensor.role


@dataclass(frozen=True)
class Memory:
    """Memory over time.

    Attributes
    ----------
    by_role : mapping of Role to int64 array, shape (n_ops,)
        Bytes alive while each operation runs. The arrays of all roles add up to `total`.
    total : int64 array, shape (n_ops,)
    """

    allocations: tuple[Allocation, ...]
    by_role: Mapping[Role, NDArray[np.int64]]
    total: NDArray[np.int64]

    @property
    def peak(self) -> int:
        """Bytes at the fullest moment."""
        return int(self.total.max(initial=0))

    @property
    def peak_op(self) -> int:
        """The first operation that runs at the peak; -1 where there is none."""
        return int(self.total.argmax()) if len(self.total) else -1

    @property
    def peak_by_role(self) -> dict[Role, int]:
        """Bytes by role at the fullest moment; they add up to `peak`."""
        at = self.peak_op
        return {role: int(values[at]) for role, values in self.by_role.items()} if at >= 0 else {}

    def alive(self, op: int) -> list[Allocation]:
        """Allocations that are there while an operation runs, the largest first."""
        there = [a for a in self.allocations if a.birth <= op <= a.death]
        return sorted(there, key=lambda a: (-a.bytes, a.storage))


def memory(workload: Workload, unit: Unit = "hardware") -> Memory:
    """Count the memory alive while each operation runs.

    Parameters
    ----------
    unit : {'hardware', 'framework'}
        Bits of the machine, packed; or the element type of the framework.
    """
    found = allocations(workload, unit)
    count = len(workload.ops)
    by_role = {}
    for role in Role:
        change = np.zeros(count + 1, np.int64)
        for allocation in found:
            if allocation.role is role:
                change[max(0, allocation.birth)] += allocation.bytes
                change[min(count, allocation.death + 1)] -= allocation.bytes
        by_role[role] = np.cumsum(change)[:count]
    total = np.zeros(count, np.int64)
    for values in by_role.values():
        total += values
    return Memory(found, by_role, total)


def allocations(workload: Workload, unit: Unit = "hardware") -> tuple[Allocation, ...]:
    """Every storage of a workload, in the order of their numbers."""
    widest: dict[int, tuple[int, Tensor]] = {}
    needless, prepared = _folded(workload) if unit == "hardware" else (set(), set())
    for tensor in workload.tensors:
        if tensor.storage in needless:
            continue
        size = _bytes(tensor, unit)
        if tensor.storage not in widest or size > widest[tensor.storage][0]:
            widest[tensor.storage] = (size, tensor)
    return tuple(
        Allocation(storage, tensor, size, -1, len(workload.ops))
        if storage in prepared
        else Allocation(storage, tensor, size, tensor.birth, tensor.death)
        for storage, (size, tensor) in sorted(widest.items())
    )


def _folded(workload: Workload) -> tuple[set[int], set[int]]:
    """Storages that only feed constant operations, and those they leave for the others."""
    storage = [tensor.storage for tensor in workload.tensors]
    fed: set[int] = set()
    made: set[int] = set()
    used: set[int] = set()
    for op in workload.ops:
        constant = bool(op.attributes.get("constant"))
        (fed if constant else used).update(storage[t] for t in op.inputs)
        if constant:
            made.update(storage[t] for t in op.outputs)
    return (fed | made) - used, made & used


def _bytes(tensor: Tensor, unit: Unit) -> int:
    """Bytes from the start of the storage to the tensor's last element."""
    bits = tensor.bits if unit == "hardware" else DTYPE_BITS.get(tensor.dtype, tensor.bits)
    if tensor.strides:
        elements = tensor.offset + extent(tensor.shape, tensor.strides)
    else:
        elements = tensor.offset * (tensor.elements > 0) + tensor.elements
    return -(-elements * bits // 8)
