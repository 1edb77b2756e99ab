"""Commands of one master: selected, judged by their time tags, handed to the device, and ended."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.errors import Busy, NoAnswer, OutOfRange, PointError
from pilotfarm.emulators.plans.iec104 import ControlPoint
from pilotfarm.emulators.protocols.iec60870.asdu import TAGGED_COMMANDS, Asdu, Cause
from pilotfarm.emulators.protocols.iec60870.commands import COMMANDS, REFUSAL, Operation, read_operation
from pilotfarm.emulators.protocols.iec60870.outbox import Outbox
from pilotfarm.emulators.protocols.iec60870.replies import Replies
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation
from pilotfarm.emulators.protocols.iec60870.times import TIME_OCTETS

UNFINISHED_MAX: Final = 1024
"""Commands of one master that may wait for a step, and to have it told that they are terminated; further ones are
refused."""

UNDER_WAY_MAX: Final = 64
"""Commands of one master that may be on their way to devices."""


@dataclass(frozen=True, slots=True)
class _Operate:
    """A command that a master gives."""

    asked: Asdu
    seat: Seat
    address: int
    control: ControlPoint
    operation: Operation


class Control:
    """C_SC, C_DC, C_SE (7.4.6, 7.4.9): select, operate, or give a selection back.

    A command is confirmed once the device's queue has taken it. It is terminated at once after that, or with
    ``termination: after_step`` when a step has taken it, behind the return information that came of it.
    """

    __slots__ = ("_outbox", "_peer", "_replies", "_station", "_under_way", "_unfinished")

    def __init__(self, station: ControlledStation, peer: str, outbox: Outbox, replies: Replies) -> None:
        self._station = station
        self._peer = peer
        self._outbox = outbox
        self._replies = replies
        self._unfinished: list[tuple[Asdu, Seat, float]] = []
        """Commands that wait for a step, and the time of their table when they came."""
        self._under_way: list[tuple[_Operate, Carried]] = []
        """Commands on their way to devices."""

    def take(self, asked: Asdu, address: int, now_s: float) -> None:
        """Answer one command."""
        station, octets = self._station, self._station.form.object_octets
        ioa = int.from_bytes(asked.body[:octets], "little")
        found = station.sectors[address].control(ioa)
        if found is None or found[1].type is not COMMANDS[asked.type]:
            self._replies.mirror(asked, Cause.UNKNOWN_OBJECT)
            return
        seat, control = found
        point = address, ioa
        if asked.cause == Cause.DEACTIVATION:
            given_back = station.selections.cancel(point, self._holder(asked))
            self._replies.confirm(asked, (address,), negative=not given_back)
            return
        try:
            operation = read_operation(control, asked.body[octets:])
            self._in_time(asked, seat)
            if not seat.reachable:
                raise NoAnswer("the device does not answer its station")
            station.selections.admit(point, self._holder(asked), operation, now_s)
            if operation.select or asked.test:
                self._rehearse(asked, seat, point, operation, now_s)
            else:
                self._send(_Operate(asked, seat, address, control, operation), now_s)
        except PointError as error:
            self._refuse(asked, error)

    def advance(self, now_s: float) -> None:
        """Answer commands as the devices have, or have not."""
        under_way, self._under_way = self._under_way, []
        for each, carried in under_way:
            try:
                if carried.due_s <= now_s and self._has_room() and carried.done(now_s):
                    self._confirm(each)
                else:
                    self._under_way.append((each, carried))
            except PointError as error:
                self._refuse(each.asked, error)

    def deadline_s(self) -> float | None:
        """When the next device answers, or is given up."""
        return min((carried.due_s for _, carried in self._under_way), default=None)

    def stepped(self) -> None:
        """Terminate the commands that a step has taken."""
        for asked, seat, before_s in self._unfinished:
            if seat.table.unix_s != before_s:
                self._outbox.end(self._station.form.answer(asked, Cause.ACTIVATION_TERM))
        self._unfinished = [each for each in self._unfinished if each[1].table.unix_s == each[2]]

    def drop(self) -> None:
        """The link's data transfer has ended: its selections end too. What is on its way comes, and nobody is told."""
        for _, carried in self._under_way:
            carried.leave()
        self._under_way.clear()
        self._station.selections.drop(connection=self)

    def _holder(self, asked: Asdu) -> tuple[Hashable, int]:
        return self, asked.originator

    def _in_time(self, asked: Asdu, seat: Seat) -> None:
        """Refuse a command whose time tag is too old, or invalid; by the clock that its events are tagged with."""
        age_max_s = self._station.options.command_max_age_s
        if not age_max_s or asked.type not in TAGGED_COMMANDS:
            return
        sent_s = self._station.form.time_of(asked.body[-TIME_OCTETS:])
        if sent_s is None or sent_s < seat.table.time_at(seat.row) - age_max_s:
            raise OutOfRange("the command comes too late")

    def _rehearse(self, asked: Asdu, seat: Seat, point: tuple[int, int], operation: Operation, now_s: float) -> None:
        seat.device.check(operation.values)
        self._replies.confirm(asked, point[:1])
        if operation.select:
            self._station.selections.select(point, self._holder(asked), operation, now_s)
        else:
            self._outbox.answer(self._station.form.answer(asked, Cause.ACTIVATION_TERM))

    def _refuse(self, asked: Asdu, error: PointError) -> None:
        self._replies.mirror(asked, next(REFUSAL[each] for each in type(error).__mro__ if each in REFUSAL))

    def _send(self, given: _Operate, now_s: float) -> None:
        """Have a device operate: at once, or when the command has gone down its line."""
        order = Order(given.operation.values, self._station.protocol, self._peer)
        if given.seat.downlink is None:
            self._has_room()
            given.seat.device.submit(*order, now_s).acknowledged_s = now_s
            self._confirm(given)
            return
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise Busy("too many commands are on their way")
        self._under_way.append((given, given.seat.downlink.carry(order, now_s)))
        self.advance(now_s)

    def _has_room(self) -> bool:
        """Raise ``Busy`` where no more commands may wait for a step."""
        if len(self._unfinished) + self._outbox.ends >= UNFINISHED_MAX:
            raise Busy("too many commands wait for a step")
        return True

    def _confirm(self, given: _Operate) -> None:
        self._replies.confirm(given.asked, (given.address,))
        self._station.commanded(given.address, given.control.returns)
        if self._station.options.termination == "after_step":
            self._unfinished.append((given.asked, given.seat, given.seat.table.unix_s))
        else:
            self._outbox.answer(self._station.form.answer(given.asked, Cause.ACTIVATION_TERM))
