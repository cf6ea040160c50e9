"""The spine: a workload on a design, mapped, run on the machine, with its timeline.

::

    workload + design --map--> program --run--> timeline --analyse--> answers
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cosim.design.design import Design
from cosim.machine.execute import RunResult, run
from cosim.mapping.mapping import Mapping, map_workload
from cosim.mapping.program import Program
from cosim.workload.workload import Workload


@dataclass(frozen=True)
class Simulation:
    """A finished run with everything that led to it."""

    workload: Workload
    design: Design
    mapping: Mapping
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
    progress : called now and then with (tasks done, tasks in all).

    Raises
    ------
    CosimError
        When the workload cannot be mapped, or the machine deadlocks.
    """
    mapping = map_workload(workload, design)
    result = run(mapping.program, executor=executor, progress=progress)
    return Simulation(workload, design, mapping, result)
