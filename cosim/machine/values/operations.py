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

from cosim.errors import CosimError
from cosim.machine.values.codes import Array
from cosim.workload.workload import Kind, Op

TINY = 1e-12
"""Smallest scale of a quantizer, as `models.quantization` has it."""

Operands = list[Array]


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
        return _reduction(op, operands)
    if op.kind is Kind.NORMALIZATION:
        return _normalization(op, operands)
    if op.kind is Kind.COPY:
        return [_copy(op, operands, shape)]
    if op.kind is Kind.GATHER:
        return [_gather(op, operands)]
    raise _unknown(op)


def _unknown(op: Op) -> CosimError:
    return CosimError(
        f"values of {op.kind.value} operation '{op.name}' are not known",
        where=f"layer '{op.layer}'",
        expected="a run without values for this network",
    )


# Elementwise

_UNARY: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "neg": np.negative, "abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x), "reciprocal": lambda x: 1.0 / x, "square": np.square,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)), "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "silu": lambda x: x / (1.0 + np.exp(-x)), "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "logical_not": np.logical_not,
    "hardsigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "hardswish": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "softplus": lambda x: np.logaddexp(x, 0.0),
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
    if function == "fill":
        return [np.full((1, *shape), _number(given.get("value"), 0.0))]
    if function in ("clamp", "relu6"):
        return [_clamp(op, operands)]
    if function == "gelu":
        return [_gelu(operands[0], str(given.get("approximate", "none")))]
    if function == "where":
        return [_where(op, operands)]
    if function in ("addcmul", "addcdiv"):
        x, a, b = operands
        product = a * b if function == "addcmul" else a / b
        return [x + _number(given.get("value"), 1.0) * product]
    if function == "lerp":
        x, end = operands[0], operands[1]
        weight = operands[2] if len(operands) > 2 else _number(given.get("weight"), 0.0)
        return [x + weight * (end - x)]
    if function in _UNARY and (len(operands) == 1 or function not in _BINARY):
        return [_UNARY[function](operands[0])]
    if function in _BINARY:
        return [_binary(op, function, operands)]
    raise _unknown(op)


def _binary(op: Op, function: str, operands: Operands) -> Array:
    given = op.attributes
    x = operands[0]
    named = [given[key] for key in ("other", "exponent", "scalar") if key in given]
    y: Any = operands[1] if len(operands) > 1 else _number(named[0] if named else None, 0.0)
    if len(operands) == 1 and "self" in given:  # a number to the power of a tensor
        x, y = np.asarray(_number(given["self"], 0.0)), x
    if given.get("reversed"):
        x, y = y, x
        # rsub: other - alpha * self
        return np.asarray(x - _number(given.get("alpha"), 1.0) * y)
    if function in ("add", "sub"):
        y = _number(given.get("alpha"), 1.0) * y
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
    return value if isinstance(value, np.ndarray) else _number(value, 0.0)


def _where(op: Op, operands: Operands) -> Array:
    if len(operands) == 3:
        return np.where(operands[0].astype(bool), operands[1], operands[2])
    if "value" in op.attributes:  # masked_fill(self, mask, value)
        return np.where(operands[1].astype(bool), _number(op.attributes["value"], 0.0), operands[0])
    raise _unknown(op)


def _gelu(x: Array, approximate: str) -> Array:
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
        return np.asarray(0.5 * x * (1.0 + np.tanh(inner)))
    return np.asarray(0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))))


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gradient(op: Op, function: str, operands: Operands, shape: tuple[int, ...]) -> Array:
    given = op.attributes
    grad, x = operands[0], operands[1] if len(operands) > 1 else operands[0]
    if function == "relu":  # threshold_backward
        return np.where(x > _number(given.get("threshold"), 0.0), grad, 0.0)
    if function in ("clamp", "relu6"):
        low = _number(given.get("min_val", given.get("min")), -math.inf)
        high = _number(given.get("max_val", given.get("max")), math.inf)
        return np.where((x > low) & (x < high), grad, 0.0)
    if function == "sigmoid":
        return grad * x * (1.0 - x)
    if function == "tanh":
        return grad * (1.0 - x * x)
    if function == "silu":
        s = 1.0 / (1.0 + np.exp(-x))
        return grad * s * (1.0 + x * (1.0 - s))
    if function == "mse_loss":
        scale = 2.0 / (math.prod(shape) if given.get("reduction", 1) == 1 else 1)
        return np.asarray(scale * (operands[1] - operands[2]) * grad)
    if function == "nll_loss":
        return _nll_gradient(op, operands)
    raise _unknown(op)


