"""Looks at a machine: what it was like at clean points, read from the kernel's memory.

The kernel takes most looks by itself (`kernel._look_in_passing`): at iterations of one loop, as
long as every state is new. It pauses where a state has been seen before, where its room for records
is full, or where another loop level is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from cosim.machine import kernel as k

IN_PASSING = 32
"""Looks that the kernel may take before it pauses."""

MOST_KNOWN = 256
"""States seen before that the kernel is told of."""

State = tuple[int, ...]


class Sample(NamedTuple):
    """A moment at which the machine was looked at."""

    time: int
    tasks: tuple[int, ...]
    position: int
    row: int
    spent_aj: int
    digest: int


def room_for_looks(parts: int, pools: int) -> int:
    """Integers of a memory of so many components and pools that looks need."""
    return (IN_PASSING + 1) * _record_size(parts, pools) + MOST_KNOWN + IN_PASSING + 1


def _record_size(parts: int, pools: int) -> int:
    return k.RECORD_FIELDS + parts + 9 * parts + pools * (2 + parts)


class Looks:
    """Room for looks in a memory, and what is in it.

    Parameters
    ----------
    memory : list of int, or int64 array
        Of a machine about to run, with `room_for_looks` where its rows are to begin; they are moved
        behind it.
    """

    def __init__(self, memory: k.Memory) -> None:
        parts = int(memory[k.PARTS_END] - memory[k.PARTS]) // int(memory[k.PART_SIZE])
        pools = int(memory[k.POOLS_END] - memory[k.POOLS]) // int(memory[k.POOL_SIZE])
        self._parts = parts
        self._head = k.RECORD_FIELDS + parts
        self._size = _record_size(parts, pools)
        self._first = int(memory[k.ROWS])
        self._known = self._first + (IN_PASSING + 1) * self._size
        memory[k.LOOKS], memory[k.KNOWN] = self._first, self._known
        memory[k.LOOK_SIZE], memory[k.LOOK_LIMIT] = self._size, IN_PASSING
        memory[k.LOOK_TIMES : k.LOOK_TIMES + k.ALARM_AGE] = [-1] * k.ALARM_AGE
        memory[k.ROWS] = self._first + room_for_looks(parts, pools)

    def take(
        self, m: k.Memory, look: Callable[[k.Memory], int], position: int
    ) -> tuple[Sample, State]:
        """Look now; rows stored so far are `position`."""
        digest, number = int(look(m)), int(m[k.LOOK_COUNT])
        return self._read(self._records(m, number, number + 1), position, digest)

    def alarms(self, state: State) -> State:
        """Which components slept, a 1 or a 0 for each."""
        return state[: self._parts]

    def taken_in_passing(self, m: k.Memory, position: int) -> Iterator[tuple[Sample, State]]:
        """The looks that the kernel has taken since the last call; rows stored are `position`."""
        count, size = int(m[k.LOOK_COUNT]), self._size
        digests = self._known + int(m[k.KNOWN_COUNT])
        before = position - int(m[k.ROW])
        records = self._records(m, 0, count)
        for number, digest in enumerate(m[digests - count : digests]):
            record = records[number * size : (number + 1) * size]
            yield self._read(record, before + record[k.RECORD_ROW], int(digest))
        m[k.LOOK_COUNT] = 0

    def watch(
        self, m: k.Memory, start: int, step: int, stop: int, until: int, misses: int,
        known: Iterable[int],
    ) -> None:  # fmt: skip
        """Let the kernel look by itself at a loop of the lead.

        Parameters
        ----------
        start, stop : int
            First task of the loop, and of what follows.
        step : int
            Tasks between looks.
        until : int
            First task at which the kernel must pause.
        misses : int
            Looks already taken at that step.
        known : iterable of int
            Digests of the states seen before, from old to new.
        """
        digests = list(known)[-MOST_KNOWN:]
        m[k.LOOK_FROM], m[k.LOOK_STEP], m[k.LOOK_STOP] = start, step, stop
        m[k.LOOK_UNTIL], m[k.LOOK_MISSES] = until, misses
        m[k.KNOWN_COUNT] = len(digests)
        m[self._known : self._known + len(digests)] = digests

    def _records(self, m: k.Memory, first: int, stop: int) -> list[int]:
        """Records one after the other: the same whether compiled or not."""
        found = m[self._first + first * self._size : self._first + stop * self._size]
        values: list[int] = found if isinstance(found, list) else found.tolist()
        return values

    def _read(self, record: list[int], position: int, digest: int) -> tuple[Sample, State]:
        head = self._head
        state = tuple(record[head : head + record[k.RECORD_SIZE]])
        tasks = tuple(record[k.RECORD_FIELDS : head])
        time, row, spent = record[k.RECORD_TIME], record[k.RECORD_ROW], record[k.RECORD_SPENT]
        return Sample(time, tasks, position, row, spent, digest), state
