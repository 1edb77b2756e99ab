"""What a Modbus master is answered, whatever the messages travel in: a unit and a message in, a message out.

Every function goes through pymodbus's message classes (``functions``); a read that was answered once is answered
without asking here again (``engine``).

A unit nobody sits at, or whose device the station does not reach, is answered with exception 0B, "gateway
target device failed to respond" (AP, 7), on a gateway and on a single device alike; on a bus nobody is there who
could. A station with one seat also answers for unit 0 and 255, which TCP, 4.4.1.2 gives to a server that is addressed
by its IP alone, unless its map has a use of its own for them. On a bus unit 0 is everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.errors import PointError
from pilotfarm.emulators.links.filters import inward, outward
from pilotfarm.emulators.protocols.modbus.functions import (
    EXCEPTION,
    FUNCTIONS,
    GATEWAY_TARGET_FAILED,
    ILLEGAL_FUNCTION,
    ON_A_LINE,
    Function,
    Submit,
    exception_code,
)
from pilotfarm.emulators.protocols.modbus.listed import ListedBank
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.protocols.modbus.table import Bank

_DIRECT: Final = (0, 255)


class Application:
    """What the seats of one station answer."""

    __slots__ = ("_functions", "_ignores", "_lists", "_on_bus", "_seats", "banks")

    def __init__(self, seats: Sequence[Seat], options: ModbusOptions | None = None, *, on_bus: bool = False) -> None:
        self._seats = seats
        self._on_bus = on_bus
        self._functions = ON_A_LINE if on_bus else FUNCTIONS
        self._ignores = options is not None and options.unimplemented_writes == "ignore"
        self._lists = any(seat.table.plan.own is not None for seat in seats[:1])
        """Whether the station has a list of its own."""
        self.banks: dict[int, Bank] = {}
        """By unit id, made when first asked for."""
        self.sign(seats)

    def sign(self, seats: Iterable[Seat]) -> None:
        """Show the serial numbers of devices, wherever they are shown."""
        for seat in seats:
            seat.table.sign(seat.row, seat.device.serial, seat.address)

    def answer(self, unit: int, message: bytes, peer: str, now_s: float, *, tell: Submit | None = None) -> bytes | None:
        """Answer a message of at least one byte; ``None`` is silence.

        What it asks of the device is handed to ``tell`` in the device's place, if that is given.
        """
        bank = self.banks.get(unit) or self._bank(unit)
        if bank is None:
            return None if self._on_bus else _refusal(message[0], GATEWAY_TARGET_FAILED)
        seat = bank.asked(message)
        if seat is not None and not seat.reachable:
            return None if self._on_bus and not self._lists else _refusal(message[0], GATEWAY_TARGET_FAILED)
        seat = seat or bank.seat
        submit = tell or _submit(seat, peer, now_s)
        if seat.filters:
            return self._filtered(bank, seat, message, submit, now_s)
        return _answer(self._functions, bank, message, submit)

    def has(self, unit: int) -> bool:
        """Whether somebody sits at a unit id."""
        return (self.banks.get(unit) or self._bank(unit)) is not None

    def seat(self, unit: int, message: bytes) -> Seat | None:
        """Who is meant by a message to a unit id, if anybody is."""
        bank = self.banks.get(unit) or self._bank(unit)
        return None if bank is None else bank.asked(message)

    def tell(self, message: bytes, peer: str, now_s: float) -> None:
        """Have everybody on the bus do what a message says; nobody answers."""
        parts = ((seat, part) for seat in self._seats for part in seat.table.plan.units)
        for unit in dict.fromkeys(seat.address + part.step for seat, part in parts if part.step is not None):
            self.answer(unit, message, peer, now_s)

    def _filtered(self, bank: Bank, seat: Seat, message: bytes, submit: Submit, now_s: float) -> bytes | None:
        asked, answer = inward(seat.filters, message, now_s)
        if asked is None:
            return answer
        return outward(seat.filters, _answer(self._functions, bank, asked, submit), now_s)

    def _bank(self, unit: int) -> Bank | None:
        """The registers behind a unit id, or ``None`` if nobody sits there."""
        found = self._find(unit)
        if found is not None:
            self.banks[unit] = found
        return found

    def _find(self, unit: int) -> Bank | None:
        if self._lists:
            return self._listed(unit)
        alone = len(self._seats) == 1
        for seat in self._seats:
            for number, part in enumerate(seat.table.plan.units):
                if (part.step is not None and seat.address + part.step == unit) or (alone and unit in part.aliases):
                    return Bank(seat, number, self._ignores)
        direct = alone and unit in _DIRECT and not self._on_bus
        return Bank(self._seats[0], 0, self._ignores) if direct else None

    def _listed(self, unit: int) -> Bank | None:
        """The registers that the station's own list has at a unit id."""
        units = {seat.address for seat in self._seats}
        if len(units) == 1 and unit in _DIRECT and not self._on_bus:
            (unit,) = units
        seats = [seat for seat in self._seats if seat.address == unit]
        return ListedBank(seats) if seats else None


def _submit(seat: Seat, peer: str, now_s: float) -> Submit:
    def submit(values: Mapping[str, float]) -> None:
        if values:
            seat.device.submit(values, "modbus", peer, now_s).acknowledged_s = now_s

    return submit


def _answer(functions: Mapping[int, Function], bank: Bank, message: bytes, submit: Submit) -> bytes:
    function, body = message[0], message[1:]
    serve = functions.get(function)
    if serve is None:
        return _refusal(function, ILLEGAL_FUNCTION)
    try:
        response = serve(bank, body, submit)
    except PointError as error:
        return _refusal(function, exception_code(error))
    return bytes((response.function_code,)) + response.encode()


def _refusal(function: int, code: int) -> bytes:
    return bytes((function | EXCEPTION, code))
