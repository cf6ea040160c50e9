"""The kernel's memory as a governor sees it (`cosim.machine.power.machine.Machine`)."""

from __future__ import annotations

from collections.abc import Callable

from cosim.machine import kernel as k
from cosim.machine.power.governor import Governor
from cosim.machine.power.store import store_of
from cosim.mapping.program import Program
from cosim.timeline.governor_log import GovernorLog


class _Field:
    """An integer at a fixed place of the memory."""

    def __init__(self, address: int) -> None:
        self._address = address

    def __get__(self, machine: GovernedKernel, owner: type) -> int:
        return int(machine.memory[self._address])

    def __set__(self, machine: GovernedKernel, value: int) -> None:
        machine.memory[self._address] = int(value)


class GovernedKernel:
    """A governor beside the memory in which a kernel runs.

    Parameters
    ----------
    program : Program
        With `governing`.
    memory : list of int, or int64 array
        Of a machine about to run.
    flush : callable
        Takes the recorded intervals out of the machine's buffer.
    """

    kept_aj = _Field(k.KEPT)
    income_uw = _Field(k.INCOME)
    is_open = _Field(k.IS_OPEN)
    now_ps = _Field(k.NOW)
    spilled_aj = _Field(k.SPILLED)

    def __init__(self, program: Program, memory: k.Memory, flush: Callable[[], None]) -> None:
        assert program.governing is not None
        self._governing = governing = program.governing
        self._flush = flush
        self._governor = Governor(program)
        self.memory = m = memory
        m[k.GOVERNOR] = m[k.PARTS] + governing.component * m[k.PART_SIZE]
        m[m[k.GOVERNOR] + k.TASK_NUMBER] = -2  # the end of its empty stream counts as a task
        if governing.energy_pool is not None:
            pool = m[k.STORE] = m[k.POOLS] + governing.energy_pool * m[k.POOL_SIZE]
            store = store_of(governing, int(m[pool + k.CAPACITY]))
            m[k.KEEPS] = int(store.keeps)
            m[k.KEPT_LIMIT], m[k.RESERVE] = store.kept_limit_aj, store.reserve_aj
            m[k.REFILL], m[k.REFILL_LANE] = governing.rows["refilling"], governing.lane
        m[k.GOVERNED_AT] = self._governor.begin(self)

    def act(self) -> None:
        """Let the governor do what is due."""
        self.memory[k.GOVERNED_AT] = self._governor.act(self)

    def finish(self) -> GovernorLog:
        """The end of the run."""
        return self._governor.finish(self)

    @property
    def level_aj(self) -> int:
        store = self.memory[k.STORE]
        return int(self.memory[store + k.LEVEL]) if store else 0

    @level_aj.setter
    def level_aj(self, value: int) -> None:
        self.memory[self.memory[k.STORE] + k.LEVEL] = value

    def spend(self, template: int) -> None:
        """What a transfer took that is complete now."""
        amount = self._governing.served_aj[template]
        self.memory[k.SPENT] += amount
        if self.memory[k.KEEPS]:
            self.memory[k.KEPT] -= amount

    def take_spent_aj(self) -> int:
        spent = int(self.memory[k.SPENT])
        self.memory[k.SPENT] = 0
        return spent

    @property
    def loses(self) -> bool:
        return bool(self.memory[k.KEEPS] == k.LOSES)

    @loses.setter
    def loses(self, value: bool) -> None:
        self.memory[k.KEEPS] = k.LOSES if value else 1

    def asked(self) -> tuple[int, int] | None:
        m, store = self.memory, self.memory[k.STORE]
        if m[store + k.WAITING] == 0:
            return None
        part = m[store + k.POOL_FIELDS]
        return int(m[part + k.WAIT_AMOUNT]), int(m[part + k.TEMPLATE])

    def take_starved(self) -> bool:
        starved = bool(self.memory[k.STARVED])
        self.memory[k.STARVED] = 0
        return starved

    def set_state(self, state: int) -> None:
        self.memory[k.STATE] = state

    def hand_out(self, row: int) -> None:
        m = self.memory
        store = m[k.STORE]
        m[store + k.RELEASER] = m[k.GOVERNOR]
        m[store + k.RELEASING_ROW] = row
        if m[store + k.WAITING] > 0:
            k._arm(m, store)

    def record(self, template: int, start_ps: int, cause: int, cause_row: int) -> int:
        m = self.memory
        if m[k.BUFFERED] == m[k.BUFFER_ROWS]:
            self._flush()
        part = m[k.GOVERNOR]
        m[part + k.START], m[part + k.TEMPLATE] = start_ps, template
        m[part + k.CAUSE], m[part + k.CAUSE_ROW] = cause, cause_row
        m[part + k.TASK_NUMBER] += 1
        k._mark(m, part, self._governing.lane)
        m[k.REFILL_END] = m[k.NOW]
        return int(m[part + k.LAST_ROW])

    def last_row(self) -> tuple[int, int]:
        m = self.memory
        parts = range(m[k.PARTS], m[k.PARTS_END], m[k.PART_SIZE])
        return max(int(m[part + k.LAST_ROW]) for part in parts), int(m[k.LAST_END])
