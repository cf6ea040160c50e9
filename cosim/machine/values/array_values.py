"""Groups on the array, in numbers: tiles of sums, and what the vector unit makes of them.

The array multiplies numerators and adds them up in accumulators of the design's width. The vector
unit takes a tile of sums, applies scale and offset of every channel in double precision, then the
fused operations one after the other, and rounds once: to a code where a quantizer ends the group,
to the element type of the result otherwise. Rounding is to the nearest level; a value exactly half
way between two goes to the even one, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.codes import Array, Code
from cosim.machine.values.deploy import Deployment, code_for_sums, product_unit
from cosim.machine.values.layout import Layout
from cosim.machine.values.operations import evaluate
from cosim.machine.values.tile_product import TileProduct
from cosim.machine.values.viewed import seen
from cosim.mapping.cuts import output_view_of, seen_shape, view_of
from cosim.mapping.fusion import Group
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import Region, Task
from cosim.mapping.rescale import bias_of, channel_axis, sums_integers
from cosim.workload.workload import Kind, Op

Whole = Callable[[int], Array]
"""Reads all elements of a tensor that the group has at hand, real values in its own shape."""


@dataclass
class ArrayValues:
    """What the tasks of one group on the array compute."""

    mapping: Mapping
    layout: Layout
    deployment: Deployment
    group: Group
    arithmetic: Arithmetic

    def __post_init__(self) -> None:
        assert self.group.anchor is not None
        self.anchor: Op = self.group.anchor
        self.product = TileProduct.of(self.anchor)
        self.codes = tuple(self.layout.codes[a.tensor] for a in self.anchor.accesses)
        self.sums: Code = code_for_sums(self.mapping, self.group, self.layout)
        self.result = self.group.writes[-1]
        self.code = self.layout.codes[self.result]

    @property
    def limit(self) -> int:
        """Largest magnitude of a sum of whole numbers."""
        return (1 << (self.sums.bits - 1)) - 1

    # Array

    def operand(self, which: int, elements: Array) -> Array:
        """What the array multiplies: numerators, or real numbers."""
        code = self.codes[which]
        kind = np.float64 if self.sums.kind == "signed" else np.float32
        return (code.numerators(elements.astype(np.int64)) if code.quantized else elements).astype(
            kind
        )

    def tile(self, task: Task, first: Array, second: Array) -> Array:
        """Sums of one tile over its part of the reduction, without what was there before."""
        at = {loop: (start, size) for loop, start, size in task.tile}
        boxes = (task.boxes[0], task.boxes[1], task.boxes[2])
        sums = self.product(at, self.operand(0, first), self.operand(1, second), boxes)
        # whole sums are exact in double precision, being far below 2^53
        return sums.astype(np.int64) if self.sums.kind == "signed" else sums

    def start(self, whole: Whole, region: Region, applied_here: bool) -> Array | None:
        """What the accumulators hold before the first tile: the bias, if the array applies it."""
        if not applied_here:
            return None
        offset = self._channel_constants(whole, 0)
        if offset is None:
            return None
        if self.sums.kind == "signed":  # whole steps of the sums, see `fixed_point`
            return np.rint(self._along(offset, region) / self.unit).astype(np.int64)
        return self._along(np.asarray(offset, np.float32), region)

    @property
    def unit(self) -> Array | float:
        """Real value of one step of sums of whole numbers."""
        return product_unit(self.anchor, self.layout)

    def stored(self, sums: Array) -> Array:
        """Elements that memory holds of sums that no vector unit has seen."""
        return self.code.encode(sums * self.unit if self.sums.kind == "signed" else sums)

    # Epilogue

    def epilogue(
        self, sums: Array, task: Task, whole: Whole, parts: dict[int, Array]
    ) -> tuple[Array, Region]:
        """Elements of a result tile, as memory holds them, and the region they are.

        Parameters
        ----------
        sums : array, shape (lanes or 1, *part)
        whole : callable
            Reads operands that are loaded once or kept on chip.
        parts : dict
            This tile's part of whole operands, real values by tensor.
        """
        part, made = task.boxes[0], task.boxes[1]
        values = self.rescaled(sums, part, whole)
        if self.anchor.outputs[0] in parts:
            raise AssertionError("an operation reads its own result")
        values = self._added(values, part, whole, parts)
        shape, box = part.shape, part
        current = self.anchor.outputs[0]
        for op in self.group.ops:
            if op is self.anchor:
                continue
            if op not in self.group.folded:
                values = self._apply(op, values, current, shape, box, whole, parts)
            if op.kind is Kind.POOLING:
                shape, box = made.shape, made
            current = op.outputs[0]
        return self.encoded(values), made

    def rescaled(self, sums: Array, part: Region, whole: Whole) -> Array:
        """Real values of a tile of sums."""
        values = sums.astype(np.float64)
        quantized = any(code.quantized for code in self.codes)
        if self.group.prepared is not None and sums_integers(self.anchor, self.layout.tensors):
            scale, offset = (self._channel_constants(whole, i) for i in range(2))
            assert scale is not None
            assert offset is not None
            return self.arithmetic.rescale(
                values, self._along(scale, part), self._along(offset, part)
            )
        if quantized:
            unit = self.unit
            values = self.arithmetic.rescale(
                values, self._along(unit, part) if isinstance(unit, np.ndarray) else unit, 0.0
            )
        elif float(self.anchor.attributes.get("alpha", 1)) != 1:  # type: ignore[arg-type]
            values = values * float(self.anchor.attributes["alpha"])  # type: ignore[arg-type]
        offset = self._channel_constants(whole, 0)
        return values if offset is None else values + self._along(offset, part)

    def encoded(self, values: Array) -> Array:
        """Elements as memory holds them."""
        return self.code.encode(values)

    def _channel_constants(self, whole: Whole, column: int) -> Array | None:
        """Prepared scale (0) and offset (1) of whole sums, or the bias of real ones."""
        prepared = self.group.prepared
        if prepared is not None:
            values = whole(prepared.id)
            return values[..., column] if values.ndim == 3 else values
        bias = bias_of(self.anchor, self.layout.tensors)
        return whole(bias.id) if bias is not None else None

    def _along(self, constants: Any, part: Region) -> Array:
        """Numbers of the channels, as an array over a part of the result."""
        tensors = self.layout.tensors
        shape = tensors[self.anchor.outputs[0]].shape
        axis = channel_axis(self.anchor, tensors)
        values = np.atleast_2d(np.asarray(constants))
        over = [1] * len(shape)
        over[axis] = values.shape[1]
        full = np.broadcast_to(values.reshape(values.shape[0], *over), (values.shape[0], *shape))
        return full.reshape(values.shape[0], *part.shape)[(slice(None), *part.slices)]

    def _added(self, values: Array, part: Region, whole: Whole, parts: dict[int, Array]) -> Array:
        """The addend of a product that is no bias: ``beta * C + alpha * A @ B``."""
        inputs = self.anchor.inputs
        if len(inputs) < 3 or bias_of(self.anchor, self.layout.tensors) is not None:
            return values
        beta = float(self.anchor.attributes.get("beta", 1))  # type: ignore[arg-type]
        return values + beta * self._operand(
            self.anchor, 2, self.anchor.outputs[0], part.shape, part, whole, parts
        )

    def _apply(
        self, op: Op, values: Array, current: int, shape: tuple[int, ...], box: Region,
        whole: Whole, parts: dict[int, Array],
    ) -> Array:  # fmt: skip
        operands = [
            values if t == current
            else self._operand(op, position, op.outputs[0], shape, box, whole, parts)
            for position, t in enumerate(op.inputs)
        ]  # fmt: skip
        if op.kind is Kind.NORMALIZATION:  # along channels, one number each: as elementwise
            return self._normalized(op, operands)
        return evaluate(self.deployment.reference.as_run(op), operands, box.sizes)[0]

    def _normalized(self, op: Op, operands: list[Array]) -> Array:
        names = op.attributes["operands"]
        given = dict(zip(names, operands, strict=True))  # type: ignore[call-overload]
        eps = float(op.attributes.get("eps", 1e-5))  # type: ignore[arg-type]
        scale = 1.0 / np.sqrt(given["running_var"] + eps)
        if "weight" in given:
            scale = scale * given["weight"]
        shift = -given["running_mean"] * scale
        if "bias" in given:
            shift = shift + given["bias"]
        return np.asarray(operands[0] * scale + shift)

    def _operand(
        self, op: Op, position: int, like: int, shape: tuple[int, ...], box: Region,
        whole: Whole, parts: dict[int, Array],
    ) -> Array:  # fmt: skip
        """An operand of a fused operation over a part of its result."""
        tensor = op.inputs[position]
        if tensor in parts:
            return parts[tensor]
        values = seen(whole(tensor), view_of(op, position))
        if values[0].size == 1:
            return values.reshape(-1, *[1] * len(shape))
        out = seen_shape(self.layout.tensors[like], output_view_of(op, 0))
        if op.kind is Kind.NORMALIZATION and values.ndim == 2:
            values = values.reshape(*values.shape, *[1] * (len(out) - 2))
        full = np.broadcast_to(
            values.reshape(values.shape[0], *[1] * (len(out) + 1 - values.ndim), *values.shape[1:]),
            (values.shape[0], *out),
        )
        return full.reshape(values.shape[0], *shape)[(slice(None), *box.slices)]
