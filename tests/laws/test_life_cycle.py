"""Trips, resets, starts and stops of every kind: all that can stand at once, in every combination."""

from __future__ import annotations

import numpy as np
import pytest
from world import HOUR_S, devices, surroundings

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.quantities import Role

WHAT_STANDS = (
    *("own_trip", "grid_trip", "started", "identification_failed", "local_mode", "cause"),
    *("alarm_reset", "identification_clear", "start", "stop"),
)
"""A state or a command, one bit of a row's number each; ``cause`` is a reason to trip."""
N = 2 ** len(WHAT_STANDS)
BITS = {name: np.arange(N) >> place & 1 == 1 for place, name in enumerate(WHAT_STANDS)}
TOO_HOT_DEGC = 70.0


@pytest.fixture(params=list(registry.DEVICES))
def spec(request: pytest.FixtureRequest) -> DeviceSpec:
    return registry.device(request.param)


def everything_at_once(spec: DeviceSpec) -> tuple[Columns, dict[str, np.ndarray]]:
    """Devices in every combination of ``WHAT_STANDS`` that their kind can be in, and which one each is in."""
    ratings = {"v2g_power_w": 7_000.0} if "v2g_power_w" in {rating.name for rating in spec.ratings} else {}
    columns, bits = devices(spec, N, **ratings), dict(BITS)
    heats, protects = "temperature_max_degc" in columns, "grid_trip" in columns
    for name, possible in (("cause", heats), ("grid_trip", protects and columns["delivers"] > 0.0)):
        bits[name] = BITS[name] & possible
    new = columns | {name: bits[name].astype(float) for name in WHAT_STANDS if name in columns}
    new["identified"] = (~bits["identification_failed"]).astype(float)
    if "credential_refused" in columns:  # what it shows is its user's identification, and this its own
        new["credential_refused"] = bits["identification_failed"].astype(float)
    new["fault_trip"] = (bits["own_trip"] | bits["grid_trip"]).astype(float)
    if heats:
        for name in ("temperature_degc", "temperature_max_degc"):
            new[name] = np.where(bits["cause"], TOO_HOT_DEGC, 20.0)
    if protects:
        new["protection_calm"] = np.where(bits["grid_trip"], 0.0, 1.0)
        new["reconnect_ramp_frac"] = np.where(bits["grid_trip"], 0.0, 1.0)
    return new, bits


def own_trip(bits: dict[str, np.ndarray]) -> np.ndarray:
    """Where a device has to be off by a fault of its own after one step."""
    return bits["cause"] | bits["own_trip"] & ~(bits["alarm_reset"] & obeyed(bits))


def obeyed(bits: dict[str, np.ndarray]) -> np.ndarray:
    return (~bits["identification_failed"] | bits["identification_clear"]) & ~bits["local_mode"]


def expected(bits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What has to stand after one step."""
    identified = ~bits["identification_failed"] | bits["identification_clear"]
    obeys = obeyed(bits)
    trip = own_trip(bits) | bits["grid_trip"]
    started = (bits["started"] | bits["start"] & obeys) & ~(bits["stop"] & obeys)
    return {
        "identified": identified,
        "identification_failed": ~identified,
        "fault_trip": trip,
        "available": started & ~trip,
        "running": started & ~trip,
        "remote_enabled": started & ~trip & obeys,
    }


def test_every_state_meets_every_command_as_the_rules_say(spec: DeviceSpec) -> None:
    """A reset clears no trip whose cause still stands, nor the grid protection's; ``stop`` goes before ``start``."""
    columns, bits = everything_at_once(spec)
    after = spec.step(columns, surroundings(N, 12.0 * HOUR_S), 1.0)
    shown = {q.name for q in spec.quantities if q.role in (Role.STATE, Role.ALARM)}
    if "credential_refused" in columns:
        shown -= {"identified", "identification_failed"}
    for name, stands in expected(bits).items():
        if name in shown:
            wrong = np.flatnonzero((after[name] > 0.0) != stands)
            assert not wrong.size, (name, [each for each in WHAT_STANDS if bits[each][wrong[0]]])
    assert np.all(after["general_alarm"] >= after["fault_trip"])
    for _ in range(12):
        after = spec.step(after, surroundings(N, 12.0 * HOUR_S), 10.0)
    # The grid has been good for two minutes: who was off for its sake alone is back.
    assert np.array_equal(after["fault_trip"] > 0.0, own_trip(bits))


def test_who_is_reset_all_the_time_is_off_where_it_is_too_hot_and_nowhere_else() -> None:
    battery = registry.device("battery")
    degc, always = np.linspace(40.0, 90.0, 501), np.ones(501)
    columns = devices(battery, 501, room_max_degc=30.0, own_schedule_frac=0.0)
    columns |= dict.fromkeys(("temperature_degc", "temperature_max_degc"), degc)
    world = surroundings(501, 2.0 * HOUR_S)
    columns = battery.step(columns, world, 600.0)
    off = columns["fault_trip"] > 0.0
    coolest_off, hottest_on = degc[off].min(), degc[~off].max()
    assert hottest_on < coolest_off
    for _ in range(60):
        hot = columns["temperature_max_degc"]
        columns = battery.step(columns | {"alarm_reset": always}, world, 600.0)
        off = columns["fault_trip"] > 0.0
        assert np.all(off[hot >= coolest_off])
        assert not np.any(off[hot <= hottest_on])
    assert not off.any()
