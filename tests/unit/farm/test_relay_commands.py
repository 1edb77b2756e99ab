"""A meter's relay as masters and customers move it: whose command is a sign of the SESP, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_site import METERS, SITE

from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    site = tmp_path / "small.yaml"
    ratings = "    ratings: {relay_control_mode: 3, sesp_timeout_s: 30}\n"
    site.write_text(SITE.format(seed=1, groups=METERS + ratings), encoding="utf-8")
    return Farm(load(str(site)))


def _told(farm: Farm, **values: float) -> FarmDevice:
    device = farm.device("meters-001")
    device.submit(values, "rest", "test", 0.0)
    farm.step(10.0)
    return device


def test_the_customers_button_is_no_sign_of_the_sesp(farm: Farm) -> None:
    _told(farm, grid_switch=0.0)
    for _ in range(4):
        device = _told(farm, relay_manual_disconnect=1.0)
    assert device.value("sesp_link_lost") == 1.0
    assert _told(farm, grid_switch=1.0, relay_manual_reconnect=1.0).value("sesp_link_lost") == 0.0
    assert device.value("relay_control_state") == 1.0


def test_a_control_mode_is_a_whole_number_from_0_to_6(farm: Farm) -> None:
    for wrong in (2.5, -1.0, 7.0):
        with pytest.raises(OutOfRange, match=r"(whole number|must be) from 0 to 6"):
            _told(farm, relay_control_mode=wrong)
    assert _told(farm, relay_control_mode=6.0).value("relay_control_mode") == 6.0


def test_a_meter_that_ignores_its_master_still_heeds_its_customer(farm: Farm) -> None:
    _told(farm, grid_switch=0.0)
    _told(farm, grid_switch=1.0)
    farm.faults.add("follows-none", {"device": "meters-001"}, parameters={"of": "all"})
    farm.step(1.0)
    assert _told(farm, grid_switch=0.0).value("relay_control_state") == 2.0
    assert _told(farm, relay_manual_reconnect=1.0).value("relay_control_state") == 1.0
