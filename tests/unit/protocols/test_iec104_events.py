"""Events of an IEC 60870-5-104 station over any coming and going of its masters."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iec104_bench import ACT, CON, START_S, Bench, Master, i, s, spec_of, split, u, unit

from pilotfarm.emulators.contracts.protocol import KeepsEvents
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, STOPDT_ACT
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Asdu, Cause, Type, time_tag
from pilotfarm.emulators.protocols.iec60870.events import Event, EventBuffer, Kind
from pilotfarm.emulators.protocols.iec60870.outbox import Outbox

STATES, MEASURED = ("running", "available", "fault_trip"), ("voltage_l1_v", "voltage_l2_v")
NARROW = spec_of([*STATES, *MEASURED])
GROUPS = {"north": ["192.0.2.0/28"], "south": ["198.51.100.7"]}

Told = tuple[int, int, bytes]
"""Common address, object address and time tag: every event of these tests has a step of its own."""


def events_of(asdus: Sequence[Asdu]) -> list[Told]:
    found = []
    for each in asdus:
        if each.type in (Type.SINGLE_TAGGED, Type.FLOAT_TAGGED):
            size = len(each.body) // each.count
            pieces = [each.body[at : at + size] for at in range(0, len(each.body), size)]
            found += [(each.address, int.from_bytes(piece[:3], "little"), piece[-7:]) for piece in pieces]
    return found


def change(bench: Bench, name: str, row: int = 0) -> Told:
    """Let one point change in a step of its own."""
    value = bench.columns[name][row]
    bench.set(name, row, 1.0 - value if name in STATES else value + 1_000.0)
    bench.step()
    return row + 1, IOA[name], time_tag(bench.unix_s)


# ------------------------------------------------------------------------- while no master is there


def test_what_happens_while_no_master_is_connected_the_next_one_is_told_in_order() -> None:
    bench = Bench(2, NARROW)
    gone = Master(bench)
    gone.engine.hang_up(0.0)
    happened = [change(bench, name, row) for row in (0, 1) for name in (*MEASURED, *STATES, *MEASURED)]
    told = Master(bench, started=False)
    told.feed(u(STARTDT_ACT))
    assert events_of(told.heard()) == happened
    assert {each.cause for each in told.heard()} == set()
    again = Master(bench, started=False)
    again.feed(u(STARTDT_ACT))
    assert again.heard() == [], "what was handed over waits no more"


def test_events_go_before_the_answer_to_an_interrogation_which_is_newer() -> None:
    bench = Bench(1, NARROW)
    Master(bench).engine.hang_up(0.0)
    happened = [change(bench, "voltage_l1_v") for _ in range(3)]
    master = Master(bench, started=False, acknowledges=False)
    master.feed(u(STARTDT_ACT) + i(0, 0, unit(Type.INTERROGATION, ACT, 1, 0, b"\x14")))
    told = master.heard()
    assert events_of(told[:1]) == happened, "one data unit"
    assert [each.cause for each in told[1:]] == [CON, 20, 20, Cause.ACTIVATION_TERM]


def test_before_the_first_startdt_nothing_is_kept_unless_the_site_names_the_masters() -> None:
    for named in (False, True):
        bench = Bench(1, NARROW, redundancy_groups=GROUPS if named else {})
        happened = [change(bench, name) for name in (*STATES, *MEASURED)]
        master = Master(bench, started=False, peer="192.0.2.1:40000")
        assert events_of(master.heard()) == []
        master.feed(u(STARTDT_ACT))
        first, *rest = master.heard()
        assert first.type == Type.END_OF_INITIALISATION
        assert events_of(rest) == (happened if named else [])


def test_what_a_master_did_not_acknowledge_the_next_is_told_once_more_and_the_rest_is_not() -> None:
    bench = Bench(1, NARROW, k=2, w=1)
    first = Master(bench)
    acknowledged = change(bench, "running")
    first.pull()
    first.acknowledges = False
    left = [change(bench, name) for name in (*STATES, *STATES)]
    first.pull()
    assert events_of(first.heard()) == [acknowledged, *left[:6]][: 1 + len(left)]
    first.engine.hang_up(0.0)
    second = Master(bench, started=False)
    second.feed(u(STARTDT_ACT))
    assert events_of(second.heard()) == left


def test_a_link_that_runs_into_t1_gives_back_before_its_connection_is_closed() -> None:
    bench = Bench(1, NARROW)
    first = Master(bench, acknowledges=False)
    happened = [change(bench, name) for name in STATES]
    first.pull()
    first.pull(15.0)
    assert first.engine.closed
    second = Master(bench, started=False)
    second.feed(u(STARTDT_ACT))
    assert events_of(second.heard()) == happened
    first.engine.hang_up(15.0)
    second.pull()
    assert second.heard() == []


def test_what_a_dead_connection_had_of_the_time_before_a_second_master_came_reaches_that_one() -> None:
    bench = Bench(1, NARROW)
    dead = Master(bench, acknowledges=False)
    before = change(bench, "running")
    dead.pull()
    second = Master(bench)
    both = change(bench, "available")
    second.pull()
    assert events_of(second.heard()) == [both]
    dead.engine.hang_up(0.0)
    second.pull()
    assert events_of(second.heard()) == [before], "and not what it was told itself"
    third = Master(bench, started=False)
    third.feed(u(STARTDT_ACT))
    assert events_of(third.heard()) == [both], "which the dead connection never acknowledged"


def test_who_stops_and_starts_again_is_told_what_it_had_not_been_told() -> None:
    bench = Bench(1, NARROW, k=1, w=1)
    master = Master(bench, acknowledges=False)
    happened = []
    for name in (*STATES, "voltage_l1_v"):
        happened.append(change(bench, name))
        master.pull()
    assert events_of(master.heard()) == happened[:1]
    master.feed(u(STOPDT_ACT))
    master.acknowledge()
    happened += [change(bench, "voltage_l1_v") for _ in range(3)]
    master.pull()
    assert master.heard() == []
    master.feed(u(STARTDT_ACT))
    assert events_of(master.heard()) == happened[1:], "every measurement, as no connection was started"


def test_a_reset_of_pending_events_drops_those_of_its_devices() -> None:
    bench = Bench(2, NARROW)
    Master(bench).engine.hang_up(0.0)
    for row in (0, 1):
        change(bench, "running", row)
    master = Master(bench, started=False, acknowledges=False)
    master.feed(u(STARTDT_ACT))
    master.heard()
    master.block()
    kept = [change(bench, name, row) for name in ("available", "voltage_l1_v") for row in (0, 1)][1::2]
    master.feed(master.i_frame(unit(Type.RESET, ACT, 1, 0, b"\x02")))
    master.acknowledge()
    assert events_of(master.heard()) == kept


def test_a_reset_of_pending_events_empties_the_buffer_too() -> None:
    bench = Bench(2, NARROW)
    dead, alive = Master(bench, acknowledges=False), Master(bench)
    for row in (0, 1):
        kept = change(bench, "running", row)
    dead.pull()
    alive.pull()
    dead.engine.hang_up(0.0)  # what the other has had waits for somebody else
    alive.ask(Type.RESET, ACT, 1, 0, b"\x02")
    third = Master(bench, started=False)
    third.feed(u(STARTDT_ACT))
    assert events_of(third.heard()) == [kept]


class Passing:
    """A filter that lets everything pass."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


