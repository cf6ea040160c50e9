"""A Dask cluster on this machine: separate processes for scheduler and workers, one killed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

import cosim
from cosim.cli.main import main
from cosim.errors import CosimError
from cosim.explore import pools
from cosim.explore import sweep as sweep_module
from cosim.explore.interface import sweep
from cosim.explore.store import STORE, ResultStore
from tests.explore.small_scenario import write
from tests.explore.small_sweep import SWEEP, plan_of, rows_of, swept

_ROOT = Path(cosim.__file__).parents[1]


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
        stderr=subprocess.PIPE, text=True, cwd=_ROOT,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def address_of(scheduler: subprocess.Popen[str]) -> str:
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        found = re.search(r"Scheduler at:\s+(tcp://\S+)", line)
        if found:
            return found[1]
    raise AssertionError("the scheduler did not start")


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept(tmp_path)
    monkeypatch.setattr(sweep_module, "LARGEST_CHUNK", 2)
    with process("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard") as scheduler:
        address = address_of(scheduler)
        worker = ("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny")
        with process(*worker) as first, process(*worker):
            _wait_for_workers(address, 2)

            class Killer(sweep_module.Unwatched):
                def advance(self, points: int, *, reused: int = 0, failed: int = 0) -> None:
                    first.kill()

            result = sweep(
                tmp_path / "two-layers.toml", out=tmp_path / "cluster", pool=address,
                progress=Killer(),
            )  # fmt: skip
    assert result.tally.ran == 36
    assert rows_of(tmp_path / "cluster") == rows_of(tmp_path / "out")


@pytest.mark.slow
def test_a_killed_scheduler_is_said_and_no_point_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(tmp_path)
    monkeypatch.setattr(sweep_module, "LARGEST_CHUNK", 2)
    monkeypatch.setattr(sweep_module, "LOOK_S", 0.5)
    monkeypatch.setattr(sweep_module, "LOST_S", 1.0)
    out = tmp_path / "cluster"
    with process("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard") as scheduler:
        address = address_of(scheduler)
        with process("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"):
            _wait_for_workers(address, 1)

            class Killer(sweep_module.Unwatched):
                def advance(self, points: int, *, reused: int = 0, failed: int = 0) -> None:
                    scheduler.kill()

            with pytest.raises(CosimError, match="the connection to the Dask scheduler is lost"):
                sweep(tmp_path / "two-layers.toml", out=out, pool=address, progress=Killer())
    kept = rows_of(out)
    assert 0 < len(kept) < 36
    assert not any(row.failed for row in kept)
    swept(tmp_path, out=out)
    assert rows_of(out) == rows_of(tmp_path / "out")


def test_a_chunk_that_the_cluster_forgot_is_sent_again(tmp_path: Path) -> None:
    swept(tmp_path)

    class Forgetful(pools.InProcess):
        count = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.count += 1
            if self.count % 3:
                return super().submit(fn, *args, **kwargs)
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    plan, positions = plan_of(tmp_path)
    with ResultStore(tmp_path / "other" / STORE) as store:
        tally = sweep_module.Sweep(plan, store, pools.Pool(Forgetful(), 1)).run(positions)
    assert tally.ran == 36
    assert rows_of(tmp_path / "other") == rows_of(tmp_path / "out")


def _wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, timeout=30) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(count, timeout=60)


def test_a_cluster_that_does_not_answer_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cosim.explore.pools.CLUSTER_PATIENCE_S", 1)
    file = write(tmp_path, SWEEP)
    arguments = ["sweep", str(file), "--out", str(tmp_path / "out"), "--pool"]
    assert main([*arguments, "tcp://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("cosim: tcp://127.0.0.1:9: no Dask scheduler answers")
    assert "\n" not in error
