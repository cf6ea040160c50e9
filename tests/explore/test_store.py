"""The store keeps what was committed, each key once, whoever writes and whatever happens."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from cosim.errors import CosimError
from cosim.explore.store import FORMAT, ResultStore, Row


def row(number: int, **changes: object) -> Row:
    given = {
        "key": f"{number:08x}", "model": "1", "workload": "w", "design": "d",
        "varied": {"design.x": number}, "result": {"latency_s": number / 3}, **changes,
    }  # fmt: skip
    return Row(**given)  # type: ignore[arg-type]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = [row(1), row(2, result=None, reason="too small")]
    with ResultStore(tmp_path / "s.sqlite") as store:
        assert store.add(rows) == 2
        assert list(store.rows()) == rows
        assert list(store.rows([rows[1].key, "ffff", rows[0].key])) == [rows[1], rows[0]]
        assert store.present(["ffff", rows[0].key]) == {rows[0].key}
    assert [r.failed for r in rows] == [False, True]


def test_a_key_is_written_once_and_the_first_result_stays(tmp_path: Path) -> None:
    with ResultStore(tmp_path / "s.sqlite") as store:
        assert store.add([row(1), row(1, result={"latency_s": 9.0})]) == 1
        assert store.add([row(1), row(2)]) == 1
        assert next(iter(store.rows())).result == {"latency_s": 1 / 3}


def test_failures_alone_can_be_forgotten(tmp_path: Path) -> None:
    with ResultStore(tmp_path / "s.sqlite") as store:
        store.add([row(1), row(2, result=None, reason="no")])
        assert store.remove_failed([row(1).key, row(2).key]) == 1
        assert [r.key for r in store.rows()] == [row(1).key]


def _write(path: Path, first: int, last: int, gate: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    with ResultStore(path) as store:
        for begin in range(first, last, 3):
            store.add([row(n) for n in range(begin, begin + 3)])


def test_two_processes_that_write_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    """They overlap in a third of the keys, and make the file at the same moment."""
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(2)
    path = tmp_path / "s.sqlite"
    writers = [
        context.Process(target=_write, args=(path, *part, gate)) for part in ((0, 120), (60, 180))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with ResultStore(path, read_only=True) as store:
        assert list(store.rows()) == [row(n) for n in range(180)]


def test_a_reader_sees_whole_chunks_while_a_writer_is_at_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with ResultStore(path) as writer, ResultStore(path, read_only=True) as reader:
        writer.add([row(1)])
        with writer._transaction():
            writer._connection.execute("DELETE FROM results")
            assert len(reader) == 1
        assert len(reader) == 0


def test_stores_merge_by_key(tmp_path: Path) -> None:
    for name, numbers in (("a", (1, 2)), ("b", (2, 3))):
        with ResultStore(tmp_path / name) as store:
            store.add(row(n) for n in numbers)
    with ResultStore(tmp_path / "all") as store:
        assert store.merge(tmp_path / "a") == 2
        assert store.merge(tmp_path / "b") == 1
        assert list(store.rows()) == [row(1), row(2), row(3)]
        with pytest.raises(CosimError, match="no such result store"):
            store.merge(tmp_path / "c")


def test_a_full_disk_is_said_and_costs_only_what_did_not_fit(tmp_path: Path) -> None:
    with ResultStore(tmp_path / "s.sqlite") as store:
        store.add([row(1)])
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CosimError, match=r"disk is full.*go on with --resume"):
            store.add(row(n) for n in range(2, 2000))
        assert list(store.rows()) == [row(1)]


def test_other_files_and_other_versions_are_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough for a header" * 20)
    with pytest.raises(CosimError, match="is no result store"):
        ResultStore(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    with pytest.raises(CosimError, match="is no result store"):
        ResultStore(tmp_path / "other")
    with ResultStore(tmp_path / "future") as store:
        store._connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(CosimError, match=f"version {FORMAT + 1}; expected version {FORMAT}"):
        ResultStore(tmp_path / "future")
    with pytest.raises(CosimError, match="no such result store"):
        ResultStore(tmp_path / "none", read_only=True)
