"""What turns the sums of the array into results: a scale and an offset for every channel.

Between a contraction's integer sums and its result lie the scales of both operands, the bias and
a folded batch norm. Per channel that is ``result = scale * sum + offset``. Deployment computes both
numbers once, in double precision: with less, results next to a rounding boundary would fall on the
wrong code. They are held as one tensor of 64-bit reals in DRAM and loaded with the group's weights.

A contraction in floating point folds batch norm into its weights and needs the offset alone, in
single precision; it takes the place of the bias. Without a bias a tensor is made for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cosim.workload.workload import Kind, Op, Role, Tensor

MACHINE_FIXED_POINT = "machine-fixed-point"
"""Scheme of tensors that a design, not the network, holds as integers: one point for all, which
nobody said; shifting it takes no constants."""


def is_quantized(tensor: Tensor) -> bool:
    """Whether memory holds codes of this tensor, with a scale of their own, instead of numbers."""
    return bool(tensor.scheme) and tensor.scheme != MACHINE_FIXED_POINT


def sums_integers(anchor: Op, tensors: dict[int, Tensor]) -> bool:
    """Whether the array multiplies codes: its sums have to be rescaled."""
    return any(is_quantized(tensors[access.tensor]) for access in anchor.accesses)


def channel_axis(anchor: Op, tensors: dict[int, Tensor]) -> int:
    """Dimension of a contraction's result that bias and batch norm run along."""
    rank = len(tensors[anchor.outputs[0]].shape)
    return min(1, rank - 1) if anchor.kind is Kind.CONVOLUTION else rank - 1


def bias_of(anchor: Op, tensors: dict[int, Tensor]) -> Tensor | None:
    """The bias of a contraction, one number a channel, or None."""
    if len(anchor.inputs) < 3:
        return None
    addend, result = tensors[anchor.inputs[2]], tensors[anchor.outputs[0]]
    channels = result.shape[channel_axis(anchor, tensors)] if result.shape else 1
    return addend if len(addend.shape) == 1 and addend.elements == channels else None


def rescale_constants(
    anchor: Op | None, folded: Sequence[Op], tensors: dict[int, Tensor],
    constant: Callable[[int], bool], ids: tuple[int, int], end: int,
) -> Tensor | None:  # fmt: skip
    """The tensor of a group's rescaling constants, or None if it needs none.

    Parameters
    ----------
    constant : callable
        Whether a tensor is known before the run.
    ids : tuple of int
        Number of the new tensor and of its storage.
    end : int
        Number of operations of the workload.
    """
    if anchor is None:
        return None
    bias = bias_of(anchor, tensors)
    if bias is not None and not constant(bias.id):
        return None
    norm = any(op.kind is Kind.NORMALIZATION for op in folded)
    if not norm and bias is None:
        return None
    integers = sums_integers(anchor, tensors)
    if not integers and (not norm or bias is not None):
        return None  # the bias has the place of the offset
    result = tensors[anchor.outputs[0]]
    channels = result.shape[channel_axis(anchor, tensors)]
    weight = tensors[anchor.accesses[1].tensor]
    dtype, bits, shape = (
        ("float64", 64, (channels, 2)) if integers else ("float32", 32, (channels,))
    )
    return Tensor(
        ids[0], f"{weight.parameter or weight.name}.rescale", shape, dtype, bits, Role.WEIGHT,
        ids[1], -1, end,
    )  # fmt: skip
