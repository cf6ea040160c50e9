"""The DRAM channel of a machine: serves the descriptors of its components in slices of time.

A component that comes to a SERVE step hands its next descriptor to the channel and goes on when
the channel has served it. The channel plans a *slice* of at most `quantum` bursts at a time with
all it knows; whoever comes while a slice is under way joins at its end, and has waited for the
DRAM until then. A refresh is a slice of its own. A read is complete when its last data are back at
the component, a write when the controller's write queue has taken its last burst and said so.

The channel leaves rows as components do: one for each slice, one for each refresh, and one where
it waits for requests that are bound by outstanding limits or a rate. So a component that waited
for the DRAM names the row that it waited for.

Both executors use this one server, and tell it the same things in the same order: all requests of
an instant at the end of the instant, by rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cosim.machine.compiled import compiled_functions
from cosim.machine.dram import scheduler as s
from cosim.machine.dram.energy import Commands
from cosim.machine.dram.layout import Master, channel_memory, masters_of
from cosim.mapping.dram_service import DramMaster, DramService
from cosim.timeline.causes import Cause

NEVER = s.NEVER
BURSTS, REFRESH, WAITING = range(3)
"""Kinds of the channel's rows, in the order of `DramService.templates`."""

Mark = Callable[[int, int, int, int, int, int], int]
"""Records a row (template, task, start, end, cause, cause row) and gives its index."""

WORTH_COMPILING = 20_000
"""Bursts that make loading the compiled scheduler worth its time."""


class Request(NamedTuple):
    """A component at a SERVE: since when, and what it had waited for before."""

    rank: int
    since: int
    cause: int
    cause_row: int


class Joined(NamedTuple):
    """A component whose descriptor is with the channel now, and when its interval began."""

    rank: int
    start: int
    cause: int
    cause_row: int


@dataclass
class _Row:
    """The channel's present row; `kind` is -1 while nothing is open.

    `for_components` says whether some component had asked: what is moved in the background alone is
    nobody's cause.
    """

    kind: int = -1
    for_components: bool = False
    since: int = 0
    cause: int = 0
    cause_row: int = -1


