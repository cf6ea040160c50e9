"""List what a scenario can name: boards, parts, networks, or the scenarios that come along; or the
constants of a design.

Parts are DRAM channels and the energies and powers of the catalogue; those marked "assumed" rest
on no reachable source. "constants DESIGN" lists the energies, powers and times of a board or a
design file, each with its source, and the area that its technology gives.

example:
  cosim list boards
  cosim list parts --json
  cosim list constants edge-asic-16x16
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from cosim.errors import CosimError

Row = Mapping[str, object]
"""One entry: at least `name` and `description`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=sorted((*_LISTS, "constants")), help="what to list")
    parser.add_argument(
        "design", nargs="?", metavar="DESIGN", help="of constants: a board or a design file"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list for machines")


def run(args: argparse.Namespace) -> int:
    if args.what == "constants":
        return _print_constants(args.design, as_json=args.json)
    if args.design is not None:
        raise CosimError(f"'{args.design}' beside '{args.what}'", expected="nothing more")
    rows = _LISTS[args.what]()
    if args.json:
        print(json.dumps([dict(row) for row in rows], indent=2))
        return 0
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        mark = "  (assumed)" if row.get("assumed") else ""
        print(f"{row['name']:<{width}}  {row['description']}{mark}")
    return 0


def _print_constants(path_or_name: str | None, *, as_json: bool) -> int:
    from dataclasses import asdict

    from cosim.design.area import area_of
    from cosim.design.constants_of import constants_of

    if path_or_name is None:
        raise CosimError("list constants of which design?", expected="a board or a design file")
    design, constants = constants_of(path_or_name)
    area = area_of(design)
    if as_json:
        rows = [asdict(constant) for constant in constants]
        print(json.dumps({"constants": rows, "area": asdict(area)}, indent=2))
        return 0
    keys = max((len(constant.key) for constant in constants), default=0)
    values = max((len(constant.value) for constant in constants), default=0)
    for constant in constants:
        marks = [mark for mark in ("assumed", "derived") if getattr(constant, mark)]
        text = f"{constant.source} ({', '.join(marks)})" if marks else constant.source
        print(f"{constant.key:<{keys}}  {constant.value:>{values}}  {text}")
    known = {name: mm2 for name, mm2 in area.parts_mm2.items() if mm2 is not None}
    if known:
        parts = ", ".join(f"{name} {mm2:.3g}" for name, mm2 in known.items())
        print(f"\narea, mm2, without control and wires: {area.total_mm2:.3g} ({parts})")
    if area.block_memories:
        print(f"\nblock memories: {area.block_memories}")
    return 0


def _boards() -> list[Row]:
    from cosim.design import catalogue

    return [{"name": board.name, "description": board.description} for board in catalogue.boards()]


def _parts() -> list[Row]:
    from dataclasses import asdict

    from cosim.design import catalogue

    return [asdict(part) for part in catalogue.parts()]


def _networks() -> list[Row]:
    from models import networks

    rows: list[Row] = []
    for name in networks.names():
        known = networks.describe(name)
        rows.append({**known, "description": known["summary"]})
    return rows


def _scenarios() -> list[Row]:
    import scenarios
    from cosim.design.toml_source import read_toml

    rows: list[Row] = []
    for file in scenarios.files():
        values = read_toml(file).values
        name = file.relative_to(scenarios.FOLDER).with_suffix("").as_posix()
        rows.append({"name": name, "description": values.get("description", ""), "file": str(file)})
    return rows


_LISTS = {
    "boards": _boards,
    "networks": _networks,
    "parts": _parts,
    "scenarios": _scenarios,
}
