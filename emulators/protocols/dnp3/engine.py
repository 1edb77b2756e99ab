"""What listens at one address: an outstation of a device or of several, or several outstations."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pilotfarm.emulators.contracts.protocol import Seat, Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.database import databases_of
from pilotfarm.emulators.protocols.dnp3.link import Link
from pilotfarm.emulators.protocols.dnp3.multidrop import Multidrop
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options


class Dnp3Station:
    """Outstations by their link addresses, and an engine for each connection to them."""

    __slots__ = ("_filtered", "options", "outstations")

    def __init__(self, seats: Sequence[Seat], options: Dnp3Options) -> None:
        self.options = options
        databases = databases_of(seats)
        self.outstations = {address: Outstation(address, each, options) for address, each in databases.items()}
        self._filtered = False

    @property
    def filtered(self) -> bool:
        return self._filtered

    @filtered.setter
    def filtered(self, filtered: bool) -> None:
        self._filtered = filtered
        for outstation in self.outstations.values():
            outstation.filters_changed()

    @property
    def traffic(self) -> Traffic:
        return Traffic.sum(outstation.traffic for outstation in self.outstations.values())

    def restart(self, seats: Collection[Seat]) -> None:
        """Begin anew where all devices have."""
        begun = set(seats)
        for address in dict.fromkeys(seat.address for seat in seats):
            if all(seat in begun for seat in self.outstations[address].database.seats):
                self.outstations[address].begin_anew()

    def connect(self, peer: str, now_s: float) -> Engine:
        if len(self.outstations) > 1:
            return Multidrop(self.outstations, self.options, peer, now_s)
        (outstation,) = self.outstations.values()
        return Link(outstation, peer, now_s)
