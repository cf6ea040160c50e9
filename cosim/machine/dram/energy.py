"""Commands of a channel, and the energy they take by the part's currents.

The energy of each command is what it draws above standby (`cosim.design.dram_part`); standby is
that of open rows while any bank is open, that of closed rows else::

    energy = activates * E_act + reads * E_rd + writes * E_wr + refreshes * E_ref
             + VDD * devices * (IDD3N * time open + IDD2N * time closed)

Interface and termination power are not in the data sheets' currents of DDR3 and DDR4.
"""

from __future__ import annotations

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

    @classmethod
    def counted(cls, memory: s.Memory, at: int = 0, end: int | None = None) -> Commands:
        """What the scheduler has counted, until clock `end` (the end of its last data)."""
        stop = int(memory[at + s.DATA_END]) if end is None else end
        closed, since = int(memory[at + s.CLOSED]), int(memory[at + s.CLOSED_SINCE])
        if since >= 0:
            closed += max(0, stop - since)
        return cls(
            int(memory[at + s.ACTIVATES]),
            int(memory[at + s.READS]),
            int(memory[at + s.WRITES]),
            int(memory[at + s.REFRESHES]),
            int(memory[at + s.HITS]),
            stop - closed,
            closed,
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
