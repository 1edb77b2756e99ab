"""The registers of one unit of a station with a list of its own: those of several devices, wherever the list has them.

What the list does not have has no address. A read may go over several devices; one of a device that the station does
not reach is exception 0B. A write is of one device: that of the first address it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.errors import NoAnswer, NoSuchPoint, NotWritable
from pilotfarm.emulators.plans.modbus import COILS, DISCRETES, HOLDING, INPUT, Register
from pilotfarm.emulators.plans.own_list import ABSENT
from pilotfarm.emulators.protocols.modbus.table import Bank

_SPACE: Final = {1: COILS, 2: DISCRETES, 3: HOLDING, 4: INPUT, 5: COILS, 6: HOLDING, 15: COILS, 16: HOLDING,
                 22: HOLDING, 23: HOLDING}  # fmt: skip
"""By function code what is asked for by an address."""
_READ_WRITE: Final = 23
_WRITTEN_AT: Final = 5
"""Where a message that reads and writes has the address that it writes."""


class _Point(NamedTuple):
    """A point of the list, and the register of its device's bank that stands for it."""

    bank: Bank
    address: int
    register: Register

    @property
    def last(self) -> int:
        return self.address + self.register.width


class ListedBank(Bank):
    """What the engine reads and writes at one unit id."""

    __slots__ = ("_points",)

    def __init__(self, seats: Sequence[Seat]) -> None:
        super().__init__(seats[0], 0)
        self.reads = {}  # what reads over several rows is not remembered
        self._points: dict[int, dict[int, _Point]] = {COILS: {}, DISCRETES: {}, HOLDING: {}, INPUT: {}}
        """By the function that reads it, and by address; one of several registers at each of them."""
        for seat in seats:
            self._add(Bank(seat, 0))

    def _add(self, bank: Bank) -> None:
        own, (unit,) = bank.table.plan.own, bank.table.plan.units
        assert own is not None, "a map's table is no list"
        addresses = own.addresses[bank.seat.row].tolist()
        for address, function, register in zip(addresses, own.functions, unit.registers, strict=True):
            if address != ABSENT:
                point = _Point(bank, address, register)
                self._points[function].update(dict.fromkeys(range(address, point.last), point))

    @property
    def identity(self) -> dict[int, str]:
        return {number: text for number, text in super().identity.items() if text != self.device.id}

    def asked(self, message: bytes) -> Seat | None:
        """Whose the first address is that a message names, or of one that writes too the first that it writes."""
        points = self._points.get(_SPACE.get(message[0], 0), {})
        at = _WRITTEN_AT if message[0] == _READ_WRITE else 1
        point = points.get(int.from_bytes(message[at : at + 2], "big"))
        return None if point is None else point.bank.seat

    def remember(self, asked: bytes, head: bytes) -> None:
        pass

    def again(self, asked: bytes) -> bytes | None:
        return None

    def registers(self, address: int, count: int, function: int = HOLDING) -> bytes:
        data = bytearray()
        for point in self._found(function, address, count):
            octets = self._shown(point)
            begins = 2 * max(address - point.address, 0)
            data += octets[begins : 2 * (address + count - point.address)]
        return bytes(data)

    def meaning(self, address: int, data: bytes) -> dict[str, float]:
        values: dict[str, float] = {}
        for point in self._of_one(HOLDING, address, len(data) // 2):
            if point.address < address:  # one that ends in a value its own bank refuses
                raise NoSuchPoint(f"registers {point.address} to {point.last - 1} are one value")
            written = data[2 * (point.address - address) : 2 * (point.last - address)]
            values |= point.bank.meaning(point.register.address, written)
        return values

    def keep(self, address: int, data: bytes) -> None:
        pass

    def bits(self, address: int, count: int, coils: bool) -> list[bool]:
        return [any(self._shown(point)) for point in self._found(COILS if coils else DISCRETES, address, count)]

    def bits_meaning(self, address: int, bits: list[bool]) -> dict[str, float]:
        values: dict[str, float] = {}
        for point, bit in zip(self._of_one(COILS, address, len(bits)), bits, strict=True):
            values |= point.bank.meaning(point.register.address, bit.to_bytes(2, "big"))
        return values

    def _found(self, function: int, address: int, count: int) -> Iterator[_Point]:
        """Yield the points at some addresses, each once and in their order; ``NoSuchPoint`` if one is nobody's."""
        at, end = address, address + count
        while at < end:
            point = self._points[function].get(at)
            if point is None:
                raise NoSuchPoint(f"nothing stands at {at}")
            yield point
            at = point.last

    def _of_one(self, function: int, address: int, count: int) -> list[_Point]:
        points = list(self._found(function, address, count))
        if any(point.bank is not points[0].bank for point in points):
            raise NotWritable(f"{address} to {address + count - 1} are of several devices")
        return points

    def _shown(self, point: _Point) -> bytes:
        if not point.bank.seat.reachable:
            raise NoAnswer(f"{point.bank.device.id} does not answer its station")
        return point.bank.registers(point.register.address, point.register.width)
