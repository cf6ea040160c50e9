"""From a classified loop nest to what engines see: the shape of a tile and of the whole layer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from cosim.mapping.engines.timing import Layer, Pixels, Reduction, TileShape
from cosim.mapping.nest import CLASSES, Nest
from cosim.memo import Attached

_PLACES = {"rows": 1, "columns": 2, "window_rows": 1, "window_columns": 2}
"""Where loops of a role stand in `Pixels` and `Reduction`; images and channels are first."""


def role_place(nest: Nest, loop: str) -> int:
    """Which of its class's extents a loop belongs to."""
    return _PLACES.get(nest.roles.get(loop, ""), 0)


def class_extents(name: str, sizes: Any) -> Any:
    """A class's extents, given by their places, as a factor of a `Term` takes them."""
    if name == "m":
        return Pixels(*sizes)
    return Reduction(*sizes) if name == "k" else sizes[0]


_FIRST = {"b": 0, "m": 1, "n": 4, "k": 5}
"""Where a class's extents begin among the eight of a tile."""

Factors = tuple[tuple[str, int, int], ...]

_factors: Attached[Nest, Factors] = Attached()


def _factors_of(nest: Nest) -> Factors:
    """Every loop, which of the eight extents it is a factor of, and its own extent."""
    found = _factors.get(nest)
    if found is None:
        found = _factors[nest] = tuple(
            (loop, _FIRST[name] + (role_place(nest, loop) if name in "mk" else 0),
             nest.extents[loop])
            for name in CLASSES for loop in nest.classes[name]
        )  # fmt: skip
    return found


def tile_extents(nest: Nest, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The eight extents of the `TileShape` whose loops have these sizes; others are whole."""
    extents = [1] * 8
    for loop, place, whole in _factors_of(nest):
        extents[place] *= sizes.get(loop, whole)
    return tuple(extents)


def tile_shape(nest: Nest, sizes: Mapping[str, int]) -> TileShape:
    """The tile whose loops have these sizes; those not named are whole."""
    return shape_of(tile_extents(nest, sizes))


def shape_of(extents: tuple[int, ...]) -> TileShape:
    """The tile of eight extents."""
    groups, *pixels, filters, channels, rows, columns = extents
    return TileShape(groups, Pixels(*pixels), filters, Reduction(channels, rows, columns))


def phase_extents(nest: Nest, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
    """What an engine does for a tile, one after the other: see `cosim.mapping.gathering`."""
    kernels = list(nest.phases)
    if not kernels:
        return [tile_extents(nest, sizes)]
    return [
        tile_extents(nest, {**sizes, **dict(zip(kernels, phase, strict=True))})
        for phase in product(*nest.phases.values())
    ]


def layer_of(
    nest: Nest, streaming_bits: int, weight_bits: int, cycles_per_step: int, zeros: float = 0.0,
    passes: tuple[int, ...] | None = None,
) -> Layer:  # fmt: skip
    """The layer of a nest."""
    whole = tile_shape(nest, {})
    return Layer(whole, nest.stride, streaming_bits, weight_bits, cycles_per_step, zeros, passes)