class DramServer:
    """The channel while the machine runs.

    Parameters
    ----------
    service : DramService
    mark : Mark
    compiled : bool, optional
        Whether to compile the scheduler; by default where there is much to serve.
    """

    def __init__(self, service: DramService, mark: Mark, compiled: bool | None = None) -> None:
        self.service = service
        self._mark = mark
        self._clock = round(service.part.tCK * 1000)
        self._quantum = service.controller.quantum * service.part.burst_length // 2
        masters = [_settings(master, self._clock) for master in service.masters]
        memory = channel_memory(
            service.part,
            service.map,
            service.controller,
            masters,
            request_bytes=service.request_bytes,
        )
        self.memory: s.Memory = memory
        self._advance: Callable[..., int] = s.advance
        self._begin: Callable[..., None] = s.begin_descriptor
        self._refresh: Callable[..., int] = s.refresh_before
        if compiled is None:
            compiled = _bursts(service) > WORTH_COMPILING
        functions = compiled_functions(s) if compiled else None
        if functions is not None:
            self.memory = np.array(memory, np.int64)
            self._advance, self._begin = functions["advance"], functions["begin_descriptor"]
            self._refresh = functions["refresh_before"]
        self.compiled = functions is not None
        places = list(masters_of(memory))
        self._places = {
            master.component: (place, master)
            for place, master in zip(places, service.masters, strict=True)
            if not master.background
        }
        self._first = {place: memory[place + s.DESCRIPTORS] for place in places}
        self._served = dict.fromkeys(self._places, 0)
        self._background = {
            place: len(master.descriptors)
            for place, master in zip(places, service.masters, strict=True)
            if master.background
        }
        for place in places:
            self.memory[place + s.DESCRIPTORS_END] = self.memory[place + s.NEXT_DESCRIPTOR]
        self._waiting: list[Request] = []
        self._active: list[int] = []
        self._row = _Row()
        self._last_row = -1
        self._tasks = 0
        self._busy_until = 0
        self._wake = self._next = NEVER
        self._start_background()

    @property
    def serving(self) -> bool:
        """Whether some component's descriptor is not yet known to be complete."""
        return bool(self._active or self._waiting)

    @property
    def next_ps(self) -> int:
        """When `act` must be called at the latest, `NEVER` if only a request makes it necessary."""
        return self._next

    def is_due(self, now: int) -> bool:
        """Whether there is something to do at `now`."""
        return bool(self._waiting) or now >= self._next

    def request(self, request: Request) -> None:
        """A component comes to a SERVE; `act` must follow at the end of the instant."""
        self._waiting.append(request)

    def act(self, now: int) -> tuple[list[Joined], list[tuple[int, int]]]:
        """Do what there is to do at the end of an instant.

        Returns
        -------
        joined : list of Joined
            Components whose descriptor the channel has taken.
        complete : list of (int, int)
            Components whose descriptor will be complete, and when.
        """
        if now < self._busy_until:  # they join when the slice ends
            self._next = self._busy_until
            return [], []
        if not self._waiting and now < self._wake:
            self._rest(now)
            return [], []
        joined = self._join(now)
        return joined, self._slice(now)

    def commands(self, end_ps: int) -> Commands:
        """Everything counted until `end_ps`; writes that the queue still holds are counted, too."""
        memory = self.memory
        for place in self._background:
            memory[place + s.BURSTS_LEFT] = 0
            memory[place + s.REPEATS] = 0
        end = -(-end_ps // self._clock)
        self._advance(memory, 0, NEVER)
        self._refresh(memory, 0, end)
        return Commands.counted(memory, max(end, 1), self._background)

    def _start_background(self) -> None:
        for place, count in self._background.items():
            self.memory[place + s.DESCRIPTORS_END] += count * s.DESCRIPTOR_FIELDS
            self._begin(self.memory, 0, place)
            self._next = self._wake = 0

    def _join(self, now: int) -> list[Joined]:
        """Let those who wait begin, after the row that they waited for."""
        joined = []
        self._waiting.sort()
        before = self._row
        had_row = self._close(now)
        waited = int(Cause.REFRESH if before.kind == REFRESH else Cause.DRAM_BUSY)
        for rank, since, cause, cause_row in self._waiting:
            if since < now and before.for_components:
                joined.append(Joined(rank, now, waited, self._last_row))
            else:  # the rest of a slice of background traffic is part of the service
                joined.append(Joined(rank, since, cause, cause_row))
            self._hand_over(rank, now)
        self._waiting.clear()
        if before.kind >= 0 and not had_row:
            return joined  # nothing has happened yet in the row that is open
        cause, row = int(Cause.START), -1
        if had_row:
            cause, row = int(Cause.SEQUENCE), self._last_row
        first = next((each for each in joined if each.start == now), None)
        if first and not (had_row and before.for_components):
            cause, row = first.cause, first.cause_row
        self._row = _Row(-1, False, now, cause, row)
        return joined

    def _hand_over(self, rank: int, now: int) -> None:
        """Give a component's next descriptors to its master."""
        place, master = self._places[rank]
        number = self._served[rank]
        self._served[rank] += 1
        first, stop = master.starts[number], master.starts[number + 1]
        memory, base = self.memory, self._first[place]
        memory[place + s.NEXT_DESCRIPTOR] = base + int(first) * s.DESCRIPTOR_FIELDS
        memory[place + s.DESCRIPTORS_END] = base + int(stop) * s.DESCRIPTOR_FIELDS
        memory[place + s.READY] = -(-now // self._clock)
        self._begin(memory, 0, place)
        self._active.append(rank)

    def _slice(self, now: int) -> list[tuple[int, int]]:
        """Plan the next slice."""
        memory, clock = self.memory, self._clock
        self._row.for_components = bool(self._active)
        start = -(-now // clock)
        if start >= memory[s.NEXT_REFRESH]:
            ready = int(self._refresh(memory, 0, start))
            if ready > start:
                self._row.kind = REFRESH
                self._busy_until = self._wake = self._next = ready * clock
                return []
        horizon = min(start + self._quantum, int(memory[s.NEXT_REFRESH]))
        wake = int(self._advance(memory, 0, horizon))
        self._wake = NEVER if wake == NEVER else wake * clock
        self._busy_until = max(now, (int(memory[s.COLUMN_AT]) + 1) * clock)
        busy = self._busy_until > now
        self._row.kind = BURSTS if busy else WAITING
        self._next = self._busy_until if busy else self._wake
        return self._complete(now)

    def _complete(self, now: int) -> list[tuple[int, int]]:
        """Components of which every burst has been served or taken."""
        memory, complete = self.memory, []
        for rank in sorted(self._active):
            place = self._places[rank][0]
            if memory[place + s.BURSTS_LEFT] == 0 and memory[place + s.QUEUED] == 0:
                end = int(memory[place + s.LAST_RETURN])
                if memory[place + s.WRITE]:  # the port has passed its last data, and the answer
                    end = max(end, -(-int(memory[place + s.NEXT_REQUEST]) // 1000))
                    end += int(memory[place + s.LATENCY])
                # what was taken during a refresh is known only at its end
                complete.append((rank, max(end * self._clock, now + self._clock)))
        for rank, _ in complete:
            self._active.remove(rank)
        return complete

    def _rest(self, now: int) -> None:
        """The slice is over and nobody is there to join."""
        self._next = self._wake
        if self._wake == NEVER:
            self._close(now)
            self._row = _Row()
            return
        long_enough = self._wake - now > self._quantum * self._clock
        if self._row.kind != WAITING and long_enough and self._close(now):
            self._row = _Row(WAITING, bool(self._active), now, int(Cause.SEQUENCE), self._last_row)

    def _close(self, now: int) -> bool:
        """Record the channel's present row; whether there was one of any length."""
        row = self._row
        if row.kind < 0 or row.since == now:
            return False
        template = self.service.templates[row.kind]
        self._last_row = self._mark(template, self._tasks, row.since, now, row.cause, row.cause_row)
        self._tasks += 1
        return True


def _settings(master: DramMaster, clock: int) -> Master:
    return Master(
        master.descriptors,
        outstanding=master.outstanding,
        period=round(1000 * master.period_ps / clock),
        catches_up=master.background,
        latency=-(-master.latency_ps // clock),
        repeats=master.background,
    )


def _bursts(service: DramService) -> int:
    """About how many bursts the components ask for."""
    total = 0
    for master in service.masters:
        _, chunk, _, chunks, _, _, outer = master.descriptors.T
        total += int((chunk * chunks * outer).sum()) // service.part.burst_bytes
        if master.background:
            total += WORTH_COMPILING
    return total
