"""JSON Schema of scenario files, for editors: what one may look like, before its names are known.

The parser (`cosim.explore.scenario_file`) is the definition. The schema refuses nothing that the
parser takes; what needs the catalogue, the networks or arithmetic, the parser alone knows.
``python -m cosim.explore.scenario_schema`` prints it; ``docs/scenario.schema.json`` is its output.
"""

from __future__ import annotations

import json
from typing import Any

from cosim.explore.scenario_file import ScenarioTable

_AXIS_KEY = r"^(design\..+|workload\.(batch|mode|optimizer|options\..+))$"
_ENDS = {"type": "array", "minItems": 2, "maxItems": 2}
_AXIS: dict[str, Any] = {
    "anyOf": [
        {"type": "array", "minItems": 1, "description": "The values."},
        {
            "type": "object",
            "properties": {
                "list": {"type": "array", "minItems": 1, "description": "The values."},
                "range": {**_ENDS, "description": "First and last, both included."},
                "step": {"description": "Between the values of a range; 1 by default."},
                "log": {**_ENDS, "description": "First and last, equal ratios between."},
                "points": {
                    "type": "integer", "minimum": 2, "description": "How many values log takes."
                },
                "only": {"type": "string", "description": "Where the axis applies."},
            },
            "additionalProperties": False,
            "oneOf": [
                {"required": ["list"]},
                {"required": ["range"]},
                {"required": ["log", "points"]},
            ],
        },
    ]
}  # fmt: skip


def json_schema() -> dict[str, Any]:
    """The schema."""
    schema = ScenarioTable.model_json_schema()
    vary, linked = schema["properties"]["vary"], schema["properties"]["linked"]["items"]
    vary["additionalProperties"] = _AXIS
    vary["propertyNames"] = {"pattern": _AXIS_KEY}
    linked["additionalProperties"] = _AXIS
    linked["properties"] = {"only": {"type": "string", "description": "Where they apply."}}
    linked["propertyNames"] = {"pattern": f"{_AXIS_KEY[:-1]}|^only$"}
    linked["minProperties"] = 1
    sources = [{"required": [name], "properties": {name: {"type": "string"}}}
               for name in ("network", "file")]  # fmt: skip
    schema["$defs"]["WorkloadTable"]["oneOf"] = sources
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
