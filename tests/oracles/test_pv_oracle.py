"""A year of PV at the pilots against pvlib's ModelChain, in the same weather at the same hours."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pvlib
import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.profiles.draws import keys_of
from pilotfarm.profiles.weather import Sky, Weather

pytestmark = pytest.mark.oracle

PV = registry.device("pv_generator")
PILOTS = {
    "norway": Place(59.1, 11.0, 10.0, "Europe/Oslo"),
    "germany": Place(47.77, 10.22, 720.0, "Europe/Berlin"),
    "malta": Place(35.9, 14.4, 60.0, "Europe/Malta"),
}
TILTS = np.array([35.0, 10.0, 45.0, 90.0])
AZIMUTHS = np.array([180.0, 90.0, 250.0, 200.0])
RATED_W, DC_W, PER_K = 5_000.0, 6_000.0, -0.0037
START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = np.flatnonzero(np.arange(8_760) // 24 % 6 == 0)
"""Those of every sixth day."""


def hourly(place: Place) -> list[Sky]:
    weather = Weather(place.latitude_deg, place.longitude_deg, place.altitude_m, place.time_zone, 11)
    return [weather.at(START.timestamp() + 3_600.0 * hour + 1_800.0) for hour in HOURS.tolist()]


def ours(place: Place, skies: list[Sky]) -> np.ndarray:
    """AC power of the systems, ``(hours, systems)``, losses other than the inverter's left out."""
    n = len(TILTS)
    given = {
        **{rating.name: rating.default for rating in PV.ratings if not isinstance(rating.default, dict)},
        "rated_power_w": RATED_W,
        "dc_power_w": DC_W,
        "temperature_coefficient_per_k": PER_K,
        **dict.fromkeys(("soiling_frac", "shading_frac", "system_loss_frac", "phase"), 0.0),
        "tilt_deg": TILTS,
        "azimuth_deg": AZIMUTHS,
    }
    ratings = {name: np.broadcast_to(np.asarray(value, dtype=float), (n,)).copy() for name, value in given.items()}
    columns = PV.make(ratings, keys_of(1, [f"pv-{k}" for k in range(n)]), place)
    found = np.empty((len(HOURS), n))
    for row, (hour, sky) in enumerate(zip(HOURS.tolist(), skies, strict=True)):
        world = Surroundings(
            time_s=3_600.0 * hour,
            unix_s=START.timestamp() + 3_600.0 * hour,
            local_hour=float(hour % 24),
            weekday=0,
            day_of_year=hour // 24 + 1,
            frequency_hz=50.0,
            mains=Mains.of(np.full((3, n), 230.0)),
            **{name: getattr(sky, name) for name in Sky.__dataclass_fields__},
        )
        columns = PV.step(columns, world, 3_600.0)
        found[row] = columns["available_power_w"]
    return found


def chains(place: Place, skies: list[Sky]) -> np.ndarray:
    times = pd.Timestamp(START) + pd.to_timedelta(HOURS * 60 + 30, unit="min")
    names = {
        "ghi": "ghi_w_per_m2",
        "dni": "dni_w_per_m2",
        "dhi": "dhi_w_per_m2",
        "temp_air": "air_temperature_degc",
        "wind_speed": "wind_speed_m_per_s",
    }
    weather = pd.DataFrame({to: [getattr(sky, ours) for sky in skies] for to, ours in names.items()}, index=times)
    location = pvlib.location.Location(place.latitude_deg, place.longitude_deg, altitude=place.altitude_m)
    found = []
    for tilt, azimuth in zip(TILTS, AZIMUTHS, strict=True):
        array = pvlib.pvsystem.Array(
            pvlib.pvsystem.FixedMount(tilt, azimuth),
            albedo=0.2,
            module_parameters={"pdc0": DC_W, "gamma_pdc": PER_K},
            temperature_model_parameters={"u0": 25.0, "u1": 6.84},
        )
        system = pvlib.pvsystem.PVSystem([array], inverter_parameters={"pdc0": RATED_W / 0.96})
        chain = pvlib.modelchain.ModelChain.with_pvwatts(
            system,
            location,
            transposition_model="haydavies",
            temperature_model="faiman",
            losses_model="no_loss",
        )
        chain.run_model(weather)
        found.append(chain.results.ac.to_numpy())
    return np.stack(found, axis=1)


# pvlib 0.16 asks pandas for what pandas 4 will call by another name.
@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofyear")
@pytest.mark.parametrize("pilot", PILOTS)
def test_a_year_is_within_a_hundredth_of_modelchain(pilot: str) -> None:
    skies = hourly(PILOTS[pilot])
    mine, theirs = ours(PILOTS[pilot], skies), chains(PILOTS[pilot], skies)
    theirs = np.maximum(np.nan_to_num(theirs), 0.0)  # pvlib's inverter draws from the grid at night
    assert mine.sum(axis=0) == pytest.approx(theirs.sum(axis=0), rel=0.01)
    assert np.abs(mine - theirs).mean() < 0.01 * theirs.mean() + 0.5
