"""Overrides: for a time the weather, the load or the medium is another one, and nothing is broken.

They go before what a site file has, be it a model, recorded weather or a series.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pilotfarm.emulators.contracts.fault import MediumOverride, Override
from pilotfarm.emulators.contracts.override import CHANGEABLE, Shift
from pilotfarm.emulators.wording import unknown
from pilotfarm.profiles.media import NAMES

LOAD_MAX_W: Final = 1e6


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def _value(name: str, doc: str) -> float | None:
    low, high = CHANGEABLE[name]
    found: float | None = Field(None, ge=low, le=high, description=doc)
    return found


class Weather(_Parameters):
    """What of the weather is another one; the rest is as it would be."""

    irradiance_factor: float | None = Field(
        None, ge=0.0, le=2.0, description="Global irradiance over what it would be; what is left of it is more diffuse"
    )
    irradiance_w_per_m2: float | None = _value("irradiance", "Global irradiance on the horizontal [W/m2]")
    temperature_rise_k: float | None = Field(
        None, ge=-50.0, le=50.0, description="By how much the air outside is warmer than it would be [K]"
    )
    temperature_degc: float | None = _value("temperature", "Of the air outside [degC]")
    wind_speed_m_per_s: float | None = _value("wind_speed", "Wind, which cools modules [m/s]")
    wind_direction_deg: float | None = _value(
        "wind_direction", "Where the wind comes from, from north over east [deg]; shown by weather stations"
    )
    humidity_frac: float | None = _value("humidity", "Relative humidity; shown by weather stations")
    pressure_pa: float | None = _value("pressure", "Air pressure [Pa]; shown by weather stations")
    rain_mm_per_h: float | None = _value("rain", "Rain [mm/h]; shown by weather stations")
    from_deg: float | None = Field(
        None,
        ge=0.0,
        le=360.0,
        description="Where it comes from, from north over east [deg]: within `ramp_s` and `spread_s` it passes devices "
        "by where they stand; in an order drawn by the seed if left out",
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Weather:
        for one, other in (("irradiance_factor", "irradiance_w_per_m2"), ("temperature_rise_k", "temperature_degc")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"{one} does not go with {other}")
        if not _shifts(self):
            raise ValueError("needs something that is other than usual, such as irradiance_factor")
        return self


def _shifts(parameters: Weather) -> dict[str, Shift]:
    values = {
        "irradiance": parameters.irradiance_w_per_m2,
        "temperature": parameters.temperature_degc,
        "wind_speed": parameters.wind_speed_m_per_s,
        "wind_direction": parameters.wind_direction_deg,
        "humidity": parameters.humidity_frac,
        "pressure": parameters.pressure_pa,
        "rain": parameters.rain_mm_per_h,
    }
    found = {name: Shift(value=value) for name, value in values.items() if value is not None}
    if parameters.irradiance_factor not in (None, 1.0):
        found["irradiance"] = Shift(factor=parameters.irradiance_factor)
    if parameters.temperature_rise_k not in (None, 0.0):
        found["temperature"] = Shift(added=parameters.temperature_rise_k)
    return found


def _from_deg(parameters: Weather) -> float | None:
    return parameters.from_deg


class Load(_Parameters):
    """How much more or less households draw, up to what their main fuse lets through."""

    factor: float = Field(1.0, ge=0.0, le=100.0, description="What appliances draw over what they would")
    added_w: float = Field(
        0.0, ge=-LOAD_MAX_W, le=LOAD_MAX_W, description="Drawn besides, after the factor [W]; minus is less"
    )
    power_w: float | None = Field(
        None, ge=-LOAD_MAX_W, le=LOAD_MAX_W, description="Drawn in place of what appliances would [W]"
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Load:
        if self.factor == 1.0 and self.added_w == 0.0 and self.power_w is None:
            raise ValueError("needs a factor other than 1, an added_w other than 0, or a power_w")
        return self


def _load(parameters: Load) -> dict[str, Shift]:
    if parameters.power_w is None:
        return {"load": Shift(factor=parameters.factor, added=parameters.added_w)}
    return {"load": Shift(parameters.power_w, parameters.factor, parameters.added_w)}


class OtherMedium(_Parameters):
    """What ways are over instead."""

    to: str = Field(description="What the ways are over, one of docs/media.md", json_schema_extra={"enum": list(NAMES)})

    @field_validator("to")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(unknown(name, NAMES))
        return name


def _medium(parameters: OtherMedium) -> str:
    return parameters.to


WEATHER = Override(
    kind="weather",
    title="The weather over devices is another one: a cloud front, a heat wave, a storm",
    parameters=Weather,
    shifts=_shifts,
    from_deg=_from_deg,
    example={"irradiance_factor": 0.3, "temperature_rise_k": -5.0},
)

LOAD = Override(
    kind="load",
    title="The appliances of meters and homes draw more or less than they would",
    parameters=Load,
    shifts=_load,
    example={"factor": 1.5, "added_w": 500.0},
)

MEDIUM = MediumOverride(
    kind="medium",
    title="Ways to devices that have a medium are over another one: a modem falls back to GPRS, or its fibre is dug up",
    parameters=OtherMedium,
    medium=_medium,
    example={"to": "gprs"},
)
