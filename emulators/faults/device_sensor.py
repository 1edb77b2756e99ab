"""Sensors that a device has lost: it holds their last values, says that these are invalid, and knows what to do."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from pydantic import Field

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.fault import Cells, DeviceFault, MeasurementFault
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.faults.device_parts import Noticed, noticed, part
from pilotfarm.emulators.quantities import Quantity, Role, split

_SENSORS: Final = {
    "temperature": ("temperature_*", "cabinet_temperature_*"),
    "voltage": ("voltage_*", "frequency_hz"),
    "current": ("current_l?_a", "active_power_*", "reactive_power_*", "apparent_power_va", "power_factor"),
    "weather": ("irradiance_*", "module_temperature_*", "wind_*", "humidity_*", "pressure_*", "rain_*"),
}
"""What is measured by each sensor."""


class SensorLost(Noticed):
    """What the device does about it."""

    alarm: bool = Field(True, description="Whether the device raises its general alarm")
    derated_frac: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="Share of its power that it does without, not knowing how hot it is",
    )


def _does(mode: str, parameters: SensorLost) -> dict[str, float]:
    if mode == "temperature":
        return noticed(parameters, derated_frac=parameters.derated_frac)
    return noticed(parameters, **({"blind": 1.0} if mode in ("voltage", "current") else {}))


def _measured(mode: str, quantities: Sequence[Quantity]) -> dict[str, str]:
    return {
        each.name: each.name
        for each in quantities
        if each.role is Role.MEASUREMENT and any(fnmatchcase(split(each.name)[1], glob) for glob in _SENSORS[mode])
    }


def _no_numbers(mode: str, parameters: SensorLost) -> dict[str, float]:
    return {}


def _held(mode: str, cells: Cells) -> Floats:
    return cells.note


def _invalid(mode: str, parameters: SensorLost) -> Quality:
    return Quality.INVALID


_HELD = MeasurementFault(
    kind="sensor-lost",
    title="The last value, which is invalid",
    parameters=SensorLost,
    numbers=_no_numbers,
    report=_held,
    quality=_invalid,
    replaces=True,
    reads=_measured,
)

SENSOR_LOST = DeviceFault(
    kind="sensor-lost",
    title="A sensor is lost: its last values are held and invalid; without its temperature a device derates, and "
    "without voltage or current an inverter or charger stops",
    parameters=SensorLost,
    modes=tuple(_SENSORS),
    sets=_does,
    part=part,
    says=_HELD,
)
