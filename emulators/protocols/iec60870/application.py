"""The controlled station's application of IEC 60870-5-101 and -104 towards one master.

It takes data units from a link and hands data units back when the link has room; what they travel
in, and how wide their addresses are, is the link's matter. Clauses are those of IEC 60870-5-101:2003.

- Only interrogations, clock synchronisation and a reset may be asked of every station at once, with the broadcast
  address. Each device then confirms, tells and terminates with its own common address; with ``broadcast_confirm:
  once`` there is one confirmation and one termination with the broadcast address.
- The test bit makes a command a rehearsal.
- Clock synchronisation is confirmed with the time that the station's clock showed before it. It moves nothing, or with
  ``clock_command: set`` that clock.
- Frozen counters belong to the station. A reset of counters is the station's own; energy registers go on.
- Of a device that the station does not reach, objects are what it last knew, not topical; commands are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.protocols.iec60870.commands import COMMANDS
from pilotfarm.emulators.protocols.iec60870.control import Control
from pilotfarm.emulators.protocols.iec60870.events import Event
from pilotfarm.emulators.protocols.iec60870.outbox import Outbox
from pilotfarm.emulators.protocols.iec60870.replies import Replies
from pilotfarm.emulators.protocols.iec60870.sector import CYCLIC_PARTS, Unit
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation
from pilotfarm.emulators.protocols.iec60870.table import GENERAL
from pilotfarm.emulators.protocols.iec60870.times import TIME_OCTETS

_ACTIVATION: Final = frozenset({Cause.ACTIVATION})
_EITHER: Final = frozenset({Cause.ACTIVATION, Cause.DEACTIVATION})
_ALL_COUNTERS: Final = 5
_INTERROGATION_GROUPS: Final = 16
_FREEZE: Final = (1, 2)
_RESET: Final = (2, 3)
_AFTER_START: Final = 0  # cause of initialisation (7.2.6.21): local power switch on
_AFTER_RESET: Final = 2  # remote reset


class Application:
    """One master's view of a station.

    ``interrupt`` stops the link's data transfer, and returns the events it has sent that are not acknowledged.
    """

    __slots__ = (
        "_control",
        "_cyclic_at_s",
        "_form",
        "_group",
        "_interrupt",
        "_replies",
        "_station",
        "_step_s",
        "number",
        "outbox",
    )

    def __init__(self, station: ControlledStation, peer: str, interrupt: Callable[[], Sequence[Event]] = tuple) -> None:
        options = station.options
        self._station = station
        self._form = station.form
        self._group = station.group_of(peer)
        self._interrupt = interrupt
        self._cyclic_at_s: float | None = None
        self._step_s: float | None = None
        self.number = station.next_number()
        self.outbox = Outbox(station.form, options.event_queue, options.event_buffer)
        once = options.broadcast_confirm == "once"
        self._replies = Replies(station.form, self.outbox, station.traffic, once=once)
        self._control = Control(station, peer, self.outbox, self._replies)

    # ---------------------------------------------------------------------------------- the link

    def start(self) -> None:
        """Data transfer has begun."""
        station, group = self._station, self._group
        station.listen()
        if not group.initialised:
            group.initialised = True
            self.outbox.answer_all(self._initialised(tuple(station.sectors), _AFTER_START))
        group.start(self)

    def stop(self, unacknowledged: Iterable[Event] = ()) -> None:
        """Data transfer has ended; what else is sent may still be acknowledged."""
        self._control.drop()
        self._group.stop(self, unacknowledged)

    def interrupt(self) -> Sequence[Event]:
        self._control.drop()
        return self._interrupt()

    def end(self, unacknowledged: Iterable[Event]) -> None:
        """The link is gone."""
        self._control.drop()
        self._group.leave(self, unacknowledged)

    def handle(self, data: bytes, now_s: float) -> None:
        """Answer one data unit; ``ProtocolError`` if its length cannot be."""
        asked = self._form.parse(data, self._station.elements)
        self._station.traffic.requests += 1
        serve = _SERVED.get(asked.type) if asked.type in self._station.elements else None
        broadcast = asked.address == self._form.broadcast
        addresses = self._addresses(asked)
        if broadcast and not (serve and serve.broadcast):
            self._replies.mirror(asked, Cause.UNKNOWN_ADDRESS)
        elif serve is None:
            self._replies.mirror(asked, Cause.UNKNOWN_TYPE)
        elif not addresses:
            self._replies.mirror(asked, Cause.UNKNOWN_ADDRESS)
        elif asked.cause not in serve.causes:
            self._replies.mirror(asked, Cause.UNKNOWN_CAUSE)
        elif serve.whole_station and int.from_bytes(asked.body[: self._form.object_octets], "little"):
            self._replies.mirror(asked, Cause.UNKNOWN_OBJECT)
        elif asked.count != 1:  # also a sequence of one: control directions carry single objects (7.3.2 to 7.3.4)
            self._replies.confirm(asked, addresses, negative=True)
        else:
            serve.handler(self, asked, addresses, now_s)

    def advance(self, now_s: float) -> None:
        """Answer what waited for devices."""
        self._control.advance(now_s)

    def deadline_s(self) -> float | None:
        """When ``advance`` is next needed."""
        return self._control.deadline_s()

    def stepped(self, unix_s: float) -> None:
        self._control.stepped()
        if unix_s == self._step_s:
            return
        self._step_s = unix_s
        period_s = self._station.options.cyclic_s
        if period_s:
            if self._cyclic_at_s is not None and unix_s >= self._cyclic_at_s and not self.outbox.has_job("cyclic"):
                self.outbox.job("cyclic", self._cyclic(), urgent=False)
            if self._cyclic_at_s is None or unix_s >= self._cyclic_at_s:
                self._cyclic_at_s = (unix_s // period_s + 1) * period_s

    # --------------------------------------------------------------------------------- answering

    def _addresses(self, asked: Asdu) -> tuple[int, ...]:
        if asked.address == self._form.broadcast:
            return tuple(self._station.sectors)
        return (asked.address,) if asked.address in self._station.sectors else ()

    def _data(self, addresses: Iterable[int], group: int, cause: int) -> Iterator[bytes]:
        for address in addresses:
            yield from self._told(address, self._station.sectors[address].units(group), cause)

    def _told(self, address: int, units: Iterable[Unit], cause: int) -> list[bytes]:
        # All but type and count is the same for every data unit of a common address.
        rest = self._form.header(0, 0, cause, address)[2:]
        return [head + rest + objects for head, objects in units]

    def _cyclic(self) -> Iterator[bytes]:
        for part in range(CYCLIC_PARTS):
            for address, sector in self._station.sectors.items():
                yield from self._told(address, sector.cyclic(part), Cause.CYCLIC)

    def _initialised(self, addresses: Iterable[int], why: int) -> Iterator[bytes]:
        for address in addresses:
            head = self._form.header(Type.END_OF_INITIALISATION, 1, Cause.INITIALISED, address)
            yield head + self._form.ioa(0) + bytes((why,))

    # ------------------------------------------------------------------------- what is asked for

    def _interrogate(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_IC (7.4.5): QOI 20 is the station, 21 to 36 its groups."""
        group = asked.body[-1] - Cause.INTERROGATED
        key = (asked.type, asked.address, asked.body)
        if asked.cause == Cause.DEACTIVATION:
            self._replies.confirm(asked, addresses, negative=not self.outbox.cancel(key))
            return

        def work() -> Iterator[bytes]:
            yield from self._data(addresses, group, Cause.INTERROGATED + group)
            yield from self._replies.terminations(asked, addresses)

        possible = 0 <= group <= _INTERROGATION_GROUPS
        self._replies.confirm(asked, addresses, negative=not (possible and self.outbox.job(key, work())))

    def _interrogate_counters(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_CI (7.4.8): FRZ 0 reads, what was frozen before the present; 1 freezes, 2 freezes and resets, 3 resets."""
        request, freeze = asked.body[-1] & 0x3F, asked.body[-1] >> 6
        if not 1 <= request <= _ALL_COUNTERS:
            self._replies.confirm(asked, addresses, negative=True)
            return
        group, counters = GENERAL if request == _ALL_COUNTERS else request, self._station.counters
        cause = Cause.COUNTERS_REQUESTED + group

        def work() -> Iterator[bytes]:
            for address in () if freeze else addresses:
                yield from counters.units(address, group, cause)
            yield from self._replies.terminations(asked, addresses)

        possible = self.outbox.job((asked.type, asked.address, asked.body), work())
        self._replies.confirm(asked, addresses, negative=not possible)
        if possible and freeze in _FREEZE:
            counters.freeze(addresses, group)
        if possible and freeze in _RESET:
            counters.reset(addresses, group)

    def _read(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_RD (7.4.3): one object, as an interrogation would give it."""
        (address,) = addresses
        ioa = int.from_bytes(asked.body, "little")
        place = self._station.sectors[address].find(ioa)
        if place is None:
            self._replies.mirror(asked, Cause.UNKNOWN_OBJECT)
            return
        found = place.octets
        if place.type is MonitorType.TOTAL:
            found = self._station.counters.reading(address, ioa, found)
        self.outbox.answer(self._form.header(place.type, 1, Cause.REQUEST, address) + found)

    def _clock(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_CS (7.4.7): each device tells the time that its clock shows; what it is set to counts from then on."""

        def shown(address: int) -> bytes:
            return self._form.ioa(0) + self._form.time_tag(self._station.sectors[address].time_at())

        if self._station.options.clock_command == "ignore":
            self._replies.confirm(asked, addresses, body=shown)
            return
        before = {address: shown(address) for address in addresses}
        if self._station.set_clocks(addresses, asked.body[-TIME_OCTETS:], rehearse=asked.test):
            self._replies.confirm(asked, addresses, body=before.__getitem__)
        else:
            self._replies.confirm(asked, addresses, negative=True)

    def _test(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_TS (7.4.10): comes back as it came, also with another pattern than 0x55AA (lib60870 sends 0x55CC)."""
        self._replies.confirm(asked, addresses)

    def _reset(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        """C_RP (7.4.14): 1 forgets selections and changes and initialises again, 2 forgets changes only."""
        qualifier = asked.body[-1]
        if qualifier not in (1, 2):
            self._replies.confirm(asked, addresses, negative=True)
            return
        self._replies.confirm(asked, addresses)
        self.outbox.forget(addresses)
        self._group.buffer.forget(addresses)
        if qualifier == 1:
            for address in addresses:
                self._station.selections.drop(address=address)
            self.outbox.answer_all(self._initialised(addresses, _AFTER_RESET))

    def _command(self, asked: Asdu, addresses: tuple[int, ...], now_s: float) -> None:
        (address,) = addresses
        self._control.take(asked, address, now_s)


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
