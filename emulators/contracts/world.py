"""What surrounds devices: place, time, weather and mains."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.override import Change


@dataclass(frozen=True, slots=True)
class Place:
    """Where a site is. Degrees, metres, and the name of its time zone."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    time_zone: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What surrounds ``n`` devices during one step, as of the step's end.

    The mains are those of the power flow of the step before.
    Irradiance is ``(n,)``: it differs from device to device, or is one value for all. So may overrides have the air.
    What series say (``contracts.replay``) is ``(n,)``, NaN where a model says it; ``None`` is a model everywhere.
    Everything else is one value for the site. Angles in degrees; ``local_hour`` is in [0, 24);
    ``weekday`` counts from Monday = 0; ``unix_s`` is site time on the UTC scale.
    """

    time_s: float
    unix_s: float
    local_hour: float
    weekday: int
    day_of_year: int
    frequency_hz: float
    mains: Mains
    sun_zenith_deg: float
    sun_azimuth_deg: float
    ghi_w_per_m2: Floats | float
    dni_w_per_m2: Floats | float
    dhi_w_per_m2: Floats | float
    air_temperature_degc: Floats | float
    wind_speed_m_per_s: Floats | float
    wind_direction_deg: Floats | float
    humidity_frac: Floats | float
    pressure_pa: Floats | float
    rain_mm_per_h: Floats | float
    load_w: Floats | None = None
    pv_power_w: Floats | None = None
    sessions: Floats | None = None
    """Of charging points who is there or comes next: arrival and departure [s], energy [Wh], ``(3, n)``."""
    load_change: Change | None = None
    """What overrides make of what appliances draw [W]."""
    prices: Floats | None = None
    """Of energy: the price [1/MWh], for how long on this day it is cheaper and for how long dearer [h], ``(3, n)``."""

    @property
    def voltage_v(self) -> Floats:
        """``(3, n)``: line to neutral, by phase."""
        return self.mains.voltage_v

    def darkened(self, live: Floats, rows: slice = slice(None)) -> Surroundings:
        """Return the same with the voltage of ``rows`` times ``live``: 0 where they are cut off, 1 elsewhere."""
        voltage_v = self.voltage_v.copy()
        voltage_v[:, rows] *= live
        return replace(self, mains=Mains.of(voltage_v))
