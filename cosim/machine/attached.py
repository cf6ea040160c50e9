"""How a user's own SimPy process takes part in a machine.

A process attaches itself under a name, then acquires and releases tokens of the machine's pools
and yields SimPy events as usual::

    def camera(env, machine):
        port = machine.attach("camera")
        while True:
            yield env.timeout(33_000_000)
            yield port.acquire("dram", priority=0)
            yield env.timeout(200_000)
            port.release("dram")

Whatever time passes between these calls is recorded as the port's intervals, so that whoever waits
for a token it gives back can name the interval that caused the wait.
"""

from __future__ import annotations

import simpy

from cosim.errors import unknown
from cosim.machine.environment import MachineEnvironment, Request, TokenPool
from cosim.timeline.causes import Cause
from cosim.timeline.recorder import Recorder

NO_TEMPLATE = -1


class AttachedMachine:
    """The machine as a user's process sees it."""

    def __init__(self, environment: MachineEnvironment, recorder: Recorder) -> None:
        self.environment = environment
        self.recorder = recorder
        self.names: list[str] = []

    def attach(self, name: str) -> Port:
        """Take part as a component called `name`, ranked after all there are."""
        rank = len(self.environment.program.components) + len(self.names)
        self.names.append(name)
        return Port(self, rank)

    def pool(self, name: str) -> TokenPool:
        """The pool of that name.

        Raises
        ------
        CosimError
            If there is none.
        """
        for pool in self.environment.pools:
            if pool.spec.name == name:
                return pool
        raise unknown("pool", name, (pool.spec.name for pool in self.environment.pools))


class Port:
    """What an attached process does to the pools, and the intervals it leaves behind."""

    def __init__(self, machine: AttachedMachine, rank: int) -> None:
        self._machine = machine
        self._environment = machine.environment
        self._rank = rank
        self._task = 0
        self._since = 0
        self._cause, self._cause_row = Cause.START, -1
        self._last_row, self._last_end = -1, -1

    def acquire(self, pool: str, amount: int = 1, *, priority: int = 0) -> simpy.Event:
        """Event that happens once `amount` tokens of `pool` are taken."""
        self._close()
        target = self._machine.pool(pool)
        event = simpy.Event(self._environment)
        arrival = self._environment.now_ps
        request: Request = [priority, arrival, self._rank, amount, event, -1, -1]

        def granted(_: simpy.Event) -> None:
            now = self._environment.now_ps
            if now > arrival:
                self._cause, self._cause_row = target.spec.cause, request[6]
            self._since = now

        assert event.callbacks is not None
        event.callbacks.append(granted)
        if target.immediate and not target.waiting and target.level >= amount:
            target.level -= amount
            event.succeed()
        else:
            target.request(request)
        return event

    def release(self, pool: str, amount: int = 1) -> None:
        """Give `amount` tokens of `pool` back."""
        self._close(always=True)
        self._machine.pool(pool).release(amount, self._rank, self._last_row)

    def _close(self, always: bool = False) -> None:
        """Record the interval that ends now, if time has passed (or `always`, unless one did)."""
        now = self._environment.now_ps
        if now > self._since or (always and self._last_end != now):
            row = (
                self._rank, NO_TEMPLATE, self._task, 0, self._since, now, self._cause,
                self._cause_row,
            )  # fmt: skip
            self._last_row, self._last_end = self._machine.recorder.append(row), now
            self._task += 1
            self._since = now
            self._cause, self._cause_row = Cause.SEQUENCE, self._last_row
