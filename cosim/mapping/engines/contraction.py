"""A tensor-contraction engine: many small matrix products, each command with its price.

Tensorized training contracts small cores in long sequences: batches of products of a few dozen
rows, where configuring the engine takes as long as the work (CoMERA needs CUDA graphs for the same
reason; FETTA, arXiv 2504.06474, reconfigures contraction units for each step). `units` blocks of R
x C dot products of depth D work at once. If the contraction has a batch of products, each goes to
its own unit; what is left of the units shares the rows of a product::

    over batch = min(units, batch)          over rows = units // over batch
    cycles = command + ceil(batch / over batch) * ceil(m / (R * over rows)) * ceil(n / C)
                       * (ceil(k / D) + pipeline)

`command` is paid once a tile, `pipeline` (operand read to result written) once a block.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from cosim.design.arrays import ContractionArray, Precision
from cosim.mapping.engines.timing import (
    Accesses,
    Factor,
    Layer,
    Term,
    TileShape,
    Timing,
    constant,
    one,
    pieces,
)


@dataclass(frozen=True)
class Contraction:
    """Timing and buffer traffic of a `ContractionArray`."""

    array: ContractionArray

    def spread(self, layer: Layer) -> tuple[int, int]:
        """Units over the batch of products, and over the rows of one."""
        over_batch = min(self.array.units, layer.whole.groups)
        return over_batch, self.array.units // over_batch

    def timing(self, layer: Layer) -> Timing:
        array, (over_batch, over_rows) = self.array, self.spread(layer)
        rows, depth, step = array.rows * over_rows, array.depth, layer.cycles_per_step
        blocks: dict[str, Factor] = {
            "groups": pieces(over_batch), "pixels": pieces(rows), "filters": pieces(array.columns),
        }  # fmt: skip
        terms = (
            Term(True, reduction=lambda extent: pieces(depth)(extent) * step, **blocks),
            Term(False, reduction=constant(array.pipeline), **blocks),
            Term(False, groups=one, reduction=constant(array.command)),
        )
        return Timing(terms, {"b": over_batch, "m": rows, "n": array.columns, "k": depth})

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        m, n, k = tile.pixels.size, tile.filters, tile.reduction.size
        _, over_rows = self.spread(layer)
        streaming = m * k * pieces(self.array.columns)(n)
        return Accesses(streaming, k * n * pieces(self.array.rows * over_rows)(m), m * n, 0)

    def alike(self, layer: Layer) -> Hashable:
        return (self.spread(layer), layer.cycles_per_step)

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        return precision.energy_pj
