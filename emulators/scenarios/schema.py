"""The JSON Schema of a scenario file, with the kinds of faults that are registered."""

from __future__ import annotations

from typing import Any

from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.requests import FAULT_KEYS
from pilotfarm.emulators.farm.targets import PLACE_KEYS
from pilotfarm.emulators.scenarios.model import ACTIONS, OVERRIDES, ScenarioFile


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that an editor can complete and check a scenario file with."""
    schema = ScenarioFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    parts = schema["$defs"]
    fault = parts["FaultTable"]
    fault["properties"]["kind"]["enum"] = list(registry.FAULTS)
    fault["allOf"] = [_of_kind(kind) for kind in registry.FAULTS]
    fault["properties"]["target"] |= _target(FAULT_KEYS)
    for table in OVERRIDES.values():
        parts[table.__name__]["properties"]["target"] |= _target((*PLACE_KEYS, "pick"))
    parts["SetpointsTable"]["oneOf"] = [{"required": ["target", "values"]}, {"required": ["devices"]}]
    parts["SetpointsTable"]["properties"]["target"]["anyOf"][0] |= _target(PLACE_KEYS)
    step = parts["StepTable"]
    step["oneOf"] = [
        *({"required": [action]} for action in ACTIONS),
        {"required": ["when"], "not": {"anyOf": [{"required": [action]} for action in ACTIONS]}},
    ]
    step["not"] = {"required": ["at", "after"]}
    return schema


def _target(keys: tuple[str, ...]) -> dict[str, Any]:
    one = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    properties = {key: one if key != "pick" else {"type": ["integer", "string"]} for key in keys}
    return {"properties": properties, "additionalProperties": False}


def _of_kind(kind: str) -> dict[str, Any]:
    spec = registry.fault(kind)
    then: dict[str, Any] = {"mode": {"enum": [*spec.modes, None]}}
    fields = spec.parameters.model_json_schema()
    then["parameters"] = {
        "properties": fields.get("properties", {}),
        "additionalProperties": False,
        "required": fields.get("required", []),
    }
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": then, "required": ["parameters"] if fields.get("required") else []},
    }
