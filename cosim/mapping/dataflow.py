"""Cycles of a tile on a systolic array, in closed form.

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

All functions take Python integers or numpy integer arrays (broadcast together).
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.design.design import Dataflow

Int = TypeVar("Int", int, NDArray[np.int64])


class TileCycles(NamedTuple):
    """Cycles of a tile: `busy` streaming operands, `overhead` filling and draining the array."""

    busy: int
    overhead: int

    @property
    def total(self) -> int:
        return self.busy + self.overhead


def folds(dataflow: Dataflow, rows: int, columns: int, m: Int, n: Int, k: Int) -> Int:
    """Number of folds of an `m` x `k` by `k` x `n` tile."""
    if dataflow is Dataflow.OUTPUT_STATIONARY:
        return -(-m // rows) * -(-n // columns)
    if dataflow is Dataflow.WEIGHT_STATIONARY:
        return -(-k // rows) * -(-n // columns)
    return -(-k // rows) * -(-m // columns)


def streamed(dataflow: Dataflow, m: Int, n: Int, k: Int) -> Int:
    """The dimension that streams through the array during a fold."""
    if dataflow is Dataflow.OUTPUT_STATIONARY:
        return k
    return m if dataflow is Dataflow.WEIGHT_STATIONARY else n


def fold_overhead(dataflow: Dataflow, rows: int, columns: int) -> int:
    """Fill, drain and operand-load cycles of one fold that overlaps nothing."""
    if dataflow is Dataflow.OUTPUT_STATIONARY:
        return rows + columns - 2
    return 2 * rows + columns - 2


def tile_cycles(
    dataflow: Dataflow,
    rows: int,
    columns: int,
    m: int,
    n: int,
    k: int,
    *,
    cycles_per_step: int = 1,
    fold_overlap: bool = False,
) -> TileCycles:
    """Cycles the array is occupied by one tile.

    Parameters
    ----------
    m, n, k : tile of the matrix product, at least 1 each.
    cycles_per_step : initiation interval of a processing element for the operands' element type;
        it stretches the streamed dimension.
    fold_overlap : see the module's text.
    """
    number = folds(dataflow, rows, columns, m, n, k)
    stream = streamed(dataflow, m, n, k) * cycles_per_step
    overhead = fold_overhead(dataflow, rows, columns)
    if not fold_overlap:
        return TileCycles(number * stream, number * overhead)
    if dataflow is Dataflow.OUTPUT_STATIONARY:
        return TileCycles(number * stream, overhead)
    hidden = max(stream, rows) - stream
    return TileCycles(number * stream, overhead + (number - 1) * hidden)


def gemm_cycles(
    dataflow: Dataflow, rows: int, columns: int, m: int, n: int, k: int, *, cycles_per_step: int = 1
) -> int:
    """Cycles SCALE-Sim reports for a whole matrix product: index of the last cycle, from 0."""
    return tile_cycles(dataflow, rows, columns, m, n, k, cycles_per_step=cycles_per_step).total - 1
