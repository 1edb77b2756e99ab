"""The controlled station's application of IEC 60870-5-101 and -104 towards one master.

It takes data units from a link and hands data units back when the link has room; what they travel
in, and how wide their addresses are, is the link's matter. Clauses are those of IEC 60870-5-101:2003.

- An interrogation to the broadcast address is confirmed and terminated once, at that address; the
  data come from each device's own.
- A command is confirmed once the farm's queue has taken it, and terminated at once after that; when
  the device has followed is seen in its measurements. The test bit makes it a rehearsal.
- Clock synchronisation is confirmed with the site's time before it, and does not move that time:
  the site's clock is the farm's.
- What a master freezes of the counters it alone reads; energy registers are never reset.
- Of a device that the station does not reach, objects are what it last knew, not topical; commands are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.errors import Busy, PointError
from pilotfarm.emulators.plans.iec104 import GROUP_ELECTRICAL, GROUP_ENVIRONMENT, GROUP_SPECIFIC
from pilotfarm.emulators.protocols.iec104.asdu import Asdu, Cause, Format, Type, time_tag
from pilotfarm.emulators.protocols.iec104.commands import COMMANDS, REFUSAL, Selections, read_operation
from pilotfarm.emulators.protocols.iec104.outbox import Outbox
from pilotfarm.emulators.protocols.iec104.table import GENERAL, Cut, Iec104Table

_ACTIVATION: Final = frozenset({Cause.ACTIVATION})
_EITHER: Final = frozenset({Cause.ACTIVATION, Cause.DEACTIVATION})
_CYCLIC_GROUPS: Final = (GROUP_ELECTRICAL, GROUP_SPECIFIC, GROUP_ENVIRONMENT)
_COUNTER_GROUPS: Final = 4
_ALL_COUNTERS: Final = 5
_INTERROGATION_GROUPS: Final = 16
_AFTER_START: Final = 0  # cause of initialisation (7.2.6.21): local power switch on
_AFTER_RESET: Final = 2  # remote reset


@dataclass(slots=True)
class ControlledStation:
    """What the masters of one station share."""

    protocol: str
    form: Format
    seats: Mapping[int, Seat]
    selections: Selections
    cyclic_s: float
    event_queue: int
    initialised: bool = field(default=False)


class Application:
    """One master's view of a station."""

    __slots__ = ("_cyclic_at_s", "_form", "_frozen", "_peer", "_sequence", "_station", "_step_s", "outbox")

    def __init__(self, station: ControlledStation, peer: str) -> None:
        self._station = station
        self._form = station.form
        self._peer = peer
        self._frozen: dict[int, bytes] = {}
        self._sequence = 0
        self._cyclic_at_s: float | None = None
        self._step_s: float | None = None
        self.outbox = Outbox(station.form, station.event_queue)

    # ---------------------------------------------------------------------------------- the link

    def start(self) -> None:
        """Data transfer has begun for the first time on this link."""
        station = self._station
        for address, seat in station.seats.items():
            seat.table.listen(seat.row, self, address)
        if not station.initialised:
            station.initialised = True
            self.outbox.job("initialised", self._initialised(station.seats, _AFTER_START))

    def stop(self) -> None:
        """The link is gone."""
        for table in self._tables():
            table.leave(self)
        self._station.selections.drop(holder=self)

    def handle(self, data: bytes, now_s: float) -> None:
        """Answer one data unit; ``ProtocolError`` if its length cannot be."""
        asked = self._form.parse(data)
        serve = _SERVED.get(asked.type)
        addresses = self._addresses(asked)
        if serve is None:
            self._mirror(asked, Cause.UNKNOWN_TYPE)
        elif not addresses:
            self._mirror(asked, Cause.UNKNOWN_ADDRESS)
        elif asked.cause not in serve.causes:
            self._mirror(asked, Cause.UNKNOWN_CAUSE)
        elif serve.whole_station and int.from_bytes(asked.body[: self._form.object_octets], "little"):
            self._mirror(asked, Cause.UNKNOWN_OBJECT)
        elif asked.count != 1:  # also a sequence of one: control directions carry single objects (7.3.2 to 7.3.4)
            self._confirm(asked, negative=True)
        else:
            serve.handler(self, asked, addresses, now_s)

    # --------------------------------------------------------------------------------- the table

    def changed(self, address: int, type_id: int, objects: Mapping[int, bytes]) -> None:
        self.outbox.changed(address, type_id, objects)

    def stepped(self, unix_s: float) -> None:
        if unix_s == self._step_s:
            return
        self._step_s = unix_s
        period_s = self._station.cyclic_s
        if period_s:
            if self._cyclic_at_s is not None and unix_s >= self._cyclic_at_s and not self.outbox.has_job("cyclic"):
                self.outbox.job("cyclic", self._cyclic())
            if self._cyclic_at_s is None or unix_s >= self._cyclic_at_s:
                self._cyclic_at_s = (unix_s // period_s + 1) * period_s

    # --------------------------------------------------------------------------------- answering

    def _addresses(self, asked: Asdu) -> tuple[int, ...]:
        if asked.address in self._station.seats:
            return (asked.address,)
        serve = _SERVED.get(asked.type)
        if asked.address == self._form.broadcast and serve is not None and serve.broadcast:
            return tuple(self._station.seats)
        return ()

    def _tables(self) -> Iterable[Iec104Table]:
        return {id(seat.table): seat.table for seat in self._station.seats.values()}.values()

    def _mirror(self, asked: Asdu, cause: Cause) -> None:
        self.outbox.answer(self._form.answer(asked, cause, negative=True))

    def _confirm(self, asked: Asdu, negative: bool = False, body: bytes | None = None) -> None:
        causes = {Cause.ACTIVATION: Cause.ACTIVATION_CON, Cause.DEACTIVATION: Cause.DEACTIVATION_CON}
        cause = causes.get(Cause(asked.cause), Cause.UNKNOWN_OBJECT)
        self.outbox.answer(self._form.answer(asked, cause, negative, body))

    def _data(self, addresses: Iterable[int], group: int, cause: int) -> Iterator[bytes]:
        for address in addresses:
            seat = self._station.seats[address]
            row = seat.table.row(seat.row)
            yield from self._units(address, row, seat.table.interrogated.get(group, ()), cause)

    def _units(self, address: int, row: memoryview | bytes, cuts: Iterable[Cut], cause: int) -> Iterator[bytes]:
        # All but type and count is the same for every data unit of a device.
        rest = self._form.header(0, 0, cause, 0, address)[2:]
        for cut in cuts:
            yield bytes((cut.type, cut.count)) + rest + row[cut.start : cut.stop]

    def _cyclic(self) -> Iterator[bytes]:
        for group in _CYCLIC_GROUPS:
            yield from self._data(self._station.seats, group, Cause.CYCLIC)

    def _initialised(self, addresses: Iterable[int], why: int) -> Iterator[bytes]:
        for address in addresses:
            head = self._form.header(Type.END_OF_INITIALISATION, 1, Cause.INITIALISED, 0, address)
            yield head + self._form.ioa(0) + bytes((why,))

    # ------------------------------------------------------------------------- what is asked for

    def _interrogate(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_IC (7.4.5): QOI 20 is the station, 21 to 36 its groups."""
        group = asked.body[-1] - Cause.INTERROGATED
        key = (asked.type, asked.address, asked.body)
        if asked.cause == Cause.DEACTIVATION:
            self._confirm(asked, negative=not self.outbox.cancel(key))
            return

        def work() -> Iterator[bytes]:
            yield from self._data(addresses, group, Cause.INTERROGATED + group)
            yield self._form.answer(asked, Cause.ACTIVATION_TERM)

        possible = 0 <= group <= _INTERROGATION_GROUPS
        self._confirm(asked, negative=not (possible and self.outbox.job(key, work())))

    def _interrogate_counters(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_CI (7.4.8): FRZ 0 reads, what this master froze before the present; 1 freezes; 2 and 3 would reset."""
        request, freeze = asked.body[-1] & 0x3F, asked.body[-1] >> 6
        if not 1 <= request <= _ALL_COUNTERS or freeze > 1:
            self._confirm(asked, negative=True)
            return
        group = GENERAL if request == _ALL_COUNTERS else request
        if freeze:
            self._sequence = (self._sequence + 1) % 32
            for address in addresses:
                self._frozen[address] = self._freeze(self._station.seats[address])

        def work() -> Iterator[bytes]:
            for address in () if freeze else addresses:
                seat = self._station.seats[address]
                row = self._frozen.get(address) or seat.table.row(seat.row)
                yield from self._units(
                    address, row, seat.table.counters.get(group, ()), Cause.COUNTERS_REQUESTED + group
                )
            yield self._form.answer(asked, Cause.ACTIVATION_TERM)

        key = (asked.type, asked.address, asked.body)
        self._confirm(asked, negative=not self.outbox.job(key, work()))

    def _freeze(self, seat: Seat) -> bytes:
        row = bytearray(seat.table.row(seat.row))
        for cut in seat.table.counters.get(GENERAL, ()):
            step = (cut.stop - cut.start) // cut.count
            for end in range(cut.start + step, cut.stop + 1, step):
                row[end - 1] |= self._sequence
        return bytes(row)

    def _read(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_RD (7.4.3): one object, as an interrogation would give it."""
        (address,) = addresses
        seat = self._station.seats[address]
        place = seat.table.places.get(int.from_bytes(asked.body, "little"))
        if place is None:
            self._mirror(asked, Cause.UNKNOWN_OBJECT)
            return
        kind, start, stop = place
        row = seat.table.row(seat.row)
        for unit in self._units(address, row, (Cut(kind, 1, start, stop),), Cause.REQUEST):
            self.outbox.answer(unit)

    def _clock(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        seat = self._station.seats[addresses[0]]
        self._confirm(asked, body=self._form.ioa(0) + time_tag(seat.table.time_at(seat.row)))

    def _test(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_TS (7.4.10): comes back as it came, also with another pattern than 0x55AA (lib60870 sends 0x55CC)."""
        self._confirm(asked)

    def _reset(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_RP (7.4.14): 1 forgets selections and changes and initialises again, 2 forgets changes only."""
        qualifier = asked.body[-1]
        if qualifier not in (1, 2):
            self._confirm(asked, negative=True)
            return
        self._confirm(asked)
        self.outbox.forget(addresses)
        if qualifier == 1:
            for address in addresses:
                self._station.selections.drop(address=address)
            self.outbox.job("initialised", self._initialised(addresses, _AFTER_RESET))

    def _command(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_SC, C_DC, C_SE (7.4.6, 7.4.9): select, operate, or give a selection back."""
        (address,) = addresses
        seat, selections = self._station.seats[address], self._station.selections
        octets = self._form.object_octets
        ioa = int.from_bytes(asked.body[:octets], "little")
        control = seat.table.controls.get(ioa)
        if control is None or control.type is not COMMANDS[asked.type]:
            self._mirror(asked, Cause.UNKNOWN_OBJECT)
            return
        if asked.cause == Cause.DEACTIVATION:
            self._confirm(asked, negative=not selections.cancel((address, ioa), self))
            return
        try:
            operation = read_operation(control, asked.body[octets:])
            if not seat.reachable:
                raise Busy("the device does not answer its station")
            selections.admit((address, ioa), self, operation, now_s)
            if operation.select or asked.test:
                seat.device.check(operation.values)
                if operation.select:
                    selections.select((address, ioa), self, operation, now_s)
                self._confirm(asked)
            else:
                command = seat.device.submit(operation.values, self._station.protocol, self._peer, now_s)
                self._confirm(asked)
                command.acknowledged_s = now_s
        except PointError as error:
            cause = next(REFUSAL[each] for each in type(error).__mro__ if each in REFUSAL)
            self._mirror(asked, cause)
        else:
            if not operation.select:
                self.outbox.answer(self._form.answer(asked, Cause.ACTIVATION_TERM))


@dataclass(frozen=True, slots=True)
class _Service:
    """How a type is served: who answers, for which causes, and whether it is meant for a whole station."""

    handler: Callable[[Application, Asdu, tuple[int, ...], float], None]
    causes: frozenset[Cause]
    whole_station: bool = True
    broadcast: bool = False


_SERVED: Final[dict[int, _Service]] = {
    Type.INTERROGATION: _Service(Application._interrogate, _EITHER, broadcast=True),
    Type.COUNTER_INTERROGATION: _Service(Application._interrogate_counters, _ACTIVATION, broadcast=True),
    Type.READ: _Service(Application._read, frozenset({Cause.REQUEST}), whole_station=False),
    Type.CLOCK: _Service(Application._clock, _ACTIVATION, broadcast=True),
    Type.TEST: _Service(Application._test, _ACTIVATION),
    Type.RESET: _Service(Application._reset, _ACTIVATION, broadcast=True),
    Type.TEST_TAGGED: _Service(Application._test, _ACTIVATION),
} | {kind: _Service(Application._command, _EITHER, whole_station=False) for kind in COMMANDS}
