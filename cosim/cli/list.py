"""List what a scenario can name: boards, parts, networks, or the scenarios that come along.

Parts are DRAM channels and the energies and powers of the catalogue; those marked "assumed" rest
on no reachable source.

example:
  cosim list boards
  cosim list parts --json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

Row = Mapping[str, object]
"""One entry: at least `name` and `description`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=sorted(_LISTS), help="what to list")
    parser.add_argument("--json", action="store_true", help="print a JSON list for machines")


def run(args: argparse.Namespace) -> int:
    rows = _LISTS[args.what]()
    if args.json:
        print(json.dumps([dict(row) for row in rows], indent=2))
        return 0
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        mark = "  (assumed)" if row.get("assumed") else ""
        print(f"{row['name']:<{width}}  {row['description']}{mark}")
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
