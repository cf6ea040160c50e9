"""What an operation without a loop nest computes, on numpy arrays.

Operands come as the operation sees them (views applied), with a leading axis of samples; real
numbers are in double precision: the vector unit works wider than the memory it writes to. These
are the definitions that the machine's results stand on, so they follow the framework's to the
rounding of a half.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from cosim.machine.values.activations import ACTIVATIONS, SLOPES, sigmoid
from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import Operands, number, unknown_operation
from cosim.machine.values.normalizing import nll_gradient, normalization, reduction
from cosim.machine.values.pooling import pooling
from cosim.machine.values.quantizing import quantize
from cosim.mapping.row_gather import picked_dimension
from cosim.workload.workload import Kind, Op


def evaluate(op: Op, operands: Operands, shape: tuple[int, ...]) -> list[Array]:
    """Results of an operation.

    Parameters
    ----------
    operands : list of array, each (lanes or 1, *shape as seen)
    shape : tuple of int
        Shape of the first result, for operations that make one from nothing.

    Raises
    ------
    CosimError
        An operation that is not known here.
    """
    if op.kind is Kind.ELEMENTWISE:
        return _elementwise(op, operands, shape)
    if op.kind is Kind.QUANTIZE:
        return [quantize(op, operands)]
    if op.kind is Kind.POOLING:
        return pooling(op, operands)
    if op.kind is Kind.REDUCTION:
        return reduction(op, operands)
    if op.kind is Kind.NORMALIZATION:
        return normalization(op, operands)
    if op.kind is Kind.COPY:
        return [_copy(op, operands, shape)]
    if op.kind is Kind.GATHER:
        return [_gather(op, operands)]
    raise unknown_operation(op)


# Elementwise

_UNARY: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "neg": np.negative, "abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x), "reciprocal": lambda x: 1.0 / x, "square": np.square,
    "sigmoid": sigmoid, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "silu": lambda x: x * sigmoid(x), "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "logical_not": np.logical_not,
    "hardsigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "hardswish": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "log1p": np.log1p, "expm1": np.expm1,
}  # fmt: skip

_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "pow": np.power,
    "maximum": np.maximum, "minimum": np.minimum, "eq": np.equal, "ne": np.not_equal,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or, "remainder": np.mod, "atan2": np.arctan2,
}  # fmt: skip


def _elementwise(op: Op, operands: Operands, shape: tuple[int, ...]) -> list[Array]:
    given = op.attributes
    function = str(given.get("function"))
    if given.get("gradient"):
        return [_gradient(op, function, operands, shape)]
    # dimensions that an operand lacks are its outer ones, behind the samples
    rank = max((o.ndim for o in operands), default=0)
    operands = [o.reshape(len(o), *[1] * (rank - o.ndim), *o.shape[1:]) for o in operands]
    if function == "fill":
        return [np.full((1, *shape), number(given.get("value"), 0.0))]
    if function in ("clamp", "relu6"):
        return [_clamp(op, operands)]
    if function in ACTIVATIONS:
        return [ACTIVATIONS[function](op, operands[0])]
    if function in ("prelu", "_prelu_kernel"):
        x, slope = operands
        return [np.where(x > 0, x, slope * x)]
    if function == "where":
        return [_where(op, operands)]
    if function in ("addcmul", "addcdiv"):
        x, a, b = operands
        product = a * b if function == "addcmul" else a / b
        return [x + number(given.get("value"), 1.0) * product]
    if function == "lerp":
        x, end = operands[0], operands[1]
        weight = operands[2] if len(operands) > 2 else number(given.get("weight"), 0.0)
        return [x + weight * (end - x)]
    if function in _UNARY and (len(operands) == 1 or function not in _BINARY):
        return [_UNARY[function](operands[0])]
    if function in _BINARY:
        return [_binary(op, function, operands)]
    raise unknown_operation(op)


def _binary(op: Op, function: str, operands: Operands) -> Array:
    given = op.attributes
    x = operands[0]
    named = [given[key] for key in ("other", "exponent", "scalar") if key in given]
    y: Any = operands[1] if len(operands) > 1 else number(named[0] if named else None, 0.0)
    if len(operands) == 1 and "self" in given:  # a number to the power of a tensor
        x, y = np.asarray(number(given["self"], 0.0)), x
    if given.get("reversed"):
        x, y = y, x
        # rsub: other - alpha * self
        return np.asarray(x - number(given.get("alpha"), 1.0) * y)
    if function in ("add", "sub"):
        y = number(given.get("alpha"), 1.0) * y
    result = _BINARY[function](x, y)
    if function == "div" and given.get("rounding_mode"):
        result = np.floor(result) if given["rounding_mode"] == "floor" else np.trunc(result)
    return np.asarray(result)


def _clamp(op: Op, operands: Operands) -> Array:
    names = cast("list[str]", op.attributes.get("operands", []))
    low: Any = op.attributes.get("min", op.attributes.get("min_val"))
    high: Any = op.attributes.get("max", op.attributes.get("max_val"))
    for name, operand in zip(names[1:], operands[1:], strict=False):
        low, high = (operand, high) if name == "min" else (low, operand)
    x = operands[0]
    x = x if low is None else np.asarray(np.maximum(x, _bound(low)))
    return x if high is None else np.asarray(np.minimum(x, _bound(high)))


def _bound(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else number(value, 0.0)


def _where(op: Op, operands: Operands) -> Array:
    if len(operands) == 3:
        return np.where(operands[0].astype(bool), operands[1], operands[2])
    if "value" in op.attributes:  # masked_fill(self, mask, value)
        return np.where(operands[1].astype(bool), number(op.attributes["value"], 0.0), operands[0])
    raise unknown_operation(op)


def _gradient(op: Op, function: str, operands: Operands, shape: tuple[int, ...]) -> Array:
    given = op.attributes
    grad, x = operands[0], operands[1] if len(operands) > 1 else operands[0]
    if function in SLOPES:
        return np.asarray(np.where(grad == 0.0, 0.0, grad * SLOPES[function](op, x)))
    if function == "mse_loss":
        scale = 2.0 / (math.prod(shape) if given.get("reduction", 1) == 1 else 1)
        return np.asarray(scale * (operands[1] - operands[2]) * grad)
    if function == "nll_loss":
        return nll_gradient(op, operands)
    raise unknown_operation(op)


# Copies and gathers


def _copy(op: Op, operands: Operands, shape: tuple[int, ...]) -> Array:
    function = op.attributes.get("function")
    x = operands[0] if operands else np.zeros((1, *shape))
    if op.attributes.get("gradient") and function in ("select", "slice"):
        return _put_back(op, x, shape)
    if function == "copy":
        return x
    if function == "concatenate":
        lanes = max(o.shape[0] for o in operands)
        dim = int(cast(int, op.attributes.get("dim", 0)))
        axis = dim + 1 if dim >= 0 else dim
        wide = [np.broadcast_to(o, (lanes, *o.shape[1:])) for o in operands]
        return np.concatenate(wide, axis=axis)
    if function == "stack":
        lanes = max(o.shape[0] for o in operands)
        dim = int(cast(int, op.attributes.get("dim", 0)))
        wide = [np.broadcast_to(o, (lanes, *o.shape[1:])) for o in operands]
        return np.stack(wide, axis=dim + 1 if dim >= 0 else dim)
    if function == "pad":
        return _pad(op, x)
    if function == "roll":
        return _roll(op, x)
    if function == "repeat":
        counts = [int(n) for n in cast("list[int]", op.attributes["repeats"])]
        grown = x.reshape(x.shape[0], *[1] * (len(counts) + 1 - x.ndim), *x.shape[1:])
        return np.tile(grown, (1, *counts))
    if function in ("reflection_pad", "replication_pad"):
        return _border(op, x, "reflect" if function == "reflection_pad" else "edge")
    if function == "flip":
        dims = [int(d) for d in cast("list[int]", op.attributes["dims"])]
        return np.asarray(np.flip(x, tuple(d + 1 if d >= 0 else d for d in dims)))
    raise unknown_operation(op)


def _put_back(op: Op, x: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of a part of a tensor: zeros around it."""
    given = op.attributes
    dim = int(cast(int, given.get("dim", 0))) % len(shape)
    window: list[slice | int] = [slice(None)] * (1 + len(shape))
    if given["function"] == "select":
        window[1 + dim] = int(cast(int, given["index"]))
    else:
        start, end, step = (int(cast(int, given.get(k, d))) for k, d in
                            (("start", 0), ("end", shape[dim]), ("step", 1)))  # fmt: skip
        window[1 + dim] = slice(start, end, step)
    made = np.zeros((len(x), *shape), x.dtype)
    made[tuple(window)] = x
    return made


