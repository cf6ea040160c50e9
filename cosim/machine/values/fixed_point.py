"""Real numbers of a network as a machine without floating point holds them.

A design with `fixed_point` moves and multiplies integers of so many bits, with a binary point that
deployment chooses for every storage: the lowest at which the largest magnitude that PyTorch has
there still fits, over the samples that it is shown. What does not fit later saturates. So a real
number in memory is ``unit * q`` with a power of two for a unit, and products and sums of such
numbers are exact.

PyTorch is then given the same numbers: parameters and inputs as they were deployed (batch norms
folded into weights and offset, as in `cosim.machine.values.deploy`), and every result that goes to
memory is rounded there as the machine rounds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array, Code
from cosim.machine.values.deploy import Deployment
from cosim.machine.values.layout import Layout
from cosim.machine.values.singles import stored_singles
from cosim.mapping.fusion import Group
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import tensors_of
from cosim.mapping.rescale import MACHINE_FIXED_POINT, bias_of, sums_integers
from cosim.workload.reference import Held, Levels, Reference
from cosim.workload.workload import Kind, Op, Tensor

Recording = Callable[[frozenset[tuple[int, int]], Held | None], Reference]

LOWEST_EXPONENT = -126
"""Of the unit of a tensor of zeros."""


def holds_reals(mapping: Mapping) -> bool:
    """Whether real numbers are integers on the machine."""
    return any(t.scheme == MACHINE_FIXED_POINT for t in mapping.workload.tensors)


def held_by(mapping: Mapping, reference: Reference, shown: Reference) -> Held:
    """What a machine makes of the real numbers of a network.

    Parameters
    ----------
    reference : Reference
        PyTorch's values of the samples that are run.
    shown : Reference
        Of those that the binary points are chosen by.
    """
    return _Deployer(mapping, reference, shown).run()


def reference_for(
    mapping: Mapping, record: Recording, shown: Callable[[], Reference] | None = None
) -> Reference:
    """PyTorch's values as the memory of a machine holds them.

    Parameters
    ----------
    record : callable
        Records the samples, given the results that memory rounds to single precision and what a
        machine without real numbers holds.
    shown : callable, optional
        Records the samples that binary points are chosen by, by default all.
    """
    single = stored_singles(mapping)
    reference = record(single, None)
    if not holds_reals(mapping):
        return reference
    held = held_by(mapping, reference, shown() if shown is not None else reference)
    return with_levels(mapping, record(single, held), held)


def check_levels(mapping: Mapping, layout: Layout) -> None:
    """Whether everything that the machine holds as integers has a binary point.

    Raises
    ------
    CosimError
        The reference was not recorded for this machine.
    """
    for group in mapping.grouping.groups:
        for t in (*group.reads, *group.writes):
            tensor = layout.tensors[t]
            if tensor.scheme == MACHINE_FIXED_POINT and not layout.codes[t].quantized:
                raise CosimError(
                    f"'{tensor.name}' is an integer on this machine, of a unit that nobody chose",
                    where=f"design '{mapping.design.name}', fixed_point",
                    expected="a reference recorded for it (fixed_point.reference_for)",
                )


def with_levels(mapping: Mapping, reference: Reference, held: Held) -> Reference:
    """A reference that knows the levels of what a machine holds as integers."""
    tensors = {t.id: t for t in mapping.workload.tensors}
    storages = {tensors[t].storage: unit for t, unit in held.units.items()}
    levels = {
        t.id: Levels((storages[t.storage],))
        for t in tensors.values() if t.scheme == MACHINE_FIXED_POINT and t.storage in storages
    }  # fmt: skip
    return replace(reference, levels={**reference.levels, **levels})


def unit_of(largest: float, bits: int) -> float:
    """The smallest power of two that holds numbers up to `largest` in two's complement."""
    if not 0.0 < largest < math.inf:
        return float(2.0**LOWEST_EXPONENT)
    mantissa, exponent = math.frexp(largest / ((1 << (bits - 1)) - 1))
    return float(2.0 ** max(exponent - int(mantissa == 0.5), LOWEST_EXPONENT))


