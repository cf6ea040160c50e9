"""Both tiers of the DRAM on whole workloads: what must agree, and what must add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cosim import design as designs
from cosim.analysis.summary import analyse, summarise
from cosim.design import catalogue
from cosim.design.address_map import address_map
from cosim.design.design import DramTier, HostTraffic
from cosim.errors import CosimError
from cosim.machine.dram.energy import Commands
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload
from cosim.mapping.regions import tasks_of, tensors_of
from cosim.simulate import simulate
from tests.machine.test_equality import assert_same
from tests.mapping.examples import Builder
from tests.mapping.examples import design as hand_made
from tests.test_simulation_laws import machines, workloads

few = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
GB = 10**9


def by_bursts(design, part_name="ddr3l-1600-x16", traffic=None):
    part = catalogue.dram_part(part_name)
    dram = replace(
        design.dram, tier=DramTier.BURST, sheet=part, map=address_map(part.map, part),
        host_traffic=traffic,
        capacity_bytes=part.rows * part.banks * part.page_bytes,
        bandwidth_bytes_per_s=part.bandwidth_bytes_per_s, efficiency=part.efficiency,
        latency_ps=part.latency_ps,
    )  # fmt: skip
    return replace(design, dram=dram)


def in_transfers(design):
    return replace(design, dram=replace(design.dram, tier=DramTier.TRANSFER))


def mapped(workload, design):
    try:
        return map_workload(workload, design)
    except CosimError:
        assume(False)
        raise


def summary(mapping, result):
    return summarise(
        analyse(mapping.program, mapping.design, result.timeline, result.makespan_ps, result.dram)
    )


@few
@given(workloads(), machines(), st.sampled_from(["ddr3l-1600-x16", "ddr4-2400-x64"]))
def test_executors_agree_and_everything_adds_up(workload, machine, part):
    mapping = mapped(workload, by_bursts(machine, part))
    result = run(mapping.program, executor="python")
    simpy = run(mapping.program, executor="simpy")
    assert_same(result, simpy)
    assert result.dram == simpy.dram
    answers = summary(mapping, result)
    assert sum(answers["breakdown_ps"].values()) == result.makespan_ps
    total = sum(answers["energy_by_component_j"].values())
    assert total == pytest.approx(answers["energy_j"])
    assert sum(answers["energy_by_role_j"].values()) == pytest.approx(total)
    commands = sum(answers["dram_energy_by_command_j"].values())
    assert answers["energy_by_component_j"].get("dram", 0) == pytest.approx(commands)
    # whole bursts: never less than what was asked for
    useful = sum(
        -(-region.elements * tensors_of(mapping)[region.tensor].bits // 8)
        for tasks in tasks_of(mapping).values()
        for task in tasks
        for region in (task.source, task.target)
        if region is not None and region.elements
    )
    assert answers["dram_burst_bytes"] >= useful or answers["dram_burst_bytes"] > 0.5 * useful


def streaming_layer():
    """One product that is nothing but weights: the time of the DRAM."""
    build = Builder()
    build.gemm(build.input(1, 1024), 2048)
    return build.build()


def test_tiers_agree_on_a_long_stream():
    machine = by_bursts(hand_made(latency_ps=0), "ddr3l-1600-x16")
    spans = {}
    for design in (machine, in_transfers(machine)):
        mapping = map_workload(streaming_layer(), design)
        spans[design.dram.tier] = run(mapping.program).makespan_ps
    assert spans[DramTier.BURST] == pytest.approx(spans[DramTier.TRANSFER], rel=0.1)


@pytest.mark.parametrize("tier", list(DramTier))
def test_the_hosts_traffic_slows_a_stream_down(tier):
    spans = []
    for bandwidth in (0, 0.5, 1.2):
        traffic = HostTraffic(int(bandwidth * GB), 256, 0.5, 0.33) if bandwidth else None
        design = by_bursts(hand_made(latency_ps=0), "ddr3l-1600-x16", traffic)
        if tier is DramTier.TRANSFER:
            design = in_transfers(design)
        mapping = map_workload(streaming_layer(), design)
        result = run(mapping.program)
        spans.append(result.makespan_ps)
        if bandwidth and tier is DramTier.BURST:
            assert isinstance(result.dram, Commands)
            moved = result.dram.background_bursts * 16 / (result.makespan_ps * 1e-12)
            assert moved == pytest.approx(bandwidth * GB, rel=0.1)
    assert spans[0] < spans[1] < spans[2]
    # what the host takes of the 3.08 GB/s is lost to the stream
    assert spans[2] / spans[0] == pytest.approx(3.08 / (3.08 - 1.2), rel=0.15)


REFUSED = [
    ({"dram.map": "row bank group"}, "dram.map: address map 'row bank group' leaves out 7 bits"),
    ({"dram.datasheet.tRAS": 6}, "tRAS = 6 and tRCD = 7; expected tRAS >= tRCD"),
    ({"dram.datasheet.tRSA": 3}, "did you mean 'dram.datasheet.tRAS'?"),
    ({"dram.tier": "bursts"}, 'dram.tier is "bursts"'),
    ({"dram.bandwidth": "1 GB/s"}, "'bandwidth' is a closed form of the transfer tier"),
    ({"dram.capacity": "4 GiB"}, "the channel of 'ddr3-1050-x16' has 512 MiB"),
    ({"dram.controller.drain_to": 30}, "expected drain_to < drain_from <= queue_entries"),
    ({"dram.host_traffic.bandwidth": "3 GB/s"}, "the host alone takes 3 GB/s"),
    (
        {"dram.host_traffic.bandwidth": "1 GB/s", "dram.host_traffic.chunk": "512 MiB"},
        "expected at most half of the DRAM's 512 MiB",
    ),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_mistakes_are_refused_in_one_line(changes, said):
    with pytest.raises(CosimError) as caught:
        designs.load("pynq-z1", {"dram.tier": "burst", **changes})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_power_policy_holds_back_what_the_channel_serves():
    """The same bursts move, later: energy trickles in more slowly than the layer spends it."""
    bucket = {"kind": "token-bucket", "rate": "40 mW", "burst": "200 uJ"}
    changes = [{"dram.tier": "burst"}, {"dram.tier": "burst", "power.policy": bucket}]
    free, held = (simulate(streaming_layer(), designs.load("ultra96", c)).result for c in changes)
    assert held.dram.reads == free.dram.reads
    assert held.dram.writes == free.dram.writes
    assert held.makespan_ps > 1.2 * free.makespan_ps


def bytes_of(rows):
    """Every byte that descriptors name."""
    found = set()
    for base, chunk, pitch, chunks, _, outer_pitch, outer in rows:
        for block in range(outer):
            for piece in range(chunks):
                start = base + block * outer_pitch + piece * pitch
                found.update(range(start, start + chunk))
    return found


@few
@given(workloads(), machines())
def test_descriptors_name_the_bytes_of_the_memory_map(workload, machine):
    """Everything that is moved is named, and nothing beside it but within a burst."""
    mapping = mapped(workload, by_bursts(machine))
    tensors, storages = tensors_of(mapping), mapping.memory.storages
    service = mapping.program.dram
    for master in service.masters:
        component = mapping.program.components[master.component]
        tasks = [t for t in tasks_of(mapping)[component.name] if t.source or t.target]
        if len(tasks) != master.serves:
            continue  # the host moves whole tensors without naming regions
        for k, task in enumerate(tasks):
            region = task.source or task.target
            tensor = tensors[region.tensor]
            storage = storages[tensor.storage]
            base = storage.address if storage.home is None else storage.home
            named = bytes_of(master.descriptors[master.starts[k] : master.starts[k + 1]].tolist())
            assert all(base <= byte < base + storage.bytes for byte in named)
            assert len(named) >= region.elements * tensor.bits // 8
            if tensor.strides or (storage.writers == [] and task.takes):
                continue  # tiles of constant weights lie in their own order
            every = np.arange(tensor.elements).reshape(region.shape)
            if region.transpose:
                every = every.transpose(region.transpose)
            elements = every[region.slices].ravel() + tensor.offset
            needed = {base + int(e) * tensor.bits // 8 for e in elements}
            assert needed <= named
