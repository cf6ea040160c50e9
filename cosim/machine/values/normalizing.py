"""Reductions and normalizations, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import Operands, number, one_along, unknown_operation
from cosim.workload.workload import Op


def _dims(op: Op) -> tuple[int, ...]:
    """Reduced dimensions, behind the axis of samples."""
    return tuple(int(d) + 1 for d in cast("list[int]", op.attributes.get("dims", [])))


_REDUCTIONS: dict[str, Callable[..., Array]] = {
    "sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "prod": np.prod,
    "any": np.any, "all": np.all,
}  # fmt: skip


def reduction(op: Op, operands: Operands) -> list[Array]:
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
            raise unknown_operation(op)
        place = (np.argmax if "max" in function else np.argmin)(x, axis=axis)
        best = (np.max if "max" in function else np.min)(x, axis=axis, keepdims=keep)
        place = np.expand_dims(place, axis) if keep else place
        return [place] if function.startswith("arg") else [best, place]
    if function in ("var", "std", "var_mean", "std_mean"):
        correction = number(op.attributes.get("correction"), 1.0)
        spread = np.var(x, axis=dims, ddof=correction, keepdims=keep)
        spread = np.sqrt(spread) if function.startswith("std") else spread
        average = [np.mean(x, axis=dims, keepdims=keep)] if function.endswith("_mean") else []
        return [spread, *average]
    if function == "logsumexp":
        largest = x.max(axis=dims, keepdims=True)
        total = np.log(np.exp(x - largest).sum(axis=dims, keepdims=True)) + largest
        return [total if keep else np.squeeze(total, dims)]
    if function in ("norm", "linalg_vector_norm"):
        order = number(op.attributes.get("ord", op.attributes.get("p")), 2.0)
        return [_vector_norm(x, order, dims, keep)]
    if function in ("cumsum", "cumprod") and len(dims) == 1:
        return [(np.cumsum if function == "cumsum" else np.cumprod)(x, axis=dims[0])]
    if function == "count_nonzero":
        return [np.count_nonzero(x, axis=dims, keepdims=keep)]
    if function in _REDUCTIONS:
        return [np.asarray(_REDUCTIONS[function](x, axis=dims, keepdims=keep))]
    raise unknown_operation(op)


def _vector_norm(x: Array, order: float, dims: tuple[int, ...], keep: bool) -> Array:
    if order == 2.0:
        return np.asarray(np.sqrt(np.square(x).sum(axis=dims, keepdims=keep)))
    if np.isinf(order):
        return np.asarray(np.abs(x).max(axis=dims, keepdims=keep))
    return np.asarray((np.abs(x) ** order).sum(axis=dims, keepdims=keep) ** (1.0 / order))


def _nll(op: Op, operands: Operands) -> list[Array]:
    """Negative log-likelihood and the number of samples it counts."""
    logits, target = operands[0], operands[1].astype(np.int64)
    axis = 1 if logits.ndim == 2 else 2
    kept = target != int(number(op.attributes.get("ignore_index"), -100))
    index = np.expand_dims(np.where(kept, target, 0), axis)
    index = np.broadcast_to(index, one_along((logits.shape[0], *logits.shape[1:]), axis))
    picked = np.where(kept, -np.squeeze(np.take_along_axis(logits, index, axis), axis), 0.0)
    inner = tuple(range(1, picked.ndim))
    count = kept.reshape(kept.shape[0], -1).sum(axis=1).astype(np.float64)
    reduction = op.attributes.get("reduction", 1)
    if reduction == 0:
        return [picked, np.zeros((logits.shape[0],))]
    total = picked.sum(axis=inner)
    return [total / count if reduction == 1 else total, count]


def normalization(op: Op, operands: Operands) -> list[Array]:
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
        shape = (1, -1, *[1] * (x.ndim - 3))
        return [x * scale.reshape(scale.shape[0], *shape) + shift.reshape(shift.shape[0], *shape)]
    if kind == "batch":
        return _batch_norm(op, operands, dims)
    if kind in ("layer", "rms"):
        mean = x.mean(axis=dims, keepdims=True) if kind == "layer" else np.zeros(())
        spread = np.square(x - mean).mean(axis=dims, keepdims=True)
        inverse = 1.0 / np.sqrt(spread + number(op.attributes.get("eps"), 1e-5))
        result = (x - mean) * inverse
        if len(operands) > 1:
            result = result * operands[1]
        if len(operands) > 2:
            result = result + operands[2]
        return [result, *([mean] if kind == "layer" else []), inverse]
    raise unknown_operation(op)


def _batch_norm(op: Op, operands: Operands, dims: tuple[int, ...]) -> list[Array]:
    """Result, statistics of the batch, and the running statistics moved on."""
    names = cast("list[str]", op.attributes.get("operands", []))
    given = dict(zip(names, operands, strict=False))
    x = operands[0]
    shape = (-1, 1, x.shape[2], *[1] * (x.ndim - 3))
    mean = x.mean(axis=dims)
    var = np.square(x - mean.reshape(shape)).mean(axis=dims)
    inverse = 1.0 / np.sqrt(var + number(op.attributes.get("eps"), 1e-5))
    scale = inverse * given["weight"] if "weight" in given else inverse
    result = (x - mean.reshape(shape)) * scale.reshape(shape)
    if "bias" in given:
        result = result + given["bias"].reshape(shape)
    results = [result, mean, inverse]
    momentum = number(op.attributes.get("momentum"), 0.1)
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
        eps = number(op.attributes.get("eps"), 1e-5)
        inverse = 1.0 / np.sqrt(given["running_var"] + eps)
    if mean is None:
        raise unknown_operation(op)
    normal = (x - mean.reshape(shape)) * inverse.reshape(shape)
    to_bias, to_weight = grad.sum(axis=dims), (grad * normal).sum(axis=dims)
    scale = inverse * given["weight"] if "weight" in given else inverse
    to_input = grad
    if training:
        count = x[0].size // x.shape[2]
        to_input = grad - (to_bias.reshape(shape) + normal * to_weight.reshape(shape)) / count
    return [to_input * scale.reshape(shape), to_weight, to_bias]


def _layer_norm_gradient(op: Op, operands: Operands, dims: tuple[int, ...]) -> list[Array]:
    """Gradients of input, weight and bias, those that are asked for."""
    names = cast("list[str]", op.attributes.get("operands", []))
    given = dict(zip(names, operands, strict=False))
    grad, x = operands[0], operands[1]
    normal = (x - given["mean"]) * given["rstd"]
    over = tuple(d for d in range(1, x.ndim) if d not in dims)
    scaled = grad
    if "weight" in given:
        weight = given["weight"]
        scaled = grad * weight.reshape(len(weight), *[1] * len(over), *weight.shape[1:])
    mean, slope = (v.mean(axis=dims, keepdims=True) for v in (scaled, scaled * normal))
    results = [
        (scaled - mean - normal * slope) * given["rstd"],
        (grad * normal).sum(axis=over), grad.sum(axis=over),
    ]  # fmt: skip
    wanted = cast("list[bool]", op.attributes.get("output_mask") or [True] * 3)
    return [result for result, want in zip(results, wanted, strict=True) if want]


def batch_norm_line(op: Op, constants: Operands) -> tuple[Array, Array]:
    """Scale and shift of a batch norm with fixed statistics, shape (lanes, channels)."""
    names = cast("list[str]", op.attributes.get("operands", []))[1:]
    given = dict(zip(names, constants, strict=False))
    mean, var = given["running_mean"], given["running_var"]
    scale = 1.0 / np.sqrt(var + number(op.attributes.get("eps"), 1e-5))
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
    if kind == "layer":
        return _layer_norm_gradient(op, operands, dims)
    grad, made = operands[0], operands[1]
    if kind == "log_softmax":
        return [grad - np.exp(made) * grad.sum(axis=dims, keepdims=True)]
    if kind == "softmax":
        return [made * (grad - (grad * made).sum(axis=dims, keepdims=True))]
    raise unknown_operation(op)


def nll_gradient(op: Op, operands: Operands) -> Array:
    """d loss / d log-probabilities; operands: gradient, log-probabilities, target, total weight."""
    grad, logits, target = operands[:3]
    result = np.zeros((max(grad.shape[0], logits.shape[0]), *logits.shape[1:]))
    chosen = target.astype(np.int64)[:, None] if logits.ndim == 2 else target.astype(np.int64)
    total = operands[-1] if op.attributes.get("reduction", 1) == 1 else np.ones((1,))
    kept = chosen != int(number(op.attributes.get("ignore_index"), -100))
    axis = 1 if logits.ndim == 2 else 2
    step = -np.reshape(grad, (-1, *[1] * (result.ndim - 1)))
    step = step / np.reshape(total, (-1, *[1] * (result.ndim - 1)))
    index = np.where(kept, chosen, 0)
    index = np.broadcast_to(np.expand_dims(index, axis) if index.ndim < result.ndim else index,
                            one_along(result.shape, axis))  # fmt: skip
    here = np.broadcast_to(np.expand_dims(kept, axis) if kept.ndim < result.ndim else kept,
                           index.shape)  # fmt: skip
    np.put_along_axis(result, index, np.where(here, step, 0.0), axis)
    return result