class _Deployer:
    def __init__(self, mapping: Mapping, reference: Reference, shown: Reference) -> None:
        self.mapping, self.reference, self.shown = mapping, reference, shown
        self.tensors = tensors_of(mapping)
        self.deployment = self._deployment(reference)
        self.units: dict[int, float] = {}
        """By storage."""

    def _deployment(self, reference: Reference) -> Deployment:
        return Deployment(self.mapping, Layout.of(self.mapping, reference), reference)

    def run(self) -> Held:
        groups = self.mapping.grouping.groups
        moved = dict.fromkeys(t for group in groups for t in (*group.reads, *group.writes))
        reals = [t for t in moved if self.tensors[t].scheme == MACHINE_FIXED_POINT]
        self._choose(reals)
        initial: dict[int, Array] = {}
        for t in reals:
            values = self.deployment.value(t)
            if values is not None and t in self.reference.initial:
                initial[t] = self._rounded(self.tensors[t], values)
        for group in groups:
            self._fold(group, initial)
        offline = set(self.mapping.grouping.offline)
        written = [(op, group.writes) for group in groups for op in group.ops]
        written += [(op, reals) for op in self.mapping.workload.ops if op.id in offline]
        results = {
            (op.id, position): (self.tensors[t].bits, self.units[self.tensors[t].storage])
            for op, kept in written for position, t in enumerate(op.outputs)
            if t in kept and t in reals
        }  # fmt: skip
        return Held(initial, {t: self.units[self.tensors[t].storage] for t in reals}, results)

    # Binary points

    def _choose(self, reals: Iterable[int]) -> None:
        shown = self._deployment(self.shown)
        largest: dict[int, float] = {}
        for t in reals:
            storage = self.tensors[t].storage
            values = shown.value(t)
            found = 0.0 if values is None else _largest(values)
            largest[storage] = max(largest.get(storage, 0.0), found)
        for op in self.mapping.workload.ops:
            for position, t in enumerate(op.outputs):
                storage = self.tensors[t].storage
                made = self.shown.outputs.get((op.id, position))
                if storage in largest and made is not None and t in reals:
                    largest[storage] = max(largest[storage], _largest(made))
        bits = {self.tensors[t].storage: self.tensors[t].bits for t in reals}
        self.units = {s: unit_of(size, bits[s]) for s, size in largest.items()}
        for group in self.mapping.grouping.groups:
            if group.anchor is not None:
                self._whole_bias(group.anchor)

    def _whole_bias(self, anchor: Op) -> None:
        """A bias that the array adds is whole steps of its sums."""
        bias = bias_of(anchor, self.tensors)
        if bias is None or bias.storage not in self.units:
            return
        step = 1.0
        for access in anchor.accesses:
            tensor = self.tensors[access.tensor]
            step *= self.units.get(tensor.storage, math.inf)
        if math.isfinite(step):
            self.units[bias.storage] = max(self.units[bias.storage], step)

    # Numbers

    def _rounded(self, tensor: Tensor, values: Array) -> Array:
        code = Code(tensor.bits, "signed", True, (self.units[tensor.storage],), rounds=True)
        return code.real(code.encode(values))

    def _fold(self, group: Group, initial: dict[int, Array]) -> None:
        """Leave nothing of a folded batch norm but an offset: the rest is in the weights."""
        anchor = group.anchor
        norms = [op for op in group.folded if op.kind is Kind.NORMALIZATION]
        if anchor is None or not norms or sums_integers(anchor, self.tensors):
            return
        offset: Array | float = 0.0
        if group.prepared is not None:
            values = self.deployment.value(group.prepared.id)
            assert values is not None
            offset = values[0].astype(np.float32).astype(np.float64)
        for number, op in enumerate(norms):
            named = dict(zip(cast("list[str]", op.attributes["operands"]), op.inputs, strict=True))
            eps = float(cast(float, op.attributes.get("eps", 1e-5)))
            plain = {"weight": 1.0, "bias": 0.0, "running_var": 1.0 - eps}
            plain["running_mean"] = -offset if number == 0 else 0.0  # type: ignore[assignment]
            for name, value in plain.items():
                if name in named:
                    shape = self.tensors[named[name]].shape
                    initial[named[name]] = np.broadcast_to(np.asarray(value), shape)[None]


def _largest(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0.0))
