"""Carries a run out in numbers: every task at its time, on the buffers it claims.

A task takes room for its results when it starts, and what it reads must be there then; when it
ends, the data moves or is computed, what it read must still be unchanged, and the room it frees is
free. At one instant all ends come before all starts, as in the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosim.errors import CosimError
from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.array_tasks import ArrayTasks
from cosim.machine.values.claims import check_claims
from cosim.machine.values.codes import OffLevel
from cosim.machine.values.compare import Comparison, Finished, Following
from cosim.machine.values.events import events_of
from cosim.machine.values.faults import Overflow, ValueFault
from cosim.machine.values.memory import Absent
from cosim.machine.values.state import DoesNotFit, Outcome, Since, about, key_of
from cosim.machine.values.vector_tasks import VectorTasks
from cosim.mapping.mapping import Mapping
from cosim.mapping.regions import Task, tasks_of
from cosim.timeline.timeline import Timeline
from cosim.workload.reference import Reference

Progress = Callable[[int, int], None]


def replay(
    mapping: Mapping,
    timeline: Timeline,
    reference: Reference,
    *,
    arithmetic: Arithmetic | None = None,
    tasks: dict[str, list[Task]] | None = None,
    stop_at_difference: bool = True,
    progress: Progress | None = None,
) -> Outcome:
    """Carry out a run in numbers and compare every layer with the reference.

    Parameters
    ----------
    timeline : Timeline
        Of a run of ``mapping.program``, with every task.
    arithmetic : Arithmetic, optional
        How the machine rounds; by default as PyTorch does.
    tasks : dict, optional
        Regions of the tasks of every component, by default those of the mapping.
    stop_at_difference : bool
        Raise at the first result that differs; otherwise go on and report all.

    Raises
    ------
    ValueFault
        A task that reads what is not there, or writes where no room is.
    Mismatch
        A result that differs from the reference.
    """
    if tasks is None:
        tasks = tasks_of(mapping)
        check_claims(mapping, tasks)
    run = Replay(mapping, reference, arithmetic or Arithmetic(), tasks, stop_at_difference)
    return run.run(timeline, progress)


def replay_until(
    mapping: Mapping, timeline: Timeline, reference: Reference, component: str, ordinal: int,
    progress: Progress | None = None,
) -> Replay:  # fmt: skip
    """Memories and buffers as a task leaves them, before it gives back what it frees.

    Raises
    ------
    ValueFault
        A task before it that reads what is not there.
    """
    run = Replay(mapping, reference, Arithmetic(), tasks_of(mapping), stop=False)
    names = [c.name for c in mapping.program.components]
    run.until(timeline, names.index(component), ordinal, progress)
    return run


class Replay(ArrayTasks, VectorTasks):
    """A run being carried out in numbers."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.following = Following(self)

    # Time

    def run(self, timeline: Timeline, progress: Progress | None) -> Outcome:
        """Every task of the timeline, in the order of time."""
        names = [c.name for c in self.mapping.program.components]
        events = events_of(timeline)
        total = len(events)
        for done, (time, ends, component, ordinal) in enumerate(events):
            listed = self.tasks.get(names[component], [])
            if ordinal >= len(listed):
                raise CosimError(
                    f"{names[component]} ran task {ordinal}, the mapping gives it {len(listed)}"
                )
            task = listed[ordinal]
            try:
                if ends:
                    self._end(task, component, ordinal)
                else:
                    self._start(task, component, ordinal)
            except (Absent, DoesNotFit, OffLevel) as error:
                raise self._fault(error, time, names[component], ordinal, task) from error
            if progress is not None and done % 256 == 0:
                progress(done, total)
        for group, count in sorted(self.left.items()):
            if count:
                name = self.mapping.grouping.groups[group].name
                raise CosimError(f"{count} tasks of layer '{name}' never ran")
        self._finish()
        return self.outcome

    def until(
        self, timeline: Timeline, component: int, ordinal: int, progress: Progress | None = None
    ) -> None:
        """Run up to the end of one task; the room that it frees is not given back."""
        names = [c.name for c in self.mapping.program.components]
        events = events_of(timeline)
        for done, (time, ends, rank, number) in enumerate(events):
            task = self.tasks[names[rank]][number]
            try:
                if not ends:
                    self._start(task, rank, number)
                elif (rank, number) == (component, ordinal):
                    self._act(task, self.since.pop((rank, number)))
                    return
                else:
                    self._end(task, rank, number)
            except (Absent, DoesNotFit, OffLevel) as error:
                raise self._fault(error, time, names[rank], number, task) from error
            if progress is not None and done % 256 == 0:
                progress(done, len(events))
        raise CosimError(f"task {ordinal} of {names[component]} never ran")

    def _fault(
        self, error: Exception, time: int, component: str, ordinal: int, task: Task
    ) -> ValueFault:
        layer = self.mapping.grouping.groups[task.group].name
        kind = Overflow if isinstance(error, DoesNotFit) else ValueFault
        return kind(str(error), time_ps=time, component=component, task=ordinal, layer=layer)

    def _start(self, task: Task, component: int, ordinal: int) -> None:
        for slot in task.uses:
            if slot.bytes and not self.buffer(slot).holds(key_of(slot)):
                with about(self.told(slot)):
                    self.buffer(slot).read(key_of(slot))
        if task.source is not None:
            now = self.chip.writes if self.chip else 0
            for region in self.picked(task, task.source, now):
                with about(self.named(region)):
                    self.dram.check(self.layout.dram[region.tensor], region)
        self.since[component, ordinal] = (
            self.dram.writes, self.chip.writes if self.chip else 0
        )  # fmt: skip
        for slot in task.takes:
            if slot.bytes:
                self.slots[key_of(slot)] = slot
                with about(self.told(slot)):
                    self.buffer(slot).take(key_of(slot), slot.bytes)

    def _end(self, task: Task, component: int, ordinal: int) -> None:
        self._act(task, self.since.pop((component, ordinal)))
        for slot in task.frees:
            if slot.bytes:
                with about(self.told(slot)):
                    self.buffer(slot).free(key_of(slot))
        self.left[task.group] -= 1
        if not self.left[task.group]:
            self._group_done(task.group)

    def _act(self, task: Task, since: Since) -> None:
        """Move or compute what a task does."""
        act = {
            "load": self._load, "fill": self._fill, "compute": self._compute,
            "epilogue": self._epilogue, "store": self._store, "elementwise": self._piece,
            "host": self._host,
        }.get(task.activity)  # fmt: skip
        if act is not None:  # a command moves nothing
            act(task, since)

    # Tasks

    def _load(self, task: Task, since: Since) -> None:
        region = task.source
        assert region is not None
        place, slot = self.layout.dram[region.tensor], task.takes[0]
        values = self.held(self.dram, place, self.picked(task, region, since[1]), since[0])
        self.write(slot, place.code, values)

    def _fill(self, task: Task, since: Since) -> None:
        region = task.source
        assert region is not None
        assert self.chip is not None
        place = self.layout.dram[region.tensor]
        with about(self.named(region)):
            self.dram.check(place, region, since[0])
            values = self.dram.read(place, region)
        self.chip.write(
            self.layout.chip[region.tensor], region, values, self.writer(task, "the fetch of")
        )

    def _group_done(self, position: int) -> None:
        if position < 0:  # the host's work on samples belongs to no layer
            return
        group = self.mapping.grouping.groups[position]
        for tensor in group.writes:
            found = Finished(position, group, tensor, self.value_of(tensor))
            comparison = self.following.take(found)
            if comparison is not None:
                self._told(comparison)

    def _told(self, comparison: Comparison) -> None:
        self.outcome.comparisons.append(comparison)
        if self.stop and not comparison.agrees:
            raise comparison.error()

    def _finish(self) -> None:
        for comparison in self.following.rest():
            self._told(comparison)
        for buffer in self.buffers.values():
            for key in buffer.taken:
                slot = self.slots[key]
                layer = self.mapping.grouping.groups[slot.group].name
                raise CosimError(
                    f"{self.told(slot)} was never given back to buffer {buffer.name}",
                    where=f"layer '{layer}'",
                )
        count = len(self.mapping.workload.ops)
        for group in self.mapping.grouping.groups:
            for tensor in group.writes:
                if self.layout.tensors[tensor].death >= count:
                    self.outcome.outputs[tensor] = self.value_of(tensor)
        self.outcome.split = {b.name: b.split for b in self.buffers.values() if b.split}
