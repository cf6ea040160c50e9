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
from math import ceil

from cosim.design.design import Buffer, Design, DmaChannel
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


def transfer(
    design: Design, channel: DmaChannel, bytes_: int, chunks: int = 1, buffer: Buffer | None = None
) -> Transfer:
    """Time and traffic of one descriptor of `bytes_` in `chunks` equal contiguous pieces."""
    dram = design.dram
    chunks = max(1, min(chunks, bytes_))
    piece = dram.burst_bytes * -(-bytes_ // (chunks * dram.burst_bytes))
    moved = chunks * piece
    rate = dram.sustained_bytes_per_s
    service = dram.latency_ps + round(moved * 1e12 / rate)
    period = design.clock(channel.clock).period_ps
    cycles = chunks * -(-piece // channel.port_bytes_per_cycle)
    width = buffer.bits_per_cycle(period) if buffer is not None else None
    if width is not None:
        cycles = max(cycles, ceil(bytes_ * 8 / width))
    requests = chunks * -(-piece // channel.burst_bytes)
    rounds = -(-requests // channel.outstanding)
    total = max(
        channel.latency_ps + cycles * period,
        rounds * (channel.latency_ps + dram.hit_latency_ps),
    )
    return Transfer(moved, service, max(0, total - service), dram.latency_ps)


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
