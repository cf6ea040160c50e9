"""What a governor sees of the machine that it governs, whichever executor runs it."""

from __future__ import annotations

from typing import Protocol


class Machine(Protocol):
    """Both executors hand one over at every call. `cosim.machine.power.store` has the terms."""

    level_aj: int
    kept_aj: int
    income_uw: int
    is_open: int
    """All four 0 without an energy store."""

    @property
    def now_ps(self) -> int:
        """The present instant."""

    @property
    def spilled_aj(self) -> int:
        """What the store could not hold so far."""

    def take_spent_aj(self) -> int:
        """Energy that tasks spent since the last call."""

    @property
    def loses(self) -> bool:
        """Whether the store is starved as soon as a task waits and none runs."""

    @loses.setter
    def loses(self, value: bool) -> None: ...

    def asked(self) -> tuple[int, int] | None:
        """What the first task that waits for the store asks for, and its template."""

    def take_starved(self) -> bool:
        """Whether the store was found starved since the last call."""

    def set_state(self, state: int) -> None:
        """The operating state of tasks that begin from now on."""

    def hand_out(self, row: int) -> None:
        """Let the store decide anew; whoever it lets go waited until the governor's `row` ended."""

    def record(self, template: int, start_ps: int, cause: int, cause_row: int) -> int:
        """Record an interval of the governor that ends now; its number."""

    def last_row(self) -> tuple[int, int]:
        """Number and end of the latest interval of all, those of a DRAM channel left out; (-1, 0)
        if there is none."""
