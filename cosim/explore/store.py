"""The result store: one SQLite table, a row for every point that has run.

A row's key is a hash of all that its result depends on (`cosim.explore.keys`), so an unchanged
point is never run twice and a changed one never taken for it. Nothing in a row tells when, where or
in which order it was made: two stores that hold the same points hold the same rows.

The journal is a write-ahead log: readers never wait, several processes may write, and a process
that is killed loses what it had not committed and nothing else. (SQLite's write-ahead log needs a
local file system; on a cluster every shard writes its own store, see `merge`.)
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from cosim.errors import CosimError

STORE = "sweep.sqlite"
"""Name of the store in a sweep's folder."""
FORMAT = 1
"""Version of the table's layout, in SQLite's ``user_version``."""
_APPLICATION = 0x45434F53  # "ECOS"
_PATIENCE_S = 60.0
"""How long a writer waits for another one."""

_TABLE = """
CREATE TABLE IF NOT EXISTS results (
    key      TEXT PRIMARY KEY,  -- hash of the resolved point and the model version
    model    TEXT NOT NULL,     -- model version
    workload TEXT NOT NULL,     -- name in the scenario, before anything varied
    design   TEXT NOT NULL,
    varied   TEXT NOT NULL,     -- JSON: varied key -> value
    result   TEXT,              -- JSON: column -> value; NULL if the point failed
    reason   TEXT NOT NULL      -- why it failed, or empty
) WITHOUT ROWID
"""
_FIELDS = ("key", "model", "workload", "design", "varied", "result", "reason")
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM results"


@dataclass(frozen=True)
class Row:
    """A point and what it gave.

    Attributes
    ----------
    varied : mapping
        Varied key -> value, as the scenario writes it.
    result : mapping or None
        Column -> value; None if the point failed.
    reason : str
        Why it failed.
    """

    key: str
    model: str
    workload: str
    design: str
    varied: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.result is None

    def get(self, column: str) -> Any:
        """A result column, or ``workload``, ``design`` or a varied key; None if there is none."""
        if column in ("workload", "design", "key", "reason"):
            return getattr(self, column)
        if self.result is not None and column in self.result:
            return self.result[column]
        return self.varied.get(column)


