"""The SimPy executor: the readable definition of what a machine does with a program.

Every component is a generator in a `MachineEnvironment` that walks through its stream and obeys
the steps. All other ways to run a program must give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from heapq import heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.machine.attached import AttachedMachine
from cosim.machine.channel_process import ChannelProcess
from cosim.machine.deadlock import Request, deadlock_error, net_producers
from cosim.machine.dram.server import Request as ServiceRequest
from cosim.machine.environment import COMPONENT, MachineEnvironment, TokenPool
from cosim.machine.environment import Request as TokenRequest
from cosim.machine.governed_simpy import GovernedMachine
from cosim.mapping.program import Pool, PoolPhase, Program, StepKind
from cosim.mapping.task_stream import expand
from cosim.timeline.causes import Cause
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.recorder import Progress, Recorder

UserProcess = Callable[[MachineEnvironment, AttachedMachine], Generator[Any, Any, Any]]
"""A user's own SimPy process: called with the environment and the machine, yields SimPy events."""

# plain integers: comparing members of an enumeration would double the time of a run
ACQUIRE, HOLD, MARK = int(StepKind.ACQUIRE), int(StepKind.HOLD), int(StepKind.MARK)
SERVE = int(StepKind.SERVE)
START, SEQUENCE = int(Cause.START), int(Cause.SEQUENCE)

POWERS = 1 << 40
"""More than any task draws in microwatts."""

NO_POOL = Pool("none", 0, PoolPhase.IMMEDIATE, Cause.SEQUENCE)
"""Stands where a step needs no pool."""


