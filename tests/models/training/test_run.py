"""Training: the same for the same seed, resumed as if never stopped, and it learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.errors import ModelError
from models.training import Dataset, Method, RankAdaptation, Result, read
from models.training import run as train


def run(few: Dataset, folder: Path, network: str = "mlp", **arguments: Any) -> Result:
    settings = {"epochs": 2, "batch": 50, "quiet": True, "threads": 1} | arguments
    options = settings.pop("options", {"hidden": 32} if network == "mlp" else None)
    return train(network, options, data=few, out=folder, **settings)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read(folder / "last.safetensors").weights


def same(first: Path, second: Path) -> bool:
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_the_seed_decides_everything(few: Dataset, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        torch.rand(7)  # whatever happened before
        run(few, tmp_path / name, seed=seed)
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize(
    ("network", "options", "method"),
    [
        ("mlp", {"hidden": 32}, None),
        ("lenet5", {"bits_w": 2, "bits_a": 4, "activation_scheme": "learned-clip"}, None),
        ("tt-mlp", {"rank": 6}, {"strength": 1e-2, "prune_from": 1, "threshold": 0.5}),
    ],
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    few: Dataset, tmp_path: Path, network: str, options: dict, method: dict | None
) -> None:
    class Interrupt(RankAdaptation if method else Method):  # type: ignore[misc]
        def after_epoch(self, optimizer: Any, epoch: int) -> dict[str, Any]:
            metrics = super().after_epoch(optimizer, epoch)
            if epoch == 2:
                raise KeyboardInterrupt
            return metrics

    def make(kind: type) -> Method:
        return kind(**(method or {}))

    plain = RankAdaptation if method else Method
    run(few, tmp_path / "whole", network, options=options, epochs=3, method=make(plain))
    with pytest.raises(KeyboardInterrupt):
        run(few, tmp_path / "parts", network, options=options, epochs=3, method=make(Interrupt))
    run(few, tmp_path / "parts", network, options=options, epochs=3, method=make(plain),
        resume=True)  # fmt: skip
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_it_learns_and_logs(few: Dataset, tmp_path: Path) -> None:
    result = run(few, tmp_path, epochs=8, learning_rate=5e-3)
    assert result.accuracy > 0.8
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == result.history
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert result.accuracy == lines[-1]["test_accuracy"]


def test_ranks_shrink_and_the_run_says_so(few: Dataset, tmp_path: Path) -> None:
    method = RankAdaptation(3e-2, warm_up=0.0, prune_from=2, threshold=0.3)
    result = run(
        few, tmp_path, "tt-mlp", options={"rank": 10}, epochs=8, learning_rate=1e-2, method=method
    )
    sizes = [line["parameters"] for line in result.history]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]
    assert result.parameters == sizes[-1]


def test_quantization_aware_training_starts_from_float_weights(
    few: Dataset, tmp_path: Path
) -> None:
    run(few, tmp_path / "float", "lenet5", epochs=3)
    arguments = {"options": {"bits_w": "ternary", "bits_a": 4}, "epochs": 1}
    start = tmp_path / "float" / "last.safetensors"
    warm = run(few, tmp_path / "warm", "lenet5", start_from=start, **arguments)
    cold = run(few, tmp_path / "cold", "lenet5", **arguments)
    assert warm.accuracy > cold.accuracy


def test_training_stops_when_held_out_accuracy_no_longer_grows(
    few: Dataset, tmp_path: Path
) -> None:
    result = run(few, tmp_path, epochs=40, patience=2, learning_rate=1e-2)
    scores = [line["validation_accuracy"] for line in result.history]
    assert len(scores) < 40
    assert max(scores[-2:]) <= max(scores[:-2])
    best = read(tmp_path / "best.safetensors").progress["history"]
    assert best[-1]["validation_accuracy"] == max(scores)


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(
    few: Dataset, tmp_path: Path
) -> None:
    class Explode(Method):
        def penalty(self, epoch: float) -> torch.Tensor | None:
            return torch.tensor(float("nan")) if epoch > 1.5 else None

    with pytest.raises(ModelError, match="became nan in epoch 2, step"):
        run(few, tmp_path, epochs=3, method=Explode())
    run(few, tmp_path / "one", epochs=3, resume=False, method=Method())
    last = read(tmp_path / "last.safetensors")
    assert len(last.progress["history"]) == 1
    assert all(torch.isfinite(t).all() for t in last.weights.values())


def test_a_single_left_over_image_does_not_break_batch_norm(few: Dataset, tmp_path: Path) -> None:
    assert len(few.train_targets) % 499 == 1
    result = run(few, tmp_path, "lenet5", epochs=1, batch=499)
    assert result.epochs == 1


def test_broken_pixels_are_caught(few: Dataset, tmp_path: Path) -> None:
    broken = replace(few, train_inputs=torch.full_like(few.train_inputs, torch.nan))
    with pytest.raises(ModelError, match="became nan in epoch 1, step 1"):
        run(broken, tmp_path)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"epochs": 0}, "epochs: 0"),
        ({"batch": -1}, "batch: -1"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"decay": "cosin"}, "nearest is 'cosine'"),
        ({"optimizer": "adm"}, "nearest is 'adam'"),
        ({"patience": -1}, "patience"),
        ({"threads": 0}, "threads"),
        ({"network": "lenet5", "batch": 1}, "expected 2 or more"),
        ({"network": "resnet18", "options": {"width": 8}}, "28x28 digits"),
        ({"method": RankAdaptation(1e-5)}, "no tensorized layer"),
        ({"resume": True}, "no file"),
        ({"start_from": "nowhere.safetensors"}, "no file"),
    ],
)
def test_mistakes_are_named(few: Dataset, tmp_path: Path, arguments: dict, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        run(few, tmp_path, **arguments)


def test_a_resumed_run_must_be_the_same_run(few: Dataset, tmp_path: Path) -> None:
    run(few, tmp_path, epochs=1)
    with pytest.raises(ModelError, match="seed is 5"):
        run(few, tmp_path, seed=5, resume=True)
    with pytest.raises(ModelError, match="options"):
        run(few, tmp_path, options={"hidden": 33}, resume=True)
    with pytest.raises(ModelError, match="holds mlp"):
        run(few, tmp_path, "lenet5", resume=True)
    assert run(few, tmp_path, epochs=2, resume=True).epochs == 2
