"""Capture a network as a workload file: one inference, or one whole training step.

NETWORK is a name that `cosim list networks` knows, or module:callable (file.py:callable), called
with the options; it returns a torch module, or a module and its example inputs.

example:
  cosim capture lenet5 -o lenet5.json
  cosim capture lenet5 --option bits_w=ternary --mode training --optimizer adam -o step.json
  cosim capture mine.py:network --input-shape 3x32x32 -o mine.json
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence

from cosim.errors import CosimError
from cosim.units import format_bytes
from cosim.workload import networks
from cosim.workload.files import save_workload, workload_hash
from cosim.workload.lifetime import memory
from cosim.workload.workload import Kind, Phase, Role, Workload


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="a name, or module:callable")
    parser.add_argument("-o", "--out", metavar="FILE", required=True, help="workload file to write")
    parser.add_argument("--mode", choices=("inference", "training"), default="inference")
    parser.add_argument("--batch", metavar="N", type=_positive, default=1, help="inputs in one run")
    parser.add_argument(
        "--optimizer", choices=("sgd", "momentum", "adam", "adamw"), default="sgd",
        help="of a training step",
    )  # fmt: skip
    parser.add_argument(
        "--option", metavar="KEY=VALUE", action="append", default=[], type=_option,
        help="an option of the network; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--input-shape", metavar="AxBxC", type=_shape, help="of one input of a module:callable"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for machines")


def run(args: argparse.Namespace) -> int:
    workload = networks.capture_named(
        args.network,
        dict(args.option),
        mode=args.mode,
        batch=args.batch,
        optimizer=args.optimizer,
        input_shape=args.input_shape,
    )
    save_workload(workload, args.out)
    described = describe(workload) | {"file": args.out}
    if args.json:
        print(json.dumps(described, indent=2))
    else:
        print("\n".join(_lines(workload, args.out)))
    return 0


def describe(workload: Workload) -> dict[str, object]:
    """What a workload holds, as plain data."""
    usage = {unit: memory(workload, unit) for unit in ("hardware", "framework")}
    return {
        "name": workload.name,
        "mode": workload.mode,
        "batch": workload.batch,
        "hash": workload_hash(workload),
        "ops": len(workload.ops),
        "ops_by_kind": {
            kind.value: {phase.value: count for phase, count in phases.items()}
            for kind, phases in _by_kind(workload).items()
        },
        "macs": workload.macs,
        "macs_by_phase": {p.value: m for p, m in _macs(workload).items()},
        "parameters": _parameters(workload),
        "peak_memory_bytes": usage["hardware"].peak,
        "peak_memory_by_role": {r.value: b for r, b in usage["hardware"].peak_by_role.items()},
        "peak_framework_bytes": usage["framework"].peak,
        "unknown": _unknown(workload),
    }


def _lines(workload: Workload, file: str) -> Sequence[str]:
    phases = [p for p in Phase if any(op.phase is p for op in workload.ops)]
    lines = [
        f"{workload.name}: {workload.mode}, batch {workload.batch}, "
        f"{_parameters(workload):,} parameters",
        "",
        f"{'operations':<16}" + "".join(f"{phase.value:>17}" for phase in phases),
    ]
    for kind, counts in _by_kind(workload).items():
        lines.append(f"  {kind.value:<14}" + "".join(f"{counts[p] or '-':>17}" for p in phases))
    macs = _macs(workload)
    lines.append(f"{'MACs':<16}" + "".join(f"{macs[p]:>17,}" for p in phases))
    used = memory(workload)
    lines += [
        "",
        f"peak memory     {format_bytes(used.peak):>17}   {_when(workload, used.peak_op)}",
    ]
    for role, count in used.peak_by_role.items():
        if count:
            lines.append(f"  {role.value:<14}{format_bytes(count):>17}")
    if _unknown(workload):
        lines += ["", "not understood: " + ", ".join(_unknown(workload))]
    return [*lines, "", f"written: {file}"]


def _when(workload: Workload, position: int) -> str:
    if position < 0:
        return ""
    op = workload.ops[position]
    return f"in {op.phase.value} of {op.layer} ({op.name})"


def _by_kind(workload: Workload) -> dict[Kind, Counter[Phase]]:
    counts = {kind: Counter(op.phase for op in workload.ops if op.kind is kind) for kind in Kind}
    return {kind: count for kind, count in counts.items() if count}


def _macs(workload: Workload) -> Counter[Phase]:
    macs: Counter[Phase] = Counter()
    for op in workload.ops:
        macs[op.phase] += op.macs
    return macs


def _parameters(workload: Workload) -> int:
    """Elements of weights and factors that are trained or loaded, not derived in the run."""
    weights = (t for t in workload.tensors if t.role in (Role.WEIGHT, Role.FACTOR))
    first = {t.storage: t for t in weights if t.birth < 0 and t.parameter}
    return sum(tensor.elements for tensor in first.values())


def _unknown(workload: Workload) -> list[str]:
    return sorted({op.name for op in workload.ops if op.kind is Kind.OTHER})


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise CosimError(f"'{text}'", where="--batch", expected="a whole number, 1 or more")
    return int(text)


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().replace(",", "x").split("x")
    if not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise CosimError(f"'{text}'", where="--input-shape", expected="sizes like 3x224x224")
    return tuple(map(int, sizes))


def _option(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise CosimError(f"'{text}'", where="--option", expected="KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value  # a word
