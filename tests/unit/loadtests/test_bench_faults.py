"""The benchmark of many faults: they stand on the site it breaks, all of one family, and on none when it is over."""

from __future__ import annotations

from collections import Counter

import pytest

from pilotfarm.emulators import registry
from pilotfarm.loadtests.bench import upkeep
from pilotfarm.loadtests.bench.measures import layout_of


@pytest.fixture(scope="module")
def sites() -> dict[bool, upkeep.Stepped]:
    """One that is served, and one that is not."""
    return {True: upkeep.stepped(layout_of("modbus-1000")), False: upkeep.stepped(layout_of("plain-1000"))}


@pytest.mark.parametrize("family", upkeep.FAMILIES)
def test_as_many_faults_of_a_family_as_asked_for_stand_on_single_devices(
    sites: dict[bool, upkeep.Stepped], family: str
) -> None:
    site = sites[family in ("admission", "link", "protocol")]
    upkeep.break_many(site.farm, family, 40)
    site.step(1.0)
    faults = [fault for fault in site.farm.faults if fault.state == "active"]
    assert len(faults) == 40
    site.farm.faults.clear_all()
    assert {len(fault.hit) for fault in faults} == {1}
    kinds = Counter(fault.spec.kind for fault in faults)
    assert kinds.keys() == set(upkeep.FAMILIES[family])
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert {registry.fault(kind).family for kind in kinds} == {family}


def test_two_sites_step_in_turn_and_one_of_them_has_the_faults(sites: dict[bool, upkeep.Stepped]) -> None:
    spared, struck = upkeep.stepped(layout_of("plain-1000")), sites[False]
    before = struck.farm.steps
    took = upkeep.broken(spared, struck, "clock", 2, 3, faults=10)
    assert spared.farm.steps == struck.farm.steps - before == 2 * (upkeep.WARM_UP + 3)
    assert not list(spared.farm.faults)
    assert [fault.state for fault in struck.farm.faults][-20:] == ["ended"] * 20
    assert min(took.put_ms, took.spared_ms, took.struck_ms) > 0.0


def test_a_site_without_room_for_as_many_faults_is_told(sites: dict[bool, upkeep.Stepped]) -> None:
    with pytest.raises(AssertionError, match="room for 0 faults of protocol"):
        upkeep.break_many(sites[False].farm, "protocol", 1)
