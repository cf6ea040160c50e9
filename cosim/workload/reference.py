"""Reference values: what PyTorch computes in a run of a workload, operation by operation.

Recorded by `cosim.workload.capture.record_values`, kept as npz beside the workload, read without
torch. Everything is a real number in double precision, whole numbers apart. Several samples of the
same shape may be recorded: arrays have a leading axis of samples, of length 1 where all agree.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.workload.workload import Op

Array = NDArray[Any]
Results = dict[tuple[int, int], Array]
"""Results by (operation, position), shape (samples or 1, *shape)."""
VERSION = 2


@dataclass(frozen=True)
class Levels:
    """The levels of a quantized tensor: ``unit * (q - zero_point)``, or ``unit * (2 q + 1)``.

    `unit` has one number, or one for each index of dimension `axis`.
    """

    unit: tuple[float, ...]
    zero_point: int = 0
    half_integer: bool = False
    axis: int = 0
    signed: bool = True


@dataclass(frozen=True)
class Held:
    """What a machine without real numbers holds of a network's: whole numbers of a unit.

    Attributes
    ----------
    initial : dict
        Tensors that exist before the run, as deployed; shape (samples or 1, *shape).
    units : dict
        Real value of one step, by tensor; powers of two.
    results : dict
        Bits and unit of the results that go to memory, by (operation, position): rounded to the
        nearest step, halves to the even one, and saturated.
    """

    initial: dict[int, Array]
    units: dict[int, float]
    results: dict[tuple[int, int], tuple[int, float]]

    def digest(self) -> str:
        """Names its content."""
        found = hashlib.sha256(repr((sorted(self.units.items()), self.results)).encode())
        for tensor, values in sorted(self.initial.items()):
            found.update(f"{tensor} {values.shape}".encode())
            found.update(np.ascontiguousarray(values, np.float64).tobytes())
        return found.hexdigest()[:16]


@dataclass
class Reference:
    """Values of one or more samples.

    Attributes
    ----------
    initial : dict
        Tensors that exist before the run, by number; shape (samples or 1, *shape).
    outputs : dict
        Results by (operation, position), in the shape of their tensor.
    levels : dict
        Levels of quantized tensors, by number.
    single : frozenset of (int, int)
        Results that were rounded to single precision, as the memory of the machine holds them.
    """

    samples: int
    initial: dict[int, Array] = field(default_factory=dict)
    outputs: dict[tuple[int, int], Array] = field(default_factory=dict)
    levels: dict[int, Levels] = field(default_factory=dict)
    single: frozenset[tuple[int, int]] = frozenset()
    arguments: dict[int, dict[str, int]] = field(default_factory=dict)
    """Arguments of operations that were others than the workload says: the seed of random numbers,
    the sign of codes that calibration found."""
    own: dict[tuple[int, int], Array] = field(default_factory=dict)
    """What PyTorch made of results that it was given another number for; see `follow`."""
    follow: Callable[[Results], Reference] | None = field(default=None, repr=False, compare=False)
    """Runs PyTorch again on the same samples: it goes on from the given results in place of its
    own, so that everything else is made of the same operands."""

    def made(self, op: int, position: int) -> Array | None:
        """What PyTorch made, whether or not it went on with it."""
        key = (op, position)
        return self.own.get(key, self.outputs.get(key))

    def as_run(self, op: Op) -> Op:
        """An operation with the arguments that it had in this run."""
        given = self.arguments.get(op.id)
        return op if given is None else replace(op, attributes={**op.attributes, **given})

    def save(self, path: str | Path) -> None:
        """Write an npz file."""
        head = {
            "version": VERSION,
            "samples": self.samples,
            "single": sorted(self.single),
            "arguments": {str(op): given for op, given in self.arguments.items()},
            "levels": {
                str(t): [list(v.unit), v.zero_point, v.half_integer, v.axis, v.signed]
                for t, v in self.levels.items()
            },
        }
        arrays: dict[str, Array] = {f"initial {t}": a for t, a in self.initial.items()}
        for kind, results in (("output", self.outputs), ("own", self.own)):
            arrays |= {f"{kind} {op} {at}": a for (op, at), a in results.items()}
        with zipfile.ZipFile(path, "w", compresslevel=1) as file:
            _write(file, "head", np.array(json.dumps(head)), zipfile.ZIP_DEFLATED)
            for name, array in arrays.items():
                short = _shortest(array)
                packs = short.itemsize == array.itemsize  # codes times a scale: many alike
                _write(file, f"{name} {array.dtype.kind}", short,
                       zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED)  # fmt: skip

    @staticmethod
    def load(path: str | Path) -> Reference:
        """Read an npz file.

        Raises
        ------
        CosimError
            The file is missing, damaged or of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                head = json.loads(str(file["head"]))
                arrays = {name: file[name] for name in file.files if name != "head"}
        except Exception as error:  # zip, zlib and numpy each have their own
            said = " ".join(str(error).split())
            raise CosimError(f"cannot read values: {said}", where=str(path)) from error
        if head.get("version") != VERSION:
            raise CosimError(
                f"values of version {head.get('version')}", where=str(path),
                expected=f"version {VERSION}",
            )  # fmt: skip
        result = Reference(int(head["samples"]))
        for name, array in arrays.items():
            kind, *numbers, type_ = name.split()
            values = array.astype(np.float64 if type_ == "f" else np.int64)
            if kind == "initial":
                result.initial[int(numbers[0])] = values
                continue
            results = result.outputs if kind == "output" else result.own
            results[int(numbers[0]), int(numbers[1])] = values
        result.levels = {
            int(t): Levels(tuple(unit), zero, half, axis, signed)
            for t, (unit, zero, half, axis, signed) in head["levels"].items()
        }
        result.single = frozenset((op, at) for op, at in head["single"])
        result.arguments = {int(op): given for op, given in head["arguments"].items()}
        return result


def _write(file: zipfile.ZipFile, name: str, array: Array, how: int) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy")
    entry.compress_type = how
    with file.open(entry, "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)


def _shortest(array: Array) -> Array:
    """The same numbers in fewer bytes, where a narrower type holds every one of them."""
    for narrow in (np.int8, np.int16, np.int32, np.float32):
        with np.errstate(invalid="ignore", over="ignore"):
            short = array.astype(narrow)
        whole = np.dtype(narrow).kind == "i"
        if whole and array.dtype.kind == "f" and np.signbit(array[array == 0]).any():
            continue  # minus zero
        if np.array_equal(short.astype(array.dtype), array, equal_nan=array.dtype.kind == "f"):
            return short
    return array


def stacked(runs: list[Reference]) -> Reference:
    """Samples recorded one by one as one reference; what only the first has holds for all.

    Raises
    ------
    CosimError
        If the levels of a quantizer differ between samples.
    """
    first = runs[0]
    if len(runs) == 1:
        return first
    for run in runs[1:]:
        if run.levels != first.levels:
            raise CosimError(
                "the scale of a quantizer differs between samples",
                expected="quantizers that are calibrated, or one sample",
            )
    return Reference(
        sum(run.samples for run in runs),
        {t: _stack([run.initial[t] for run in runs if t in run.initial]) for t in first.initial},
        {
            key: _stack([run.outputs[key] for run in runs if key in run.outputs])
            for key in first.outputs
        },
        first.levels,
        first.single,
        first.arguments,
        {key: _stack([run.own[key] for run in runs]) for key in first.own},
    )


def _stack(arrays: list[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
