"""What stands around the devices of a site: the sun and the air, light under the clouds, the grid's frequency.

Series go before models, where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import SiteRows, at_rows
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.replay import PRICE
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.farm.population import Group, Population
from pilotfarm.emulators.farm.replays import Replays
from pilotfarm.emulators.physics.frequency import AREAS, Swing, frequency_hz, swung
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.weather import Weather, scattered

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
        sunlit = [(group, rows) for group, rows in population.placed() if _in_light(group)]
        self._sunlit = tuple(rows for _, rows in sunlit)
        self._ground = _scattered(layout, [group for group, _ in sunlit])
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
        load_w, pv_power_w = (self._replays.at(what, unix_s, dt_s) for what in ("load", "pv_power"))
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
                prices=None if prices is None else at_rows(prices, rows),
                **everywhere,
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
            known = ~np.isnan(table[0]) & ~np.isnan(said)
            parted = self._weather.parted(unix_s, np.maximum(said[known], 0.0))
            table[:, known] = parted.ghi_w_per_m2, parted.dni_w_per_m2, parted.dhi_w_per_m2
        return table

    def _frequency_hz(self, unix_s: float) -> float:
        area = self._area
        undisturbed = frequency_hz(self._frequency_key, unix_s, area.nominal_hz, area.noise)
        return undisturbed + self.swing_hz + self.frequency_offset_hz


def _in_light(group: Group) -> bool:
    return group.spec.sunlit is not None and group.spec.sunlit(group.columns)


def _scattered(layout: SiteLayout, groups: Sequence[Group]) -> tuple[Floats, Floats]:
    """Where the devices in the light stand: metres east and north of the site's middle."""
    if not groups:
        return np.zeros(0), np.zeros(0)
    places = [
        scattered(group.layout.keys, key_of(layout.seed, "ground", group.layout.feeder), layout.weather.extent_m)
        for group in groups
    ]
    east, north = (np.concatenate(side) for side in zip(*places, strict=True))
    return east, north