def test_events_that_pass_a_filter_are_kept_until_they_are_acknowledged_as_well() -> None:
    bench = Bench(1, NARROW)
    bench.seats[0].filters, bench.station.filtered = (Passing(),), True
    first = Master(bench, acknowledges=False)
    happened = change(bench, "running")
    first.pull()
    assert events_of(first.heard()) == [happened]
    first.engine.hang_up(0.0)
    second = Master(bench, started=False)
    second.feed(u(STARTDT_ACT))
    assert events_of(second.heard()) == [happened]


# ------------------------------------------------------------------------------------------ bounds


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.sampled_from(["add", "merge"]), st.lists(st.booleans(), max_size=6)), max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_a_buffer_keeps_the_newest_states_then_the_newest_measurements_in_order_and_counts_the_rest(
    limit: int, moves: list[tuple[str, list[bool]]]
) -> None:
    buffer, kept, lost, number = EventBuffer(limit), [], 0, 0
    for way, measured in moves:
        events = [event(number + k, is_measured) for k, is_measured in enumerate(measured)]
        number += len(events)
        if way == "merge":  # what comes back may be older than what is there
            events = [replace(each, number=-each.number) for each in events]
        for batch in ([each] for each in events) if way == "add" else [events]:
            getattr(buffer, way)(batch)
        kept = sorted([*kept, *events], key=lambda each: each.number)
        while len(kept) > limit:
            kept.remove(next((each for each in kept if each.kind.measured), kept[0]))
            lost += 1
        assert len(buffer) == len(kept)
    assert (buffer.take(), buffer.lost) == (kept, lost)
    assert len(buffer) == 0