class SimPyExecutor:
    """Runs one program, once.

    Parameters
    ----------
    program : Program
        Checked (`cosim.machine.validate.check_program`).
    extra : sequence of UserProcess
        Further processes. They compete for the pools like components of higher rank and do not
        keep the run alive.
    creation_order : sequence of int, optional
        Order in which component processes are created. It must not matter; tests see to that.
    progress : Progress, optional
    """

    def __init__(
        self,
        program: Program,
        *,
        extra: Sequence[UserProcess] = (),
        creation_order: Iterable[int] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.program = program
        self.environment = MachineEnvironment(program)
        self.recorder = Recorder(progress)
        self.governed: GovernedMachine | None = None
        if program.governing is not None:
            self.governed = GovernedMachine(program, self.environment, self.recorder)
            self.environment.governed = self.governed
        self.governor_log: GovernorLog | None = None
        self.tasks_begun = [0] * len(program.components)
        self._extra = extra
        self._served = [-1] * len(program.components)
        self.channel: ChannelProcess | None = None
        if program.dram is not None:
            append = self.recorder.append
            self.channel = ChannelProcess(self.environment, program.dram, append)
            if program.governing is not None and program.governing.served_aj:
                self.channel.spend = self._spend_served
        pools = [*self.environment.pools, TokenPool(self.environment, -1, NO_POOL)]
        self._steps = [
            _bound_steps(program, number, pools) for number in range(len(program.templates))
        ]
        self._release_causes = [
            None if part.release_cause is None else int(part.release_cause)
            for part in program.components
        ]
        self._held = [[0] * len(program.pools) for _ in program.components]
        self._produced = net_producers(program)
        self.attached: AttachedMachine | None = None
        ranks = range(len(program.components))
        self.environment.resume = [_never] * len(program.components)
        for rank in ranks if creation_order is None else creation_order:
            if not program.components[rank].background:
                self.environment.unfinished += 1
            self.environment.resume[rank] = self._component(rank).__next__
            self.environment.resume_at(0, rank)
        if self.channel:
            self.channel.begin(self._check_foreground)

    def run(self) -> NDArray[np.int64]:
        """Run to the end of the last foreground component.

        Returns
        -------
        table : int64 array, shape (n_rows, 8)
            Columns as in `cosim.timeline.timeline.STORED_TYPES`.

        Raises
        ------
        CosimError
            Deadlock, or a pool filled above its capacity.
        """
        if self._extra:
            self.attached = AttachedMachine(self.environment, self.recorder)
            for process in self._extra:
                self.environment.process(process(self.environment, self.attached))
        if not self.environment.run_components():
            raise self._deadlock()
        if self.governed is not None:
            self.governor_log = self.governed.finish()
        return self.recorder.table()

    def _spend_served(self, rank: int) -> None:
        """A transfer is complete: what it took is spent."""
        assert self.governed is not None
        assert self.program.governing is not None
        self.governed.spend(self.program.governing.served_aj[self._served[rank]])

    def _component(self, rank: int) -> Generator[None, None, None]:
        """Walk through the stream of one component and obey its steps."""
        environment = self.environment
        steps, begun = self._steps, self.tasks_begun
        queue, armed = environment._queue, environment.armed
        append = self.recorder.append
        component = self.program.components[rank]
        background, held = component.background, self._held[rank]
        governed = self.governed
        # pools that behave differently under a governor; without one, none is either
        budget = governed.budget if governed is not None else None
        energy = governed.energy if governed is not None else None
        start, cause, cause_row, last_row = -1, -1, -1, -1
        now = 0
        for task, template in enumerate(expand(component.stream)):
            begun[rank] = task + 1
            if background:
                held[:] = [0] * len(held)
            for kind, pool, amount, detail in steps[template]:
                if kind == ACQUIRE:
                    if governed is not None:
                        if pool is budget:
                            amount = governed.budget_of(rank, amount, template)
                        elif pool is energy:
                            governed.reasons[rank] = (cause, cause_row, last_row)
                            governed.templates[rank] = template
                    if pool.level >= amount and (
                        pool.immediate
                        # nobody else can ask for anything in this instant: the pool would grant
                        or not (armed or pool.waiting or (queue and queue[0][0] == now))
                    ):
                        pool.level -= amount
                    else:
                        request: TokenRequest = [detail, now, rank, amount, None, -1, -1]
                        pool.request(request)
                        yield
                        if environment._now > now:
                            now = environment._now
                            cause, cause_row = self._wait_cause(pool, request[5]), request[6]
                    if background:
                        held[pool.index] += amount
                elif kind == HOLD:
                    if start < 0:
                        start = now
                        if start == 0:
                            cause, cause_row = START, -1
                        elif cause < 0:
                            cause, cause_row = SEQUENCE, last_row
                    if governed is not None:
                        clock, power_uw = divmod(detail, POWERS)
                        amount = governed.begin_hold(rank, amount, clock, power_uw)
                    if amount:  # the duration in picoseconds, see _bound_steps
                        now += amount
                        heappush(queue, (now, COMPONENT, rank, None))  # type: ignore[misc]
                        yield
                        if governed is not None:
                            governed.end_hold(rank)
                        if background and not self._extra:
                            self._check_foreground()
                elif kind == SERVE:
                    assert self.channel
                    if now == 0:
                        cause, cause_row = START, -1
                    elif cause < 0:
                        cause, cause_row = SEQUENCE, last_row
                    self._served[rank] = template
                    self.channel.request(ServiceRequest(rank, now, cause, cause_row))
                    yield
                    now = environment._now
                    start, cause, cause_row = self.channel.begun[rank]
                elif kind == MARK:
                    last_row = append((rank, template, task, detail, start, now, cause, cause_row))
                    start, cause = -1, -1
                    if governed is not None:
                        governed.end_interval(rank, last_row)
                else:
                    if governed is not None and pool is budget:
                        amount = governed.held(rank)
                    if background:
                        held[pool.index] -= amount
                    if pool.waiting or pool.level + amount > pool.capacity:
                        pool.release(amount, rank, last_row)
                    else:  # nobody to grant it to: a call less
                        pool.level += amount
        if not background:
            environment.unfinished -= 1
        yield

    def _wait_cause(self, pool: TokenPool, releaser: int) -> int:
        """Cause of a wait for `pool` that ended because `releaser` gave tokens back."""
        replaced = self._release_causes[releaser] if releaser < len(self._release_causes) else None
        return int(pool.spec.cause) if replaced is None else replaced

    def _check_foreground(self) -> None:
        """Raise if only background components run and none of them can ever help the others."""
        environment, components = self.environment, self.program.components
        if environment.armed or (self.channel and self.channel.server.serving):
            return
        if any(not components[rank].background for rank in environment.pending_components()):
            return
        for pool in environment.pools:
            first = next((r for r in pool.waiting if not components[r[2]].background), None)
            if first is None:
                continue
            held = sum(max(0, tokens[pool.index]) for tokens in self._held)
            if self._produced[pool.index] or first[3] <= pool.level + held:
                return
        raise self._deadlock()

    def _deadlock(self) -> CosimError:
        pools = self.environment.pools
        waiting = [Request(r[2], pool.index, r[3]) for pool in pools for r in pool.waiting]
        known = [request for request in waiting if request.rank < len(self.program.components)]
        levels = [pool.level for pool in pools]
        return deadlock_error(self.program, self.environment.now_ps, levels, known)


def _bound_steps(
    program: Program, number: int, pools: list[TokenPool]
) -> tuple[tuple[int, TokenPool, int, int], ...]:
    """Steps of a template as (kind, pool, amount, detail), with all that can be looked up before.

    The amount of a HOLD is its duration in picoseconds; the detail of an ACQUIRE is its priority,
    that of a MARK the lane. HOLD and MARK carry the last pool only to keep
    the tuples alike. Under a governor the amount of a HOLD is in cycles, and its detail names clock
    and power.
    """
    bound = []
    governing = program.governing
    power = governing.task_power_uw[number] if governing else 0
    for kind, a, b, c in program.templates[number].steps:
        if kind == HOLD and governing:
            bound.append((HOLD, pools[-1], a, b * POWERS + power))
        elif kind == HOLD:
            bound.append((HOLD, pools[-1], a * program.clock_periods_ps[b], 0))
        elif kind == SERVE:
            bound.append((SERVE, pools[-1], 0, 0))
        elif kind == MARK:
            bound.append((MARK, pools[-1], 0, a))
            power = 0  # a task's energy is that of its first interval
        else:
            bound.append((int(kind), pools[a], b, c))
    return tuple(bound)


def _never() -> None:
    raise AssertionError("a component without a process was resumed")
