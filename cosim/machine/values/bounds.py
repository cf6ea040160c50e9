"""Can a sum overflow its accumulator? Known before the run, from weights and code ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from cosim.machine.values.codes import Code
from cosim.machine.values.deploy import Deployment
from cosim.machine.values.layout import Layout
from cosim.mapping.mapping import Mapping
from cosim.workload.reference import Reference
from cosim.workload.workload import Access, Op, Workload


@dataclass(frozen=True)
class Bound:
    """The largest magnitude that a layer's sums can reach, beside what the accumulator holds."""

    layer: str
    largest: int
    limit: int
    bits: int

    @property
    def fits(self) -> bool:
        return self.largest <= self.limit

    def __str__(self) -> str:
        needed = self.largest.bit_length() + 1
        return (
            f"layer '{self.layer}': sums can reach {self.largest}, an accumulator of {self.bits} "
            f"bits holds {self.limit}; {needed} bits are enough"
        )


def accumulator_bounds(mapping: Mapping, reference: Reference, workload: Workload) -> list[Bound]:
    """A bound for every layer whose sums are whole numbers.

    `workload` says how many bits codes have, which may be stored in wider words.

    For a weight that is known before the run the bound is, over the channels, the largest sum of
    magnitudes of its numerators, times the largest numerator of the other operand; otherwise the
    length of the reduction times both largest numerators.
    """
    layout = Layout.of(mapping, reference)
    deployment = Deployment(mapping, layout, reference)
    bounds = []
    narrow = {t.id: t.bits for t in workload.tensors if t.scheme}
    for group in mapping.grouping.groups:
        if group.anchor is None:
            continue
        bits = mapping.design.array_named(group.array).accumulator_bits
        codes = [_as_quantized(layout, a.tensor, narrow) for a in group.anchor.accesses]
        if not all(code.quantized for code in codes):
            continue
        largest = _largest(group.anchor, deployment, codes)
        bounds.append(Bound(group.name, largest, (1 << (bits - 1)) - 1, bits))
    return bounds


def _as_quantized(layout: Layout, tensor: int, narrow: dict[int, int]) -> Code:
    code = layout.codes[tensor]
    return replace(code, bits=narrow.get(tensor, code.bits))


def _largest(op: Op, deployment: Deployment, codes: Sequence[Code]) -> int:
    weight, code = op.accesses[1], codes[1]
    streaming = codes[0].largest_numerator
    reduced = {loop.name for loop in op.loops} - _loops(op.result)
    values = deployment.value(weight.tensor)
    length = prod(loop.extent for loop in op.loops if loop.name in reduced)
    if values is None:
        return length * streaming * code.largest_numerator
    numerators = np.abs(code.numerators(code.encode(values))).reshape(
        values.shape[0], *weight.view_shape
    )
    axes = [
        d + 1 for d, index in enumerate(weight.indices)
        if all(name in reduced for name, _ in index.terms)
    ]  # fmt: skip
    inside = prod(weight.view_shape[d - 1] for d in axes)
    rest = length // max(1, inside)  # reduced loops that the weight does not depend on
    return int(numerators.sum(axis=tuple(axes)).max()) * streaming * max(1, rest)


def _loops(access: Access | None) -> set[str]:
    return {name for index in access.indices for name, _ in index.terms} if access else set()
