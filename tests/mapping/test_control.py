"""Sequential control, host work on samples, lanes of elements, and a chained vector unit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import cosim.design as designs
from cosim.analysis.energy import task_counts
from cosim.analysis.summary import analyse, summarise
from cosim.errors import CosimErrors
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload
from cosim.simulate import simulate
from cosim.timeline.rows import COLUMN_TYPES

from .examples import Builder, design

MACHINE = design(rows=8, columns=8, buffer_kib=4)


def network():
    build = Builder()
    x = build.relu(build.conv(build.input(2, 8, 16, 16), 24))
    build.max_pool(build.relu(build.conv(x, 16)))
    return build.build()


def intervals(machine, names):
    """(start, end) of everything the named components do, in order of time."""
    program = map_workload(network(), machine).program
    rows = run(program, executor="fast").timeline.rows()
    lanes = [program.lanes.index(name) for name in names]
    chosen = np.isin(rows.lane, lanes)
    return sorted(zip(rows.start[chosen], rows.end[chosen], strict=True))


def test_of_exclusive_components_one_works_at_a_time():
    names = ("array", "vector", "output")
    free = intervals(MACHINE, names)
    taken = intervals(replace(MACHINE, exclusive=names), names)
    assert any(b[0] < a[1] for a, b in itertools.pairwise(free))
    assert all(b[0] >= a[1] for a, b in itertools.pairwise(taken))
    assert sum(b - a for a, b in taken) == sum(b - a for a, b in free)


def test_both_executors_run_exclusive_components_alike():
    program = map_workload(network(), replace(MACHINE, exclusive=("array", "output"))).program
    slow, fast = (run(program, executor=name).timeline.rows() for name in ("simpy", "fast"))
    for name in COLUMN_TYPES:
        assert np.array_equal(getattr(slow, name), getattr(fast, name))


def test_the_host_prepares_every_sample_before_anything_else():
    machine = replace(MACHINE, host=replace(MACHINE.host, preparation_ps=5_000_000_000))
    plain, prepared = (simulate(network_of(3), m).result.makespan_ps for m in (MACHINE, machine))
    assert prepared == plain + 3 * 5_000_000_000


def network_of(samples):
    return replace(network(), batch=samples)


def test_wider_lanes_take_the_traffic_and_the_memory_of_wider_elements():
    def summary(machine, bits):
        build = Builder(bits=bits)
        build.gemm(build.gemm(build.input(32, 64), 96), 10)
        done = simulate(build.build(), machine)
        result = done.result
        return summarise(analyse(done.program, machine, result.timeline, result.makespan_ps))

    narrow, wide = summary(replace(MACHINE, element_bits=8), 4), summary(MACHINE, 8)
    assert narrow == wide
    assert summary(MACHINE, 4)["dram_bytes"] < wide["dram_bytes"]


def spent(machine):
    """Energy of the vector unit's operations, picojoules."""
    program = map_workload(network(), machine).program
    counts = task_counts(program, run(program).timeline.rows())
    energies = [
        sum(pj for part, _, pj in t.info.energy if part == "vector") for t in program.templates
    ]
    return float((counts * np.array(energies)).sum())


def test_a_chained_unit_passes_an_element_once():
    names = ("vector",)
    chained = replace(MACHINE, vector=replace(MACHINE.vector, chained=True))
    apart, at_once = (
        sum(b - a for a, b in intervals(machine, names)) for machine in (MACHINE, chained)
    )
    assert spent(chained) == pytest.approx(spent(MACHINE))
    assert spent(chained) > 0
    # rectifier and pooling take a pass each in one layer, the rectifier its only one in the other
    assert at_once < apart < 2 * at_once


def test_control_names_what_there_is():
    with pytest.raises(CosimErrors, match="did you mean 'output'"):
        designs.load("ultra96", {"control.exclusive": ["array", "outptu"]})
    assert designs.load("ultra96", {"control.exclusive": ["array"]}).exclusive == ("array",)
