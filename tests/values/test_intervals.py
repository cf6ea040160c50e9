"""Where right results may lie: rounding explains that much, and no more."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.machine.values.arithmetic import Arithmetic
from cosim.machine.values.compare import Finished, compare, is_exact
from cosim.machine.values.faults import Mismatch
from cosim.machine.values.history import History
from cosim.machine.values.intervals import sums_interval
from cosim.machine.values.replay import Replay
from cosim.mapping.regions import tasks_of, whole
from tests.values.cases import Case, board, case


@cache
def finished(mode: str = "inference") -> tuple[Case, Replay]:
    found = case("mlp", board("pynq-z1"), mode=mode)
    mapping = found.simulation.mapping
    run = Replay(mapping, found.reference, Arithmetic(), tasks_of(mapping), True)
    run.run(found.simulation.result.timeline, None)
    return found, run


@settings(max_examples=12)
@given(seed=st.integers(0, 99), pieces=st.integers(1, 40))
def test_sums_in_any_order_and_any_tiling_lie_in_the_interval(seed: int, pieces: int) -> None:
    found, run = finished()
    op = next(g.anchor for g in found.simulation.mapping.grouping.groups if g.anchor)
    interval = sums_interval(run, op, 32)
    x, w = (run.expected(a.tensor, op.id)[0].astype(np.float32) for a in op.accesses)  # type: ignore[index]
    order = np.random.default_rng(seed).permutation(x.shape[1])
    sums = run.expected(op.inputs[-1], op.id)
    bias = next(t for t in op.inputs if run.layout.tensors[t].name.endswith("bias"))
    total = run.expected(bias, op.id)[0].astype(np.float32)  # type: ignore[index]
    assert sums is not None
    for part in np.array_split(order, pieces):
        total = total + x[:, part] @ w[:, part].T
    assert (interval.low[0] <= total).all()
    assert (total <= interval.high[0]).all()


@pytest.mark.parametrize("outwards", [-1.0, 1.0])
def test_what_lies_just_outside_its_interval_is_a_difference(outwards: float) -> None:
    found, run = finished("training")
    for position, group in enumerate(found.simulation.mapping.grouping.groups):
        for tensor in group.writes:
            op = next(o for o in reversed(group.ops) if tensor in o.outputs)
            right = run.reference.made(op.id, op.outputs.index(tensor))
            assert right is not None
            result = Finished(position, group, tensor, right)
            assert compare(run, result).agrees
            size = float(np.abs(right).max())
            assert not is_exact(run, result) or size == 0.0
            wrong = np.array(right)
            wrong.flat[-1] += outwards * (size + 1.0) * 1e-3
            assert compare(run, replace(result, values=wrong)).differing == 1


def test_one_weight_of_401408_doubled_is_found_among_float_sums() -> None:
    found = case("mlp", board("pynq-z1"))
    mapping = found.simulation.mapping
    run = Replay(mapping, found.reference, Arithmetic(), tasks_of(mapping), True)
    weight = next(t for t in run.layout.tensors.values() if t.name == "fc1.weight")
    place, all_of_it = run.layout.dram[weight.id], whole(weight)
    values = np.array(run.dram.read(place, all_of_it))
    values.reshape(weight.shape)[17, 346] *= 2.0
    run.dram.write(place, all_of_it, values, "a fault")
    with pytest.raises(Mismatch, match=r"layer 'fc1'.*\[0, 17\].*1 of 512 elements"):
        run.run(found.simulation.result.timeline, None)


def test_what_a_slice_holds_is_put_together_from_what_was_written_to_its_storage() -> None:
    found = case("tt-mlp", board("pynq-z1"), mode="training", rank=8)
    workload, reference = found.simulation.workload, found.reference
    history = History(workload)
    for op in workload.ops:
        for position, tensor in enumerate(op.outputs):
            expected = reference.outputs.get((op.id, position))
            if expected is not None:
                np.testing.assert_array_equal(history.at(reference, tensor, op.id + 1), expected)
