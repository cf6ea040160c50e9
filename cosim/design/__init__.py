"""Design points: what a machine is made of, as a person writes it and as the simulator takes it.

`design` holds the resolved, frozen classes; `catalogue` the boards and parts that come along. A
TOML file becomes a `Design` in four steps: `toml_source` reads it with the line of every key,
`document` merges it onto its base, `specification` says what it may contain (checked by
`validation`), `resolve` looks up names and fills in constants. How operations are placed on the
machine is not here but in `cosim.mapping`.

pydantic is imported only when a design is loaded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cosim.design import catalogue
from cosim.design.design import Design
from cosim.design.document import Document, read_document

__all__ = ["Design", "content_hash", "json_schema", "load", "names"]

_NOT_CONTENT = ("name", "description", "assumptions", "constants")


def load(
    path_or_name: str | Path | Document, overrides: Mapping[str, object] | None = None
) -> Design:
    """The design of a TOML file or of a board of the catalogue.

    Parameters
    ----------
    path_or_name : str, Path or Document
        ``"ultra96"``, ``"my/design.toml"``, or what was read of it.
    overrides : mapping of str to object, optional
        Dotted path to value, as in the file: ``{"engine.array.rows": 8, "power.budget": "1 W"}``.

    Raises
    ------
    CosimError
        Everything that is wrong with it, a line each.
    """
    from cosim.design.overrides import apply_overrides
    from cosim.design.pipeline_resolve import resolved_pipeline
    from cosim.design.pipeline_specification import PipelineDesignSpec
    from cosim.design.resolve import resolved
    from cosim.design.template import model_of
    from cosim.design.validation import validated

    document = read_document(path_or_name)
    if overrides:
        document = apply_overrides(document, overrides)
    specification = validated(model_of(document), document)
    if isinstance(specification, PipelineDesignSpec):
        return resolved_pipeline(specification, document)
    return resolved(specification, document)


def names() -> list[str]:
    """Names of the catalogue's boards."""
    return catalogue.board_names()


def content_hash(design: Design) -> str:
    """Hash of everything that can change a result: equal designs under other names agree."""
    content = {
        key: value for key, value in dataclasses.asdict(design).items() if key not in _NOT_CONTENT
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def json_schema() -> dict[str, object]:
    """JSON Schema of a design file, for editors."""
    from cosim.design.schema import design_schema

    return design_schema()
