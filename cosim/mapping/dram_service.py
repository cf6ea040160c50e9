"""The DRAM channel of a program, served burst by burst: who asks, and for which addresses.

Templates say that a task is served by the DRAM (step SERVE) and are shared by tiles wherever they
lie; the addresses stand here, in columns beside the streams. The k-th SERVE of a component moves
the descriptors ``starts[k]`` to ``starts[k + 1]`` of its master.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.design.address_map import AddressMap
from cosim.design.design import DramController
from cosim.design.dram_part import DramPart

COLUMNS = ("base", "chunk", "pitch", "chunks", "write", "outer_pitch", "outer_count")
"""Of a descriptor: `chunks` chunks of `chunk` bytes, `pitch` bytes apart, and that `outer_count`
times, `outer_pitch` bytes apart."""

IN_THE_BACKGROUND = -1


@dataclass(frozen=True, eq=False)
class DramMaster:
    """A component that asks the channel, or background traffic.

    Attributes
    ----------
    component : int
        Rank, or `IN_THE_BACKGROUND` for traffic that comes by itself, over and over.
    descriptors : int64 array, shape (n, 7)
        See `COLUMNS`.
    starts : int64 array, shape (n_serves + 1,)
    outstanding : int
        Bursts in flight at once, 0 for no limit but the queues.
    period_ps : int
        Picoseconds between requests: the rate of the port, or of the background traffic.
    latency_ps : int
        From the channel back to the component, added to each read.
    """

    component: int
    descriptors: NDArray[np.int64]
    starts: NDArray[np.int64]
    outstanding: int = 0
    period_ps: int = 0
    latency_ps: int = 0

    @property
    def serves(self) -> int:
        """Number of SERVEs that it has descriptors for."""
        return len(self.starts) - 1

    @property
    def background(self) -> bool:
        return self.component == IN_THE_BACKGROUND


@dataclass(frozen=True, eq=False)
class DramService:
    """One DRAM channel and its masters.

    Attributes
    ----------
    component : int
        Rank of the component whose rows are the channel's.
    templates : tuple of int
        Templates of its rows: bursts served, refresh, waiting for requests.
    lane : int
        Lane of its rows.
    request_bytes : int
        What a master asks for at once.
    """

    part: DramPart
    map: AddressMap
    controller: DramController
    masters: tuple[DramMaster, ...]
    component: int
    templates: tuple[int, int, int]
    lane: int
    request_bytes: int = 64
