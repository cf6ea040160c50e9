"""Data sets: the bundled digits are what they claim to be, and broken files are named."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import ModelError
from models.training import Dataset, load


def test_bundled_digits_are_balanced_and_disjoint(bundled: Dataset) -> None:
    assert bundled.train_inputs.shape == (4000, 1, 28, 28)
    assert bundled.test_inputs.shape == (1000, 1, 28, 28)
    assert torch.bincount(bundled.train_targets).tolist() == [400] * 10
    assert torch.bincount(bundled.test_targets).tolist() == [100] * 10
    assert 0.0 == float(bundled.train_inputs.min()) < float(bundled.train_inputs.max()) == 1.0
    seen = {image.numpy().tobytes() for image in bundled.train_inputs}
    assert not any(image.numpy().tobytes() in seen for image in bundled.test_inputs)


@pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")
def test_small_digits_are_framed_to_28_pixels() -> None:
    digits = load("digits")
    assert digits.train_inputs.shape[1:] == (1, 28, 28)
    assert len(digits.train_targets) + len(digits.test_targets) == 1797
    assert float(digits.train_inputs[:, :, :2].abs().max()) == 0.0
    assert float(digits.train_inputs.max()) == 1.0


def test_held_out_images_are_not_trained_on(few: Dataset) -> None:
    held = few.with_validation(0.2)
    assert len(held.test_targets) == 100
    assert len(held.train_targets) == len(few.train_targets) - 100
    seen = {image.numpy().tobytes() for image in held.train_inputs}
    assert not any(image.numpy().tobytes() in seen for image in held.test_inputs)


def write(path: Path, **changes: np.ndarray | None) -> Path:
    arrays: dict[str, np.ndarray | None] = {
        "x_train": np.zeros((6, 28, 28), np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": np.full((4, 28, 28), 255, np.uint8),
        "y_test": np.arange(4, dtype=np.uint8),
    }
    arrays |= changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_the_common_npz_layout_is_read(tmp_path: Path) -> None:
    data = load(write(tmp_path / "mnist.npz"))
    assert data.train_targets.tolist() == list(range(6))
    assert float(data.test_inputs.min()) == 1.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"y_test": None}, "no array 'y_test'"),
        ({"x_train": np.zeros((6, 27, 28), np.uint8)}, "expected \\(n, 28, 28\\)"),
        ({"y_train": np.zeros(5, np.uint8)}, "expected \\(n, 28, 28\\) and \\(n,\\)"),
        ({"y_test": np.full(4, 10, np.uint8)}, "no labels 0 to 9"),
        ({"x_test": np.array([object()])}, "corrupt or truncated"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, changes: dict, says: str) -> None:
    path = write(tmp_path / "bad.npz", **changes)
    with pytest.raises(ModelError, match=says):
        load(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "mnist.npz")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="corrupt or truncated"):
        load(path)


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no file"):
        load(tmp_path / "mnist.npz")
    with pytest.raises(ModelError, match="nearest is 'digits'"):
        load("digit")
