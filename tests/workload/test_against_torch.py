"""What a capture says equals what torch's own instruments say."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cosim.workload.capture import capture
from cosim.workload.files import workload_hash
from cosim.workload.lifetime import memory
from cosim.workload.workload import Kind, Phase, Role, Workload
from tests.workload.networks import NETWORKS, training_step

CASES = [(name, mode) for name in NETWORKS for mode in ("inference", "training")]


def captured(name: str, mode: str, **options: object) -> Workload:
    torch.manual_seed(0)
    network, inputs = NETWORKS[name]()
    return capture(network, inputs, mode=mode, name=name, **options)


def target_for(name: str) -> torch.Tensor:
    network, inputs = NETWORKS[name]()
    with torch.no_grad():
        shape = network(inputs).shape
    count = shape[0] * shape[1] if len(shape) == 3 else shape[0]
    return torch.zeros(count, dtype=torch.long)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_macs_are_half_the_flops_of_torch(name: str, mode: str) -> None:
    network, inputs = NETWORKS[name]()
    counter = FlopCounterMode(display=False)
    sdpa = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    if mode == "inference":
        network.eval()
        with torch.no_grad(), counter, sdpa:
            network(inputs)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        target = target_for(name)
        with counter, sdpa:
            training_step(network, inputs, optimizer, target)
    workload = captured(name, mode)
    # torch 2.13 counts the weight gradient of a grouped convolution as if it were dense
    overcounted = sum(
        op.macs * (op.attributes["groups"] - 1)
        for op in workload.ops
        if op.attributes.get("gradient") == "weight"
    )
    assert workload.macs == counter.get_total_flops() / 2 - overcounted


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", NETWORKS)
def test_peak_of_a_training_step_is_that_of_the_memory_tracker(name: str, optimizer: str) -> None:
    workload = captured(name, "training", optimizer=optimizer)
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        network, inputs = NETWORKS[name]()
        parameters = network.parameters()
        made = (
            torch.optim.SGD(parameters, lr=0.1)
            if optimizer == "sgd"
            else torch.optim.Adam(parameters)
        )
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        made.step()
        made.zero_grad(set_to_none=True)
        target = torch.zeros(target_for(name).shape, dtype=torch.long)
        tracker = MemTracker()
        tracker.track_external(network, made, inputs, target)
        with tracker:
            training_step(network, inputs, made, target)
        (peak,) = (v["Total"] for v in tracker.get_tracker_snapshot("peak").values())
    assert memory(workload, "framework").peak == peak


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_fake_and_real_tensors_give_the_same_stream(name: str, mode: str) -> None:
    fake, real = (captured(name, mode, tensors=kind) for kind in ("fake", "real"))
    assert fake.ops == real.ops
    assert workload_hash(fake) == workload_hash(real)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_every_operation_has_a_layer_and_is_understood(name: str, mode: str) -> None:
    workload = captured(name, mode)
    network, _ = NETWORKS[name]()
    layers = {layer for layer, _ in network.named_modules()} | {"<root>", "<loss>"}
    assert {op.layer for op in workload.ops} <= layers
    assert not [op.name for op in workload.ops if op.kind is Kind.OTHER]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_backward_operation_knows_its_forward_operation(name: str) -> None:
    workload = captured(name, "training")
    backward = [op for op in workload.ops if op.phase is Phase.BACKWARD]
    assert backward
    for op in backward:
        assert op.forward_op is not None
        forward = workload.ops[op.forward_op]
        assert forward.phase is Phase.FORWARD
        if op.kind in (Kind.CONTRACTION, Kind.CONVOLUTION):
            assert (forward.kind, forward.layer) == (op.kind, op.layer)


def test_the_model_is_left_as_it_was() -> None:
    network, inputs = NETWORKS["lenet"]()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    identities = [id(p) for p in network.parameters()]
    network.eval()
    for tensors in ("fake", "real"):
        capture(network, inputs, mode="training", optimizer="adam", tensors=tensors)
    assert [id(p) for p in network.parameters()] == identities
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network.training
    assert all(p.grad is None for p in network.parameters())
    assert network(inputs).shape == (2, 10)


def test_an_optimizer_of_ones_own_is_taken_with_its_settings() -> None:
    network, inputs = NETWORKS["mlp"]()
    mine = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9)
    workload = capture(network, inputs, mode="training", optimizer=mine)
    momenta = [t for t in workload.tensors if t.role is Role.OPTIMIZER]
    assert {t.parameter for t in momenta} == {n for n, _ in network.named_parameters()}
    assert any(op.attributes.get("alpha") == -0.5 for op in workload.ops)
    assert not mine.state


def test_frozen_parameters_cost_neither_gradient_nor_state() -> None:
    network, inputs = NETWORKS["mlp"]()
    network[1].requires_grad_(False)
    workload = capture(network, inputs, mode="training", optimizer="adam")
    learned = {t.parameter for t in workload.tensors if t.role in (Role.GRADIENT, Role.OPTIMIZER)}
    assert learned - {""} == {"3.weight", "3.bias"}


def test_a_loss_of_ones_own_and_foreach_optimizers() -> None:
    network, inputs = NETWORKS["mlp"]()
    target = torch.randn(3, 5)
    workload = capture(
        network, inputs, mode="training", loss=functional.mse_loss, target=target,
        optimizer=lambda parameters: torch.optim.Adam(parameters, foreach=True),
    )  # fmt: skip
    plain = capture(
        network, inputs, mode="training", loss=functional.mse_loss, target=target, optimizer="adam"
    )

    def written(workload: Workload) -> set[str]:
        return {
            workload.tensors[t].name
            for op in workload.ops if op.phase is Phase.UPDATE for t in op.outputs
            if workload.tensors[t].birth < 0
        }  # fmt: skip

    assert written(workload) == written(plain)
    assert not [op.name for op in workload.ops if op.kind is Kind.OTHER]


def test_checkpointed_layers_run_forward_again() -> None:
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = NETWORKS["mlp"]()[0], torch.nn.Linear(5, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(checkpoint(self.inner, x, use_reentrant=False))

    workload = capture(Checkpointed(), torch.randn(3, 36), mode="training")
    again = [op for op in workload.ops if op.phase is Phase.BACKWARD and op.layer == "inner.1"]
    assert "aten.addmm.default" in [op.name for op in again]


def test_control_flow_on_values_falls_back_to_real_tensors() -> None:
    class Gate(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) if x.sum().item() > 0 else x

    workload = capture(Gate(4, 4), torch.ones(2, 4))
    assert workload.source["tensors"] == "real"
    assert workload.macs == 32
