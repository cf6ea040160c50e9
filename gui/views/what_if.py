"""Parameters of a run's design and workload that can be changed and run again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cosim.design.design import Dataflow, SystolicArray
from cosim.design.pipeline import Pipeline
from cosim.errors import CosimError
from cosim.units import (
    format_bandwidth,
    format_bytes,
    format_energy,
    format_frequency,
    format_power,
    format_time,
    parse_bandwidth,
    parse_bytes,
    parse_frequency,
    parse_power,
)
from gui.views.run_data import Run


@dataclass(frozen=True)
class Parameter:
    """Something that can be changed.

    Attributes
    ----------
    key : str
        ``design.`` or ``workload.`` and the path within, as in a scenario's ``[vary]``.
    value : str
        The current value as it is written.
    kind : str
        ``count``, ``choice``, ``bytes``, ``bandwidth``, ``frequency``, ``power`` or ``bits``.
    amount : float or None
        The value as a number in base units, for a slider.
    """

    key: str
    name: str
    words: str
    value: str
    kind: str
    amount: float | None = None
    choices: tuple[str, ...] = ()


_PARSE = {
    "bytes": parse_bytes,
    "bandwidth": parse_bandwidth,
    "frequency": parse_frequency,
    "power": parse_power,
}
_FORMAT = {
    "bytes": lambda v: format_bytes(round(v), None),
    "bandwidth": lambda v: format_bandwidth(round(v)),
    "frequency": lambda v: format_frequency(round(v)),
    "power": lambda v: format_power(round(v, 3), None),
}


_ARRAY_SIZES = {
    "rows": "elements in a column",
    "columns": "elements in a row",
    "units": "blocks of elements",
    "filters": "output channels at once",
    "channels": "input channels at once",
    "pixels": "output positions at once",
    "bricks": "narrow multipliers of an element",
    "depth": "products that a result sums at once",
}
"""Sizes of the array engines, of whatever kind."""


def parameters(run: Run) -> list[Parameter]:
    """What can be changed of a run, in the order in which one would try."""
    design, source = run.design, run.manifest.get("workload", {}).get("source", {})
    array = design.array
    found = [
        _count(f"design.engine.{array.name}.{name}", f"{array.name} {name.replace('_', ' ')}",
               meaning, getattr(array, name))
        for name, meaning in _ARRAY_SIZES.items() if hasattr(array, name)
    ]  # fmt: skip
    if isinstance(array, SystolicArray):
        found.append(Parameter(f"design.engine.{array.name}.dataflow", "dataflow",
                  "the operand that stays in the array", str(array.dataflow), "choice",
                  choices=tuple(Dataflow)))  # fmt: skip
    for clock in design.clocks:
        found.append(_quantity(f"design.clocks.{clock.name}", f"clock {clock.name}",
                               "frequency of this clock domain", clock.frequency_hz,
                               "frequency"))  # fmt: skip
    for buffer in design.buffers:
        found.append(_quantity(f"design.buffer.{buffer.name}.size", f"buffer {buffer.name}",
                               f"holds {', '.join(buffer.holds)}", buffer.size_bytes,
                               "bytes"))  # fmt: skip
    found.append(_quantity("design.dram.bandwidth", "DRAM bandwidth", "peak of the DRAM channel",
                           design.dram.bandwidth_bytes_per_s, "bandwidth"))  # fmt: skip
    if design.pipeline is not None:
        found += _pipeline(design.pipeline)
    else:
        found.append(_count("design.engine.vector.lanes", "vector lanes",
                            "elementwise operations at a time", design.vector.lanes))  # fmt: skip
    budget = design.power.budget_mw
    found.append(Parameter("design.power.budget", "power budget",
                           "a task that would lift the power above it waits; or 'unlimited'",
                           "unlimited" if budget is None else format_power(budget, None), "power",
                           budget))  # fmt: skip
    options = source.get("options", {})
    for key, name in (("bits_w", "weight bits"), ("bits_a", "activation bits")):
        if key in options:
            found.append(Parameter(f"workload.options.{key}", name,
                                   "2 to 8, ternary, or binary where the network has it",
                                   str(options[key]), "bits"))  # fmt: skip
    batch = int(run.manifest.get("workload", {}).get("batch", 1))
    found.append(_count("workload.batch", "batch", "samples at a time", batch))
    return found


def _pipeline(pipeline: Pipeline) -> list[Parameter]:
    """What can be changed of a dataflow pipeline as a whole."""
    return [
        _count("design.pipeline.fifo_depth", "FIFO depth", "words of FIFOs without their own depth",
               pipeline.fifo_depth),
        _count("design.pipeline.simd", "widest SIMD", "inputs at once, of layers without their own",
               pipeline.simd),
        _count("design.pipeline.pe", "widest PE", "outputs at once, of layers without their own",
               pipeline.pe),
    ]  # fmt: skip


def _count(key: str, name: str, words: str, value: int) -> Parameter:
    return Parameter(key, name, words, str(value), "count", float(value))


def _quantity(key: str, name: str, words: str, value: float, kind: str) -> Parameter:
    return Parameter(key, name, words, _FORMAT[kind](value), kind, float(value))


def text_of(parameter: Parameter, amount: float) -> str:
    """A number as this parameter's value is written."""
    if parameter.kind in _FORMAT:
        return str(_FORMAT[parameter.kind](amount))
    return str(max(1, round(amount)))


