"""Count the memory of one training step, storage by storage, in the bits the hardware would hold.

A dispatch mode watches every operator of forward pass, backward pass and update. What is counted,
and how:

- every storage from its allocation to its release, views sharing one storage: parameters,
  gradients, optimizer state, the input sample and its label, saved activations, temporaries and
  layout copies;
- a storage's width is its type's, unless an ``edge.*`` operator wrote it (its `bits`), a tensor
  says otherwise (attribute `bits`, set where parameters and state are held in fixed point), or it
  is a copy, a selection or a rectified version of one value (the width of that value);
- each tensor with an exponent of its own takes one byte more; storages are packed to whole bytes;
- a product that is read by one rounding operator and by nobody afterwards is written back
  rounded: both are one storage of the rounded width (its wider self lives in the accumulators);
- the inside of an operator (accumulators, the element-wise update unit) is not counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operators whose result holds values of their first tensor, or zeros.
PRESERVING = frozenset(
    {
        "clone",
        "copy",
        "contiguous",
        "_to_copy",
        "relu",
        "threshold_backward",
        "index_select",
        "detach",
        "new_zeros",
        "zeros_like",
    }
)


@dataclass
class Held:
    """A storage: elements, width, and the operator indices between which it lives."""

    elements: int
    bits: int
    birth: int
    role: str = "activation"
    death: int | None = None
    last_use: int = -1
    exponent: bool = False
    origin: str = ""

    @property
    def bytes(self) -> int:
        """Packed bytes, with the shared exponent's."""
        return -(-self.elements * self.bits // 8) + int(self.exponent)


@dataclass
class MemoryCount:
    """Result: bytes at the moment of the peak, in total and by role."""

    peak: int
    by_role: dict[str, int]
    storages: list[Held] = field(repr=False, default_factory=list)


class StorageCounter(TorchDispatchMode):
    """Record storages while a training step runs.

    Parameters
    ----------
    existing : iterable of (role, tensor)
        What is there before the step: parameters, state, input.
    """

    def __init__(self, existing: Iterable[tuple[str, Tensor]]) -> None:
        super().__init__()
        self.held: dict[int, Held] = {}
        self.keys: dict[int, int] = {}
        self.clock = 0
        self.merges: list[tuple[int, int]] = []
        for role, tensor in existing:
            number = self._number(tensor)
            self.held[number].role = role
            if hasattr(tensor, "bits"):
                self.held[number].bits = int(tensor.bits)
                self.held[number].exponent = True

    def _number(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.keys:
            return self.keys[key]
        number = len(self.held)
        size = tensor.element_size()
        self.held[number] = Held(storage.nbytes() // size, 8 * size, self.clock)
        self.keys[key] = number
        # A finalizer rather than a check afterwards: the moment of release is what counts.
        weakref.finalize(storage, self._release, key, number)
        return number

    def mark(self, tensor: Tensor, role: str) -> None:
        """Give a storage its role (a gradient that does not live to the end of the step)."""
        self.held[self._number(tensor)].role = role

    def _release(self, key: int, number: int) -> None:
        if self.keys.get(key) == number:
            del self.keys[key]
            self.held[number].death = self.clock

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        numbers = [self._number(t) for t in given]
        known = len(self.held)
        result = func(*args, **kwargs)
        for number in numbers:
            self.held[number].last_use = self.clock
        if func._schema.name == "aten::copy_" and self.held[numbers[0]].role == "activation":
            self._same_width(numbers[1], numbers[0])
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                number = self._number(tensor)
                self.held[number].last_use = self.clock
                if number >= known:
                    self.held[number].origin = str(func)
                    self._width(func, args, kwargs, numbers, number)
        self.clock += 1
        return result

    def _width(
        self, func: Any, args: tuple[Any, ...], kwargs: Any, inputs: list[int], number: int
    ) -> None:
        name = func._schema.name.split("::")
        if name[0] == "edge":
            names = [a.name for a in func._schema.arguments]
            bound = dict(zip(names, args, strict=False)) | kwargs
            self.held[number].bits = int(bound["bits"])
            self.held[number].exponent = True
            self.merges.append((inputs[0], number))
        elif name[1].rstrip("_") in PRESERVING and inputs:
            self._same_width(inputs[0], number)

    def _same_width(self, source: int, target: int) -> None:
        self.held[target].bits = self.held[source].bits
        self.held[target].exponent = self.held[source].exponent

    def count(self, gradients: Iterable[Tensor] = (), merge: bool = True) -> MemoryCount:
        """Sum up the storages of the step.

        Parameters
        ----------
        gradients : the parameters' gradients at the end of the step
        merge : bool
            Whether a product that is only rounded counts as its rounded self; otherwise both
            count, the product in the width of its type.
        """
        for tensor in gradients:
            number = self.keys.get(tensor.untyped_storage()._cdata)
            if number is not None:
                self.held[number].role = "gradient"
        merged = dict(self.held)
        for source, target in self.merges if merge else ():
            inner = merged.get(source)
            if inner is not None and inner.birth >= 0 and self._only_rounded(source, target):
                merged[target].birth = min(merged[target].birth, inner.birth)
                del merged[source]
        starts: dict[int, list[Held]] = {}
        ends: dict[int, list[Held]] = {}
        for held in merged.values():
            death = self.clock if held.death is None else held.death
            starts.setdefault(held.birth, []).append(held)
            ends.setdefault(max(death, held.birth + 1), []).append(held)
        live: dict[str, int] = {}
        best = MemoryCount(0, {})
        for moment in range(self.clock):
            for held in ends.get(moment, []):
                live[held.role] -= held.bytes
            for held in starts.get(moment, []):
                live[held.role] = live.get(held.role, 0) + held.bytes
            if sum(live.values()) > best.peak:
                best = MemoryCount(sum(live.values()), dict(live))
        best.storages = list(merged.values())
        return best

    def _only_rounded(self, source: int, target: int) -> bool:
        held = self.held[source]
        return held.role == "activation" and held.last_use <= self.held[target].birth
