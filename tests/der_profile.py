"""The points of IEEE 1815.2 as others have them: dnp3py's profile, and the tables that py1815 wants made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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


_SUPPORTED = {
    35: "frequency_support_enabled",
    36: "active_power_limit_enabled",
    37: "active_power_setpoint_enabled",
    46: "reactive_power_setpoint_enabled",
    47: "power_factor_setpoint_enabled",
    48: "volt_var_enabled",
}
_PROTECTED = {52: "overvoltage", 55: "undervoltage", 58: "overfrequency", 61: "underfrequency"}


def told(values: Mapping[str, float]) -> dict[str, float]:
    """Return what an outstation has to say of a device with these quantities where no single quantity says it."""
    on, power = values["running"] > 0.0, values["active_power_w"]
    idle = abs(power) < 0.5
    free = not on and not values["available"] and not values["fault_trip"] and values["start_permitted"] > 0.0
    said: dict[str, float] = {
        **{f"BI{index}": _SUPPORTED.get(index, "") in values for index in range(31, 52)},
        "BI12": not on and values["available"] > 0.0,
        "BI13": on and not values["started"],
        "BI15": not on,
        "BI18": on and idle,
        "BI19": on and not idle and power > 0.0,
        "BI20": on and not idle and power < 0.0,
        "BI21": free,
        "BI22": not on and not free,
    }
    of_resources = "storage_soc_frac" in values
    units = 3 if of_resources else int("overvoltage_protection_operated" in values)
    for first, name in _PROTECTED.items() if units else ():
        said[f"BI{first}"] = False
        for index, what in enumerate(("started", "operated"), first + 1):
            alike = [stands for each, stands in values.items() if each.endswith(f"_{name}_protection_{what}")]
            if of_resources:
                said[f"BI{index}"] = any(alike)
    batteries, suns = "soc_frac" in values or of_resources, "available_power_w" in values or of_resources
    counts = {0: 100, 1: 0, 24: 0, 25: 4 * of_resources, 26: suns, 27: batteries, 28: units}
    return {address: float(value) for address, value in said.items()} | {
        f"AI{index}": float(number) for index, number in counts.items()
    }
