"""Row-stationary arrays (Eyeriss): an element convolves a row of inputs with a row of a kernel.

A *set* of R x e elements computes e output rows of a two-dimensional convolution: kernel rows lie
along its rows, output rows along its columns, sums move up a column. Sets of more columns than the
array has are folded, smaller sets stand beside and above one another and take other channels or
filters. In one *pass* every element holds kernel rows of p filters and q channels in its
scratchpads, the array has r sets for different channels and t sets for different filters, and all
positions of the e rows, of all images of a tile, go by::

    elements used   R * e * r * t                                  at most rows * columns
    scratchpads     p * q * S <= filter words, q * S <= input words, p <= sum words
    buffers         p t * e * F + q r * (rows taken in) * (columns taken in) <= buffer words
                    p t * q r * R * S <= filter buffer words
    passes          groups * ceil(M / (p t)) * ceil(C / (q r)) * ceil(E / e) * ceil(R / rows)
    pass            max(compute, inputs, sums) + filters + first window + last sums

    compute         images * F * p * q * S                         a multiplication a cycle
    inputs          images * q * r * (rows taken in) * (columns taken in) / input bus
    sums            images * p * t * e * F / sum bus               the same out and back in
    filters         R * r * t * p * q * S / filter bus             loaded before the pass
    first window    (rows taken in) * q * r * S / input bus        before the first product
    last sums       p * t * e / sum bus                            after the last product

The last strip of a layer may have fewer rows than e: inputs and sums are fewer then.

for M filters of C channels, kernels of R x S, E x F outputs (Chen, Krishna, Emer, Sze, JSSC 2017,
and ISCA 2016 for the dataflow; the letters are theirs). e, p, q, r and t are chosen once a layer,
for the fewest cycles.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cosim.design.arrays import Precision, RowStationaryArray
from cosim.mapping.engines.timing import (
    Accesses,
    Factor,
    Layer,
    Pixels,
    Term,
    TileShape,
    Timing,
    pieces,
)


class Passes(NamedTuple):
    """How a layer lies on the array: numbers, or arrays of them while one is sought."""

    strip: Any
    """e: output rows of a set."""
    filters: Any
    """p: filters of an element."""
    channels: Any
    """q: channels of an element."""
    channel_sets: Any
    """r: sets that take different channels."""
    filter_sets: Any
    """t: sets that take different filters."""


@dataclass(frozen=True)
class RowStationary:
    """Timing and buffer traffic of a `RowStationaryArray`."""

    array: RowStationaryArray

    def passes(self, layer: Layer) -> Passes:
        """The way to lay a layer on the array that is given, or else the best."""
        return Passes(*layer.passes) if layer.passes else _best(self.array, layer)

    def timing(self, layer: Layer) -> Timing:
        array, way = self.array, self.passes(layer)
        reduction, step = layer.whole.reduction, layer.cycles_per_step
        window = reduction.rows * reduction.columns
        per_pass: dict[str, Factor] = {
            "filters": pieces(way.filters * way.filter_sets),
            "reduction": lambda r: (
                pieces(way.channels * way.channel_sets)(r.channels) * pieces(array.rows)(r.rows)
            ),
        }

        def compute(pixels: Pixels) -> Any:
            strips = pieces(way.strip)(pixels.rows)
            return strips * pixels.images * pixels.columns * _products(layer, way) * step

        def whole(pixels: Pixels) -> Any:
            return _strips_cycles(array, layer, way, pixels)

        terms = (
            Term(True, pixels=compute, **per_pass),
            Term(False, pixels=lambda pixels: whole(pixels) - compute(pixels), **per_pass),
        )
        quanta = {
            "m": way.strip * layer.whole.pixels.columns,
            "n": way.filters * way.filter_sets,
            "k": way.channels * way.channel_sets * window,
        }
        return Timing(terms, quanta)

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        """A pass reads its inputs and filters once, and its sums come in and go out."""
        way, pixels, reduction = self.passes(layer), tile.pixels, tile.reduction
        over_filters = pieces(way.filters * way.filter_sets)(tile.filters)
        over_channels = pieces(way.channels * way.channel_sets)(reduction.channels)
        over_channels *= pieces(self.array.rows)(reduction.rows)
        strips = pieces(way.strip)(pixels.rows)
        rows = (pixels.rows - strips) * layer.stride[0] + strips * reduction.rows
        columns = (pixels.columns - 1) * layer.stride[1] + reduction.columns
        results = pixels.size * tile.filters
        return Accesses(
            pixels.images * rows * columns * reduction.channels * over_filters,
            reduction.size * tile.filters * strips,
            results * over_channels,
            results * (over_channels - 1),
        )

    def alike(self, layer: Layer) -> Hashable:
        return layer

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        """The product, its scratchpad accesses (input, filter, sum twice) and a sum's way up.

        A sum moves to the next element after the products of an element: one in q * S of them. Of
        an input of zero, only the access that finds it so is left where zeros are gated.
        """
        array, way = self.array, self.passes(layer)
        up = array.network_pj / int(way.channels * layer.whole.reduction.columns)
        worth = 1.0 - layer.zeros if array.gates_zeros else 1.0
        gated = precision.energy_pj + 3 * array.scratchpad_pj
        return array.scratchpad_pj + worth * gated + up


def misfit(array: RowStationaryArray, whole: TileShape, way: Passes) -> tuple[str, str] | None:
    """Why a layer cannot lie on an array so, and what was expected; None if it can."""
    window, kernel_rows = whole.reduction, min(whole.reduction.rows, array.rows)
    sets = _sets(array, kernel_rows, way.strip)
    asked = way.channel_sets * way.filter_sets
    if asked > sets:
        said = f"{asked} sets of {kernel_rows} x {way.strip} elements"
        return f"{said} on {array.rows} x {array.columns}", f"at most {sets} sets"
    held = way.filters * way.channels * window.columns
    buffered = held * kernel_rows * way.channel_sets * way.filter_sets
    for what, words, most in (
        ("words of filters in an element", held, array.filter_words),
        ("words of inputs in an element", way.channels * window.columns, array.input_words),
        ("sums in an element", way.filters, array.sum_words),
        ("words of filters in a pass", buffered, array.filter_buffer_words),
    ):
        if most and words > most:
            return f"{words} {what}", f"at most {most}"
    return None


def _sets(array: RowStationaryArray, kernel_rows: int, strip: Any) -> Any:
    """Sets of kernel rows x a strip's rows that the array has room for."""
    across = np.maximum(array.columns // strip, 1)
    return across * (array.rows // kernel_rows // -(-strip // array.columns))


def _products(layer: Layer, way: Passes) -> Any:
    """Products of an element for each output position of its row: p * q * S."""
    return way.filters * way.channels * layer.whole.reduction.columns


def _strips_cycles(array: RowStationaryArray, layer: Layer, way: Passes, pixels: Pixels) -> Any:
    """Cycles of one pass over every strip of some output positions; the last may be shorter."""
    images, columns = pixels.images, pixels.columns
    number, rest = np.divmod(pixels.rows, way.strip)
    cycles = number * _pass_cycles(array, layer, way, way.strip, images, columns)
    last = _pass_cycles(array, layer, way, np.maximum(rest, 1), images, columns)
    return cycles + np.where(rest > 0, last, 0)


def _taken_in(array: RowStationaryArray, layer: Layer, strip: Any, columns: Any) -> tuple[Any, Any]:
    """Rows and columns of inputs that a pass over `strip` rows of outputs sees."""
    kernel, (down, across) = layer.whole.reduction, layer.stride
    rows = (strip - 1) * down + min(kernel.rows, array.rows)
    return rows, (columns - 1) * across + kernel.columns


def _pass_cycles(
    array: RowStationaryArray, layer: Layer, way: Passes, strip: Any, images: Any, columns: Any
) -> Any:
    """Cycles of one pass over `strip` rows of `columns` outputs of `images` images."""
    reduction = layer.whole.reduction
    kernel_rows = min(reduction.rows, array.rows)
    rows_in, columns_in = _taken_in(array, layer, strip, columns)
    channels = way.channels * way.channel_sets
    filters = way.filters * way.filter_sets
    compute = images * columns * _products(layer, way) * layer.cycles_per_step
    inputs = images * channels * rows_in * columns_in
    sums = images * filters * strip * columns
    loaded = kernel_rows * way.channel_sets * filters * way.channels * reduction.columns
    first = rows_in * channels * reduction.columns
    going_by = np.maximum(
        compute, np.maximum(-(-inputs // array.input_bus), -(-sums // array.sum_bus))
    )
    last = filters * strip
    return (
        going_by
        + -(-loaded // array.filter_bus)
        + -(-first // array.input_bus)
        + -(-last // array.sum_bus)
    )


def _halvings(number: int) -> list[int]:
    """The number, half of it, a quarter... down to 1."""
    return [number >> i for i in range(number.bit_length())]


def _within(words: Any, most: int) -> Any:
    """Which ways take at most so many words; all where there is no limit."""
    return words <= most if most else np.ones_like(words, bool)


@lru_cache(maxsize=1024)
def _best(array: RowStationaryArray, layer: Layer) -> Passes:
    """The way with the fewest cycles; of equal ones, that with the longest strips and the most
    filters (the fewest reads of inputs), then the fewest channels (more filters fit the buffer).
    """
    whole, reduction = layer.whole, layer.whole.reduction
    kernel_rows = min(reduction.rows, array.rows)
    folded = array.rows // kernel_rows
    longest = min(whole.pixels.rows, array.columns * folded)
    strips = np.arange(longest, 0, -1)
    sets = _sets(array, kernel_rows, strips)
    # one array axis for each of e, r and t together, p, q
    layouts = [
        (int(e), r, t)
        for e, n in zip(strips, sets, strict=True)
        for r in range(1, min(int(n), reduction.channels) + 1)
        for t in _halvings(max(1, min(int(n) // r, whole.filters)))
    ]
    e, r, t = (np.array(column).reshape(-1, 1, 1) for column in zip(*layouts, strict=True))
    most_filters = min(array.sum_words, array.filter_words // reduction.columns, whole.filters)
    p = np.arange(max(1, most_filters), 0, -1).reshape(1, -1, 1)
    most_channels = min(array.input_words // reduction.columns, reduction.channels)
    q = np.arange(1, max(1, most_channels) + 1).reshape(1, 1, -1)
    way = Passes(e, p, q, r, t)
    number = -(-whole.filters // (p * t)) * -(-reduction.channels // (q * r))
    cycles = number * _strips_cycles(array, layer, way, whole.pixels)
    rows_in, columns_in = _taken_in(array, layer, e, whole.pixels.columns)
    held = p * t * e * whole.pixels.columns + q * r * rows_in * columns_in
    filters = p * t * q * r * kernel_rows * reduction.columns
    fits = (p * q * reduction.columns <= array.filter_words) | ((p == 1) & (q == 1))
    fits = fits & _within(held, array.buffer_words) & _within(filters, array.filter_buffer_words)
    if not fits.any():  # no pass is small enough: the tiling will say so
        fits = held == held.min()
    at = np.unravel_index(np.argmin(np.where(fits, cycles, np.iinfo(np.int64).max)), cycles.shape)
    return Passes(
        int(e[at[0], 0, 0]), int(p[0, at[1], 0]), int(q[0, 0, at[2]]), int(r[at[0], 0, 0]),
        int(t[at[0], 0, 0]),
    )  # fmt: skip
