"""Train a network on real data and keep its checkpoints and metrics.

Without --data the network learns the 5,000 MNIST digits that come with an installed package;
--data PATH/mnist.npz takes the full set. The same seed gives the same result.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

EXAMPLE = """examples:
  cosim train tt-mlp --epochs 8
  cosim train lenet5 --epochs 4 --data mnist.npz --out runs/lenet5
  cosim train lenet5 --bits-w ternary --start-from runs/lenet5/last.safetensors --epochs 2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``cosim train`` takes."""
    parser.epilog = EXAMPLE
    parser.add_argument("network", help="name of a network: mlp, tt-mlp, lenet5")
    parser.add_argument("--data", help="mnist-5k (default), digits, or the path of mnist.npz")
    parser.add_argument("--epochs", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=128, help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="default: %(default)s")
    parser.add_argument("--decay", default="constant", help="constant (default) or cosine")
    parser.add_argument(
        "--optimizer", default="adam", help="adam (default), adamw, sgd or momentum"
    )
    parser.add_argument("--weight-decay", type=float, default=0.0, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--bits-w", help="weight bits: 1 to 8, ternary, 32 (float)")
    parser.add_argument("--bits-a", help="activation bits: 1 to 8, 32 (float)")
    parser.add_argument("--scheme", help="vecq (default), ternary, sign, twn, min-max, lsq")
    parser.add_argument("--rank", help="ranks of a tensorized network: 20, or 11,6,10/20")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other option of the network; may be repeated",
    )
    parser.add_argument(
        "--rank-prior",
        type=float,
        metavar="STRENGTH",
        help="shrink ranks during training by a prior of this strength, e.g. 1e-5",
    )
    parser.add_argument("--start-from", metavar="CHECKPOINT", help="weights to start from")
    parser.add_argument("--patience", type=int, default=0, help="early stop after so many epochs")
    parser.add_argument("--out", help="output folder (default: runs/train/NETWORK)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads, default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Train, and print accuracy, size and where the checkpoint is."""
    from models import training

    method = None
    if arguments.rank_prior is not None:
        method = training.RankAdaptation(arguments.rank_prior)
    result = training.run(
        arguments.network,
        network_options(arguments),
        data=arguments.data,
        epochs=arguments.epochs,
        batch=arguments.batch,
        learning_rate=arguments.learning_rate,
        decay=arguments.decay,
        optimizer=arguments.optimizer,
        weight_decay=arguments.weight_decay,
        seed=arguments.seed,
        method=method,
        start_from=arguments.start_from,
        patience=arguments.patience,
        out=arguments.out,
        resume=arguments.resume,
        threads=arguments.threads,
        quiet=arguments.json,
    )
    if arguments.json:
        print(json.dumps(result.as_dict(), indent=2))
        return 0
    for line in result.history:
        accuracy = line.get("test_accuracy", line.get("validation_accuracy"))
        print(f"epoch {line['epoch']:>3}  loss {line['loss']:.4f}  accuracy {100 * accuracy:.2f} %")
    print(
        f"{result.network}: {100 * result.accuracy:.2f} % on the test set, "
        f"{result.parameters:,} parameters, {result.checkpoint}"
    )
    return 0


def network_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the network's options from the command line's texts.

    Raises
    ------
    ModelError
        For an ``--option`` that is not NAME=VALUE.
    """
    from models.errors import ModelError

    options: dict[str, Any] = {}
    for text in arguments.option:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ModelError(f"--option {text}: expected NAME=VALUE, e.g. --option hidden=256")
        options[name.replace("-", "_")] = parse_value(value)
    for name in ("bits_w", "bits_a", "scheme", "rank"):
        value = getattr(arguments, name)
        if value is not None:
            options[name] = parse_value(value)
    return options


def parse_value(text: str) -> Any:
    """Return a whole number, a number, true/false, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
