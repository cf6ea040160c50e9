"""What is remembered from one design point to the next changes nothing, and stays bounded."""

from __future__ import annotations

from itertools import product

import pytest

from cosim import memo
from cosim.design import load
from cosim.errors import CosimError
from cosim.mapping.mapping import _Mapper, map_workload

from .examples import Builder

BASE = "edge-asic-16x16"
AXES = (
    {
        "engine.array.rows": (8, 16), "buffer.input.size": ("8 KiB", "64 KiB"),
        "dram.bandwidth": ("800 MB/s", "6400 MB/s"), "clocks.core": ("100 MHz", "500 MHz"),
        "power.budget": ("1 W", "2 W"),
    },
    {
        "buffer.weight.cycle_time": ("1 ns", "9 ns"), "clocks.core": ("100 MHz", "500 MHz"),
        "engine.array.dataflow": ("weight-stationary", "output-stationary"),
        "engine.vector.lanes": (4, 16), "buffer.weight.double_buffered": (True, False),
        "host.command_overhead": ("1 us", "2 us"),
    },
)  # fmt: skip


def network():
    build = Builder()
    image = build.add(build.input(1, 8, 14, 14), build.input(1, 8, 14, 14))
    first = build.conv(image, 16)
    build.conv(build.relu(first), 16)
    return build.build()


def programs(designs, *, forgetting: bool):
    workload = network()
    for design in designs:
        if forgetting:
            memo.forget()
            workload = network()
        try:
            yield map_workload(workload, design).program
        except CosimError as error:
            yield str(error)


@pytest.mark.parametrize("axes", AXES)
def test_a_program_is_the_same_whatever_was_mapped_before(axes):
    designs = [load(BASE, dict(zip(axes, row, strict=True))) for row in product(*axes.values())]
    remembered = list(programs(designs, forgetting=False))
    fresh = list(programs(designs, forgetting=True))
    assert remembered == fresh
    assert len({program.templates for program in fresh}) > 8


def test_banks_slower_than_the_clock_stall_less_at_a_slower_clock():
    def stalls(clock):
        slow = {"buffer.weight.cycle_time": "9 ns", "clocks.core": clock}
        program = map_workload(workload, load(BASE, slow)).program
        return sum(template.info.stall_cycles for template in program.templates)

    workload = network()
    assert stalls("500 MHz") > stalls("100 MHz")


def test_groups_that_are_cut_alike_are_drafted_once(monkeypatch):
    drafted = []
    draft = _Mapper._draft
    monkeypatch.setattr(
        _Mapper, "_draft",
        lambda mapper, p, group, plan: drafted.append(group.name) or draft(mapper, p, group, plan),
    )  # fmt: skip
    memo.forget()
    workload = network()
    groups = map_workload(workload, load(BASE)).grouping.groups
    assert drafted == [group.name for group in groups]
    for key, value in (
        ("clocks.core", "300 MHz"), ("host.command_overhead", "2 us"), ("dram.bandwidth", "6 GB/s"),
        ("buffer.input.size", "72 KiB"), ("buffer.output.size", "80 KiB"),
    ):  # fmt: skip
        drafted.clear()
        map_workload(workload, load(BASE, {key: value}))
        assert not {group.name for group in groups if group.engine == "vector"} & {*drafted}
    map_workload(workload, load(BASE, {"host.command_overhead": "3 us"}))
    assert not drafted


@pytest.mark.parametrize("most", [3])
def test_what_mapping_remembers_is_bounded(monkeypatch, most):
    memo.forget()
    for one in memo._all:
        monkeypatch.setattr(one, "most", most)
    designs = [load(BASE, {"engine.array.rows": 4 + rows}) for rows in range(12)]
    list(programs(designs, forgetting=False))
    assert {n for n, (number, _) in memo.entries().items() if number > most} == set()
