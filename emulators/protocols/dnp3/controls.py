"""Controls: what an object asks of a device, and in which words a refusal is answered.

A relay output block is read as a latch, whatever its pulse times, as IEEE 1815.2 has every output
behave: close and the "on" operations set, trip and the "off" operations clear.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

from py1815.control import AnalogOutput, CommandStatus, ControlRelayOutputBlock, OperationType, TripCloseCode
from py1815.session import Control

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
from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.protocols.dnp3.sections import Section

REFUSALS: Final[dict[type[PointError], CommandStatus]] = {
    Unsupported: CommandStatus.NOT_SUPPORTED,
    NoSuchPoint: CommandStatus.NOT_SUPPORTED,
    NotWritable: CommandStatus.NOT_SUPPORTED,
    OutOfRange: CommandStatus.OUT_OF_RANGE,
    Blocked: CommandStatus.BLOCKED,
    Busy: CommandStatus.PROCESSING_LIMITED,
    NoAnswer: CommandStatus.DOWNSTREAM_FAIL,
}
"""Status codes of control objects: IEEE 1815-2012, 11.8."""
assert set(REFUSALS) == set(PointError.__subclasses__()), "a refusal without a DNP3 status"

_FLOATING: Final = (3, 4)
_ON: Final = (OperationType.LATCH_ON, OperationType.PULSE_ON)
_OFF: Final = (OperationType.LATCH_OFF, OperationType.PULSE_OFF)


def asked(control: Control, binary: Section, analog: Section) -> tuple[Point, float]:
    """What a control asks to be moved, and to which value; ``PointError`` if it asks for nothing that can be."""
    command = control.command
    section = binary if isinstance(command, ControlRelayOutputBlock) else analog
    place = section.position.get(control.index)
    if place is None:
        raise NoSuchPoint(f"no {section.type.value}{control.index}")
    point = section.points[place]
    if isinstance(command, ControlRelayOutputBlock):
        return point, _switched(command, point)
    return point, _set(command, point)


def _switched(command: ControlRelayOutputBlock, point: Point) -> float:
    assert point.type is PointType.BINARY_OUTPUT
    if command.queued or command.clear or command.count != 1:
        raise Unsupported("queues, clearing and repetitions are not served")
    if command.trip_close is TripCloseCode.NUL:
        on = True if command.operation in _ON else False if command.operation in _OFF else None
    else:
        on = {TripCloseCode.CLOSE: True, TripCloseCode.TRIP: False}.get(command.trip_close)
    if on is None or (point.pulse and not on):
        raise Unsupported(f"{point.address} does not know that operation")
    return float(on)


def _set(command: AnalogOutput, point: Point) -> float:
    """Integers carry the wire value, floating point the quantity's own unit (IEEE 1815.2)."""
    if not isfinite(command.value):
        raise OutOfRange(f"{command.value} is not a number to set")
    if command.variation in _FLOATING:
        return float(command.value)
    return point.source.back(float(command.value))[point.quantity]


def status_of(error: PointError) -> CommandStatus:
    return REFUSALS[type(error)]
