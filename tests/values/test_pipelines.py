"""Pipelines in numbers: every layer equals PyTorch's, whatever the engines and FIFOs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.design import load
from cosim.design.design import Design
from cosim.errors import CosimError
from cosim.explore.value_reference import ValueOptions
from cosim.explore.value_run import value_run
from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.memory import Absent
from cosim.machine.values.pipeline.inspect import PipelineInspection
from cosim.machine.values.pipeline.memories import Ring
from cosim.mapping.pipeline.fifos import Fifo
from cosim.mapping.pipeline.mapping import PipelineMapping
from cosim.mapping.pipeline.stages import Shape
from tests.values.cases import Case, board, case, pipeline

W1A1 = {"bits_w": 1, "bits_a": 1}


def published(name: str) -> Design:
    """A design of `scenarios/designs`."""
    import scenarios

    return load(Path(scenarios.__file__).parent / "designs" / f"{name}.toml")


@pytest.mark.parametrize("bits_w", [8, "ternary", 4, 1])
def test_lenet_equals_pytorch_with_several_images_in_flight(bits_w: int | str) -> None:
    outcome = case("lenet5", pipeline(), batch=3, samples=2, bits_w=bits_w, bits_a=8).replay()
    assert outcome.agrees
    assert not outcome.taken
    assert any(c.exact for c in outcome.comparisons)
    assert all(c.compared and c.share <= 1.0 for c in outcome.comparisons)


@pytest.mark.parametrize("name", ["ultra96-pipeline", "pynq-z1-pipeline"])
def test_cnv_equals_pytorch_on_the_boards(name: str) -> None:
    outcome = case("cnv", board(name), **W1A1).replay()
    assert outcome.agrees
    assert len(outcome.comparisons) == 11


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"bits_w": 8, "bits_a": 8}),
        ("lfc", {}),
        ("ds-cnn", {"bits_w": 8, "bits_a": 8}),  # depthwise, an average of the whole image
    ],
)
def test_other_networks_equal_pytorch(name: str, options: dict[str, Any]) -> None:
    assert case(name, pipeline(), batch=2, **options).replay().agrees


@pytest.mark.slow
@pytest.mark.parametrize(
    ("design", "network", "options"),
    [
        ("finn-cnv-ultra96", "cnv", W1A1),
        ("finn-cnv-w2a2-ultra96", "cnv", {"bits_w": 2, "bits_a": 2}),
        ("finn-lfc-ultra96", "lfc", {"inputs": 832}),
    ],
)
def test_published_pipelines_hold_their_networks(
    design: str, network: str, options: dict[str, Any]
) -> None:
    outcome = case(network, published(design), num_classes=64, **options).replay()
    assert outcome.agrees
    assert all(c.compared for c in outcome.comparisons)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bits", "size"), [("resnet18", 4, 32), ("resnet18", 8, 64), ("mobilenetv2", 8, 96)]
)
def test_residual_networks_equal_pytorch(name: str, bits: int, size: int) -> None:
    design = pipeline(simd=64, pe=16)
    outcome = case(name, design, image_size=size, bits_w=bits, bits_a=bits).replay()
    assert outcome.agrees
    assert all(c.compared for c in outcome.comparisons)


def test_the_result_lies_in_dram_as_pytorch_has_it() -> None:
    found = case("lenet5", pipeline(), batch=2, samples=2, bits_w=8, bits_a=8)
    outcome = found.replay()
    ((tensor, values),) = outcome.outputs.items()
    op = next(op for op in found.simulation.workload.ops if tensor in op.outputs)
    np.testing.assert_allclose(values, found.reference.outputs[op.id, 0], rtol=1e-12)


def test_narrower_rescaling_has_no_meaning_for_thresholds() -> None:
    simulation = case("lenet5", pipeline(), bits_w=8, bits_a=8).simulation
    with pytest.raises(CosimError, match="thresholds instead of scales"):
        value_run(simulation, ValueOptions(arithmetic=Arithmetic(rescale_as="single")))
    assert value_run(simulation).agrees


@given(depth=st.integers(0, 6), reads=st.lists(st.integers(0, 12), max_size=12))
def test_a_ring_gives_what_was_written_last_or_says_why_not(depth: int, reads: list[int]) -> None:
    fifo = Fifo(0, 1, "a > b", Shape(2, 2, 4), 8, 4, 4, depth)
    ring, written = Ring(fifo), 0
    with pytest.raises(Absent, match=r"is given where .* is next"):
        ring.write(1, np.zeros((1, 4)))
    for wanted in reads:
        for token in range(written, min(written + 2, 12)):
            ring.write(token, np.full((1, 4), token))
            written = token + 1
        if written - fifo.capacity <= wanted < written:
            assert (ring.read(wanted) == wanted).all()
        else:
            expected = "has not come in" if wanted >= written else "was overwritten by image"
            with pytest.raises(Absent, match=expected):
                ring.read(wanted)


# A single task


def _looked_at(found: Case) -> tuple[PipelineInspection, PipelineMapping]:
    mapping = found.simulation.mapping
    assert isinstance(mapping, PipelineMapping)
    return PipelineInspection(mapping), mapping


def test_a_task_says_what_it_takes_reads_and_gives() -> None:
    found = case("lenet5", pipeline(), batch=2, bits_w=8, bits_a=8)
    look, mapping = _looked_at(found)
    told = look.task("conv2", 0)
    assert told["activity"] == "compute"
    (window,) = told["reads"]
    assert window["tensor"] == "lines of conv2 window"
    assert window["elements"] == 6 * 5 * 5
    conv1 = look.task("conv1", 0)["reads"][0]
    assert conv1["box"][1][:2] == [0, 3]  # three of five rows, the others are padding
    taken = look.task("conv2 window", 0)["reads"][0]
    assert taken["tensor"] == "pool1 > conv2"
    for component in mapping.program.components:
        assert len(look.tasks[component.name]) == component.tasks
    with pytest.raises(CosimError, match="has no task 99999999"):
        look.task("conv1", 99999999)


def test_the_numbers_of_a_task_are_pytorchs() -> None:
    found = case("mlp", pipeline(simd=64, pe=64), batch=2, bits_w=8, bits_a=8)
    look, _ = _looked_at(found)
    beside = 0
    for component, tasks in look.tasks.items():
        for ordinal in range(0, len(tasks), max(1, len(tasks) // 5)):
            for tile in look.tiles(
                component, ordinal, found.simulation.result.timeline, found.reference
            ):
                if tile.expected is not None:
                    beside += 1
                    assert tile.values.shape == tile.expected.shape
                    assert tile.differing == 0
    assert beside > 10


def test_a_fold_is_done_before_its_outputs_are_given() -> None:
    """The engines count cycles themselves: a program that hurries them is caught."""
    found = case("lenet5", pipeline(), bits_w=8, bits_a=8)
    look, _ = _looked_at(found)
    tasks = {name: list(listed) for name, listed in look.tasks.items()}
    at = next(i for i, t in enumerate(tasks["fc2"]) if t.gives)
    tasks["fc2"][at] = replace(tasks["fc2"][at], cycles=tasks["fc2"][at].cycles - 1)
    with pytest.raises(CosimError, match=r"has \d+ outputs after|elements, \d+ have come in"):
        found.replay(tasks=tasks)