def _pad(op: Op, x: Array) -> Array:
    amounts = [int(v) for v in cast("list[int]", op.attributes["pad"])]
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    grown = np.pad(
        x, [(max(0, a), max(0, b)) for a, b in widths],
        constant_values=number(op.attributes.get("value"), 0.0),
    )  # fmt: skip
    cut = tuple(slice(max(0, -a), n - max(0, -b))
                for (a, b), n in zip(widths, grown.shape, strict=True))  # fmt: skip
    return grown[cut]


def _border(op: Op, x: Array, mode: str) -> Array:
    amounts = [int(v) for v in cast("list[int]", op.attributes["padding"])]
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    return np.pad(x, widths, mode=mode)  # type: ignore[call-overload, no-any-return]


def _roll(op: Op, x: Array) -> Array:
    shifts = [int(n) for n in cast("list[int]", op.attributes["shifts"])]
    dims = [int(d) for d in cast("list[int]", op.attributes.get("dims", []))]
    if not dims:
        flat = np.roll(x.reshape(x.shape[0], -1), shifts[0], axis=1)
        return flat.reshape(x.shape)
    return np.roll(x, shifts, [d + 1 if d >= 0 else d for d in dims])


def _gather(op: Op, operands: Operands) -> Array:
    name = op.name.split(".")[1]
    if name == "gather":
        x, index = operands[0], operands[1].astype(np.int64)
        axis = int(cast(int, op.attributes.get("dim", 0)))
        lanes = max(x.shape[0], index.shape[0])
        return np.stack(
            [
                np.take_along_axis(x[min(i, len(x) - 1)], index[min(i, len(index) - 1)], axis)
                for i in range(lanes)
            ]
        )
    if name == "embedding_dense_backward" and not op.attributes.get("scale_grad_by_freq"):
        rows, skipped = (
            int(cast(int, op.attributes.get(key, value)))
            for key, value in (("num_weights", 0), ("padding_idx", -1))
        )
        index = operands[1].reshape(len(operands[1]), -1)
        values = operands[0].reshape(len(operands[0]), index.shape[1], -1)
        nothing = np.zeros((1, rows, values.shape[-1]))
        return add_rows(nothing, values, index, skipped)
    dimension = picked_dimension(op, operands[0].ndim - 1)
    if dimension is None or len(operands) != 2 or operands[1].dtype == bool:
        raise unknown_operation(op)
    return take_rows(operands[0], operands[1], dimension)


