"""The point list of a register plan, as a SCADA engineer would import it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.resource import ITSELF
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.plans.modbus import INPUT, READS, Register, RegisterPlan, Unit, bare, inner
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.wire.derived import DrawnFactor, Flags, OffValue, SignedPowerFactor
from pilotfarm.emulators.wire.resource import ResourceSink
from pilotfarm.emulators.wire.sinks import Choice, Kept, Pulse, ShareTaken, Within
from pilotfarm.emulators.wire.sources import Bits, Lookup, Scaled, Source
from pilotfarm.emulators.wire.wiring import ByWiring, settled


def points(plan: RegisterPlan, columns: Mapping[str, Floats]) -> list[PointRow]:
    """The point list, scaled for the ratings in ``columns``: registers first, then discrete inputs and coils."""
    placed = [(unit, _settled(register, columns)) for unit in plan.units for register in unit.registers]
    rows = [row for unit, register in placed for row in _register_rows(unit, register, columns)]
    return rows + [row for unit in plan.units for row in _bit_rows(plan, unit)]


def _bit_rows(plan: RegisterPlan, unit: Unit) -> Iterator[PointRow]:
    for label, names, code in (("discrete input", unit.discretes, READ_DISCRETES), ("coil", unit.coils, READ_COILS)):
        for k, name in enumerate(names):
            full = unit.resource.of(name)
            if full in plan.quantities:
                access = {Role.COMMAND: "w", Role.SETPOINT: "rw"}.get(quantity(name).role, "r")
                yield PointRow(
                    full,
                    f"{label} {k}",
                    "bit",
                    1.0,
                    "bool",
                    access,
                    resource_unit=unit_id(unit),
                    is_alias=unit.step is None,
                    object=label,
                    number=k,
                    read_code=code if "r" in access else None,
                    write_code=WRITE_COIL if "w" in access else None,
                )


READ_COILS, READ_DISCRETES, WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS = 1, 2, 5, 6, 16
"""Function codes (MODBUS Application Protocol V1.1b3, 6)."""


def unit_id(unit: Unit) -> int:
    """The unit id a point list shows, for a device at unit 1."""
    return unit.aliases[0] if unit.step is None else 1 + unit.step


_TYPES: Final = {"u": "uint", "i": "int", "f": "float"}


def _settled(register: Register, columns: Seen) -> Register:
    """Return a register as devices with these ratings have it; of what is always the same there is no point."""
    shows = settled(register.shows, columns)
    return replace(register, shows=None if isinstance(shows, float) else shows)


def _register_rows(unit: Unit, register: Register, columns: Mapping[str, Floats]) -> Iterator[PointRow]:
    dtype, ends = np.dtype(register.dtype), register.address + register.width
    name = f"{_TYPES[dtype.kind]}{8 * dtype.itemsize}"
    if register.scale_factor is not None:
        name += " times a scale factor"
    taken = register.takes.quantities if register.takes and not isinstance(register.sink, ShareTaken) else ()
    source, _ = bare(register.shows)
    # What is only one part of a sum, a state or a shared bit is no point of that quantity.
    shown = register.shows.quantities if isinstance(source, Scaled) and register.shows else register.carries
    shown = tuple(each for each in shown if register.shows and each in register.shows.quantities)
    for each in dict.fromkeys((*shown, *taken)):
        access = ("r" if each in shown else "") + ("w" if each in taken else "")
        bits = _bits_of(register.shows, each)
        yield PointRow(
            each,
            f"{_space(unit, register)}register {register.address}{''.join(f' bit {bit}' for bit in bits)}",
            name + _code_of(register, each),
            _scale(register, columns) if each in shown else _scale_taken(register),
            quantity(each).unit,
            access,
            resource_unit=unit_id(unit),
            is_alias=unit.step is None,
            object="input register" if register.function == INPUT else "holding register",
            number=register.address,
            bit=bits[0] if bits else None,
            read_code=register.function if "r" in access else None,
            write_code=(WRITE_REGISTER if register.width == 1 else WRITE_REGISTERS) if "w" in access else None,
            is_alone=any(window.first == register.address and window.end == ends for window in unit.windows),
        )


def _space(unit: Unit, register: Register) -> str:
    """How a register is told from one with the same address that another function reads."""
    windows = [w for w in unit.windows if w.first <= register.address < w.end and register.function in w.functions]
    if windows and windows[0].functions == READS:
        return ""
    return "input " if register.function == INPUT else "holding "


def _bits_of(source: Source | None, name: str) -> list[int]:
    shown, resource = bare(source)
    if isinstance(shown, Flags):
        return [bit for bit, names in shown.of_bit if resource.plain(name) in names]
    if isinstance(shown, Bits):
        return [bit for bit, each in shown.of_bit if resource.plain(name) == each]
    return []


def _code_of(register: Register, name: str) -> str:
    """In brackets what a number means that is not the quantity over the scale: ``(2 for 0, 1 for 1)``."""
    source, _ = bare(register.shows)
    if register.shows is None or name not in register.shows.quantities:
        takes = register.takes
        sink, resource = (takes.sink, takes.resource) if isinstance(takes, ResourceSink) else (takes, ITSELF)
        if isinstance(sink, Kept) or (isinstance(sink, Pulse) and sink.any_value):
            return " (any value)"
        means = sink.means if isinstance(sink, Choice) else ()
        return "".join(f" ({wire:g} for {value:g})" for wire, meant, value in means if resource.of(meant) == name)
    if isinstance(inner(register.shows)[0], ByWiring):
        return " (of a single-phase device its own phase)"
    if isinstance(source, Lookup):
        return f" ({', '.join(f'{wire:g} for {value}' for value, wire in enumerate(source.wire))})"
    if isinstance(source, OffValue):
        return f" ({source.off:g} for 0)"
    if isinstance(source, SignedPowerFactor):
        return " (thousandths, then 1 if under-excited)"
    return "" if isinstance(source, Scaled | Flags | Bits | DrawnFactor) else " (coded)"


def _scale(register: Register, columns: Mapping[str, Floats]) -> float:
    """Quantity = wire * scale, negative where the map counts the other way."""
    source, _ = bare(register.shows)
    exponent = register.scale_factor.exponent(columns) if register.scale_factor else 0
    if isinstance(source, DrawnFactor):
        return -1.0 / source.gain
    return 10.0**exponent / source.gain if isinstance(source, Scaled) else 1.0


def _scale_taken(register: Register) -> float:
    """The same of what can only be written."""
    sink = register.sink
    sink = sink.sink if isinstance(sink, Within) else sink
    return 1.0 / sink.gain if isinstance(sink, Scaled) else 1.0
