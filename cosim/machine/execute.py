"""Runs a program and says how it was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cosim.errors import CosimError, unknown
from cosim.machine.dram.energy import Commands
from cosim.machine.fast_executor import FastExecutor
from cosim.machine.program_file import program_to_data
from cosim.machine.simpy_executor import SimPyExecutor, UserProcess
from cosim.machine.validate import check_program
from cosim.mapping.program import Program
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.outline import Outline
from cosim.timeline.recorder import Progress
from cosim.timeline.timeline import Timeline

EXECUTORS = ("auto", "simpy", "fast", "python", "compiled")
"""``auto`` is ``fast``, or ``simpy`` where a user's own process is attached. ``python`` and
``compiled`` are the two ways in which the fast executor's kernel can run."""


@dataclass(frozen=True)
class RunResult:
    """What a run gave, and how.

    Attributes
    ----------
    timeline : Timeline
    makespan_ps : int
        End of the last foreground interval.
    executor : str
        Which executor ran: ``simpy``, or the ways in which the fast executor's kernel ran
        (``python``, ``compiled``, or one after the other).
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
    dram: Commands | None = None
    """What a DRAM channel that is served burst by burst has done."""

    @property
    def governor(self) -> GovernorLog | None:
        """Samples and totals of a power policy or a thermal network, where there is one."""
        return self.timeline.governor


def run(
    program: Program,
    *,
    executor: str = "auto",
    fast_forward: bool = True,
    record: bool = True,
    progress: Progress | None = None,
    extra: Sequence[UserProcess] = (),
) -> RunResult:
    """Run a program to the end of its last foreground component.

    Parameters
    ----------
    program : Program
    executor : str
        One of `EXECUTORS`; ``auto`` chooses.
    fast_forward : bool
        Whether the fast executor may jump over repetitions. The result is the same.
    record : bool
        Whether the fast executor keeps the intervals. Without, the timeline is empty and the run
        ends at the same time: enough for who asks when.
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
        raise unknown("executor", executor, EXECUTORS)
    if extra and executor not in ("auto", "simpy"):
        raise CosimError(
            f"executor '{executor}' cannot run a user's own process", expected="auto or simpy"
        )
    check_program(program)
    if extra or executor == "simpy":
        return _run_simpy(program, extra, progress)
    machine = FastExecutor(
        program,
        compiled={"python": False, "compiled": True}.get(executor),
        fast_forward=fast_forward,
        record=record,
        progress=progress,
    )
    stored = machine.run()
    return RunResult(
        timeline=Timeline(
            lambda: outline_of(program), stored, machine.blocks, machine.governor_log
        ),
        makespan_ps=machine.now_ps,
        executor=", then ".join(machine.modes),
        tasks_simulated=machine.tasks_simulated,
        tasks_skipped=machine.tasks_skipped,
        why_not_skipped=machine.why_not_skipped,
        dram=machine.channel.server.commands(machine.now_ps) if machine.channel else None,
    )


def _run_simpy(
    program: Program, extra: Sequence[UserProcess], progress: Progress | None
) -> RunResult:
    machine = SimPyExecutor(program, extra=extra, progress=progress)
    table = machine.run()
    names = machine.attached.names if machine.attached else []
    return RunResult(
        timeline=Timeline.from_table(
            lambda: _with_attached(outline_of(program), names), table, governor=machine.governor_log
        ),
        makespan_ps=machine.environment.now_ps,
        executor="simpy",
        tasks_simulated=sum(machine.tasks_begun),
        tasks_skipped=0,
        why_not_skipped="a user's own process is attached" if extra else "the SimPy executor ran",
        dram=machine.channel.server.commands(machine.environment.now_ps)
        if machine.channel
        else None,
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
