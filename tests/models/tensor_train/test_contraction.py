"""A tensorized layer is its dense matrix, computed in planned pairwise products."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from models.errors import ModelError
from models.tensor_train import Schedule, TTLinear, contract, make_plan
from models.tensor_train.path import _tree_path, _trees, peak_elements
from models.tensor_train.plan import moved_elements, orient, plan_backward
from models.tensor_train.results.memory import StorageCounter

from .cases import FORMATS, SHAPES, layer


class Products(TorchDispatchMode):
    """Names of the operators that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func._schema.name.split("::")[1])
        return func(*args, **(kwargs or {}))


def operands_of(made: TTLinear, batch: int = 3) -> list[torch.Tensor]:
    x = torch.randn(batch, *made.weight.form.in_modes, dtype=torch.double)
    return [x, *(t.detach() for t in made.weight.operands())]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("path", ["chain", "search"])
@pytest.mark.parametrize("cost", ["macs", "peak_bytes"])
@pytest.mark.parametrize("stored", ["all", "inputs"])
def test_every_path_computes_the_dense_layer_and_its_gradients(format, path, cost, stored):
    made = layer(format, path=path, cost=cost, stored=stored)
    torch.nn.init.normal_(made.bias)
    x = torch.randn(5, 12, dtype=torch.double, requires_grad=True)
    wanted = x @ made.weight.dense().t() + made.bias
    variables = [x, *made.parameters()]
    expected = torch.autograd.grad(wanted.sin().sum(), variables)
    got = torch.autograd.grad(made(x).sin().sum(), variables)
    torch.testing.assert_close(made(x), wanted)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("format", ["ttm", "cp"])
