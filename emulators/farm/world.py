"""What stands around the devices of a site: the sun and the air, light under the clouds, the grid's frequency.

Series go before models, where there are any, and overrides before both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.columns.views import SiteRows, at_rows
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.override import Change
from pilotfarm.emulators.contracts.replay import PRICE
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.farm.replays import Replays
from pilotfarm.emulators.physics.frequency import AREAS, Swing, frequency_hz, swung
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.weather import Weather

AIR: Final = {
    "temperature": "air_temperature_degc",
    "wind_speed": "wind_speed_m_per_s",
    "wind_direction": "wind_direction_deg",
    "humidity": "humidity_frac",
    "pressure": "pressure_pa",
    "rain": "rain_mm_per_h",
}
"""What overrides may change of the air, and what it is called in the surroundings."""
At: TypeAlias = Callable[[SiteRows], Surroundings]
"""Gives the surroundings of devices by their rows in the site."""


class World:
    """The surroundings of a site's devices, by the time and the mains."""

    def __init__(self, layout: SiteLayout, population: Population) -> None:
        place = layout.place
        self._start_unix_s = layout.start.timestamp()
        self.zone = ZoneInfo(place.time_zone)
        self._weather = Weather(
            place.latitude_deg,
            place.longitude_deg,
            place.altitude_m,
            place.time_zone,
            key_of(layout.seed, "weather"),
            record=layout.weather.record,
            clouds=layout.weather.clouds,
        )
        self._frequency_key = key_of(layout.seed, "frequency")
        self._area = AREAS[layout.frequency_area]
        self._swing = Swing()
        self.frequency_offset_hz = 0.0
        """By how much faults put the frequency off, whatever its controls do."""
        self.changes: Mapping[str, Change] = {}
        """What overrides make of light, air and load."""
        sunlit = [(group.name, rows) for group, rows in population.placed() if group.in_light]
        self._sunlit = tuple(rows for _, rows in sunlit)
        self._ground = _joined([population.stand(name) for name, _ in sunlit])
        self._size = len(population)
        self._replays = Replays(layout.replays, population)
        self._rows = {group.name: rows for group, rows in population.placed()}
        self._prices: Floats | None = None

    def unix_s(self, time_s: float) -> float:
        """Site time on the UTC scale. [s since 1970]"""
        return self._start_unix_s + time_s

    @property
    def swing_hz(self) -> float:
        """How far lost generation has moved the frequency."""
        return self._swing.deviation_hz

    def prices_of(self, group: str) -> Floats | None:
        """Return ``Surroundings.prices`` of the devices of a group in the last step."""
        return None if self._prices is None else self._prices[:, self._rows[group]]

    def swing(self, lost_generation_w: float, dt_s: float) -> None:
        """Let the area's frequency answer to generation that is missing in it, over ``dt_s`` [s]."""
        self._swing = swung(self._area, self._swing, lost_generation_w, dt_s)

    def at(self, time_s: float, dt_s: float, mains: Mains) -> At:
        """Work out the surroundings of all devices in a step of ``dt_s`` that ends at ``time_s``.

        Mains are those of the power flow of the step before.
        """
        unix_s = self.unix_s(time_s)
        everywhere, light = self._everywhere(time_s, unix_s, dt_s), self._light(unix_s, dt_s)
        load_w, pv_power_w = self._replays.at("load", unix_s, dt_s), self._pv_power_w(unix_s, dt_s)
        load = self.changes.get("load")
        air = {
            field: self.changes[name].of(np.full(self._size, everywhere[field]))
            for name, field in AIR.items()
            if name in self.changes
        }
        sessions = self._replays.at("sessions", unix_s, dt_s)
        if sessions is not None:
            sessions = sessions - np.array([[self._start_unix_s], [self._start_unix_s], [0.0]])
        self._prices = prices = self._replays.at(PRICE, unix_s, dt_s)

        def surroundings(rows: SiteRows) -> Surroundings:
            ghi, dni, dhi = at_rows(light, rows)
            return Surroundings(
                mains=mains.at(rows),
                ghi_w_per_m2=ghi,
                dni_w_per_m2=dni,
                dhi_w_per_m2=dhi,
                load_w=None if load_w is None else at_rows(load_w, rows),
                pv_power_w=None if pv_power_w is None else at_rows(pv_power_w, rows),
                sessions=None if sessions is None else at_rows(sessions, rows),
                load_change=None if load is None else load.at(rows),
                prices=None if prices is None else at_rows(prices, rows),
                **everywhere | {field: at_rows(values, rows) for field, values in air.items()},
            )

        return surroundings

    def _everywhere(self, time_s: float, unix_s: float, dt_s: float) -> dict[str, Any]:
        sky = self._weather.sun_and_air(unix_s)
        said = self._replays.at("temperature", unix_s, dt_s)
        if said is not None and not np.isnan(said[0]):
            sky = replace(sky, air_temperature_degc=float(said[0]))
        local = datetime.fromtimestamp(unix_s, self.zone)
        return {
            "time_s": time_s,
            "unix_s": unix_s,
            "local_hour": local.hour + local.minute / 60.0 + (local.second + local.microsecond / 1e6) / 3600.0,
            "weekday": local.weekday(),
            "day_of_year": local.timetuple().tm_yday,
            "frequency_hz": self._frequency_hz(unix_s),
            **{name: getattr(sky, name) for name in sky.__dataclass_fields__},
        }

    def _light(self, unix_s: float, dt_s: float) -> Floats:
        """Return global, direct normal and diffuse light where each device stands, ``(3, n)``. [W/m2]"""
        light = self._weather.light(unix_s, *self._ground)
        table = np.full((3, self._size), np.nan)
        begin = 0
        for run in self._sunlit:
            ours = slice(begin, begin := begin + run.stop - run.start)
            table[0, run], table[1, run], table[2, run] = (
                light.ghi_w_per_m2[ours],
                light.dni_w_per_m2[ours],
                light.dhi_w_per_m2[ours],
            )
        said = self._replays.at("irradiance", unix_s, dt_s)
        if said is not None:
            self._shine(table, ~np.isnan(table[0]) & ~np.isnan(said), np.maximum(said, 0.0), unix_s)
        change = self.changes.get("irradiance")
        if change is not None:
            self._shine(table, change.where > 0.0, change.of(table[0]), unix_s)
        return table

    def _shine(self, table: Floats, where: Bools, ghi: Floats, unix_s: float) -> None:
        """Have another global irradiance ``(n,)`` in some rows of a table of light."""
        parted = self._weather.parted(unix_s, ghi[where])
        table[:, where] = parted.ghi_w_per_m2, parted.dni_w_per_m2, parted.dhi_w_per_m2

    def _pv_power_w(self, unix_s: float, dt_s: float) -> Floats | None:
        """Return what series say of PV power: a share of it, or the model's, where the irradiance is overridden."""
        said, change = self._replays.at("pv_power", unix_s, dt_s), self.changes.get("irradiance")
        if said is None or change is None:
            return said
        return np.where(np.isnan(change.value), said * change.factor, np.nan)

    def _frequency_hz(self, unix_s: float) -> float:
        area = self._area
        undisturbed = frequency_hz(self._frequency_key, unix_s, area.nominal_hz, area.noise)
        return undisturbed + self.swing_hz + self.frequency_offset_hz


def _joined(places: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return the places of several groups as those of one."""
    if not places:
        return np.zeros(0), np.zeros(0)
    east, north = (np.concatenate(side) for side in zip(*places, strict=True))
    return east, north
