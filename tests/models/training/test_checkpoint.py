"""Checkpoints come back as written; a broken one is named and never replaces a good one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from models import checkpoints, networks
from models.errors import ModelError
from models.training import Checkpoint, Dataset, evaluate, load_network, read, write
from models.training.checkpoint import load_weights


def stored(name: str = "mlp", **options: object) -> Checkpoint:
    torch.manual_seed(1)
    model = networks.build(name, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    networks.loss(
        model(networks.example_input(name, 2)), networks.example_target(name, 2)
    ).backward()
    optimizer.step()
    return Checkpoint(
        name, model.network_options, dict(model.state_dict()), {"a": [1]}, optimizer.state_dict()
    )


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    written = stored("lenet5", bits_w=2, bits_a=4)
    write(tmp_path / "c.safetensors", written)
    back = read(tmp_path / "c.safetensors")
    assert (back.network, back.options, back.progress) == (
        written.network,
        written.options,
        written.progress,
    )
    assert all(torch.equal(back.weights[n], t) for n, t in written.weights.items())
    state, expected = back.optimizer["state"], written.optimizer["state"]
    assert state.keys() == expected.keys()
    for index, entries in expected.items():
        assert all(torch.equal(state[index][key], value) for key, value in entries.items())


def test_ranks_follow_the_stored_factors(tmp_path: Path) -> None:
    small = networks.build("tt-mlp", rank="5,2,3/4")
    options = networks.resolve("tt-mlp", {"rank": 20})
    write(tmp_path / "c.safetensors", Checkpoint("tt-mlp", options, dict(small.state_dict())))
    model, _ = load_network(tmp_path / "c.safetensors")
    x = torch.randn(3, 784)
    torch.testing.assert_close(model(x), small(x))
    assert model.fc1.ranks == (5, 2, 3)


def test_float_weights_load_into_a_quantized_network() -> None:
    model = networks.build("lenet5", bits_w=4, bits_a=4)
    load_weights(model, networks.build("lenet5").state_dict())
    with pytest.raises(ModelError, match="do not fit"):
        load_weights(model, networks.build("mlp").state_dict())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c.safetensors"
    write(path, stored())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="corrupt or truncated"):
        read(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match="expected 'edge-cosim checkpoint"):
        read(tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match="no file"):
        read(tmp_path / "y.safetensors")


def test_weights_that_are_not_finite_never_replace_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    good = stored()
    write(path, good)
    before = path.read_bytes()
    bad = dict(good.weights)
    bad["fc1.weight"] = torch.full_like(bad["fc1.weight"], torch.nan)
    with pytest.raises(ModelError, match="not finite"):
        write(path, Checkpoint("mlp", good.options, bad))
    assert path.read_bytes() == before


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.safetensors"
    write(path, stored())
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, stored("lenet5"))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize("name", checkpoints.names())
def test_a_kept_checkpoint_still_reaches_its_accuracy(name: str, bundled: Dataset) -> None:
    record = checkpoints.record(name)
    model = checkpoints.load(name)
    assert sum(p.numel() for p in model.parameters()) == record["parameters"]
    # a rounding difference between machines may turn single images
    assert evaluate(model, bundled) == pytest.approx(record["accuracy"], abs=0.002)


def test_there_are_kept_checkpoints() -> None:
    assert {"lenet5-float", "lenet5-int8", "lenet5-ternary", "mlp-dense"} <= set(
        checkpoints.names()
    )
    with pytest.raises(ModelError, match="nearest is 'lenet5-int8'"):
        checkpoints.path("lenet5-int")
