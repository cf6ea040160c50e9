"""What holds for every captured stream: dependencies, lifetimes, roles, memory."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn

from cosim.workload.capture import capture
from cosim.workload.files import check_workload
from cosim.workload.lifetime import allocations, memory
from cosim.workload.quantized import DTYPE_BITS
from cosim.workload.views import extent
from cosim.workload.workload import Kind, Phase, Role, Tensor, Workload
from tests.workload.networks import NETWORKS

CASES = [(name, mode) for name in NETWORKS for mode in ("inference", "training")]


@lru_cache
def captured(name: str, mode: str) -> Workload:
    network, inputs = NETWORKS[name]()
    return capture(network, inputs, mode=mode, optimizer="adam", name=name)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def workload(request: pytest.FixtureRequest) -> Workload:
    return captured(*request.param)


def elements_of(tensor: Tensor) -> frozenset[int]:
    """Positions in the storage, one by one."""
    strides = tensor.strides
    if not strides:
        return frozenset(range(tensor.offset, tensor.offset + tensor.elements))
    grid = np.indices(tensor.shape).reshape(len(tensor.shape), -1)
    return frozenset((tensor.offset + np.array(strides) @ grid).tolist())


def test_what_shares_elements_with_a_writer_waits_for_it(workload: Workload) -> None:
    """Read after write, write after read and write after write follow from the dependencies."""
    cells = {t.id: elements_of(t) for t in workload.tensors if t.elements < 200_000}
    before: list[int] = []  # for each operation, those that must have finished, as a bit set
    touched: dict[int, list[tuple[int, bool, frozenset[int]]]] = {}
    for op in workload.ops:
        closure = 0
        for other in op.depends:
            closure |= before[other] | 1 << other
        before.append(closure)
        uses = [(t, False) for t in op.inputs] + [(t, True) for t in op.outputs]
        for tensor, writes in uses:
            mine = cells[tensor]
            for other, wrote, theirs in touched.get(workload.tensors[tensor].storage, []):
                if (writes or wrote) and mine & theirs:
                    assert closure >> other & 1, (other, op.id)
        for tensor, writes in uses:
            storage = workload.tensors[tensor].storage
            touched.setdefault(storage, []).append((op.id, writes, cells[tensor]))


def test_dependencies_name_only_what_shares_a_storage(workload: Workload) -> None:
    storages = [
        {workload.tensors[t].storage for t in (*op.inputs, *op.outputs)} for op in workload.ops
    ]
    for op in workload.ops:
        for other in op.depends:
            assert storages[op.id] & storages[other]


def test_the_stream_is_consistent(workload: Workload) -> None:
    check_workload(workload)


def test_tensors_are_written_before_they_are_read(workload: Workload) -> None:
    written = {t.storage for t in workload.tensors if t.birth < 0}
    for op in workload.ops:
        for tensor in op.inputs:
            assert workload.tensors[tensor].storage in written
        written.update(workload.tensors[tensor].storage for tensor in op.outputs)


def test_views_of_one_storage_agree(workload: Workload) -> None:
    for tensor in workload.tensors:
        first = next(t for t in workload.tensors if t.storage == tensor.storage)
        assert (first.role, first.birth, first.death) == (tensor.role, tensor.birth, tensor.death)


def test_no_two_tensors_hold_the_same_elements(workload: Workload) -> None:
    keys = [
        (t.storage, elements_of(t), t.dtype) for t in workload.tensors if 0 < t.elements < 200_000
    ]
    assert len(set(keys)) == len(keys)


def test_roles_add_up_to_the_total(workload: Workload) -> None:
    for unit in ("framework", "hardware"):
        used = memory(workload, unit)
        assert len(used.total) == len(workload.ops)
        assert (sum(used.by_role.values()) == used.total).all()
        assert used.peak == sum(used.peak_by_role.values()) == used.total[used.peak_op]
        assert used.peak == sum(a.bytes for a in used.alive(used.peak_op))


def test_memory_of_every_moment_is_what_is_alive(workload: Workload) -> None:
    used = memory(workload, "framework")
    for op in range(0, len(workload.ops), 7):
        assert used.total[op] == sum(a.bytes for a in used.alive(op))


def test_hardware_takes_no_more_than_the_framework(workload: Workload) -> None:
    assert memory(workload, "hardware").peak <= memory(workload, "framework").peak


def test_an_allocation_holds_all_of_its_tensors(workload: Workload) -> None:
    sizes = {a.storage: a.bytes for a in allocations(workload, "framework")}
    for tensor in workload.tensors:
        reach = extent(tensor.shape, tensor.strides) if tensor.strides else tensor.elements
        end = (tensor.offset + reach) * DTYPE_BITS[tensor.dtype] // 8 if reach else 0
        assert end <= sizes[tensor.storage]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient_and_an_update(name: str) -> None:
    workload = captured(name, "training")
    parameters = {t.parameter for t in workload.tensors if t.role is Role.WEIGHT and t.parameter}
    gradients = {t.parameter for t in workload.tensors if t.role is Role.GRADIENT} - {""}
    state = {t.parameter for t in workload.tensors if t.role is Role.OPTIMIZER}
    written = {
        workload.tensors[t].parameter
        for op in workload.ops if op.phase is Phase.UPDATE for t in op.outputs
        if workload.tensors[t].role is Role.WEIGHT
    }  # fmt: skip
    assert parameters == gradients == state == written


def test_phases_follow_each_other(workload: Workload) -> None:
    order = [list(Phase).index(op.phase) for op in workload.ops]
    assert order == sorted(order)
    assert workload.mode == "training" or set(order) == {0}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_result_of_an_inference_survives(name: str) -> None:
    workload = captured(name, "inference")
    last = workload.ops[-1]
    result = workload.tensors[last.outputs[0]]
    assert (result.role, result.death) == (Role.ACTIVATION, len(workload.ops))


def test_an_inference_uses_running_statistics_and_no_dropout() -> None:
    network, inputs = NETWORKS["lenet"]()
    workload = capture(network, inputs)
    (norm,) = (op for op in workload.ops if op.kind is Kind.NORMALIZATION)
    assert norm.attributes["training"] is False
    assert not [op for op in workload.ops if op.attributes.get("function") == "random"]


def test_in_place_operations_keep_their_tensor() -> None:
    network, inputs = NETWORKS["residual"]()
    relu = [op for op in capture(network, inputs).ops if op.attributes.get("function") == "relu"]
    assert relu
    assert all(op.inputs == op.outputs for op in relu)


def test_accumulated_gradients_belong_to_the_branches_they_join() -> None:
    network, inputs = NETWORKS["residual"]()
    workload = capture(network, inputs, mode="training")
    sums = [
        op for op in workload.ops if op.phase is Phase.BACKWARD and op.name == "aten.add.Tensor"
    ]
    assert {op.layer for op in sums} <= {"0.first", "0.shortcut", "1.first", "1.shortcut"}
    assert sums


def test_unknown_operators_are_recorded_with_their_name() -> None:
    class Sorter(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.qr(x).Q

    (op,) = capture(Sorter(), torch.randn(3, 3)).ops
    assert (op.kind, op.name, op.layer) == (Kind.OTHER, "aten.linalg_qr.default", "<root>")


def test_a_view_of_a_larger_buffer_counts_the_buffer() -> None:
    class Window(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.arange(40.0)[:10])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.table[2:4]

    workload = capture(Window(), torch.randn(2))
    used = memory(workload, "framework").by_role[Role.WEIGHT]
    assert used.tolist() == [160]
    table = workload.tensors[workload.ops[0].inputs[1]]
    assert (table.shape, table.offset) == ((2,), 2)
