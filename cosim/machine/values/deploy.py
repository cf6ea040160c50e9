"""What deployment does before the first run: parameters into DRAM, constants computed.

Batch norms are folded here: into the scale and offset of a group whose sums are whole numbers, into
weights and bias of one that sums real numbers. Both in double precision, then rounded once to what
memory holds.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from cosim.errors import CosimError
from cosim.machine.values.codes import Array, Code
from cosim.machine.values.layout import Layout
from cosim.machine.values.normalizing import batch_norm_line
from cosim.mapping.fusion import Group
from cosim.mapping.mapping import Mapping
from cosim.mapping.rescale import bias_of, channel_axis, sums_integers
from cosim.workload.reference import Reference
from cosim.workload.workload import Kind, Op


class Deployment:
    """Values of everything that exists before the run, by tensor, in the tensors' shapes."""

    def __init__(self, mapping: Mapping, layout: Layout, reference: Reference) -> None:
        self.mapping, self.layout, self.reference = mapping, layout, reference
        self._made = {
            t: (op.id, position)
            for op in mapping.workload.ops if op.id in set(mapping.grouping.offline)
            for position, t in enumerate(op.outputs)
        }  # fmt: skip
        self._replaced: dict[int, Array] = {}
        for group in mapping.grouping.groups:
            if group.anchor is not None:
                self._prepare(group)

    def value(self, tensor: int) -> Array | None:
        """Real values of a tensor before the run, shape (lanes or 1, *shape); None if unknown."""
        if tensor in self._replaced:
            return self._replaced[tensor]
        return self.constant(tensor)

    def constant(self, tensor: int) -> Array | None:
        """The same without folding: as the network has it."""
        if tensor in self._made:
            return self.reference.outputs.get(self._made[tensor])
        return self.reference.initial.get(tensor)

    # Folding

    def _prepare(self, group: Group) -> None:
        anchor = group.anchor
        assert anchor is not None
        norms = [op for op in group.folded if op.kind is Kind.NORMALIZATION]
        if group.prepared is None and not norms:
            return
        scale, offset = self._line(group, anchor, norms)
        if sums_integers(anchor, self.layout.tensors):
            assert group.prepared is not None
            unit = product_unit(anchor, self.layout)
            self._replaced[group.prepared.id] = np.stack([scale * unit, offset], axis=-1)[None]
            return
        bias = bias_of(anchor, self.layout.tensors)
        holder = group.prepared or bias
        assert holder is not None
        self._replaced[holder.id] = offset[None]
        weight = anchor.accesses[1].tensor
        if weight in self._replaced:
            raise CosimError(
                f"'{self.layout.tensors[weight].name}' is the weight of two layers with batch "
                "norms of their own: one copy cannot hold both",
                where=f"layer '{group.name}'",
                expected="a run without values for this network",
            )
        values = self.constant(weight)
        assert values is not None
        self._replaced[weight] = values * along_weight(anchor, self.layout, scale)[None]

    def _line(self, group: Group, anchor: Op, norms: list[Op]) -> tuple[Array, Array]:
        """Scale and offset of every channel, of the real sums."""
        tensors = self.layout.tensors
        result = tensors[anchor.outputs[0]]
        channels = result.shape[channel_axis(anchor, tensors)]
        scale, offset = np.ones(channels), np.zeros(channels)
        bias = bias_of(anchor, tensors)
        if bias is not None:
            offset = offset + self._once(bias.id) * float(
                cast(float, anchor.attributes.get("beta", 1))
            )
        scale = scale * float(cast(float, anchor.attributes.get("alpha", 1)))
        for op in norms:
            constants = [self._once(t)[None] for t in op.inputs[1:]]
            by, shift = batch_norm_line(op, constants)
            scale, offset = scale * by[0], offset * by[0] + shift[0]
        return scale, offset

    def _once(self, tensor: int) -> Array:
        values = self.constant(tensor)
        assert values is not None
        return np.asarray(values[0], np.float64)


def product_unit(anchor: Op, layout: Layout) -> Array | float:
    """Real value of one step of the integer sums: one number, or one for each channel."""
    total: Array | float = 1.0
    for access in anchor.accesses:
        code = layout.codes[access.tensor]
        if code.quantized:
            total = total * (np.array(code.unit) if len(code.unit) > 1 else code.unit[0])
    return total


def along_weight(anchor: Op, layout: Layout, scale: Array) -> Array:
    """A number for each channel, shaped to be multiplied with the weight."""
    weight, result = anchor.accesses[1], anchor.result
    assert result is not None
    rank = len(layout.tensors[anchor.outputs[0]].shape)
    axis = channel_axis(anchor, layout.tensors)
    # loops of the result's channel dimension, in groups where it is cut in two
    loops = [t for index in result.indices for t, _ in index.terms]
    channel = (
        [loop for loop in ("g", "k") if loop in loops]
        if anchor.kind is Kind.CONVOLUTION
        else [loops[axis - rank]]
    )
    shape, view = [], []
    for index, extent in zip(weight.indices, weight.view_shape, strict=True):
        names = [t for t, _ in index.terms]
        mine = len(names) == 1 and names[0] in channel
        view.append(extent)
        shape.append(extent if mine else 1)
    full = np.broadcast_to(scale.reshape(shape), view)
    return np.array(full).reshape(layout.tensors[weight.tensor].shape)


def code_for_sums(mapping: Mapping, group: Group, layout: Layout) -> Code:
    """How the accumulators hold the sums of a group.

    Raises
    ------
    CosimError
        An accumulator whose width is that of no floating-point type.
    """
    assert group.anchor is not None
    bits = mapping.design.array_named(group.array).accumulator_bits
    if all(layout.codes[a.tensor].quantized for a in group.anchor.accesses):
        return Code(bits, "signed")
    if bits not in (16, 32, 64):
        raise CosimError(
            f"an accumulator of {bits} bits cannot hold real numbers",
            where=f"design '{mapping.design.name}', engine.{group.array}.accumulator_bits",
            expected="16, 32 or 64 bits for layers that are not quantized",
        )
    return Code(bits, "float")
