"""How much an operation asks of the vector unit or the host, in lane operations.

A lane operation is one pass of one element through a lane. Functions that hardware evaluates in
several passes (division, roots, exponentials by range reduction and polynomial) count several;
the figures are assumptions about a simple unit, kept here in one table.
"""

from __future__ import annotations

from math import prod

from cosim.workload.workload import Kind, Op, Tensor

PASSES = {
    "div": 4, "reciprocal": 4, "sqrt": 4, "rsqrt": 4, "exp": 4, "log": 4, "pow": 4,
    "sigmoid": 4, "tanh": 4, "silu": 5, "hardswish": 3, "gelu": 8, "erf": 6, "softplus": 6,
    "softmax": 6, "log_softmax": 6, "adam": 8, "addcdiv": 5, "addcmul": 2, "lerp": 2,
}  # fmt: skip
"""Lane operations per element; every function not listed takes one (assumed)."""

NORMALIZATION_PASSES = 4
"""Mean, variance, scale and shift: two reading passes of two operations each (assumed)."""


def lane_operations(op: Op, tensors: dict[int, Tensor]) -> int:
    """Lane operations of a whole operation."""
    result = sum(tensors[t].elements for t in op.outputs)
    source = max((tensors[t].elements for t in op.inputs), default=0)
    if op.kind is Kind.POOLING:
        kernel = op.attributes.get("kernel")
        window = prod(kernel) if isinstance(kernel, (list, tuple)) else 1
        return max(source, tensors[op.outputs[0]].elements * window if op.outputs else 0)
    if op.kind is Kind.NORMALIZATION:
        return max(source, result) * _passes(op, NORMALIZATION_PASSES)
    if op.kind is Kind.GATHER and op.attributes.get("function") == "scatter_add":
        return result + source  # zeros, and what is added to some of them
    if op.kind in (Kind.COPY, Kind.GATHER):
        return result
    return max(source, result) * _passes(op, 1)


def is_reordering(op: Op) -> bool:
    """Whether an operation moves elements to another order and does nothing else."""
    copies = op.kind is Kind.COPY and op.attributes.get("function") == "copy"
    return copies and not op.attributes.get("contiguous")


def _passes(op: Op, default: int) -> int:
    return PASSES.get(str(op.attributes.get("function", "")), default)


def host_operations(op: Op, tensors: dict[int, Tensor]) -> int:
    """Scalar operations when the host runs it: multiply-accumulates or lane operations."""
    return op.macs if op.macs else max(1, lane_operations(op, tensors))