class ResultStore:
    """An open store.

    Parameters
    ----------
    path : Path
        Made if it is not there, unless `read_only`.

    Raises
    ------
    CosimError
        A file that is no store, or one of another version.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        if read_only and not self.path.is_file():
            raise CosimError("no such result store", where=str(path))
        with self._explained():
            if not read_only:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = "ro" if read_only else "rwc"
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE_S,
                isolation_level=None, check_same_thread=False,
            )  # fmt: skip
            try:
                self._check(read_only)
            except BaseException:
                self._connection.close()
                raise

    def _check(self, read_only: bool) -> None:
        ask = self._connection.execute
        version, application, tables = self._identity()
        if tables == 0 and version == 0 and not read_only:
            ask("BEGIN IMMEDIATE")  # two that make it at once: the second waits and finds it made
            ask(_TABLE)
            ask(f"PRAGMA application_id = {_APPLICATION}")
            ask(f"PRAGMA user_version = {FORMAT}")
            ask("COMMIT")
        elif application != _APPLICATION and tables:
            raise CosimError("is no result store", where=str(self.path))
        elif version != FORMAT:
            raise CosimError(
                f"result store of version {version}", where=str(self.path),
                expected=f"version {FORMAT}; export it with the release that wrote it, or name "
                "another folder with --out",
            )  # fmt: skip
        if not read_only:
            self._log_ahead()
            # a commit survives the end of the process at any moment; only a power cut may take
            # the last ones, and never damages the others
            ask("PRAGMA synchronous = NORMAL")

    def _identity(self) -> tuple[int, int, int]:
        """Version, application and number of tables, all of one moment."""
        ask = self._connection.execute
        ask("BEGIN")
        try:
            (tables,) = ask("SELECT count(*) FROM sqlite_master").fetchone()
            (version,) = ask("PRAGMA user_version").fetchone()
            (application,) = ask("PRAGMA application_id").fetchone()
        finally:
            ask("ROLLBACK")
        return version, application, tables

    def _log_ahead(self) -> None:
        """Turn the write-ahead log on.

        The change needs the file for itself, and SQLite does not wait for that: it says at once
        that the database is locked, whatever the time-out.
        """
        ask = self._connection.execute
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                ask("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def __enter__(self) -> ResultStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def add(self, rows: Iterable[Row]) -> int:
        """Write rows in one transaction; those whose key is there already are left as they are.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        CosimError
            A full disk, a folder that cannot be written; nothing of `rows` is kept then.
        """
        values = [
            (
                row.key, row.model, row.workload, row.design, _json(row.varied),
                None if row.result is None else _json(row.result), row.reason,
            )
            for row in rows
        ]  # fmt: skip
        marks = ", ".join("?" * len(_FIELDS))
        with self._explained(), self._transaction():
            before = self._connection.total_changes
            self._connection.executemany(f"INSERT OR IGNORE INTO results VALUES ({marks})", values)
            return self._connection.total_changes - before

    def remove_failed(self, keys: Iterable[str]) -> int:
        """Forget failures, so that they are tried again; returns how many there were."""
        with self._explained(), self._transaction():
            before = self._connection.total_changes
            self._connection.executemany(
                "DELETE FROM results WHERE key = ? AND result IS NULL", ((key,) for key in keys)
            )
            return self._connection.total_changes - before

    def present(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a row."""
        found: set[str] = set()
        with self._explained():
            for begin in range(0, len(keys), 500):
                part = keys[begin : begin + 500]
                marks = ", ".join("?" * len(part))
                ask = f"SELECT key FROM results WHERE key IN ({marks})"
                found.update(key for (key,) in self._connection.execute(ask, part))
        return found

    def rows(self, keys: Sequence[str] | None = None) -> Iterator[Row]:
        """Rows by key: all of them, or the given ones that are there, in the given order."""
        if keys is None:
            with self._explained():
                for values in self._connection.execute(f"{_SELECT} ORDER BY key"):
                    yield _row(values)
            return
        for begin in range(0, len(keys), 500):
            part = list(keys[begin : begin + 500])
            marks = ", ".join("?" * len(part))
            with self._explained():
                found = self._connection.execute(f"{_SELECT} WHERE key IN ({marks})", part)
                by_key = {values[0]: values for values in found}
            yield from (_row(by_key[key]) for key in part if key in by_key)

    def beginning_with(self, text: str, most: int) -> list[Row]:
        """Rows whose key begins with `text`, at most so many."""
        ask = f"{_SELECT} WHERE key >= ? AND substr(key, 1, ?) = ? LIMIT ?"
        with self._explained():
            found = self._connection.execute(ask, (text, len(text), text, most))
            return [_row(values) for values in found]

    def __len__(self) -> int:
        with self._explained():
            (count,) = self._connection.execute("SELECT count(*) FROM results").fetchone()
        return int(count)

    def merge(self, other: str | Path) -> int:
        """Take over the rows of another store that are not here; returns how many."""
        added = 0
        with ResultStore(other, read_only=True) as source:
            batch: list[Row] = []
            for row in source.rows():
                batch.append(row)
                if len(batch) == 1000:
                    added += self.add(batch)
                    batch = []
            return added + self.add(batch)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CosimError(error.strerror or str(error), where=str(self.path)) from None
        except sqlite3.Error as error:
            raise CosimError(_problem(error), where=str(self.path)) from None


def _problem(error: sqlite3.Error) -> str:
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return f"cannot write ({text}); what was written before is safe, go on with --resume"
    if "locked" in text:
        return f"another process has held it for {_PATIENCE_S:.0f} s; go on with --resume"
    if "not a database" in text:
        return "is no result store"
    if "readonly" in text or "unable to open" in text:
        return f"cannot be opened ({text})"
    return text


def _row(values: Sequence[Any]) -> Row:
    key, model, workload, design, varied, result, reason = values
    result = None if result is None else json.loads(result)
    return Row(key, model, workload, design, json.loads(varied), result, reason)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=str)
