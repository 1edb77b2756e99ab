"""The registers of a group, and a device's own view of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import Overlaid, Seen
from pilotfarm.emulators.contracts.clock import Clocks
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.errors import NoSuchPoint, NotWritable
from pilotfarm.emulators.plans.chains import placed
from pilotfarm.emulators.plans.modbus import HOLDING, Register, RegisterPlan
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.clock import CLOCK
from pilotfarm.emulators.wire.rows import Rows
from pilotfarm.emulators.wire.sinks import Kept

_UNTRUE: Final = np.uint8(Quality.INVALID | Quality.NOT_TOPICAL)
_REMEMBERED_READS: Final = 4096
_SERIAL_FIRST: Final = 10_000_000
"""The least serial number of eight digits."""


class ModbusTable:
    """One row of register bytes a device. Modbus has no events.

    Made at once after a step if somebody has read since the step before, else with the first read after it.
    """

    __slots__ = (
        "_blanked",
        "_blanks",
        "_latest",
        "_quality",
        "_scales",
        "_tells_time",
        "_unix_s",
        "clocks",
        "plan",
        "read",
        "reads",
        "rows",
        "stale",
    )

    def __init__(self, plan: RegisterPlan, n: int, columns: Seen, form: Any = None) -> None:
        plan = placed(plan, form)
        template, fields = plan.layout(columns)
        self.plan = plan
        self.rows = Rows(n, template, fields)
        self._scales = plan.scales(columns)
        self.stale = False
        """Whether the bytes are of an earlier step; who reads them calls ``make`` first, and sets ``read``."""
        self.read = False
        """Whether somebody has read since the last step."""
        self._latest: Mapping[str, Floats] = {}
        self._quality: Mapping[str, Qualities] = {}
        self._blanks = plan.blanks(columns)
        self._blanked = False
        """Whether words for what is not there stand where encoding had written."""
        self._tells_time = any(CLOCK in field.source.quantities for field in fields)
        self._unix_s = 0.0
        self.clocks: Clocks = {}
        # What every device of the group answers to a read as it was framed, but for the transaction: what the answer
        # begins with, and where in the row its registers lie. Masters repeat themselves, so it is looked up.
        self.reads: tuple[dict[bytes, tuple[bytes, int, int]], ...] = tuple({} for _ in plan.units)

    def refresh(self, columns: Mapping[str, Floats], quality: Mapping[str, Qualities], unix_s: float) -> None:
        """Take what is known.

        Modbus has no time tags, and for a quality only what a map shows in place of a value that is not there.
        """
        self._latest, self._quality, self._unix_s = columns, quality, unix_s
        self.stale = True
        if self.read:
            self.read = False
            self.make()

    def tell(self, columns: Mapping[str, Floats], row: int, names: Sequence[str]) -> None:
        """Show what one device has accepted since the last step."""
        self._latest = columns
        if not self.stale:
            self.rows.encode_row(columns, row, names)
            self._blanked |= self._blank(slice(row, row + 1))

    def make(self) -> None:
        """Encode what is known."""
        columns = self._latest
        if self._tells_time:
            shown = np.full(self.rows.n, self._unix_s)
            for row, clock in self.clocks.items():
                shown[row] = clock.shown_s(self._unix_s)
            columns = Overlaid(columns, {CLOCK: shown})
        if self._blanked:
            self.rows.forget()
        self.rows.encode(columns)
        self._blanked = self._blank(slice(None))
        self.stale = False

    def _blank(self, rows: slice) -> bool:
        """Write over values of some rows that are not to be trusted, where the map has a word for that.

        Return whether any was.
        """
        blanked = False
        for name, bits in self._quality.items():
            # One beyond the range is told by standing at its end.
            bad = (bits[rows] & _UNTRUE != 0) & (bits[rows] & Quality.OVERFLOW == 0)
            for offset, dtype, word in self._blanks.get(name, ()) if bad.any() else ():
                data = self.rows.data
                np.ndarray((self.rows.n,), np.dtype(dtype), data, offset, (data.shape[1],))[rows][bad] = word
                blanked = True
        return blanked

    def scale(self, register: Register) -> float:
        """Return what a number in a register is multiplied with before its register takes it."""
        return 1.0 if register.scale_factor is None else self._scales[register.scale_factor]

    def row(self, index: int) -> memoryview:
        """The live bytes of one device."""
        self.read = True
        if self.stale:
            self.make()
        return self.rows.row(index)

    def sign(self, row: int, serial: str, first_unit: int) -> None:
        """Write a device's serial number wherever it is shown, cut to the place there is, and its unit ids."""
        for number, unit in enumerate(self.plan.units):
            for address in unit.own_ids:
                start = self.plan.place(number, address, 1)
                assert start is not None, "a unit id stands in no window"
                its_id = first_unit + unit.step if unit.step is not None else unit.aliases[0]
                self.rows.data[row, start : start + 2] = np.frombuffer(its_id.to_bytes(2, "big"), dtype=np.uint8)
            for address, width in unit.serials:
                start = self.plan.place(number, address, width)
                assert start is not None, "a serial number stands in no window"
                text = serial.encode("ascii", "replace")[: 2 * width].ljust(2 * width, b"\0")
                self.rows.data[row, start : start + 2 * width] = np.frombuffer(text, dtype=np.uint8)
            for address in unit.serial_numbers:
                start = self.plan.place(number, address, 2)
                assert start is not None, "a serial number stands in no window"
                digits = _SERIAL_FIRST + crc32(serial.encode()) % (9 * _SERIAL_FIRST)
                self.rows.data[row, start : start + 4] = np.frombuffer(digits.to_bytes(4, "big"), dtype=np.uint8)


