"""Pooling, and its gradients."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.definitions import Operands, unknown_operation
from cosim.workload.workload import Op


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
        raise unknown_operation(op)
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