def event(number: int, measured: bool) -> Event:
    kind = Type.FLOAT_TAGGED if measured else Type.SINGLE_TAGGED
    return Event(number, Kind(1, kind, Cause.SPONTANEOUS), number, bytes(11), frozenset())


def test_a_full_buffer_lets_measurements_go_first_and_says_so_once_until_a_master_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(1, NARROW, event_buffer=16)
    assert isinstance(bench.station, KeepsEvents)
    Master(bench).engine.hang_up(0.0)
    for outage in (1, 2):
        happened = [change(bench, name) for name in (*STATES, *MEASURED) * 4]
        assert (bench.station.waiting_events, bench.station.lost_events) == (16, 4 * outage)
        told = Master(bench, started=False)
        told.feed(u(STARTDT_ACT))
        measured = [each for each in happened if each[1] in {IOA[name] for name in MEASURED}]
        assert events_of(told.heard()) == [each for each in happened if each not in measured[:4]]
        told.engine.hang_up(0.0)
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(said) == outage
        assert "station of d0" in said[-1]
    for _ in range(20):
        change(bench, "running")
    assert len(bench.station.connect("peer", 0.0).take_output()) == 0
    assert bench.station.waiting_events == 16


def test_a_buffer_that_is_full_to_the_last_place_has_lost_nothing_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(1, NARROW, event_buffer=16)
    assert isinstance(bench.station, KeepsEvents)
    Master(bench).engine.hang_up(0.0)
    while bench.station.waiting_events < 16:
        change(bench, "running")
    assert bench.station.lost_events == 0
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == []


def test_what_is_handed_over_is_bounded_too() -> None:
    outbox = Outbox(FORMAT_104, 16, 4)
    outbox.hand([event(number, False) for number in range(3)])
    outbox.hand([event(number, number % 2 == 0) for number in range(3, 9)])
    assert (outbox.events, outbox.lost) == (4, 5)
    told = outbox.next()
    assert told is not None
    assert [each.number for each in told[1]] == [2, 3, 5, 7]


def test_what_a_connection_had_no_room_for_stays_counted_when_it_has_ended() -> None:
    bench = Bench(1, NARROW, event_queue=16)
    master = Master(bench)
    master.block()
    for _ in range(20):
        change(bench, "running")
    assert bench.station.lost_events == 4  # type: ignore[attr-defined]
    master.engine.hang_up(0.0)
    assert bench.station.lost_events == 4  # type: ignore[attr-defined]


def test_a_measurement_takes_no_states_place() -> None:
    outbox = Outbox(FORMAT_104, 2, 4)
    outbox.changed([event(1, False), event(2, False)])
    outbox.changed([event(3, True)])
    assert outbox.lost == 1
    assert [each.number for each in (outbox.next() or (b"", ()))[1]] == [1, 2]
    assert outbox.next() is None


# -------------------------------------------------------------------------------- redundancy groups


def test_in_a_redundancy_group_a_startdt_elsewhere_takes_over_and_other_groups_do_not_feel_it() -> None:
    bench = Bench(1, NARROW, redundancy_groups=GROUPS, k=1, w=1)
    first = Master(bench, peer="192.0.2.1:40000")
    apart = Master(bench, peer="198.51.100.7:40000")
    stranger = Master(bench, peer="203.0.113.9:40000")
    first.acknowledges = False
    happened = []
    for name in ("running", "available"):
        happened.append(change(bench, name))
        for master in (first, apart, stranger):
            master.pull()
    assert events_of(first.heard()) == happened[:1], "k = 1"
    second = Master(bench, peer="192.0.2.2:40000", started=False)
    second.feed(u(STARTDT_ACT))
    assert events_of(second.heard())[-2:] == happened
    happened += [change(bench, "fault_trip")]
    for master in (first, second, apart, stranger):
        master.pull()
    assert events_of(first.heard()) == []
    assert events_of(second.heard()) == happened[2:]
    assert events_of(apart.heard()) == events_of(stranger.heard()) == happened


def test_who_was_taken_over_is_stopped_may_acknowledge_and_start_again_but_not_command() -> None:
    bench = Bench(1, NARROW, redundancy_groups=GROUPS)
    first, second = (Master(bench, peer=f"192.0.2.{host}:40000") for host in (1, 2))
    assert not first.engine.closed
    first.feed(s(first.received))
    assert not first.engine.closed
    first.feed(u(STARTDT_ACT))
    happened = change(bench, "running")
    for master in (first, second):
        master.pull()
    assert events_of(first.heard()) == [happened]
    assert second.heard() == []
    second.feed(second.i_frame(unit(Type.READ, Cause.REQUEST, 1, IOA["running"])))
    assert second.engine.closed, "a data unit before STARTDT (60870-5-104, 5.3)"


