"""The JSON Schema of a site file, with the kinds, ratings, protocols and maps that are registered."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import Rating
from pilotfarm.emulators.contracts.replay import OF_THE_SITE, REPLAYABLE, SESSIONS
from pilotfarm.emulators.site.distributions import Choice
from pilotfarm.emulators.site.model import SiteFile
from pilotfarm.emulators.words import with_article
from pilotfarm.profiles import media
from pilotfarm.profiles.media.shared import SHARED


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) that an editor can complete and check a site file with."""
    schema = SiteFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    parts = schema["$defs"]
    for part, key, names in (
        ("Endpoint", "protocol", registry.PROTOCOLS),
        ("Station", "protocol", registry.PROTOCOLS),
        ("Group", "kind", registry.DEVICES),
        ("Endpoint", "medium", (*media.NAMES, *SHARED)),
        ("Station", "medium", (*media.NAMES, *SHARED)),
    ):
        parts[part]["properties"][key]["enum"] = list(names)
    parts["Endpoint"]["properties"]["map"]["anyOf"][0]["enum"] = list(registry.MAPS)
    ratings = parts["Group"]["properties"]["ratings"]
    # The values of a rating depend on the kind: some ratings have names.
    value, ratings["additionalProperties"] = ratings["additionalProperties"], True
    parts["Group"]["allOf"] = [_of_kind(kind, value) for kind in registry.DEVICES]
    parts["Group"]["properties"]["replay"]["additionalProperties"] = True
    for table, said in OF_THE_SITE.items():
        of_table = parts[table.capitalize()]["properties"]
        of_table["replay"] = _replays(said, of_table["replay"])
    for part in ("Endpoint", "Station"):
        parts[part]["allOf"] = [_options_of(name, parts) for name in registry.PROTOCOLS]
    return schema


def _of_kind(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    spec = registry.device(kind)
    ratings = {
        "description": f"What {with_article(kind)} is rated for",
        "properties": {rating.name: _rating(rating, value) for rating in spec.ratings},
        "additionalProperties": False,
    }
    described = {"description": f"What series say of {with_article(kind)} in place of models"}
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": {"ratings": ratings, "replay": _replays(tuple(spec.replays), described)}},
    }


def _replays(names: tuple[str, ...], described: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what is replayed, each with its units."""
    kept = {key: item for key, item in described.items() if key in ("description", "default", "title")}
    each = {
        name: {
            "allOf": [{"$ref": "#/$defs/ReplayTable"}],
            "properties": {"unit": {"enum": list(REPLAYABLE[name].units), "description": "Of the numbers in the file"}},
            "description": REPLAYABLE[name].doc,
            "required": ["column"] if name != SESSIONS else [],
        }
        for name in names
    }
    return {**kept, "type": "object", "properties": each, "additionalProperties": False}


def _rating(rating: Rating, value: dict[str, Any]) -> dict[str, Any]:
    if not rating.possible:
        return {**value, "description": f"{rating.doc} [{rating.unit}, {rating.min:g} to {rating.max:g}]"}
    one = {"enum": [*rating.names, *rating.possible]}
    described = Choice.model_json_schema()["properties"]
    listed = {**described["choice"], "items": one}
    weights = described["weights"]["anyOf"][0] | {"description": described["weights"]["description"]}
    among = {"type": "object", "properties": {"choice": listed, "weights": weights}, "required": ["choice"]}
    return {"anyOf": [one, among], "description": rating.doc}


def _options_of(protocol: str, parts: dict[str, Any]) -> dict[str, Any]:
    options = TypeAdapter(registry.protocol(protocol).options_model).json_schema(ref_template="#/$defs/{model}")
    parts.update(options.pop("$defs", {}))
    options["description"] = f"Settings of {registry.protocol(protocol).title}"
    return {
        "if": {"properties": {"protocol": {"const": protocol}}, "required": ["protocol"]},
        "then": {"properties": {"options": options}},
    }