def _nll_gradient(op: Op, operands: Operands) -> Array:
    """d loss / d log-probabilities; operands: gradient, log-probabilities, target, total weight."""
    grad, logits, target = operands[:3]
    result = np.zeros((max(grad.shape[0], logits.shape[0]), *logits.shape[1:]))
    chosen = target.astype(np.int64)[:, None] if logits.ndim == 2 else target.astype(np.int64)
    total = operands[-1] if op.attributes.get("reduction", 1) == 1 else np.ones((1,))
    kept = chosen != int(_number(op.attributes.get("ignore_index"), -100))
    axis = 1 if logits.ndim == 2 else 2
    step = -np.reshape(grad, (-1, *[1] * (result.ndim - 1)))
    step = step / np.reshape(total, (-1, *[1] * (result.ndim - 1)))
    index = np.where(kept, chosen, 0)
    index = np.broadcast_to(np.expand_dims(index, axis) if index.ndim < result.ndim else index,
                            _one_along(result.shape, axis))  # fmt: skip
    here = np.broadcast_to(np.expand_dims(kept, axis) if kept.ndim < result.ndim else kept,
                           index.shape)  # fmt: skip
    np.put_along_axis(result, index, np.where(here, step, 0.0), axis)
    return result


def _one_along(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if d == axis else n for d, n in enumerate(shape))


# Quantizers


def quantize(op: Op, operands: Operands) -> Array:
    """Real values on the levels of a quantizer whose scale is given.

    ``round`` is to the nearest whole number, halves to the even one.
    """
    names = cast("list[str]", op.attributes.get("operands", []))
    named = dict(zip(names, operands, strict=False)) if names else {"x": operands[0]}
    x = operands[0]
    bits = int(cast(int, op.attributes["bits"]))
    signed = bool(op.attributes.get("signed", True))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if "rounding" in op.attributes or "exponent" in op.attributes or "shared" in op.name:
        return _fixed_point(op, x, bits, named.get("scale"))
    if "scale" not in named:
        raise _unknown(op)
    size = np.maximum(np.abs(named["scale"].reshape(-1, *[1] * (x.ndim - 1))), TINY)
    if op.attributes.get("scheme") == "sign":
        return np.where(x >= 0, size, -size)
    zero = named.get("zero_point", np.zeros((1, 1))).reshape(-1, *[1] * (x.ndim - 1))
    codes = np.clip(np.rint(x / size) + zero, low, high)
    return np.asarray((codes - zero) * size)


LOWEST_EXPONENT = -126


def _fixed_point(op: Op, x: Array, bits: int, learned: Array | None) -> Array:
    """``code * unit``; the unit is given, learned, or the smallest at which nothing saturates."""
    high = (1 << (bits - 1)) - 1
    unit: Any = 2.0 ** float(cast(float, op.attributes.get("exponent", 0)))
    ratio = x * (1.0 / unit)
    if learned is not None:
        unit = np.maximum(np.abs(learned.reshape(-1, *[1] * (x.ndim - 1))), 2.0**LOWEST_EXPONENT)
        ratio = x / unit
    elif "exponent" not in op.attributes:
        largest = np.abs(x).reshape(x.shape[0], -1).max(axis=1, initial=0.0)
        mantissa, exponent = np.frexp(largest / high)
        exponent = np.maximum(exponent - (mantissa == 0.5), LOWEST_EXPONENT)
        exponent = np.where(largest > 0, exponent, LOWEST_EXPONENT)
        unit = np.ldexp(1.0, exponent.astype(int)).reshape(-1, *[1] * (x.ndim - 1))
        ratio = x * (1.0 / unit)
    if op.attributes.get("rounding") == "stochastic":
        seed = int(cast(int, op.attributes.get("seed", 0)))
        codes = np.floor(ratio + uniform(seed, ratio[0].size).reshape(ratio.shape[1:]))
    else:
        codes = np.rint(ratio)
    return np.asarray(np.clip(codes, -high - 1, high) * unit)


