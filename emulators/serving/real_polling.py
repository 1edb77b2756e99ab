"""A station that really polls, put together: each device's own engine, its way over the medium, and who asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Masters, Really
from pilotfarm.emulators.contracts.protocol import Seat, Station, Table
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.links.medium import Modem
from pilotfarm.emulators.links.mobile import over
from pilotfarm.emulators.links.shared import SharedLink
from pilotfarm.emulators.site.layout import PollingLayout, SeatLayout, StationLayout
from pilotfarm.emulators.site.served import addresses_per_device
from pilotfarm.emulators.stations.exchanges import hops
from pilotfarm.emulators.stations.real.bus import Bus, Peer
from pilotfarm.emulators.stations.real.device_end import DeviceEnd, Heard, Ordered
from pilotfarm.emulators.stations.real.scanner import Poll, PolledBus, RealScanner
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media import NONE, medium
from pilotfarm.profiles.media.shared import SHARED, shared_medium


def real_scanner(farm: Farm, station: StationLayout, layout: PollingLayout, tables: Mapping[str, Table]) -> RealScanner:
    """Return what really polls the devices of a station, which answer from these tables, by group."""
    buses = [
        PolledBus(
            Bus(layout.timeout_s, farm.time_s),
            _polls(layout, bus),
            scan_s=layout.scan_s,
            start_s=farm.time_s,
            wall_s=farm.wall_s,
        )
        for bus in range(int(layout.bus.max()) + 1)
    ]
    on = [buses[bus] for bus in layout.bus.tolist()]
    maker = _Maker(farm, station.name, layout, tables)
    return RealScanner(
        [maker.peer(place, seat, on[place]) for place, seat in enumerate(station.seats)],
        buses,
        on,
        classes=layout.classes,
        scan_s=layout.scan_s,
        retries=layout.retries,
        start_s=farm.time_s,
        wall_s=lambda: farm.wall_s,
    )


def _polls(layout: PollingLayout, bus: int) -> list[Poll]:
    """Return what a bus is polled for, in its order; polls of a class are spread over the scans that it comes at."""
    polls = layout.polls
    here = np.flatnonzero(polls.bus == bus)
    of_class: dict[int, dict[int, int]] = {}
    for scan_class, place, every in zip(
        *(each[here].tolist() for each in (polls.scan_class, polls.device, polls.every)), strict=True
    ):
        of_class.setdefault(scan_class, {})[place] = every
    return [
        Poll(place, scan_class, every, number * every // len(devices))
        for scan_class, devices in of_class.items()
        for number, (place, every) in enumerate(devices.items())
    ]


class _Maker:
    """Makes the devices of one station, as it reaches them: on a line, or by connections over modems of their own."""

    def __init__(self, farm: Farm, name: str, layout: PollingLayout, tables: Mapping[str, Table]) -> None:
        self._farm, self._name, self._layout, self._tables = farm, name, layout, tables
        asking = registry.protocol(layout.protocol).asking
        assert asking is not None
        assert asking.really is not None, "a site has no others really polled"
        self._really: Really = asking.really
        self._on_line = layout.medium == NONE or layout.medium in SHARED
        self._masters = {name: self._masters_of(name) for name in layout.maps}
        kinds = {farm.groups[name].spec.kind: map_name for name, map_name in layout.maps.items()}
        self._units = max(
            addresses_per_device(registry.point_map(each), registry.device(k)) for k, each in kinds.items()
        )
        """How many units a device may take of those on a line."""

    def _masters_of(self, name: str) -> Masters:
        group, chosen = self._farm.groups[name], registry.point_map(self._layout.maps[name])
        spec = group.spec
        return self._really.masters(
            chosen.plan(spec), chosen.points(spec, {}), self._layout.names[name], group.columns, self._on_line
        )

    def peer(self, place: int, seat: SeatLayout, polled: PolledBus) -> Peer:
        group = self._farm.groups[seat.group]
        before = int(np.count_nonzero(self._layout.bus[:place] == self._layout.bus[place]))
        unit = 1 + before * self._units if self._on_line else 1
        end = DeviceEnd(polled.wall_s)
        device = Ordered(FarmDevice(self._farm.commands, group, seat.row), end)
        station: Station = self._really.device(Seat(device, self._tables[seat.group], seat.row, unit), self._on_line)
        peer = Peer(
            device.id,
            self._masters[seat.group](seat.row, unit),
            end,
            {each.name: float(group.reported[each.name][seat.row]) for each in group.spec.quantities},
        )
        if self._on_line:
            peer.line = self._line(place, Heard(station.connect(self._name, end.wall_s(self._farm.time_s)), end))
        else:
            peer.connect = self._connecting(peer.name, station, end)
        return peer

    def _line(self, place: int, engine: Engine) -> Engine:
        layout = self._layout
        if layout.medium == NONE:
            return engine
        shared = shared_medium(layout.medium)
        keys = layout.keys[place : place + 1]
        rate_bit_s = shared.rate_bit_s if layout.rate_bit_s is None else layout.rate_bit_s
        key = key_of(int(keys[0]), "really polled")
        return SharedLink(engine, shared, key, rate_bit_s=rate_bit_s, hops=int(hops(shared, keys)[0]))

    def _connecting(self, device: str, station: Station, end: DeviceEnd) -> Callable[[float], Engine]:
        seed, numbers = self._farm.layout.seed, count()
        modem = Modem(medium(self._layout.medium), key_of(seed, "modem", device, self._name))

        def connect(now_s: float) -> Engine:
            engine = Heard(station.connect(self._name, end.wall_s(now_s)), end)
            return over(modem, engine, key_of(seed, "really polled", device, self._name, str(next(numbers))), now_s)

        return connect
