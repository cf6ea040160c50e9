"""Design points as columns: sorted, filtered and compared without touching rows one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, unknown
from cosim.units import (
    format_bandwidth,
    format_bytes,
    format_energy,
    format_frequency,
    format_power,
    format_time,
)
from gui.views.design_columns import as_quantity, short_name


@dataclass(frozen=True)
class Quantity:
    """A column of numbers: its key in a summary, name, unit and meaning."""

    key: str
    name: str
    unit: str
    words: str
    smaller_is_better: bool | None = True
    """None for what was chosen, not found."""

    def text(self, value: float) -> str:
        """The value with its unit."""
        if not np.isfinite(value):
            return "–"
        formats = {
            "s": lambda v: format_time(round(v * 1e12)),
            "J": lambda v: format_energy(v * 1e12),
            "W": lambda v: format_power(v * 1e3),
            "B": lambda v: format_bytes(round(v)),
            "B/s": format_bandwidth,
            "Hz": format_frequency,
            "%": lambda v: f"{100 * v:.3g} %",
        }
        if self.unit in formats:
            return formats[self.unit](value)
        return f"{value:,.0f}" if value == round(value) else f"{value:,.6g}"


QUANTITIES = (
    Quantity("latency_s", "latency", "s", "time from the first command to the last result"),
    Quantity("energy_j", "energy", "J", "accelerator, DRAM and host together"),
    Quantity("peak_memory_bytes", "peak memory", "B", "bytes alive at the fullest moment"),
    Quantity("accuracy", "accuracy", "%", "share of a test set classified correctly", False),
    Quantity("average_power_w", "average power", "W", "accelerator and DRAM, over the run"),
    Quantity("peak_power_w", "peak power", "W", "the largest power at any instant"),
    Quantity("dram_bytes", "DRAM traffic", "B", "bytes read from and written to DRAM"),
    Quantity("array_utilisation", "array utilisation", "%",
             "multiply-accumulates over those of an always full array", False),
    Quantity("macs", "operations", "", "multiply-accumulates of the workload"),
    Quantity("cycles", "cycles", "", "latency in cycles of the array's clock"),
)  # fmt: skip


MOST_CLASSES = 8
"""Different words of a column up to which they are told apart by colour."""


class DesignTable:
    """Design points by row.

    Attributes
    ----------
    names : list of str
    texts : dict of str to list of str
        Columns of words: workload, design, and what varies if it is not a number.
    numbers : dict of str to float64 array, shape (n_points,)
        Columns of numbers by name, NaN where a point has none.
    folders : list of Path or None
        Run folder of each point, where there is one.
    varied : tuple of str
        Columns of what was varied.
    searched : sequence of columns
        Words that a filter finds beside those of `texts`.
    """

    def __init__(
        self,
        texts: Mapping[str, Sequence[str]],
        numbers: Mapping[str, NDArray[np.float64]],
        folders: Sequence[Path | None],
        quantities: Mapping[str, Quantity],
        varied: Sequence[str] = (),
        searched: Sequence[Sequence[str]] = (),
    ) -> None:
        self.texts = {name: np.array(column, dtype=object) for name, column in texts.items()}
        self.numbers = dict(numbers)
        self.folders, self.varied = list(folders), tuple(varied)
        self.quantities = dict(quantities)
        columns = (*texts.values(), *searched)
        joined = ["\t".join(row) for row in zip(*columns, strict=True)]
        # one long text to search: a regular expression runs over it once, not once a row
        self._all = "\n".join(joined)
        self._lower = self._all.lower()
        lengths = np.fromiter((len(text) + 1 for text in joined), np.int64, len(joined))
        self._ends = np.cumsum(lengths)
        self._codes = {
            name: np.unique(np.array(column, dtype=str), return_inverse=True)[1]
            for name, column in texts.items()
        }
        self.classes = {name: len(set(column)) for name, column in texts.items()}
        """Number of different words in each column of words."""

    def __len__(self) -> int:
        return len(self.folders)

    @cached_property
    def axes(self) -> list[str]:
        """Columns that points can be drawn along: what was varied first, then what was found."""
        chosen = [n for n in self.varied if n in self.numbers or self.classes.get(n, 0) > 1]
        named = [n for n in ("workload", "design") if 1 < self.classes.get(n, 0) <= MOST_CLASSES
                 and not self._told_by(chosen, n)]  # fmt: skip
        return [*chosen, *named, *(n for n in self.numbers if n not in chosen)]

    def _told_by(self, columns: Sequence[str], name: str) -> bool:
        """Whether some columns say already which words a further one has."""
        if not columns:
            return False
        cells = [np.nan_to_num(self.values(column), nan=-1.0) for column in columns]
        known = np.unique(np.stack(cells), axis=1).shape[1]
        both = np.unique(np.stack([*cells, self.values(name)]), axis=1).shape[1]
        return bool(known == both)

    def values(self, column: str) -> NDArray[np.float64]:
        """A column as numbers; words count 0, 1, ... in the order of their first letters."""
        if column in self.numbers:
            return self.numbers[column]
        return self._codes[column].astype(np.float64)

    def value_text(self, column: str, value: float) -> str:
        """A number of `values` in words."""
        if column in self.texts:
            at = np.flatnonzero(self._codes[column] == round(value))
            return str(self.texts[column][at[0]]) if len(at) else ""
        quantity = self.quantities.get(column)
        return quantity.text(value) if quantity else f"{value:g}"

    @cached_property
    def groups(self) -> str:
        """The column whose words tell points apart by colour, empty if none has few enough."""
        for name in ("workload", "design", *self.varied):
            if 1 < self.classes.get(name, 0) <= MOST_CLASSES:
                return name
        return ""

    @cached_property
    def naming(self) -> list[str]:
        """Columns whose values tell one point from another."""
        words = [n for n in ("workload", "design") if self.classes.get(n, 0) > 1]
        pairs = zip(*(self.texts[n].tolist() for n in words), strict=True) if words else ()
        if len(set(pairs)) == len(self):
            return words
        plain = [n for n in self.varied if n in self.numbers or self.classes.get(n, 0) > 1]
        return [*words, *plain] or ["design"]

    def label(self, row: int, without: str = "") -> str:
        """What tells a point from the others in a few words, a column left out."""
        parts = []
        for name in [n for n in self.naming if n != without] or self.naming:
            text = self.text(row, name)
            bare = name in self.numbers and name not in self.quantities
            parts.append(f"{short_name(name)} {text}" if bare else text)
        return ", ".join(part for part in parts if part not in ("", "–"))

    @property
    def columns(self) -> list[str]:
        """Names of all columns, words first."""
        return [*self.texts, *self.numbers]

    def text(self, row: int, column: str) -> str:
        """A cell as it is shown."""
        if column in self.texts:
            return str(self.texts[column][row])
        value = float(self.numbers[column][row])
        quantity = self.quantities.get(column)
        return quantity.text(value) if quantity else ("–" if np.isnan(value) else f"{value:g}")

    def matching(self, pattern: str) -> NDArray[np.int64]:
        """Rows in which a regular expression is found, in order.

        Raises
        ------
        CosimError
            If `pattern` is not a regular expression.
        """
        if not pattern:
            return np.arange(len(self), dtype=np.int64)
        try:
            # searching lower case in lower case is several times faster than ignoring case
            plain = "\\" not in pattern
            flags = re.MULTILINE if plain else re.MULTILINE | re.IGNORECASE
            found = re.compile(pattern.lower() if plain else pattern, flags)
        except re.error as error:
            raise CosimError(f"not a regular expression: {error}", where=pattern) from error
        places = np.fromiter(
            (m.start() for m in found.finditer(self._lower if plain else self._all)), np.int64
        )
        rows = np.unique(np.searchsorted(self._ends, places, side="right"))
        return rows[rows < len(self)].astype(np.int64)

    def order(
        self, column: str, descending: bool = False, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Rows sorted by a column, equal ones in their own order, missing numbers last."""
        if rows is None:
            rows = np.arange(len(self), dtype=np.int64)
        if column in self._codes:
            keys: NDArray[Any] = self._codes[column][rows]
        elif column in self.numbers:
            keys = self.numbers[column][rows]
        else:
            raise unknown("column", column, self.columns)
        if descending:
            keys = -keys
        return rows[np.argsort(keys, kind="stable")]

    def pareto(
        self, columns: Sequence[str], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Rows that no other one beats in one of the columns without losing in another."""
        if rows is None:
            rows = np.arange(len(self), dtype=np.int64)
        values = np.stack([self._cost(name)[rows] for name in columns], axis=1)
        rows, values = rows[~np.isnan(values).any(axis=1)], values[~np.isnan(values).any(axis=1)]
        order = np.lexsort(values.T[::-1])
        front: list[int] = []
        best = np.empty((0, values.shape[1]))
        for position in order.tolist():
            point = values[position]
            beaten = (best <= point).all(axis=1) & (best < point).any(axis=1)
            if not beaten.any():
                front.append(position)
                best = np.vstack([best, point])
        return rows[np.array(sorted(front), np.int64)]

    def _cost(self, column: str) -> NDArray[np.float64]:
        quantity = self.quantities.get(column)
        sign = -1.0 if quantity is not None and not quantity.smaller_is_better else 1.0
        return sign * self.numbers[column]


def table_of(
    summaries: Sequence[Mapping[str, Any]],
    varied: Sequence[Mapping[str, Any]],
    folders: Sequence[Path | None],
) -> DesignTable:
    """A table of runs from their summaries and what was varied in each."""
    texts = {
        "workload": [str(s.get("workload", "")) for s in summaries],
        "design": [str(s.get("design", "")) for s in summaries],
    }
    numbers: dict[str, NDArray[np.float64]] = {}
    known: dict[str, Quantity] = {}
    for quantity in QUANTITIES:
        column = np.array([_number(summary, quantity.key) for summary in summaries], np.float64)
        if not np.isnan(column).all():
            numbers[quantity.name], known[quantity.name] = column, quantity
    searched: list[list[str]] = []
    varied_keys = dict.fromkeys(key for row in varied for key in row)
    for key in varied_keys:
        cells = [row.get(key, "") for row in varied]
        quantity_of = as_quantity(cells)
        if all(isinstance(c, int | float) or c == "" for c in cells):
            numbers[key] = np.array([np.nan if c == "" else float(c) for c in cells])
        elif quantity_of is not None:
            unit, numbers[key] = quantity_of
            searched.append([str(cell) for cell in cells])
            known[key] = Quantity(key, short_name(key), unit, f"varied: {key}", None)
        else:
            texts[key] = [str(cell) for cell in cells]
    return DesignTable(texts, numbers, folders, known, tuple(varied_keys), searched)


def _number(summary: Mapping[str, Any], key: str) -> float:
    if key == "array_utilisation" and key not in summary:
        used = summary.get("utilisation", {})
        kinds = {n: c.get("kind") for n, c in summary.get("components", {}).items()}
        found = [value for name, value in used.items() if kinds.get(name) == "engine"]
        return float(found[0]) if found else float(used.get("array", np.nan))
    value = summary.get(key)
    return float(value) if isinstance(value, int | float) else float("nan")


def find_store(path: Path) -> Path | None:
    """The result store that a path is, or that a folder holds."""
    from cosim.explore.store import STORE

    if path.is_file() and path.suffix == ".sqlite":
        return path
    return path / STORE if (path / STORE).is_file() else None


def table_of_store(path: Path) -> DesignTable:
    """A table of the points in a sweep's or search's result store; failed ones have no numbers.

    Raises
    ------
    CosimError
        If it is no store of this version.
    """
    from cosim.explore.store import ResultStore

    with ResultStore(path, read_only=True) as store:
        rows = sorted(store.rows(), key=lambda r: (r.workload, r.design, repr(sorted(r.varied))))
    folders = [path.parent / "points" / row.key[:16] for row in rows]
    return table_of(
        [{"workload": r.workload, "design": r.design, **(r.result or {})} for r in rows],
        [r.varied for r in rows],
        [folder if (folder / "manifest.json").is_file() else None for folder in folders],
    )


def table_of_folders(folders: Sequence[Path]) -> DesignTable:
    """A table of run folders; damaged ones are left out."""
    summaries, varied, kept = [], [], []
    for folder in folders:
        try:
            summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        named = {
            "workload": manifest.get("workload", {}).get("name", ""),
            "design": manifest.get("design", {}).get("name", ""),
        }
        summaries.append({**named, **summary})
        varied.append(manifest.get("varied") or {})
        kept.append(folder)
    return table_of(summaries, varied, kept)