def uniform(seed: int, count: int) -> Array:
    """The numbers that PyTorch draws on a CPU: 53 bits of two words of a Mersenne twister."""
    twister = np.random.MT19937()
    twister._legacy_seeding(seed & 0xFFFF_FFFF)  # as the reference implementation seeds
    words = twister.random_raw(2 * count).astype(np.uint64)
    both = (words[0::2] << np.uint64(32)) | words[1::2]
    return (both & np.uint64((1 << 53) - 1)) * 2.0**-53


# Pooling


def pooling(op: Op, operands: Operands) -> list[Array]:
    """Maximum or average over windows of the last dimensions, and where the maximum was."""
    if op.attributes.get("gradient"):
        return [_pooling_gradient(op, operands)]
    x = operands[0]
    kernel, stride, padding = (
        [int(v) for v in cast("list[int]", op.attributes[key])]
        for key in ("kernel", "stride", "padding")
    )
    dilation = [int(v) for v in cast("list[int]", op.attributes.get("dilation", [1] * len(kernel)))]
    if op.attributes.get("adaptive"):
        return [_adaptive(op, x)]
    maximum = op.attributes.get("mode") == "max"
    rank = len(kernel)
    sizes = x.shape[-rank:]
    outs = _window_counts(op, sizes, kernel, stride, padding, dilation)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads = [(0, 0)] * (x.ndim - rank) + [
        (p, max(0, (o - 1) * s + r - n - p))
        for p, o, s, r, n in zip(padding, outs, stride, reach, sizes, strict=True)
    ]
    windows = _windows(np.pad(x, pads, constant_values=-np.inf if maximum else 0.0),
                       outs, kernel, stride, dilation)  # fmt: skip
    axes = tuple(range(windows.ndim - rank, windows.ndim))
    if maximum:
        place = np.pad(np.arange(math.prod(sizes)).reshape(sizes), pads[-rank:])
        at = _windows(place, outs, kernel, stride, dilation).reshape(*outs, -1)
        flat = windows.reshape(*windows.shape[:-rank], -1)
        best = flat.argmax(axis=-1)[..., None]
        index = np.take_along_axis(np.broadcast_to(at, flat.shape), best, -1)[..., 0]
        return [windows.max(axis=axes), index]
    total = windows.sum(axis=axes)
    count: Any = math.prod(kernel)
    if op.attributes.get("divisor_override"):
        count = cast(int, op.attributes["divisor_override"])
    elif op.attributes.get("count_include_pad") is False:
        ones = np.pad(np.ones(sizes), pads[-rank:])
        count = _windows(ones, outs, kernel, stride, dilation).sum(axis=tuple(range(-rank, 0)))
    return [total / count]


