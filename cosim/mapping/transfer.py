"""Time of one DMA descriptor in the transfer tier: closed forms over bytes, port and DRAM.

A descriptor moves one tile: `chunks` pieces of contiguous memory. The DRAM gives whole bursts of
its own, at its effective bandwidth after a first-access latency, and is busy for that long
(`service`). The channel asks in requests of at most `burst_bytes`, which never span two pieces, and
may be slower: by its port, by the requests it has outstanding, or by the on-chip memory that it
fills or empties::

    piece moved      = DRAM burst * ceil(piece / DRAM burst)
    requests         = pieces * ceil(piece moved / channel burst)
    beats            = pieces * ceil(piece moved / port bytes per cycle)
    port time        = latency + beats / port clock
    request time     = ceil(requests / outstanding) * (latency + DRAM hit latency)   (Little's law)
    buffer time      = bytes / (banks * ports * width of the buffer's free half)

and the descriptor takes the longest of these and of the DRAM's service. What is left after the DRAM
has served it is the `tail`: the channel is still busy, the DRAM is free for others, so several
narrow ports share a fast DRAM. The interconnect's latency is paid where the port or the requests
decide; where the DRAM does, the next descriptor's first request is assumed to be under way before
this one's last data come. Refresh and row turnarounds are in the DRAM's effective bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cosim.design.design import Buffer, Design, DmaChannel, Dram
from cosim.errors import CosimError


@dataclass(frozen=True)
class Transfer:
    """One descriptor's time and traffic."""

    bytes: int
    """Bytes moved on the DRAM's pins, whole bursts."""
    service_ps: int
    tail_ps: int
    latency_ps: int
    """Part of service that is the first access, not data."""


class Port(NamedTuple):
    """What the time of a descriptor depends on of its channel: numbers, or an array for many."""

    bytes_per_cycle: Any
    period_ps: Any
    burst_bytes: Any
    outstanding: Any
    latency_ps: Any


def port_of(design: Design, channel: DmaChannel) -> Port:
    """The port of a channel."""
    return Port(
        channel.port_bytes_per_cycle, design.clock(channel.clock).period_ps, channel.burst_bytes,
        channel.outstanding, channel.latency_ps,
    )  # fmt: skip


def transfer_times(
    dram: Dram, port: Port, bytes_: Any, chunks: Any, width: Any
) -> tuple[Any, Any, Any]:
    """Bytes moved, picoseconds of service and of the tail; of integers, or of arrays of them.

    Parameters
    ----------
    chunks
        Contiguous pieces of the descriptor's bytes.
    width
        Bits a cycle that the buffer on the other side moves; infinity if it sets no limit.
    """
    chunks = np.maximum(1, np.minimum(chunks, bytes_))
    piece = dram.burst_bytes * -(-bytes_ // (chunks * dram.burst_bytes))
    moved = chunks * piece
    service = dram.latency_ps + np.rint(moved * 1e12 / dram.sustained_bytes_per_s)
    cycles = np.maximum(chunks * -(-piece // port.bytes_per_cycle), np.ceil(bytes_ * 8 / width))
    rounds = -(-(chunks * -(-piece // port.burst_bytes)) // port.outstanding)
    total = np.maximum(
        port.latency_ps + cycles * port.period_ps,
        rounds * (port.latency_ps + dram.hit_latency_ps),
    )
    return moved, service, np.maximum(0, total - service)


def transfer(
    design: Design, channel: DmaChannel, bytes_: int, chunks: int = 1, buffer: Buffer | None = None
) -> Transfer:
    """Time and traffic of one descriptor of `bytes_` in `chunks` equal contiguous pieces."""
    port = port_of(design, channel)
    width = buffer_width(buffer, port.period_ps)
    moved, service, tail = transfer_times(design.dram, port, bytes_, chunks, width)
    return Transfer(int(moved), int(service), int(tail), design.dram.latency_ps)


def buffer_width(buffer: Buffer | None, period_ps: int) -> float:
    """Bits that a buffer's ports move in a cycle; infinity if there is no limit."""
    width = buffer.bits_per_cycle(period_ps) if buffer is not None else None
    return float("inf") if width is None else width


def coded_share(channel: DmaChannel, bits: int, zeros: float) -> float:
    """Bytes that a channel moves over bytes of the elements, some of which are zeros."""
    if channel.run_length is None or not zeros:
        return 1.0
    return channel.run_length.ratio(bits, zeros)


def channel_for(design: Design, carries: str) -> DmaChannel:
    """The DMA channel that carries ``input``, ``weight`` or ``output``."""
    for channel in design.dma:
        if carries in channel.carries:
            return channel
    raise CosimError(
        f"no DMA channel carries '{carries}'", where=f"design '{design.name}'",
        expected="channels that carry input, weight and output",
    )  # fmt: skip
