"""No false alarms: random networks on random designs compute what PyTorch computes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings

from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.cases import Case, reference_of
from tests.values.random_networks import (
    Sketch,
    build,
    machines,
    pipelines,
    sketches,
    streamed,
)

REFUSED = (
    "fit", "take",  # too small a buffer
    "more than 1 value", "Kernel size",  # a batch norm of one number, a kernel beyond its input
    "cannot be part of a dataflow", "is also read inside", "no energy for products",
    "gives out", "computes with integers", "two quantizers", "FIFO",
)  # fmt: skip


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
        assume(not any(said in str(error) for said in REFUSED))
        raise
    reference = reference_of(
        simulation,
        lambda single, held: record_values(
            model, [x], workload, loss=loss, single=single, held=held
        ),
    )
    outcome = Case(simulation, reference).replay()
    assert outcome.agrees
    assert all(c.compared for c in outcome.comparisons)


@settings(max_examples=12)
@given(sketch=sketches, design=machines())
def test_no_false_alarm_on_a_few_random_networks(sketch: Sketch, design: Design) -> None:
    computes_the_network(sketch, design)


@pytest.mark.slow
@settings(max_examples=200)
@given(sketch=sketches, design=machines())
def test_no_false_alarm_on_200_random_networks(sketch: Sketch, design: Design) -> None:
    computes_the_network(sketch, design)


@settings(max_examples=8)
@given(sketch=streamed, design=pipelines())
def test_no_false_alarm_on_a_few_random_pipelines(sketch: Sketch, design: Design) -> None:
    computes_the_network(sketch, design)


@pytest.mark.slow
@settings(max_examples=100)
@given(sketch=streamed, design=pipelines())
def test_no_false_alarm_on_100_random_pipelines(sketch: Sketch, design: Design) -> None:
    computes_the_network(sketch, design)
