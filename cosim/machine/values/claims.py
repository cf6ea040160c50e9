"""Does the program hold the bytes that its tasks' regions take?

A program and the regions of its tasks are derived separately. Before values move, every task's
buffer bytes in the program are compared with its slots: what it takes, what it frees, how many
tasks there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cosim.errors import CosimError
from cosim.mapping.mapping import Mapping
from cosim.mapping.program import Program, StepKind, Template
from cosim.mapping.regions import Slot, Task
from cosim.mapping.streams import sums_pool
from cosim.mapping.task_stream import expand

ACTIVITIES = {"fill": "load"}
"""What a template calls a task, where it differs."""


def check_claims(mapping: Mapping, tasks: dict[str, list[Task]]) -> None:
    """Compare every task with its template.

    Raises
    ------
    CosimError
        At the first disagreement: component, task, layer, what the program holds and what the
        regions take.
    """
    program = mapping.program
    claim = _Claim(program, buffer_pools(mapping), buffer_names(mapping))
    for component in program.components:
        if component.background:
            continue
        templates = [program.templates[t] for t in expand(component.stream)]
        listed = tasks.get(component.name, [])
        known: dict[tuple[int, Task], None] = {}
        for ordinal, (template, task) in enumerate(zip(templates, listed, strict=False)):
            key = (id(template), task)
            if key not in known:
                claim.compare(component.name, ordinal, template, task)
                known[key] = None
        if len(templates) != len(listed):
            number = min(len(templates), len(listed))
            raise CosimError(
                f"{component.name} runs {len(templates)} tasks, its regions are those of "
                f"{len(listed)}",
                where=f"task {number} of {component.name}",
            )


def buffer_pools(mapping: Mapping) -> dict[int, str]:
    """Pool of the program -> name of the buffer whose bytes it counts."""
    names = {
        name: buffer.name
        for buffer in mapping.design.buffers
        for name in (f"buffer {buffer.name}", sums_pool(buffer))
    }
    return {i: names[p.name] for i, p in enumerate(mapping.program.pools) if p.name in names}


def buffer_names(mapping: Mapping) -> dict[str, str]:
    """What a buffer holds (``input``, ``weight``...) -> name of the buffer."""
    return {held: buffer.name for buffer in reversed(mapping.design.buffers)
            for held in buffer.holds}  # fmt: skip


@dataclass(frozen=True)
class _Claim:
    program: Program
    pools: dict[int, str]
    names: dict[str, str]

    def compare(self, component: str, ordinal: int, template: Template, task: Task) -> None:
        where = f"task {ordinal} of {component}, layer '{self.program.layers[task.group]}'"
        activity = ACTIVITIES.get(task.activity, task.activity)
        if template.info.op != task.group or template.info.activity != activity:
            raise CosimError(
                f"the program has a {template.info.activity} of layer "
                f"'{self.program.layers[template.info.op]}', the regions a {activity}",
                where=where,
            )
        for kind, verb, slots in (
            (StepKind.ACQUIRE, "takes", task.takes), (StepKind.RELEASE, "frees", task.frees)
        ):  # fmt: skip
            held: dict[str, int] = {}
            for step, pool, amount, _ in template.steps:
                if step == kind and amount and pool in self.pools:
                    held[self.pools[pool]] = held.get(self.pools[pool], 0) + amount
            wanted = self._bytes(slots)
            if held != wanted:
                raise CosimError(
                    f"the program {verb} {_said(held)}, its regions {_said(wanted)}", where=where
                )

    def _bytes(self, slots: Iterable[Slot]) -> dict[str, int]:
        total: dict[str, int] = {}
        for slot in slots:
            if slot.bytes:
                name = self.names[slot.buffer]
                total[name] = total.get(name, 0) + slot.bytes
        return total


def _said(held: dict[str, int]) -> str:
    return ", ".join(f"{n} bytes of buffer {name}" for name, n in sorted(held.items())) or "nothing"
