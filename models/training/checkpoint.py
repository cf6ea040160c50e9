"""Checkpoints: one safetensors file with weights, optimizer state and the story in its header.

A file is written under a temporary name, flushed to the disk and renamed, so that whatever kills
the program leaves either the old checkpoint or the new one. Nothing in it is executable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models import networks
from models.errors import ModelError

FORMAT = "edge-cosim checkpoint 1"
MODEL, OPTIMIZER = "model.", "optimizer."


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Parameters
    ----------
    network : str
        Name in `models.networks`.
    options : dict
        Options it was built with.
    weights : dict of Tensor
        The module's state.
    progress : dict
        Plain data: epoch, seed, accuracy, command, ...
    optimizer : dict
        State of the optimizer as torch gives it, empty for weights only.
    """

    network: str
    options: dict[str, Any]
    weights: dict[str, Tensor]
    progress: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)


def write(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, replacing an older one at once or not at all.

    Raises
    ------
    ModelError
        If a weight is not finite: what cannot be trained on must not replace what can.
    """
    for name, tensor in checkpoint.weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(f"checkpoint: {name} is not finite, {path} is not overwritten")
    tensors = {MODEL + name: _owned(tensor) for name, tensor in checkpoint.weights.items()}
    groups = checkpoint.optimizer.get("param_groups", [])
    scalars: dict[str, dict[str, Any]] = {}
    for index, state in checkpoint.optimizer.get("state", {}).items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMIZER}{index}.{key}"] = _owned(value)
            else:
                scalars.setdefault(str(index), {})[key] = value
    header = {
        "format": FORMAT,
        "network": checkpoint.network,
        "options": json.dumps(checkpoint.options),
        "progress": json.dumps(checkpoint.progress),
        "optimizer": json.dumps({"param_groups": groups, "scalars": scalars}),
    }
    write_atomically(Path(path), save(tensors, header))


def _owned(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under another name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    ModelError
        If the file is missing, truncated, corrupt, or something else than a checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"checkpoint: no file {path}, expected one that training wrote")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"checkpoint: {path} is corrupt or truncated: {' '.join(str(error).split())}"
        ) from None
    if header.get("format") != FORMAT:
        raise ModelError(
            f"checkpoint: {path} says format {header.get('format')!r}, expected {FORMAT!r}"
        )
    try:
        optimizer = json.loads(header["optimizer"])
        return Checkpoint(
            header["network"],
            json.loads(header["options"]),
            {n.removeprefix(MODEL): t for n, t in tensors.items() if n.startswith(MODEL)},
            json.loads(header["progress"]),
            _optimizer_state(optimizer, tensors),
        )
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelError(f"checkpoint: {path} has a broken header: {error}") from None


def _optimizer_state(header: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    if not header["param_groups"]:
        return {}
    state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in header["scalars"].items()}
    for name, tensor in tensors.items():
        if name.startswith(OPTIMIZER):
            index, _, key = name.removeprefix(OPTIMIZER).partition(".")
            state.setdefault(int(index), {})[key] = tensor
    return {"state": state, "param_groups": header["param_groups"]}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], where: str = "") -> None:
    """Load a state into a module; ranks of tensorized layers follow the stored factors.

    Quantizer entries may be missing: float weights load into a quantized network.

    Raises
    ------
    ModelError
        If names or shapes do not fit.
    """
    adopt_ranks(model, weights)
    own = model.state_dict()
    quantizers = {
        name
        for name in own
        if name.rpartition(".")[2] == "step" or ".input_quantizer." in f".{name}"
    }
    missing = [name for name in own if name not in weights and name not in quantizers]
    surplus = [name for name in weights if name not in own]
    if missing or surplus:
        raise ModelError(
            f"checkpoint: {where or 'weights'} do not fit: "
            f"missing {missing[:3] or 'none'}, unexpected {surplus[:3] or 'none'}"
        )
    for name, tensor in weights.items():
        if own[name].shape != tensor.shape:
            raise ModelError(
                f"checkpoint: {where or 'weights'}: {name} has shape {tuple(tensor.shape)}, "
                f"expected {tuple(own[name].shape)}"
            )
    model.load_state_dict(dict(weights), strict=False)


def adopt_ranks(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give tensorized layers the shapes of stored factors: ranks may have shrunk in training."""
    for name, module in model.named_modules():
        if not hasattr(module, "set_factors"):
            continue
        prefix = f"{name}.factors." if name else "factors."
        stored = [weights.get(f"{prefix}{n}") for n in range(len(module.factors))]
        if any(tensor is None for tensor in stored):
            continue
        ranks = [stored[bond.members[0][0]].shape[bond.members[0][1]] for bond in module.form.bonds]
        module.set_factors(ranks, stored)


def load_network(path: str | Path) -> tuple[nn.Module, Checkpoint]:
    """Build the network of a checkpoint with its weights, in evaluation mode.

    Raises
    ------
    ModelError
        As `read`, or if the network no longer builds.
    """
    checkpoint = read(path)
    model = networks.build(checkpoint.network, **checkpoint.options)
    load_weights(model, checkpoint.weights, str(path))
    return model.eval(), checkpoint
