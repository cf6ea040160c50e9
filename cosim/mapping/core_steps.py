"""What a task does between its waits and the tokens it gives: the same steps on the same machine.

Only amounts differ from task to task. A `Core` says which steps hold them, so that the steps of
thousands of tasks are laid down once and their amounts are entered all together.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from cosim.mapping.program import Step


class Part(IntEnum):
    """What is entered into a step, as its `b` or, of a HOLD, its `a`."""

    NOTHING = 0
    HOLD = 1
    """The task's own time: cycles, or picoseconds of a transfer."""
    POWER = 2
    """Milliwatts, taken or given back; the step is left out where there is no budget."""
    TAIL = 3
    """Picoseconds of the channel after the DRAM has served it."""
    TAIL_MARK = 4
    """Nothing; left out with the tail where there is none."""


class Core(NamedTuple):
    """Steps of a task with zeros for amounts, each with the part that it plays."""

    rows: tuple[tuple[int, int, int, int, int], ...]

    def filled(self, hold: int, power: int) -> tuple[Step, ...]:
        """The steps of one task without a tail; 0 is no power."""
        steps: list[Step] = []
        for kind, a, b, c, part in self.rows:
            if part == Part.HOLD:
                a = hold
            elif part == Part.POWER:
                b = power
            if b or part != Part.POWER:
                steps.append((kind, a, b, c))
        return tuple(steps)


Entered = tuple[Step, int]
"""A step and the part it plays."""


def core(*steps: Entered | Step) -> Core:
    """A core of steps, each alone or with its part."""
    pairs = [(step, Part.NOTHING) if len(step) == 4 else step for step in steps]
    return Core(tuple((*step, int(part)) for step, part in pairs))
