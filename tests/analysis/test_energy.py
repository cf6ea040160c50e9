"""Energy is conserved: every axis sums to the total, and the total to counts times unit energies.

The counts are made anew here, from the workload and from closed forms, not from the program.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.analysis.energy import ALWAYS
from cosim.analysis.summary import analyse, summarise
from cosim.design.design import Dataflow
from cosim.mapping.task_stream import template_counts
from cosim.simulate import simulate
from tests.mapping.examples import Builder, design

R, W = 1.0, 1000.0
"""Picojoules a byte read and written: two counts in one number."""


def machine(**fields):
    made = design(**fields)
    return replace(
        made,
        buffers=tuple(
            replace(b, read_pj_per_byte=R, write_pj_per_byte=W, static_mw=2.0) for b in made.buffers
        ),
    )


def analysed(workload, made):
    ran = simulate(workload, made)
    return ran, analyse(ran.program, made, ran.result.timeline, ran.result.makespan_ps)


def network():
    build = Builder()
    x = build.conv(build.input(2, 6, 12, 12), 20)
    x = build.relu(x)
    x = build.max_pool(build.conv(x, 20))
    build.other(x)
    build.gemm(build.gemm(build.input(7, 90), 70, bias=True), 10)
    return build.build()


@pytest.mark.parametrize("resident_kib", [0, 64])
def test_every_axis_sums_to_the_same_total(resident_kib):
    ran, analysis = analysed(network(), machine(resident_kib=resident_kib))
    spent = analysis.energy
    for axis in (spent.by_component, spent.by_role, spent.by_layer):
        assert sum(axis.values()) == pytest.approx(spent.total_pj)
    assert set(spent.by_layer) <= {*ran.program.layers, ALWAYS, "(no layer)"}
    summary = summarise(analysis)
    for key in ("component", "role", "layer"):
        found = summary[f"energy_by_{key}_j"]
        assert sum(found.values()) == pytest.approx(summary["energy_j"])


def test_a_layers_energy_is_that_of_its_tasks():
    ran, analysis = analysed(network(), machine())
    tasks = [
        (ran.program.layers[i.op], n * sum(pj for _, _, pj in i.energy))
        for c in ran.program.components
        for t, n in template_counts(c.stream).items()
        if (i := ran.program.templates[t].info).op >= 0
    ]
    for layer in ran.program.layers:
        own = sum(pj for name, pj in tasks if name == layer)
        assert analysis.energy.by_layer.get(layer, 0.0) == pytest.approx(own)


def test_the_array_spends_an_operation_for_every_multiply_accumulate_of_the_workload():
    build = Builder()
    build.conv(build.conv(build.input(2, 6, 12, 12), 20), 17)
    workload = build.build()
    made = machine()
    _, analysis = analysed(workload, made)
    macs = sum(op.macs for op in workload.ops)
    per_mac = next(p.energy_pj for p in made.array.precisions if p.name == "int8")
    assert analysis.energy.by_component["array"] == pytest.approx(macs * per_mac)


def test_dram_energy_is_its_bits_and_its_standby():
    made = machine()
    ran, analysis = analysed(network(), made)
    summary = summarise(analysis)
    read = sum(summary["dram_read_bytes_by_role"].values())
    written = sum(summary["dram_written_bytes_by_role"].values())
    standby = made.dram.background_mw * ran.result.makespan_ps * 1e-3
    moved = 8 * (read * made.dram.read_pj_per_bit + written * made.dram.write_pj_per_bit)
    assert analysis.energy.by_component["dram"] == pytest.approx(moved + standby)


def test_what_is_always_drawn_is_static_power_times_the_runs_time():
    made = machine()
    ran, analysis = analysed(network(), made)
    expected = made.static_mw * ran.result.makespan_ps * 1e-3
    assert analysis.energy.by_layer[ALWAYS] == pytest.approx(expected)
    roles = analysis.energy.by_role
    assert roles["static"] + roles["DRAM background"] == pytest.approx(expected)


@pytest.mark.parametrize("dataflow", list(Dataflow))
def test_buffers_are_read_and_written_as_often_as_the_dataflow_says(dataflow):
    """A product of 32 x 48 by 48 x 40 on 16 x 16 elements; bytes counted by hand."""
    m, k, n = 32, 48, 40
    folds_m, folds_k, folds_n = 2, 3, 3
    build = Builder()
    build.gemm(build.input(m, k), n)
    made = machine(dataflow=dataflow)
    ran, analysis = analysed(build.build(), made)
    ((_, plan),) = ran.mapping.plans.values()
    assert (plan.tile["k"], plan.tile["n"]) == (k, n)
    row_tiles = -(-m // plan.tile["m"])
    streamed, weights, partial = {
        # weights come into the array again for every tile of rows
        Dataflow.WEIGHT_STATIONARY: (m * k * folds_n, k * n * row_tiles, folds_k),
        Dataflow.OUTPUT_STATIONARY: (m * k * folds_n, k * n * folds_m, 1),
        Dataflow.INPUT_STATIONARY: (m * k, k * n * folds_m, folds_k),
    }[dataflow]
    sums, leak = 4 * m * n, 2.0 * analysis.makespan_ps * 1e-3
    expected = {
        "input": R * streamed + W * m * k,
        "weight": R * weights + W * k * n,
        # the vector unit reads each finished sum once
        "accumulator": W * sums * partial + R * sums * (partial - 1 + 1),
        "output": W * m * n + R * m * n,
    }
    for name, dynamic in expected.items():
        assert analysis.energy.by_component[f"buffer {name}"] == pytest.approx(dynamic + leak), name
