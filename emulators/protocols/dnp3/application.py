"""A DNP3 outstation: one device, and a bounded number of master associations.

The conversation itself is py1815's ``Session``, one a master; here are the device behind it, which
master a connection belongs to, and when there is something to say unasked. What a master is owed
(events, unsolicited reporting, the restart indication) outlives its connection.

Time. Events and freezes carry site time. A master's time writes are accepted, kept in
``written_time_ms`` and applied to nothing: a site has one clock, and masters do not move it.
Protocol timers run on the wall time given to the links.

Freezes. Immediate freezes are kept for g21 and logged as g23 events (class 3). Freeze-and-clear
freezes and clears nothing: registers here never fall, and IEEE 1815.2 has masters subtract two
frozen values.

What ``Session`` leaves no way to set: IIN1.5 (local) and IIN1.6 (trouble) are never raised; the
``general_alarm`` point says it. Cold restart is refused as not supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from py1815.application import FunctionCode, ObjectHeader, object_header
from py1815.control import CommandStatus
from py1815.events import EventBuffers, EventClass
from py1815.link import MAX_ADDRESS
from py1815.objects import AnalogPoint, BinaryPoint, CounterPoint, encode_time
from py1815.session import Control, Session, UnknownObject

from pilotfarm.emulators.contracts.protocol import Command, Seat
from pilotfarm.emulators.errors import PointError
from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.protocols.dnp3.controls import asked, status_of
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options
from pilotfarm.emulators.protocols.dnp3.reading import CLASS_OBJECTS, selected
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table

_SILENT: Final = (FunctionCode.DIRECT_OPERATE_NR,)
_FROZEN: Final = 21
_FROZEN_VARIATIONS: Final = (0, 1, 5, 9)
_FROZEN_CLASS: Final = EventClass.CLASS_3


class Connection(Protocol):
    """What a master talks through."""

    @property
    def peer(self) -> str: ...
    def displace(self) -> None:
        """Make room for the master's newer connection."""
        ...


class Outstation:
    """What the masters of one link address share."""

    __slots__ = ("_associations", "_frozen", "_listening", "_options", "now_s", "seat", "table", "written_time_ms")

    def __init__(self, seats: Sequence[Seat], options: Dnp3Options) -> None:
        assert len(seats) == 1, "an outstation is one device"
        self.seat = seats[0]
        table = self.seat.table
        assert isinstance(table, Dnp3Table)
        self.table = table
        self._options = options
        self._associations: dict[int, Association] = {}
        self._frozen: dict[int, tuple[bytes, int]] = {}
        self._listening = False
        self.now_s = 0.0
        self.written_time_ms: int | None = None
        # Masters that the site names are owed what happens from the start.
        for master in options.masters if isinstance(options.masters, tuple) else ():
            self.association(master)

    def tick(self, now_s: float) -> None:
        self.now_s = max(self.now_s, now_s)

    def clock(self) -> float:
        return self.now_s

    def association(self, master: int) -> Association | None:
        """The association of a master's address; ``None`` if it may not have one, or none is left."""
        found = self._associations.pop(master, None)
        if found is None:
            if not self._welcome(master):
                return None
            if not self._listening:
                self._listening = True
                self.table.listen(self.seat.row, self)
            found = Association(self, master, self._options)
        self._associations[master] = found  # at the end: the one used last
        return found

    def _welcome(self, master: int) -> bool:
        """Whether a new master may speak; with a number of masters, the longest silent one makes room."""
        masters = self._options.masters
        if master == self.seat.address or not 0 <= master <= MAX_ADDRESS:
            return False
        if isinstance(masters, tuple):
            return master in masters
        if len(self._associations) < masters:
            return True
        silent = next((address for address, each in self._associations.items() if each.connection is None), None)
        if silent is None:
            return False
        del self._associations[silent]
        return True

    # ------------------------------------------------------------------- what the table tells

    def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None:
        reading = AnalogPoint(value, flags)
        for association in self._associations.values():
            # The table has measured the deadband; -1 lets every event through.
            association.events.record_analog(
                point.index,
                reading,
                event_class=EventClass(point.event_class),
                deadband=-1.0,
                timestamp_ms=unix_ms,
            )

    def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None:
        reading = BinaryPoint(state, flags)
        for association in self._associations.values():
            association.events.record_binary(
                point.index, reading, event_class=EventClass(point.event_class), timestamp_ms=unix_ms
            )

    # ------------------------------------------------------------------------------- counters

    def freeze(self, header: ObjectHeader) -> None:
        """Freeze the counters a header names, and log each in every master's events."""
        section = self.table.sections[PointType.COUNTER]
        if header.group != 20 or header.variation != 0 or not section.indices:
            raise UnknownObject(f"group {header.group} variation {header.variation} cannot be frozen")
        unix_ms = self.table.unix_ms(self.seat.row)
        row = self.table.row(self.seat.row)
        for first, last in selected(section, header):
            for place in range(first, last):
                counter = bytes(section.cut(row, place, place + 1))
                self._frozen[place] = (counter, unix_ms)
                reading = CounterPoint(int.from_bytes(counter[1:], "little"), counter[0])
                for association in self._associations.values():
                    association.events.record_frozen_counter(
                        section.indices[place], reading, event_class=_FROZEN_CLASS, timestamp_ms=unix_ms
                    )

    def frozen(self, header: ObjectHeader) -> list[bytes]:
        """Group 21: the counters a header names that have been frozen, each under its own header."""
        section = self.table.sections[PointType.COUNTER]
        if header.variation not in _FROZEN_VARIATIONS or not section.indices:
            raise UnknownObject(f"group {_FROZEN} variation {header.variation} is not served")
        variation = header.variation or 1
        blocks = []
        for first, last in selected(section, header):
            for place in range(first, last):
                if place in self._frozen:
                    counter, unix_ms = self._frozen[place]
                    index = section.indices[place]
                    body = {1: counter, 5: counter + encode_time(unix_ms), 9: counter[1:]}[variation]
                    blocks.append(object_header(_FROZEN, variation, start=index, stop=index) + body)
        return blocks

    def write_time(self, unix_ms: int) -> None:
        self.written_time_ms = unix_ms


