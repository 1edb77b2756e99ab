"""One master of an outstation: its conversation, its events, and what it has said of them.

What a master is owed (events, unsolicited reporting, the restart indication) and what it assigned (classes, deadbands)
outlives its connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from py1815.application import FunctionCode, IIN2Bit, ObjectHeader, Request
from py1815.control import CommandStatus
from py1815.events import EventClass
from py1815.objects import BinaryPoint
from py1815.session import Control, UnknownObject

from pilotfarm.emulators.contracts.protocol import Command, Seat, Traffic
from pilotfarm.emulators.errors import NoAnswer, PointError
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.protocols.dnp3 import attributes
from pilotfarm.emulators.protocols.dnp3.assignments import (
    DEADBANDS,
    Reporting,
    assign,
    deadbands_read,
    deadbands_written,
)
from pilotfarm.emulators.protocols.dnp3.buffers import Buffers
from pilotfarm.emulators.protocols.dnp3.controls import asked, status_of
from pilotfarm.emulators.protocols.dnp3.counters import FROZEN, FrozenCounters
from pilotfarm.emulators.protocols.dnp3.database import Database
from pilotfarm.emulators.protocols.dnp3.operations import Operation, Operations
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options
from pilotfarm.emulators.protocols.dnp3.reading import CLASS_OBJECTS
from pilotfarm.emulators.protocols.dnp3.sections import STATE
from pilotfarm.emulators.protocols.dnp3.session import RESPONSE_BYTES, MasterSession

_REFUSALS: Final = (
    (IIN2Bit.FUNC_NOT_SUPPORTED, "function_not_supported"),
    (IIN2Bit.OBJECT_UNKNOWN, "object_unknown"),
    (IIN2Bit.PARAM_ERROR, "parameter_error"),
)
"""Bits of the internal indications that refuse a request or a part of it (IEEE 1815: IIN2.0 to IIN2.2)."""
_SILENT: Final = (FunctionCode.DIRECT_OPERATE_NR,)


class Connection(Protocol):
    """What a master talks through."""

    @property
    def peer(self) -> str: ...
    @property
    def mute(self) -> bool:
        """Whether no master has spoken here yet."""
        ...

    def let_go(self, association: Association) -> None:
        """Greet a master no longer: it is greeted on a newer connection, or has spoken there."""
        ...

    def displace(self) -> None:
        """Close: the master has spoken on a newer connection."""
        ...

    def restart(self) -> None:
        """End with the outstation."""
        ...


class Station(Protocol):
    """What the masters of an outstation share."""

    address: int
    database: Database
    counters: FrozenCounters
    traffic: Traffic
    now_s: float

    @property
    def attributes(self) -> Mapping[int, bytes]: ...
    def clock(self) -> float: ...
    def write_time(self, unix_ms: int) -> None: ...
    def freeze(self, header: ObjectHeader) -> bool: ...
    def set_deadbands(self, association: Association, widths: Mapping[int, float]) -> None: ...
    def report_anew(self) -> None: ...
    def restart(self, by: Association, *, cold: bool) -> int: ...


class Association:
    """One master: its session, its events, and the connection it is on at present, once it has spoken there."""

    __slots__ = (
        "_answering",
        "_awaited",
        "_operations",
        "connection",
        "events",
        "master",
        "outstation",
        "reporting",
        "session",
    )

    def __init__(self, outstation: Station, master: int, options: Dnp3Options, events_kept: int) -> None:
        self.outstation = outstation
        self.master = master
        self.connection: Connection | None = None
        self.events = Buffers(capacity=events_kept)
        self.reporting = Reporting()
        self._answering: list[Command] = []
        self._operations = Operations(self._refuse)
        self._awaited: Sequence[Operation] = ()
        """The controls of the request that is being handled, if some of them are under way."""
        self.session = MasterSession(
            self,
            control_provider=self,
            events=self.events,
            outstation_address=outstation.address,
            master_address=master,
            max_fragment=attributes.FRAGMENT_MAX,
            max_response=attributes.FRAGMENT_MAX,
            select_timeout=options.select_timeout_s,
            clock=outstation.clock,
            freeze_provider=self,
            time_sink=outstation.write_time,
            need_time=options.need_time,
            confirm_timeout=options.confirm_timeout_s,
            restart_handler=self._cold_restart,
            broadcast_controls=options.broadcast_controls,
            unsolicited=options.unsolicited,
            unsolicited_confirm_timeout=options.confirm_timeout_s,
        )
        self.session.owner = self

    def receive(self, data: bytes) -> bytes:
        output = self.session.receive(data)
        for command in self._answering:
            command.acknowledged_s = self.outstation.now_s
        self._answering.clear()
        return output

    def advance(self) -> bytes:
        """Have the device operate where it is time; return the answer that waited for that, if there is one."""
        self._operations.advance(self.outstation.now_s)
        return self.session.finish()

    def deadline_s(self) -> float | None:
        return self._operations.deadline_s()

    def part(self) -> None:
        """The connection is gone."""
        self._operations.leave()
        self.session.connection_reset()
        self.connection = None

    def answered(self, response: bytes) -> None:
        """Count a request, and what the indications of its answer say against it."""
        self.outstation.traffic.requests += 1
        self.told(response)

    def told(self, response: bytes) -> None:
        if len(response) >= RESPONSE_BYTES:
            for bit, kind in _REFUSALS:
                if response[RESPONSE_BYTES - 1] & bit:
                    self.outstation.traffic.refuse(kind)

    def time_was_written(self) -> None:
        self.session.need_time = False
        self.events.synchronized = True

    def forget_events(self) -> None:
        for number in EventClass:
            self.events.drop(self.events.peek(number))
        self.events.clear_overflow()

    # ------------------------------------------------------------------------------------ reads

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        return b"".join(self.read_blocks(headers))

    def read_blocks(self, headers: Sequence[ObjectHeader]) -> list[bytes]:
        """What there is of what headers name; what there is not the session notes."""
        blocks: list[bytes] = []
        for header in headers:
            try:
                found, missing = self._read(header)
            except UnknownObject:
                self.session.note(IIN2Bit.OBJECT_UNKNOWN)
                continue
            blocks += found
            if missing:
                self.session.note(IIN2Bit.PARAM_ERROR)
        return blocks

    def _read(self, header: ObjectHeader) -> tuple[list[bytes], bool]:
        station = self.outstation
        if header.group == CLASS_OBJECTS:
            if header.event_class != 0:
                raise UnknownObject(f"group {CLASS_OBJECTS} variation {header.variation} is no class")
            return station.database.reader.everything(station.database.row()), False
        if header.group == FROZEN:
            return station.counters.read(header)
        if header.group == attributes.GROUP:
            return attributes.read(station.attributes, header)
        if header.group == DEADBANDS:
            section = station.database.sections[PointType.ANALOG_INPUT]
            usual = station.database.deadbands()
            own = self.reporting.deadbands
            widths = [own.get(index, width) for index, width in zip(section.indices, usual, strict=True)]
            return deadbands_read(section, widths, header)
        return station.database.reader.read(station.database.row(), header)

    # -------------------------------------------------------------------------------- controls

    def select(self, controls: Sequence[Control]) -> list[CommandStatus]:
        return [_so_far(self._tried(Operation(control), self._check)) for control in controls]

    def operate(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Have the device operate: at once, or when a control has gone down to it, which is a success until then."""
        operations = [self._tried(Operation(control), self._send) for control in controls]
        told = [each for each in operations if each.control.function not in _SILENT]
        self._awaited = told if any(each.status is None for each in told) else ()
        self._answering += [each.command for each in told if each.command is not None]
        return [_so_far(each) for each in operations]

    def take_awaited(self) -> Sequence[Operation]:
        awaited, self._awaited = self._awaited, ()
        return awaited

    def _tried(self, operation: Operation, act: Callable[[Operation], None]) -> Operation:
        try:
            act(operation)
        except PointError as error:
            self._refuse(operation, error)
        return operation

    def _refuse(self, operation: Operation, error: PointError) -> None:
        operation.status = status = status_of(error)
        self.outstation.traffic.refuse(f"control_{status.name.lower()}")

    def _check(self, operation: Operation) -> None:
        seat, values = self._asked(operation)
        seat.device.check(values)
        operation.status = CommandStatus.SUCCESS

    def _send(self, operation: Operation) -> None:
        seat, values = self._asked(operation)
        now_s, peer = self.outstation.now_s, self.connection.peer if self.connection else ""
        if seat.downlink is None:
            operation.command = seat.device.submit(values, "dnp3", peer, now_s)
            operation.status = CommandStatus.SUCCESS
        else:
            self._operations.send(operation, values, peer, seat.downlink, now_s)

    def _asked(self, operation: Operation) -> tuple[Seat, Mapping[str, float]]:
        """Return whom a control asks, and for what."""
        database, control = self.outstation.database, operation.control
        point, value = asked(
            control, database.sections[PointType.BINARY_OUTPUT], database.sections[PointType.ANALOG_OUTPUT]
        )
        seat = database.owner(point.type, point.index)
        if not seat.reachable:
            raise NoAnswer(f"{seat.device.id} does not answer its station")
        return seat, {point.quantity: value}

    def freeze(self, headers: Sequence[ObjectHeader], *, clear: bool) -> None:
        """Freeze what there is of what headers name; what there is not the session notes."""
        for header in headers:
            try:
                if self.outstation.freeze(header):
                    self.session.note(IIN2Bit.PARAM_ERROR)
            except UnknownObject:
                self.session.note(IIN2Bit.OBJECT_UNKNOWN)

    # ------------------------------------------------------------------------ what a session asks

    def scale_of(self, index: int) -> float:
        section = self.outstation.database.sections[PointType.ANALOG_INPUT]
        return float(section.scales[section.position[index]])

    def is_floating(self, index: int) -> bool:
        section = self.outstation.database.sections[PointType.ANALOG_INPUT]
        return section.points[section.position[index]].is_floating

    def assign(self, headers: Sequence[ObjectHeader]) -> int:
        station = self.outstation
        sections = station.database.sections
        second = assign(self.reporting, sections, headers)
        told = zip(sections[PointType.BINARY_INPUT].indices, station.database.told_states(), strict=True)
        for index, octet in told:
            # A change of a while in which this master did not want to know is none it has to be told of later.
            self.events.prime_binary(index, BinaryPoint(bool(octet & STATE), octet & ~STATE))
        station.report_anew()
        return second

    def write_deadbands(self, request: Request) -> None:
        section = self.outstation.database.sections[PointType.ANALOG_INPUT]
        self.outstation.set_deadbands(self, deadbands_written(section, request))

    def warm_restart(self) -> int:
        return self.outstation.restart(self, cold=False)

    def _cold_restart(self) -> int:
        return self.outstation.restart(self, cold=True)


def _so_far(operation: Operation) -> CommandStatus:
    """What has come of a control, and success while it is under way."""
    return CommandStatus.SUCCESS if operation.status is None else operation.status
