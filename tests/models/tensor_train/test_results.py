"""The stored networks are what their stories say; the command runs and refuses bad input."""

from __future__ import annotations

import json

import pytest
import torch

from models.checkpoints import FOLDER
from models.errors import ModelError
from models.tensor_train import TTLinear
from models.tensor_train.results.__main__ import main
from models.tensor_train.results.experiments import Adaptation, adapt, decayed
from models.tensor_train.results.keep import (
    FIXED_POINT,
    load_fixed_point,
    measure_fixed_point,
)
from models.training.data import load

pytest.importorskip("mlxtend")
NAMES = sorted(path.stem for path in FIXED_POINT.glob("*.safetensors"))


def test_there_are_stored_low_precision_networks():
    assert "fixed-16-8-8" in NAMES


@pytest.mark.parametrize(
    "name",
    [
        name if name == "fixed-16-8-8" else pytest.param(name, marks=pytest.mark.slow)
        for name in NAMES
    ],
)
def test_stored_accuracy_is_measured_again(name):
    network, story = load_fixed_point(name)
    assert measure_fixed_point(network, load("mnist-5k")) == pytest.approx(
        100 * story["accuracy"], abs=0.2
    )
    assert sum(p.numel() for p in network.parameters()) == story["parameters"]
    assert all(p.bits == story["settings"]["factor"] for p in network.parameters())
    assert {"commands", "seed", "data", "accuracy_trained_data"} <= set(story)


def test_the_adapted_networks_reach_their_sizes_and_recorded_accuracies():
    for name, parameters, accuracy in (
        ("tt-mlp-mnist", 8_600, 0.973),
        ("tt-mlp-mnist-small", 3_300, 0.965),
    ):
        story = json.loads((FOLDER / f"{name}.json").read_text())
        assert story["parameters"] <= parameters
        assert story["accuracy_trained_data"] >= accuracy
        sizes = [record["parameters"] for record in story["history"]]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) > 1


def test_broken_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match="missing or broken"):
        load_fixed_point("none", tmp_path)
    name = NAMES[0]
    for suffix in (".json", ".safetensors"):
        (tmp_path / f"{name}{suffix}").write_bytes(
            (FIXED_POINT / f"{name}{suffix}").read_bytes()[:200]
        )
    with pytest.raises(ModelError, match="broken"):
        load_fixed_point(name, tmp_path)
    (tmp_path / f"{name}.json").write_bytes((FIXED_POINT / f"{name}.json").read_bytes())
    with pytest.raises(ModelError, match="corrupt or truncated"):
        load_fixed_point(name, tmp_path)


def test_the_command_refuses_bad_input(capsys):
    assert main(["--data", "nowhere.npz"]) == 2
    assert "nowhere.npz" in capsys.readouterr().err
    assert main(["--data", "digits", "--seeds", "one"]) == 2


def test_the_learning_rate_falls_to_a_hundredth():
    assert [decayed(1.0, share) for share in (0.0, 0.33, 1.0)] == [1.0, 1.0, 0.01]


def test_an_adaptation_run_ends_below_its_target_and_learns():
    pytest.importorskip("sklearn")
    torch.set_num_threads(1)
    data = load("digits")
    settings = Adaptation(6_000, 1e-5, rank=8, epochs=6, batch=64)
    said: list[str] = []
    outcome = adapt(data, 0, settings, said.append)
    assert outcome.parameters <= 6_000
    assert outcome.accuracy > 80
    assert outcome.history[0]["parameters"] > outcome.history[-1]["parameters"]
    assert len(said) == 6
    assert all(isinstance(m, TTLinear) for m in (outcome.network.fc1, outcome.network.fc2))
