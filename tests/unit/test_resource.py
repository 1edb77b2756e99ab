"""The names of a compound device's resources: cut off and put on in one way everywhere."""

from __future__ import annotations

import pytest

from pilotfarm.emulators.columns.resource import ITSELF, Resource, apart
from pilotfarm.emulators.quantities import CATALOGUE, EV, HOME, RESOURCES, STORAGE, number_of, quantity, split

PV_SHARES = "pv_shares"


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_name_comes_apart_as_it_was_put_together(resource: Resource) -> None:
    for plain in (*CATALOGUE, "_", "a_b_c"):
        full = resource.of(plain)
        assert resource.plain(full) == plain
        assert apart(full, RESOURCES) == (resource, plain)
        assert [other for other in RESOURCES if other.plain(full) is not None] == [resource]


def test_the_device_itself_has_the_plain_names() -> None:
    assert ITSELF.of("soc_frac") == "soc_frac"
    assert ITSELF.plain("storage_soc_frac") == "storage_soc_frac"
    assert apart("soc_frac", RESOURCES) == (ITSELF, "soc_frac")
    assert STORAGE.plain("soc_frac") is None
    assert STORAGE.plain("storage") is None


def test_a_name_is_a_resources_only_where_the_device_has_the_resource() -> None:
    assert apart("storage_soc_frac", ("appliances",)) == (ITSELF, "storage_soc_frac")
    assert split(PV_SHARES) == (ITSELF, PV_SHARES)
    assert split("storage_soc_frac") == (STORAGE, "soc_frac")


def test_resources_are_numbered_from_one_after_the_device() -> None:
    assert [number_of(each) for each in (ITSELF, *RESOURCES)] == [0, 1, 2, 3, 4]


def test_a_resources_set_point_closes_the_resources_own_switch() -> None:
    assert quantity(EV.of("active_power_setpoint_w")).enables == EV.of("active_power_setpoint_enabled")
    assert quantity(HOME.of("room_temperature_degc")).enables == ""
