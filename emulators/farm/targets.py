"""Whom a request means: devices by kind, group, feeder and a glob of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.wording import unknown

PLACE_KEYS: Final = ("kind", "group", "feeder", "device")
"""What a target may name; what it leaves out matches everything."""


def strange(
    population: Population, feeders: Sequence[str], target: Mapping[str, str], keys: Sequence[str] = PLACE_KEYS
) -> Iterator[tuple[str, str]]:
    """Yield what of a target there is not, as key and message; the key is empty for one that no target has."""
    known = {
        "kind": sorted({group.layout.kind for group in population} | set(registry.DEVICES)),
        "group": list(population.groups),
        "feeder": list(feeders),
    }
    for key, value in target.items():
        if key not in keys:
            yield "", unknown(key, keys)
        elif key in known and value not in known[key]:
            yield key, unknown(value, known[key])
