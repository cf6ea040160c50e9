"""Systolic arrays: one operand stays, two stream through with skew.

A tile is a small matrix product: `m` x `k` times `k` x `n`, on an array of R rows and C columns.
One operand stays in the array for a *fold*, a piece of R x C of it; the number of folds and the
cycles of one fold depend on which operand stays:

===================  ========================  =============================
dataflow             folds F                   cycles of one fold
===================  ========================  =============================
output-stationary    ceil(m/R) * ceil(n/C)     k + R + C - 2
weight-stationary    ceil(k/R) * ceil(n/C)     m + 2R + C - 2
input-stationary     ceil(k/R) * ceil(m/C)     n + 2R + C - 2
===================  ========================  =============================

Of a fold's cycles, the streamed dimension (k, m or n) is useful work; the rest is the skewed fill
and drain of the array, for a stationary input operand also R cycles to load it. These are the
conventions of SCALE-Sim (Samajdar et al., ISPASS 2020, and the tool's source), which folds one
after another and reports the index of the last cycle, one less than the count of cycles. With
``fold_overlap`` the next fold's operand is loaded while this one streams, and a drain overlaps the
next fill: a fold then takes max(streamed dimension, R) cycles for a stationary input operand (the
load of the next R rows is hidden if the stream is as long) or the streamed dimension for a
stationary output, and fill and drain are paid once a tile.

An element type that needs several cycles a step stretches the streamed dimension. Groups of a
tile run one after another.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosim.design.arrays import Dataflow, Precision, SystolicArray
from cosim.mapping.engines.timing import (
    Accesses,
    Factor,
    Layer,
    Pixels,
    Reduction,
    Term,
    TileShape,
    Timing,
    constant,
    every,
    pieces,
    steps,
)

_CLASSES = {"pixels": "m", "filters": "n", "reduction": "k"}
_STATIONARY: dict[Dataflow, tuple[str, str, str]] = {
    Dataflow.OUTPUT_STATIONARY: ("pixels", "filters", "reduction"),
    Dataflow.WEIGHT_STATIONARY: ("reduction", "filters", "pixels"),
    Dataflow.INPUT_STATIONARY: ("reduction", "pixels", "filters"),
}
"""Dataflow -> what lies along the rows, along the columns, and what streams."""


@dataclass(frozen=True)
class Systolic:
    """Timing and buffer traffic of a `SystolicArray`."""

    array: SystolicArray

    def timing(self, layer: Layer) -> Timing:
        array, step = self.array, layer.cycles_per_step
        along_rows, along_columns, streamed = _STATIONARY[array.dataflow]
        folds = {along_rows: pieces(array.rows), along_columns: pieces(array.columns)}
        overhead = fold_overhead(array)
        quanta = {_CLASSES[along_rows]: array.rows, _CLASSES[along_columns]: array.columns}

        def term(busy: bool, factor: Factor, each_fold: bool = True) -> Term:
            return Term(busy, **{**(folds if each_fold else {}), streamed: factor})

        terms = [term(True, steps(step))]
        if not array.fold_overlap:
            terms.append(term(False, constant(overhead)))
            return Timing(tuple(terms), quanta, uncounted=1 if overhead else 0)
        terms.append(term(False, constant(overhead), each_fold=False))
        if array.dataflow is not Dataflow.OUTPUT_STATIONARY:

            def exposed(extent: Any) -> Any:
                """Cycles by which loading the next rows takes longer than the stream."""
                return np.maximum(array.rows - every(extent) * step, 0)

            # every fold but the first
            terms.append(term(False, exposed))
            terms.append(term(False, lambda extent: -exposed(extent), each_fold=False))
        return Timing(tuple(terms), quanta)

    def accesses(self, layer: Layer, tile: TileShape) -> Accesses:
        m, n, k = tile.pixels.size, tile.filters, tile.reduction.size
        rows, columns = self.array.rows, self.array.columns
        streaming, weight, k_folds = m * k, k * n, -(-k // rows)
        if self.array.dataflow is Dataflow.WEIGHT_STATIONARY:
            streaming *= -(-n // columns)
        elif self.array.dataflow is Dataflow.OUTPUT_STATIONARY:
            streaming, weight, k_folds = streaming * -(-n // columns), weight * -(-m // rows), 1
        else:
            weight *= -(-m // columns)
        return Accesses(streaming, weight, m * n * k_folds, m * n * (k_folds - 1))

    def alike(self, layer: Layer) -> Hashable:
        return layer.cycles_per_step

    def mac_pj(self, layer: Layer, precision: Precision) -> float:
        return precision.energy_pj


def fold_overhead(array: SystolicArray) -> int:
    """Fill, drain and operand-load cycles of one fold that overlaps nothing."""
    if array.dataflow is Dataflow.OUTPUT_STATIONARY:
        return array.rows + array.columns - 2
    return 2 * array.rows + array.columns - 2


def matrix_product(m: int, n: int, k: int) -> TileShape:
    """The tile of an `m` x `k` by `k` x `n` product."""
    return TileShape(1, Pixels(m, 1, 1), n, Reduction(k, 1, 1))


def gemm_cycles(array: SystolicArray, m: int, n: int, k: int) -> int:
    """Cycles SCALE-Sim reports for a whole matrix product: index of the last cycle, from 0."""
    tile = matrix_product(m, n, k)
    timing = Systolic(array).timing(Layer(tile))
    return int(timing.cycles(tile).total) - timing.uncounted
