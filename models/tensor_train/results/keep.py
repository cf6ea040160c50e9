"""Store trained networks beside their story: command, seed, data, accuracy."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save
from torch import nn

from models.checkpoints import FOLDER
from models.errors import ModelError
from models.tensor_train.results.experiments import (
    LowPrecision,
    _on_grid,
    accuracy,
    load_codes,
)
from models.training.checkpoint import Checkpoint, write, write_atomically
from models.training.data import Dataset, load

if TYPE_CHECKING:
    from models.tensor_train.results.tables import Row

FIXED_POINT = FOLDER / "fixed-point"
BUNDLED = "mnist-5k"


def _story(data: Dataset, seed: int, full: float, bundled: float) -> dict[str, Any]:
    from models.tensor_train.results.tables import COMMAND

    sample = load(BUNDLED)
    return {
        "commands": [f"{COMMAND} {seed} --keep"],
        "data": f"{BUNDLED} ({sample.source}): {len(sample.test_targets)} images to test; trained "
        f"on {data.name}, {len(data.train_targets)} images (the bundled digits may be among them: "
        "accuracy is for measuring again, accuracy_trained_data is that of unseen images)",
        "seed": seed,
        "accuracy": bundled / 100.0,
        "accuracy_trained_data": full / 100.0,
    }


def keep_adapted(results: dict[str, Row], data: Dataset, seed: int) -> None:
    """Store the adapted networks of the first seed as checkpoints of `tt-mlp`."""
    from models.tensor_train.results.tables import ADAPTATIONS

    sample = load(BUNDLED)
    for name in ADAPTATIONS:
        outcome = results[name].outcomes[0]
        network = outcome.network
        ranks = {f"{layer}.weight": list(getattr(network, layer).ranks) for layer in ("fc1", "fc2")}
        text = "/".join(",".join(map(str, r)) for r in ranks.values())
        options = {"rank": text, "format": "ttm", "num_classes": 10, "path": None, "cost": "macs"}
        target = FOLDER / f"{name}.safetensors"
        write(target, Checkpoint("tt-mlp", options, dict(network.state_dict())))
        here = accuracy(network, sample.test_inputs.flatten(1), sample.test_targets)
        story = {
            "network": "tt-mlp",
            "options": options,
            **_story(data, seed, outcome.accuracy, here),
            "parameters": outcome.parameters,
            "ranks": ranks,
            "history": outcome.history,
        }
        write_atomically(target.with_suffix(".json"), (json.dumps(story, indent=2) + "\n").encode())


def keep_codes(results: dict[str, Row], data: Dataset, seed: int) -> None:
    """Store the integer codes of the low-precision networks of the first seed."""
    from models.tensor_train.results.tables import LOW_PRECISION

    sample = load(BUNDLED)
    for name, settings in LOW_PRECISION.items():
        outcome = results[name].outcomes[0]
        here = accuracy(outcome.network, _on_grid(sample.test_inputs), sample.test_targets, 1)
        story = {
            "settings": asdict(settings),
            **_story(data, seed, outcome.accuracy, here),
            "parameters": outcome.parameters,
        }
        target = FIXED_POINT / f"{name}.safetensors"
        codes = {key: value.contiguous() for key, value in outcome.codes.items()}
        write_atomically(target, save(codes))
        write_atomically(target.with_suffix(".json"), (json.dumps(story, indent=2) + "\n").encode())


def load_fixed_point(name: str, folder: Path = FIXED_POINT) -> tuple[nn.Module, dict[str, Any]]:
    """A stored low-precision network, ready for evaluation, and its story.

    Raises
    ------
    ModelError
        If the files are missing or broken.
    """
    target = folder / f"{name}.safetensors"
    try:
        story = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        codes = load_file(target)
        return load_codes(codes, LowPrecision(**story["settings"])), story
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"checkpoint {target}: missing or broken: {error}") from None
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise ModelError(f"checkpoint {target}: corrupt or truncated: {error}") from None


def measure_fixed_point(network: nn.Module, data: Dataset) -> float:
    """Accuracy in percent of a low-precision network, sample by sample."""
    return accuracy(network, _on_grid(data.test_inputs), data.test_targets, 1)
