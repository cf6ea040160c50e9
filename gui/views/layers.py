"""When each layer's work went on: the band over the timeline, and what runs are aligned by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.outline import Outline
from cosim.timeline.timeline import Timeline
from gui.views.disk import chunks

NOT_WORK = ("command", "load", "store")
"""Activities that may run ahead of, or behind, the layer that they belong to."""


@dataclass(frozen=True)
class LayerSpan:
    """From the first to the last interval of a layer's own work (not its transfers)."""

    index: int
    name: str
    start_ps: int
    end_ps: int


def layer_spans(outline: Outline, timeline: Timeline) -> tuple[LayerSpan, ...]:
    """Spans of all layers that did something, in order of their beginning.

    Where periods repeat, the end of a layer is where the next one begins: its last repetition is
    not looked for.
    """
    works = np.array([t["activity"] not in NOT_WORK for t in outline.tasks] + [False])
    layer = np.append(outline.template_layer, -1)
    never = np.iinfo(np.int64).max
    first = np.full(len(outline.layers) + 1, never, np.int64)
    last = np.full(len(outline.layers) + 1, -1, np.int64)
    for template, start, end in _parts(timeline):
        kept = np.flatnonzero(works[template])
        of = layer[template[kept]]
        np.minimum.at(first, of, start[kept])
        np.maximum.at(last, of, end[kept])
    found = [index for index in range(len(outline.layers)) if last[index] >= 0]
    found.sort(key=lambda index: (int(first[index]), index))
    if timeline.blocks:
        for index, following in zip(found, [*found[1:], -1], strict=True):
            until = timeline.end_ps if following < 0 else int(first[following])
            last[index] = max(int(last[index]), until)
    return tuple(
        LayerSpan(index, outline.layers[index], int(first[index]), int(last[index]))
        for index in found
    )


def _parts(timeline: Timeline) -> Iterator[tuple[NDArray[np.integer], ...]]:
    """Templates, starts and ends: of the distinct rows, or of all in pieces."""
    if timeline.blocks:
        rows, _ = timeline.distinct()
        yield rows.template, rows.start, rows.end
        return
    columns = [timeline.stored[name] for name in ("template", "start", "end")]
    for here in chunks(timeline):
        yield tuple(np.asarray(column[here]) for column in columns)
