"""Laws that every run keeps, on random machines and programs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.machine.execute import run
from cosim.machine.simpy_executor import SimPyExecutor
from cosim.mapping.program import Program, StepKind
from cosim.mapping.task_stream import count_tasks, template_counts
from cosim.timeline.causes import Cause
from tests.machine.random_programs import programs


@given(programs(max_tasks=80))
@settings(max_examples=60)
def test_every_interval_starts_where_its_cause_ends(program: Program) -> None:
    rows = run(program, executor="simpy").timeline.rows()
    later = rows.start > 0
    assert (rows.cause_row[later] >= 0).all()
    assert (rows.end[rows.cause_row[later]] == rows.start[later]).all()
    assert (rows.cause[~later] == Cause.START).all()
    assert (rows.cause[later] != Cause.START).all()


@given(programs(max_tasks=80))
@settings(max_examples=60)
def test_a_cause_comes_before_its_consequence(program: Program) -> None:
    rows = run(program, executor="simpy").timeline.rows()
    assert (rows.cause_row < rows.number).all()
    assert (np.diff(rows.end) >= 0).all()
    sequence = rows.cause == Cause.SEQUENCE
    assert (rows.component[rows.cause_row[sequence]] == rows.component[sequence]).all()


@given(programs(max_tasks=80))
@settings(max_examples=60)
def test_walking_back_from_the_last_foreground_interval_reaches_time_zero(program: Program) -> None:
    result = run(program, executor="simpy")
    rows = result.timeline.rows()
    background = np.array([part.background for part in program.components])
    row = int(np.flatnonzero(~background[rows.component])[-1])
    length = 0
    while row >= 0:
        length += int(rows.end[row] - rows.start[row])
        row = int(rows.cause_row[row])
    assert length == result.makespan_ps


@given(programs(max_tasks=80))
@settings(max_examples=60)
def test_foreground_components_do_all_their_tasks_once_and_in_order(program: Program) -> None:
    rows = run(program, executor="simpy").timeline.rows()
    for rank, component in enumerate(program.components):
        own = rows.select(rows.component == rank)
        assert (np.diff(own.task) >= 0).all()
        assert (own.start[1:] >= own.end[:-1]).all()
        if component.background:
            continue
        marks = {
            number: count
            * sum(step[0] == StepKind.MARK for step in program.templates[number].steps)
            for number, count in template_counts(component.stream).items()
        }
        assert len(own) == sum(marks.values())
        assert len(np.unique(own.task)) == count_tasks(component.stream)
        for number, count in marks.items():
            assert (own.template == number).sum() == count


@given(programs(max_tasks=80))
@settings(max_examples=60)
def test_intervals_last_as_long_as_their_holds(program: Program) -> None:
    rows = run(program, executor="simpy").timeline.rows()
    holds = [
        sum(a * program.clock_periods_ps[b] for kind, a, b, _ in template.steps if kind == 1)
        for template in program.templates
    ]
    held = {}
    for number, task, component, duration in zip(
        rows.template.tolist(), rows.task.tolist(), rows.component.tolist(),
        rows.duration.tolist(), strict=True,
    ):  # fmt: skip
        key = (component, task, number)
        held[key] = held.get(key, 0) + duration
    last_task = {c: t for c, t, _ in held}
    for (component, task, number), duration in held.items():
        if task == last_task[component] and program.components[component].background:
            continue  # the run may have ended in the middle of it
        assert duration == holds[number]


@settings(max_examples=60)
@given(programs(max_tasks=80), st.randoms(use_true_random=False))
def test_the_order_in_which_processes_are_created_does_not_matter(program, random) -> None:
    order = list(range(len(program.components)))
    usual = SimPyExecutor(program).run()
    random.shuffle(order)
    assert np.array_equal(SimPyExecutor(program, creation_order=order).run(), usual)


@given(programs(max_tasks=80))
@settings(max_examples=60)
def test_the_makespan_is_the_end_of_the_last_foreground_interval(program: Program) -> None:
    result = run(program, executor="simpy")
    rows = result.timeline.rows()
    background = np.array([part.background for part in program.components])
    assert result.makespan_ps == rows.end[~background[rows.component]].max()
    assert rows.end.max() <= result.makespan_ps


@given(programs())
@settings(max_examples=40, deadline=None)
def test_a_run_that_keeps_no_intervals_ends_at_the_same_time(program: Program) -> None:
    kept, unrecorded = run(program), run(program, record=False)
    assert unrecorded.makespan_ps == kept.makespan_ps
    assert unrecorded.tasks_simulated == kept.tasks_simulated
    assert unrecorded.tasks_skipped == kept.tasks_skipped
    assert len(unrecorded.timeline) == 0
