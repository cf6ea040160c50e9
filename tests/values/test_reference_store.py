"""Reference values are kept: a second run needs no PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore.value_reference import ValueOptions, ValueReference
from cosim.explore.value_run import value_run
from cosim.simulate import simulate
from cosim.workload import reference_store
from cosim.workload.reference import Levels, Reference
from tests.values.cases import board, workload

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from cosim.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
SCENARIO = """
[[workload]]
network = "lenet5"
options = { bits_w = 8, bits_a = 8 }

[[design]]
base = "edge-asic-16x16"
"""


def test_a_second_run_with_values_needs_no_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_COSIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "one.toml").write_text(SCENARIO)
    asked = ["run", str(tmp_path / "one.toml"), "--values", "--json", "--data", "3", "--out"]
    assert main([*asked, str(tmp_path / "first")]) == 0
    first = json.loads(capsys.readouterr().out)["runs"][0]["values"]
    again = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *asked, str(tmp_path / "second")],
        capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["runs"][0]["values"] == first
    assert first["agrees"]
    assert first["accuracy"] == first["pytorch_accuracy"]


def test_what_pytorch_made_when_it_followed_the_machine_is_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_COSIM_CACHE", str(tmp_path))
    options = (("bits_a", 8), ("bits_g", 16), ("bits_w", 8), ("rank", 8))
    simulation = simulate(workload("tt-mlp", options, "training", 1, "sgd"), board("pynq-z1"))
    first = value_run(simulation)
    assert first.agrees
    assert len(list(tmp_path.glob("values-*.npz"))) == 2  # alone, and following

    def no_torch(_: ValueReference) -> None:
        raise AssertionError("PyTorch was asked again")

    monkeypatch.setattr(ValueReference, "_live", property(no_torch))
    monkeypatch.setattr("cosim.explore.value_reference._last", [])
    assert value_run(simulation).as_data() == first.as_data()


def test_other_samples_parameters_or_designs_memory_are_other_references() -> None:
    taken = workload("lenet5", (("bits_a", 8), ("bits_w", 8)), "inference", 1, "sgd")
    keys = {
        ValueReference(taken, options).key
        for options in (
            ValueOptions(), ValueOptions(data=2), ValueOptions(data=3),
            ValueOptions(checkpoint="lenet5-int8"), ValueOptions(data=2, dataset="digits"),
        )
    }  # fmt: skip
    assert len(keys) == 5
    assert ValueReference(taken, ValueOptions(data=2)).key in keys


numbers = arrays.arrays(
    st.sampled_from((np.float64, np.int64)), arrays.array_shapes(max_dims=3, max_side=4),
    elements={"min_value": -(2**40), "max_value": 2**40},
)  # fmt: skip


@given(values=st.lists(numbers, min_size=1, max_size=4), seed=st.integers(0, 9))
def test_a_kept_reference_is_the_same_to_the_last_bit(
    values: list[np.ndarray], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    special = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf, 2.0**-1074, 1 / 3]])
    exact = np.random.default_rng(seed).normal(size=(1, 5)).astype(np.float32).astype(np.float64)
    reference = Reference(
        3, dict(enumerate(values)), {(7, 0): special, (8, 1): exact},
        {4: Levels((0.1, 0.3), 3, True, 1, False)}, frozenset({(7, 0)}), {5: {"seed": 2**40}},
        {(9, 0): exact / 3.0},
    )  # fmt: skip
    path = tmp_path_factory.mktemp("kept") / "reference.npz"
    reference.save(path)
    back = Reference.load(path)
    for mine, other in (
        (reference.initial, back.initial), (reference.outputs, back.outputs),
        (reference.own, back.own),
    ):  # fmt: skip
        assert mine.keys() == other.keys()
        for key, array in mine.items():  # type: ignore[attr-defined]
            assert array.dtype == other[key].dtype  # type: ignore[index]
            assert array.tobytes() == other[key].tobytes()  # type: ignore[index]
    assert (back.samples, back.levels, back.single, back.arguments) == (
        reference.samples, reference.levels, reference.single, reference.arguments
    )  # fmt: skip


def test_a_damaged_file_is_recorded_again_and_the_oldest_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_COSIM_CACHE", str(tmp_path))
    made = Reference(1, {0: np.arange(2000.0)[None] / 7.0})
    assert reference_store.remembered("one", lambda given: made) is made
    path = reference_store.path_of("one")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CosimError, match="cannot read values"):
        Reference.load(path)
    assert reference_store.remembered("one", lambda given: made) is made
    monkeypatch.setattr(reference_store, "LIMIT_BYTES", path.stat().st_size + 10)
    os.utime(path, (0, 0))
    reference_store.remembered("two", lambda given: made)
    assert not path.exists()
    assert reference_store.path_of("two").exists()
