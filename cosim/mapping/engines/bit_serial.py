"""Arrays whose throughput depends on the operands' bits: serial, composed or packed multipliers.

An element is `bricks` multipliers of `streaming_bits` x `weight_bits`. A product of operands of
a and w bits needs ``ceil(a / streaming_bits) * ceil(w / weight_bits)`` brick operations. With
more bricks than that, an element computes several products of the reduction at once; with fewer,
it takes several cycles::

    needed = ceil(a / sa) * ceil(w / sw)
    packed = max(1, bricks // needed)          products of an element a step
    steps  = ceil(needed / bricks)             cycles of a step

    cycles = groups * ceil(filters / F) * ceil(pixels / P)
                    * (ceil(k / (C * packed)) * steps + drain)

on F x P x C elements, sums staying in place over the reduction.

=============================================  ========================  ======================
design                                         brick                     follows
=============================================  ========================  ======================
Stripes (Judd, MICRO 2016)                     1 x 16, 1 an element      cycles ~ activation bits
UNPU (Lee, JSSC 2019), weights serial          16 x 1, 1 an element      cycles ~ weight bits
Bit Fusion (Sharma, ISCA 2018)                 2 x 2, 16 an element      rate ~ 64 / (a w)
ternary select (T-DLA's elements)              8 x 2, 1 an element       rate as for one product
two 8-bit products packed in a DSP48E2 (WP486) 8 x 8, 2 an element       rate 2 at 8 bits
=============================================  ========================  ======================

Energy of a product is that of its brick operations: the precision's energy, which holds for
operands as wide as its type, times the share of bricks that are needed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from cosim.design.arrays import BitSerialArray, Precision
from cosim.mapping.engines.timing import (
    Accesses,
    Layer,
    Reduction,
    Term,
    TileShape,
    Timing,
    constant,
    pieces,
)


@dataclass(frozen=True)
class BitSerial:
    """Timing and buffer traffic of a `BitSerialArray`."""

    array: BitSerialArray

    def bricks_needed(self, streaming_bits: int, weight_bits: int) -> int:
        """Brick operations of one product."""
        array = self.array
        return -(-streaming_bits // array.streaming_bits) * -(-weight_bits // array.weight_bits)

    def timing(self, layer: Layer) -> Timing:
        array = self.array
        needed = self.bricks_needed(layer.streaming_bits, layer.weight_bits)
        wide = array.channels * max(1, array.bricks // needed)
        steps = -(-needed // array.bricks) * layer.cycles_per_step
        blocks = {"pixels": pieces(array.pixels), "filters": pieces(array.filters)}

        def cycles(reduction: Reduction) -> Any:
            return pieces(wide)(reduction) * steps

        terms = (Term(True, reduction=cycles, **blocks),
                 Term(False, reduction=constant(array.drain), **blocks))  # fmt: skip
        return Timing(terms, {"m": array.pixels, "n": array.filters, "k": wide})

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        m, n, k = tile.pixels.size, tile.filters, tile.reduction.size
        streaming = m * k * pieces(self.array.filters)(n)
        return Accesses(streaming, k * n * pieces(self.array.pixels)(m), m * n, 0)

    def alike(self, layer: Layer) -> Hashable:
        return (layer.streaming_bits, layer.weight_bits, layer.cycles_per_step)

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        if not precision.name.startswith("int"):
            return precision.energy_pj
        full = int(precision.name[3:])
        needed = self.bricks_needed(layer.streaming_bits, layer.weight_bits)
        return precision.energy_pj * needed / self.bricks_needed(full, full)
