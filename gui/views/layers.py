"""When each layer's work went on: the band over the timeline, and what runs are aligned by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.timeline.outline import Outline
from cosim.timeline.timeline import Timeline

CHUNK_ROWS = 1 << 20

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
    """Spans of all layers that did something, in order of their beginning."""
    works = np.array([t["activity"] not in NOT_WORK for t in outline.tasks] + [False])
    layer = np.append(outline.template_layer, -1)
    never = np.iinfo(np.int64).max
    first = np.full(len(outline.layers) + 1, never, np.int64)
    last = np.full(len(outline.layers) + 1, -1, np.int64)
    columns = timeline.columns
    for begin in range(0, len(timeline), CHUNK_ROWS):
        part = slice(begin, begin + CHUNK_ROWS)
        template = np.asarray(columns["template"][part])
        kept = np.flatnonzero(works[template])
        of = layer[template[kept]]
        np.minimum.at(first, of, columns["start"][part][kept])
        np.maximum.at(last, of, columns["end"][part][kept])
    spans = [
        LayerSpan(index, name, int(first[index]), int(last[index]))
        for index, name in enumerate(outline.layers)
        if last[index] >= 0
    ]
    return tuple(sorted(spans, key=lambda span: (span.start_ps, span.index)))
