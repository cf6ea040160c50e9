"""What a result depends on, as one short text: equal keys, equal results.

A key is a hash of the resolved point (operation stream, machine in integers, what was asked) and
of the model version. Names and places do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cosim
from cosim.design.design import Design

_NOT_CONTENT = ("name", "description", "assumptions", "constants")
_DECIDES = ("analysis", "design", "machine", "mapping", "timeline", "workload", "simulate.py")
"""Packages whose sources decide what a result is."""


@cache
def model_version() -> str:
    """The release, and a hash of the sources that decide what a result is."""
    folder = Path(cosim.__file__).parent
    digest = hashlib.blake2b(digest_size=6)
    for name in _DECIDES:
        place = folder / name
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return f"{cosim.__version__}+{digest.hexdigest()}"


def design_hash(design: Design) -> str:
    """The same as `cosim.design.content_hash`, fast for designs that share most of their parts."""
    texts = (
        f'"{field.name}":{_text(getattr(design, field.name))}'
        for field in sorted(fields(design), key=lambda field: field.name)
        if field.name not in _NOT_CONTENT
    )
    return _digest("{" + ",".join(texts) + "}")


def point_key(workload: str, design: Design, columns: Sequence[str], keep: str, model: str) -> str:
    """The key of a point.

    Parameters
    ----------
    workload : str
        Hash of the operation stream.
    columns : sequence of str
        Asked for beyond the usual ones.
    model : str
        `model_version`.
    """
    return _digest(_json([workload, design_hash(design), sorted(columns), keep, model]))


def text_key(*parts: str) -> str:
    """The key of a point that cannot be resolved, from what it was written as."""
    return _digest(_json([*parts, model_version()]))


def _text(value: Any) -> str:
    try:
        return _fragment(value)
    except TypeError:  # a table of options cannot be remembered by
        return _json(value)


@lru_cache(maxsize=4096)
def _fragment(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ",".join(_text(member) for member in value) + "]"
    return _json(asdict(value) if is_dataclass(value) and not isinstance(value, type) else value)


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
