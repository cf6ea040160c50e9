"""Fast-forward skips what repeats, says why where it cannot, and its work is bounded by events."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cosim.cli.bench_programs import bert_base, incommensurate_loops, pipeline, random_tiles
from cosim.design import load
from cosim.machine import fast_forward
from cosim.machine import kernel as k
from cosim.machine.execute import run
from cosim.machine.fast_executor import FastExecutor
from cosim.mapping.mapping import map_workload
from cosim.mapping.program import Component, Pool, PoolPhase, Program, Template
from cosim.mapping.task_stream import Loop
from cosim.timeline.causes import Cause
from cosim.timeline.loop_tree import LoopTrees, merge_loops
from cosim.timeline.repetition import repeats
from tests.machine.test_equality import assert_same

FEW = {name: getattr(fast_forward, name) for name in ("FEW_TASKS", "MANY_TASKS")}
"""As they are outside of this folder, see `conftest`."""


def test_the_work_does_not_grow_with_the_number_of_tiles() -> None:
    small, large = run(pipeline(100, 100, 100)), run(pipeline(1000, 1000, 1000))
    assert large.tasks_skipped > 900 * small.tasks_skipped
    assert large.tasks_simulated == small.tasks_simulated
    assert len(large.timeline.stored["end"]) == len(small.timeline.stored["end"])


def test_blocks_nest_as_loops_do() -> None:
    timeline = run(pipeline(50, 60, 70)).timeline
    assert any(block.children for block in timeline.blocks)


def test_most_of_a_transformer_is_not_simulated() -> None:
    program = map_workload(bert_base(), load("edge-asic-16x16")).program
    result = run(program)
    total = result.tasks_simulated + result.tasks_skipped
    assert result.tasks_simulated < 0.05 * total
    assert any(block.other_templates for block in result.timeline.blocks)


def test_refresh_bounds_the_jumps_and_takes_place() -> None:
    base = pipeline(6, 7, 40)
    sleep = Template(((1, 7_800_000, 0, 0), (3, 0, 0, 0)), base.templates[0].info)
    refresh = Template(
        ((0, 0, 1, 0), (1, 180_000, 0, 0), (3, 0, 0, 0), (2, 0, 1, 0)), base.templates[0].info
    )
    program = Program(
        **{
            **vars(base),
            "templates": (*base.templates, sleep, refresh),
            "components": (
                *base.components,
                Component("refresh", "dram", (Loop(10**9, (5, 6)),), True, Cause.REFRESH),
            ),
        }
    )
    fast, slow = run(program), run(program, fast_forward=False)
    assert fast.makespan_ps == slow.makespan_ps
    assert fast.tasks_skipped > 0
    rows, others = fast.timeline.rows(), slow.timeline.rows()
    assert (rows.start == others.start).all()
    assert (rows.cause == others.cause).all()
    assert (rows.cause == Cause.REFRESH).any()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (random_tiles(500), "no loop is long enough to repeat"),
        (incommensurate_loops(500), "no state of the machine recurred"),
    ],
)
def test_it_says_why_nothing_was_skipped(program: Program, why: str) -> None:
    result = run(program)
    assert result.tasks_skipped == 0
    assert result.why_not_skipped.startswith(why)
    assert run(program, fast_forward=False).why_not_skipped == "fast-forward was turned off"


def test_fruitless_comparisons_become_rare_and_do_not_stop_the_machine() -> None:
    machine = FastExecutor(incommensurate_loops(20_000), compiled=False)
    advance, pauses = machine._advance, []
    machine._advance = lambda memory: pauses.append(advance(memory)) or pauses[-1]
    machine.run()
    assert machine._forward is not None
    assert 40 < machine._forward.compared < 120
    assert pauses.count(k.SAMPLED) <= 4
    assert pauses.count(k.LIMIT_REACHED) <= 12


def test_small_and_periodic_work_does_not_load_the_compiler() -> None:
    code = (
        "import sys\n"
        "from cosim.cli.bench_programs import pipeline\n"
        "from cosim.machine.execute import run\n"
        "results = [run(pipeline()), run(pipeline(1000, 1000, 1000))]\n"
        "assert all(result.executor == 'python' for result in results)\n"
        "assert 'numba' not in sys.modules and 'simpy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_long_irregular_work_is_compiled_on_the_way() -> None:
    result = run(random_tiles(80_000))
    assert result.executor in ("python, then compiled", "compiled")


def test_repetition_is_read_off_the_loops() -> None:
    stream = merge_loops(((4, ((10, (0,)), 1)), 2, (3, ((5, (0, 0)), 1))))
    sequence = LoopTrees().sequence(stream)
    tasks = [0] * 10 + [1]
    tasks = tasks * 4 + [2] + tasks * 3
    assert sequence.size == len(tasks)
    for task in range(1, len(tasks)):
        for lag in range(1, task + 1):
            truth = 0
            while task + truth < len(tasks) and tasks[task + truth] == tasks[task + truth - lag]:
                truth += 1
            found = repeats(sequence, task, lag, 10**9)
            assert found <= truth
            assert repeats(sequence, task, lag, 10**9, layers=True) == truth


def test_pools_of_other_phases_take_part_in_the_state() -> None:
    """A slow leak of tokens: levels never recur, so nothing may be skipped."""
    steps = ((0, 0, 1, 0), (1, 10, 0, 0), (3, 0, 0, 0))
    program = Program(
        name="leak",
        clock_periods_ps=(1,),
        clock_names=("ps",),
        pools=(Pool("tokens", 1000, PoolPhase.BUFFER, Cause.INPUT),),
        components=(Component("user", "engine", (Loop(500, (0,)),)),),
        templates=(Template(steps, pipeline().templates[0].info),),
        lanes=("lane",),
        layers=("layer",),
    )
    result = run(program)
    assert result.tasks_skipped == 0
    assert result.makespan_ps == 5000


def test_the_compiled_kernel_looks_only_where_that_takes_less_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in FEW.items():
        monkeypatch.setattr(fast_forward, name, value)
    short, long = pipeline(8, 8, 8), pipeline(30, 30, 30)
    for program, looks in ((short, False), (long, True)):
        compiled, uncompiled = run(program, executor="compiled"), run(program, executor="python")
        assert uncompiled.tasks_skipped > 0
        assert (compiled.tasks_skipped > 0) is looks
        assert looks or "less time than looking" in compiled.why_not_skipped
        assert_same(compiled, uncompiled)
    between = pipeline(20, 20, 20)
    kept, unrecorded = (run(between, executor="compiled", record=r) for r in (True, False))
    assert kept.tasks_skipped > unrecorded.tasks_skipped == 0
    assert kept.makespan_ps == unrecorded.makespan_ps
    many = incommensurate_loops(50_000)  # whatever it costs
    assert "no state of the machine recurred" in run(many, executor="compiled").why_not_skipped
