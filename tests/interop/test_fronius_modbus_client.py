"""fronius-modbus, made for Fronius' hybrid inverters, finds and controls the two storages of the site tiny.

It takes Python 3.12 or later. Where the tests' own Python is older, FRONIUS_MODBUS_PYTHON may name one that has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import pytest
from running_farm import RunningFarm, run_client

STORAGES: Final = {("battery-001", 1): "", ("home-001", 3): "storage_"}


def _python() -> str:
    if find_spec("fronius_modbus"):
        return sys.executable
    named = os.environ.get("FRONIUS_MODBUS_PYTHON")
    if named is None:
        pytest.skip(
            "no fronius-modbus, which takes Python 3.12: run `python3.12 -m pip install fronius-modbus pymodbus`, "
            "then the tests with FRONIUS_MODBUS_PYTHON=python3.12"
        )
    return named


@dataclass(frozen=True)
class Conversation:
    """What the client said, step by step by the name of what was asked, and the device before and after."""

    said: Mapping[str, Any]
    noted: Mapping[str, Mapping[str, Any]]
    before: Mapping[str, float]
    after: Mapping[str, float]
    device: str


def _asks(prefix: str, rated_w: float) -> dict[str, list[Any]]:
    """What is asked for, in order; the storage is told to draw or to deliver as much as it can beside it."""
    setpoint = f"{prefix}active_power_setpoint_w"
    return {
        "deliver": ["tell", {setpoint: rated_w}],
        "at most 40 %": ["set_limits", {"discharge": 40.0}],
        "nothing": ["set_limits", {"discharge": 0.0}],
        "charge with 30 % at least": ["set_limits", {"discharge": -30.0}],
        "a reserve above what is in it": ["set_minimum_reserve", {"percent": 90.0}],
        "no limit": ["set_limits", {}],
        "a reserve again": ["set_minimum_reserve", {"percent": 10.0}],
        "draw": ["tell", {setpoint: -rated_w}],
        "at most 50 % for a minute": ["set_limits", {"charge": 50.0, "revert_seconds": 60}],
        "at most 25 % for a second": ["set_limits", {"charge": 25.0, "revert_seconds": 1}],
        "a second later": ["wait", 1.0],
        "at most 25 %": ["set_limits", {"charge": 25.0, "revert_seconds": 600}],
        "from 30 to 60 %": ["set_limits", {"charge": 60.0, "discharge": -30.0}],
        "discharge with 20 % at least": ["set_limits", {"charge": -20.0}],
        "no limit again": ["set_limits", {}],
        "not from the grid": ["set_grid_charging", {"enabled": False}],
        "from the grid": ["set_grid_charging", {"enabled": True}],
    }


@pytest.fixture(scope="module", params=STORAGES, ids=["battery", "home"])
def talk(site: RunningFarm, request: pytest.FixtureRequest) -> Conversation:
    device, unit = request.param
    prefix, python, way = STORAGES[device, unit], _python(), site.ways("modbus")[device]
    before = own(site, device, prefix)
    asks = _asks(prefix, before["rated_power_w"])
    said = run_client(
        "fronius_client.py",
        python,
        host=way.host,
        port=way.port,
        unit=unit,
        rest=str(site.rest.base_url),
        device=device,
        asks=list(asks.values()),
    )
    noted = dict(zip(asks, said["noted"], strict=True))
    return Conversation(said, noted, before, own(site, device, prefix), device)


def own(site: RunningFarm, device: str, prefix: str) -> dict[str, float]:
    """The storage's quantities by their own names, and the power of the PV beside it."""
    values = site.values(device)
    beside = {"pv_w": values.get("pv_active_power_w", 0.0)}
    return beside | {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def test_it_finds_a_storage_it_may_write_to(talk: Conversation) -> None:
    assert talk.said["maker"] == "pilotfarm"
    assert talk.said["serial"] == talk.device
    assert talk.said["models"][:7] == [1, 103, 120, 121, 122, 123, 124]
    assert (talk.said["floats"], talk.said["storage"]) == (False, True)
    # It tries Conn_WinTms of model 123, which takes the 0 it shows where the switch is the home's.
    assert talk.said["writes"] is True
    assert talk.said["reference_w"] == max(talk.before["rated_power_w"], talk.before["rated_charge_power_w"])


def test_its_limits_are_kept_whatever_the_set_point(talk: Conversation) -> None:
    base_w, noted = talk.said["reference_w"], talk.noted
    assert noted["deliver"]["power_w"] > 0.5 * base_w
    wanted = {
        "at most 40 %": (0.4, "DISCHARGING"),
        "nothing": (0.0, "HOLDING"),
        "charge with 30 % at least": (-0.3, "CHARGING"),
        "a reserve above what is in it": (-0.3, "CHARGING"),
        "at most 50 % for a minute": (-0.5, "CHARGING"),
        "at most 25 %": (-0.25, "CHARGING"),
        "from 30 to 60 %": (-0.6, "CHARGING"),
        "discharge with 20 % at least": (0.2, "DISCHARGING"),
    }
    for name, (share, state) in wanted.items():
        assert noted[name]["power_w"] == pytest.approx(share * base_w, abs=10.0), name
        assert noted[name]["state"] == state, name
    assert noted["draw"]["power_w"] < -0.65 * base_w
    assert noted["a second later"]["power_w"] < -0.65 * base_w
    assert noted["no limit again"]["power_w"] < -0.65 * base_w


def test_a_reserve_above_the_state_of_charge_ends_the_discharge(talk: Conversation) -> None:
    assert talk.noted["no limit"]["reserve"] == 90.0
    assert talk.noted["no limit"]["power_w"] == 0.0
    assert talk.noted["a reserve again"]["power_w"] > 0.5 * talk.said["reference_w"]


def test_without_the_grid_it_charges_with_the_power_of_its_pv(talk: Conversation) -> None:
    pv_w, noted = talk.after["pv_w"], talk.noted
    assert (noted["not from the grid"]["grid"], noted["from the grid"]["grid"]) == (False, True)
    assert -noted["not from the grid"]["power_w"] == pytest.approx(pv_w, rel=0.2, abs=5.0)
    assert (pv_w > 0.0) == (talk.device == "home-001")
    assert noted["from the grid"]["power_w"] < -0.65 * talk.said["reference_w"]


def test_it_reads_back_at_once_what_it_wrote_and_the_device_has_it(talk: Conversation) -> None:
    shown = {name: (each["charge"], each["discharge"]) for name, each in talk.noted.items()}
    assert shown["deliver"] == ([100.0, False], [100.0, False])
    assert shown["at most 40 %"] == ([100.0, False], [40.0, True])
    assert shown["charge with 30 % at least"] == ([100.0, False], [-30.0, True])
    assert shown["at most 50 % for a minute"] == ([50.0, True], [-30.0, False])
    assert talk.noted["at most 50 % for a minute"]["reverts_s"] == 60
    assert shown["at most 25 %"] == ([25.0, True], [-30.0, False])
    assert shown["from 30 to 60 %"] == ([60.0, True], [-30.0, True])
    assert shown["no limit again"] == ([-20.0, False], [-30.0, False])
    assert talk.after["charge_limit_frac"] == pytest.approx(-0.2)
    assert talk.after["soc_min_frac"] == pytest.approx(0.1)
    assert talk.noted["from the grid"]["soc"] == pytest.approx(100.0 * talk.after["soc_frac"], abs=0.01)
