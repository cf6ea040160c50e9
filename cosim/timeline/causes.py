"""Why a component waited: the vocabulary of causes every interval carries."""

from __future__ import annotations

from enum import IntEnum


class Cause(IntEnum):
    """What the component that starts an interval had been waiting for.

    `START`: nothing, it began at time zero. `SEQUENCE`: its own previous interval. All others name
    the pool that it waited on.
    """

    START = 0
    SEQUENCE = 1
    INPUT = 2
    OUTPUT_SPACE = 3
    INPUT_SPACE = 4
    DRAM_BUSY = 5
    REFRESH = 6
    BANDWIDTH = 7
    POWER = 8
    THROTTLED = 9
    HOST = 10
    DEPENDENCY = 11
    RESULT = 12
    """Waiting for the engine's result (a store or vector task waits for the tile it handles)."""

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", " ")
