"""Links that take time: when what is sent arrives, and that all of it does, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.way import Link
from pilotfarm.emulators.links.channels import DEAD_AFTER_S, Channel, Delay, Draws, Flapping, Gap, Hole, Loss, Rate
from pilotfarm.emulators.links.pipe import HELD_MAX_BYTES, Pipe

KINDS = [
    kind
    for kind in registry.FAULTS
    if isinstance(spec := registry.fault(kind), LinkFault) and "direction" in spec.parameters.model_fields
]
NOW_S = 1_750_000_000.0


@dataclass
class Host:
    """A device's engine that notes what it hears, and says what it is told to."""

    heard: list[tuple[float, bytes]] = field(default_factory=list)
    to_say: bytes = b""
    closed: bool = False
    hung_up_s: float | None = None
    due_s: float | None = None
    woken: list[float] = field(default_factory=list)

    def receive(self, data: bytes, now_s: float) -> None:
        assert self.hung_up_s is None
        self.heard.append((now_s, data))

    def advance(self, now_s: float) -> None:
        self.woken.append(now_s)

    def deadline_s(self) -> float | None:
        return self.due_s

    def take_output(self) -> bytes:
        said, self.to_say = self.to_say, b""
        return said

    def hang_up(self, now_s: float) -> None:
        self.hung_up_s = now_s

    @property
    def all_heard(self) -> bytes:
        return b"".join(data for _, data in self.heard)


def faulty(kind: str, host: Host, key: int = 7, **parameters: Any) -> Link:
    spec = registry.fault(kind)
    assert isinstance(spec, LinkFault)
    return spec.wrap(host, "", spec.parameters(**{**spec.example, **parameters}), key, NOW_S)


def run(link: Link, until_s: float) -> list[tuple[float, bytes]]:
    """Wake a link whenever it asks for it, and return what comes out of it and when."""
    said = [(NOW_S, first)] if (first := link.take_output()) else []
    while not link.closed and (due_s := link.deadline_s()) is not None and due_s <= until_s:
        link.advance(due_s)
        if output := link.take_output():
            said.append((due_s, output))
    return said


# ---------------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "blackhole"])
@pytest.mark.parametrize("direction", ["both", "to_device", "to_master"])
def test_whatever_is_sent_arrives_whole_and_in_order(kind: str, direction: str) -> None:
    host = Host()
    link = faulty(kind, host, direction=direction)
    request, answer = bytes(range(200)), bytes(range(200, 0, -1))
    link.receive(request[:150], NOW_S)
    link.receive(request[150:], NOW_S + 0.01)
    host.to_say = answer
    link.advance(NOW_S + 0.02)
    said = run(link, NOW_S + 900.0)
    assert host.all_heard == request
    assert b"".join(data for _, data in said) == answer
    assert not link.closed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("direction", "free"), [("to_device", "outward"), ("to_master", "inward")])
def test_the_other_direction_is_as_if_there_were_no_fault(kind: str, direction: str, free: str) -> None:
    host = Host()
    link = faulty(kind, host, direction=direction)
    if free == "inward":
        link.receive(b"x" * 3_000, NOW_S)
        assert host.heard == [(NOW_S, b"x" * 3_000)]
    else:
        host.to_say = b"x" * 3_000
        link.advance(NOW_S)
        assert link.take_output() == b"x" * 3_000
    assert link.deadline_s() is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_ends_hands_on_all_that_is_under_way_and_holds_nothing_back_after(kind: str) -> None:
    host = Host()
    link = faulty(kind, host)
    link.receive(b"request" * 9, NOW_S)
    host.to_say = b"answer" * 9
    link.advance(NOW_S)
    said = link.take_output()
    link.let_go(NOW_S + 0.001)
    assert host.all_heard == b"request" * 9
    assert said + link.take_output() == b"answer" * 9
    link.receive(b"more", NOW_S + 0.002)
    host.to_say = b"said"
    link.advance(NOW_S + 0.002)
    assert host.heard[-1] == (NOW_S + 0.002, b"more")
    assert link.take_output() == b"said"
    assert link.deadline_s() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_point_under_way_when_its_master_hangs_up_arrives_and_then_the_engine_is_told(kind: str) -> None:
    host = Host()
    link = faulty(kind, host)
    link.receive(b"set-point", NOW_S)
    link.hang_up(NOW_S + 0.001)
    assert host.all_heard == b"set-point"
    assert host.hung_up_s == NOW_S + 0.001


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_gives_the_same_arrivals(kind: str) -> None:
    def arrivals(key: int) -> list[tuple[float, bytes]]:
        host = Host()
        link = faulty(kind, host, key)
        for number in range(30):
            link.receive(b"request", NOW_S + number)
        run(link, NOW_S + 900.0)
        return host.heard

    assert arrivals(1) == arrivals(1)
    if kind in ("latency", "loss"):
        assert arrivals(1) != arrivals(2)


