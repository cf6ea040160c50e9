"""Shared units that walk whole tile buffers: one operation, called again and again on fixed tiles.

High-level-synthesis accelerators often have one instance of each operation with constant loop
bounds: it computes a whole tile buffer of R x S positions, however much of it a layer fills. Such
a unit takes G groups of Ti input channels to To output channels, Tp of them at once, and walks the
kernel's window one position after the other::

    call  = ceil(To / Tp) * window * (overhead + R * S * interval)
    calls = ceil(groups / G) * ceil(channels / Ti) * ceil(filters / To) * buffers

`overhead` is what a pass needs before its first position (a shuffle of weights). Before the first
call that adds to a buffer of sums, these are set (to the bias) in `set_up` cycles; a tile of a
reduction is given its share of them. `buffers` is how many tile buffers the positions need: a
picture larger than a buffer is cut, smaller ones are stitched beside each other, with `border`
positions between them, so that a window never sees its neighbour. Of a layer with a stride the
inputs fill the buffer, and it is walked all the same.

* SkyNet's pointwise unit: 42 x 82 positions, Ti = To = 32, Tp = 16, overhead 512, interval 2:
  2 * (512 + 3444 * 2) = 14800 cycles. Its depthwise unit: G = 32, Ti = To = Tp = 1, interval 1:
  9 * 3444 = 30996 cycles (github.com/TomG008/SkyNet, 007e445).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosim.design.arrays import Precision, TiledArray
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
class Tiled:
    """Timing and buffer traffic of a `TiledArray`."""

    array: TiledArray

    def timing(self, layer: Layer) -> Timing:
        array, step = self.array, layer.cycles_per_step
        whole = layer.whole.reduction.channels

        def buffers(pixels: Pixels) -> Any:
            return self.buffers(pixels, layer.stride)

        def taken(reduction: Reduction) -> Any:
            return pieces(array.channels)(reduction.channels) * reduction.rows * reduction.columns

        def passes(filters: Any) -> Any:
            return pieces(array.filters)(filters) * -(-array.filters // array.filters_at_once)

        calls: dict[str, Factor] = {
            "groups": pieces(array.groups), "filters": passes, "reduction": taken,
        }  # fmt: skip
        terms = (
            Term(True, pixels=lambda p: buffers(p) * array.positions * step, **calls),
            Term(False, pixels=lambda p: buffers(p) * array.pass_overhead, **calls),
            Term(
                False, groups=pieces(array.groups), pixels=buffers,
                filters=lambda n: pieces(array.filters)(n) * array.set_up,
                reduction=lambda r: r.channels / whole,
            ),
        )  # fmt: skip
        return Timing(
            terms, tile=self._tile(layer), results=lambda tile: self._results(tile, layer)
        )

    def most(self, stride: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of results in a buffer; of a strided layer the inputs fill it."""
        array = self.array
        rows, columns = array.rows - array.border, array.columns - array.border
        return max(1, rows // stride[0]), max(1, columns // stride[1])

    def buffers(self, pixels: Pixels, stride: tuple[int, int] = (1, 1)) -> Any:
        """Tile buffers that so many positions need; extents are integers or arrays."""
        rows, columns = self.most(stride)
        cut = pieces(rows)(pixels.rows) * pieces(columns)(pixels.columns)
        together = np.maximum(1, self._together(pixels.rows, pixels.columns, stride))
        return -(-pixels.images // together) * cut

    def _together(self, rows: Any, columns: Any, stride: tuple[int, int]) -> Any:
        """Pictures of so many results that lie beside each other in a buffer."""
        array = self.array
        above = array.rows // (rows * stride[0] + array.border)
        return above * (array.columns // (columns * stride[1] + array.border))

    def _tile(self, layer: Layer) -> dict[str, tuple[int, int, int]]:
        """One buffer's worth of every class: pictures cut evenly, or several together."""
        array, pixels, window = self.array, layer.whole.pixels, layer.whole.reduction
        most_rows, most_columns = self.most(layer.stride)
        rows, columns = _evenly(pixels.rows, most_rows), _evenly(pixels.columns, most_columns)
        images = self._together(rows, columns, layer.stride)
        return {
            "b": (array.groups, 1, 1),
            "m": (max(1, images), rows, columns),
            "n": (array.filters, 1, 1),
            "k": (array.channels, window.rows, window.columns),
        }

    def _results(self, tile: TileShape, layer: Layer) -> Any:
        array = self.array
        planes = pieces(array.groups)(tile.groups) * array.groups
        planes *= pieces(array.filters)(tile.filters) * array.filters
        return planes * self.buffers(tile.pixels, layer.stride) * array.positions

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        """Every pass reads its positions and adds to its sums, once for each of the window."""
        results, taken = tile.pixels.size * tile.filters, tile.reduction.size
        passes = pieces(self.array.filters_at_once)(tile.filters)
        adds = pieces(self.array.channels)(tile.reduction.channels)
        adds *= tile.reduction.rows * tile.reduction.columns
        return Accesses(
            tile.pixels.size * taken * passes, taken * tile.filters, results * adds,
            results * (adds - 1),
        )  # fmt: skip

    def alike(self, layer: Layer) -> Hashable:
        whole = layer.whole
        return (whole.pixels, whole.reduction, layer.stride, layer.cycles_per_step)

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        return precision.energy_pj


def _evenly(extent: int, most: int) -> int:
    """The size of equal pieces of which none is larger than `most`."""
    most = max(1, most)
    return -(-extent // -(-extent // most))