def amount_of(parameter: Parameter, text: str) -> float | None:
    """A written value as a number in base units; None for one that is none (``unlimited``).

    Raises
    ------
    CosimError
        If it cannot be read.
    """
    value = parsed(parameter, text)
    if isinstance(value, int):
        return float(value)
    if parameter.kind in _PARSE and text.strip() != "unlimited":
        return float(_PARSE[parameter.kind](text, parameter.name))
    return None


def parsed(parameter: Parameter, text: str) -> object:
    """What a scenario would take for a written value.

    Raises
    ------
    CosimError
        If it is none.
    """
    text = text.strip()
    if parameter.kind == "power" and text == "unlimited":
        return text
    if parameter.kind in _PARSE:
        _PARSE[parameter.kind](text, parameter.name)
        return text
    if parameter.kind == "choice":
        if text not in parameter.choices:
            raise CosimError(f"{parameter.name} is '{text}'",
                             expected=f"one of {', '.join(parameter.choices)}")  # fmt: skip
        return text
    if parameter.kind == "bits" and not text.isdigit():
        return text
    if not text.isdigit() or int(text) < 1:
        raise CosimError(f"{parameter.name} is '{text}'", expected="a whole number from 1")
    return int(text)


@dataclass(frozen=True)
class Job:
    """A simulation to be run in a process of its own: one point, or a scenario's."""

    out: str
    scenario: str = ""
    only: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    workload: dict[str, Any] = field(default_factory=dict)
    design: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def job_for(run: Run, changes: Mapping[str, object], out: Path) -> Job:
    """The job that runs `run` again with some parameters changed.

    Raises
    ------
    CosimError
        If the manifest does not say where network and design came from.
    """
    described = run.manifest.get("workload", {})
    source = described.get("source", {})
    if not source.get("network"):
        raise CosimError("the run does not say which network it ran", where=str(run.path))
    workload: dict[str, Any] = {
        "name": run.workload, "network": source["network"], "mode": described.get("mode"),
        "batch": described.get("batch", 1), "options": dict(source.get("options", {})),
        "optimizer": source.get("optimizer") or "sgd",
    }  # fmt: skip
    of_design = run.manifest.get("design", {})
    overrides = dict(of_design.get("overrides", {}))
    words = []
    for key, value in changes.items():
        room, _, path = key.partition(".")
        words.append(f"{path.rpartition('.')[2]} {value}")
        if room == "design":
            overrides[path] = value
        elif path.startswith("options."):
            workload["options"][path.removeprefix("options.")] = value
        else:
            workload[path] = value
    name = ", ".join([run.design_name, *words])
    if not of_design.get("base"):
        raise CosimError("the run does not say which design it was made of", where=str(run.path))
    design = {
        "name": name, "base": str(of_design["base"]), "overrides": overrides,
        "document": of_design.get("document"),
    }  # fmt: skip
    return Job(str(out), workload=workload, design=design)


_MOVED = (
    ("latency", "latency_s", lambda v: format_time(v * 1e12)),
    ("energy", "energy_j", lambda v: format_energy(v * 1e12)),
    ("DRAM traffic", "dram_bytes", lambda v: format_bytes(round(v))),
    ("peak memory", "peak_memory_bytes", lambda v: format_bytes(round(v))),
    ("mean power", "average_power_w", lambda v: format_power(v * 1e3)),
)


def what_moved(before: Run, after: Run) -> list[tuple[str, str, str, str]]:
    """Name, value before, value after and change of a run's main figures."""
    rows = []
    for name, key, text in _MOVED:
        old, new = before.summary.get(key), after.summary.get(key)
        if old is None or new is None:
            continue
        change = f"{100 * (new / old - 1):+.1f} %" if old and new != old else "same"
        rows.append((name, text(float(old)), text(float(new)), change))
    return rows