def take_rows(table: Array, index: Array, dimension: int) -> Array:
    """``table[..., index, ...]`` of every sample; arrays have a leading axis of samples."""
    index = index.astype(np.int64)
    lanes = max(len(table), len(index))
    return np.stack(
        [
            np.take(table[min(i, len(table) - 1)], index[min(i, len(index) - 1)], dimension)
            for i in range(lanes)
        ]
    )


def add_rows(table: Array, values: Array, index: Array, skipped: int = -1) -> Array:
    """The table with rows added where indices name them, one after the other.

    Parameters
    ----------
    table : array, shape (lanes or 1, rows, inner)
    values : array, shape (lanes or 1, count, inner)
    index : array, shape (lanes or 1, count)
    skipped : int
        An index that adds nothing.
    """
    lanes = max(len(table), len(values), len(index))
    made = np.array(np.broadcast_to(table, (lanes, *table.shape[1:])))
    for lane in range(lanes):
        names = index[min(lane, len(index) - 1)].astype(np.int64)
        kept = names != skipped
        np.add.at(made[lane], names[kept], values[min(lane, len(values) - 1)][kept])
    return made


def updated_rows(rows: Array, added: Array, names: Array, skipped: int = -1) -> Array:
    """Rows that were read by their names, with what is added to them; shapes as of `add_rows`.

    Where names repeat, all is added to one of the rows, and all of them are that.
    """
    lanes = max(len(rows), len(added), len(names))
    made = []
    for lane in range(lanes):
        own, values, index = (a[min(lane, len(a) - 1)] for a in (rows, added, names))
        _, first, place = np.unique(index, return_index=True, return_inverse=True)
        table, kept = own[first], index != skipped
        np.add.at(table, place[kept], values[kept])
        made.append(table[place])
    return np.stack(made)
