"""Whom a request means: devices by what and where they are, how they are served, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.farm.population import Group, Population, Rows, Way
from pilotfarm.emulators.wording import shown, unknown
from pilotfarm.emulators.words import quoted
from pilotfarm.profiles import media
from pilotfarm.profiles.draws import uniform

Target: TypeAlias = Mapping[str, str | Sequence[str]]
"""By key a name, or several of which one has to match. A device is meant where all keys match."""

PLACE_KEYS: Final = (
    "kind",
    "group",
    "feeder",
    "branch",
    "phase",
    "device",
    "exclude",
    "station",
    "protocol",
    "map",
    "medium",
    "label",
)
"""What a target may name; what it leaves out matches everything."""
_OF_WAYS: Final = ("station", "protocol", "map", "medium", "label")
_PHASES: Final = ("L1", "L2", "L3")
ENTRIES_MAX: Final = 10_000
"""Maximum number of names under one key."""
ENTRY_LENGTH_MAX: Final = 200
_PICK: Final = re.compile(r"all|[0-9]{1,6}|[0-9]{1,3}(\.[0-9]{1,6})? ?%")


def entries(target: Target, key: str) -> tuple[str, ...]:
    """Return what a target names under a key."""
    value = target.get(key, ())
    return (value,) if isinstance(value, str) else tuple(value)


# ------------------------------------------------------------------------------------------ choosing


def chosen(population: Population, target: Target) -> Rows:
    """Find the devices that a checked target means."""
    by_way = any(key in target for key in _OF_WAYS)
    found: Rows = {}
    for group in population:
        if not _is_place(group, target):
            continue
        rows = [
            row
            for row, name in enumerate(group.layout.devices)
            if _is_called(name, target)
            and _is_fed(group, row, target)
            and (not by_way or _is_served(population, group, row, target))
        ]
        if rows:
            found[group.name] = np.array(rows, dtype=np.intp)
    return found


def on_way(target: Target, way: Way) -> bool:
    """Whether a target means this way to a device it means: what it says of ways holds of this one."""
    station = way.station
    of_way = {"station": station.name, "protocol": station.protocol, "map": way.map, "medium": station.medium}
    return all(value in entries(target, key) for key, value in of_way.items() if key in target) and _is_labelled(
        way.labels, target
    )


def names_ways(target: Target, group: Group) -> bool:
    """Whether a target means devices of a group by ways to them, and not by what they are themselves."""
    return any(key in target for key in ("station", "protocol", "map")) or not _is_labelled(group.layout.labels, target)


def _is_place(group: Group, target: Target) -> bool:
    place = {"kind": group.layout.kind, "group": group.name, "feeder": group.layout.feeder}
    return all(value in entries(target, key) for key, value in place.items() if key in target)


def _is_called(name: str, target: Target) -> bool:
    if any(fnmatchcase(name, glob) for glob in entries(target, "exclude")):
        return False
    return "device" not in target or any(fnmatchcase(name, glob) for glob in entries(target, "device"))


def _is_fed(group: Group, row: int, target: Target) -> bool:
    """Whether a device is on the branches and phases asked for; one of three phases is on all of them."""
    if "branch" in target and group.branches[row] not in entries(target, "branch"):
        return False
    if "phase" not in target or group.columns["phases"][row] >= 2.0:
        return True
    return _PHASES[int(group.columns["phase"][row])] in entries(target, "phase")


def _is_served(population: Population, group: Group, row: int, target: Target) -> bool:
    ways = population.ways.get((group.name, row), ())
    if any(on_way(target, way) for way in ways):
        return True
    only_labels = not any(key in target for key in _OF_WAYS if key != "label")
    return only_labels and _is_labelled(group.layout.labels, target)


def _is_labelled(labels: Mapping[str, str], target: Target) -> bool:
    """Whether labels have, of every name that is asked for, one of the values asked for."""
    wanted: dict[str, set[str]] = {}
    for each in entries(target, "label"):
        name, _, value = each.partition("=")
        wanted.setdefault(name, set()).add(value)
    return all(labels.get(name) in values for name, values in wanted.items())


# ------------------------------------------------------------------------------------------- picking


def picked(population: Population, rows: Rows, pick: str, number: int) -> Rows:
    """Draw some of the devices by their keys: ``all``, how many, or a share such as ``25 %``, which is one at least.

    The same ``number`` and seed draw the same devices. With fewer devices than asked for, all are picked.
    """
    if pick == "all" or not rows:
        return rows
    names = [(name, row) for name, chosen_rows in rows.items() for row in chosen_rows.tolist()]
    share = pick.endswith("%")
    count = max(1, round(len(names) * float(pick[:-1]) / 100.0)) if share else int(pick)
    keys = np.concatenate([population.groups[name].layout.keys[chosen_rows] for name, chosen_rows in rows.items()])
    first = set(np.argsort(uniform(keys, number, "pick"), kind="stable")[:count].tolist())
    left: dict[str, list[int]] = {}
    for place, (name, row) in enumerate(names):
        if place in first:
            left.setdefault(name, []).append(row)
    return {name: np.array(some, dtype=np.intp) for name, some in left.items()}


# ------------------------------------------------------------------------------------------ checking


def strange(
    population: Population, target: Mapping[str, Any], keys: Sequence[str] = PLACE_KEYS
) -> Iterator[tuple[str, str]]:
    """Yield what of a target there is not, as key and message; the key is empty for one that no target has."""
    for key, value in target.items():
        if key not in keys:
            yield "", unknown(key, keys)
        elif key == "pick":
            yield from _strange_pick(value)
        else:
            wrong = _shape(value)
            if wrong:
                yield key, wrong
            else:
                yield from ((key, message) for message in _strangers(population, key, entries(target, key)))


def _shape(value: Any) -> str:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list | tuple) or not all(isinstance(each, str) for each in several):
        return "must be a name or a list of names"
    if not several:
        return "must not be an empty list; left out, it matches everything"
    if any(len(each) > ENTRY_LENGTH_MAX for each in several):
        return f"a name has at most {ENTRY_LENGTH_MAX} characters"
    return "" if len(several) <= ENTRIES_MAX else f"has {len(several):,} names; {ENTRIES_MAX:,} are the maximum"


def _strangers(population: Population, key: str, values: Sequence[str]) -> Iterator[str]:
    stations = population.stations
    if key == "label":
        yield from (_no_label(each, population) for each in values if each not in population.labels)
    elif key in ("device", "exclude") and len(values) > 1:
        names = population.devices
        yield from (
            f"no device is called {quoted(each)}"
            for each in values
            if not any(fnmatchcase(name, each) for name in names)
        )
    else:
        known = {
            "kind": sorted({group.layout.kind for group in population} | set(registry.DEVICES)),
            "group": list(population.groups),
            "feeder": list(population.feeders),
            "branch": list(population.branches),
            "phase": list(_PHASES),
            "station": list(dict.fromkeys(each.name for each in stations if each.name)),
            "protocol": list(registry.PROTOCOLS),
            "map": list(dict.fromkeys(seat.map for each in stations for seat in each.seats)),
            "medium": list(media.NAMES),
        }
        yield from (unknown(each, known[key]) for each in values if key in known and each not in known[key])
        if key == "medium":
            there = {each.medium for each in stations}
            yield from (f"no way here is over {each}" for each in values if each in media.NAMES and each not in there)


def _no_label(label: str, population: Population) -> str:
    if "=" not in label:
        return f"{shown(label)!r} is no label such as cell=north"
    return unknown(label, sorted(population.labels)) if population.labels else "nobody of this site carries labels"


def _strange_pick(value: Any) -> Iterator[tuple[str, str]]:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _PICK.fullmatch(text):
        yield "pick", "must be all, a number of devices, or a share such as 25 %"
    elif text != "all" and not float(text.rstrip(" %")) > 0.0:
        yield "pick", "picks nobody"
    elif text.endswith("%") and float(text.rstrip(" %")) > 100.0:
        yield "pick", "is more than 100 %"
