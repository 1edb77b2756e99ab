"""What the pages share: tables in Markdown, and who has a quantity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilotfarm.emulators import registry
from pilotfarm.emulators.quantities import split


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown; nothing is an empty cell."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|")


def code(name: str) -> str:
    return f"`{name}`" if name else ""


ALL_KINDS = frozenset(registry.DEVICES)
_ORDER = ("all", *registry.DEVICES)


def holder(kind: str, name: str) -> str:
    """Who has a quantity: a kind, or one's resource by the prefix of its quantities, ``prosumer/ev_``."""
    resource, _ = split(name)
    return f"{kind}/{resource}_" if resource else kind


def listed(holders: Iterable[str]) -> str:
    """Return holders in the order of the registry; every kind is ``all``."""
    found = set(holders)
    plain = {each for each in found if "/" not in each}
    if plain >= ALL_KINDS:
        plain = plain - ALL_KINDS | {"all"}
    words = sorted(plain, key=lambda each: (_ORDER.index(each) if each in _ORDER else len(_ORDER), each))
    resources: dict[str, list[str]] = {}
    for each in sorted(found):
        kind, _, prefix = each.partition("/")
        if prefix:
            resources.setdefault(kind, []).append(code(prefix))
    return ", ".join([*words, *(f"{kind}'s {' '.join(prefixes)}" for kind, prefixes in resources.items())])