class Association:
    """One master: its session, its events, and the connection it is on at present."""

    __slots__ = ("_answering", "connection", "events", "outstation", "session")

    def __init__(self, outstation: Outstation, master: int, options: Dnp3Options) -> None:
        self.outstation = outstation
        self.connection: Connection | None = None
        self.events = EventBuffers(capacity=options.event_buffer)
        self._answering: list[Command] = []
        self.session = Session(
            self,
            control_provider=self,
            events=self.events,
            outstation_address=outstation.seat.address,
            master_address=master,
            select_timeout=options.select_timeout_s,
            clock=outstation.clock,
            freeze_provider=self,
            time_sink=outstation.write_time,
            need_time=options.need_time,
            confirm_timeout=options.confirm_timeout_s,
            unsolicited=options.unsolicited,
            unsolicited_confirm_timeout=options.confirm_timeout_s,
        )

    def receive(self, data: bytes) -> bytes:
        output = self.session.receive(data)
        for command in self._answering:
            command.acknowledged_s = self.outstation.now_s
        self._answering.clear()
        return output

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        return b"".join(self.read_blocks(headers))

    def read_blocks(self, headers: Sequence[ObjectHeader]) -> list[bytes]:
        station = self.outstation
        row = station.table.row(station.seat.row)
        blocks: list[bytes] = []
        for header in headers:
            if header.group == CLASS_OBJECTS:
                if header.event_class != 0:
                    raise UnknownObject(f"group {CLASS_OBJECTS} variation {header.variation} is no class")
                blocks += station.table.reader.everything(row)
            elif header.group == _FROZEN:
                blocks += station.frozen(header)
            else:
                blocks += station.table.reader.read(row, header)
        return blocks

    def select(self, controls: Sequence[Control]) -> list[CommandStatus]:
        return [self._status(control, operate=False) for control in controls]

    def operate(self, controls: Sequence[Control]) -> list[CommandStatus]:
        return [self._status(control, operate=True) for control in controls]

    def _status(self, control: Control, *, operate: bool) -> CommandStatus:
        station = self.outstation
        device, sections = station.seat.device, station.table.sections
        try:
            values = asked(control, sections[PointType.BINARY_OUTPUT], sections[PointType.ANALOG_OUTPUT])
            if not operate:
                device.check(values)
                return CommandStatus.SUCCESS
            command = device.submit(values, "dnp3", self.connection.peer if self.connection else "", station.now_s)
        except PointError as error:
            return status_of(error)
        if control.function not in _SILENT:
            self._answering.append(command)
        return CommandStatus.SUCCESS

    def freeze(self, headers: Sequence[ObjectHeader], *, clear: bool) -> None:
        for header in headers:
            self.outstation.freeze(header)
