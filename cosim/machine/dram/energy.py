"""Commands of a channel, and the energy they take by the part's currents.

The energy of each command is what it draws above standby (`cosim.design.dram_part`); standby is
that of open rows while any bank is open, that of closed rows else::

    energy = activates * E_act + reads * E_rd + writes * E_wr + refreshes * E_ref
             + VDD * devices * (IDD3N * time open + IDD2N * time closed)

Interface and termination power are not in the data sheets' currents of DDR3 and DDR4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cosim.design.dram_part import DramPart
from cosim.machine.dram import scheduler as s

CLASSES = ("activate", "read", "write", "refresh", "background")


@dataclass(frozen=True)
class Commands:
    """Counts of commands, and the clocks with some row open and with none."""

    activates: int
    reads: int
    writes: int
    refreshes: int
    row_hits: int
    open_clocks: int
    closed_clocks: int
    background_bursts: int = 0
    """Reads and writes of traffic that nobody waits for."""

    @classmethod
    def counted(
        cls, memory: s.Memory, end: int | None = None, background: Iterable[int] = ()
    ) -> Commands:
        """What the scheduler has counted, until clock `end` (the end of its last data).

        `background` are addresses of masters whose bursts are counted apart, too.
        """
        stop = int(memory[s.DATA_END]) if end is None else end
        closed, since = int(memory[s.CLOSED]), int(memory[s.CLOSED_SINCE])
        if since >= 0:
            closed += max(0, stop - since)
        return cls(
            int(memory[s.ACTIVATES]),
            int(memory[s.READS]),
            int(memory[s.WRITES]),
            int(memory[s.REFRESHES]),
            int(memory[s.HITS]),
            max(0, stop - closed),
            min(closed, stop),
            sum(int(memory[place + s.ADMITTED]) for place in background),
        )

    def energy_pj(self, part: DramPart) -> dict[str, float]:
        """Energy by `CLASSES`."""
        open_mw, closed_mw = part.active_standby_mw, part.precharge_standby_mw
        standby = open_mw * self.open_clocks + closed_mw * self.closed_clocks
        return {
            "activate": self.activates * part.activate_pj,
            "read": self.reads * part.read_burst_pj,
            "write": self.writes * part.write_burst_pj,
            "refresh": self.refreshes * part.refresh_pj,
            "background": standby * part.tCK,
        }
