"""Operands as operations see them, and back: reshape, transpose, broadcast."""

from __future__ import annotations

import numpy as np

from cosim.machine.values.codes import Array

View = dict[str, list[int]]


def seen(values: Array, view: View) -> Array:
    """An array under a view; its first axis, of samples, stays."""
    lanes = values.shape[0]
    if "reshape" in view:
        values = values.reshape(lanes, *view["reshape"])
    if "transpose" in view:
        values = values.transpose(0, *(1 + d for d in view["transpose"]))
    if "broadcast_to" in view:
        shape = view["broadcast_to"]
        missing = len(shape) + 1 - values.ndim
        values = values.reshape(lanes, *[1] * missing, *values.shape[1:])
        values = np.broadcast_to(values, (lanes, *shape))
    return values


def unseen(values: Array, view: View, shape: tuple[int, ...]) -> Array:
    """A result in the shape of its tensor, from what an operation sees of it."""
    lanes = values.shape[0]
    if "transpose" in view:
        back = [view["transpose"].index(d) for d in range(values.ndim - 1)]
        values = values.transpose(0, *(1 + d for d in back))
    return values.reshape(lanes, *shape)
