"""``python -m models.checkpoints make [NAME ...]``: train the kept checkpoints again."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from models.checkpoints import FOLDER
from models.errors import ModelError, unknown
from models.training import Checkpoint, RankAdaptation, evaluate, load, load_network, read, run
from models.training.checkpoint import write, write_atomically

DATA, SEED = "mnist-5k", 0


@dataclass(frozen=True)
class Recipe:
    """How one checkpoint is trained: arguments as ``cosim train`` has them."""

    network: str
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 12
    learning_rate: float = 2e-3
    batch: int = 64
    rank_prior: float | None = None
    start_from: str | None = None

    def command(self, name: str) -> str:
        """Return the command line that trains the same."""
        parts = [f"cosim train {self.network} --data {DATA} --seed {SEED}"]
        parts += [f"--{key.replace('_', '-')} {value}" for key, value in self.options.items()]
        parts.append(f"--epochs {self.epochs} --batch {self.batch}")
        parts.append(f"--learning-rate {self.learning_rate:g} --decay cosine")
        if self.rank_prior is not None:
            parts.append(f"--rank-prior {self.rank_prior:g}")
        if self.start_from is not None:
            parts.append(f"--start-from runs/{self.start_from}/last.safetensors")
        return " ".join([*parts, f"--out runs/{name}"])


QUANTIZED = {"epochs": 6, "learning_rate": 1e-3, "start_from": "lenet5-float"}
RECIPES = {
    "lenet5-float": Recipe("lenet5"),
    "lenet5-int8": Recipe("lenet5", {"bits_w": 8, "bits_a": 8}, **QUANTIZED),
    "lenet5-vecq4": Recipe("lenet5", {"bits_w": 4, "bits_a": 8}, **QUANTIZED),
    "lenet5-ternary": Recipe("lenet5", {"bits_w": "ternary", "bits_a": 8}, **QUANTIZED),
    "mlp-dense": Recipe("mlp", epochs=8, learning_rate=1e-3),
    "tt-mlp-rank20": Recipe("tt-mlp", {"rank": 20}, epochs=20),
    "tt-mlp-rank8": Recipe("tt-mlp", {"rank": 8}, epochs=20),
    "tt-mlp-adapted": Recipe("tt-mlp", {"rank": 20}, epochs=30, rank_prior=1e-4),
    "tt-mlp-adapted-small": Recipe("tt-mlp", {"rank": 20}, epochs=30, rank_prior=1.5e-4),
}


def make(name: str, folder: Path) -> dict[str, Any]:
    """Train one checkpoint, keep it here, and return its record.

    Parameters
    ----------
    folder : Path
        Where training runs go; `Recipe.start_from` must have run there.
    """
    recipe = RECIPES[name]
    start = None if recipe.start_from is None else folder / recipe.start_from / "last.safetensors"
    if start is not None and not start.exists():
        make(str(recipe.start_from), folder)
    trained = run(
        recipe.network,
        recipe.options,
        data=DATA,
        epochs=recipe.epochs,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        decay="cosine",
        seed=SEED,
        method=None if recipe.rank_prior is None else RankAdaptation(recipe.rank_prior),
        start_from=start,
        out=folder / name,
        threads=1,
    )
    return keep(name, trained.checkpoint)


def keep(name: str, source: str | Path) -> dict[str, Any]:
    """Copy a trained checkpoint here without optimizer state, matrices in half precision."""
    stored = read(source)
    weights = {
        key: tensor.half() if tensor.dim() > 1 else tensor for key, tensor in stored.weights.items()
    }
    target = FOLDER / f"{name}.safetensors"
    write(target, Checkpoint(stored.network, stored.options, weights))
    model, _ = load_network(target)
    recipe = RECIPES[name]
    commands = [recipe.command(name)]
    if recipe.start_from is not None:
        commands.insert(0, RECIPES[recipe.start_from].command(recipe.start_from))
    dataset = load(DATA)
    record = {
        "network": stored.network,
        "options": stored.options,
        "commands": commands,
        "data": f"{DATA} ({dataset.source}): {len(dataset.train_targets)} images to train, "
        f"{len(dataset.test_targets)} to test",
        "seed": SEED,
        "accuracy": evaluate(model, dataset),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    ranks = stored.progress["history"][-1].get("ranks")
    if ranks is not None:
        record["ranks"] = ranks
    text = json.dumps(record, indent=2) + "\n"
    write_atomically(target.with_suffix(".json"), text.encode())
    return record


def main(arguments: list[str]) -> int:
    """Make the named checkpoints, or all, and print what they reach."""
    parser = argparse.ArgumentParser(prog="python -m models.checkpoints", description=__doc__)
    parser.add_argument("action", choices=["make"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    options = parser.parse_args(arguments)
    try:
        for name in options.names:
            if name not in RECIPES:
                raise unknown("checkpoint", name, RECIPES)
        with tempfile.TemporaryDirectory() as folder:
            for name in options.names or RECIPES:
                made = make(name, Path(folder))
                print(f"{name}: {100 * made['accuracy']:.2f} %, {made['parameters']:,} parameters")
    except ModelError as error:
        print(f"models.checkpoints: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
