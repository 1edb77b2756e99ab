"""What is added to py1815's ``Session``, which is its conversation but for these.

- A read of several objects returns those there are; bits of IIN2 say that others are not (``Session`` returns none).
- Warm restart (function 14), class assignment (22), deadbands (a write of group 34), analog events as floating point.
- The answer to controls that go down to a device (``finish``).
- Broadcasts that enable or disable unsolicited responses or assign classes.

These are not points that ``Session`` lets one extend: methods of it are overridden, so its version is pinned.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from py1815.application import (
    IIN,
    AppControl,
    FunctionCode,
    IIN2Bit,
    ObjectHeader,
    QualifierCode,
    Request,
    RequestError,
    build_response,
    null_response,
    parse_request,
)
from py1815.control import CommandStatus
from py1815.events import AnalogEvent, Event
from py1815.link import LinkFrame
from py1815.objects import GROUP_ANALOG_INPUT_EVENT, encode_time
from py1815.session import ParameterError, Session, UnknownObject, _Block, _echo

from pilotfarm.emulators.errors import OutOfRange
from pilotfarm.emulators.protocols.dnp3.assignments import DEADBANDS
from pilotfarm.emulators.protocols.dnp3.operations import Operation

_FLOATING: Final = {5: ("<f", False), 6: ("<d", False), 7: ("<f", True), 8: ("<d", True)}
"""Variations of group 32: the value's type, and whether a time follows."""
_FLOAT_WITH_TIME: Final = 7
_COUNTED: Final = (QualifierCode.ALL_OBJECTS, QualifierCode.UINT8_COUNT, QualifierCode.UINT16_COUNT)
_WHOLE: Final = 0xC0
"""The bits of a transport header of a fragment in one segment: the first and the last."""
RESPONSE_BYTES: Final = 4
_TIME_DELAY_FINE: Final = bytes([52, 2, QualifierCode.UINT8_COUNT, 1])


class Owner(Protocol):
    """What a session asks of the association that it is the conversation of."""

    def answered(self, response: bytes) -> None:
        """A request has been answered, or has no answer, or has none yet."""
        ...

    def told(self, response: bytes) -> None:
        """A request that had no answer yet has been answered."""
        ...

    def take_awaited(self) -> Sequence[Operation]:
        """Return the controls of the request at hand, if some of them are on their way to the device."""
        ...

    def scale_of(self, index: int) -> float:
        """How much of its quantity's own unit a step of an analog input is."""
        ...

    def is_floating(self, index: int) -> bool:
        """Whether an analog input is told as floating point where nothing else is asked for."""
        ...

    def assign(self, headers: Sequence[ObjectHeader]) -> int:
        """Assign classes; return the bits of IIN2 that say what could not be done."""
        ...

    def write_deadbands(self, request: Request) -> None:
        """Set deadbands, all or none; ``UnknownObject``, ``ParameterError`` or ``RequestError`` if that cannot be."""
        ...

    def warm_restart(self) -> int:
        """Restart; return how long it takes. [ms]"""
        ...


class _Unanswered(NamedTuple):
    """A request whose answer waits for the device."""

    request: Request
    function: FunctionCode
    operations: Sequence[Operation]


