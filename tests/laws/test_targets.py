"""Whom a target means: devices looked up by name, in sets and in arrays are those found by asking each of them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import LinkFault, ProtocolFault, acts_on
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.population import Group, Way
from pilotfarm.emulators.farm.targets import chosen, strange
from pilotfarm.emulators.site import load

FARM = Farm(load("norway", media=True))
SITE = FARM.population
DEVICES = list(SITE.devices)
WAYS = [way for ways in SITE.ways.values() for way in ways]
GLOBS = [
    "*",
    "*-00[13]",
    "homes-*",
    "*[!s]-0?1",
    "homes-0[0-9]1",
    "HOMES-*",
    "nobody-*",
    "[",
    "*]",
    "?-001",
    "",
    "Homes-001",
]
PHASES = ["L1", "L2", "L3"]


def several(names: Sequence[str], size: int = 3) -> st.SearchStrategy[Any]:
    """A name, or a list of some."""
    each = st.sampled_from(sorted(set(names)))
    return each | st.lists(each, min_size=1, max_size=size)


named = st.sampled_from(DEVICES) | st.sampled_from(GLOBS)
KEYS = {
    "kind": several([group.layout.kind for group in SITE]),
    "group": several(list(SITE.groups)),
    "feeder": several(SITE.feeders),
    "branch": several(SITE.branches, 12),
    "phase": several(PHASES),
    "device": named | st.lists(named, min_size=1, max_size=40),
    "exclude": named | st.lists(named, min_size=1, max_size=40),
    "station": several([way.station.name for way in WAYS if way.station.name]),
    "protocol": several(list(registry.PROTOCOLS)),
    "map": several([way.map for way in WAYS]),
    "medium": several([way.station.medium for way in WAYS]),
    "label": several(list(SITE.labels)),
}
targets = st.sets(st.sampled_from(sorted(KEYS)), max_size=3).flatmap(
    lambda keys: st.fixed_dictionaries({key: KEYS[key] for key in sorted(keys)})
)
"""Of a few keys: with all of them nobody is left."""


def listed(target: dict[str, Any], key: str) -> list[str]:
    value = target.get(key, [])
    return [value] if isinstance(value, str) else value


def agrees(target: dict[str, Any], key: str, value: str) -> bool:
    return key not in target or value in listed(target, key)


def labelled(target: dict[str, Any], labels: Any) -> bool:
    asked = [each.split("=") for each in listed(target, "label")]
    return all(any(labels.get(one) == value for one, value in asked if one == name) for name, _ in asked)


def met(target: dict[str, Any], way: Way) -> bool:
    station = way.station
    own = {"station": station.name, "protocol": station.protocol, "map": way.map, "medium": station.medium}
    return all(agrees(target, key, value) for key, value in own.items()) and labelled(target, way.labels)


def meant(target: dict[str, Any], group: Group, row: int) -> bool:
    """Whether a target means a device, as its documentation says, one question after the other."""
    device, ways = group.layout.devices[row], SITE.ways.get((group.name, row), ())
    own = {"kind": group.layout.kind, "group": group.name, "feeder": group.layout.feeder, "branch": group.branches[row]}
    if not all(agrees(target, key, value) for key, value in own.items()):
        return False
    if any(fnmatchcase(device, glob) for glob in listed(target, "exclude")):
        return False
    if "device" in target and not any(fnmatchcase(device, glob) for glob in listed(target, "device")):
        return False
    phase = PHASES[int(group.columns["phase"][row])]
    if group.columns["phases"][row] < 2.0 and not agrees(target, "phase", phase):
        return False
    served = any(met(target, way) for way in ways)
    if any(key in target for key in ("station", "protocol", "map", "medium")):
        return served
    return served or labelled(target, group.layout.labels)


@given(targets)
@settings(max_examples=250, deadline=None)
def test_a_target_means_the_devices_that_are_all_it_asks_for_in_the_order_of_the_site(target: dict[str, Any]) -> None:
    found = SITE.ids(chosen(SITE, target))
    assert found == [
        device for group in SITE for row, device in enumerate(group.layout.devices) if meant(target, group, row)
    ]


@given(st.lists(named, min_size=2, max_size=30), st.sampled_from(["device", "exclude"]))
@settings(max_examples=100, deadline=None)
def test_of_a_list_every_name_that_calls_nobody_is_told_in_its_order(names: list[str], key: str) -> None:
    nobody = [each for each in names if not any(fnmatchcase(device, each) for device in DEVICES)]
    told = list(strange(SITE, {key: names}))
    assert [place for place, _ in told] == [key] * len(nobody)
    assert all(each.strip()[:5] in message for each, (_, message) in zip(nobody, told, strict=True))


# ------------------------------------------------------------------------------------ hit and missed

ON_THE_WAY = [
    kind
    for kind in registry.FAULTS
    if isinstance(spec := registry.fault(kind), LinkFault | ProtocolFault) and not spec.needs
]


@given(st.sampled_from(ON_THE_WAY), targets)
@settings(max_examples=100, deadline=None)
def test_a_fault_of_messages_misses_who_has_no_way_that_is_meant_over_a_protocol_of_its_own(
    kind: str, target: dict[str, Any]
) -> None:
    assume(not list(strange(SITE, target)))
    spec = registry.fault(kind)
    assert isinstance(spec, LinkFault | ProtocolFault)
    hit, missed = [], []
    for group in SITE:
        for row, device in enumerate(group.layout.devices):
            if meant(target, group, row):
                ways = [way for way in SITE.ways.get((group.name, row), ()) if met(target, way)]
                able = any(acts_on(spec, way.station.protocol) for way in ways)
                (hit if able else missed).append(device)
    if not hit:
        with pytest.raises(ConfigError, match="no device"):
            put(kind, target)
        return
    fault = put(kind, target)
    assert (list(fault.hit), list(fault.missed)) == (hit, missed)


def put(kind: str, target: dict[str, Any]) -> Fault:
    """Put a fault on the site that is worse than every medium there."""
    worst = {"latency": {"delay_s": 60.0}, "bandwidth": {"rate_bit_s": 10.0}}
    return FARM.faults.add(kind, target, parameters=worst.get(kind, registry.fault(kind).example), dry_run=True)
