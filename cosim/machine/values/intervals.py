"""How far apart two right results can be: intervals that rounding alone explains.

The array adds products in a floating-point format, tile by tile, in an order that no framework
shares. Whatever the order, a sum of n terms differs from the exact one by no more than

    gamma_n * sum |a| |w|,    gamma_n = n u / (1 - n u)

with the unit roundoff u of the format (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
edition, 2002, equation 3.5 and section 4.2). That bound is computed for every element from the
operands themselves. What is fused behind the sums carries the ends of the interval on: most
functions are monotonic, so the function of the ends is the interval of the function.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, cast

import numpy as np

from cosim.machine.values.codes import Array
from cosim.machine.values.operations import evaluate
from cosim.machine.values.tile_product import TileProduct
from cosim.machine.values.viewed import seen, unseen
from cosim.mapping.cuts import output_view_of, seen_shape, view_of
from cosim.mapping.fusion import Group
from cosim.mapping.regions import Region
from cosim.mapping.rescale import bias_of
from cosim.mapping.row_gather import row_scatter
from cosim.workload.workload import Kind, Op

if TYPE_CHECKING:
    from cosim.machine.values.state import State

ROUNDOFF = {16: 2.0**-11, 32: 2.0**-24, 64: 2.0**-53}
"""Unit roundoff of the floating-point formats, by their bits (IEEE 754)."""

SMALLEST = {16: 2.0**-24, 32: 2.0**-149, 64: 2.0**-1074}
"""Smallest number above zero: what a rounding may lose where the exponent ends."""

_TURNS = {
    "hardswish": -1.5, "silu": -1.278464542761074, "gelu": -0.7517915717780847, "abs": 0.0,
    "square": 0.0, "mul": 0.0,
}  # fmt: skip
"""Functions that fall up to a point and rise from there (``mul``: of an operand by itself)."""

_STEPS = frozenset({"eq", "ne", "sin", "cos", "where", "remainder", "atan2"})
"""Functions whose ends say nothing of what lies between."""


@dataclass(frozen=True)
class Interval:
    """Lower and upper ends, arrays of the same shape (samples or 1, *shape)."""

    low: Array
    high: Array


def sums_interval(run: State, op: Op, bits: int) -> Interval:
    """Where the result of a contraction lies that is added up in floating point.

    Parameters
    ----------
    bits : int
        Width of the format that the machine adds in.
    """
    assert op.result is not None
    operands = [np.abs(_operand(run, a.tensor, op.id)).astype(np.float64) for a in op.accesses]
    views = [o.reshape(o.shape[0], *a.view_shape)
             for o, a in zip(operands, op.accesses, strict=True)]  # fmt: skip
    boxes = [
        Region(a.tensor, a.view_shape, tuple((0, n, 1) for n in a.view_shape))
        for a in (*op.accesses, op.result)
    ]
    shape = run.layout.tensors[op.outputs[0]].shape
    added = TileProduct.of(op)({}, views[0], views[1], (boxes[0], boxes[1], boxes[2]))
    added = added.reshape(added.shape[0], *shape) * abs(_scalar(op, "alpha"))
    bias = bias_of(op, run.layout.tensors)
    if bias is not None:
        offset = np.abs(_operand(run, bias.id, op.id)) * abs(_scalar(op, "beta"))
        if op.kind is Kind.CONVOLUTION:
            offset = offset.reshape(*offset.shape, *[1] * (len(shape) - 2))
        added = added + offset
    # the products' own roundings, the bias, and a weight that a batch norm was folded into
    terms = _terms(op) + 3
    share = gamma(terms, bits)
    centre = run.reference.made(op.id, 0)
    assert centre is not None
    away = share * added + terms * SMALLEST[bits]
    return Interval(centre - away, centre + away)


def group_interval(run: State, group: Group, tensor: int, bits: int) -> Interval | None:
    """Where a result of a group with floating-point sums lies; None if that cannot be told."""
    anchor = group.anchor or group.ops[0]
    found, current = sums_interval(run, anchor, bits), anchor.outputs[0]
    if current == tensor:
        return found
    for op in group.ops:
        if op is anchor:
            continue
        through = _through(run, op, found, current)
        if through is None:
            return None
        if op in group.folded and op.kind is Kind.NORMALIZATION:
            # its shift is added with the products, and rounded with them
            zero = np.zeros_like(found.low)
            shift = _through(run, op, Interval(zero, zero), current)
            assert shift is not None
            away = gamma(_terms(anchor) + 3, bits) * np.abs(shift.low)
            through = Interval(through.low - away, through.high + away)
        found, current = through, op.outputs[0]
        if current == tensor:
            return found
    return None


def stored(interval: Interval, bits: int) -> Interval:
    """The same after rounding to what memory holds, once by the machine and once by PyTorch."""
    unit = 2.0 * ROUNDOFF[bits]
    return Interval(
        interval.low - unit * np.abs(interval.low) - SMALLEST[bits],
        interval.high + unit * np.abs(interval.high) + SMALLEST[bits],
    )


def wide_interval(run: State, group: Group, expected: Array) -> Interval:
    """Where a result lies that both sides compute in double precision, in their own order.

    Its operands are the same to the bit; an addition of n numbers differs by no more than
    ``gamma_n`` of double precision times what is added up.
    """
    largest, count = float(np.abs(expected).max(initial=0.0)), 1
    for op in group.ops:
        for tensor in op.inputs:
            values = run.expected(tensor, op.id)
            if values is not None and values.size:
                size = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
                largest, count = max(largest, size), max(count, values[0].size)
    away = gamma(count + 64, 64) * largest + _rounded_between(run, group)
    return Interval(expected - away, expected + away)


def _rounded_between(run: State, group: Group) -> Array | float:
    """What a row that is added to piece by piece loses on its ways to memory and back."""
    op = group.ops[0]
    scatter = row_scatter(op, run.layout.tensors)
    if scatter is None:
        return 0.0
    bits = run.layout.codes[scatter.result].bits
    values, index = (_operand(run, t, op.id) for t in op.inputs)
    operands = [seen(v, view_of(op, i)) for i, v in enumerate((np.abs(values), index))]
    shape = run.layout.tensors[scatter.result].shape
    added = evaluate(run.reference.as_run(op), operands, shape)[0].reshape(-1, *shape)
    return gamma(scatter.count, bits) * added if bits in ROUNDOFF else 0.0


def _through(run: State, op: Op, ends: Interval, current: int) -> Interval | None:
    """The interval of a function of an interval."""
    function = str(op.attributes.get("function", ""))
    places = [i for i, t in enumerate(op.inputs) if t == current]
    if function in _STEPS or (op.attributes.get("gradient") and places != [0]):
        return None
    if function in ("div", "reciprocal", "pow") and places != [0]:
        return None
    if len(places) > 1 and function not in ("add", "mul", "maximum", "minimum"):
        return None

    def made(values: Array) -> Array:
        operands = [
            seen(values if t == current else _operand(run, t, op.id), view_of(op, i))
            for i, t in enumerate(op.inputs)
        ]
        shape = seen_shape(run.layout.tensors[op.outputs[0]], output_view_of(op, 0))
        result = evaluate(run.reference.as_run(op), operands, shape)[0]
        return unseen(result, output_view_of(op, 0), run.layout.tensors[op.outputs[0]].shape)

    first, last = made(ends.low), made(ends.high)
    low, high = np.minimum(first, last), np.maximum(first, last)
    turns = function in _TURNS and (function != "mul" or len(places) > 1)
    if turns or function == "pow":
        between = made(np.clip(_TURNS.get(function, 0.0), ends.low, ends.high))
        low, high = np.minimum(low, between), np.maximum(high, between)
    return Interval(low, high)


def _operand(run: State, tensor: int, before: int) -> Array:
    values = run.expected(tensor, before)
    assert values is not None
    return values


def _terms(op: Op) -> int:
    """At most so many products are added up for one element."""
    assert op.result is not None
    alone = {
        index.terms[0][0] for index in op.result.indices
        if len(index.terms) == 1 and index.terms[0][1] == 1
    }  # fmt: skip
    return prod(loop.extent for loop in op.loops if loop.name not in alone)


def gamma(terms: int, bits: int) -> float:
    """Relative bound of a sum of so many terms in a format of so many bits."""
    share = terms * ROUNDOFF[bits]
    return share / (1.0 - share) if share < 1.0 else float("inf")


def _scalar(op: Op, name: str) -> float:
    return float(cast(float, op.attributes.get(name, 1)))
