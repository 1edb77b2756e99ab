"""The registers of a group, and a device's own view of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.protocol import NO_CLOCKS, Seat
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.errors import NoSuchPoint, NotWritable
from pilotfarm.emulators.plans.modbus import Register, RegisterPlan
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.rows import Rows

_REMEMBERED_READS: Final = 4096


class ModbusTable:
    """One row of register bytes a device. Modbus has no events.

    Made at once after a step if somebody has read since the step before, else with the first read after it.
    """

    __slots__ = ("_latest", "_scales", "plan", "read", "reads", "rows", "stale")

    def __init__(self, plan: RegisterPlan, n: int, columns: Seen, form: Any = None) -> None:
        template, fields = plan.layout(columns)
        self.plan = plan
        self.rows = Rows(n, template, fields)
        self._scales = plan.scales(columns)
        self.stale = False
        """Whether the bytes are of an earlier step; who reads them calls ``make`` first, and sets ``read``."""
        self.read = False
        """Whether somebody has read since the last step."""
        self._latest: Mapping[str, Floats] = {}
        # What every device of the group answers to a read as it was framed, but for the transaction: what the answer
        # begins with, and where in the row its registers lie. Masters repeat themselves, so it is looked up.
        self.reads: tuple[dict[bytes, tuple[bytes, int, int]], ...] = tuple({} for _ in plan.units)

    def refresh(
        self,
        columns: Mapping[str, Floats],
        quality: Mapping[str, Qualities],
        unix_s: float,
        clocks_s: Mapping[int, float] = NO_CLOCKS,
    ) -> None:
        """Take what is known. Modbus has neither qualities nor time tags to say more."""
        self._latest = columns
        self.stale = True
        if self.read:
            self.read = False
            self.make()

    def tell(self, columns: Mapping[str, Floats], row: int, names: Sequence[str]) -> None:
        """Show what one device has accepted since the last step."""
        self._latest = columns
        if not self.stale:
            self.rows.encode_row(columns, row, names)

    def make(self) -> None:
        """Encode what is known."""
        self.rows.encode(self._latest)
        self.stale = False

    def scale(self, register: Register) -> float:
        """Return what a number in a register is multiplied with before its register takes it."""
        return 1.0 if register.scale_factor is None else self._scales[register.scale_factor]

    def row(self, index: int) -> memoryview:
        """The live bytes of one device."""
        self.read = True
        if self.stale:
            self.make()
        return self.rows.row(index)

    def sign(self, row: int, name: str) -> None:
        """Write a device's id wherever its serial number is shown, cut to the place there is."""
        for number, unit in enumerate(self.plan.units):
            for address, width in unit.serials:
                start = self.plan.place(number, address, width)
                assert start is not None, "a serial number stands in no window"
                text = name.encode("ascii", "replace")[: 2 * width].ljust(2 * width, b"\0")
                self.rows.data[row, start : start + 2 * width] = np.frombuffer(text, dtype=np.uint8)


class Bank:
    """One unit of one device: what the engine reads and writes."""

    __slots__ = ("_unit", "device", "number", "reads", "row", "seat", "table")

    def __init__(self, seat: Seat, number: int) -> None:
        table = seat.table
        assert isinstance(table, ModbusTable)
        self.seat = seat
        self.device = seat.device
        self.number = number
        self.row = table.row(seat.row)
        self.reads = table.reads[number]
        self.table = table
        self._unit = table.plan.units[number]

    @property
    def identity(self) -> dict[int, str]:
        """The objects of a basic and regular device identification (AP, 6.21)."""
        known = self._unit.identity
        name = f"{known.vendor} {known.model}"
        texts = (known.vendor, known.product_code, known.revision, "", name, known.model, self.device.id)
        return {number: text[:120] for number, text in enumerate(texts) if text}

    # ---------------------------------------------------------------------------------- registers

    def span(self, address: int, count: int) -> tuple[int, int]:
        """Where in the row these registers lie; ``NoSuchPoint`` if nowhere."""
        start = self.table.plan.place(self.number, address, count)
        if start is None:
            raise NoSuchPoint(f"registers {address} to {address + count - 1}")
        return start, start + 2 * count

    def remember(self, asked: bytes, head: bytes) -> None:
        """Note what the answer begins with to a read that has been answered; it ends in address and count."""
        if len(self.reads) >= _REMEMBERED_READS:
            self.reads.clear()
        address, count = int.from_bytes(asked[-4:-2], "big"), int.from_bytes(asked[-2:], "big")
        self.reads[asked] = (head, *self.span(address, count))

    def registers(self, address: int, count: int) -> bytes:
        """What ``count`` registers hold: as of the last step, of a set-point as accepted since."""
        self.table.read = True
        if self.table.stale:
            self.table.make()
        start, end = self.span(address, count)
        return bytes(self.row[start:end])

    def meaning(self, address: int, data: bytes) -> dict[str, float]:
        """What writing ``data`` from ``address`` on would change, all of it or an error and nothing.

        A write that begins or ends inside a longer value is refused: that address and length do not
        go together (AP, 7, code 02).
        """
        end = address + len(data) // 2
        values: dict[str, float] = {}
        at = address
        while at < end:
            register = self._unit.writable.get(at)
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
        assert register.takes is not None
        written = float(np.frombuffer(raw, register.dtype)[0])
        return register.takes.back(written * self.table.scale(register))

    # --------------------------------------------------------------------------------------- bits

    def bits(self, address: int, count: int, coils: bool) -> list[bool]:
        """Discrete inputs or coils; a number this device has no quantity for is off."""
        names = self._unit.coils if coils else self._unit.discretes
        if address + count > len(names):
            raise NoSuchPoint(f"bits {address} to {address + count - 1} of {len(names)}")
        had, resource = self.table.plan.quantities, self._unit.resource
        asked = [resource.of(name) for name in names[address : address + count]]
        return [name in had and self.device.value(name) != 0.0 for name in asked]

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
