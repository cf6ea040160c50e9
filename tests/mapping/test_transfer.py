"""DMA descriptors: each limit of a port holds, binds alone where it is the lowest, and none else.

A DRAM of 6.4 GB/s and 64-byte bursts, a port of 8 bytes at 500 MHz (4 GB/s), unless said otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design.design import Buffer
from cosim.mapping.mapping import map_workload
from cosim.mapping.task_stream import template_counts
from cosim.mapping.transfer import transfer
from cosim.simulate import simulate

from .examples import Builder, design

NS = 1000
DRAM = {"bandwidth_bytes_per_s": 6_400_000_000, "efficiency": 1.0, "latency_ps": 50 * NS,
        "burst_bytes": 64, "hit_latency_ps": 30 * NS}  # fmt: skip
PORT = {"port_bytes_per_cycle": 8, "outstanding": 16, "burst_bytes": 64, "latency_ps": 40 * NS}


def move(bytes_, chunks=1, buffer=None, dram=None, **port):
    base = design()
    made = replace(base, dram=replace(base.dram, **DRAM | (dram or {})))
    return transfer(made, replace(base.dma[0], **PORT | port), bytes_, chunks, buffer)


def time(*args, **kwargs) -> int:
    moved = move(*args, **kwargs)
    return moved.service_ps + moved.tail_ps


sizes = st.integers(1, 1 << 20)
pieces = st.integers(1, 64)
ports = st.fixed_dictionaries({
    "port_bytes_per_cycle": st.sampled_from([1, 4, 8, 16, 64]),
    "outstanding": st.integers(1, 64),
    "burst_bytes": st.sampled_from([16, 64, 128, 256]),
    "latency_ps": st.integers(0, 200 * NS),
})  # fmt: skip


@given(sizes, pieces, ports)
def test_no_limit_is_exceeded(bytes_, chunks, port):
    moved = move(bytes_, chunks, **port)
    total = moved.service_ps + moved.tail_ps
    bandwidth = DRAM["bandwidth_bytes_per_s"] / 1e12
    assert moved.bytes >= bytes_
    assert moved.service_ps - moved.latency_ps >= moved.bytes / bandwidth - 1
    # 2 ns a cycle
    assert total >= moved.bytes * 2 * NS / port["port_bytes_per_cycle"]
    in_flight = port["outstanding"] * port["burst_bytes"]
    assert total * in_flight >= moved.bytes * (port["latency_ps"] + DRAM["hit_latency_ps"])


@given(sizes, pieces, ports, st.sampled_from(["port_bytes_per_cycle", "outstanding", "latency_ps"]))
def test_a_wider_or_quicker_port_never_slows_a_transfer(bytes_, chunks, port, what):
    better = port | {what: port[what] // 2 if what == "latency_ps" else 2 * port[what]}
    assert time(bytes_, chunks, **better) <= time(bytes_, chunks, **port)


@given(sizes, sizes, pieces, ports)
def test_more_bytes_never_take_less_time(a, b, chunks, port):
    a, b = sorted((max(a, chunks), max(b, chunks)))
    assert time(a, chunks, **port) <= time(b, chunks, **port)
    assert move(a, chunks, **port).bytes <= move(b, chunks, **port).bytes


def test_with_one_request_outstanding_each_waits_for_the_one_before():
    """Little's law: a request of 64 bytes every 40 + 30 ns."""
    assert time(64 * 100, outstanding=1) == 100 * 70 * NS
    assert time(64 * 100, outstanding=2) == 50 * 70 * NS
    assert time(64 * 100, outstanding=1, burst_bytes=128) == 50 * 70 * NS


def test_enough_requests_leave_the_port_as_the_limit():
    assert time(64 * 100) == 40 * NS + 800 * 2 * NS
    assert time(64 * 100, outstanding=4096) == time(64 * 100)


def test_a_port_wider_than_the_dram_adds_nothing_to_its_service():
    moved = move(64 * 100, port_bytes_per_cycle=64)
    assert moved.tail_ps == 0
    assert moved.service_ps == 50 * NS + 1000 * NS


def test_small_pieces_cost_a_burst_of_the_dram_each_and_a_request_each():
    """20 bytes in each of 100 rows: whole bursts of the DRAM, not of the channel."""
    whole, scattered = move(2000), move(2000, 100, burst_bytes=256)
    assert whole.bytes == 32 * 64
    assert scattered.bytes == 100 * 64
    assert time(2000, 100, burst_bytes=256, outstanding=1) == 100 * 70 * NS
    assert move(2000, 100, dram={"burst_bytes": 16}).bytes == 100 * 32


def test_a_piece_of_less_than_the_ports_width_takes_a_beat():
    small = {"burst_bytes": 16, "latency_ps": 0, "bandwidth_bytes_per_s": 10**12}
    found = time(1600, 100, port_bytes_per_cycle=64, outstanding=100, dram=small)
    assert found == 40 * NS + 100 * 2 * NS


@pytest.mark.parametrize(("width", "rate"), [(None, 8), (128, 8), (64, 8), (32, 4), (8, 1)])
def test_a_narrow_buffer_holds_the_channel_back(width, rate):
    buffer = Buffer("b", ("input",), 1 << 16, banks=2, width_bits=width)
    assert time(6400, buffer=buffer) == 40 * NS + 6400 // rate * 2 * NS


# several ports on one DRAM


def product(depth: int = 512, columns: int = 512):
    build = Builder()
    build.gemm(build.input(64, depth), columns)
    return build.build()


def load_bound(channels: int, port: int, **dram):
    """A machine on which the operands' way on chip takes most of the time."""
    made = design(channels=channels, bandwidth=3_200_000_000, buffer_kib=2048)
    return replace(
        made,
        dma=tuple(replace(c, port_bytes_per_cycle=port) for c in made.dma),
        dram=replace(made.dram, efficiency=1.0, **dram),
        array=replace(made.array, rows=64, columns=64),
        vector=replace(made.vector, lanes=4096),
    )


def moved_bytes(program) -> dict[str, int]:
    """DRAM bytes of every channel."""
    return {
        c.name: sum(
            n * (i.dram_read_bytes + i.dram_write_bytes)
            for t, n in template_counts(c.stream).items()
            if (i := program.templates[t].info)
        )
        for c in program.components
        if c.kind == "dma"
    }


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("port", [1, 2, 4, 16])
def test_ports_share_the_dram_and_neither_gives_more_than_it_has(channels, port):
    made = load_bound(channels, port)
    ran = simulate(product(), made)
    each = moved_bytes(ran.program)
    seconds = ran.result.makespan_ps * 1e-12
    assert sum(each.values()) <= 3.2e9 * seconds
    assert max(each.values()) <= port * 500e6 * seconds


def test_two_narrow_ports_bring_more_than_one_and_two_wide_ones_do_not():
    """1 GB/s ports on a DRAM of 3.2 GB/s, and 8 GB/s ones: input and weight of equal bytes."""

    def loading(channels, port):
        return simulate(product(8192, 64), load_bound(channels, port)).result.makespan_ps

    assert loading(3, 2) < 0.75 * loading(2, 2)
    assert loading(3, 16) > 0.95 * loading(2, 16)


def test_a_mapping_moves_what_its_descriptors_say():
    program = map_workload(product(), load_bound(3, 8)).program
    assert moved_bytes(program)["weight"] == 512 * 512
