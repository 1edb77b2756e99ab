"""How a station polls: whom on which bus, and whether a scan fits its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.layout import GroupLayout, PollingLayout, SeatLayout
from pilotfarm.emulators.site.model import Polling
from pilotfarm.emulators.stations.exchanges import way
from pilotfarm.emulators.stations.real.scanner import REALLY_POLLED_MAX
from pilotfarm.emulators.stations.scanning import Polls, fullest_scan_s
from pilotfarm.emulators.words import listed, quoted, with_article
from pilotfarm.profiles.draws import Keys
from pilotfarm.profiles.media import NAMES, NONE
from pilotfarm.profiles.media.shared import SHARED, shared_medium

CLASSES: Final = (
    frozenset({Role.MEASUREMENT, Role.STATE, Role.ALARM}),
    frozenset({Role.SETPOINT}),
    frozenset({Role.TOTAL}),
)
"""What is read at every scan, what now and then, and what seldom; ratings do not change, and are known."""

Asked: TypeAlias = tuple[int, int, int, Request]
"""Bus, class of scans, place of who is asked, and what for."""


@dataclass(frozen=True, slots=True)
class Read:
    """What can be read of a kind of device by a map, by class: quantities and rows; and the quantities that cannot."""

    names: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[PointRow, ...], ...]
    unread: tuple[str, ...]


def readable(spec: DeviceSpec, points: Sequence[PointRow]) -> Read:
    """Return what can be read of a kind of device that has these points."""
    has = {row.quantity for row in points if row.read_code is not None}
    names = tuple(tuple(q.name for q in spec.quantities if q.role in roles and q.name in has) for roles in CLASSES)
    rows = tuple(tuple(row for row in points if row.quantity in each) for each in names)
    classed = frozenset().union(*CLASSES)
    return Read(names, rows, tuple(q.name for q in spec.quantities if q.role in classed and q.name not in has))


class PollingReader:
    """Reads how one station polls its devices; what is wrong becomes problems at ``path``."""

    polled = "device"

    def __init__(self, checker: Checker, path: Path, table: Polling, *, media: bool) -> None:
        self._checker, self._path, self._table = checker, path, table
        self._document = checker.document
        self._protocol = "modbus" if table.protocol is None else table.protocol
        self.named_medium = self._usual_medium() if table.medium is None else table.medium
        self.medium = self.named_medium if media else NONE
        self.time_stamps = table.time_stamps
        self._maps: dict[str, str] = {}
        self._every = self._multiples()
        self._asking = self._spoken()

    def layout(self, seats: Sequence[SeatLayout], groups: Mapping[str, GroupLayout]) -> PollingLayout | None:
        """Return how it polls the devices of some seats; ``None`` where a problem has been told."""
        read = {name: self._read(groups[name]) for name in dict.fromkeys(s.group for s in seats)}
        understood = {name: each for name, each in read.items() if each is not None}
        if not self._is_understood() or len(understood) < len(read):
            return None
        asked = self._asked([understood[seat.group] for seat in seats])
        keys = np.array([groups[seat.group].keys[seat.row] for seat in seats], dtype=np.uint64)
        self._really(len(seats))
        made = self._laid(understood, keys, asked, np.arange(len(seats)))
        return replace(made, maps=dict(self._maps), real=self._table.real)

    # ------------------------------------------------------------------------------------- parts

    def _spoken(self) -> Asking | None:
        polled = [each for each in registry.PROTOCOLS if registry.protocol(each).asking]
        if self._protocol in polled:
            return registry.protocol(self._protocol).asking
        message = f"no station polls over {quoted(self._protocol)}; what it can is {listed(polled)}"
        self._document.problem((*self._path, "protocol"), message)
        return None

    def _usual_medium(self) -> str:
        spec = registry.protocol(self._protocol) if self._protocol in registry.PROTOCOLS else None
        on_serial = spec is None or spec.asking is None or spec.asking.on_serial
        return "rs485" if on_serial else "ethernet"

    def _really(self, devices: int) -> None:
        """Have few enough devices where octets are exchanged, and a protocol that can."""
        if not self._table.real or self._asking is None:
            return
        at = (*self._path, "real")
        if self._asking.really is None:
            message = f"no octets are exchanged over {quoted(self._protocol)}; leave out real"
            self._document.problem(at, message)
        elif devices > REALLY_POLLED_MAX:
            message = (
                f"a station really polls up to {REALLY_POLLED_MAX} devices, and this one has {devices}; "
                "leave out real, or have several stations"
            )
            self._document.problem(at, message)

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

    def _is_understood(self) -> bool:
        return self._knows_medium() and self._every is not None and self._asking is not None

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
            message = f"{medium} is a serial line, and {self._protocol} goes over TCP alone"
            self._document.problem((*self._path, "medium"), message)
            return False
        return True

    def _read(self, group: GroupLayout) -> Read | None:
        if self._asking is None:
            return None
        spec = registry.device(group.kind)
        fitting = {found.name: found for found in registry.maps_for(self._protocol, spec.kind)}
        chosen = fitting.get(self._table.map or next(iter(fitting), ""))
        if chosen is None:
            message = f"no map {self._table.map or ''} serves {with_article(spec.kind)} over {self._protocol}"
            self._document.problem((*self._path, "map"), message.replace("map  ", "map "))
            return None
        self._maps[group.name] = chosen.name
        return readable(spec, chosen.points(spec, {}))

    def _asked(self, read: Sequence[Read]) -> Iterator[Asked]:
        assert self._asking is not None
        made: dict[int, list[Sequence[Request]]] = {}
        """Of each kind."""
        for place, each in enumerate(read):
            if id(each) not in made:
                made[id(each)] = [self._asking.requests(rows) for rows in each.rows]
            for scan_class, requests in enumerate(made[id(each)]):
                for request in requests:
                    yield self._bus(place), scan_class, place, request

    def _bus(self, place: int) -> int:
        return place // self._table.devices_per_bus if self.medium in SHARED else place

    def _laid(
        self,
        read: Mapping[str, Read],
        keys: Keys,
        asked: Iterable[Asked],
        places: np.ndarray,
        through: tuple[str, ...] = (),
    ) -> PollingLayout:
        """Return who is asked what, in the order of the buses, and tell where that does not fit its time."""
        assert self._every is not None
        assert self._asking is not None
        found = sorted(asked, key=lambda each: each[:3])
        bus, scan_class, device, requests = zip(*found, strict=True) if found else ((), (), (), ())
        every = [self._every[each] for each in scan_class]
        device_, class_, bus_, every_ = (np.array(each, dtype=np.intp) for each in (device, scan_class, bus, every))
        table = self._table
        made = PollingLayout(
            self._protocol,
            self.medium,
            table.baud_rate,
            table.scan_s,
            table.timeout_s,
            table.retries,
            {name: each.names for name, each in read.items()},
            {name: each.unread for name, each in read.items()},
            keys,
            Polls(device_, class_, bus_, every_),
            np.array([each.asked for each in requests], dtype=np.float64),
            np.array([each.answered for each in requests], dtype=np.float64),
            np.array([self._bus(place) for place in range(len(keys))], dtype=np.intp),
            self._asking.write,
            places,
            self._table.time_stamps == "device",
            through,
        )
        self._fits(made)
        return made

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
        count, takes = len(set(made.polls.device[here].tolist())), f"{takes_s[fullest]:.3g} s"
        message = f"a scan of a {self.polled} takes {takes} and is due every {made.scan_s:g} s; have a longer scan_s"
        if count > 1:
            message = (
                f"a scan of {count} {self.polled}s on a bus takes {count} x {takes_s[fullest] / count:.2g} s = {takes} "
                f"and is due every {made.scan_s:g} s; have fewer on a bus, a higher baud_rate, or a longer scan_s"
            )
        self._document.problem((*self._path, "scan_s"), message)
