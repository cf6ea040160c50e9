"""Runs a program and says how it was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cosim.errors import CosimError, nearest
from cosim.machine.program_file import program_to_data
from cosim.machine.simpy_executor import SimPyExecutor, UserProcess
from cosim.machine.validate import check_program
from cosim.mapping.program import Program
from cosim.timeline.outline import Outline
from cosim.timeline.recorder import Progress
from cosim.timeline.timeline import Timeline

EXECUTORS = ("auto", "simpy")


@dataclass(frozen=True)
class RunResult:
    """What a run gave, and how.

    Attributes
    ----------
    timeline : Timeline
    makespan_ps : int
        End of the last foreground interval.
    executor : str
        Which executor ran.
    tasks_simulated : int
        Tasks begun one by one, background components included.
    tasks_skipped : int
        Tasks known by repetition, without being simulated.
    why_not_skipped : str
        Why nothing was skipped, empty if something was.
    """

    timeline: Timeline
    makespan_ps: int
    executor: str
    tasks_simulated: int
    tasks_skipped: int
    why_not_skipped: str


def run(
    program: Program,
    *,
    executor: str = "auto",
    progress: Progress | None = None,
    extra: Sequence[UserProcess] = (),
) -> RunResult:
    """Run a program to the end of its last foreground component.

    Parameters
    ----------
    program : Program
    executor : str
        One of `EXECUTORS`; ``auto`` chooses.
    progress : callable, optional
        Called now and then with the number of rows so far.
    extra : sequence of UserProcess
        A user's own SimPy processes, see `cosim.machine.attached`; they need the SimPy executor.

    Raises
    ------
    CosimError
        A program that breaks the rules, a deadlock, an overfull pool.
    """
    if executor not in EXECUTORS:
        raise CosimError(
            f"unknown executor '{executor}'",
            expected=f"one of {', '.join(EXECUTORS)}",
            nearest=nearest(executor, EXECUTORS),
        )
    check_program(program)
    machine = SimPyExecutor(program, extra=extra, progress=progress)
    table = machine.run()
    outline = outline_of(program)
    if extra and machine.attached is not None:
        outline = _with_attached(outline, machine.attached.names)
    return RunResult(
        timeline=Timeline.from_table(outline, table),
        makespan_ps=machine.environment.now_ps,
        executor="simpy",
        tasks_simulated=sum(machine.tasks_done),
        tasks_skipped=0,
        why_not_skipped="a user's own process is attached" if extra else "the SimPy executor ran",
    )


def outline_of(program: Program) -> Outline:
    """What readers of the timeline need of a program."""
    return Outline.from_program(program_to_data(program))


def _with_attached(outline: Outline, names: list[str]) -> Outline:
    return replace(
        outline,
        components=(*outline.components, *names),
        kinds=(*outline.kinds, *("external" for _ in names)),
        background=(*outline.background, *(True for _ in names)),
        streams=(*outline.streams, *(() for _ in names)),
    )
