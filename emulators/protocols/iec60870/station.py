"""What the masters of one station share: its events, counters and selections, and what commands have brought about."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count, groupby
from types import MappingProxyType
from typing import Final

from pilotfarm.emulators.contracts.clock import can_show
from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.contracts.way import Filter, Restless
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec60870.asdu import ELEMENT_OCTETS, INTEGER_OCTETS, TOLD, Cause, Format
from pilotfarm.emulators.protocols.iec60870.commands import COMMANDS, Selections
from pilotfarm.emulators.protocols.iec60870.counters import Counters
from pilotfarm.emulators.protocols.iec60870.events import Event, Kind
from pilotfarm.emulators.protocols.iec60870.groups import MasterGroup
from pilotfarm.emulators.protocols.iec60870.options import ApplicationOptions
from pilotfarm.emulators.protocols.iec60870.sector import Sector

RETURN_WITHIN_S: Final = 60.0
"""How long after a command, in site time, a change of what it acts on is taken for its return information."""


class ControlledStation:
    """Listens to the tables for all masters, and knows which of these share a buffer.

    Nothing is listened to before the first start of data transfer, unless the site file names redundancy groups.
    ``filtered`` says whether a seat has filters.
    """

    def __init__(
        self,
        protocol: str,
        form: Format,
        sectors: Mapping[int, Sector],
        options: ApplicationOptions,
        filtered: Callable[[], bool] = lambda: False,
        redundancy_groups: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self.protocol = protocol
        self.form = form
        self.sectors = sectors
        self.options = options
        self.selections = Selections(options.sbo, options.select_timeout_s)
        self.counters = Counters(form, sectors)
        controls = frozenset().union(*(sector.controls for sector in sectors.values()))
        integers = {kind: octets for kind, octets in INTEGER_OCTETS.items() if COMMANDS[kind] in controls}
        self.elements = {**ELEMENT_OCTETS, **integers}
        """Octets behind the object address in what a master may send; a type not here is not served."""
        self.traffic = Traffic()
        who = "IEC 60870-5-104 station of " + next((each.first.device.id for each in sectors.values()), "nobody")
        self._others = MasterGroup(who, options.event_buffer, redundant=False)
        self._named = {
            name: MasterGroup(f"{who}, redundancy group {name}", options.event_buffer, redundant=True)
            for name in redundancy_groups
        }
        self.groups: tuple[MasterGroup, ...] = (self._others, *self._named.values())
        self._networks = redundancy_groups
        self._numbers = count()
        self._event_numbers = count()
        self._returns: dict[tuple[int, int], float] = {}
        """Common and object address of what a command acts on -> until when a change is its return information."""
        self._filtered = filtered
        self._step_s: float | None = None
        self._listening = False
        if self._named:
            self.listen()

    def next_number(self) -> int:
        """Return a number that no connection has had."""
        return next(self._numbers)

    def group_of(self, peer: str) -> MasterGroup:
        """Return the redundancy group that names a master's address, or the one of all others."""
        address = _ip_address(peer)
        if address is None:
            return self._others
        for name, networks in self._networks.items():
            if any(address in ipaddress.ip_network(network) for network in networks):
                return self._named[name]
        return self._others

    def listen(self) -> None:
        """Hear of every change from now on."""
        if not self._listening:
            self._listening = True
            for address, sector in self.sectors.items():
                for seat in sector.seats:
                    seat.table.listen(seat.row, self, address)

    def filters_of(self, data: bytes) -> tuple[Filter, ...]:
        """The filters of the seat that a data unit is of, by its first object; none for a broadcast."""
        sector = self.sectors.get(self.form.address_of(data))
        return () if sector is None else sector.owner(self.form.object_of(data)).filters

    def parts_of(self, data: bytes) -> list[bytes]:
        """Take a data unit with objects of several devices apart, where filters are to see those of their own."""
        sector = self.sectors.get(self.form.address_of(data))
        count, at = data[1], self.form.header_octets
        if count < 2 or sector is None or len(sector.seats) == 1 or not any(seat.filters for seat in sector.seats):
            return [data]
        size = (len(data) - at) // count
        objects = [data[first : first + size] for first in range(at, len(data), size)]
        octets = self.form.object_octets
        alike = groupby(objects, key=lambda each: id(sector.owner(int.from_bytes(each[:octets], "little"))))
        parts = [list(several) for _, several in alike]
        return [data[:1] + bytes((len(part),)) + data[2:at] + b"".join(part) for part in parts]

    def restart(self) -> None:
        """Begin anew, as after a loss of power: nothing is selected, frozen, kept for a master or on its way to one.

        Each master is told of the end of initialisation when it starts the data transfer next.
        """
        self.selections.clear()
        self.counters = Counters(self.form, self.sectors)
        self._returns.clear()
        self._step_s = None
        for group in self.groups:
            group.restart()

    def commanded(self, address: int, ioas: Iterable[int]) -> None:
        """Take the next change of these objects for the return information of a command."""
        until_s = self.sectors[address].first.table.unix_s + RETURN_WITHIN_S
        self._returns.update(((address, ioa), until_s) for ioa in ioas)

    def set_clocks(self, addresses: Iterable[int], tag: bytes, *, rehearse: bool) -> bool:
        """Set what stamps for some devices by a master's time, or only say whether that can be.

        A time that says itself that it is invalid cannot, nor one that there is not or that no clock shows.
        """
        sent_s = self.form.time_of(tag)
        if sent_s is None or not can_show(sent_s):
            return False
        if not rehearse:
            seats = [seat for address in addresses for seat in self.sectors[address].seats]
            clocks = {seat.clock: seat.table.unix_s for seat in seats}
            for clock, unix_s in clocks.items():
                clock.set(sent_s, unix_s)
        return True

    # --------------------------------------------------------------------------------- the table

    def changed(self, address: int, type_id: int, objects: Mapping[int, bytes]) -> None:
        returned = self._returned(address, objects) if self._returns else {}
        if returned:
            self._hear(Kind(address, type_id, Cause.RETURN_REMOTE), returned.items())
            objects = {ioa: data for ioa, data in objects.items() if ioa not in returned}
        if objects:
            self._hear(Kind(address, type_id, Cause.SPONTANEOUS), objects.items())

    def stepped(self, unix_s: float) -> None:
        since_s, self._step_s = self._step_s, unix_s
        if since_s is not None and since_s < unix_s and self._filtered():
            self._hear_unasked(since_s, unix_s)
        for group in self.groups:
            for connection in group.started:
                connection.stepped(unix_s)
            group.warn()
        if self._returns:
            over = [
                place
                for place, until_s in self._returns.items()
                if self.sectors[place[0]].first.table.unix_s >= until_s
            ]
            for place in over:
                del self._returns[place]

    def _returned(self, address: int, objects: Mapping[int, bytes]) -> dict[int, bytes]:
        """Which of some objects have changed by a command."""
        places = self._returns
        return {ioa: data for ioa, data in objects.items() if places.pop((address, ioa), None) is not None}

    def _hear_unasked(self, since_s: float, until_s: float) -> None:
        """Hear what filters have devices tell that has not happened."""
        for address, seat in ((at, seat) for at, sector in self.sectors.items() for seat in sector.seats):
            for each in seat.filters:
                if isinstance(each, Restless) and seat.reachable:
                    clock_s = seat.table.tagged_at(seat.row) - seat.table.unix_s
                    told = each.unasked(seat.table.objects(seat.row, each.types), since_s, until_s)
                    for type_id, run in groupby(told, lambda one: one[0][0]):
                        kind = Kind(address, TOLD[self.form.tag_octets][MonitorType(type_id)], Cause.SPONTANEOUS)
                        self._hear(kind, [self._event(octets, at_s + clock_s) for (_, octets), at_s in run])

    def _event(self, octets: bytes, at_s: float) -> tuple[int, bytes]:
        """Return the address of an object, and the object with a time tag."""
        return int.from_bytes(octets[: self.form.object_octets], "little"), octets + self.form.event_tag(at_s)

    def _hear(self, kind: Kind, objects: Collection[tuple[int, bytes]]) -> None:
        for group in self.groups:
            if group.armed:
                had_by, numbered = group.hearing, zip(objects, self._event_numbers, strict=False)
                group.hear([Event(number, kind, ioa, data, had_by) for (ioa, data), number in numbered])


def _ip_address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address in ``host:port``; ``None`` where a peer has none."""
    try:
        found = ipaddress.ip_address(peer.rpartition(":")[0].strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
