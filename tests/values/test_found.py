"""Faults of the mapping that values have found, each kept as a statement about the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cosim.design.arrays import RowStationaryArray
from cosim.design.design import Design
from cosim.machine.values.replay import replay
from cosim.machine.values.singles import stored_singles
from cosim.mapping.mapping import map_workload
from cosim.mapping.regions import tasks_of
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.cases import board, case, small


def computes(model: Any, x: Any, design: Design, training: bool) -> None:
    loss = (lambda y: y.square().mean()) if training else None
    mode = "training" if training else "inference"
    workload = capture(model, (x,), mode=mode, loss=loss, name="found")
    simulation = simulate(workload, design)
    single = stored_singles(simulation.mapping)
    reference = record_values(model, [x], workload, loss=loss, single=single)
    outcome = replay(simulation.mapping, simulation.result.timeline, reference)
    assert outcome.agrees
    assert not outcome.taken


def convolution(*shape: int, **options: Any) -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.ReLU(), nn.Conv2d(*shape, **options))


def image(*shape: int) -> Any:
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), requires_grad=True)


def test_a_weight_loaded_first_waits_for_its_own_writer() -> None:
    """Weights quantized within the step: loaded before the inputs, so they wait before them."""
    outcome = case("mlp", board("pynq-z1"), mode="training", bits_w=8, bits_a=8).replay()
    assert outcome.agrees


@pytest.mark.parametrize(
    ("stride", "kernel", "padding", "size"),
    [(2, 1, 0, 7), (3, 3, 1, 5), (3, 2, 0, 9), (1, 1, 2, 4)],
)
def test_a_strided_input_gradient_is_written_whole_zeros_included(
    stride: int, kernel: int, padding: int, size: int
) -> None:
    from torch import nn

    model = nn.Sequential(
        nn.Conv2d(2, 3, 1), convolution(3, 4, kernel, stride=stride, padding=padding)
    )
    computes(model, image(2, 2, size, size), small(buffer_bytes=2 << 10), training=True)


def test_a_statistics_pass_writes_nothing_and_the_next_writes_all() -> None:
    """Batch norm whose channels fit no buffer: two passes, and the first store waits once."""
    from torch import nn

    model = nn.Sequential(convolution(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1))
    computes(model, image(3, 2, 12, 12), small(buffer_bytes=768), training=True)


def test_the_arrays_operand_is_loaded_again_where_the_epilogue_adds_it() -> None:
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = convolution(4, 4, 1)[1]

        def forward(self, x: Any) -> Any:
            return x + self.convolution(x)

    model, x = Residual(), image(1, 4, 9, 9).detach()
    computes(model, x, small(buffer_bytes=1 << 10), training=False)
    mapping = map_workload(capture(model, (x,), name="found"), small(buffer_bytes=1 << 10))
    loads = [t for tasks in tasks_of(mapping).values() for t in tasks if t.activity == "load"]
    names = [task.takes[0].name for task in loads]
    assert names.count("streaming") > 0
    assert sum(name.isdigit() for name in names) >= names.count("streaming")


def test_a_weight_of_one_number_is_an_operand_like_others() -> None:
    for training in (False, True):
        computes(convolution(1, 1, 1), image(1, 1, 6, 6), small(buffer_bytes=1 << 10), training)


def test_a_parameter_that_is_updated_is_read_from_memory() -> None:
    """``w += -lr * g`` moves the weight twice: in and out."""
    mapping = case("mlp", board("ultra96"), mode="training").simulation.mapping
    tensors = {t.id: t for t in mapping.workload.tensors}
    updates = [g for g in mapping.grouping.groups if "update" in g.name]
    assert updates
    for group in updates:
        assert set(group.writes) <= set(group.reads)
        assert all(tensors[t].role == "weight" for t in group.writes)


def test_a_slice_belongs_to_an_allocation_that_reaches_to_its_end() -> None:
    import torch
    from torch import nn

    class Second(nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:, 2:3].relu() + x[:, :1]

    x = torch.randn(1, 5, 8, 8)
    mapping = map_workload(capture(Second(), (x,), name="found"), board("pynq-z1"))
    storage = mapping.memory.storages[
        next(t.storage for t in mapping.workload.tensors if t.name == "input")
    ]
    assert storage.bytes == 4 * x.numel()
    computes(Second(), x, board("pynq-z1"), training=False)


def test_a_convolution_that_sees_nothing_but_padding_loads_nothing() -> None:
    """Its outputs lie on a border of zeros, every other pixel: no input is ever read."""
    net = convolution(1, 2, kernel_size=1, stride=2, padding=1)
    computes(net, image(1, 1, 1, 1), small(buffer_bytes=512, resident_bytes=0), training=False)


def test_what_deployment_makes_of_factors_is_rounded_on_both_sides() -> None:
    """A host multiplies in double precision what memory holds in single."""
    outcome = case("tt-mlp", board("t-dla"), rank=8).replay()
    assert outcome.agrees
    assert max(c.share for c in outcome.comparisons) <= 1.0


def test_a_result_that_is_read_through_a_view_alone_is_written() -> None:
    """Beside statistics that the backward pass reads, nobody names the normalized tensor itself."""
    import torch
    from torch import nn

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.norm, self.turn = nn.LayerNorm(8), nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.turn(self.norm(x)[:, 0])

    model, x = First(), torch.randn(2, 5, 8)
    workload = capture(model, (x,), mode="training", loss=lambda y: y.square().mean())
    mapping = map_workload(workload, small())
    norm = next(g for g in mapping.grouping.groups if g.ops[0].name.endswith("layer_norm.default"))
    assert norm.ops[0].outputs[0] in norm.writes


@pytest.mark.parametrize("buffer_bytes", [16384, 1024])
def test_a_layer_norm_learns_whole_and_in_pieces(buffer_bytes: int) -> None:
    """Its constants' gradients are sums over all rows, which come piece by piece."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.GELU(), nn.Linear(12, 3))
    machine = small(buffer_bytes=buffer_bytes, resident_bytes=0)
    computes(model, torch.randn(2, 17, 6), machine, training=True)


def test_gradients_of_selections_and_slices_are_pytorchs() -> None:
    import torch
    from torch import nn

    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.turn = nn.Linear(6, 8)

        def forward(self, x: Any) -> Any:
            y = self.turn(x)
            return y[:, 1] * y[:, 3:5].sum(1) + y[:, ::2].mean(1)

    computes(Parts(), torch.randn(2, 7, 6), small(buffer_bytes=4096), training=True)


@pytest.mark.parametrize("columns", [1, 3, 14])
def test_tiles_of_a_fused_pooling_hold_whole_windows_whatever_the_array_prefers(
    columns: int,
) -> None:
    """Rows of results as an array of seven rows likes them cut a window of two."""
    import torch

    array = board("edge-asic-16x16").array
    design = replace(
        small(buffer_bytes=512, resident_bytes=0),
        array=RowStationaryArray(
            "array", 7, columns, 224, 12, 24, 4, 1, 4, array.clock, array.precisions
        ),
    )  # fmt: skip
    for kernel in ((2, 5), (2, 1)):
        model = torch.nn.Sequential(
            convolution(1, 1, kernel_size=kernel, stride=2, padding=1), torch.nn.MaxPool2d(2)
        )  # fmt: skip
        computes(model, image(1, 1, 6, 6), design, training=False)