def test_a_selection_ends_with_the_data_transfer_of_who_made_it() -> None:
    bench = Bench(1, spec_of(["running", "start"]), redundancy_groups=GROUPS, sbo="required")
    first = Master(bench, peer="192.0.2.1:40000")
    assert not first.ask(Type.SINGLE_COMMAND, ACT, 1, IOA["start"], b"\x81")[0].negative
    second = Master(bench, peer="192.0.2.2:40000")
    assert not second.ask(Type.SINGLE_COMMAND, ACT, 1, IOA["start"], b"\x81")[0].negative


def test_each_group_is_told_that_the_station_is_initialised() -> None:
    bench = Bench(2, NARROW, redundancy_groups=GROUPS)
    for peer, told in (("192.0.2.1:1", [1, 2]), ("192.0.2.2:1", []), ("198.51.100.7:1", [1, 2]), ("peer", [1, 2])):
        master = Master(bench, started=False, peer=peer)
        master.feed(u(STARTDT_ACT))
        assert [each.address for each in master.heard() if each.type == Type.END_OF_INITIALISATION] == told, peer


@pytest.mark.parametrize(
    ("peer", "named"),
    [
        ("192.0.2.0:1", True),
        ("192.0.2.15:65535", True),
        ("192.0.2.16:1", False),
        ("::ffff:192.0.2.3:1", True),
        ("[::ffff:192.0.2.3]:1", True),
        ("2001:db8::1:2404", False),
        ("line 1", False),
    ],
)
def test_a_masters_group_is_found_by_its_address(peer: str, named: bool) -> None:
    bench = Bench(1, NARROW, redundancy_groups={"north": ["192.0.2.0/28"]})
    happened = change(bench, "running")
    master = Master(bench, started=False, peer=peer)
    master.feed(u(STARTDT_ACT))
    assert events_of(master.heard()) == ([happened] if named else [])