@pytest.mark.parametrize("kind", ["latency", "loss"])
def test_both_ways_draw_by_themselves(kind: str) -> None:
    host = Host()
    link = faulty(kind, host, **({"loss_frac": 0.5} if kind == "loss" else {}))
    for number in range(20):
        link.receive(b"a", NOW_S + 100.0 * number)
        host.to_say = b"b"
        link.advance(NOW_S + 100.0 * number)
    there = [at for at, _ in host.heard]
    assert there != [at for at, _ in run(link, NOW_S + 3_000.0)][: len(there)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_wakes_its_engine_when_that_asks_for_it(kind: str) -> None:
    host = Host(due_s=NOW_S + 3.0)
    link = faulty(kind, host)
    assert link.deadline_s() == NOW_S + 3.0
    link.advance(NOW_S + 3.0)
    assert host.woken == [NOW_S + 3.0]


def test_what_an_engine_said_before_it_closed_still_arrives_and_nothing_goes_in_any_more() -> None:
    host = Host()
    link = faulty("latency", host, delay_s=1.0, jitter_s=0.0)
    link.receive(b"late", NOW_S)
    host.to_say, host.closed = b"last words", True
    link.advance(NOW_S)
    assert not link.closed
    link.advance(NOW_S + 1.0)
    assert not link.closed
    assert link.take_output() == b"last words"
    assert link.closed
    assert host.heard == []


def test_an_engine_that_has_closed_is_not_waited_for_to_hear_what_is_under_way() -> None:
    """Or the link would ask to be woken at once, again and again, until its last words have arrived."""
    host = Host()
    pipe = Pipe(host, [Delay(1.0, 0.0, Draws(1, "x"))], [Delay(5.0, 0.0, Draws(1, "x"))])
    pipe.receive(b"late", NOW_S)
    host.to_say, host.closed = b"last words", True
    pipe.advance(NOW_S)
    assert pipe.deadline_s() == NOW_S + 5.0
    pipe.receive(b"later yet", NOW_S + 1.0)
    assert pipe.deadline_s() == NOW_S + 5.0


def test_a_pipe_without_channels_changes_nothing() -> None:
    host = Host()
    pipe = Pipe(host, (), (), piece_octets=1)
    pipe.receive(b"abc", NOW_S)
    host.to_say = b"def"
    pipe.advance(NOW_S)
    assert host.heard == [(NOW_S, b"abc")]
    assert pipe.take_output() == b"def"
    assert pipe.deadline_s() is None


# -------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize("outward", [False, True])
def test_more_under_way_than_the_bound_closes_the_connection(outward: bool) -> None:
    host = Host()
    link = faulty("blackhole", host, direction="both")

    def send(data: bytes) -> None:
        if outward:
            host.to_say = data
            link.advance(NOW_S)
        else:
            link.receive(data, NOW_S)

    send(bytes(HELD_MAX_BYTES))
    assert not link.closed
    send(b"x")
    assert link.closed


def test_what_has_arrived_no_longer_counts() -> None:
    host = Host()
    link = faulty("latency", host, delay_s=1.0, jitter_s=0.0)
    for number in range(5):
        link.receive(bytes(HELD_MAX_BYTES), NOW_S + 2.0 * number)
        link.advance(NOW_S + 2.0 * number + 1.0)
    assert not link.closed
    assert len(host.all_heard) == 5 * HELD_MAX_BYTES


@pytest.mark.parametrize("direction", ["to_device", "to_master"])
def test_tcp_gives_up_after_15_repeats(direction: str) -> None:
    """924.6 s is what the Linux kernel's ip-sysctl says of tcp_retries2 = 15."""
    assert pytest.approx(924.6) == DEAD_AFTER_S
    host = Host()
    link = faulty("blackhole", host, direction=direction)
    link.receive(b"request", NOW_S)
    host.to_say = b"answer"
    link.advance(NOW_S + 5.0)
    sent_s = NOW_S if direction == "to_device" else NOW_S + 5.0
    assert link.deadline_s() == pytest.approx(sent_s + 924.6)
    link.advance(sent_s + 924.5)
    assert not link.closed
    link.advance(link.deadline_s() or 0.0)
    assert link.closed


# ------------------------------------------------------------------------------------------ channels


def arrivals(channel: Channel, count: int, every_s: float = 1.0, octets: int = 100) -> list[float]:
    return [channel.arrival_s(octets, NOW_S + every_s * k) - NOW_S - every_s * k for k in range(count)]


def test_a_delay_is_even_between_its_bounds() -> None:
    late = arrivals(Delay(0.5, 0.2, Draws(3, "x")), 4_000)
    assert 0.5 <= min(late) < 0.501
    assert 0.699 < max(late) <= 0.7 + 1e-6
    assert sum(late) / len(late) == pytest.approx(0.6, abs=0.004)  # 4 sigma: 0.2 / sqrt(12 n) = 0.0009
    assert arrivals(Delay(0.25, 0.0, Draws(3, "x")), 3) == [0.25] * 3


def test_a_rate_lets_octets_pass_one_after_the_other() -> None:
    channel = Rate(9_600.0)
    assert channel.arrival_s(120, 0.0) == pytest.approx(0.1)
    assert channel.arrival_s(120, 0.0) == pytest.approx(0.2)
    assert channel.arrival_s(12, 0.15) == pytest.approx(0.21)
    assert channel.arrival_s(120, 5.0) == pytest.approx(5.1)


def test_pieces_follow_each_other_with_a_gap() -> None:
    channel = Gap(0.5)
    assert [channel.arrival_s(1, at_s) for at_s in (0.0, 0.0, 0.1, 9.0)] == [0.0, 0.5, 1.0, 9.0]
    host = Host()
    link = faulty("sliced", host, piece_octets=3, gap_s=0.5)
    link.receive(b"abcdefgh", NOW_S)
    run(link, NOW_S + 10.0)
    assert host.heard == [(NOW_S, b"abc"), (NOW_S + 0.5, b"def"), (NOW_S + 1.0, b"gh")]


def test_what_flaps_is_up_first_and_lets_what_waited_pass_when_it_comes_back() -> None:
    channel = Flapping(10.0, 5.0)
    times = [0.0, 9.75, 10.0, 14.75, 15.0, 26.0]
    assert [channel.arrival_s(9, at_s) for at_s in times] == [0.0, 9.75, 15.0, 15.0, 15.0, 30.0]


def test_nothing_comes_out_of_a_hole() -> None:
    assert Hole().arrival_s(1, 0.0) == inf


class Chosen(Draws):
    """Draws that were chosen."""

    def __init__(self, *drawn: float) -> None:
        self._chosen = iter(drawn)

    def __call__(self) -> float:
        return next(self._chosen)


def test_a_lost_segment_costs_the_waits_of_tcp() -> None:
    """RFC 6298, 5.5: each wait is twice the one before; Linux begins with 0.2 s."""
    assert Loss(0.5, 0.5, Chosen(0.9)).arrival_s(100, 0.0) == 0.0
    # Lost, lost again (the bad state stays from 0.5 on), and through.
    assert Loss(0.5, 0.5, Chosen(0.1, 0.5, 0.4)).arrival_s(100, 0.0) == pytest.approx(0.6)
    assert Loss(1.0, 0.0, Draws(1, "x")).arrival_s(100, 0.0) == inf


def test_each_segment_of_a_long_message_may_be_lost() -> None:
    draw = Chosen(0.1, 0.0, 0.1, 0.0, 0.9)
    assert Loss(0.5, 0.5, draw).arrival_s(2 * 1_448, 0.0) == pytest.approx(0.4)
    assert Loss(0.5, 0.5, Chosen(0.9)).arrival_s(1_448, 0.0) == 0.0
    assert Loss(0.5, 0.5, Chosen(0.9, 0.9)).arrival_s(1_449, 0.0) == 0.0


@pytest.mark.parametrize(("loss_frac", "burst_length"), [(0.05, None), (0.3, None), (0.05, 4.0), (0.2, 10.0)])
def test_losses_are_as_many_and_as_long_as_asked_for(loss_frac: float, burst_length: float | None) -> None:
    """Gilbert 1960: with to_good = 1 / L and to_bad = to_good P / (1 - P), a share P is lost, L in a row."""
    spec = registry.fault("loss")
    pipe: Any = spec.wrap(Host(), "", spec.parameters(loss_frac=loss_frac, burst_length=burst_length), 11, NOW_S)  # type: ignore[union-attr]
    (channel,) = pipe._inward._channels
    lost = [channel._loses() for _ in range(60_000)]
    mean_length = 1.0 / (1.0 - loss_frac) if burst_length is None else burst_length
    assert sum(lost) / len(lost) == pytest.approx(loss_frac, rel=0.12)
    ends = sum(before and not after for before, after in pairwise(lost))
    assert sum(lost) / ends == pytest.approx(mean_length, rel=0.12)


@given(st.lists(st.tuples(st.integers(1, 5_000), st.floats(0.0, 3.0)), max_size=30), st.integers(0, 2**64 - 1))
def test_any_chain_of_channels_keeps_the_order_and_hands_on_everything(
    messages: list[tuple[int, float]], key: int
) -> None:
    chain = [Rate(64_000.0), Delay(0.05, 2.0, Draws(key, "d")), Loss(0.02, 0.5, Draws(key, "l")), Flapping(3.0, 1.0)]
    host = Host()
    pipe = Pipe(host, chain, ())
    sent, at_s = b"", NOW_S
    for number, (octets, wait_s) in enumerate(messages):
        at_s += wait_s
        while (due_s := pipe.deadline_s()) is not None and due_s <= at_s:
            pipe.advance(due_s)
        pipe.receive(bytes([number]) * octets, at_s)
        sent += bytes([number]) * octets
    run(pipe, inf)
    assert pipe.closed or host.all_heard == sent
    assert sent.startswith(host.all_heard)


# ----------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("latency", {}),
        ("latency", {"delay_s": -1.0}),
        ("latency", {"delay_s": 600.1}),
        ("latency", {"jitter_s": float("nan")}),
        ("latency", {"delay_s": 1.0, "direction": "up"}),
        ("bandwidth", {}),
        ("bandwidth", {"rate_bit_s": 9.0}),
        ("loss", {"loss_frac": 0.0}),
        ("loss", {"loss_frac": 1.1}),
        ("loss", {"loss_frac": 0.1, "burst_length": 0.5}),
        ("loss", {"loss_frac": 0.81, "burst_length": 4.0}),
        ("flapping", {"up_s": 0.0}),
        ("flapping", {"down_s": 0.0}),
        ("sliced", {"piece_octets": 0}),
        ("sliced", {"gap_s": 0.0}),
        ("blackhole", {"delay_s": 1.0}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.fault(kind).parameters(**parameters)


def test_bursts_may_lose_just_as_many_as_their_length_allows() -> None:
    assert registry.fault("loss").parameters(loss_frac=0.8, burst_length=4.0)
    assert registry.fault("loss").parameters(loss_frac=1.0)