class MasterSession(Session):
    """The conversation with one master. ``owner`` is set before the first frame."""

    owner: Owner
    _second = 0
    """Bits of IIN2 that the answer to the request at hand has."""
    _unanswered: _Unanswered | None = None

    def note(self, bit: int) -> None:
        """Have the answer to the request at hand say that part of it could not be done."""
        self._second |= bit

    def _indications(self, extra: IIN | None = None, reporting: Sequence[Event] = ()) -> IIN:
        indications = super()._indications(extra, reporting)
        return indications | IIN(second=self._second) if self._second else indications

    def _dispatch_fragment(self, fragment: bytes) -> bytes:
        self._second = 0
        try:
            response = self._dispatched(fragment)
        finally:
            self._second = 0
        if len(fragment) > 1 and fragment[1] != FunctionCode.CONFIRM:
            self.owner.answered(response)
        return response

    def _dispatched(self, fragment: bytes) -> bytes:
        response = super()._dispatch_fragment(fragment)
        if len(response) == RESPONSE_BYTES and response[3] & IIN2Bit.FUNC_NOT_SUPPORTED:
            if fragment[1] == FunctionCode.ASSIGN_CLASS:
                return self._assign_class(parse_request(fragment))
            if fragment[1] == FunctionCode.WARM_RESTART:
                return self._warm_restart(parse_request(fragment))
        return response

    def _null(self, request: Request) -> bytes:
        return null_response(sequence=request.control.sequence, iin=self._indications())

    # --------------------------------------------------------------------------------- controls

    def _handle_control(self, request: Request, known: FunctionCode) -> bytes:
        """Leave a request unanswered some of whose controls are on their way."""
        response = super()._handle_control(request, known)
        operations = self.owner.take_awaited()
        if not operations:
            return response
        self._unanswered = _Unanswered(request, known, operations)
        return b""

    def finish(self) -> bytes:
        """The answer that waited for the device, in frames; nothing for a master that has asked for something else."""
        held = self._unanswered
        if held is None or any(each.status is None for each in held.operations):
            return b""
        self._unanswered = None
        if self._acted is None or self._acted[1]:
            return b""
        fragment, _ = self._acted
        statuses = [each.status for each in held.operations if each.status is not None]
        controls = self._decode_controls(held.request, held.function)
        told = self._provider_statuses(lambda sound: statuses, controls)
        refused = IIN(second=IIN2Bit.PARAM_ERROR) if CommandStatus.NOT_SUPPORTED in told else None
        response = build_response(
            control=AppControl(fir=True, fin=True, sequence=held.request.control.sequence),
            iin=self._indications(refused),
            body=_echo(controls, told),
        )
        self._acted = fragment, response
        self.owner.told(response)
        return self._send(response if self._broadcast is None else self._report_broadcast(response, fragment))

    # ------------------------------------------------------------------------------------ reads

    def _handle_read(self, request: Request, fragment: bytes) -> bytes:
        """Answer what can be: ``Session`` refuses all for a class with a range, the provider for what it has not."""
        events, _ = self._split_read(request.headers)
        unusable = [header for header in events if header.qualifier not in _COUNTED]
        if unusable:
            self.note(IIN2Bit.PARAM_ERROR)
            request = replace(request, headers=tuple(each for each in request.headers if each not in unusable))
            if not request.headers:
                return self._null(request)
        return super()._handle_read(request, fragment)

    def _reads_events(self, header: ObjectHeader) -> bool:
        return super()._reads_events(header) or _floating(header)

    def _event_blocks(self, chosen: Sequence[tuple[Event, int]], headers: Sequence[ObjectHeader]) -> list[_Block]:
        blocks = []
        for variation, events in groupby(chosen, key=lambda each: self._float_of(each[0], headers[each[1]])):
            if variation:
                blocks += [self._floating_block(event, at, variation) for event, at in events]
            else:
                blocks += super()._event_blocks(list(events), headers)
        return _joined(blocks)

    def _float_of(self, event: Event, header: ObjectHeader) -> int:
        """The variation of group 32 in which an event is told as floating point; 0 if it is told as an integer."""
        if _floating(header):
            return header.variation
        asked = 0 if header.event_class is not None else header.variation
        by_point = not asked and isinstance(event, AnalogEvent) and self.owner.is_floating(event.index)
        return _FLOAT_WITH_TIME if by_point else 0

    def _floating_block(self, event: Event, header: int, variation: int) -> _Block:
        assert isinstance(event, AnalogEvent)
        layout, timed = _FLOATING[variation]
        octets = bytes([event.point.flags]) + struct.pack(layout, event.point.value * self.owner.scale_of(event.index))
        octets += encode_time(event.timestamp_ms) if timed else b""
        return _Block(GROUP_ANALOG_INPUT_EVENT, variation, [(event, header, octets)])

    # -------------------------------------------------------------------- functions and writes

    def _assign_class(self, request: Request) -> bytes:
        self.note(self.owner.assign(request.headers) if request.headers else IIN2Bit.PARAM_ERROR)
        return self._null(request)

    def _warm_restart(self, request: Request) -> bytes:
        if request.body:
            self.note(IIN2Bit.PARAM_ERROR)
            return self._null(request)
        indications = self._indications()
        delay_ms = self.owner.warm_restart()
        self.restart()
        return build_response(
            control=AppControl(fir=True, fin=True, con=False, sequence=request.control.sequence),
            iin=indications,
            body=_TIME_DELAY_FINE + struct.pack("<H", delay_ms),
        )

    def _handle_write(self, request: Request) -> bytes:
        try:
            if not request.headers or request.headers[0].group != DEADBANDS:
                return super()._handle_write(request)
            self.owner.write_deadbands(request)
        except UnknownObject:
            self.note(IIN2Bit.OBJECT_UNKNOWN)
        except (ParameterError, OutOfRange):
            self.note(IIN2Bit.PARAM_ERROR)
        except RequestError as error:
            self.note(error.bit)
        return self._null(request)

    # ------------------------------------------------------------------------------- broadcasts

    def _receive_broadcast(self, frame: LinkFrame) -> None:
        """Also act on those that ``Session`` only notes, where a frame holds all of one."""
        super()._receive_broadcast(frame)
        fragment = frame.payload[1:]
        if frame.payload[0] & _WHOLE == _WHOLE and len(fragment) > 1:
            with suppress(RequestError):
                self._act_on_broadcast(fragment)
        self._second = 0

    def _act_on_broadcast(self, fragment: bytes) -> None:
        function = fragment[1]
        if function == FunctionCode.ASSIGN_CLASS:
            self.owner.assign(parse_request(fragment).headers)
        elif function in (FunctionCode.ENABLE_UNSOLICITED, FunctionCode.DISABLE_UNSOLICITED) and self._unsolicited:
            self._set_unsolicited(parse_request(fragment), enable=function == FunctionCode.ENABLE_UNSOLICITED)


def _floating(header: ObjectHeader) -> bool:
    return header.group == GROUP_ANALOG_INPUT_EVENT and header.variation in _FLOATING


def _joined(blocks: Sequence[_Block]) -> list[_Block]:
    """Neighbours under one header, where they can be."""
    joined: list[_Block] = []
    for block in blocks:
        last = joined[-1] if joined else None
        alike = last is not None and (last.group, last.variation) == (block.group, block.variation)
        if last is not None and alike and block.variation in _FLOATING and block.group == GROUP_ANALOG_INPUT_EVENT:
            last.members += block.members
        else:
            joined.append(block)
    return joined
