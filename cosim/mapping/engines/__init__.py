"""Array engines: closed-form timing of a tile, one file a kind.

`timing` says what an engine must know (`Engine`) and in which form; `shapes` turns loop nests into
tiles as engines see them. `systolic`, `spatial`, `row_stationary`, `bit_serial`, `contraction` and
`tiled` are the kinds: an `Engine` each for the facts of `cosim.design.arrays`. docs/engines.md
draws them.

What belongs to the DRAM, the buffers' capacity and the order of tiles is not here but in
`cosim.mapping.tiling`, the same for every kind.
"""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from cosim.design.arrays import (
    Array,
    BitSerialArray,
    ContractionArray,
    RowStationaryArray,
    SpatialArray,
    StreamingEngines,
    SystolicArray,
    TiledArray,
)
from cosim.mapping.engines.bit_serial import BitSerial
from cosim.mapping.engines.contraction import Contraction
from cosim.mapping.engines.row_stationary import RowStationary
from cosim.mapping.engines.spatial import Spatial
from cosim.mapping.engines.systolic import Systolic
from cosim.mapping.engines.tiled import Tiled
from cosim.mapping.engines.timing import Engine, Layer, Timing


@lru_cache(maxsize=256)
def engine_of(array: Array) -> Engine:
    """The engine that an array's facts describe."""
    if isinstance(array, SystolicArray):
        return Systolic(array)
    if isinstance(array, SpatialArray):
        return Spatial(array)
    if isinstance(array, RowStationaryArray):
        return RowStationary(array)
    if isinstance(array, BitSerialArray):
        return BitSerial(array)
    if isinstance(array, ContractionArray):
        return Contraction(array)
    if isinstance(array, TiledArray):
        return Tiled(array)
    if isinstance(array, StreamingEngines):
        raise AssertionError("the engines of a pipeline have no tiles")
    assert_never(array)


@lru_cache(maxsize=1024)
def timing_of(array: Array, layer: Layer) -> Timing:
    """Cycles of a layer's tiles on an array; the same object for the same question."""
    return engine_of(array).timing(layer)
