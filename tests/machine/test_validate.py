"""A program that breaks the rules is refused in one clear line, before it runs."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.machine.validate import _grammar_problem, are_sound
from cosim.mapping.program import Component, Pool, PoolPhase
from cosim.mapping.task_stream import Loop
from cosim.timeline.causes import Cause
from tests.machine.test_small_machines import ACQUIRE, HOLD, MARK, RELEASE, machine

POOL = Pool("slots", 1, PoolPhase.IMMEDIATE, Cause.INPUT, "buffer", 2)
WORK = [(HOLD, 1, 0, 0), (MARK, 0, 0, 0)]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([(ACQUIRE, 1, 1, 0), *WORK], "pool 1 does not exist, there are 1"),
        ([(ACQUIRE, 0, 3, 0), *WORK], "asks for 3 of pool 'slots', which never holds more than 2"),
        ([(ACQUIRE, 0, -1, 0), *WORK], "ACQUIRE of -1 tokens"),
        ([(HOLD, -1, 0, 0), (MARK, 0, 0, 0)], "HOLD of -1 cycles"),
        ([(HOLD, 1, 2, 0), (MARK, 0, 0, 0)], "clock 2 does not exist"),
        ([(HOLD, 1, 0, 0), (MARK, 1, 0, 0)], "lane 1 does not exist"),
        ([(MARK, 0, 0, 0)], "MARK without a HOLD before it"),
        ([(HOLD, 1, 0, 0)], "ends without a MARK"),
        ([(ACQUIRE, 0, 1, 0)], "ends without a MARK"),
        ([(HOLD, 1, 0, 0), (ACQUIRE, 0, 1, 0), *WORK], "ACQUIRE between HOLD and its MARK"),
        ([(HOLD, 1, 0, 0), (RELEASE, 0, 1, 0), (MARK, 0, 0, 0)], "RELEASE before the MARK"),
        ([(ACQUIRE, 0, 1, 0), (RELEASE, 0, 1, 0)], "RELEASE before the MARK"),
        ([(7, 0, 1, 0)], "unknown step kind 7"),
        ([], "has no steps"),
    ],
)
def test_steps_that_break_the_grammar(steps: list, message: str) -> None:
    program = machine([POOL], [Component("array", "engine", (0,))], [steps])
    with pytest.raises(CosimError, match=message):
        run(program)


any_step = st.tuples(st.integers(0, 4), st.integers(-1, 2), st.integers(-1, 3), st.integers(0, 1))
sound_step = st.sampled_from(
    [(ACQUIRE, 0, 1, 0), (RELEASE, 0, 1, 0), (HOLD, 3, 0, 0), (MARK, 0, 0, 0)]
)


@given(st.lists(st.lists(sound_step | any_step, max_size=6), max_size=4))
@example([[(ACQUIRE, 0, 1, 0), *WORK, (RELEASE, 0, 1, 0)], WORK])
@settings(max_examples=300)
def test_all_templates_together_are_sound_if_each_one_is(lists: list[list]) -> None:
    program = machine([POOL], [Component("array", "engine", ())], lists)
    alone = [not _grammar_problem(program, template.steps) for template in program.templates]
    assert are_sound(program) == all(alone)


def test_an_immediate_pool_has_one_requester() -> None:
    steps = [(ACQUIRE, 0, 1, 0), *WORK]
    program = machine(
        [POOL],
        [Component("one", "engine", (0,)), Component("two", "engine", (Loop(2, (0,)),))],
        [steps],
    )
    with pytest.raises(CosimError, match="both 'one' and 'two' ask for it"):
        run(program)


def test_a_stream_of_templates_that_do_not_exist() -> None:
    with pytest.raises(CosimError, match="template 1 does not exist"):
        run(machine([], [Component("one", "engine", (1,))], [WORK]))


@pytest.mark.parametrize(("initial", "message"), [(-1, "below zero"), (3, "above its capacity 2")])
def test_a_pool_starts_between_zero_and_its_capacity(initial: int, message: str) -> None:
    pool = Pool("slots", initial, PoolPhase.IMMEDIATE, Cause.INPUT, "buffer", 2)
    with pytest.raises(CosimError, match=message):
        run(machine([pool], [], []))


def test_an_executor_that_does_not_exist() -> None:
    with pytest.raises(CosimError, match="did you mean 'simpy'"):
        run(machine([], [], []), executor="simpi")
