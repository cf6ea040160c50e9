"""A few hundred real digits, loaded once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.training import Dataset, load


@pytest.fixture(scope="session")
def bundled() -> Dataset:
    """The 5,000 bundled digits."""
    return load("mnist-5k")


@pytest.fixture(scope="session")
def few(bundled: Dataset) -> Dataset:
    """Every eighth of the training images and every fourth for testing."""
    return replace(
        bundled,
        train_inputs=bundled.train_inputs[::8],
        train_targets=bundled.train_targets[::8],
        test_inputs=bundled.test_inputs[::4],
        test_targets=bundled.test_targets[::4],
    )
