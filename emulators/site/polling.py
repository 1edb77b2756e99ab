"""How a station polls: whom on which bus, and whether a scan fits its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.layout import GroupLayout, PollingLayout, SeatLayout
from pilotfarm.emulators.site.model import Polling
from pilotfarm.emulators.stations.exchanges import way
from pilotfarm.emulators.stations.scanning import Polls, fullest_scan_s
from pilotfarm.emulators.words import listed, quoted, with_article
from pilotfarm.profiles.media import NAMES, NONE
from pilotfarm.profiles.media.shared import SHARED, shared_medium

CLASSES: Final = (
    frozenset({Role.MEASUREMENT, Role.STATE, Role.ALARM}),
    frozenset({Role.SETPOINT}),
    frozenset({Role.TOTAL}),
)
"""What is read at every scan, what now and then, and what seldom; ratings do not change, and are known."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a kind of device is asked, by class: quantities and requests; and the quantities its map does not have."""

    names: tuple[tuple[str, ...], ...]
    requests: tuple[tuple[Request, ...], ...]
    unread: tuple[str, ...]


class PollingReader:
    """Reads how one station polls; what is wrong becomes problems at ``path``."""

    def __init__(self, checker: Checker, path: Path, table: Polling, *, media: bool) -> None:
        self._checker, self._path, self._table = checker, path, table
        self._document = checker.document
        self.named_medium = self._usual_medium() if table.medium is None else table.medium
        self.medium = self.named_medium if media else NONE
        self._every = self._multiples()
        self._asking = self._spoken()

    def layout(self, seats: Sequence[SeatLayout], groups: Mapping[str, GroupLayout]) -> PollingLayout | None:
        """Return how it polls the devices of some seats; ``None`` where a problem has been told."""
        read = {name: self._read(registry.device(groups[name].kind)) for name in dict.fromkeys(s.group for s in seats)}
        understood = {name: each for name, each in read.items() if each is not None}
        if not self._knows_medium() or self._every is None or self._asking is None or len(understood) < len(read):
            return None
        polls, requests = self._polls([understood[seat.group] for seat in seats])
        keys = np.array([groups[seat.group].keys[seat.row] for seat in seats], dtype=np.uint64)
        table = self._table
        made = PollingLayout(
            table.protocol,
            self.medium,
            table.baud_rate,
            table.scan_s,
            table.timeout_s,
            table.retries,
            {name: each.names for name, each in understood.items()},
            {name: each.unread for name, each in understood.items()},
            keys,
            polls,
            np.array([each.asked for each in requests], dtype=np.float64),
            np.array([each.answered for each in requests], dtype=np.float64),
            np.array([self._bus(place) for place in range(len(seats))], dtype=np.intp),
            self._asking.write,
            table.time_stamps == "device",
        )
        self._fits(made)
        return made

    # ------------------------------------------------------------------------------------- parts

    def _spoken(self) -> Asking | None:
        name = self._table.protocol
        polled = [each for each in registry.PROTOCOLS if registry.protocol(each).asking]
        if name in polled:
            return registry.protocol(name).asking
        message = f"no station polls over {quoted(name)}; what it can is {listed(polled)}"
        self._document.problem((*self._path, "protocol"), message)
        return None

    def _usual_medium(self) -> str:
        spec = registry.protocol(self._table.protocol) if self._table.protocol in registry.PROTOCOLS else None
        on_serial = spec is None or spec.asking is None or spec.asking.on_serial
        return "rs485" if on_serial else "ethernet"

    def _multiples(self) -> tuple[int, int, int] | None:
        """Return after how many scans each class is read."""
        found = [1]
        for key in ("slow_s", "counters_s"):
            times = getattr(self._table, key) / self._table.scan_s
            if round(times) < 1 or abs(times - round(times)) > 1e-6:
                at = (*self._path, key) if key in self._table.model_fields_set else self._path
                self._document.problem(at, f"{key} must be a multiple of scan_s, {self._table.scan_s:g} s")
            found.append(round(times))
        return None if min(found) < 1 else (found[0], found[1], found[2])

    def _knows_medium(self) -> bool:
        known, medium = (*SHARED, *NAMES), self.named_medium
        if medium not in known:
            self._checker.unknown((*self._path, "medium"), "medium", medium, known)
            return False
        serial = medium in SHARED and shared_medium(medium).serial
        if self._table.baud_rate is not None and not serial:
            message = f"{medium} is no serial line: its rate is the medium's"
            self._document.problem((*self._path, "baud_rate"), message)
        if serial and self._asking is not None and not self._asking.on_serial:
            message = f"{medium} is a serial line, and {self._table.protocol} goes over TCP alone"
            self._document.problem((*self._path, "medium"), message)
            return False
        return True

    def _read(self, spec: DeviceSpec) -> _Read | None:
        chosen = self._map(spec)
        if chosen is None or self._asking is None:
            return None
        points = chosen.points(spec, {})
        readable = {row.quantity for row in points if row.read_code is not None}
        names = tuple(
            tuple(q.name for q in spec.quantities if q.role in roles and q.name in readable) for roles in CLASSES
        )
        asked = tuple(tuple(self._asking.requests([row for row in points if row.quantity in each])) for each in names)
        classed = frozenset().union(*CLASSES)
        unread = tuple(q.name for q in spec.quantities if q.role in classed and q.name not in readable)
        return _Read(names, asked, unread)

    def _map(self, spec: DeviceSpec) -> MapSpec | None:
        if self._asking is None:
            return None
        name = self._table.protocol
        fitting = {found.name: found for found in registry.maps_for(name, spec.kind)}
        chosen = fitting.get(self._table.map or next(iter(fitting), ""))
        if chosen is None:
            message = f"no map {self._table.map or ''} serves {with_article(spec.kind)} over {name}"
            self._document.problem((*self._path, "map"), message.replace("map  ", "map "))
        return chosen

    def _polls(self, read: Sequence[_Read]) -> tuple[Polls, list[Request]]:
        """Return who is asked what, in the order of the buses."""
        assert self._every is not None
        found = sorted(self._asked(read), key=lambda each: each[:3])
        bus, scan_class, device, requests = zip(*found, strict=True) if found else ((), (), (), ())
        every = [self._every[each] for each in scan_class]
        device_, class_, bus_, every_ = (np.array(each, dtype=np.intp) for each in (device, scan_class, bus, every))
        return Polls(device_, class_, bus_, every_), list(requests)

    def _asked(self, read: Sequence[_Read]) -> Iterator[tuple[int, int, int, Request]]:
        for place, each in enumerate(read):
            for scan_class, requests in enumerate(each.requests):
                for request in requests:
                    yield self._bus(place), scan_class, place, request

    def _bus(self, place: int) -> int:
        return place // self._table.devices_per_bus if self.medium in SHARED else place

    def _fits(self, made: PollingLayout) -> None:
        """Have every answer come in time, and every bus's fullest scan fit, when all goes well."""
        nominal_s = way(made.medium, made.rate_bit_s, made.keys[made.polls.device], made.asked, made.answered).nominal_s
        longest = int(nominal_s.argmax()) if len(nominal_s) else 0
        if len(nominal_s) and nominal_s[longest] > made.timeout_s:
            message = (
                f"an answer of {made.answered[longest]:,.0f} octets takes {nominal_s[longest]:.3g} s and is waited for "
                f"{made.timeout_s:g} s; have a longer timeout_s, or a faster medium or line"
            )
            self._document.problem((*self._path, "timeout_s"), message)
            return
        takes_s = fullest_scan_s(made.polls, nominal_s)
        fullest = int(takes_s.argmax()) if len(takes_s) else 0
        if not len(takes_s) or takes_s[fullest] <= made.scan_s:
            return
        here = made.polls.bus == fullest
        devices, takes = len(set(made.polls.device[here].tolist())), f"{takes_s[fullest]:.3g} s"
        message = f"a scan of a device takes {takes} and is due every {made.scan_s:g} s; have a longer scan_s"
        if devices > 1:
            message = (
                f"a scan of {devices} devices on a bus takes {devices} x {takes_s[fullest] / devices:.2g} s = {takes} "
                f"and is due every {made.scan_s:g} s; have fewer on a bus, a higher baud_rate, or a longer scan_s"
            )
        self._document.problem((*self._path, "scan_s"), message)
