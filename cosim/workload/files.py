"""Workload files: versioned JSON, one tensor or operation a line, read without torch.

What equals its default is left out. Index expressions are written as they are read:
``"2*p+r-1"``. A file is written to a temporary name and renamed, so that it is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from cosim.errors import CosimError, nearest
from cosim.workload.workload import Access, Index, Kind, Loop, Op, Phase, Role, Tensor, Workload

FORMAT = "edge-cosim workload"
VERSION = 1

_KINDS = {kind.value: kind for kind in Kind}
_PHASES = {phase.value: phase for phase in Phase}
_ROLES = {role.value: role for role in Role}


def save_workload(workload: Workload, path: str | os.PathLike[str]) -> None:
    """Write a workload file, whole or not at all."""
    target = Path(path)
    head = {
        "format": FORMAT,
        "version": VERSION,
        "name": workload.name,
        "mode": workload.mode,
        "batch": workload.batch,
        "source": workload.source,
    }
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise CosimError(f"cannot write: {error.strerror}", where=str(target)) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_text(head)[:-1])
            for key, records in (("tensors", _tensors(workload)), ("ops", _ops(workload))):
                lines = ",\n".join(_text(record) for record in records)
                file.write(f',\n"{key}": [\n{lines}\n]')
            file.write("\n}\n")
        os.chmod(name, 0o644)  # a temporary file is private
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_workload(path: str | os.PathLike[str]) -> Workload:
    """Read a workload file.

    Raises
    ------
    CosimError
        The file is missing, truncated, of another version, or inconsistent; with the place.
    """
    where = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "is no text"
        raise CosimError(f"cannot read: {said}", where=where) from error
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        ends = "the file ends too early" if error.pos >= len(text.rstrip()) else error.msg
        raise CosimError(f"no valid JSON: {ends}", where=f"{where}:{error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise CosimError(f"no valid JSON: {error}", where=where) from error
    try:
        return _workload(document)
    except CosimError as error:
        raise error.at(where) from error


def workload_hash(workload: Workload) -> str:
    """SHA-256 of what is computed; how and with what it was captured (`source`) does not count."""
    digest = hashlib.sha256()
    head = [FORMAT, VERSION, workload.name, workload.mode, workload.batch]
    for record in (head, *_tensors(workload), *_ops(workload)):
        digest.update(_text(record, sort=True).encode())
        digest.update(b"\n")
    return digest.hexdigest()


# Writing


def _text(record: object, sort: bool = False) -> str:
    return json.dumps(record, separators=(",", ":"), sort_keys=sort, allow_nan=False)


def _tensors(workload: Workload) -> Iterator[dict[str, object]]:
    for tensor in workload.tensors:
        yield _sparse(tensor, _TENSOR_DEFAULTS)


def _ops(workload: Workload) -> Iterator[dict[str, object]]:
    for op in workload.ops:
        record = _sparse(op, _OP_DEFAULTS)
        if op.loops:
            record["loops"] = {loop.name: loop.extent for loop in op.loops}
        if op.accesses:
            record["accesses"] = [_access_record(access) for access in op.accesses]
        if op.result is not None:
            record["result"] = _access_record(op.result)
        yield record


def _sparse(record: Tensor | Op, defaults: Mapping[str, object]) -> dict[str, object]:
    found = {}
    for key, default in defaults.items():
        value = getattr(record, key)
        if default is MISSING or value != default:
            found[key] = value
    return found


def _access_record(access: Access) -> list[object]:
    return [access.tensor, [_index_text(i) for i in access.indices], access.view_shape]


@lru_cache(maxsize=4096)
def _index_text(index: Index) -> str:
    terms = [name if c == 1 else f"{c}*{name}" for name, c in index.terms]
    text = "+".join(terms)
    if index.offset or not terms:
        text += f"{index.offset:+d}" if terms else str(index.offset)
    return text


# Reading


@lru_cache(maxsize=4096)
def _index(text: str) -> Index:
    if not _INDEX.fullmatch(text):
        raise CosimError(f"index '{text}'", expected="a sum like 2*p+r-1")
    terms, offset = [], 0
    for sign, coefficient, name, constant in _TERM.findall(text):
        factor = -1 if sign == "-" else 1
        if name:
            terms.append((name, factor * int(coefficient or 1)))
        else:
            offset += factor * int(constant)
    return Index(tuple(terms), offset)


_TERM = re.compile(r"([+-]?)(?:(?:(-?\d+)\*)?([a-z]\w*)|(\d+))")
_INDEX = re.compile(r"-?(?:(?:-?\d+\*)?[a-z]\w*|\d+)(?:[+-](?:(?:-?\d+\*)?[a-z]\w*|\d+))*")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _workload(document: object) -> Workload:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CosimError("no workload file", expected=f'"format": "{FORMAT}"')
    version = document.get("version")
    if version != VERSION:
        raise CosimError(
            f"version {version!r} of the workload format",
            where="version",
            expected=f"{VERSION}: capture the network again",
        )
    _check_keys(document, _HEAD, "", required=_HEAD)
    tensors = tuple(_records(document["tensors"], "tensors", _tensor))
    ops = tuple(_records(document["ops"], "ops", _op))
    for key, kind in (("name", str), ("mode", str), ("batch", int), ("source", dict)):
        if not isinstance(document[key], kind):
            raise CosimError(f"{document[key]!r}", where=key, expected=kind.__name__)
    workload = Workload(
        document["name"], tensors, ops, document["mode"], document["batch"], document["source"]
    )
    check_workload(workload)
    return workload


def _records(value: object, where: str, read: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
    if not isinstance(value, list):
        raise CosimError("no list", where=where, expected="a list of objects")
    for position, record in enumerate(value):
        try:
            if not isinstance(record, dict):
                raise CosimError("no object", expected="an object")
            yield read(record)
        except CosimError as error:
            raise error.at(f"{where}[{position}]") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise CosimError(f"malformed: {error}", where=f"{where}[{position}]") from error


def _check_keys(
    record: Mapping[str, Any], known: Iterable[str], where: str, required: Iterable[str]
) -> None:
    for key in record.keys() - set(known):
        raise CosimError(f"unknown key '{key}'", where=where, nearest=nearest(key, known))
    for key in sorted(set(required) - record.keys()):
        raise CosimError(f"missing key '{key}'", where=where)


def _tensor(record: dict[str, Any]) -> Tensor:
    if not (record.keys() <= _TENSOR_DEFAULTS.keys() and record.keys() >= _TENSOR_REQUIRED):
        _check_keys(record, _TENSOR_DEFAULTS, "", _TENSOR_REQUIRED)
    for key in ("id", "bits", "storage", "birth", "death"):
        if type(record[key]) is not int:
            raise CosimError(f"{record[key]!r}", where=key, expected="a whole number")
    if record["bits"] < 1:
        raise CosimError(f"{record['bits']} bits", where="bits", expected="1 or more")
    values = dict(record)
    values["shape"] = _sizes(record["shape"], "shape")
    values["strides"] = _sizes(record.get("strides", ()), "strides")
    values["role"] = _choice(record["role"], _ROLES, "role")
    return Tensor(**values)


def _op(record: dict[str, Any]) -> Op:
    if not (record.keys() <= _OP_DEFAULTS.keys() and record.keys() >= _OP_REQUIRED):
        _check_keys(record, _OP_DEFAULTS, "", _OP_REQUIRED)
    values = dict(record)
    values["kind"] = _choice(record["kind"], _KINDS, "kind")
    values["phase"] = _choice(record["phase"], _PHASES, "phase")
    for key in ("inputs", "outputs", "depends"):
        values[key] = _sizes(record.get(key, ()), key)
    if "loops" in record:
        extents = _sizes(list(record["loops"].values()), "loops")
        values["loops"] = tuple(map(Loop, record["loops"], extents))
    if "accesses" in record:
        values["accesses"] = tuple(_access(entry) for entry in record["accesses"])
    if record.get("result") is not None:
        values["result"] = _access(record["result"])
    return Op(**values)


def _access(entry: list[Any]) -> Access:
    tensor, indices, shape = entry
    return Access(tensor, tuple(_index(text) for text in indices), _sizes(shape, "accesses"))


def _sizes(values: Any, where: str) -> tuple[int, ...]:
    found = tuple(values)
    for value in found:
        if type(value) is not int or value < 0:
            raise CosimError(f"{value!r}", where=where, expected="whole numbers, 0 or more")
    return found


def _choice(value: object, choices: Mapping[str, Any], where: str) -> Any:
    chosen = choices.get(value) if isinstance(value, str) else None
    if chosen is None:
        raise CosimError(
            f"unknown {where} '{value}'",
            where=where,
            expected=f"one of {', '.join(choices)}",
            nearest=nearest(str(value), choices),
        )
    return chosen


# Consistency


def check_workload(workload: Workload) -> None:
    """Whether ids, orders and lifetimes hold together.

    Raises
    ------
    CosimError
        For a tensor or operation that does not exist, an operation that depends on a later one,
        a loop that no index knows, a tensor used outside of its life.
    """
    tensors, count = workload.tensors, len(workload.ops)
    for position, tensor in enumerate(tensors):
        if tensor.id != position:
            raise CosimError(
                f"id {tensor.id}", where=f"tensors[{position}]", expected=f"{position}"
            )
        if not -1 <= tensor.birth <= tensor.death <= count:
            raise CosimError(
                f"lives from {tensor.birth} to {tensor.death}",
                where=f"tensors[{position}]",
                expected=f"-1 <= birth <= death <= {count}",
            )
    for position, op in enumerate(workload.ops):
        problem = _problem_of(op, position, tensors)
        if problem:
            raise CosimError(problem, where=f"ops[{position}]")


def _problem_of(op: Op, position: int, tensors: tuple[Tensor, ...]) -> str:
    """What is wrong with one operation; empty if nothing."""
    if op.id != position:
        return f"id {op.id} where {position} was expected"
    accesses = (*op.accesses, op.result) if op.result is not None else op.accesses
    for tensor in (*op.inputs, *op.outputs, *(access.tensor for access in accesses)):
        if not 0 <= tensor < len(tensors):
            return f"tensor {tensor} does not exist, there are {len(tensors)}"
        if not tensors[tensor].birth <= position <= tensors[tensor].death:
            return f"tensor {tensor} is used outside of its life"
    for other in (*op.depends, *(() if op.forward_op is None else (op.forward_op,))):
        if not 0 <= other < position:
            return f"depends on operation {other}, which is not before it"
    loops = {loop.name for loop in op.loops}
    for access in accesses:
        if len(access.indices) != len(access.view_shape):
            return f"{len(access.indices)} indices for {len(access.view_shape)} dimensions"
        for index in access.indices:
            for name, _ in index.terms:
                if name not in loops:
                    return f"index of an unknown loop '{name}'"
    if op.loops and (len(op.accesses) != 2 or op.result is None):
        return "a loop nest needs two accesses and a result"
    return ""


_HEAD = ("format", "version", "name", "mode", "batch", "source", "tensors", "ops")


def _defaults(record: type) -> dict[str, object]:
    return {
        f.name: f.default_factory() if f.default_factory is not MISSING else f.default
        for f in fields(record)
    }


_TENSOR_DEFAULTS = _defaults(Tensor)
_TENSOR_REQUIRED = {key for key, value in _TENSOR_DEFAULTS.items() if value is MISSING}
_OP_DEFAULTS = _defaults(Op)
_OP_REQUIRED = {key for key, value in _OP_DEFAULTS.items() if value is MISSING}
