"""Time of one DMA descriptor in the transfer tier: closed forms over bytes, port and DRAM.

A descriptor moves one tile: `chunks` pieces of contiguous memory. The DRAM serves it in whole
bursts at its effective bandwidth after a first-access latency, and is busy for that long
(`service`). The channel's own port may be slower, or may be bound by its outstanding requests::

    port time        = bytes / (port bytes per cycle * port clock)
    request time     = bursts * latency / outstanding          (Little's law)
    descriptor time  = latency + max(port time, request time)

What is left of the descriptor's time after the DRAM has served it is the `tail`: the channel is
still busy, the DRAM is free for others. Refresh and row turnarounds are in the DRAM's effective
bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass

from cosim.design.design import Design, DmaChannel
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


def transfer(design: Design, channel: DmaChannel, bytes_: int, chunks: int = 1) -> Transfer:
    """Time and traffic of one descriptor of `bytes_` in `chunks` equal contiguous pieces."""
    burst = channel.burst_bytes
    chunks = max(1, min(chunks, bytes_))
    piece = -(-bytes_ // chunks)
    moved = chunks * burst * -(-piece // burst)
    dram = design.dram
    rate = dram.bandwidth_bytes_per_s * dram.efficiency
    service = dram.latency_ps + round(moved * 1e12 / rate)
    period = design.clock(channel.clock).period_ps
    port = -(-moved // channel.port_bytes_per_cycle) * period
    requests = -(-(moved // burst) * channel.latency_ps // channel.outstanding)
    total = channel.latency_ps + max(port, requests)
    return Transfer(moved, service, max(0, total - service), dram.latency_ps)


def channel_for(design: Design, carries: str) -> DmaChannel:
    """The DMA channel that carries ``input``, ``weight`` or ``output``."""
    for channel in design.dma:
        if carries in channel.carries:
            return channel
    raise CosimError(
        f"no DMA channel carries '{carries}'", where=f"design '{design.name}'",
        expected="channels that carry input, weight and output",
    )  # fmt: skip
