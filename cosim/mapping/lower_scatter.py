"""The gradient of an embedding where its table is larger than the output buffer.

The result is filled with zeros, piece by piece. Then, for some indices at a time, the rows that
they name are read from the result, added to and written back: a row that several pieces name is
read after the one before has written it, so rows are loaded one piece behind the stores. Indices
stay in their buffer until their rows are written, for the DMA takes the addresses from there.
"""

from __future__ import annotations

from dataclasses import replace

from cosim.mapping.cuts import Cut
from cosim.mapping.drafts import Draft, Drafting, Steps
from cosim.mapping.lower_vector import VectorLowering, VectorTask
from cosim.mapping.program import Step
from cosim.mapping.row_gather import row_scatter
from cosim.mapping.streams import Streams, acquire, release, store_lane
from cosim.timeline.causes import Cause
from cosim.workload.workload import Tensor


def draft_scatter(
    streams: Streams, task: VectorTask, cut: Cut, waits: dict[str, Steps],
    signals: dict[str, Steps], drafting: Drafting,
) -> Draft:  # fmt: skip
    """The tasks of a scatter of rows: zeros, then updates; see `VectorLowering`."""
    scatter = row_scatter(task.ops[0], task.tensors)
    assert scatter is not None
    assert cut.updates is not None
    result, values = task.tensors[scatter.result], task.tensors[scatter.values]
    written = streams.pool("rows written", cause=Cause.RESULT)
    store = store_lane(streams.store)
    at_first = (streams.design.vector.name, store)
    zeros = replace(task, loads=(), resident=(), operations=result.elements)
    before = {name: waits[name] for name in at_first if name in waits}
    VectorLowering(streams, zeros, cut, before, {store: (release(written, 1),)}, drafting).draft()
    updates = replace(task, loads=(*task.loads, result), operations=values.elements)
    later = {name: steps for name, steps in waits.items() if name not in at_first}
    return _Updates(
        streams, updates, cut.updates, later, signals, drafting, scatter.index, written
    ).draft()


class _Updates(VectorLowering):
    """Pieces that read rows of a result, add to them and write them back."""

    def __init__(
        self, streams: Streams, task: VectorTask, cut: Cut, waits: dict[str, Steps],
        signals: dict[str, Steps], drafting: Drafting, index: int, written: int,
    ) -> None:  # fmt: skip
        super().__init__(streams, task, cut, waits, signals, drafting)
        self.index = next((t for t in task.loads if t.id == index), None)
        self.result, self.written = task.loads[-1], written

    def _before_load(self, tensor: Tensor) -> list[Step]:
        return [acquire(self.written, 1)] if tensor is self.result else []

    def _freed(self, tensor: Tensor) -> bool:
        return tensor is not self.index

    def _after_store(self, index: int, last: bool) -> list[Step]:
        steps: list[Step] = []
        if self.index is not None:
            bytes_ = self.cut.bytes(self.index, index)
            steps.append(release(self.streams.buffer("input"), bytes_))
        return steps if last else [*steps, release(self.written, 1)]
