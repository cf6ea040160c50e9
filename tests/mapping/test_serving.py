"""Designs with several array engines: which one runs what, and that they take turns rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cosim.design as designs
from cosim.analysis.summary import analyse, summarise
from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload
from cosim.mapping.serving import classes_of
from cosim.simulate import simulate
from cosim.timeline.rows import COLUMN_TYPES
from tests.test_simulation_laws import machines, relaxed, workloads

from .examples import Builder, design, two_arrays

MACHINE = two_arrays(design(rows=8, columns=8, buffer_kib=8))


def separable(blocks=2, branch=False):
    """Depthwise and pointwise convolutions in turn, on 8x8 pixels; perhaps two such chains."""
    build = Builder()
    for start in range(1 + branch):
        x = build.relu(build.conv(build.input(1, 3, 16, 16), 16, stride=2 - start))
        for _ in range(blocks):
            x = build.relu(build.conv(x, 16, groups=16))
            x = build.relu(build.conv(x, 16, kernel=1, padding=0))
    return build.build()


def same_rows(program):
    slow, fast = (run(program, executor=name).timeline.rows() for name in ("simpy", "fast"))
    return all(np.array_equal(getattr(slow, name), getattr(fast, name)) for name in COLUMN_TYPES)


def test_classes_of_operations():
    build = Builder()
    x = build.conv(build.input(1, 4, 8, 8), 8)
    x = build.conv(x, 8, groups=8)
    x = build.conv(x, 8, kernel=1, padding=0)
    build.conv(x, 8, groups=2)
    build.gemm(build.input(4, 8), 4)
    first = [classes_of(op)[0] for op in build.build().ops]
    assert first == ["convolution", "depthwise", "pointwise", "convolution", "product"]


def test_each_operation_runs_on_the_engine_that_serves_its_class():
    mapping = map_workload(separable(), MACHINE)
    found = [group.array for group in mapping.grouping.groups]
    assert found == ["array", "depthwise", "array", "depthwise", "array"]


def test_what_no_engine_serves_is_the_hosts_with_the_reason():
    only = replace(MACHINE, array=replace(MACHINE.array, serves=("pointwise",)))
    groups = map_workload(separable(), only).grouping.groups
    assert [g.engine for g in groups] == ["host", "vector", *["array"] * 4]
    assert groups[0].reason == "no engine serves convolution operations"


def test_an_engine_without_the_element_type_leaves_the_work_to_one_that_serves_all():
    narrow = replace(MACHINE.others[0], precisions=())
    groups = map_workload(separable(), replace(MACHINE, others=(narrow,))).grouping.groups
    assert {group.array for group in groups} == {"array"}


@pytest.mark.parametrize("branch", [False, True])
def test_both_executors_agree_and_all_work_is_done(branch):
    workload = separable(branch=branch)
    program = map_workload(workload, MACHINE).program
    assert same_rows(program)
    done = simulate(workload, MACHINE)
    result = done.result
    summary = summarise(analyse(done.program, MACHINE, result.timeline, result.makespan_ps))
    assert summary["macs"] == workload.macs
    used = summary["utilisation"]
    cycles = result.makespan_ps / MACHINE.clock("core").period_ps
    assert used["array"] * 64 * cycles + used["depthwise"] * 36 * cycles == pytest.approx(
        workload.macs
    )


def test_a_second_engine_that_is_like_the_first_changes_no_time_in_a_chain():
    one = design(rows=8, columns=8, buffer_kib=8)
    latencies = {simulate(separable(), m).result.makespan_ps for m in (one, two_arrays(one, 8, 8))}
    assert len(latencies) == 1


@st.composite
def controlled(draw):
    """Two engines, any of the machine's parts under one sequential control."""
    machine = two_arrays(draw(machines()))
    parts = ["array", "depthwise", "vector", *(channel.name for channel in machine.dma)]
    return replace(machine, exclusive=tuple(draw(st.sets(st.sampled_from(parts)))))


@given(workloads(), controlled())
@settings(relaxed, max_examples=25)
def test_random_networks_on_two_engines_finish_alike_on_both_executors(workload, machine):
    try:
        program = map_workload(workload, machine).program
    except CosimError:  # a budget or a buffer that is too small
        assume(False)
    assert same_rows(program)


ENGINE = {
    "rows": 4, "columns": 9, "dataflow": "output-stationary", "clock": "fabric",
    "precision": {"int8": {"energy": "1 pJ"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("depthwise", {"serves": ["depthwisee"]}, "did you mean 'depthwise'?"),
        ("depthwise", {"rws": 4}, "did you mean 'rows'?"),
        ("depthwise", {"clock": "fabrik"}, "did you mean 'fabric'?"),
        ("input", {}, "engine 'input' has the name of another component"),
    ],
)
def test_mistakes_in_a_second_engine_are_said(name, changes, said):
    with pytest.raises(CosimError) as caught:
        designs.load("ultra96", {f"engine.{name}": ENGINE | changes})
    assert said in str(caught.value)
    assert name in str(caught.value)


def test_a_design_needs_an_array_engine(tmp_path):
    text = (designs.catalogue.BOARDS / "ultra96.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[engine.array]")
    file = tmp_path / "none.toml"
    file.write_text(head + "[engine.vector]" + rest.partition("[engine.vector]")[2])
    with pytest.raises(CosimError, match="no array engine"):
        designs.load(file)


def test_an_engine_under_another_name_may_stand_alone(tmp_path):
    text = (designs.catalogue.BOARDS / "ultra96.toml").read_text(encoding="utf-8")
    file = tmp_path / "renamed.toml"
    file.write_text(text.replace("engine.array", "engine.matrix"))
    renamed = designs.load(file)
    assert [array.name for array in renamed.arrays] == ["matrix"]
    latencies = {
        simulate(separable(), design_).result.makespan_ps
        for design_ in (renamed, designs.load("ultra96"))
    }
    assert len(latencies) == 1
