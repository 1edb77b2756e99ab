"""What masters will be told: for every group, protocol and map a table; for every address a station."""

from __future__ import annotations

from functools import cache
from typing import Any

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Seat, Station, Table
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.site.layout import StationLayout


class Images:
    """The tables of a farm, encoded anew after each step, and the stations that answer from them."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._tables: dict[tuple[str, str], tuple[Group, Table]] = {}
        self.stations: list[tuple[StationLayout, Station]] = [
            (layout, self._station(layout)) for layout in farm.layout.stations
        ]
        self.refresh()

    def refresh(self) -> None:
        """Encode what every group reports now."""
        unix_s = self._farm.unix_s
        for group, table in self._tables.values():
            table.refresh(group.reported, group.quality, unix_s)

    def _station(self, layout: StationLayout) -> Station:
        seats = []
        for seat in layout.seats:
            group = self._farm.groups[seat.group]
            device = FarmDevice(self._farm, group, seat.row)
            seats.append(Seat(device, self._table(group, seat.map), seat.row, seat.address))
        return registry.protocol(layout.protocol).station(seats, layout.options)

    def _table(self, group: Group, map_name: str) -> Table:
        place = (group.name, map_name)
        if place not in self._tables:
            spec = registry.point_map(map_name)
            plan = _plan(map_name, group.spec.kind)
            table = registry.protocol(spec.protocol).table(plan, group.size, group.columns)
            self._tables[place] = (group, table)
        return self._tables[place][1]


@cache
def _plan(map_name: str, kind: str) -> Any:
    return registry.point_map(map_name).plan(registry.device(kind))
