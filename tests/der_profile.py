"""The points of IEEE 1815.2 as others have them: dnp3py's profile, and the tables that py1815 wants made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from py1815.profile import load
from py1815.profile.model import Composition, PointMap

CLASSES = {"None": 0, "Class1": 1, "Class2": 2, "Class3": 3}
_KINDS = ("BO", "BI", "AO", "AI")
_PAIRED = ("assoc_bi", "assoc_bo", "assoc_ai", "assoc_ao")
_UNIT_3 = {"inverters": 66, "batteries": 54}
"""dnp3py has the analog inputs of these blocks at unit 3 only; so far they lie behind unit 1."""


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield type and row of every point of the profile, those of unit 1 of each equipment among them."""
    text = (files("dnp3.mesa") / "data" / "profiles" / "full.json").read_text(encoding="utf-8")
    profile = json.loads(text)
    for kind in _KINDS:
        yield from ((kind, row) for row in profile[kind]["points"])
        for block in ("meters", "ders", "inverters", "batteries"):
            for unit in profile[kind].get(block, [])[:1]:
                behind = _UNIT_3.get(block, 0) if kind == "AI" else 0
                for row in unit.values():
                    yield kind, {**row, "point_index": row["point_index"] - behind}
    yield from (("CTR", row) for row in profile["CTR"])


def point_map() -> PointMap:
    """Return the profile as py1815's checks read it."""
    points: dict[str, list[dict[str, Any]]] = {}
    for kind, row in rows():
        points.setdefault(kind, []).append(
            {
                "index": row["point_index"],
                "name": row["name"],
                "purpose": row.get("purpose"),
                "event_class": CLASSES.get(row.get("event_class", "")),
                "multiplier": row.get("multiplier"),
                "offset_value": row.get("offset"),
                "minimum": row.get("minimum"),
                "maximum": row.get("maximum"),
                "units": row.get("units"),
                "associated": next((row[name] for name in _PAIRED if row.get(name)), None),
            }
        )
    return load.resolve({"key": {}, "points": points, "edition": "dnp3py"}, Composition())