def _pooling_gradient(op: Op, operands: Operands) -> Array:
    """Gradients back to where the maximum was, or spread over the averaged window."""
    grad, x = operands[0], operands[1]
    kernel, stride, padding = (
        [int(v) for v in cast("list[int]", op.attributes[key])]
        for key in ("kernel", "stride", "padding")
    )
    rank = len(kernel)
    sizes = x.shape[-rank:]
    flat = np.zeros((*grad.shape[:-rank], math.prod(sizes)))
    spread = grad.reshape(*grad.shape[:-rank], -1)
    lead = np.indices(spread.shape)[:-1]
    if op.attributes.get("mode") == "max" and len(operands) > 2:
        at = np.broadcast_to(operands[2].reshape(*operands[2].shape[:-rank], -1), spread.shape)
        np.add.at(flat, (*lead, at.astype(np.int64)), spread)
        return flat.reshape(*grad.shape[:-rank], *sizes)
    if op.attributes.get("mode") == "max" or op.attributes.get("adaptive"):
        raise _unknown(op)
    counted = op.attributes.get("count_include_pad") is not False
    outs = grad.shape[-rank:]
    place = np.arange(math.prod(sizes)).reshape(sizes)
    for out, corner in enumerate(np.ndindex(*outs)):
        window = tuple(
            slice(max(0, c * s - p), min(n, c * s - p + k))
            for c, s, p, k, n in zip(corner, stride, padding, kernel, sizes, strict=True)
        )
        inside = place[window].reshape(-1)
        # a window that hangs over the padded border counts the padding, not what lies beyond
        reach = math.prod(
            min(c * s - p + k, n + p) - (c * s - p)
            for c, s, p, k, n in zip(corner, stride, padding, kernel, sizes, strict=True)
        )
        divisor = cast(int, op.attributes.get("divisor_override") or 0) or (
            reach if counted else inside.size
        )
        flat[..., inside] += spread[..., out : out + 1] / divisor
    return flat.reshape(*grad.shape[:-rank], *sizes)


