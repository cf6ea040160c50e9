"""Every layer of a network equals PyTorch, on every board, in every dataflow."""

from __future__ import annotations

from typing import Any

import pytest

from cosim.design.design import Dataflow
from cosim.machine.values.replay import replay
from cosim.machine.values.singles import stored_singles
from cosim.simulate import simulate
from cosim.workload.capture import capture, record_values
from tests.values.cases import BOARDS, board, case, small

INT8 = {"bits_w": 8, "bits_a": 8}
TERNARY = {"bits_w": "ternary", "bits_a": 8}
VECQ4 = {"bits_w": 4, "bits_a": 8}


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("options", [INT8, TERNARY, VECQ4, {}], ids=str)
def test_every_layer_of_lenet_equals_pytorch(name: str, options: dict[str, Any]) -> None:
    outcome = case("lenet5", board(name), samples=3, **options).replay()
    assert outcome.agrees
    assert not outcome.taken
    assert all(c.compared for c in outcome.comparisons)
    assert any(c.exact for c in outcome.comparisons) is bool(options)


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("model", ["mlp", "tt-mlp"])
def test_dense_and_tensorized_perceptron_equal_pytorch(name: str, mode: str, model: str) -> None:
    options = {"rank": 8} if model == "tt-mlp" else {}
    outcome = case(model, board(name), mode=mode, batch=4, **options).replay()
    assert outcome.agrees
    assert not outcome.taken


@pytest.mark.parametrize("bits_g", [32, 16])
def test_a_tensorized_training_step_in_fixed_point_equals_pytorch(bits_g: int) -> None:
    options = {"rank": 8, "bits_w": 8, "bits_a": 8, "bits_g": bits_g}
    outcome = case("tt-mlp", board("pynq-z1"), mode="training", **options).replay()
    assert outcome.agrees
    assert not outcome.taken
    # every code is equal, to the last one: only products with the real input, and the loss,
    # are rounded in another order, each within its bound
    assert all(c.largest == 0.0 for c in outcome.comparisons if c.exact)
    apart = [c for c in outcome.comparisons if c.largest > 0.0]
    assert 0 < len(apart) < (5 if bits_g == 16 else 20)
    assert all(0.0 < c.share <= 1.0 for c in apart)


@pytest.mark.parametrize("scheme", ["vecq", "min-max"])
def test_weights_quantized_within_a_training_step_are_computed_by_the_machine(scheme: str) -> None:
    options = {"bits_w": 4, "bits_a": 8, "scheme": scheme}
    outcome = case("mlp", board("pynq-z1"), mode="training", **options).replay()
    assert outcome.agrees
    assert not outcome.taken


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_the_optimizers_update_equals_pytorch(optimizer: str) -> None:
    outcome = case("mlp", board("ultra96"), mode="training", optimizer=optimizer).replay()
    assert outcome.agrees


@pytest.mark.parametrize("dataflow", list(Dataflow))
@pytest.mark.parametrize("resident", [0, 1 << 18])
def test_dataflow_and_residency_change_no_value(dataflow: Dataflow, resident: int) -> None:
    design = small(dataflow=dataflow, buffer_bytes=8 << 10, resident_bytes=resident)
    assert case("lenet5", design, samples=2, **INT8).replay().agrees


@pytest.mark.parametrize("executor", ["simpy", "fast"])
def test_values_depend_on_the_program_and_not_on_the_executor(executor: str) -> None:
    outcome = case("lenet5", board("pynq-z1"), executor=executor, **INT8).replay()
    assert outcome.agrees


def test_zero_points_and_a_scale_for_each_channel_are_exact() -> None:
    outcome = case(
        "lenet5", board("pynq-z1"), samples=2, bits_w=8, bits_a=8, asymmetric=True,
        scheme="min-max", per_channel=True,
    ).replay()  # fmt: skip
    assert outcome.agrees


def _turning() -> Any:
    import torch
    from torch import nn

    class Net(nn.Module):
        """Halves, channels last, heads: operands that are strided views of others."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(4, 6)
            self.heads = nn.Linear(6, 12)

        def forward(self, x: Any) -> Any:
            first, second = self.conv(x[:, 1:4, ::2]).chunk(2, 1)
            joined = torch.cat([second.relu(), first + second], 1)
            rows = joined.permute(0, 2, 3, 1)
            mixed = self.linear(rows[..., 1:5]) * rows + rows.mean(3, keepdim=True)
            query, key = self.heads(mixed.flatten(1, 2)).chunk(2, -1)
            scores = (query @ key.transpose(1, 2)).softmax(-1)
            return (scores @ key).transpose(1, 2).contiguous() * 0.5

    torch.manual_seed(5)
    return Net().eval(), torch.randn(2, 5, 8, 7)


@pytest.mark.parametrize("buffer_bytes", [2 << 10, 16 << 10])
@pytest.mark.parametrize("resident", [0, 1 << 16])
def test_views_transposed_and_sliced_are_read_where_they_lie(
    buffer_bytes: int, resident: int
) -> None:
    model, x = _turning()
    taken = capture(model, (x,), name="turning")
    simulation = simulate(taken, small(buffer_bytes=buffer_bytes, resident_bytes=resident))
    single = stored_singles(simulation.mapping)
    reference = record_values(model, [x], taken, single=single)
    outcome = replay(simulation.mapping, simulation.result.timeline, reference)
    assert outcome.agrees
    assert not outcome.taken


@pytest.mark.slow
@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("cnv", {"bits_w": 1, "bits_a": 1}),
        ("mobilenetv2", {**INT8, "image_size": 96}),
        ("resnet18", {**INT8, "image_size": 64}),
    ],
)
def test_every_layer_of_larger_networks_equals_pytorch(
    name: str, model: str, options: dict[str, Any]
) -> None:
    outcome = case(model, board(name), **options).replay()
    assert outcome.agrees
    assert not outcome.taken
