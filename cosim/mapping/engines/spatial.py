"""Spatial arrays: filters x channels x a fixed window of multipliers, driven by commands.

Every cycle the array takes one column position of Tn input channels, under a window of Kr x Ks,
and adds to Tm output channels. One command, a *pass*, walks all positions of a tile; a kernel
larger than the array's window takes several passes over the window, a smaller one leaves
multipliers idle. Per image::

    passes = groups * ceil(filters / Tm) * ceil(channels / Tn) * ceil(R / Kr) * ceil(S / Ks)
    pass   = rows * steps + overhead + weights

`steps` is what takes a cycle in a row: every output column, or, where the array takes in a new
input column each cycle whatever the stride, every input column: ``(columns - 1) * stride + S``.
`weights` are the cycles to load the pass's weights; with ``overlap_weights`` those of the next
pass load while this one streams, and only the excess ``max(0, load - rows * steps)`` is left.

* T-DLA: 16 x 4 x 5 x 5, input columns, 14 cycles of overhead: LeNet-5's first convolution, 28 x 28
  inputs and 24 x 24 outputs, takes 24 * 28 + 14 = 686 cycles a pass, the work time in the shipped
  instruction (github.com/microideax/T-DLA, 51806cd); 8 cycles of weight reads before it.
* NVDLA's convolution core: K x C x 1 x 1, outputs, weights overlapped (nvdla.org, unit
  description). Its image-input mode merges the columns of the kernel window with few input channels
  and up to ``merged_rows`` of its rows: a picture has but three channels for 64 lanes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosim.design.arrays import Precision, SpatialArray, Streamed
from cosim.mapping.engines.timing import (
    Accesses,
    Factor,
    Layer,
    Pixels,
    Reduction,
    Term,
    TileShape,
    Timing,
    pieces,
)


@dataclass(frozen=True)
class Spatial:
    """Timing and buffer traffic of a `SpatialArray`."""

    array: SpatialArray

    def timing(self, layer: Layer) -> Timing:
        array = self.array
        steps = self._steps(layer)

        def stream(pixels: Pixels) -> Any:
            return pixels.rows * steps(pixels)

        def overhead(pixels: Pixels) -> Any:
            weights: Any = array.weight_load
            if array.overlap_weights:
                weights = np.maximum(weights - stream(pixels), 0)
            return pixels.images * (array.pass_overhead + weights)

        passes: dict[str, Factor] = {
            "filters": pieces(array.filters),
            "reduction": self._reduction_passes(layer),
        }
        busy = Term(True, pixels=lambda pixels: pixels.images * stream(pixels), **passes)
        terms = [busy, Term(False, pixels=overhead, **passes)]
        return Timing(
            tuple(terms), self._quanta(layer), array.most_pixels, array.whole_reduction
        )  # fmt: skip

    def _steps(self, layer: Layer) -> Factor:
        step, stride = layer.cycles_per_step, layer.stride[1]
        if self.array.streams is Streamed.OUTPUTS:
            return lambda pixels: pixels.columns * step
        window = layer.whole.reduction.columns
        return lambda pixels: ((pixels.columns - 1) * stride + window) * step

    def _merged_rows(self, layer: Layer) -> int:
        """Rows of the window, with all its columns, that fit beside the layer's channels: 2^i."""
        reduction, rows = layer.whole.reduction, self.array.merged_rows
        wide = reduction.channels * reduction.columns
        while rows and wide * rows > self.array.channels:
            rows //= 2
        return rows

    def _reduction_passes(self, layer: Layer) -> Factor:
        array = self.array
        merged = self._merged_rows(layer)
        if merged:
            return lambda reduction: pieces(merged * array.window_rows)(reduction.rows)

        def passes(reduction: Reduction) -> Any:
            return (
                pieces(array.channels)(reduction.channels)
                * pieces(array.window_rows)(reduction.rows)
                * pieces(array.window_columns)(reduction.columns)
            )

        return passes

    def _quanta(self, layer: Layer) -> dict[str, int]:
        window = layer.whole.reduction.rows * layer.whole.reduction.columns
        return {"n": self.array.filters, "k": self.array.channels * window}

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        """A pass reads its input positions once, its weights once, and adds to its sums."""
        array, pixels, reduction = self.array, tile.pixels, tile.reduction
        rows = (pixels.rows - 1) * layer.stride[0] + reduction.rows
        columns = (pixels.columns - 1) * layer.stride[1] + reduction.columns
        over_filters = pieces(array.filters)(tile.filters)
        over_sums = self._reduction_passes(layer)(reduction)
        over_window = over_sums // np.maximum(1, pieces(array.channels)(reduction.channels))
        streamed = pixels.images * rows * columns * reduction.channels * np.maximum(1, over_window)
        results = pixels.size * tile.filters
        return Accesses(
            streamed * over_filters,
            reduction.size * tile.filters * pixels.images,
            results * over_sums,
            results * (over_sums - 1),
        )

    def alike(self, layer: Layer) -> Hashable:
        return (layer.whole.reduction, layer.stride, layer.cycles_per_step)

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        return precision.energy_pj