class Bank:
    """One unit of one device: what the engine reads and writes."""

    __slots__ = ("_ignores", "_unit", "device", "number", "reads", "row", "seat", "table")

    def __init__(self, seat: Seat, number: int, ignores: bool = False) -> None:
        table = seat.table
        assert isinstance(table, ModbusTable)
        self.seat = seat
        self.device = seat.device
        self.number = number
        self.row = table.row(seat.row)
        self.reads = table.reads[number]
        self.table = table
        self._unit = table.plan.units[number]
        self._ignores = self._unit.unimplemented if ignores else frozenset()

    def asked(self, message: bytes) -> Seat | None:
        """Who is meant by a message to this unit."""
        return self.seat

    @property
    def identity(self) -> dict[int, str]:
        """The objects of a basic and regular device identification (AP, 6.21)."""
        known = self._unit.identity
        name = f"{known.vendor} {known.model}"
        texts = (known.vendor, known.product_code, known.revision, "", name, known.model, self.device.id)
        return {number: text[:120] for number, text in enumerate(texts) if text}

    # ---------------------------------------------------------------------------------- registers

    def span(self, address: int, count: int, function: int = HOLDING) -> tuple[int, int]:
        """Where in the row lie the registers that ``function`` reads; ``NoSuchPoint`` if nowhere."""
        start = self.table.plan.place(self.number, address, count, function)
        if start is None:
            raise NoSuchPoint(f"registers {address} to {address + count - 1}")
        return start, start + 2 * count

    def remember(self, asked: bytes, head: bytes) -> None:
        """Note what the answer begins with to a read that has been answered; it ends in function, address and count."""
        if len(self.reads) >= _REMEMBERED_READS:
            self.reads.clear()
        address, count = int.from_bytes(asked[-4:-2], "big"), int.from_bytes(asked[-2:], "big")
        self.reads[asked] = (head, *self.span(address, count, asked[-5]))

    def again(self, asked: bytes) -> bytes | None:
        """What a read is answered, after its transaction, that has been answered before; ``None`` for another."""
        read = self.reads.get(asked)
        if read is None:
            return None
        head, first, last = read
        self.table.read = True
        if self.table.stale:
            self.table.make()
        return head + self.row[first:last]

    def registers(self, address: int, count: int, function: int = HOLDING) -> bytes:
        """What ``function`` reads of ``count`` registers: as of the last step, of a set-point as accepted since."""
        self.table.read = True
        if self.table.stale:
            self.table.make()
        start, end = self.span(address, count, function)
        return bytes(self.row[start:end])

    def meaning(self, address: int, data: bytes) -> dict[str, float]:
        """What writing ``data`` from ``address`` on would change, all of it or an error and nothing.

        A SunSpec point that is not implemented has no address to write to, or takes every write and forgets it.
        A write that begins or ends inside a longer value is refused: that address and length do not
        go together (AP, 7, code 02).
        """
        end = address + len(data) // 2
        values: dict[str, float] = {}
        at = address
        while at < end:
            register = self._unit.writable.get(at)
            if at in self._ignores:
                at += 1
                continue
            if register is None:
                self.registers(at, 1)
                raise NotWritable(f"register {at}")
            last = register.address + register.width
            if (register.address < at or last > end) and not register.partly:
                raise NoSuchPoint(f"registers {register.address} to {last - 1} are one value")
            values |= self._meaning_of(register, address, data)
            at = last
        return values

    def _meaning_of(self, register: Register, address: int, data: bytes) -> dict[str, float]:
        raw = bytearray()
        for at in range(register.address, register.address + register.width):
            place = 2 * (at - address)
            raw += data[place : place + 2] if 0 <= place < len(data) else self.registers(at, 1)
        written = float(np.frombuffer(raw, register.dtype)[0])
        return register.meaning(written * self.table.scale(register), self.device.value)

    def keep(self, address: int, data: bytes) -> None:
        """Keep what was written to settings of the device's interface, which ``meaning`` allowed."""
        for k in range(0, len(data), 2):
            register = self._unit.writable.get(address + k // 2)
            if register is not None and isinstance(register.sink, Kept):
                start = self.table.plan.place(self.number, register.address, register.width)
                assert start is not None, "what is kept can be read"
                start += 2 * (address - register.address) + k
                self.row[start : start + 2] = data[k : k + 2]

    # --------------------------------------------------------------------------------------- bits

    def bits(self, address: int, count: int, coils: bool) -> list[bool]:
        """Discrete inputs or coils; a number this device has no quantity for is off."""
        names = self._unit.coils if coils else self._unit.discretes
        if address + count > len(names):
            raise NoSuchPoint(f"bits {address} to {address + count - 1} of {len(names)}")
        had, resource = self.table.plan.quantities, self._unit.resource
        asked = [resource.of(name) for name in names[address : address + count]]
        return [name in had and abs(self.device.value(name)) > 0.0 for name in asked]

    def bits_meaning(self, address: int, bits: list[bool]) -> dict[str, float]:
        """What writing coils from ``address`` on would change; a command that is not given changes nothing."""
        names = self._unit.coils[address : address + len(bits)]
        if len(names) < len(bits):
            raise NoSuchPoint(f"coils {address} to {address + len(bits) - 1}")
        values = {}
        for name, bit in zip(names, bits, strict=True):
            full = self._unit.resource.of(name)
            if full not in self.table.plan.quantities:
                raise NoSuchPoint(f"coil {name}")
            if bit or quantity(name).role is not Role.COMMAND:
                values[full] = float(bit)
        return values
