"""Decisions of mapping: fusion, residency, host fall-back, and what cannot be mapped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.design.design import Precision
from cosim.errors import CosimError
from cosim.mapping.mapping import map_workload
from cosim.mapping.task_stream import count_tasks, template_counts
from cosim.simulate import simulate
from cosim.workload.workload import Kind, Role

from .examples import Builder, design


def dram_bytes(program) -> int:
    return sum(
        (program.templates[t].info.dram_read_bytes + program.templates[t].info.dram_write_bytes) * n
        for c in program.components
        for t, n in template_counts(c.stream).items()
    )


def chain():
    build = Builder()
    x = build.conv(build.input(1, 8, 16, 16), 16)
    x = build.max_pool(build.relu(x))
    build.conv(x, 16)
    return build.build()


def test_elementwise_and_pooling_join_the_convolution_before_them():
    mapping = map_workload(chain(), design())
    groups = mapping.grouping.groups
    assert [len(group.ops) for group in groups] == [3, 1]
    assert [group.engine for group in groups] == ["array", "array"]


def test_a_result_with_two_readers_is_not_fused_away():
    build = Builder()
    x = build.conv(build.input(1, 8, 8, 8), 8)
    y = build.relu(x)
    build.add(y, x)
    mapping = map_workload(build.build(), design())
    assert mapping.grouping.groups[0].ops[0].outputs == (x,)
    assert len(mapping.grouping.groups[0].ops) == 1


def test_a_residual_input_is_loaded_beside_the_tiles_it_is_added_to():
    build = Builder()
    x = build.conv(build.input(1, 8, 8, 8), 8)
    y = build.conv(x, 8)
    build.add(y, x)
    mapping = map_workload(build.build(), design())
    groups = mapping.grouping.groups
    assert [len(group.ops) for group in groups] == [1, 2]
    assert x in groups[1].reads


def test_a_tensor_kept_on_chip_is_neither_stored_nor_loaded():
    workload = chain()
    without = map_workload(workload, design()).program
    kept = map_workload(workload, design(resident_kib=64)).program
    middle = 16 * 8 * 8
    assert dram_bytes(without) - dram_bytes(kept) >= 2 * middle
    transfers = [t.info for t in kept.templates if t.info.activity in ("load", "store")]
    assert not [i for i in transfers if i.activity == "store" and i.op == 0]
    assert not [
        i for i in transfers if i.op == 1 and i.role == "activation" and i.activity == "load"
    ]


def test_a_network_of_which_no_engine_runs_anything_is_the_hosts():
    machine = design()
    unable = replace(machine.array, precisions=(Precision("int1", 1, 0.1),))
    machine = replace(machine, array=unable, vector=replace(machine.vector, precisions=()))
    simulation = simulate(chain(), machine)
    program = simulation.mapping.program
    assert set(program.facts["engines"]) == {"host"}
    assert len(program.templates) == len(simulation.mapping.grouping.groups)
    assert simulation.result.makespan_ps > 0


def test_what_no_engine_runs_falls_back_to_the_host_visibly():
    build = Builder()
    build.relu(build.other(build.input(4, 4)))
    mapping = map_workload(build.build(), design())
    assert mapping.program.facts["engines"][0] == "host"
    (reason,) = mapping.program.facts["fallbacks"].values()
    assert "no engine runs other operation" in reason


def test_an_operation_that_nothing_runs_is_an_error():
    build = Builder()
    build.other(build.input(4, 4))
    machine = design()
    machine = replace(machine, host=replace(machine.host, operations_per_s=0))
    with pytest.raises(CosimError, match="cannot be mapped: no engine runs other operation"):
        map_workload(build.build(), machine)


def test_tensors_beyond_the_dram_are_an_error_that_names_the_largest():
    machine = design()
    machine = replace(machine, dram=replace(machine.dram, capacity_bytes=1000))
    with pytest.raises(CosimError, match="bytes of DRAM, part has 1000"):
        map_workload(chain(), machine)


@pytest.mark.parametrize("budget", [100.0, 160.0])
def test_a_budget_not_above_static_power_is_an_error(budget):
    with pytest.raises(CosimError, match="does not exceed static power, 160 mW"):
        map_workload(chain(), design(budget_mw=budget))


def test_a_budget_that_could_never_admit_a_tile_is_an_error_with_the_cure():
    with pytest.raises(CosimError, match="could never run; expected a budget of at least"):
        map_workload(chain(), design(budget_mw=165.0))


def test_the_next_layers_weights_are_fetched_while_this_one_computes():
    build = Builder()
    build.conv(build.conv(build.input(1, 16, 12, 12), 32), 32)
    simulation = simulate(build.build(), design(bandwidth=200_000_000), executor="simpy")
    rows = simulation.result.timeline.rows()
    program = simulation.program
    infos = [t.info for t in program.templates]
    first_end = max(
        int(e) for t, e in zip(rows.template, rows.end, strict=True)
        if infos[t].op == 0 and infos[t].activity == "compute"
    )  # fmt: skip
    starts = [
        int(s) for t, s in zip(rows.template, rows.start, strict=True)
        if infos[t].op == 1 and infos[t].activity == "load" and infos[t].role == "weight"
    ]  # fmt: skip
    assert min(starts) < first_end


def test_a_billion_tiles_are_a_handful_of_loops():
    build = Builder()
    build.gemm(build.input(1 << 22, 4096), 4096)
    machine = design(rows=4, columns=4, buffer_kib=1)
    machine = replace(machine, dram=replace(machine.dram, capacity_bytes=1 << 40))
    mapping = map_workload(build.build(), machine)
    program = mapping.program
    assert max(count_tasks(c.stream) for c in program.components) > 10**9
    assert len(program.templates) < 200


def test_packed_operands_move_fewer_bytes():
    sizes = {}
    for bits in (8, 4, 2):
        build = Builder(bits=bits)
        build.gemm(build.input(64, 256), 256)
        machine = design(bandwidth=50_000_000)
        sizes[bits] = dram_bytes(map_workload(build.build(), machine).program)
    assert sizes[4] <= 0.51 * sizes[8]
    assert sizes[2] <= 0.3 * sizes[8]


def test_an_optimizers_step_count_is_bookkeeping_and_no_command():
    build = Builder(bits=32)
    count = build.tensor((), Role.OPTIMIZER)
    step = build._add(Kind.ELEMENTWISE, (count,), (), attributes={"function": "add"})
    gradient = build.input(64, 64)
    build._add(Kind.ELEMENTWISE, (gradient, step), (64, 64), attributes={"function": "mul"})
    mapping = map_workload(build.build(), design())
    assert mapping.grouping.bookkeeping == (0,)
    assert len(mapping.grouping.groups) == 1
    assert mapping.grouping.groups[0].reads == [gradient]
