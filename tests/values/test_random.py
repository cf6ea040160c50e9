"""No false alarms: random networks on random designs compute what PyTorch computes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.machine.values.replay import replay
from cosim.machine.values.singles import stored_singles
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.random_networks import Sketch, build, machines, sketches


def computes_the_network(sketch: Sketch, design: Design) -> None:
    try:
        model, x = build(sketch)
    except (ValueError, RuntimeError):
        assume(False)  # a kernel larger than its input
    mode = "training" if sketch.training else "inference"
    loss = (lambda y: y.square().mean()) if sketch.training else None
    try:
        workload = capture(model, (x,), mode=mode, loss=loss, name="random")
        simulation = simulate(workload, design)
    except CosimError as error:
        assume("fit" not in str(error) and "take" not in str(error))  # too small a buffer
        # a batch norm of one number, a kernel larger than its input
        assume("more than 1 value" not in str(error))
        assume("Kernel size" not in str(error))
        raise
    reference = record_values(
        model, [x], workload, loss=loss, single=stored_singles(simulation.mapping)
    )
    outcome = replay(simulation.mapping, simulation.result.timeline, reference)
    assert outcome.agrees
    assert all(c.compared for c in outcome.comparisons)


@settings(max_examples=12)
@given(sketch=sketches, design=machines())
def test_no_false_alarm_on_a_few_random_networks(sketch: Sketch, design: Design) -> None:
    computes_the_network(sketch, design)


@pytest.mark.slow
@settings(max_examples=120)
@given(sketch=sketches, design=machines())
def test_no_false_alarm_on_200_random_networks(sketch: Sketch, design: Design) -> None:
    computes_the_network(sketch, design)
