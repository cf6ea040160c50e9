"""A disk that fills up is one line, and what was written before it did is kept."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import cosim
from cosim.errors import CosimError
from cosim.whole_file import check_writable, write_whole
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, rows_of, swept

_ROOT = Path(cosim.__file__).parents[1]

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from cosim.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def limited(size: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command in a process whose files may not grow beyond `size` bytes."""
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)]
    environment = {**os.environ, "EDGE_COSIM_CACHE": os.devnull}
    return subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, env=environment)


def test_a_store_that_cannot_grow_is_said_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, out = write(tmp_path, SWEEP), tmp_path / "out"
    done = limited(60_000, "sweep", file, "--out", out, "--pool", "in-process")
    assert done.returncode == 2
    assert "go on with --resume" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    before = len(rows_of(out))
    assert before < 36
    assert swept(tmp_path, out=out).tally.reused == before
    swept(tmp_path, out=tmp_path / "whole")
    assert rows_of(out) == rows_of(tmp_path / "whole")


def test_a_run_folder_that_does_not_fit_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    file = write(tmp_path)
    done = limited(2000, "run", file, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(tmp_path / "out" / "small") in done.stderr
    assert not list((tmp_path / "out").rglob("*.json"))


def test_a_run_folder_that_cannot_be_kept_is_no_failure_of_its_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cosim.explore.kept_runs.write_run", full)
    with pytest.raises(CosimError, match=r"cannot keep its run folder.*No space left"):
        swept(tmp_path, keep="timelines")
    assert rows_of(tmp_path / "out") == []


def test_a_file_that_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    place = write_whole(tmp_path / "report.html", "short")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(CosimError, match=r"report\.html: File too large"):
            write_whole(place, "long" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert place.read_text() == "short"
    assert list(tmp_path.iterdir()) == [place]


def test_places_that_cannot_be_written_are_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "points.csv")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(CosimError, match="is a folder; expected a file to write"):
        check_writable(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(CosimError, match=r"file/points\.csv: "):
        check_writable(tmp_path / "file" / "points.csv")
