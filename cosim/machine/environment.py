"""The SimPy environment of a machine: integer picoseconds and a defined order within an instant.

A plain SimPy environment runs the events of one instant in the order in which they were scheduled,
which depends on the order in which processes were written. Here an instant has two stages:

1. Whoever can go on, goes on, lowest rank first. (The users' own SimPy processes come before the
   components, in SimPy's usual order.)
2. When nobody can, the armed pool of the lowest (phase, index) arbitrates: its requests are sorted
   by (priority, arrival, rank) and granted in that order, without bypass, while they fit. Those
   who were granted go on (stage 1) before the next pool arbitrates.
"""

from __future__ import annotations

import sys
from bisect import insort
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

import simpy

from cosim.errors import CosimError
from cosim.machine.deadlock import overflow_error
from cosim.mapping.program import Pool, PoolPhase, Program

if TYPE_CHECKING:
    from cosim.machine.governed_simpy import GovernedMachine

NEVER = 1 << 62
NOTHING, ELSEWHERE, THERE = range(3)
"""What a governed machine reached on its way to a time: nothing can happen any more, an earlier
instant of the governor or of its store, the time itself."""

COMPONENT = 2
"""Priority of component resumptions in SimPy's queue; SimPy's own are 0 (urgent) and 1."""


class TokenPool:
    """Tokens of a `Pool` while the machine runs.

    Attributes
    ----------
    level : int
        Tokens there to take.
    waiting : list of Request
        Sorted by (priority, arrival, rank).
    """

    __slots__ = (
        "armed", "capacity", "entry", "environment", "immediate", "index", "level", "releaser",
        "releasing_row", "spec", "waiting",
    )  # fmt: skip

    def __init__(self, environment: MachineEnvironment, index: int, spec: Pool) -> None:
        self.environment = environment
        self.index = index
        self.spec = spec
        self.level = spec.initial
        self.capacity = sys.maxsize if spec.capacity is None else spec.capacity
        self.immediate = spec.phase == PoolPhase.IMMEDIATE
        self.entry = (int(spec.phase), index, self)
        self.waiting: list[Request] = []
        self.armed = False
        self.releaser = -1
        self.releasing_row = -1

    def request(self, request: Request) -> None:
        """Put a request in line; an arbitrated pool decides at the end of the instant."""
        waiting = self.waiting
        if waiting:
            insort(waiting, request)
        else:
            waiting.append(request)
        # arming a pool whose first request does not fit would change nothing
        if waiting[0][3] <= self.level and not self.armed and not self.immediate:
            self.armed = True
            heappush(self.environment.armed, self.entry)

    def release(self, amount: int, releaser: int, row: int) -> None:
        """Give tokens back; `row` is the latest interval of the component that does.

        Raises
        ------
        CosimError
            If the pool then holds more than its capacity.
        """
        self.level += amount
        if self.level > self.capacity:
            environment = self.environment
            raise overflow_error(
                environment.program, releaser, self.index, self.level, environment.now_ps
            )
        self.releaser = releaser
        self.releasing_row = row
        waiting = self.waiting
        if waiting and waiting[0][3] <= self.level and not self.armed:
            if self.immediate:
                rank = self.arbitrate()
                if rank >= 0:
                    self.environment.resume_at(self.environment._now, rank)
            else:
                self.armed = True
                heappush(self.environment.armed, self.entry)

    def arbitrate(self) -> int:
        """Grant in order while requests fit.

        Returns
        -------
        int
            Rank of a component that was granted its request and has yet to go on, -1 if none.
            Others granted with it are in the environment's queue.
        """
        self.armed = False
        waiting, environment, last = self.waiting, self.environment, -1
        while waiting and waiting[0][3] <= self.level:
            request = waiting.pop(0)
            self.level -= request[3]
            request[5] = self.releaser
            request[6] = self.releasing_row
            event = request[4]
            if event is None:
                if last >= 0:
                    environment.resume_at(environment._now, last)
                last = request[2]
            else:
                event.succeed()
        return last


class Arbiter(Protocol):
    """A pool, or whatever else decides when nobody can go on in an instant."""

    def arbitrate(self) -> int:
        """Decide; the rank of a component that goes on at once, -1 if none does."""


Request = list[Any]
"""[priority, arrival, rank, amount, event, releaser, releasing row]. A component that waits has no
event, a user's process has the one that happens on grant. The grant sets the last two."""


class MachineEnvironment(simpy.Environment):
    """SimPy environment in which components are generators that resume by rank.

    A component's generator yields when it must wait; `resume_at` says when it goes on.
    """

    _now: Any  # SimPy allows real numbers; here it is always an integer

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.armed: list[tuple[int, int, Arbiter]] = []
        """Heap of those that have to decide at the end of the instant, by phase and index."""
        self.pools = [TokenPool(self, index, pool) for index, pool in enumerate(program.pools)]
        self.resume: list[Callable[[], object]] = []
        """How every component goes on, by rank."""
        self.unfinished = 0
        """Foreground components that have tasks left."""
        self.governed: GovernedMachine | None = None
        """What a governor does to the machine, where there is one."""

    @property
    def now_ps(self) -> int:
        """Present time in picoseconds."""
        return int(self._now)

    def resume_at(self, time_ps: int, rank: int) -> None:
        """Let the component of `rank` go on at `time_ps`."""
        heappush(self._queue, (time_ps, COMPONENT, rank, None))  # type: ignore[misc]

    def pending_components(self) -> list[int]:
        """Ranks of the components that hold or are about to go on."""
        return [rank for _, priority, rank, _ in self._queue if priority == COMPONENT]

    def step(self) -> None:
        """Process one event or one arbitration.

        Raises
        ------
        simpy.core.EmptySchedule
            If nothing is left that could happen.
        """
        queue = self._queue
        if self.armed and not (queue and queue[0][0] == self._now):
            rank = heappop(self.armed)[2].arbitrate()
            if rank >= 0:
                self.resume_at(self._now, rank)
        elif queue and queue[0][1] == COMPONENT:
            self._now, _, rank, _ = heappop(queue)
            self.resume[rank]()
        else:
            try:
                super().step()
            except CosimError as error:
                # SimPy raises a copy made of the arguments alone; the mistake itself says more
                raise error.__cause__ or error from None

    def run_components(self) -> bool:
        """Run until the foreground components have finished; False if they never can."""
        queue, armed, resume = self._queue, self.armed, self.resume
        governed = self.governed
        while self.unfinished:
            if governed is not None and not armed:
                reached = governed.reach(int(queue[0][0]) if queue else NEVER)
                if reached == NOTHING:
                    return False
                if reached == ELSEWHERE:
                    continue
            if armed and not (queue and queue[0][0] == self._now):
                rank = heappop(armed)[2].arbitrate()
                if rank < 0:
                    continue
                if queue and queue[0][0] == self._now:  # others may go on as well, by rank
                    self.resume_at(self._now, rank)
                else:
                    resume[rank]()
            elif queue and queue[0][1] == COMPONENT:
                self._now, _, rank, _ = heappop(queue)
                resume[rank]()
            elif queue:
                self.step()
            else:
                return False
        return True
