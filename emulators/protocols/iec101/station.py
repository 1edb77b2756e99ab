"""What listens at one line: the devices on it, each a station with a link address of its own, or all behind one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pilotfarm.emulators.contracts.protocol import Seat, Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.protocols.iec101.balanced import BalancedLine
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec101.unbalanced import UnbalancedLine
from pilotfarm.emulators.protocols.iec60870.sector import sectors_of
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation


class Iec101Station:
    """The link addresses of a line; what stands at one is made when a master first asks it."""

    __slots__ = ("_made", "_seats", "filtered", "options")

    def __init__(self, seats: Sequence[Seat], options: Iec101Options) -> None:
        self.options = options
        self.filtered = False
        self._made: dict[int, ControlledStation] = {}
        if options.shares_link_address:
            first = seats[0].address if options.link_address is None else options.link_address
            self._seats = {first if options.link_address_octets else 0: tuple(seats)}
        else:
            addresses = dict.fromkeys(seat.address for seat in seats)
            self._seats = {each: tuple(seat for seat in seats if seat.address == each) for each in addresses}

    @property
    def waiting_events(self) -> int:
        return sum(group.waiting for station in self._made.values() for group in station.groups)

    @property
    def lost_events(self) -> int:
        return sum(group.lost for station in self._made.values() for group in station.groups)

    @property
    def traffic(self) -> Traffic:
        return Traffic.sum(station.traffic for station in self._made.values())

    def connect(self, peer: str, now_s: float) -> Engine:
        if not self.options.balanced:
            return UnbalancedLine(self, peer, now_s)
        (address,) = self._seats
        station = self.at(address)
        assert station is not None
        return BalancedLine(station, address, self.options, peer, now_s)

    def restart(self, seats: Collection[Seat]) -> None:
        """Begin anew at the link addresses all of whose devices have."""
        begun = set(map(id, seats))
        for station in self._made.values():
            if all(id(seat) in begun for sector in station.sectors.values() for seat in sector.seats):
                station.restart()

    def at(self, address: int) -> ControlledStation | None:
        """What stands at a link address."""
        seats = self._seats.get(address)
        if seats is not None and address not in self._made:
            sectors = sectors_of(seats, self.options.form)
            self._made[address] = ControlledStation(
                "iec101", self.options.form, sectors, self.options, lambda: self.filtered
            )
        return self._made.get(address)

    def silent(self, address: int) -> bool:
        """Whether a device is not reached that has the link address for itself."""
        first = self._seats[address][0]
        remembers = self.options.shares_link_address or first.stations_clock is not None
        return not remembers and not first.reachable
