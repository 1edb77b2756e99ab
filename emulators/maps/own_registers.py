"""A station's own list of points over Modbus.

A number stands in registers, ``holding`` or ``input``, as an integer or a float, the high octets first. What is on or
off is a ``coil``, which can be written, a ``discrete input``, or a whole number 0 or 1 in registers. An integer that is
not known is the end of its type that SunSpec has for what is not implemented; a float is NaN.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.maps.binding import REVISION, VENDOR
from pilotfarm.emulators.plans.modbus import (
    COILS,
    DISCRETES,
    HOLDING,
    INPUT,
    Identity,
    Own,
    Register,
    RegisterPlan,
    Window,
)
from pilotfarm.emulators.plans.modbus import Unit as RegisterUnit
from pilotfarm.emulators.plans.own_list import Addresses, OwnList, OwnPoint, Span, Unfit
from pilotfarm.emulators.plans.register_points import WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS
from pilotfarm.emulators.quantities import Quantity, Role, quantity
from pilotfarm.emulators.wire.sinks import Pulse
from pilotfarm.emulators.wire.sources import Scaled
from pilotfarm.emulators.words import choice

_COIL: Final = "coil"
_DISCRETE: Final = "discrete input"
_BITS: Final = {_COIL: COILS, _DISCRETE: DISCRETES}
_SPACES: Final = {"holding": HOLDING, "input": INPUT}
_NUMBERS: Final = {
    "int16": (">i2", -(2**15)),
    "uint16": (">u2", 2**16 - 1),
    "int32": (">i4", -(2**31)),
    "uint32": (">u4", 2**32 - 1),
    "int64": (">i8", -(2**63)),
    "uint64": (">u8", 2**64 - 1),
    "float32": (">f4", 0),
    "float64": (">f8", 0),
}
"""NumPy type, and what stands for a value that is not there."""
_TYPES: Final = (*_BITS, *(f"{space} {number}" for space in _SPACES for number in _NUMBERS))
_LAST: Final = 65_535


def _usual_type(found: Quantity) -> str:
    if not found.is_binary:
        return "holding float32"
    return _COIL if found.writable else _DISCRETE


def _problems(point: OwnPoint, found: Quantity) -> Iterator[tuple[str, str]]:
    if point.type in _BITS and not found.is_binary:
        yield "type", f"{found.name} is a number, and a {point.type} is on or off"
    elif point.type == _COIL and not found.writable:
        yield "type", f"a coil can be written, and {found.name} cannot; it may be a {_DISCRETE}"
    elif "float" in point.type and found.is_binary:
        yield "type", f"{found.name} is on or off: a coil, a {_DISCRETE}, or an integer"
    elif found.role is Role.COMMAND and (point.type == _DISCRETE or point.type.startswith("input ")):
        yield "type", f"{found.name} is a command, which has no value to be read"
    if point.scale is not None and found.is_binary:
        yield "scale", f"{found.name} is on or off, and has no scale"


def _settled(point: OwnPoint, spec: DeviceSpec, form: Hashable) -> OwnPoint:
    found = quantity(point.quantity)
    known = point.type or _usual_type(found)
    known = f"holding {known}" if known in _NUMBERS else known
    if known not in _TYPES:
        raise Unfit(("type", f"there is no type {point.type!r} here{choice(point.type, (*_NUMBERS, *_TYPES))}"))
    settled = replace(point, type=known)
    problems = list(_problems(settled, found))
    if problems:
        raise Unfit(*problems)
    return settled if found.is_binary or settled.scale is not None else replace(settled, scale=1.0)


def _register(point: OwnPoint, at: int) -> Register:
    """Return what stands for a point in a row of the table, from register ``at`` on."""
    found = quantity(point.quantity)
    dtype, missing = (">u2", 0) if point.type in _BITS else _NUMBERS[point.type.split()[1]]
    plain = Scaled(found.name, 1.0 / (point.scale or 1.0))
    takes = None
    if found.writable and not point.type.startswith("input ") and point.type != _DISCRETE:
        takes = Pulse(found.name) if found.role is Role.COMMAND else plain
    return Register(at, dtype, None if found.role is Role.COMMAND else plain, takes, missing)


def _function(point: OwnPoint) -> int:
    return _BITS[point.type] if point.type in _BITS else _SPACES[point.type.split()[0]]


def _span(point: OwnPoint, form: Hashable) -> Span:
    space = point.type if point.type in _BITS else f"{point.type.split()[0]} register"
    return Span(space, _register(point, 0).width, 0, _LAST)


def _plan(spec: DeviceSpec, points: Sequence[OwnPoint], addresses: Addresses) -> RegisterPlan:
    registers: list[Register] = []
    for point in points:
        last = registers[-1] if registers else None
        registers.append(_register(point, 0 if last is None else last.address + last.width))
    octets = 2 * (registers[-1].address + registers[-1].width)
    identity = Identity(VENDOR, "points", REVISION, "Station")
    unit = RegisterUnit(0, (Window(0, bytes(octets)),), tuple(registers), identity)
    names = frozenset(each.name for each in spec.quantities)
    return RegisterPlan((unit,), names, Own(addresses, tuple(map(_function, points))))


def _row(point: OwnPoint, address: int, spec: DeviceSpec, columns: Seen, form: Hashable) -> PointRow:
    register, function, space = _register(point, 0), _function(point), _span(point, form).space
    access = ("" if register.shows is None else "r") + ("" if register.takes is None else "w")
    write = WRITE_COIL if function == COILS else WRITE_REGISTER if register.width == 1 else WRITE_REGISTERS
    return PointRow(
        point.quantity,
        f"{space} {address}",
        "bit" if point.type in _BITS else point.type.split()[1],
        1.0 if point.scale is None else point.scale,
        quantity(point.quantity).unit,
        access,
        object=space,
        number=address,
        read_code=function if register.shows is not None else None,
        write_code=write if register.takes is not None else None,
    )


def _refusal(options: Any) -> str:
    return "a gateway to a bus hands on what it is asked, and has no list of its own" if options.bus is not None else ""


OWN_LIST: Final = OwnList(frozenset({"scale"}), _settled, _span, _plan, _row, _refusal)
