"""The searched path is the cheapest one for the sizes at hand, and is written down."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.tensor_train import Network, TTLinear, factorization, make_plan, search_path
from models.tensor_train.path import _tree_path, _trees, peak_elements
from models.tensor_train.plan import chain_path, check_path

MODES = ((4, 7, 4, 7), (4, 4, 8, 4))


def all_paths(network: Network) -> list:
    count = len(network.operands)
    return [_tree_path(tree, count) for tree in _trees(tuple(range(count)))]


def layer_network(rank: int, batch: int) -> Network:
    return factorization("ttm", *MODES, rank).network(batch)


@settings(max_examples=20)
@given(rank=st.integers(1, 12), batch=st.sampled_from([1, 2, 16, 128]))
def test_search_finds_the_fewest_multiplications_of_all_trees(rank, batch):
    network = layer_network(rank, batch)
    found = make_plan(network, search_path(network)).macs
    assert found == min(make_plan(network, path).macs for path in all_paths(network))


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("rank", [2, 8])
def test_search_with_gradients_counts_the_backward_products(rank, batch):
    network, needs = layer_network(rank, batch), (False, True, True, True, True)
    total = {
        path: sum(g.macs for g in make_plan(network, path).gemms(needs))
        for path in all_paths(network)
    }
    assert total[search_path(network, "macs", needs)] == min(total.values())


@pytest.mark.parametrize("needs", [None, (False, True, True, True, True)])
def test_peak_search_is_at_least_as_small_as_every_other_path(needs):
    network = layer_network(6, 1)
    peaks = [peak_elements(make_plan(network, path), needs) for path in all_paths(network)]
    plan = make_plan(network, search_path(network, "peak_bytes", needs))
    assert peak_elements(plan, needs) == min(peaks)


def test_a_latency_model_decides():
    network = layer_network(8, 4)

    exact = {
        path: sum(g.macs + 900 for g in make_plan(network, path).gemms())
        for path in all_paths(network)
    }
    assert exact[search_path(network, lambda g: g.macs + 900)] == min(exact.values())


def test_the_dense_matrix_is_rebuilt_only_where_that_is_cheapest():
    def rebuilds(rank: int, batch: int) -> bool:
        network = layer_network(rank, batch)
        *_, last = make_plan(network, search_path(network)).steps
        return {last.left, last.right} == {0, 7}

    assert rebuilds(20, 100_000)
    assert not rebuilds(20, 1)
    assert not rebuilds(4, 128)


def test_published_chain_costs_are_met():
    """Multiplications at batch 1 of the 784x512 layer with uniform rank, by arithmetic on the
    right-to-left order of the literature (ranks here are not capped by the bounds)."""
    form = factorization("ttm", *MODES, 10)
    network = form.network(1)
    right_to_left = ((0, 4), (5, 3), (6, 2), (7, 1))
    left_to_right = chain_path(5)
    assert make_plan(network, right_to_left).macs == 768_640
    assert make_plan(network, left_to_right).macs == 739_200


def test_chain_is_left_to_right():
    assert chain_path(4) == ((0, 1), (4, 2), (5, 3))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (((0, 1),), "need 3 pairs"),
        (((0, 1), (0, 2), (4, 3)), "values left are"),
        (((0, 0), (4, 2), (5, 3)), "step 0"),
        (((0, 9), (4, 2), (5, 3)), "step 0"),
    ],
)
def test_a_path_must_use_every_value_once(path, message):
    with pytest.raises(ModelError, match=message):
        check_path(path, 4)


def test_the_path_is_recorded_on_the_module_and_changes_with_batch_and_ranks():
    made = TTLinear(*MODES, 16)
    with torch.no_grad():
        made(torch.randn(1, 784))
        made(torch.randn(4096, 784))
    story = json.loads(json.dumps(made.weight.describe()))
    first, second = story["searched"]
    assert (first["batch"], second["batch"]) == (1, 4096)
    assert first["path"] != second["path"]
    again = TTLinear(*MODES, 16, path=[tuple(pair) for pair in first["path"]])
    again.load_state_dict(made.state_dict())
    x = torch.randn(2, 784)
    torch.testing.assert_close(again(x), made(x))


def test_plan_is_plain_data():
    network = layer_network(3, 2)
    plan = make_plan(network, search_path(network))
    assert json.loads(json.dumps(plan.to_dict()))["macs"] == plan.macs


def test_unknown_costs_and_paths_are_refused():
    with pytest.raises(ModelError, match="path cost 'time'"):
        search_path(layer_network(2, 1), "time")
    with pytest.raises(ModelError, match="path 'best'"):
        TTLinear(*MODES, 4, path="best")
    with pytest.raises(ModelError, match="path cost"):
        TTLinear(*MODES, 4, cost="flops")
    with pytest.raises(ModelError, match="need 4 pairs"):
        TTLinear(*MODES, 4, path=((0, 1),))


def test_an_index_that_ends_on_one_operand_is_an_error():
    network = Network.build([("a", "b"), ("b", "c")], ("a",), {"a": 2, "b": 3, "c": 4})
    with pytest.raises(ModelError, match="index 'c' ends on one operand"):
        make_plan(network, ((0, 1),))
    with pytest.raises(ModelError, match="no size given for index 'b'"):
        Network.build([("a", "b")], ("a",), {"a": 2})
