"""A run folder is whole or not there, and the same run gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.machine.execute import run
from cosim.machine.program_file import program_from_data, program_to_data
from cosim.timeline import run_folder
from cosim.timeline.rows import COLUMN_TYPES
from tests.machine.reference_pipeline import pipeline

PROGRAM = pipeline()


def write(path: Path) -> Path:
    return run_folder.write_run(
        path,
        run(PROGRAM).timeline,
        program=program_to_data(PROGRAM),
        manifest={"scenario": "test"},
        summary={"latency_s": 1.5},
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    loaded = run_folder.load_run(write(tmp_path / "deep" / "run"))
    expected, rows = run(PROGRAM).timeline.rows(), loaded.timeline.rows()
    for name in COLUMN_TYPES:
        assert np.array_equal(getattr(rows, name), getattr(expected, name)), name
    assert loaded.summary == {"latency_s": 1.5}
    assert loaded.manifest["scenario"] == "test"
    assert program_from_data(loaded.program) == PROGRAM


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    assert run_folder.content_hash(one) == run_folder.content_hash(two)
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes(), file.name


def test_a_run_that_fails_to_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="summary"):
        run_folder.write_run(
            tmp_path / "run",
            run(PROGRAM).timeline,
            program=program_to_data(PROGRAM),
            manifest={},
            summary={"latency_s": float("nan")},
        )
    assert list(tmp_path.iterdir()) == []


def test_a_run_replaces_an_older_one_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "run")
    (tmp_path / "run" / "left over").touch()
    write(tmp_path / "run")
    assert not (tmp_path / "run" / "left over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(CosimError, match="not a run folder"):
        write(tmp_path / "mine")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="no such run folder"):
        run_folder.load_run(tmp_path / "none")


@pytest.mark.parametrize("name", ["manifest.json", "summary.json", "program.json", "start.npy"])
def test_a_truncated_or_incomplete_folder_is_one_clear_error(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "run") / name
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], b"", None):
        if damaged is None:
            file.unlink()
        else:
            file.write_bytes(damaged)
        with pytest.raises(CosimError) as error:
            run_folder.load_run(tmp_path / "run")
        assert name.partition(".")[0] in str(error.value)
        assert "\n" not in str(error.value)


def test_a_folder_of_another_kind_or_version(tmp_path: Path) -> None:
    manifest = write(tmp_path / "run") / "manifest.json"
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "format": "other"}))
    with pytest.raises(CosimError, match="not a run folder"):
        run_folder.load_run(tmp_path / "run")
    manifest.write_text(json.dumps({**document, "format_version": 99}))
    with pytest.raises(CosimError, match="version 99"):
        run_folder.load_run(tmp_path / "run")


def test_a_column_of_another_type(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    np.save(folder / "task.npy", np.load(folder / "task.npy").astype(np.float64))
    with pytest.raises(CosimError, match="column 'task' is float64"):
        run_folder.load_run(folder)
