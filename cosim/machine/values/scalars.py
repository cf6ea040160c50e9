"""Scalars that travel in commands: parameters of one number, and what the host makes of them.

A quantizer's scale or an optimizer's step count is never in a buffer. The host works on such
numbers while it prepares commands, in the order of the operations.
"""

from __future__ import annotations

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.machine.values.deploy import Deployment
from cosim.machine.values.layout import Layout
from cosim.machine.values.operations import evaluate
from cosim.machine.values.viewed import seen, unseen
from cosim.mapping.cuts import output_view_of, seen_shape, view_of
from cosim.mapping.mapping import Mapping
from cosim.workload.reference import Reference


class Scalars:
    """Values of one-number tensors, at any point of the workload."""

    def __init__(
        self, mapping: Mapping, layout: Layout, deployment: Deployment, reference: Reference
    ) -> None:
        self.layout, self.deployment, self.reference = layout, deployment, reference
        self.ops = mapping.workload.ops
        self._writers: dict[int, list[tuple[int, int]]] = {}
        for number in mapping.grouping.bookkeeping:
            for position, tensor in enumerate(self.ops[number].outputs):
                self._writers.setdefault(tensor, []).append((number, position))
        self._known: dict[int, list[Array]] = {}

    def value(self, tensor: int, before: int) -> Array | None:
        """Value of a tensor as operation `before` reads it, None if it is no such scalar."""
        earlier = [w for w in self._writers.get(tensor, []) if w[0] < before]
        if not earlier:
            return self.deployment.constant(tensor)
        number, position = earlier[-1]
        made = self._made(number)
        return made[position] if position < len(made) else None

    def _made(self, number: int) -> list[Array]:
        if number not in self._known:
            op = self.ops[number]
            operands = []
            for position, tensor in enumerate(op.inputs):
                value = self.value(tensor, number)
                assert value is not None  # nothing that an engine made goes in
                operands.append(seen(value, view_of(op, position)))
            shape = seen_shape(self.layout.tensors[op.outputs[0]], output_view_of(op, 0))
            try:
                results = evaluate(op, operands, shape)
            except CosimError:
                results = [
                    seen(self.reference.outputs[number, i], output_view_of(op, i))
                    for i in range(len(op.outputs))
                ]
            self._known[number] = [
                unseen(r, output_view_of(op, i), self.layout.tensors[op.outputs[i]].shape)
                for i, r in enumerate(results[: len(op.outputs)])
            ]
        return self._known[number]