def _window_counts(
    op: Op, sizes: tuple[int, ...], kernel: list[int], stride: list[int], padding: list[int],
    dilation: list[int],
) -> list[int]:  # fmt: skip
    counts = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        free = n + 2 * p - d * (k - 1) - 1
        count = free // s + 1
        if op.attributes.get("ceil_mode"):
            count = -(-free // s) + 1
            if (count - 1) * s >= n + p:
                count -= 1
        counts.append(count)
    return counts


def _windows(
    x: Array, outs: list[int], kernel: list[int], stride: list[int], dilation: list[int]
) -> Array:
    """A view with the window's dimensions last."""
    rank = len(kernel)
    lead, last = x.strides[: x.ndim - rank], x.strides[x.ndim - rank :]
    steps = tuple(s * t for s, t in zip(last, stride, strict=True))
    inner = tuple(s * t for s, t in zip(last, dilation, strict=True))
    shape = (*x.shape[: x.ndim - rank], *outs, *kernel)
    return np.lib.stride_tricks.as_strided(x, shape, (*lead, *steps, *inner), writeable=False)


def _adaptive(op: Op, x: Array) -> Array:
    outs = [int(v) for v in cast("list[int]", op.attributes["adaptive"])]
    maximum = op.attributes.get("mode") == "max"
    for place, count in enumerate(outs):
        axis = x.ndim - len(outs) + place
        n = x.shape[axis]
        parts = []
        for i in range(count):
            part = np.take(x, range(i * n // count, -(-(i + 1) * n // count)), axis)
            parts.append((part.max if maximum else part.mean)(axis=axis, keepdims=True))
        x = np.concatenate(parts, axis=axis)
    return x


# Reductions and normalizations


def _dims(op: Op) -> tuple[int, ...]:
    """Reduced dimensions, behind the axis of samples."""
    return tuple(int(d) + 1 for d in cast("list[int]", op.attributes.get("dims", [])))


_REDUCTIONS: dict[str, Callable[..., Array]] = {
    "sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "prod": np.prod,
    "any": np.any, "all": np.all,
}  # fmt: skip


def _reduction(op: Op, operands: Operands) -> list[Array]:
    function, dims = str(op.attributes.get("function")), _dims(op)
    keep = bool(op.attributes.get("keepdim", False))
    x = operands[0]
    if function == "nll_loss":
        return _nll(op, operands)
    if function == "mse_loss":
        error = np.square(operands[0] - operands[1])
        inner = tuple(range(1, error.ndim))
        mean = op.attributes.get("reduction", 1) == 1
        return [error.mean(axis=inner) if mean else error.sum(axis=inner)]
    if function in ("max", "min", "argmax", "argmin") and len(dims) <= 1:
        axis = dims[0] if dims else None
        if axis is None:
            raise _unknown(op)
        place = (np.argmax if "max" in function else np.argmin)(x, axis=axis)
        best = (np.max if "max" in function else np.min)(x, axis=axis, keepdims=keep)
        place = np.expand_dims(place, axis) if keep else place
        return [place] if function.startswith("arg") else [best, place]
    if function in ("var", "std", "var_mean", "std_mean"):
        correction = _number(op.attributes.get("correction"), 1.0)
        spread = np.var(x, axis=dims, ddof=correction, keepdims=keep)
        spread = np.sqrt(spread) if function.startswith("std") else spread
        average = [np.mean(x, axis=dims, keepdims=keep)] if function.endswith("_mean") else []
        return [spread, *average]
    if function in _REDUCTIONS:
        return [np.asarray(_REDUCTIONS[function](x, axis=dims, keepdims=keep))]
    raise _unknown(op)


def _nll(op: Op, operands: Operands) -> list[Array]:
    """Negative log-likelihood and the number of samples it counts."""
    logits, target = operands[0], operands[1].astype(np.int64)
    axis = 1 if logits.ndim == 2 else 2
    kept = target != int(_number(op.attributes.get("ignore_index"), -100))
    index = np.expand_dims(np.where(kept, target, 0), axis)
    index = np.broadcast_to(index, _one_along((logits.shape[0], *logits.shape[1:]), axis))
    picked = np.where(kept, -np.squeeze(np.take_along_axis(logits, index, axis), axis), 0.0)
    inner = tuple(range(1, picked.ndim))
    count = kept.reshape(kept.shape[0], -1).sum(axis=1).astype(np.float64)
    reduction = op.attributes.get("reduction", 1)
    if reduction == 0:
        return [picked, np.zeros((logits.shape[0],))]
    total = picked.sum(axis=inner)
    return [total / count if reduction == 1 else total, count]


def _normalization(op: Op, operands: Operands) -> list[Array]:
    kind, dims = op.attributes.get("kind"), _dims(op)
    if op.attributes.get("gradient"):
        return _normalization_gradient(op, str(kind), dims, operands)
    x = operands[0]
    if kind in ("softmax", "log_softmax"):
        shifted = x - x.max(axis=dims, keepdims=True)
        total = np.exp(shifted).sum(axis=dims, keepdims=True)
        return [np.exp(shifted) / total if kind == "softmax" else shifted - np.log(total)]
    if kind == "batch" and not op.attributes.get("training"):
        scale, shift = batch_norm_line(op, operands[1:])
        shape = (-1, *[1] * (x.ndim - 2))
        return [x * scale.reshape(scale.shape[0], *shape) + shift.reshape(shift.shape[0], *shape)]
    if kind == "batch":
        return _batch_norm(op, operands, dims)
    if kind in ("layer", "rms"):
        mean = x.mean(axis=dims, keepdims=True) if kind == "layer" else np.zeros(())
        spread = np.square(x - mean).mean(axis=dims, keepdims=True)
        inverse = 1.0 / np.sqrt(spread + _number(op.attributes.get("eps"), 1e-5))
        result = (x - mean) * inverse
        if len(operands) > 1:
            result = result * operands[1]
        if len(operands) > 2:
            result = result + operands[2]
        return [result, *([mean] if kind == "layer" else []), inverse]
    raise _unknown(op)


def _batch_norm(op: Op, operands: Operands, dims: tuple[int, ...]) -> list[Array]:
    """Result, statistics of the batch, and the running statistics moved on."""
    names = cast("list[str]", op.attributes.get("operands", []))
    given = dict(zip(names, operands, strict=False))
    x = operands[0]
    shape = (-1, 1, x.shape[2], *[1] * (x.ndim - 3))
    mean = x.mean(axis=dims)
    var = np.square(x - mean.reshape(shape)).mean(axis=dims)
    inverse = 1.0 / np.sqrt(var + _number(op.attributes.get("eps"), 1e-5))
    scale = inverse * given["weight"] if "weight" in given else inverse
    result = (x - mean.reshape(shape)) * scale.reshape(shape)
    if "bias" in given:
        result = result + given["bias"].reshape(shape)
    results = [result, mean, inverse]
    momentum = _number(op.attributes.get("momentum"), 0.1)
    count = x[0].size // x.shape[2]
    for name, statistic in (
        ("running_mean", mean), ("running_var", var * (count / max(1, count - 1)))
    ):  # fmt: skip
        if name in given:
            results.append((1.0 - momentum) * given[name] + momentum * statistic)
    return results


def _batch_norm_gradient(op: Op, operands: Operands, dims: tuple[int, ...]) -> list[Array]:
    """Gradients of input, weight and bias."""
    names = cast("list[str]", op.attributes.get("operands", []))
    given = dict(zip(names, operands, strict=False))
    grad, x = operands[0], operands[1]
    training = bool(op.attributes.get("training", op.attributes.get("train", False)))
    shape = (-1, 1, x.shape[2], *[1] * (x.ndim - 3))
    mean = given.get("save_mean" if training else "running_mean")
    inverse = given.get("save_invstd")
    if inverse is None or not training:
        eps = _number(op.attributes.get("eps"), 1e-5)
        inverse = 1.0 / np.sqrt(given["running_var"] + eps)
    if mean is None:
        raise _unknown(op)
    normal = (x - mean.reshape(shape)) * inverse.reshape(shape)
    to_bias, to_weight = grad.sum(axis=dims), (grad * normal).sum(axis=dims)
    scale = inverse * given["weight"] if "weight" in given else inverse
    to_input = grad
    if training:
        count = x[0].size // x.shape[2]
        to_input = grad - (to_bias.reshape(shape) + normal * to_weight.reshape(shape)) / count
    return [to_input * scale.reshape(shape), to_weight, to_bias]


def batch_norm_line(op: Op, constants: Operands) -> tuple[Array, Array]:
    """Scale and shift of a batch norm with fixed statistics, shape (lanes, channels)."""
    names = cast("list[str]", op.attributes.get("operands", []))[1:]
    given = dict(zip(names, constants, strict=False))
    mean, var = given["running_mean"], given["running_var"]
    scale = 1.0 / np.sqrt(var + _number(op.attributes.get("eps"), 1e-5))
    if "weight" in given:
        scale = scale * given["weight"]
    shift = -mean * scale
    if "bias" in given:
        shift = shift + given["bias"]
    return scale, shift


def _normalization_gradient(
    op: Op, kind: str, dims: tuple[int, ...], operands: Operands
) -> list[Array]:
    if kind == "batch":
        return _batch_norm_gradient(op, operands, dims)
    grad, made = operands[0], operands[1]
    if kind == "log_softmax":
        return [grad - np.exp(made) * grad.sum(axis=dims, keepdims=True)]
    if kind == "softmax":
        return [made * (grad - (grad * made).sum(axis=dims, keepdims=True))]
    raise _unknown(op)


# Copies and gathers


def _copy(op: Op, operands: Operands, shape: tuple[int, ...]) -> Array:
    function = op.attributes.get("function")
    x = operands[0] if operands else np.zeros((1, *shape))
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
    if function == "flip":
        dims = [int(d) for d in cast("list[int]", op.attributes["dims"])]
        return np.asarray(np.flip(x, tuple(d + 1 if d >= 0 else d for d in dims)))
    raise _unknown(op)


def _pad(op: Op, x: Array) -> Array:
    amounts = [int(v) for v in cast("list[int]", op.attributes["pad"])]
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    grown = np.pad(
        x, [(max(0, a), max(0, b)) for a, b in widths],
        constant_values=_number(op.attributes.get("value"), 0.0),
    )  # fmt: skip
    cut = tuple(slice(max(0, -a), n - max(0, -b))
                for (a, b), n in zip(widths, grown.shape, strict=True))  # fmt: skip
    return grown[cut]


def _gather(op: Op, operands: Operands) -> Array:
    if op.name.split(".")[1] == "embedding":
        table, index = operands[0], operands[1].astype(np.int64)
        lanes = max(table.shape[0], index.shape[0])
        return np.stack(
            [table[min(i, len(table) - 1)][index[min(i, len(index) - 1)]] for i in range(lanes)]
        )
    raise _unknown(op)


def _number(value: object, default: float) -> float:
    """A scalar argument; infinities are kept as text."""
    return default if value is None else float(cast(float, value))
