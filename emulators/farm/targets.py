"""Whom a request means: devices by what and where they are, how they are served, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import translate
from typing import Any, Final, TypeAlias

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Bools, Indices
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
_OF_WAYS: Final[Mapping[str, Callable[[Way], str]]] = {
    "station": lambda way: way.station.name,
    "protocol": lambda way: way.station.protocol,
    "map": lambda way: way.map,
    "medium": lambda way: way.station.medium,
}
"""What a target may say of a way, beside the labels it carries."""
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
    named = _named(population, entries(target, "device")) if "device" in target else None
    spared = _named(population, entries(target, "exclude"))
    found: Rows = {}
    for group in population:
        if _is_place(group, target):
            rows = np.arange(group.size) if named is None else named[group.name]
            rows = np.setdiff1d(rows, spared[group.name], assume_unique=True)
            rows = rows[_are_fed(group, rows, target)]
            rows = rows[_are_served(population, group, rows, target)]
            if len(rows):
                found[group.name] = rows
    return found


def ways_meant(target: Target) -> Callable[[Way], bool]:
    """Return whether a target means a way to a device it means: what it says of ways holds of that one."""
    asked = [(_OF_WAYS[key], frozenset(entries(target, key))) for key in _OF_WAYS if key in target]
    labels = _labels_of(target)

    def meant(way: Way) -> bool:
        for of, names in asked:
            if of(way) not in names:
                return False
        return not labels or _is_labelled(way.labels, labels)

    return meant


def names_ways(target: Target, group: Group) -> bool:
    """Whether a target means devices of a group by ways to them, and not by what they are themselves."""
    by_name = any(key in target for key in _OF_WAYS)
    return by_name or not _is_labelled(group.layout.labels, _labels_of(target))


def _is_place(group: Group, target: Target) -> bool:
    place = {"kind": group.layout.kind, "group": group.name, "feeder": group.layout.feeder}
    return all(value in entries(target, key) for key, value in place.items() if key in target)


def _named(population: Population, names: Sequence[str]) -> Rows:
    """Find, in every group, the devices that have one of some names or match one that is a glob."""
    found: dict[str, set[int]] = {group.name: set() for group in population}
    globs = [name for name in names if _is_glob(name)]
    for name in set(names).difference(globs):
        if name in population.devices:
            group, row = population.find(name)
            found[group.name].add(row)
    if globs:
        match = _matching(globs)
        for group in population:
            found[group.name].update(row for row, name in enumerate(group.layout.devices) if match(name))
    return {name: np.array(sorted(rows), dtype=np.intp) for name, rows in found.items()}


def _is_glob(name: str) -> bool:
    return any(each in name for each in "*?[")


def _matching(globs: Sequence[str]) -> Callable[[str], object]:
    """Return whether one of some globs matches a name, as ``fnmatchcase`` has it."""
    return re.compile("|".join(map(translate, globs))).match


def _are_fed(group: Group, rows: Indices, target: Target) -> Bools:
    """Return which devices are on the branches and phases asked for; one of three phases is on all of them."""
    found = np.full(len(rows), True)
    if "branch" in target:
        branches = set(entries(target, "branch"))
        found &= np.array([group.branches[row] in branches for row in rows.tolist()], dtype=bool)
    if "phase" in target:
        asked = [_PHASES.index(each) for each in entries(target, "phase")]
        found &= (group.columns["phases"][rows] >= 2.0) | np.isin(group.columns["phase"][rows].astype(int), asked)
    return found


def _are_served(population: Population, group: Group, rows: Indices, target: Target) -> Bools:
    """Return which devices have a way that is asked for; where only labels are, a device may carry them itself."""
    by_way = any(key in target for key in _OF_WAYS)
    labels = _labels_of(target)
    if not by_way and _is_labelled(group.layout.labels, labels):
        return np.full(len(rows), True)
    meant, ways = ways_meant(target), population.ways
    return np.array([any(map(meant, ways.get((group.name, row), ()))) for row in rows.tolist()], dtype=bool)


_Labels: TypeAlias = Mapping[str, Collection[str]]
"""By the name of each label that is asked for, the values asked for."""


def _labels_of(target: Target) -> _Labels:
    wanted: dict[str, set[str]] = {}
    for each in entries(target, "label"):
        name, _, value = each.partition("=")
        wanted.setdefault(name, set()).add(value)
    return wanted


def _is_labelled(labels: Mapping[str, str], wanted: _Labels) -> bool:
    """Whether labels have, of every name that is asked for, one of the values asked for."""
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
    if key == "label":
        yield from (_no_label(each, population) for each in values if each not in population.labels)
    elif key in ("device", "exclude") and len(values) > 1:
        yield from (f"no device is called {quoted(each)}" for each in values if not _calls_anybody(each, population))
    elif key in _KNOWN:
        known = _KNOWN[key](population)
        there = set(known)
        yield from (unknown(each, known) for each in values if each not in there)
        if key == "medium":
            used = {each.medium for each in population.stations}
            yield from (f"no way here is over {each}" for each in values if each in there and each not in used)


_KNOWN: Final[Mapping[str, Callable[[Population], Sequence[str]]]] = {
    "kind": lambda site: sorted({group.layout.kind for group in site} | set(registry.DEVICES)),
    "group": lambda site: list(site.groups),
    "feeder": lambda site: site.feeders,
    "branch": lambda site: site.branches,
    "phase": lambda _: _PHASES,
    "station": lambda site: list(dict.fromkeys(each.name for each in site.stations if each.name)),
    "protocol": lambda _: list(registry.PROTOCOLS),
    "map": lambda site: list(dict.fromkeys(seat.map for each in site.stations for seat in each.seats)),
    "medium": lambda _: media.NAMES,
}
"""By key, the names that a target may have there, in the order in which a message lists them."""


def _calls_anybody(name: str, population: Population) -> bool:
    return any(map(_matching([name]), population.devices)) if _is_glob(name) else name in population.devices


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
