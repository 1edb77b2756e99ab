"""Commands: what an information object asks for, and select before operate.

A selection belongs to one master and one point and holds for a wall time; while it holds nobody
else can select or operate the point. A master is a connection and an originator address. Operating takes the
value that was selected, no other.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal, TypeAlias

from pilotfarm.emulators.errors import (
    Blocked,
    Busy,
    NoAnswer,
    NoSuchPoint,
    NotWritable,
    OutOfRange,
    PointError,
    Unsupported,
)
from pilotfarm.emulators.plans.iec104 import ControlPoint, ControlType
from pilotfarm.emulators.protocols.iec60870.asdu import Cause, Type

COMMANDS: Final[dict[int, ControlType]] = {
    Type.SINGLE_COMMAND: ControlType.SINGLE,
    Type.SINGLE_COMMAND_TAGGED: ControlType.SINGLE,
    Type.DOUBLE_COMMAND: ControlType.DOUBLE,
    Type.DOUBLE_COMMAND_TAGGED: ControlType.DOUBLE,
    Type.NORMALIZED_SETPOINT: ControlType.NORMALIZED,
    Type.NORMALIZED_SETPOINT_TAGGED: ControlType.NORMALIZED,
    Type.SCALED_SETPOINT: ControlType.SCALED,
    Type.SCALED_SETPOINT_TAGGED: ControlType.SCALED,
    Type.SETPOINT: ControlType.SETPOINT,
    Type.SETPOINT_TAGGED: ControlType.SETPOINT,
}
"""Type sent -> type of the point; the time tag of a command is mirrored."""

REFUSAL: Final[dict[type[PointError], Cause]] = {
    Unsupported: Cause.UNKNOWN_TYPE,
    NoSuchPoint: Cause.UNKNOWN_OBJECT,
    NotWritable: Cause.ACTIVATION_CON,
    OutOfRange: Cause.ACTIVATION_CON,
    Blocked: Cause.ACTIVATION_CON,
    Busy: Cause.ACTIVATION_CON,
    NoAnswer: Cause.ACTIVATION_CON,
}
"""Error -> cause of the negative answer; the standard has no finer word than a negative confirmation."""

assert set(REFUSAL) == set(PointError.__subclasses__()), "an error without an answer"

SELECT: Final = 0x80
_INTEGERS: Final = (ControlType.NORMALIZED, ControlType.SCALED)
_DOUBLE_OFF: Final = 1
_DOUBLE_ON: Final = 2

SelectMode = Literal["both", "required"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A command taken apart: the wire value, whether it only selects, and what it means for the device."""

    raw: float
    select: bool
    values: dict[str, float]


def read_operation(control: ControlPoint, element: bytes) -> Operation:
    """Decode SCO, DCO (7.2.6.15, 16) or a number with QOS; ``OutOfRange`` if it asks for nothing possible."""
    if control.type is ControlType.SETPOINT:
        raw = float(struct.unpack_from("<f", element)[0])
        if not isfinite(raw):
            raise OutOfRange(f"{raw} is no number")
        select = bool(element[4] & SELECT)
    elif control.type in _INTEGERS:
        raw = float(struct.unpack_from("<h", element)[0])
        select = bool(element[2] & SELECT)
    else:
        select = bool(element[0] & SELECT)
        if control.type is ControlType.SINGLE:
            raw = float(element[0] & 1)
        else:
            state = element[0] & 3
            if state not in (_DOUBLE_OFF, _DOUBLE_ON):
                raise OutOfRange(f"a double command cannot ask for state {state}")
            raw = float(state == _DOUBLE_ON)
    values = control.source.back(raw) | dict.fromkeys(control.enables, 1.0)
    return Operation(raw, select, values)


Holder: TypeAlias = tuple[Hashable, int]
"""A connection, and the originator address that came over it."""


@dataclass(frozen=True, slots=True)
class _Selection:
    holder: Holder
    raw: float
    until_s: float


class Selections:
    """The selected points of one station, whoever selected them; at most one a point."""

    __slots__ = ("_held", "_mode", "_timeout_s")

    def __init__(self, mode: SelectMode, timeout_s: float) -> None:
        self._mode = mode
        self._timeout_s = timeout_s
        self._held: dict[tuple[int, int], _Selection] = {}

    def admit(self, point: tuple[int, int], holder: Holder, operation: Operation, now_s: float) -> None:
        """Check that this master may select or operate now; ``Busy`` if not. An operate uses its selection up."""
        held = self._held.get(point)
        if held is not None and held.holder != holder and now_s < held.until_s:
            raise Busy("another master has selected the point")
        if operation.select:
            return
        mine = held if held is not None and held.holder == holder else None
        if mine is not None:
            del self._held[point]
            if now_s >= mine.until_s:
                raise Busy("the selection has run out")
            if mine.raw != operation.raw:
                raise Busy("another value was selected")
        elif self._mode == "required":
            raise Busy("the point must be selected first")

    def select(self, point: tuple[int, int], holder: Holder, operation: Operation, now_s: float) -> None:
        self._held[point] = _Selection(holder, operation.raw, now_s + self._timeout_s)

    def cancel(self, point: tuple[int, int], holder: Holder) -> bool:
        """Give a selection back; false if this master holds none."""
        held = self._held.get(point)
        if held is None or held.holder != holder:
            return False
        del self._held[point]
        return True

    def clear(self) -> None:
        """Drop all that is held."""
        self._held.clear()

    def drop(self, connection: Hashable = None, address: int | None = None) -> None:
        """Drop whatever is held over a connection, or whatever is held at a common address."""
        self._held = {
            point: held for point, held in self._held.items() if held.holder[0] != connection and point[0] != address
        }
