"""Accuracies are those measured; what nobody measured is said."""

from __future__ import annotations

import pytest

from cosim.errors import CosimError
from cosim.explore.accuracy import AccuracyTable, _records
from cosim.explore.scenario import WorkloadEntry


def test_every_checkpoint_is_found_by_its_options() -> None:
    table = AccuracyTable()
    for record in _records():
        options = {key: value for key, value in record["options"].items() if value is not None}
        entry = WorkloadEntry("x", record["network"], options=options, batch=7)
        assert table.of(entry) == record["accuracy"]


def test_options_that_are_left_out_have_their_defaults() -> None:
    entry = WorkloadEntry("x", "lenet5", options={"bits_w": "ternary", "bits_a": 8})
    expected = [r["accuracy"] for r in _records() if r["options"].get("bits_w") == "ternary"]
    assert [AccuracyTable().of(entry)] == expected


def test_the_order_of_contractions_changes_no_accuracy() -> None:
    options = {"rank": 8}
    plain = AccuracyTable().of(WorkloadEntry("x", "tt-mlp", options=options))
    chained = WorkloadEntry("x", "tt-mlp", options={**options, "path": "chain"})
    assert AccuracyTable().of(chained) == plain


@pytest.mark.parametrize(
    ("network", "options"), [("lenet5", {"bits_w": 3, "bits_a": 8}), ("resnet18", {})]
)
def test_what_was_never_measured_is_said(network: str, options: dict[str, object]) -> None:
    with pytest.raises(CosimError, match=r"was never measured.*--train EPOCHS"):
        AccuracyTable().of(WorkloadEntry("x", network, options=options, where="s.toml:3"))
