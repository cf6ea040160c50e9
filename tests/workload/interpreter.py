"""Computes a workload's values with numpy, from nothing but what the workload says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.workload.lifetime import allocations
from cosim.workload.quantized import DTYPE_BITS
from cosim.workload.workload import Access, Kind, Op, Tensor, Workload

Array = NDArray[np.float64]


class Interpreter:
    """Storages as flat arrays, tensors as strided windows on them."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.storages = {
            a.storage: np.zeros(a.bytes * 8 // DTYPE_BITS[a.tensor.dtype])
            for a in allocations(workload, "framework")
        }

    def tensor(self, index: int) -> Array:
        """The window of a tensor, in the order of memory."""
        tensor = self.workload.tensors[index]
        flat = self.storages[tensor.storage][tensor.offset :]
        strides = tensor.strides or _row_major(tensor.shape)
        return np.lib.stride_tricks.as_strided(flat, tensor.shape, [8 * s for s in strides])

    def by_name(self, name: str) -> tuple[Tensor, Array]:
        found = next(t for t in self.workload.tensors if t.name == name)
        return found, self.tensor(found.id)

    def load(self, values: Mapping[str, Array]) -> None:
        """Give tensors that exist before the first operation their values, row-major."""
        for name, value in values.items():
            tensor, window = self.by_name(name)
            window[...] = value.reshape(tensor.shape)

    def run(self) -> None:
        for op in self.workload.ops:
            self.step(op)

    def step(self, op: Op) -> None:
        if op.loops:
            value = self._nest(op)
            if len(op.inputs) == 3:
                value = value + self._addend(op)
            self.tensor(op.outputs[0])[...] = value.reshape(self.tensor(op.outputs[0]).shape)
            return
        operands = [self._seen(op, i) for i in range(len(op.inputs))]
        self._write(op, _plain(op, operands, self._shape_out(op)))

    def _nest(self, op: Op) -> Array:
        """The loop nest, point by point: reads outside of an operand are zeros."""
        grid = dict(
            zip(
                [loop.name for loop in op.loops],
                np.indices([loop.extent for loop in op.loops]).reshape(len(op.loops), -1),
                strict=True,
            )
        )
        product: Array = np.ones(1)
        for access in op.accesses:
            where, inside = _places(access, grid)
            values = self.tensor(access.tensor).reshape(access.view_shape)
            product = product * np.where(inside, values[where], 0)
        assert op.result is not None
        where, inside = _places(op.result, grid)
        result = np.zeros(op.result.view_shape)
        if where:
            np.add.at(result, where, np.where(inside, product, 0))
        else:
            result += product.sum()
        alpha = op.attributes.get("alpha", 1)
        assert isinstance(alpha, (int, float))
        return result * alpha

    def _addend(self, op: Op) -> Array:
        """A bias belongs to the output channels; what is added to a product has its shape."""
        assert op.result is not None
        addend = self._seen(op, 2)
        if op.kind is Kind.CONVOLUTION:
            channels = [index.terms[0][0] in ("g", "k") for index in op.result.indices]
            sides = zip(op.result.view_shape, channels, strict=True)
            return addend.reshape([extent if of_channel else 1 for extent, of_channel in sides])
        beta = op.attributes.get("beta", 1)
        assert isinstance(beta, (int, float))
        return beta * np.broadcast_to(addend, op.result.view_shape)

    def _shape_out(self, op: Op) -> tuple[int, ...]:
        return self.workload.tensors[op.outputs[0]].shape

    def _seen(self, op: Op, position: int) -> Array:
        value = self.tensor(op.inputs[position])
        steps = op.attributes.get("views")
        if isinstance(steps, list) and steps[position]:
            described = steps[position]
            value = value.reshape(described.get("reshape", value.shape))
            value = value.transpose(described.get("transpose", range(value.ndim)))
            value = np.broadcast_to(value, described.get("broadcast_to", value.shape))
        return value

    def _write(self, op: Op, value: Array) -> None:
        window = self.tensor(op.outputs[0])
        steps = op.attributes.get("output_views")
        if isinstance(steps, list) and steps[0]:
            order = steps[0].get("transpose", range(value.ndim))
            value = value.transpose(np.argsort(order))
        window[...] = value.reshape(window.shape)


def _places(access: Access, grid: Mapping[str, Array]) -> tuple[tuple[Array, ...], Array]:
    """Indices into the view for every point of the nest (clipped), and which lie inside."""
    size = len(next(iter(grid.values())))
    where, inside = [], np.ones(size, bool)
    for index, extent in zip(access.indices, access.view_shape, strict=True):
        at = np.full(size, index.offset)
        for name, coefficient in index.terms:
            at = at + coefficient * grid[name]
        inside &= (at >= 0) & (at < extent)
        where.append(np.clip(at, 0, extent - 1))
    return tuple(where), inside


def _plain(op: Op, operands: list[Array], shape: tuple[int, ...]) -> Array:
    function = op.attributes.get("function")
    if function == "copy":
        return operands[0]
    if function == "concatenate":
        return np.concatenate(operands, op.attributes.get("dim", 0))  # type: ignore[call-overload,no-any-return]
    if function == "slice" and op.attributes.get("gradient"):
        given = op.attributes
        padded = np.zeros(given["input_sizes"])  # type: ignore[call-overload]
        cut = slice(given["start"], given["end"], given["step"])
        padded[(slice(None),) * given["dim"] + (cut,)] = operands[0]  # type: ignore[operator]
        return padded
    if function == "fill":
        return np.full(shape, op.attributes["value"])
    if function == "mul":
        return operands[0] * (op.attributes["other"] if len(operands) == 1 else operands[1])
    if function == "add":
        return operands[0] + op.attributes.get("alpha", 1) * operands[1]  # type: ignore[operator]
    if function == "sum":
        dims = op.attributes["dims"]
        assert isinstance(dims, list)
        keep = bool(op.attributes.get("keepdim", False))
        return operands[0].sum(tuple(dims), keepdims=keep)
    raise NotImplementedError(op.name)


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
