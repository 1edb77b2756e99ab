"""The counters of a station: as the devices count, and as a master has frozen or reset them for all masters."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec60870.asdu import Format
from pilotfarm.emulators.protocols.iec60870.sector import Sector

_SEQUENCES: Final = 32
_MODULO: Final = 1 << 31
"""A reading runs from 0 to 2**31 - 1, as the energy registers of the point list do."""
_CARRY: Final = 0x20
"""CY: the counter has begun again at 0 in the integration period that the freeze ends."""


class Counters:
    """Binary counter readings (IEC 60870-5-101, 7.2.6.9) of the devices of a station.

    Frozen values belong to the station, whoever asked for it; each freeze of a counter gives them the next number
    of five bits. A reset lets the station's reading begin again at 0, and leaves the device's own register alone.
    An integration period begins with a freeze or a reset, or with the station.
    """

    __slots__ = ("_bases", "_began", "_form", "_frozen", "_sectors", "_sequences")

    def __init__(self, form: Format, sectors: Mapping[int, Sector]) -> None:
        self._form = form
        self._sectors = sectors
        self._frozen: dict[tuple[int, int], bytes] = {}
        """By common address and object address, as the objects below."""
        self._bases: dict[tuple[int, int], int] = {}
        self._began: dict[tuple[int, int], int] = {}
        """What was read when the integration period began."""
        self._sequences: dict[tuple[int, int], int] = {}

    def freeze(self, addresses: Iterable[int], group: int) -> None:
        """Keep what the counters of a group show now."""
        for address in addresses:
            for ioa, reading in self._present(address, group):
                place = address, ioa
                self._sequences[place] = number = (self._sequences.get(place, 0) + 1) % _SEQUENCES
                count = self._count(reading)
                carry = _CARRY if count < self._began.get(place, 0) else 0
                self._frozen[place] = reading[:-1] + bytes((reading[-1] | carry | number,))
                self._began[place] = count

    def reset(self, addresses: Iterable[int], group: int) -> None:
        """Let the counters of a group begin again at 0."""
        for address in addresses:
            for run in self._sectors[address].counted(group):
                for ioa, counted in run:
                    self._bases[address, ioa] = self._count(counted)
                    self._began[address, ioa] = 0

    def units(self, address: int, group: int, cause: int) -> Iterator[bytes]:
        """Yield data units with the counters of a group: what was last frozen, else the present."""
        for run in self._sectors[address].counted(group):
            objects = [self._frozen.get((address, ioa)) or self.reading(address, ioa, counted) for ioa, counted in run]
            yield self._form.header(MonitorType.TOTAL, len(run), cause, address) + b"".join(objects)

    def reading(self, address: int, ioa: int, counted: bytes) -> bytes:
        """Return the object of one counter as the station shows it, from the device's own."""
        base = self._bases.get((address, ioa))
        if base is None:
            return counted
        at = self._form.object_octets
        count = (self._count(counted) - base) % _MODULO
        return counted[:at] + struct.pack("<i", count) + counted[-1:]

    def _present(self, address: int, group: int) -> list[tuple[int, bytes]]:
        counted = (each for run in self._sectors[address].counted(group) for each in run)
        return [(ioa, self.reading(address, ioa, reading)) for ioa, reading in counted]

    def _count(self, counted: bytes | memoryview) -> int:
        return int(struct.unpack_from("<i", counted, self._form.object_octets)[0])
