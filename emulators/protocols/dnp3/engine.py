"""What listens at one address: an outstation, made when somebody comes or when the site names its masters."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pilotfarm.emulators.contracts.protocol import Seat, Traffic
from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.link import Link
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options


class Dnp3Station:
    """One outstation, and a link for each connection to it."""

    __slots__ = ("_filtered", "outstation")

    def __init__(self, seats: Sequence[Seat], options: Dnp3Options) -> None:
        self.outstation = Outstation(seats, options)
        self._filtered = False

    @property
    def filtered(self) -> bool:
        return self._filtered

    @filtered.setter
    def filtered(self, filtered: bool) -> None:
        self._filtered = filtered
        self.outstation.filters_changed()

    @property
    def traffic(self) -> Traffic:
        return self.outstation.traffic

    def restart(self, seats: Collection[Seat]) -> None:
        self.outstation.begin_anew()

    def connect(self, peer: str, now_s: float) -> Link:
        return Link(self.outstation, peer, now_s)
