"""The JSON Schema of a design file: the specification plus what a document may add to it."""

from __future__ import annotations

from typing import Any

from cosim.design.template import MODELS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def design_schema() -> dict[str, object]:
    """Keys, types, ranges and meanings, ``base`` and values with provenance included.

    No key is required: a file with a ``base`` may leave any of them out.
    """
    definitions: dict[str, Any] = {}
    templates = []
    for model in MODELS.values():
        schema = model.model_json_schema()
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = schema
        templates.append({"$ref": f"#/$defs/{model.__name__}"})
    return {
        "$schema": _DIALECT,
        "anyOf": templates,
        "$defs": {
            **{name: _with_provenance(table) for name, table in definitions.items()},
            "from": {
                "type": "object",
                "properties": {"from": {"type": "string"}},
                "required": ["from"],
                "additionalProperties": False,
                "description": "A constant of the catalogue: `cosim list parts`.",
            },
        },
    }


def _with_provenance(table: dict[str, Any]) -> dict[str, Any]:
    """The schema of a table, each single value also allowed as ``{value, source, assumed}``."""
    if table.get("type") != "object" or "properties" not in table:
        return table
    properties = {key: _or_sourced(value) for key, value in table["properties"].items()}
    made = {
        **{key: value for key, value in table.items() if key != "required"},
        "properties": properties,
    }
    if isinstance(made.get("additionalProperties"), dict):  # names of the user's own beside keys
        made["additionalProperties"] = _or_sourced(made["additionalProperties"])
    return made


def _or_sourced(value: dict[str, Any]) -> dict[str, Any]:
    value = _without_null(value)
    entries = value.get("additionalProperties")
    if isinstance(entries, dict) and "$ref" not in entries:
        return {**value, "additionalProperties": _or_sourced(entries)}
    if "oneOf" in value:
        # tables of several kinds: as no key is required, a partial one may fit more than one
        others = {key: entry for key, entry in value.items() if key != "oneOf"}
        return {**others, "anyOf": value["oneOf"]}
    if value.get("type") == "object" or "$ref" in value:
        return value
    sourced = {
        "type": "object",
        "properties": {
            "value": value,
            "source": {"type": "string", "description": "Where the value comes from."},
            "assumed": {"type": "boolean", "description": "True if no source states it."},
        },
        "required": ["value"],
        "additionalProperties": False,
    }
    description = {"description": value["description"]} if "description" in value else {}
    return {"anyOf": [value, sourced, {"$ref": "#/$defs/from"}], **description}


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    """A key that may be left out: TOML has no null."""
    kinds = [kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return value
    return {**{key: of for key, of in value.items() if key not in ("anyOf", "default")}, **kinds[0]}
