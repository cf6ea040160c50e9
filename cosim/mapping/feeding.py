"""Cycles for which an engine stands still because an on-chip memory cannot keep up.

A buffer moves ``banks x ports x width`` bits in a cycle, less often if a bank's own cycle is longer
than the clock's. A double buffer whose halves lie in banks
of their own gives the engine one half's banks and leaves the other half's to the DMA; otherwise
both share all ports, and so do the engine's own reads and writes. Words are spread over the banks
in the order in which they are used, so a stream meets no bank twice in a cycle.

What crosses the ports during a task are *flows*. While the array streams operands (`Phase.STREAM`)
it needs them at the moment; a stationary operand is needed while it is loaded (`Phase.LOAD`);
everything else (results that leave, tiles that the DMA brings or fetches) may use any free port
cycle of the task::

    stall(phase) = max over buffers of ceil(bits of the phase / bits a cycle) - cycles of the phase
    stall        = sum over phases + what all flows together need beyond the task's cycles

none below zero. A systolic array of R rows that takes one operand of b bits a row and cycle is thus
slowed by ``R b / (banks x ports x width)`` where that exceeds 1, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from cosim.design.arrays import Array, Dataflow, SystolicArray
from cosim.design.design import Buffer
from cosim.mapping.engines.timing import TileShape


class Phase(IntEnum):
    """When, during a task, bits must cross a buffer's ports."""

    STREAM = 0
    LOAD = 1
    ANY = 2


class Flow(NamedTuple):
    """Bits that cross the ports of a buffer during a task, or during each of many; None is no
    buffer at all."""

    buffer: Buffer | None
    bits: Any
    phase: Phase = Phase.ANY


def stall_cycles(
    flows: Iterable[Flow], stream: Any, load: Any, total: Any, period_ps: int = 0
) -> Any:
    """Cycles by which a task is stretched; of numbers, or of columns with an entry a task.

    Parameters
    ----------
    stream, load : int
        Cycles of the phases if every buffer keeps up.
    total : int
        Cycles of the whole task, at least `stream`.
    period_ps : int
        The engine's clock; 0 if every bank follows it.
    """
    needs: dict[str, list[Any]] = {}  # rate, bits in all, while operands stream, while loading
    for buffer, bits, phase in flows:
        if buffer is None:
            continue
        need = needs.get(buffer.name)
        if need is None:
            rate = buffer.bits_per_cycle(period_ps)
            if rate is None:
                continue
            need = needs[buffer.name] = [rate, 0.0, 0.0, 0.0]
        need[1] = need[1] + bits
        if phase is Phase.STREAM:
            need[2] = need[2] + bits
        elif phase is Phase.LOAD:
            need[3] = need[3] + bits
    streamed = loaded = every = 0
    for rate, in_all, streaming, loading in needs.values():
        streamed = np.maximum(streamed, np.ceil(streaming / rate))
        loaded = np.maximum(loaded, np.ceil(loading / rate))
        every = np.maximum(every, np.ceil(in_all / rate))
    phases = np.maximum(0, streamed - stream) + np.maximum(0, loaded - load)
    return phases + np.maximum(0, every - total - phases)


def shared(buffer: Buffer | None, bits: Any) -> Any:
    """Bits of the DMA, or of another engine, that cross the same ports as this engine's."""
    return bits if buffer is not None and not buffer.split else 0.0


def operand_phases(array: Array) -> tuple[Phase, Phase, Phase]:
    """When streaming operand, weights and partial sums cross their buffers' ports.

    A systolic array's stationary operand is loaded between two streams, or under them where folds
    overlap; its sums leave as they are made, or, if they are what stays, when the stream is over.
    Other arrays take new weights at any time of a tile.
    """
    if not isinstance(array, SystolicArray):
        return Phase.STREAM, Phase.ANY, Phase.STREAM
    if array.dataflow is Dataflow.OUTPUT_STATIONARY:
        return Phase.STREAM, Phase.STREAM, Phase.ANY
    loaded = Phase.ANY if array.fold_overlap else Phase.LOAD
    if array.dataflow is Dataflow.WEIGHT_STATIONARY:
        return Phase.STREAM, loaded, Phase.STREAM
    return loaded, Phase.STREAM, Phase.STREAM


def load_cycles(array: Array, tile: TileShape) -> Any:
    """Cycles of tiles in which a stationary input operand is loaded, a row of it a cycle."""
    if not isinstance(array, SystolicArray) or array.dataflow is Dataflow.OUTPUT_STATIONARY:
        return 0
    weights = array.dataflow is Dataflow.WEIGHT_STATIONARY
    along_columns = tile.filters if weights else tile.pixels.size
    folds = -(-tile.reduction.size // array.rows) * -(-along_columns // array.columns)
    return tile.groups * folds * array.rows
