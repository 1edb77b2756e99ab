"""SunSpec over Modbus for any kind without resources (SunSpec Information Model Specification 1.9).

Every chain begins at 40000 with model 1 and ends with vendor models for what no standard model has. A meter
also answers as an Eastron SDM630, where no SunSpec client looks.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache
from typing import Final

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps import sdm630
from pilotfarm.emulators.maps.binding import REVISION, VENDOR, Quantities, modbus_map, quantities_of, resources_of
from pilotfarm.emulators.maps.sunspec import battery, der, inverter, meter, storage, weather
from pilotfarm.emulators.maps.sunspec.chain import Model
from pilotfarm.emulators.maps.sunspec.unit import sunspec_unit
from pilotfarm.emulators.plans.modbus import Identity, RegisterPlan, check_covers

BATTERY: Final = (
    inverter.inverter_103(storage=True),
    inverter.nameplate_120(storage=True),
    inverter.SETTINGS_121,
    inverter.status_122(storage=True),
    inverter.CONTROLS_123,
    storage.STORAGE_124,
    der.measured_701("temperature_degc"),
    der.CAPACITY_702,
    der.ENTER_SERVICE_703,
    der.CONTROLS_704,
    der.storage_713("soc_frac", battery.STORED),
    der.SUPERVISION_715,
    battery.BATTERY_802,
    battery.BATTERY_803,
)
PV: Final = (
    inverter.inverter_103(storage=False),
    inverter.nameplate_120(storage=False),
    inverter.SETTINGS_121,
    inverter.status_122(storage=False),
    inverter.CONTROLS_123,
    inverter.STRINGS_160,
    der.measured_701("cabinet_temperature_degc"),
    der.CAPACITY_702,
    der.ENTER_SERVICE_703,
    der.CONTROLS_704,
    der.SUPERVISION_715,
    weather.IRRADIANCE_302,
    weather.MODULE_303,
    weather.WEATHER_307,
)
METER: Final = (meter.METER_203,)
GATEWAY: Final = (meter.GATEWAY_203,)
"""Of what measures and raises no alarms of a meter."""

DER: Final = (
    der.measured_701(),
    der.CAPACITY_702,
    der.ENTER_SERVICE_703,
    der.CONTROLS_704,
    der.SUPERVISION_715,
)
"""What follows set-points and is none of the others."""


def _models(names: Container[str]) -> tuple[tuple[Model, ...], str]:
    """Return the standard models that suit what a kind has, and the product code of a device with them."""
    if "soc_frac" in names:
        return BATTERY, "PF-BAT"
    if "available_power_w" in names:
        return PV, "PF-PV"
    if "active_power_setpoint_w" in names:
        return DER, "PF-DER"
    return (METER, "PF-MET") if "power_failure_alarm" in names else (GATEWAY, "PF-GW")


@cache
def _plan(kind: str, names: frozenset[str]) -> RegisterPlan:
    models, code = _models(names)
    identity, has = Identity(VENDOR, code, REVISION, kind.replace("_", "-")), Quantities(names)
    if models is METER:
        eastron = sdm630.WINDOWS, sdm630.registers(has), (), sdm630.SERIAL_NUMBERS
        unit = sunspec_unit(0, models, identity, has, *eastron, makes_room=True)
    else:
        unit = sunspec_unit(0, models, identity, has)
    return check_covers(RegisterPlan((unit,), names))


def plan(spec: DeviceSpec) -> RegisterPlan:
    return _plan(spec.kind, quantities_of(spec))


MAP: Final = modbus_map(
    name="sunspec",
    title="SunSpec models at 40000 (meters also as Eastron SDM630)",
    plan=plan,
    fits=lambda spec: not resources_of(spec),
)
