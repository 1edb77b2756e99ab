"""A DNP3 outstation: its points, and a bounded number of master associations.

The conversation itself is py1815's ``Session``, one a master, with what ``session`` adds; here are the points behind
it, which master a connection belongs to, and when there is something to say unasked. What a master is owed (events,
unsolicited reporting, the restart indication), and what it assigned (classes, deadbands), outlives its connection.

Time. Events and freezes carry what the device's clock shows, which is site time unless that clock is wrong. A master's
time writes are accepted and kept in ``written_time_ms``; they move nothing, or with ``clock_command: set`` that clock.
Protocol timers run on the wall time given to the links, ``need_time_interval_s`` on site time.

Freezes. Immediate freezes are kept for g21 and logged as g23 events (class 3). Freeze-and-clear
freezes and clears nothing: registers here never fall, and IEEE 1815.2 has masters subtract two
frozen values.

Restarts. They are of the outstation, so every master is told (IIN1.7), asked for the time again, and finds classes and
deadbands as the point list has them. A cold restart also loses the events, ends every connection and takes a while.
The device behind goes on.

IIN1.5 (local) and IIN1.6 (trouble) are never raised; the ``general_alarm`` point says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from py1815.application import ObjectHeader
from py1815.events import EventClass
from py1815.link import MAX_ADDRESS
from py1815.objects import AnalogPoint, BinaryPoint

from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.protocols.dnp3 import attributes, unasked
from pilotfarm.emulators.protocols.dnp3.assignments import Reporting
from pilotfarm.emulators.protocols.dnp3.association import Association, Connection
from pilotfarm.emulators.protocols.dnp3.counters import FrozenCounters
from pilotfarm.emulators.protocols.dnp3.database import Database
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options


class Outstation:
    """What the masters of one link address share."""

    __slots__ = (
        "_associations",
        "_attributes",
        "_changed",
        "_events_kept",
        "_follows",
        "_listening",
        "_stepped_s",
        "_time_due_s",
        "address",
        "connections",
        "counters",
        "database",
        "now_s",
        "options",
        "restarting_until_s",
        "traffic",
        "written_time_ms",
    )

    def __init__(self, address: int, database: Database, options: Dnp3Options) -> None:
        self.address = address
        self.database = database
        self.options = options
        self.counters = FrozenCounters(database.sections[PointType.COUNTER])
        self.traffic = Traffic()
        self.connections: set[Connection] = set()
        self._associations: dict[int, Association] = {}
        self._attributes: dict[int, bytes] = {}
        self._events_kept = options.event_buffer
        self._stepped_s = 0.0
        """The step up to which filters have told what has not happened. [s since 1970 UTC]"""
        self._follows = False
        """Whether it is told of steps."""
        self._listening = False
        self._changed = False
        """Whether a master has changed what the table tells."""
        self.now_s = 0.0
        self.restarting_until_s = 0.0
        self.written_time_ms: int | None = None
        self._time_due_s = 0.0
        """Site time from which masters are asked for the time."""
        self._ask_for_time_later(at_once=options.need_time)
        # Masters that the site names are owed what happens from the start.
        for master in options.named_masters:
            self.association(master)

    def tick(self, now_s: float) -> None:
        self.now_s = max(self.now_s, now_s)
        if self.wants_time:
            for association in self._associations.values():
                association.session.need_time = True

    def clock(self) -> float:
        return self.now_s

    @property
    def restarting(self) -> bool:
        return self.now_s < self.restarting_until_s

    @property
    def wants_time(self) -> bool:
        """Whether masters are asked for the time."""
        return self.database.unix_s >= self._time_due_s

    @property
    def attributes(self) -> Mapping[int, bytes]:
        """Made when a master asks for them: there may be ten thousand outstations, and few are asked."""
        if not self._attributes:
            database = self.database
            serial = database.seats[0].device.serial if database.name else ""
            self._attributes = attributes.attributes(database.plan, database.name, serial)
        return self._attributes

    # ---------------------------------------------------------------------------- associations

    def serves(self, master: int) -> bool:
        """Whether a master of that address may have an association, if one is left."""
        masters = self.options.masters
        if master == self.address or not 0 <= master <= MAX_ADDRESS:
            return False
        return not isinstance(masters, tuple) or master in masters

    def association(self, master: int) -> Association | None:
        """The association of a master's address; ``None`` if it may not have one, or none is left."""
        found = self._associations.pop(master, None)
        if found is None:
            if not self.serves(master) or not self._room():
                return None
            if not self._listening:
                self._listening = True
                self.database.listen(self)
                self._stepped_s = self.database.unix_s
            found = Association(self, master, self.options, self._events_kept)
            self._join(found)
            self._associations[master] = found
            if self._changed:
                self.report_anew()
        self._associations[master] = found  # at the end: the one used last
        return found

    def named(self) -> list[Association]:
        """The associations of the masters that the site names, who may be greeted before they speak."""
        return list(self._associations.values()) if self.options.named_masters else []

    def _room(self) -> bool:
        """Whether there is place for one association more; the longest silent one makes room."""
        masters = self.options.masters
        if isinstance(masters, tuple) or len(self._associations) < masters:
            return True
        silent = next((address for address, each in self._associations.items() if each.connection is None), None)
        if silent is None:
            return False
        del self._associations[silent]
        return True

    def _join(self, newcomer: Association) -> None:
        """Have a new association share what the others brought about."""
        if self.written_time_ms is not None:
            newcomer.time_was_written()
        newcomer.session.need_time = self.wants_time
        altered = {index for each in self._associations.values() for index in each.reporting.deadbands}
        for index in altered:
            self._keep(newcomer, index)

    # ------------------------------------------------------------------- what the table tells

    def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None:
        reading = AnalogPoint(value, flags)
        for association in self._associations.values():
            number = association.reporting.class_of(point)
            if number:
                # The table has measured the deadband, and -1 lets every event through, unless masters differ on it.
                association.events.record_analog(
                    point.index,
                    reading,
                    event_class=EventClass(number),
                    deadband=association.reporting.deadbands.get(point.index, -1.0),
                    timestamp_ms=unix_ms,
                )

    def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None:
        reading = BinaryPoint(state, flags)
        for association in self._associations.values():
            number = association.reporting.class_of(point)
            if number:
                association.events.record_binary(
                    point.index, reading, event_class=EventClass(number), timestamp_ms=unix_ms
                )

    # ------------------------------------------------------------------------ what filters bring about

    def filters_changed(self) -> None:
        """Keep as many events as the seat's filters leave room for, and be told of steps if one wants to know."""
        filters = self.database.filters
        self._events_kept = unasked.capacity(filters, self.options.event_buffer)
        for association in self._associations.values():
            association.events.resize(self._events_kept)
        follows = bool(unasked.restless(filters))
        if follows and not self._follows:
            self._stepped_s = self.database.unix_s
        self._follows = follows
        self.database.follow(self, follows=follows)

    def stepped(self) -> None:
        """Have filters tell what has not happened in the step."""
        database = self.database
        since_s, self._stepped_s = self._stepped_s, database.unix_s
        for each in unasked.restless(database.filters) if database.reachable else ():
            for told, at_s in each.unasked(unasked.shown(database, each.types), since_s, database.unix_s):
                unix_ms = int(1000.0 * max(at_s + database.clock_s, 0.0))
                for association in self._associations.values():
                    unasked.record(association.events, association.reporting, database, told, unix_ms)

    # ------------------------------------------------------------ what masters say of their events

    def set_deadbands(self, association: Association, widths: Mapping[int, float]) -> None:
        """Have a master's deadbands hold for its events; those of others stay as they are."""
        for index in widths:
            for each in self._associations.values():
                self._keep(each, index)
        association.reporting.deadbands.update(widths)
        self.report_anew()

    def _keep(self, association: Association, index: int) -> None:
        """Have a point's deadband measured for each master by itself, from what it was told last."""
        if index not in association.reporting.deadbands:
            place = self.database.sections[PointType.ANALOG_INPUT].position[index]
            association.reporting.deadbands[index] = self.database.deadbands()[place]
            association.events.prime_analog(index, AnalogPoint(*self.database.told()[place]))

    def report_anew(self) -> None:
        """Have the table tell what any master wants to know: points of a class of its own, and every change of those
        whose deadband a master has changed, which is then measured for each master by itself; first of all what stands,
        as that may be further away than a deadband is now.
        """
        self._changed = True
        inputs = self.database.sections[PointType.ANALOG_INPUT].points
        wanted = [each.reporting for each in self._associations.values()]
        usual = self.database.deadbands()
        changed = {index for reporting in wanted for index in reporting.deadbands}
        deadbands = [-1.0 if point.index in changed else width for point, width in zip(inputs, usual, strict=True)]
        reported = [any(reporting.class_of(point) for reporting in wanted) for point in inputs]
        self.database.alter(deadbands, reported)

    # ------------------------------------------------------------------- time, freezes, restarts

    def write_time(self, unix_ms: int) -> None:
        """Take a master's time; ``OutOfRange`` where it is to set a clock that cannot show it."""
        if self.options.clock_command == "set":
            for clock in {seat.clock for seat in self.database.seats}:
                clock.set(unix_ms / 1000.0, self.database.unix_s)
        self.written_time_ms = unix_ms
        self._ask_for_time_later()
        for association in self._associations.values():
            association.time_was_written()

    def _ask_for_time_later(self, *, at_once: bool = False) -> None:
        interval_s = self.options.need_time_interval_s
        self._time_due_s = -inf if at_once else self.database.unix_s + interval_s if interval_s else inf

    def freeze(self, header: ObjectHeader) -> bool:
        """Freeze the counters a header names, each an event of every master; return whether some are missing."""
        unix_ms = self.database.unix_ms()
        frozen, missing = self.counters.freeze(header, self.database.row(), unix_ms)
        for point, reading in frozen:
            for association in self._associations.values():
                number = association.reporting.class_of(point)
                if number:
                    association.events.record_frozen_counter(
                        point.index, reading, event_class=EventClass(number), timestamp_ms=unix_ms
                    )
        return missing

    def restart(self, by: Association, *, cold: bool) -> int:
        """Restart as a master asked for; its session is to answer first. Return how long it takes. [ms]"""
        self.begin_anew(by, cold=cold)
        if not cold:
            return 0
        self.restarting_until_s = self.now_s + self.options.restart_s
        return round(self.options.restart_s * 1000.0)

    def begin_anew(self, by: Association | None = None, *, cold: bool = True) -> None:
        """Stand as at the start, but for the session of a master that is to be answered.

        From a cold start there are no events and nothing is frozen, and connections end.
        """
        self.written_time_ms = None
        self._ask_for_time_later(at_once=self.options.need_time)
        for association in self._associations.values():
            association.reporting = Reporting()
            if cold:
                association.forget_events()
            if association is not by:
                association.session.restart()
        if self._listening:
            self.report_anew()
        if cold:
            self.counters = FrozenCounters(self.database.sections[PointType.COUNTER])
            self._attributes = {}
            for connection in self.connections:
                connection.restart()
