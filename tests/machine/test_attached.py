"""A user's own SimPy processes take part in the machine."""

from __future__ import annotations

import pytest

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.timeline.causes import Cause
from tests.machine.reference_pipeline import pipeline


def camera(env, machine):
    port = machine.attach("camera")
    while True:
        yield env.timeout(1_000_000)
        yield port.acquire("dram", priority=0)
        yield env.timeout(2_000_000)
        port.release("dram")


def test_a_process_that_takes_the_channel_delays_the_loads() -> None:
    program = pipeline()
    alone, shared = run(program), run(program, extra=[camera])
    assert shared.makespan_ps > alone.makespan_ps
    assert shared.executor == "simpy"
    assert shared.why_not_skipped == "a user's own process is attached"
    assert shared.timeline.outline.components[-1] == "camera"


def test_its_intervals_are_causes_of_others_and_keep_the_law() -> None:
    rows = run(pipeline(), extra=[camera]).timeline.rows()
    later = rows.start > 0
    assert (rows.cause[~later] == Cause.START).all()
    assert (rows.end[rows.cause_row[later]] == rows.start[later]).all()
    blamed = rows.select(rows.component < 3).cause_row
    assert (rows.component[blamed[blamed >= 0]] == 3).any()


def test_a_process_runs_to_its_end_without_keeping_the_run_alive() -> None:
    def brief(env, machine):
        yield env.timeout(1)

    assert run(pipeline(), extra=[brief]).makespan_ps == run(pipeline()).makespan_ps


def test_a_pool_that_does_not_exist() -> None:
    def wrong(env, machine):
        yield machine.attach("wrong").acquire("dramm")

    with pytest.raises(CosimError, match="did you mean 'dram'"):
        run(pipeline(), extra=[wrong])
