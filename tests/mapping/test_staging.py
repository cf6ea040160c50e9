"""How tiles share memories, and what coding of zeros saves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.design.design import MappingPolicy, Objective, RunLength, Stays
from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.mapping.mapping import map_workload
from cosim.mapping.task_stream import template_counts
from cosim.workload.zeros import with_zeros

from .examples import KIB, Builder, design


def layer():
    build = Builder()
    build.relu(build.conv(build.input(1, 64, 28, 28), 96))
    return build.build()


def moved(program) -> int:
    """Bytes to and from DRAM."""
    return sum(
        (program.templates[t].info.dram_read_bytes + program.templates[t].info.dram_write_bytes) * n
        for component in program.components
        for t, n in template_counts(component.stream).items()
    )


def with_buffers(machine, **changes):
    return replace(machine, buffers=tuple(replace(b, **changes) for b in machine.buffers))


def test_a_tile_that_waits_for_the_last_ones_place_is_never_earlier():
    machine, workload = design(buffer_kib=32), layer()
    single = with_buffers(machine, double_buffered=False)
    times = [run(map_workload(workload, m).program).makespan_ps for m in (machine, single)]
    assert times[0] < times[1]


def test_results_that_stay_with_their_sums_need_no_output_buffer():
    machine, workload = design(buffer_kib=32), layer()
    tiny = replace(
        machine,
        vector=replace(machine.vector, in_place=True),
        buffers=tuple(
            replace(b, size_bytes=1) if "output" in b.holds else b for b in machine.buffers
        ),
    )
    program = map_workload(workload, tiny).program
    assert run(program).makespan_ps > 0
    with pytest.raises(CosimError, match="output"):
        map_workload(workload, replace(tiny, vector=machine.vector))


def test_operands_and_sums_in_one_memory_fit_together():
    machine, workload = design(buffer_kib=32), layer()
    together = replace(
        machine,
        buffers=(
            replace(machine.buffers[0], holds=("input", "accumulator"), size_bytes=32 * KIB),
            *(b for b in machine.buffers if not {"input", "accumulator"} & set(b.holds)),
        ),
    )
    mapping = map_workload(workload, together)
    assert run(mapping.program).makespan_ps > 0
    apart = map_workload(workload, machine)
    assert mapping.plans[0][1].modelled_ps >= apart.plans[0][1].modelled_ps


def test_coded_zeros_save_their_share_of_the_traffic():
    machine = design(buffer_kib=64)
    coder = RunLength(5, 64)
    coding = replace(machine, dma=tuple(replace(c, run_length=coder) for c in machine.dma))
    workload = layer()
    zeros = with_zeros(workload, {"input": 0.9})
    plain, coded, untold = (
        moved(map_workload(w, m).program)
        for w, m in ((zeros, machine), (zeros, coding), (workload, coding))
    )
    assert coded < plain == untold


def test_zeros_of_a_layer_that_is_not_there_are_refused():
    with pytest.raises(CosimError, match=r"'layer7'.*did you mean"):
        with_zeros(layer(), {"layer7": 0.5})


@pytest.mark.parametrize("objective", list(Objective))
def test_what_is_optimised_is_not_worse_than_under_another_objective(objective):
    machine, workload = design(buffer_kib=8), layer()

    def worth(chosen: Objective) -> float:
        plan = map_workload(workload, replace(machine, mapping=MappingPolicy(chosen))).plans[0][1]
        time, bytes_ = plan.modelled_ps, plan.modelled_dram_bytes
        return {
            Objective.LATENCY: time,
            Objective.TRAFFIC: bytes_,
            Objective.TRAFFIC_DELAY: time * bytes_,
        }[objective]

    # modelled picoseconds are rounded to whole ones
    assert all(worth(objective) <= worth(other) * (1 + 1e-6) for other in Objective)


def test_weights_that_stay_are_loaded_once():
    machine = replace(design(buffer_kib=8), mapping=MappingPolicy(stays=Stays.WEIGHTS))
    _, plan = map_workload(layer(), machine).plans[0]
    classes = [axis.cls for axis in plan.axes]
    assert not plan.hold_streaming
    assert "m" not in classes or "n" not in classes[classes.index("m") :]