def test_every_tree_of_contractions_gives_the_same_result(format):
    made = layer(format, bias=False)
    x = torch.randn(2, 12, dtype=torch.double)
    count = len(made.weight.factors) + 1
    wanted = x @ made.weight.dense().t()
    trees = list(_trees(tuple(range(count))))
    for tree in trees[:: max(1, len(trees) // 40)]:
        explicit = layer(format, bias=False, path=_tree_path(tree, count))
        torch.testing.assert_close(explicit(x), wanted)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("stored", ["all", "inputs"])
def test_gradients_agree_with_differences(format, stored):
    made = layer(format, stored=stored)
    x = torch.randn(2, 12, dtype=torch.double, requires_grad=True)
    names = [name for name, _ in made.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in made.parameters()]

    def call(x, *values):
        return torch.func.functional_call(made, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, (x, *values))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("batch", [1, 7])
def test_planned_multiplications_are_the_executed_ones(format, batch):
    made = layer(format, bias=False)
    x = torch.randn(batch, 12, dtype=torch.double, requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        y = made(x)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()
    needs = (True,) * (len(made.weight.factors) + 1)
    plan = made.weight.plan_for(made.weight.form.network(batch), needs)
    assert forward.get_total_flops() == 2 * plan.macs
    assert backward.get_total_flops() == 2 * plan_backward(plan, needs).macs
    assert 2 * sum(g.macs for g in plan.gemms(needs)) == (
        forward.get_total_flops() + backward.get_total_flops()
    )


@pytest.mark.parametrize("format", FORMATS)
def test_each_step_is_one_matrix_product_and_nothing_else_multiplies(format):
    made = layer(format)
    x = torch.randn(3, 12, dtype=torch.double)
    with Products() as seen:
        made(x).sum().backward()
    steps = len(made.weight.factors)
    needs = (False, *(True,) * steps)
    plan = made.weight.plan_for(made.weight.form.network(3), needs)
    products = [n for n in seen.names if n in ("mm", "bmm", "addmm", "baddbmm", "einsum", "mul")]
    assert len(products) == steps + len(plan_backward(plan, needs).steps)
    assert set(products) <= {"mm", "bmm"}


def test_gradients_that_nobody_needs_are_not_computed():
    made = layer("ttm", bias=False)
    for factor in list(made.weight.factors)[1:]:
        factor.requires_grad_(False)
    x = torch.randn(3, 12, dtype=torch.double)
    with FlopCounterMode(display=False) as backward:
        made(x).sum().backward()
    whole = layer("ttm", bias=False)
    with FlopCounterMode(display=False) as all_of_it:
        whole(x.clone().requires_grad_()).sum().backward()
    assert backward.get_total_flops() < all_of_it.get_total_flops()
    assert made.weight.factors[0].grad is not None
    assert made.weight.factors[1].grad is None


@pytest.mark.parametrize("stored", ["all", "inputs", (4,)])
def test_the_declared_intermediates_are_kept_and_no_other(stored):
    made = layer("ttm", bias=False)
    operands = [t.requires_grad_() for t in operands_of(made)]
    plan = make_plan(made.weight.form.network(3), ((0, 1), (4, 2), (5, 3)))
    y = contract(Schedule(plan, stored), *operands)
    node = y.grad_fn
    while not hasattr(node, "intermediates"):
        node = node.next_functions[0][0]
    expected = {"all": {4, 5}, "inputs": set()}.get(stored, {4})
    assert set(node.intermediates) == expected
    sizes = {n: plan.steps[n - 4].pair.size for n in expected}
    assert {n: t.numel() for n, t in node.intermediates.items()} == sizes


def test_recomputing_costs_exactly_the_missing_steps_and_changes_no_gradient():
    made = layer("ttm", bias=False)
    network = made.weight.form.network(3)
    plan = make_plan(network, ((0, 1), (4, 2), (5, 3)))
    found = {}
    for stored in ("all", "inputs", (4,)):
        operands = [t.requires_grad_() for t in operands_of(layer("ttm", bias=False))]
        torch.manual_seed(1)
        y = contract(Schedule(plan, stored), *operands)
        with FlopCounterMode(display=False) as counter:
            gradients = torch.autograd.grad(y.sum(), operands[1:])
        found[stored] = (counter.get_total_flops(), gradients)
    first, second = (step.pair.gemm.macs for step in plan.steps[:2])
    # Value 5 is read first and needs 4, which is then there.
    assert found["inputs"][0] == found["all"][0] + 2 * (first + second)
    assert found[4,][0] == found["all"][0] + 2 * second


def test_a_graph_may_be_walked_twice():
    made = layer("ttm")
    y = made(torch.randn(3, 12, dtype=torch.double)).sum()
    first = torch.autograd.grad(y, list(made.parameters()), retain_graph=True)
    second = torch.autograd.grad(y, list(made.parameters()))
    torch.testing.assert_close(first, second)


def test_what_follows_may_work_in_place():
    made = layer("ttm", bias=False)
    x = torch.randn(1, 12, dtype=torch.double)
    torch.testing.assert_close(torch.relu_(made(x)), torch.relu(x @ made.weight.dense().t()))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("stored", ["all", "inputs"])
def test_planned_peak_is_the_measured_peak(format, stored):
    made = layer(format, bias=False)
    operands = operands_of(made)
    network = made.weight.form.network(3)
    needs = (True,) * len(operands)
    for cost in ("macs", "peak_bytes"):
        tried = layer(format, bias=False, cost=cost)
        plan = tried.weight.plan_for(network, needs)
        existing = 8 * sum(t.numel() for t in operands)
        with StorageCounter([("operand", t) for t in operands]) as counter, torch.no_grad():
            contract(Schedule(plan), *operands)
        assert counter.count().peak == existing + 8 * peak_elements(plan)
        leaves = [t.clone().requires_grad_() for t in operands]
        upstream = torch.ones(3, *made.weight.form.out_modes, dtype=torch.double)
        held = [("operand", t) for t in (*leaves, upstream)]
        with StorageCounter(held) as counter:
            y = contract(Schedule(plan, stored), *leaves)
            kept = torch.autograd.grad(y, leaves, upstream)
        assert len(kept) == len(leaves)
        kept_values = None if stored == "all" else frozenset()
        planned = peak_elements(plan, needs, kept_values)
        assert counter.count().peak == existing + 8 * upstream.numel() + 8 * planned


@pytest.mark.parametrize("format", FORMATS)
def test_orientation_changes_neither_path_cost_nor_result(format):
    made = layer(format, bias=False)
    network = made.weight.form.network(3)
    plan = make_plan(network, made.weight.plan_for(network, None).path)
    turned = orient(plan)
    operands = operands_of(made)
    assert turned.macs == plan.macs
    assert moved_elements(turned) <= moved_elements(plan)
    torch.testing.assert_close(
        contract(Schedule(turned), *operands), contract(Schedule(plan), *operands)
    )


@settings(max_examples=25)
@given(
    modes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3),
    rank=st.integers(1, 3),
    batch=st.integers(1, 3),
)
def test_any_modes_equal_the_dense_layer(modes, rank, batch):
    inputs, outputs = zip(*modes, strict=True)
    bound = max((1, *(min(a, b) for a, b in _splits(modes))))
    made = TTLinear(inputs, outputs, min(rank, bound)).double()
    x = torch.randn(batch, made.in_features, dtype=torch.double)
    torch.testing.assert_close(made(x), x @ made.weight.dense().t() + made.bias)


def _splits(modes):
    sizes = [a * b for a, b in modes]
    for n in range(1, len(sizes)):
        left, right = 1, 1
        for s in sizes[:n]:
            left *= s
        for s in sizes[n:]:
            right *= s
        yield left, right


def test_stored_values_must_be_intermediates():
    made = layer("ttm")
    plan = make_plan(made.weight.form.network(1), ((0, 1), (4, 2), (5, 3)))
    with pytest.raises(ModelError, match="value 6 is no intermediate"):
        Schedule(plan, (6,))
    with pytest.raises(ModelError, match="'all', 'inputs'"):
        Schedule(plan, "none")


def test_rank_of_every_shape_is_as_given():
    for format, (inputs, outputs, ranks) in SHAPES.items():
        assert TTLinear(inputs, outputs, ranks, format=format).ranks == ranks
