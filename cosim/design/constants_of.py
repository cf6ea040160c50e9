"""Every constant of a design for a person to read: its value, and where it comes from.

To those that state a source, come from the catalogue or are derived, this adds the energies,
powers, times and rates that a file gives without a source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cosim.design import load
from cosim.design.design import Design, SourcedConstant
from cosim.design.document import Document, read_document
from cosim.design.model_tree import Node, leaf_paths
from cosim.design.overrides import apply_overrides
from cosim.design.quantity_field import Between
from cosim.design.template import model_of
from cosim.design.toml_source import KeyPath
from cosim.design.validation import dotted
from cosim.units import ENERGY, ENERGY_PER_BIT, OPERATION_RATE, POWER, TIME

_CONSTANTS = (ENERGY, ENERGY_PER_BIT, POWER, TIME, OPERATION_RATE)


def constants_of(
    path_or_name: str | Path, overrides: Mapping[str, object] | None = None
) -> tuple[Design, list[SourcedConstant]]:
    """The design, and its constants in the order of the keys of a design file.

    Raises
    ------
    CosimError
        As `cosim.design.load` does.
    """
    document = read_document(path_or_name)
    if overrides:
        document = apply_overrides(document, overrides)
    model = model_of(document)
    design = load(path_or_name, overrides)
    known = {constant.key: constant for constant in design.constants}
    known |= {c.key: c for c in _without_source(document, Node(model)) if c.key not in known}
    order = list(model.model_fields)
    found = sorted(known.values(), key=lambda c: order.index(c.key.partition(".")[0]))
    return design, found


def _without_source(document: Document, root: Node) -> Iterator[SourcedConstant]:
    for path in leaf_paths(root, document.values):
        value = _value(document, path)
        if value is not None and path not in document.provenance and _is_constant(root, path):
            yield SourcedConstant(dotted(path), str(value), f"stated in {document.where(path)}")


def _value(document: Document, path: KeyPath) -> object:
    value: object = document.values
    for key in path:
        value = value.get(str(key)) if isinstance(value, dict) else None
    return value


def _is_constant(root: Node, path: KeyPath) -> bool:
    node = root.descend(path)
    return node is not None and any(
        isinstance(constraint, Between) and constraint.quantity in _CONSTANTS
        for constraint in node.constraints
    )
