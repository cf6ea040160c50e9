"""A sweep survives whatever ends it: kills and interrupts of the process, its workers, or all."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import cosim
from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore import worker
from cosim.explore.store import STORE, ResultStore
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, rows_of, swept

_ROOT = Path(cosim.__file__).parents[1]


SCRIPT = """
import os, signal, sys
from cosim.explore import store, sweep as sweep_module
from cosim.explore.interface import sweep
sweep_module.CHUNK_SECONDS = 0.02
moment, count = sys.argv[3], int(sys.argv[4])
add, calls = store.ResultStore.add, 0
def killed(self, rows):
    global calls
    calls += 1
    if moment == "before" and calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    if moment == "inside" and calls == count:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO results VALUES ('x','','','','{}',NULL,'half')")
        os.kill(os.getpid(), signal.SIGKILL)
    new = add(self, rows)
    if moment == "after" and calls == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return new
store.ResultStore.add = killed
sweep(sys.argv[1], out=sys.argv[2], pool="in-process")
"""


def killed_sweep(folder: Path, moment: str, count: int) -> int:
    command = [sys.executable, "-c", SCRIPT, folder / "two-layers.toml", folder / "killed"]
    return subprocess.run([*map(str, command), moment, str(count)], cwd=_ROOT).returncode


def test_killed_at_the_worst_moments_and_resumed_it_is_as_if_uninterrupted(tmp_path: Path) -> None:
    swept(tmp_path)
    for moment, count in (("before", 2), ("inside", 2), ("after", 3)):
        assert killed_sweep(tmp_path, moment, count) == -signal.SIGKILL
    before = len(rows_of(tmp_path / "killed"))
    assert 0 < before < 36
    result = swept(tmp_path, out=tmp_path / "killed")
    assert result.tally.reused == before
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "out")


LARGE = SWEEP.replace("[4, 8, 16]", "{ range = [4, 32], step = 2 }").replace(
    "points = 3", "points = 7"
)
"""420 points."""

SMALL_CHUNKS = """
import sys
from cosim.explore import sweep
sweep.LARGEST_CHUNK = 3
from cosim.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@contextmanager
def running(folder: Path, out: Path, text: str = LARGE) -> Iterator[subprocess.Popen[str]]:
    """A sweep with two workers, chunks of three points, and a process group of its own."""
    command = [sys.executable, "-c", SMALL_CHUNKS, "sweep", write(folder, text), "--out", out,
               "--workers", "2"]  # fmt: skip
    process = subprocess.Popen(
        [str(word) for word in command], env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_rows(process: subprocess.Popen[str], out: Path, enough: int) -> None:
    while _count(out) < enough:
        assert process.poll() is None, "it ended before it was interrupted"
        time.sleep(0.01)


def _count(out: Path) -> int:
    if not (out / STORE).is_file():
        return 0
    try:
        with ResultStore(out / STORE, read_only=True) as store:
            return len(store)
    except CosimError:  # the file is being made
        return 0


def members(group: int) -> list[int]:
    """Processes of a group that have not ended, as Linux shows them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # ended meanwhile
            continue
        if int(of) == group and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def wait_until_all_have_ended(group: int) -> None:
    for _ in range(300):
        if not members(group):
            return
        time.sleep(0.1)
    raise AssertionError(f"still there: {members(group)}")


linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux for the processes")


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_of_all_processes_keeps_what_is_done_and_records_no_failure(
    tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "my out"
    with running(tmp_path, out) as process:
        wait_for_rows(process, out, 6)
        os.killpg(process.pid, number)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in error
        assert f"Go on with: cosim sweep {tmp_path}/two-layers.toml --out '{out}'" in error
        assert error.strip().endswith("--workers 2 --resume")
        wait_until_all_have_ended(process.pid)
    rows = rows_of(out)
    assert 6 <= len(rows) < 420
    assert not any(row.failed for row in rows)


@linux
def test_a_second_interrupt_ends_everything_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(tmp_path, out) as process:
        wait_for_rows(process, out, 6)
        os.kill(process.pid, signal.SIGSTOP)  # both are there before it can look at one
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGCONT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in error
        assert "interrupted" in error
        wait_until_all_have_ended(process.pid)
    assert 6 <= len(rows_of(out)) < 420


@linux
@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_the_table_of_an_uninterrupted_sweep(
    tmp_path: Path,
) -> None:
    """Of the process, of all processes at once, or of one worker: that alone ends nothing.

    The moment is whenever a reader sees some more rows.
    """
    chance = random.Random(7)
    out, kills = tmp_path / "killed", 0
    while kills < 20:
        with running(tmp_path, out) as process:
            wait_for_rows(process, out, _count(out) + chance.randint(1, 12))
            time.sleep(chance.random() * 0.05)
            victim = ("process", "group", "worker")[kills % 3]
            if victim == "worker":
                workers = sorted(set(members(process.pid)) - {process.pid})
                os.kill(workers[-1], signal.SIGKILL)
                kills += 1
                wait_for_rows(process, out, _count(out) + chance.randint(1, 6))
            elif victim == "group":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.kill()
            process.wait()
            wait_until_all_have_ended(process.pid)
            kills += 1
    assert 0 < _count(out) < 420
    tables = []
    for folder in (out, tmp_path / "whole"):
        table = swept(tmp_path, LARGE, out=folder).table
        assert not table.failures
        tables.append(sorted(table.export(folder / "points.csv").read_bytes().splitlines()))
    assert tables[0] == tables[1]
    assert rows_of(out) == rows_of(tmp_path / "whole")


def test_two_sweeps_into_one_store_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    swept(tmp_path)
    out = tmp_path / "shared"
    command = [sys.executable, "-m", "cosim", "sweep", str(tmp_path / "two-layers.toml"),
               "--out", str(out), "--pool", "in-process", "--json"]  # fmt: skip
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT, text=True) for _ in range(2)
    ]
    answers = [json.loads(process.communicate()[0]) for process in both]
    assert all(process.returncode == 0 for process in both)
    assert all(len(answer["points"]) == 36 for answer in answers)
    assert rows_of(out) == rows_of(tmp_path / "out")


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, calls, real = write(tmp_path, SWEEP), itertools.count(), worker.evaluate

    def interrupted(chunk: worker.Chunk) -> worker.Answer:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return real(chunk)

    monkeypatch.setattr("cosim.explore.sweep.evaluate", interrupted)
    monkeypatch.setattr("cosim.explore.sweep.CHUNK_SECONDS", 1e-9)
    arguments = ["sweep", str(file), "--out", str(tmp_path / "out"), "--pool", "in-process"]
    assert main(arguments) == 130
    assert "Go on with: cosim sweep" in capsys.readouterr().err
    kept = len(rows_of(tmp_path / "out"))
    assert 0 < kept < 36
    monkeypatch.undo()
    assert swept(tmp_path).tally.reused == kept
