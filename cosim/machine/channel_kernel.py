"""The DRAM channel beside the kernel, which pauses when there is something for it to do."""

from __future__ import annotations

from collections.abc import Callable

from cosim.machine import kernel as k
from cosim.machine.dram.server import DramServer, Request
from cosim.mapping.dram_service import DramService

ASKED, JOINED = 1, 2
"""States of a component at a SERVE (`kernel.SERVING`)."""


class ChannelOfKernel:
    """Reads requests from the kernel's memory and writes to it what came of them.

    `spend` is told the template of every transfer that is complete, under a governor.
    """

    def __init__(
        self,
        memory: k.Memory,
        service: DramService,
        compiled: bool | None,
        spend: Callable[[int], None] | None = None,
    ) -> None:
        self.service = service
        self._spend = spend
        self.server = DramServer(service, self._mark, compiled)
        self._parts = {
            master.component: memory[k.PARTS] + master.component * memory[k.PART_SIZE]
            for master in service.masters
            if not master.background
        }
        self._goes_on = any(master.background for master in service.masters)
        self._memory: k.Memory = []

    def act(self, m: k.Memory) -> None:
        """Let the server do what is due now; there must be room for a row."""
        self._memory = m
        now = int(m[k.NOW])
        if m[k.CHANNEL_ASKED]:
            m[k.CHANNEL_ASKED] = 0
            for rank, part in self._parts.items():
                if m[part + k.SERVING] == ASKED:
                    m[part + k.SERVING] = JOINED
                    cause, row = int(m[part + k.CAUSE]), int(m[part + k.CAUSE_ROW])
                    self.server.request(Request(rank, now, cause, row))
        joined, complete = self.server.act(now)
        for rank, start, cause, row in joined:
            part = self._parts[rank]
            m[part + k.START], m[part + k.CAUSE], m[part + k.CAUSE_ROW] = start, cause, row
        for rank, end in complete:
            part = self._parts[rank]
            m[part + k.SERVING] = 0
            m[part + k.HOLD_END] = end
            if self._spend is not None:
                self._spend(int(m[part + k.TEMPLATE]))
        m[k.CHANNEL_WAKE] = self.server.next_ps

    def is_stuck(self, m: k.Memory) -> bool:
        """Whether only background traffic goes on and all components wait for ever."""
        if not self._goes_on or m[k.CHANNEL_ASKED] or self.server.serving:
            return False
        return k._is_stuck(m)

    def _mark(
        self, template: int, task: int, start: int, end: int, cause: int, cause_row: int
    ) -> int:
        m = self._memory
        number = int(m[k.ROW])
        first, size = int(m[k.ROWS]) + int(m[k.BUFFERED]), int(m[k.BUFFER_ROWS])
        back = number - cause_row if cause_row >= 0 else 0
        service = self.service
        row = (service.component, template, task, service.lane, start, end, cause, back)
        for column, value in enumerate(row):
            m[first + column * size] = value
        m[k.BUFFERED] += 1
        m[k.ROW] += 1
        return number
