"""Small trained networks that come with the project, each with the story of how it was made.

``NAME.safetensors`` holds the weights (matrices in half precision), ``NAME.json`` the command,
seed, data and accuracy. All learned the bundled 5,000 MNIST digits (4,000 to train, 1,000 to
test), so anyone can make them again: ``python -m models.checkpoints make``. `load` builds one;
training itself lives in `models.training`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from models.errors import ModelError, unknown
from models.training.checkpoint import load_network

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the kept checkpoints, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def path(name: str) -> Path:
    """Return the file of a checkpoint.

    Raises
    ------
    ModelError
        For a name that does not exist.
    """
    if name not in names():
        raise unknown("checkpoint", name, names())
    return FOLDER / f"{name}.safetensors"


def record(name: str) -> dict[str, Any]:
    """Return how a checkpoint was made and what it reaches.

    Keys: ``network``, ``options``, ``commands``, ``data``, ``seed``, ``accuracy`` (on the test
    set, 0 to 1), ``parameters``.
    """
    file = path(name).with_suffix(".json")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ModelError(f"checkpoint {name}: {file.name} cannot be read: {error}") from None


def load(name: str) -> nn.Module:
    """Return the trained network, in evaluation mode."""
    return load_network(path(name))[0]
