"""From a classified loop nest to what engines see: the shape of a tile and of the whole layer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from cosim.mapping.engines.timing import Layer, Pixels, Reduction, TileShape
from cosim.mapping.nest import CLASSES, Nest

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


def tile_shape(nest: Nest, sizes: Mapping[str, int]) -> TileShape:
    """The tile whose loops have these sizes; those not named are whole."""
    parts = []
    for name in CLASSES:
        extents = [1, 1, 1]
        for loop in nest.classes[name]:
            extents[role_place(nest, loop)] *= sizes.get(loop, nest.extents[loop])
        parts.append(class_extents(name, extents))
    return TileShape(*parts)


def tile_shapes(nest: Nest, sizes: Mapping[str, int]) -> tuple[TileShape, ...]:
    """What an engine does for a tile, one after the other: see `cosim.mapping.gathering`."""
    kernels = list(nest.phases)
    return tuple(
        tile_shape(nest, {**sizes, **dict(zip(kernels, phase, strict=True))})
        for phase in product(*nest.phases.values())
    )


def layer_of(
    nest: Nest, streaming_bits: int, weight_bits: int, cycles_per_step: int, zeros: float = 0.0,
    passes: tuple[int, ...] | None = None,
) -> Layer:  # fmt: skip
    """The layer of a nest."""
    whole = tile_shape(nest, {})
    return Layer(whole, nest.stride, streaming_bits, weight_bits, cycles_per_step, zeros, passes)
