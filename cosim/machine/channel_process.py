"""The DRAM channel in the SimPy machine: acts last in an instant, when all who ask have asked."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush

from cosim.machine.dram.server import NEVER, DramServer, Request
from cosim.machine.environment import MachineEnvironment
from cosim.mapping.dram_service import DramService

LAST_PHASE = 1 << 30
"""After every phase of a pool."""


class ChannelProcess:
    """Stands between the components' processes and the server.

    Attributes
    ----------
    server : DramServer
    begun : dict
        Start, cause and cause row of each component's present interval at a SERVE, by rank.
    spend : callable
        Told of every component whose transfer is complete.
    """

    def __init__(
        self,
        environment: MachineEnvironment,
        service: DramService,
        append: Callable[[tuple[int, int, int, int, int, int, int, int]], int],
    ) -> None:
        rank, lane = service.component, service.lane

        def mark(template: int, task: int, start: int, end: int, cause: int, row: int) -> int:
            return append((rank, template, task, lane, start, end, cause, row))

        self.server = DramServer(service, mark)
        self.begun: dict[int, tuple[int, int, int]] = {}
        self._environment = environment
        self._rank = rank
        self._armed = False
        self._check: Callable[[], None] = lambda: None
        self.spend: Callable[[int], None] = lambda rank: None

    def begin(self, check: Callable[[], None]) -> None:
        """Take the place of the channel's component; `check` raises if all others are stuck."""
        self._check = check
        self._environment.resume[self._rank] = self._arm
        if self.server.next_ps != NEVER:
            self._environment.resume_at(self.server.next_ps, self._rank)

    def request(self, request: Request) -> None:
        """A component comes to a SERVE and waits."""
        self.server.request(request)
        self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            heappush(self._environment.armed, (LAST_PHASE, 0, self))

    def arbitrate(self) -> int:
        """Act; nobody goes on in this instant because of it."""
        self._armed = False
        now, server = self._environment.now_ps, self.server
        if not server.is_due(now):
            return -1
        if not server.serving:
            self._check()
        joined, complete = server.act(now)
        for rank, start, cause, cause_row in joined:
            self.begun[rank] = (start, cause, cause_row)
        for rank, end in complete:
            self._environment.resume_at(end, rank)
            self.spend(rank)
        if server.next_ps != NEVER:
            self._environment.resume_at(server.next_ps, self._rank)
        return -1
