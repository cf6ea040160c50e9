"""The burst tier obeys every constraint, moves what it was given, and takes the time it must."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.design.design import DramController
from cosim.design.dram_channel import sequential_efficiency
from cosim.machine.dram import scheduler
from cosim.machine.dram.channel import run_channel
from cosim.machine.dram.layout import Descriptor, Master
from cosim.machine.dram.traces import families, sequential
from tests.machine.dram.clocked import ACTIVATE, READ, REFRESH, WRITE, Device, clocked_time

PARTS = sorted(catalogue.dram_parts())
MAPS = ("row bank group column", "row bank column group", "bank row group column:1 column")

descriptors = st.builds(
    Descriptor,
    base=st.integers(0, 1 << 26),
    chunk=st.integers(1, 700),
    pitch=st.sampled_from([64, 300, 1792, 3584, 8192, 65536, 131072]),
    chunks=st.integers(1, 8),
    write=st.booleans(),
    outer_pitch=st.sampled_from([0, 5000, 50176]),
    outer_count=st.integers(1, 3),
)
masters = st.builds(
    Master,
    descriptors=st.lists(descriptors, min_size=1, max_size=12),
    outstanding=st.sampled_from([0, 1, 4, 16]),
    period=st.sampled_from([0, 0, 8000, 33333]),
    catches_up=st.booleans(),
    latency=st.sampled_from([0, 20]),
    ready=st.integers(0, 20_000),
)
controllers = st.builds(
    DramController,
    queue_entries=st.just(32),
    drain_from=st.integers(8, 32),
    drain_to=st.integers(1, 8),
)


def mapped(part, text):
    if part.bank_groups == 1:
        text = " ".join(word for word in text.split() if word != "group")
    return address_map(text, part)


def bursts_of(descriptor, burst_bytes):
    """Numbers of the bursts of a descriptor; one that two chunks meet in is moved once."""
    found = []
    starts = [
        descriptor.base + block * descriptor.outer_pitch + k * descriptor.pitch
        for block in range(descriptor.outer_count)
        for k in range(descriptor.chunks)
    ]
    for first in starts:
        for number in range(
            first // burst_bytes, (first + descriptor.chunk - 1) // burst_bytes + 1
        ):
            if not found or found[-1] != number:
                found.append(number)
    return found


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(PARTS),
    text=st.sampled_from(MAPS),
    asking=st.lists(masters, min_size=1, max_size=3),
    controller=controllers,
)
def test_no_constraint_is_ever_violated_and_every_burst_is_moved_once(
    name, text, asking, controller
):
    part = catalogue.dram_part(name)
    mapping = mapped(part, text)
    run = run_channel(part, mapping, asking, controller=controller, log_commands=20_000)

    device = Device(part)
    # commands were recorded as they were decided; what ends a state comes first within a clock
    for kind, bank, row, clock in sorted(run.log.tolist(), key=lambda entry: (entry[3], -entry[0])):
        device.give(kind, bank, row if row >= 0 else None, clock)

    moved = Counter((k == WRITE, b, r) for k, b, r, _ in run.log.tolist() if k in (READ, WRITE))
    asked = Counter(
        (descriptor.write, *mapping.decode(number)[:2])
        for master in asking
        for descriptor in master.descriptors
        for number in bursts_of(descriptor, part.burst_bytes)
    )
    assert moved == asked
    kinds = Counter(entry[0] for entry in run.log.tolist())
    commands = run.commands
    assert kinds[ACTIVATE] == commands.activates
    assert kinds[REFRESH] == commands.refreshes
    assert commands.row_hits + commands.activates == commands.reads + commands.writes
    assert commands.open_clocks + commands.closed_clocks == run.clocks


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(PARTS), text=st.sampled_from(MAPS), asking=masters)
def test_bandwidth_never_exceeds_the_peak(name, text, asking):
    part = catalogue.dram_part(name)
    run = run_channel(part, mapped(part, text), [asking])
    assert run.bytes_per_s <= part.bandwidth_bytes_per_s * (1 + 1e-12)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(PARTS),
    text=st.sampled_from(MAPS),
    asked=st.lists(descriptors, min_size=1, max_size=20),
)
def test_it_takes_the_time_of_a_controller_that_looks_at_every_clock(name, text, asked):
    """Within a sixth: that one gives a command a clock, decides later and prepares banks late."""
    part = catalogue.dram_part(name)
    mapping = mapped(part, text)
    run = run_channel(part, mapping, [Master(asked)])
    bursts = [
        (*mapping.decode(number)[:2], descriptor.write)
        for descriptor in asked
        for number in bursts_of(descriptor, part.burst_bytes)
    ]
    clocked = clocked_time(part, bursts, DramController())
    assert run.clocks == pytest.approx(clocked, rel=1 / 6, abs=part.tRC)


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(PARTS), asking=st.lists(masters, min_size=1, max_size=3))
def test_python_and_compiled_are_one_text(name, asking):
    pytest.importorskip("numba")
    part = catalogue.dram_part(name)
    mapping = address_map(part.map, part)
    both = [run_channel(part, mapping, asking, compiled=way, log_commands=5000) for way in (0, 1)]
    assert (both[0].log == both[1].log).all()
    assert both[0].commands == both[1].commands
    assert both[0].clocks == both[1].clocks


@pytest.mark.parametrize("name", PARTS)
def test_a_long_stream_leaves_to_refresh_what_the_closed_form_says(name):
    part = catalogue.dram_part(name)
    run = run_channel(part, address_map(part.map, part), [Master(sequential())])
    assert run.bytes_per_s / part.bandwidth_bytes_per_s == pytest.approx(part.efficiency, rel=0.01)
    assert run.commands.refreshes == pytest.approx(run.clocks / part.tREFI, abs=1)


@pytest.mark.parametrize("name", PARTS)
def test_a_single_outstanding_request_waits_for_the_latency(name):
    """Chunks in one bank, each in another row: every request finds a row conflict."""
    part = catalogue.dram_part(name)
    pitch = part.page_bytes * part.banks
    asked = [Descriptor(0, part.burst_bytes, pitch, 400, False)]
    run = run_channel(
        part, mapped(part, "row bank group column"), [Master(asked, outstanding=1)],
        request_bytes=part.burst_bytes,
    )  # fmt: skip
    clocks = part.latency_ps / part.tCK / 1000
    share = 1 - (part.tRFC + part.tRP) / part.tREFI
    assert run.clocks / 400 == pytest.approx(clocks / share, rel=0.05)


def test_masters_share_a_channel_evenly():
    part = catalogue.dram_part("ddr4-2400-x64")
    mapping = address_map(part.map, part)
    alone = run_channel(part, mapping, [Master(sequential())])
    bases = (0, (64 << 20) + (32 << 10), (128 << 20) + (64 << 10))  # banks apart
    together = run_channel(part, mapping, [Master(sequential(base)) for base in bases])
    assert together.clocks == pytest.approx(3 * alone.clocks, rel=0.06)
    assert together.bytes == 3 * alone.bytes


def test_a_map_that_spreads_bank_groups_is_faster_as_the_closed_form_says():
    part = catalogue.dram_part("ddr4-2400-x64")
    for text in ("row bank column group", "row bank group column"):
        mapping = address_map(text, part)
        run = run_channel(part, mapping, [Master(sequential())])
        reached = run.bytes_per_s / part.bandwidth_bytes_per_s
        assert reached == pytest.approx(sequential_efficiency(part, mapping), rel=0.05)


def test_a_port_paces_its_requests():
    part = catalogue.dram_part("ddr4-2400-x64")
    mapping = address_map(part.map, part)
    trace = dict(families())["gemv"]()
    run = run_channel(part, mapping, [Master(trace, period=16_000, catches_up=False)])
    requests = run.commands.reads + run.commands.writes
    assert run.clocks >= 16 * (requests - 1)
    assert run.clocks == pytest.approx(16 * requests, rel=0.06)


def test_more_outstanding_requests_are_never_slower():
    part = catalogue.dram_part("lpddr4-2133-x32")
    mapping = address_map(part.map, part)
    times = [
        run_channel(part, mapping, [Master(dict(families())["conv_tiles"](), outstanding=k)]).clocks
        for k in (1, 2, 4, 8, 0)
    ]
    assert times == sorted(times, reverse=True)


def test_energy_is_what_the_commands_take():
    part = catalogue.dram_part("ddr3l-1600-x16")
    run = run_channel(part, address_map(part.map, part), [Master(sequential())])
    energy = run.commands.energy_pj(part)
    assert sum(energy.values()) == pytest.approx(run.energy_pj)
    assert energy["read"] == run.commands.reads * part.read_burst_pj
    assert energy["write"] == 0
    standby = energy["background"] / (run.clocks * part.tCK)
    assert part.precharge_standby_mw < standby < part.active_standby_mw


def test_every_function_of_the_text_is_listed_once():
    functions = {
        value for value in vars(scheduler).values()
        if callable(value) and getattr(value, "__module__", "") == scheduler.__name__
    }  # fmt: skip
    assert functions == set(scheduler.FUNCTIONS)
    assert len(scheduler.FUNCTIONS) == len(functions)
