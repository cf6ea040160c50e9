"""Every way to run a program gives the same rows, cause by cause, and the same end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from cosim.errors import CosimError
from cosim.machine.execute import RunResult, run
from cosim.mapping.program import Program
from cosim.timeline.rows import COLUMN_TYPES
from tests.machine.random_programs import programs
from tests.machine.reference_pipeline import pipeline


def assert_same(one: RunResult, two: RunResult) -> None:
    assert one.makespan_ps == two.makespan_ps
    assert len(one.timeline) == len(two.timeline)
    rows, others = one.timeline.rows(), two.timeline.rows()
    for name in COLUMN_TYPES:
        left, right = getattr(rows, name), getattr(others, name)
        assert left.dtype == right.dtype == np.dtype(COLUMN_TYPES[name])
        differ = np.flatnonzero(left != right)
        assert len(differ) == 0, (name, differ[:5], left[differ[:5]], right[differ[:5]])


def check_all_ways(program: Program) -> RunResult:
    expected = run(program, executor="simpy")
    assert_same(run(program, executor="python", fast_forward=False), expected)
    assert_same(run(program, executor="compiled", fast_forward=False), expected)
    fast = run(program, executor="python")
    compiled = run(program, executor="compiled")
    assert_same(fast, expected)
    assert_same(compiled, expected)
    assert fast.timeline.blocks == compiled.timeline.blocks
    assert fast.tasks_simulated + fast.tasks_skipped == expected.tasks_simulated
    return fast


@given(programs(max_tasks=60))
@settings(max_examples=150)
def test_random_machines(program: Program) -> None:
    check_all_ways(program)


@given(programs(max_tasks=600, max_iterations=40))
@settings(max_examples=40)
def test_random_machines_with_long_loops(program: Program) -> None:
    check_all_ways(program)


@pytest.mark.slow
@given(programs(max_tasks=500, max_iterations=30))
@settings(max_examples=3000)
def test_thousands_of_random_machines(program: Program) -> None:
    expected = run(program, executor="simpy")
    assert_same(run(program, executor="compiled", fast_forward=False), expected)
    assert_same(run(program, executor="compiled"), expected)


@pytest.mark.parametrize("budget", [700, 949, 950, 2000])
@pytest.mark.parametrize("layers", [1, 4])
def test_the_reference_pipeline_is_skipped_for_the_most_part(budget: int, layers: int) -> None:
    fast = check_all_ways(pipeline(9, 11, 8, budget=budget, layers=layers))
    assert fast.tasks_skipped > fast.tasks_simulated
    assert fast.why_not_skipped == ""


def test_deadlocks_read_the_same_everywhere() -> None:
    """Take away one slot of the output buffer after a few tiles: everything stops."""
    program = pipeline()
    templates = list(program.templates)
    steps = [step for step in templates[4].steps if step[0] != 2 or step[1] != 3]
    templates[4] = type(templates[4])(tuple(steps), templates[4].info)
    broken = Program(**{**vars(program), "templates": tuple(templates)})
    messages = set()
    for executor in ("simpy", "python", "compiled"):
        with pytest.raises(CosimError, match="deadlock") as error:
            run(broken, executor=executor)
        messages.add(str(error.value))
    assert len(messages) == 1