@pytest.mark.parametrize(
    "groups",
    [
        {"a": ["192.0.2.1"], "b": ["192.0.2.0/24"]},
        {"a": ["192.0.2.300"]},
        {"a": ["192.0.2.1/24"]},
        {"a": []},
        {"": ["192.0.2.1"]},
        {str(n): [f"192.0.2.{n}"] for n in range(17)},
    ],
)
def test_groups_that_cannot_be_are_refused(groups: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PROTOCOL.options_model(redundancy_groups=groups)


# ------------------------------------------------------------------------ whatever masters may do


class Peer:
    """A connection that acknowledges when it is told to, and notes the events of each frame."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.engine = bench.station.connect(name, 0.0)
        self.started = False
        self.told: list[Told] = []
        self.open: list[list[Told]] = []
        """The events of the frames that are not acknowledged."""
        self.received = 0

    def take(self) -> None:
        self.engine.advance(0.0)
        for frame in split(self.engine.take_output()):
            if not frame[2] & 1:
                asdu = FORMAT_104.parse(frame[6:])
                self.open.append(events_of([asdu]))
                self.told += self.open[-1]
                self.received += 1

    def u(self, function: int) -> None:
        self.started = function == STARTDT_ACT
        self.engine.receive(u(function), 0.0)

    def taken_over(self) -> None:
        self.started, self.told = False, []
        self.open = [[] for _ in self.open]

    def acknowledge(self, frames: int) -> list[Told]:
        """Acknowledge the oldest frames; returns their events."""
        done, self.open = self.open[:frames], self.open[frames:]
        self.engine.receive(s(self.received - len(self.open)), 0.0)
        return [each for frame in done for each in frame]


moves = st.lists(
    st.tuples(
        st.sampled_from(["start", "start", "stop", "acknowledge", "close", "change", "change", "change", "take"]),
        st.integers(0, 2),
    ),
    max_size=60,
)


@pytest.mark.parametrize("mode", ["one master at a time", "a redundancy group"])
@given(moves=moves)
@settings(max_examples=150, deadline=None)
def test_every_event_is_told_in_order_and_again_only_while_it_is_not_acknowledged(
    mode: str, moves: list[tuple[str, int]]
) -> None:
    """None is lost or out of its order on any connection, and none comes once more after it was acknowledged.

    What a connection acknowledges after another has taken over does not count: that one is told it again.

    Of a measurement a started connection that does not take it is told the newest value only, so here all is taken.
    """
    redundant = mode == "a redundancy group"
    bench = Bench(1, NARROW, k=2, w=1, redundancy_groups={"all": ["192.0.2.1"]} if redundant else {})
    if not redundant:
        Master(bench).engine.hang_up(0.0)
    peers: dict[int, Peer] = {}
    happened: list[Told] = []
    acknowledged: list[Told] = []
    names = (*STATES, *MEASURED)
    for move, chosen in [*moves, ("close", 0), ("close", 1), ("close", 2), ("start", 0)]:
        k = chosen if redundant else 0
        before = {key: len(peer.told) for key, peer in peers.items()}
        match move:
            case "start":
                peer = peers.setdefault(k, Peer(bench, "192.0.2.1:1"))
                if not peer.started:
                    for other in peers.values():
                        other.taken_over()
                    before[k] = 0
                peer.u(STARTDT_ACT)
            case "stop" if k in peers and not peers[k].open:
                peers[k].u(STOPDT_ACT)
            case "acknowledge" if k in peers:
                acknowledged += peers[k].acknowledge(1)
            case "close" if k in peers:
                peers.pop(k).engine.hang_up(0.0)
                before.pop(k)
            case "change":
                name = names[len(happened) % len(names)]
                # A started connection whose window is full would keep only the newest of a measurement.
                full = any(peer.started and len(peer.open) == 2 for peer in peers.values())
                happened.append(change(bench, STATES[0] if full and name in MEASURED else name))
        done = set(acknowledged)
        for key, peer in peers.items():
            peer.take()
            new = peer.told[before.get(key, 0) :]
            assert not done & set(new), "told again after it was acknowledged"
            mine = [happened.index(each) for each in peer.told]
            assert mine == sorted(set(mine)), "in order, and once since the last STARTDT"
    peer = peers[0]
    while peer.open:
        acknowledged += peer.acknowledge(1)
        peer.take()
    assert set(acknowledged) == set(happened), "none is lost"


@given(moves=moves)
@settings(max_examples=150, deadline=None)
def test_among_several_masters_no_event_is_lost_and_none_comes_twice_to_one_connection(
    moves: list[tuple[str, int]],
) -> None:
    bench = Bench(1, NARROW, k=2, w=1)
    Master(bench).engine.hang_up(0.0)
    peers: dict[int, Peer] = {}
    happened: list[Told] = []
    acknowledged: set[Told] = set()
    for move, k in [*moves, ("close", 0), ("close", 1), ("close", 2), ("start", 0)]:
        match move:
            case "start":
                peers.setdefault(k, Peer(bench, f"192.0.2.{k}:1")).u(STARTDT_ACT)
            case "stop" if k in peers:
                peers[k].u(STOPDT_ACT)
            case "acknowledge" if k in peers:
                acknowledged |= set(peers[k].acknowledge(1))
            case "close" if k in peers:
                peers.pop(k).engine.hang_up(0.0)
            case "change":
                happened.append(change(bench, STATES[len(happened) % len(STATES)]))
        for peer in peers.values():
            peer.take()
            assert len(peer.told) == len(set(peer.told)), "twice on one connection"
    peer = peers[0]
    while peer.open:
        acknowledged |= set(peer.acknowledge(1))
        peer.take()
    assert acknowledged == set(happened)
    assert bench.station.waiting_events == 0  # type: ignore[attr-defined]


@given(moves=moves, limit=st.integers(16, 20))
@settings(max_examples=100, deadline=None)
def test_whatever_masters_do_no_more_waits_than_the_bounds_allow(moves: list[tuple[str, int]], limit: int) -> None:
    bench = Bench(1, NARROW, k=2, w=1, event_buffer=limit, event_queue=limit)
    Master(bench).engine.hang_up(0.0)
    peers: dict[int, Peer] = {}
    for move, k in moves:
        match move:
            case "start":
                peers.setdefault(k, Peer(bench, f"192.0.2.{k}:1")).u(STARTDT_ACT)
            case "stop" if k in peers:
                peers[k].u(STOPDT_ACT)
            case "close" if k in peers:
                peers.pop(k).engine.hang_up(0.0)
            case "change":
                for name in (*STATES, *MEASURED):
                    change(bench, name)
        for peer in peers.values():
            peer.take()
        waiting = bench.station.waiting_events  # type: ignore[attr-defined]
        assert waiting <= limit * (1 + 2 * len(peers))


def test_the_time_of_the_bench_is_the_one_tags_are_made_of() -> None:
    assert Bench(1, NARROW).unix_s == START_S + 1.0
