"""Networks with values on designs, simulated and recorded once each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cosim.design as designs
from cosim.design.design import Buffer, Dataflow, Design
from cosim.machine.values.fixed_point import Recording, reference_for
from cosim.machine.values.pipeline.replay import replay_pipeline
from cosim.machine.values.replay import replay
from cosim.machine.values.state import Outcome
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.simulate import Simulation, simulate
from cosim.workload.capture import record_values, seeded
from cosim.workload.networks import load_or_capture
from cosim.workload.reference import Held, Reference
from cosim.workload.workload import Workload

BOARDS = ("edge-asic-16x16", "pynq-z1", "ultra96")


@dataclass(frozen=True)
class Case:
    """A simulated workload with its reference values."""

    simulation: Simulation
    reference: Reference

    def replay(self, **options: Any) -> Outcome:
        mapping, timeline = self.simulation.mapping, self.simulation.result.timeline
        if isinstance(mapping, PipelineMapping):
            return replay_pipeline(mapping, timeline, self.reference, **options)
        return replay(mapping, timeline, self.reference, **options)


@cache
def board(name: str) -> Design:
    return designs.load(name)


def small(
    board_name: str = "edge-asic-16x16", dataflow: Dataflow | None = None,
    buffer_bytes: int | None = None, resident_bytes: int | None = None,
    accumulator_bits: int | None = None,
) -> Design:  # fmt: skip
    """A board with smaller buffers, another dataflow or another accumulator."""
    design = board(board_name)
    array = design.array
    if dataflow is not None:
        array = replace(array, dataflow=dataflow)
    if accumulator_bits is not None:
        array = replace(array, accumulator_bits=accumulator_bits)
    buffers: list[Buffer] = []
    for buffer in design.buffers:
        size = resident_bytes if "resident" in buffer.holds else buffer_bytes
        if size != 0:
            buffers.append(buffer if size is None else replace(buffer, size_bytes=size))
    return replace(design, array=array, buffers=tuple(buffers))


@cache
def network(name: str, options: tuple[tuple[str, Any], ...], samples: int, batch: int) -> Any:
    """A network with uneven batch norms and calibrated quantizers, and its inputs."""
    import torch

    from models import networks
    from models.quantization import calibrate

    given = dict(options)
    with seeded():
        model = networks.build(name, **given)
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0.0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0.0, 0.1)
    inputs = [networks.example_input(name, batch=batch, seed=i, **given) for i in range(samples)]
    calibrate(model, inputs)
    return model, inputs


@cache
def workload(
    name: str, options: tuple[tuple[str, Any], ...], mode: str, batch: int, optimizer: str
) -> Workload:
    return load_or_capture(name, dict(options), mode=mode, batch=batch, optimizer=optimizer)


def case(
    name: str, design: Design, *, mode: str = "inference", samples: int = 1, batch: int = 1,
    optimizer: str = "sgd", executor: str = "auto", **options: Any,
) -> Case:  # fmt: skip
    """A network of `models` on a design, run and recorded."""
    from models import networks

    given = tuple(sorted(options.items()))
    taken = workload(name, given, mode, batch, optimizer)
    simulation = simulate(taken, design, executor=executor)
    model, inputs = network(name, given, samples, batch)
    training: dict[str, Any] = {}
    if mode == "training":
        target = networks.example_target(name, batch=batch, **options)
        training = {"target": target, "loss": networks.loss, "optimizer": optimizer}

    def record(single: frozenset[tuple[int, int]], held: Held | None) -> Reference:
        return record_values(model, inputs, taken, single=single, held=held, **training)

    return Case(simulation, reference_of(simulation, record))


def reference_of(simulation: Simulation, record: Recording) -> Reference:
    """A reference as the memory of a design's machine holds it."""
    if isinstance(simulation.mapping, PipelineMapping):
        return record(frozenset(), None)
    return reference_for(simulation.mapping, record)


@cache
def pipeline(base: str = "ultra96-pipeline", **changes: Any) -> Design:
    """A pipeline on a board that is large enough for every network."""
    design = board(base)
    assert design.pipeline is not None
    return replace(design, pipeline=replace(design.pipeline, board=None, **changes))
