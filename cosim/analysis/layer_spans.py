"""Which layer holds the latency when: the layers along the critical path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cosim.analysis.distinct_rows import Repetition
from cosim.analysis.path import Path
from cosim.analysis.task_table import TaskTable


class LayerSpan(NamedTuple):
    """A stretch of the critical path in one layer (-1: in none), in picoseconds."""

    layer: int
    start: int
    end: int


def layer_spans(tasks: TaskTable, path: Path, shortest_ps: float = 0.0) -> list[LayerSpan]:
    """The layers along the path, neighbouring stretches of one layer joined.

    Parameters
    ----------
    shortest_ps : float
        Periods shorter than that, in which the layer changes, become one span of no layer: they
        would be too many, and too short to be seen.
    """
    layers = tasks.layer[path.rows.template]
    starts, ends = path.rows.start, path.rows.end

    def single(first: int, stop: int) -> Iterator[LayerSpan]:
        if stop > first:
            inside = np.flatnonzero(np.diff(layers[first:stop])) + first + 1
            borders = [first, *inside.tolist(), stop]
            for low, high in pairwise(borders):
                yield LayerSpan(int(layers[low]), int(starts[low]), int(ends[high - 1]))

    def stretch(first: int, stop: int, items: Sequence[Repetition]) -> Iterator[LayerSpan]:
        for item in items:
            yield from single(first, item.first)
            yield from repeated(item)
            first = item.stop
        yield from single(first, stop)

    def repeated(item: Repetition) -> Iterator[LayerSpan]:
        begin = int(starts[item.first])
        end = begin + (item.repeats + 1) * item.shift_ps
        inside = layers[item.first : item.stop]
        if (inside == inside[0]).all():
            yield LayerSpan(int(inside[0]), begin, end)
        elif item.shift_ps < shortest_ps:
            yield LayerSpan(-1, begin, end)
        else:
            once = list(stretch(item.first, item.stop, item.children))
            for time in range(item.repeats + 1):
                later = time * item.shift_ps
                yield from (LayerSpan(s.layer, s.start + later, s.end + later) for s in once)

    joined: list[LayerSpan] = []
    for span in stretch(0, len(layers), path.repetitions):
        if joined and joined[-1].layer == span.layer:
            joined[-1] = LayerSpan(span.layer, joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined
