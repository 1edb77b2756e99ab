"""A year of PV at the three pilots: yield in kWh a kWp, month by month, and the light it came from.

Compared with what the public tool PVGIS (European Commission, JRC; 14 % losses, best fixed plane) gives for
places like these: about 900 to 1,050 kWh/kWp on the Oslofjord, 1,050 to 1,200 at the foot of the Alps,
1,550 to 1,700 on Malta; the ranges are from memory of that tool, to be checked against it. Measured roofs of
every orientation: 1,049 kWh/kWp in Bavaria in the sunny year 2018 (Solar Energy 194 (2019) 128), over 1,100 at the
best places there in 2019 (te Heesen et al., Umwelt-Campus Birkenfeld). Malta: 217.3 GWh in 2019 of 151.5 MWp at the
end of the year, 14.8 % more than a year before (NSO, estimated). Norway: 700 to 1,000 kWh/kWp (Otovo, estimates).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.world import Place
from pilotfarm.emulators.physics import pv
from pilotfarm.profiles.weather import Weather

STEP_S: Final = 900.0
SYSTEMS: Final = 12
START: Final = datetime(2025, 1, 1, tzinfo=UTC)
RATED_W: Final = 5_000.0
DC_BY_AC: Final = 1.15
LOSSES: Final = 0.14
PER_KELVIN: Final = -0.0037


@dataclass(frozen=True, slots=True)
class Pilot:
    """A pilot's place, the plane of its modules, and the yield [kWh/kWp] and sun [kWh/m2] others tell of it."""

    name: str
    place: Place
    tilt_deg: float
    expected_yield: tuple[float, float]
    expected_sun: tuple[float, float]


PILOTS: Final = (
    Pilot("Norway", Place(59.1, 11.0, 10.0, "Europe/Oslo"), 42.0, (900.0, 1_050.0), (900.0, 1_050.0)),
    Pilot("Germany", Place(47.77, 10.22, 720.0, "Europe/Berlin"), 37.0, (1_050.0, 1_200.0), (1_070.0, 1_310.0)),
    Pilot("Malta", Place(35.9, 14.4, 60.0, "Europe/Malta"), 32.0, (1_550.0, 1_700.0), (1_800.0, 1_930.0)),
)


def draw(folder: Path) -> dict[str, float]:
    """Write ``annual_yield.png``; return yields [kWh/kWp] and sun [kWh/m2] of the pilots."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    numbers: dict[str, float] = {}
    months = np.arange(1, 13)
    for place, pilot in enumerate(PILOTS):
        monthly, sun = year(pilot)
        total = float(monthly.sum())
        low, high = pilot.expected_yield
        left.bar(place, total, width=0.6)
        left.errorbar(place, 0.5 * (low + high), yerr=0.5 * (high - low), color="black", capsize=8, lw=2)
        left.text(place, 60.0, f"{total:.0f}\nof {sun:.0f}\nkWh/m²", ha="center", color="white")
        right.plot(months, monthly, "o-", label=pilot.name)
        name = pilot.name.lower()
        numbers |= {f"{name}_kwh_per_kwp": total, f"{name}_ghi_kwh_per_m2": sun}
        numbers |= {f"{name}_expected_low": low, f"{name}_expected_high": high}
    left.set_xticks(range(len(PILOTS)), [pilot.name for pilot in PILOTS])
    left.set(title="A year (bars); black: PVGIS, from memory", ylabel="kWh/kWp")
    right.set(title="Month by month", xlabel="month", ylabel="kWh/kWp")
    right.legend()
    figure.savefig(folder / "annual_yield.png", dpi=110)
    plt.close(figure)
    return numbers


def year(pilot: Pilot) -> tuple[Floats, float]:
    """Simulate a year of systems that face the best way, far enough apart to have clouds of their own.

    Returns their mean yield by month [kWh/kWp] and global irradiation of the year [kWh/m2].
    """
    place = pilot.place
    weather = Weather(place.latitude_deg, place.longitude_deg, place.altitude_m, place.time_zone, 4777)
    x, y = 9_000.0 * np.arange(SYSTEMS, dtype=np.float64), np.zeros(SYSTEMS)
    plane = pv.planes(np.full(SYSTEMS, pilot.tilt_deg), np.full(SYSTEMS, 180.0))
    rated, per_kelvin = np.full(SYSTEMS, RATED_W), np.full(SYSTEMS, PER_KELVIN)
    excess = np.zeros(SYSTEMS)
    monthly, sun_wh = np.zeros(12), 0.0
    for step in range(int(365 * 86_400.0 / STEP_S)):
        unix_s = START.timestamp() + STEP_S * (step + 0.5)
        light = weather.light(unix_s, x, y)
        ghi, dni, dhi = light.ghi_w_per_m2, light.dni_w_per_m2, light.dhi_w_per_m2
        if not ghi.any():
            continue
        sky = weather.at(unix_s)
        when = datetime.fromtimestamp(unix_s, UTC)
        extra = pv.extraterrestrial(when.timetuple().tm_yday)
        sun = pv.Sun(sky.sun_zenith_deg, sky.sun_azimuth_deg, ghi, dni, dhi, extra)
        falls, absorbed = pv.plane_irradiance(plane, sun)
        excess, warmer = pv.warmed(excess, falls, sky.wind_speed_m_per_s, STEP_S)
        module = sky.air_temperature_degc + warmer
        dc = pv.dc_power(absorbed, module, (1.0 - LOSSES) * DC_BY_AC * rated, per_kelvin)
        ac = pv.ac_given(dc, rated)
        monthly[when.month - 1] += float(ac.mean()) * STEP_S / 3_600.0
        sun_wh += float(ghi.mean()) * STEP_S / 3_600.0
    return monthly / (DC_BY_AC * RATED_W), sun_wh / 1_000.0
