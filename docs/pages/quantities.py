"""The page of quantities: each once, with who has it."""

from __future__ import annotations

from math import isfinite

from tables import code, holder, listed, table

from pilotfarm.emulators import registry
from pilotfarm.emulators.quantities import Quantity, split
from pilotfarm.emulators.quantities.catalogue import PARTS

HEAD = """\
# Quantities

What devices measure, say and take. `make pages` writes this page from the catalogue (`emulators/quantities`).
`pilotfarm points` and REST have the same names, units and descriptions; where each stands over a protocol is on the
[pages of the maps](maps/).

- **Sign**: plus is power, current and energy that leave the device towards the grid. A map that differs has a minus in
  its scale.
- **Units** end the names. `_frac` is a share from 0 to 1 (unit 1), `bool` is 0 or 1, `enum` one of the numbers listed.
- **Range** is what any device may hold or be given; ratings narrow it. Without one it is any number.
- **Roles**: a *measurement* moves by itself; a *total* is an energy register that never falls; a *state* and an *alarm*
  are on or off, or a count; a *rating* does not change; a *setpoint* stays until it is written again; a *command* is a
  pulse that acts in the next step and falls back to 0.
- **Of**: the kinds that have it. A prosumer's resources have the same quantities with a prefix in front: its storage's
  `soc_frac` is `storage_soc_frac`.
- **Item**: what of the specification (EMPOWER D4.1) it carries.
"""


def page() -> str:
    """Return the whole page."""
    holders, items = _holders(), _items()
    sections = [HEAD]
    for title, part in PARTS.items():
        rows = [
            (
                code(each.name),
                each.unit,
                each.role,
                _range(each),
                listed(holders.get(each.name, ())),
                _meaning(each),
                "; ".join(items.get(each.name, ())),
            )
            for each in part
        ]
        columns = ("quantity", "unit", "role", "range", "of", "meaning", "item")
        sections.append(f"\n## {title}\n\n{table(columns, rows)}")
    return "".join(sections)


def _holders() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in registry.DEVICES:
        for each in registry.device(kind).quantities:
            found.setdefault(split(each.name)[1], []).append(holder(kind, each.name))
    return found


def _items() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in registry.DEVICES:
        for item, names in registry.device(kind).items.items():
            for name in names:
                known = found.setdefault(split(name)[1], [])
                if item not in known:
                    known.append(item)
    return found


def _range(found: Quantity) -> str:
    if found.is_binary:
        return ""
    low, high = (f"{bound:,.10g}" if isfinite(bound) else "" for bound in (found.min, found.max))
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"up to {high}" if high else ""


def _meaning(found: Quantity) -> str:
    """The description, and what goes with it: the switch a write closes, the permission it needs, what it puts."""
    parts = [found.doc]
    if found.enables:
        parts.append(f"in force while {code(found.enables)} is 1")
    if found.permitted_by:
        parts.append(f"needs {code(found.permitted_by)}")
    return "; ".join(parts)
