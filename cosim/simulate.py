"""The spine: a workload on a design, mapped, run on the machine, with its timeline.

::

    workload + design --map--> program --run--> timeline --analyse--> answers
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cosim.design.design import Design
from cosim.machine.execute import RunResult, run
from cosim.mapping.program import Program, StepKind
from cosim.mapping.task_stream import template_counts
from cosim.mapping.template import AnyMapping, map_design
from cosim.workload.workload import Workload


@dataclass(frozen=True)
class Simulation:
    """A finished run with everything that led to it."""

    workload: Workload
    design: Design
    mapping: AnyMapping
    result: RunResult

    @property
    def program(self) -> Program:
        return self.mapping.program


def simulate(
    workload: Workload,
    design: Design,
    *,
    executor: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Map `workload` onto `design` and run it.

    Parameters
    ----------
    executor : ``auto``, ``simpy`` or ``fast``.
    progress : called now and then with (intervals done, intervals in all).

    Raises
    ------
    CosimError
        When the workload cannot be mapped, or the machine deadlocks.
    """
    mapping = map_design(workload, design)
    total = count_intervals(mapping.program) if progress else 0
    told = (lambda done: progress(done, total)) if progress else None
    result = run(mapping.program, executor=executor, progress=told)
    return Simulation(workload, mapping.design, mapping, result)


def count_intervals(program: Program) -> int:
    """Intervals that the run will have: MARKs of all tasks that keep it alive."""
    marks = [sum(s[0] == StepKind.MARK for s in t.steps) for t in program.templates]
    return sum(
        marks[template] * count
        for component in program.components
        if not component.background
        for template, count in template_counts(component.stream).items()
    )
