"""Media: what their numbers rest on, and what the model makes of them. No time passes here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from importlib.resources import files
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import pytest
from test_links import NOW_S, Host, run

from pilotfarm.emulators.links.channels import DEAD_AFTER_S, SEGMENT_OCTETS, Draws
from pilotfarm.emulators.links.medium import (
    DIRECTIONS,
    Air,
    Cell,
    Direction,
    Latency,
    Modem,
    latency,
    passing_s,
    rate_bit_s,
)
from pilotfarm.emulators.links.mobile import over
from pilotfarm.profiles import media
from pilotfarm.profiles.media import CONFIDENCES, HEADER_OCTETS, MESSAGE_OCTETS, Medium, medium
from pilotfarm.profiles.media.shared import SHARED, SharedMedium, shared_medium

ALL = media.NAMES[1:]
ASKED = {
    "ethernet", "fibre_mm", "fibre_sm", "wifi", "gsm", "gprs", "edge", "umts", "lte", "lte_m", "nb_iot",
}  # fmt: skip
STANDARDS = ("IEEE", "3GPP", "ITU-T", "RFC", "MODBUS")
PLAIN = Medium(
    name="plain",
    title="",
    floor_s=0.5,
    median_s=1.5,
    p95_s=2.5,
    p99_s=4.5,
    max_s=8.0,
    rate_up_bit_s=14_400.0,
    rate_down_bit_s=28_800.0,
)
"""Round numbers: 128 octets and their headers, 180 in all, pass in 0.1 s up and in 0.05 s down."""


# ------------------------------------------------------------------------------------------- numbers


def test_every_medium_has_its_file_and_every_file_is_a_medium() -> None:
    assert {entry.name for entry in files(media).iterdir() if entry.name.endswith(".yaml")} == {
        f"{name}.yaml" for name in (*ALL, *SHARED)
    }
    assert set(ALL) == ASKED
    assert media.NAMES[0] == media.NONE == "none"


@pytest.mark.parametrize("name", [*ALL, *SHARED])
def test_every_number_says_what_it_rests_on(name: str) -> None:
    found = media.numbers(name)
    for key, number in found.items():
        assert number.confidence in CONFIDENCES, key
        assert len(number.source) > 10, key
        # What nobody has said is assumed, and what a standard says names it.
        assert number.confidence == "assumed" or "none found" not in number.source, key
        assert number.confidence != "standard" or number.source.split()[0] in STANDARDS, key
    known = {field.name for field in fields(SharedMedium if name in SHARED else Medium)} - {"name", "title", "sleeps"}
    assert {key for key in found if "." not in key} <= known
    assert (shared_medium(name) if name in SHARED else medium(name)).title


@pytest.mark.parametrize("name", ALL)
def test_numbers_are_in_order(name: str) -> None:
    this = medium(name)
    quoted = (this.floor_s, this.median_s, this.p95_s, this.p99_s, this.max_s)
    assert all(before < after for before, after in pairwise((0.0, *quoted)))
    assert 0.0 <= this.attach_min_s <= this.attach_max_s
    assert all(0.0 < each.wake_min_s <= each.wake_max_s for each in this.sleeps)
    assert all(a.after_s < b.after_s and a.wake_max_s < b.wake_max_s for a, b in pairwise(this.sleeps))
    assert 0.0 <= this.loss_frac < 0.01 <= 1.0 <= this.loss_burst
    for direction in DIRECTIONS:
        # A message can be as fast as the median says.
        assert this.floor_s + passing_s(MESSAGE_OCTETS, rate_bit_s(this, direction)) < this.median_s
    shared = (this.cell_rate_up_bit_s, this.cell_rate_down_bit_s)
    assert all(a is None or a >= b for a, b in zip(shared, (this.rate_up_bit_s, this.rate_down_bit_s), strict=True))


@pytest.mark.parametrize("name", ["none", "5g", "", "../media/lte"])
def test_what_is_no_medium_has_no_numbers(name: str) -> None:
    with pytest.raises(KeyError):
        medium(name)


# ------------------------------------------------------------------------------------------- samples


def times(this: Medium, direction: Direction, count: int, octets: int = MESSAGE_OCTETS, key: int = 5) -> list[float]:
    """How long messages take that come one by one, on a link that is awake."""
    channel = Air(Modem(replace(this, sleeps=()), key), direction, key)
    return [channel.arrival_s(octets, 100.0 * k) - 100.0 * k for k in range(count)]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", ALL)
def test_samples_have_the_quoted_percentiles(name: str, direction: Direction) -> None:
    """The share that is faster than the quoted 50th, 95th and 99th percentile, within four standard deviations."""
    this, count = medium(name), 6_000
    taken = times(this, direction, count)
    for share, quoted_s in ((0.5, this.median_s), (0.95, this.p95_s), (0.99, this.p99_s)):
        within = sum(each <= quoted_s for each in taken) / count
        assert within == pytest.approx(share, abs=4.0 * sqrt(share * (1.0 - share) / count))
    assert min(taken) >= this.floor_s + passing_s(MESSAGE_OCTETS, rate_bit_s(this, direction))
    assert max(taken) <= this.max_s + 1e-9


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_percentiles_are_met_exactly_and_log_normal_between(direction: Direction) -> None:
    passing = passing_s(MESSAGE_OCTETS, rate_bit_s(PLAIN, direction))
    at: Callable[[float], float] = latency(PLAIN, direction).at
    assert passing == pytest.approx({"to_device": 0.05, "to_master": 0.1}[direction])
    assert [at(share) + passing for share in (0.5, 0.95, 0.99)] == pytest.approx([1.5, 2.5, 4.5])
    # One and two quoted scores from the median, down and up: the same factor of what is beyond the floor.
    beyond = [at(share) - 0.5 for share in (0.05, 0.5, 0.95)]
    assert beyond[1] / beyond[0] == pytest.approx(beyond[2] / beyond[1])
    assert at(1.0 - 1e-12) + passing == pytest.approx(8.0)
    assert at(1e-15) >= 0.5


def test_octets_and_headers_of_each_segment_pass_at_the_rate() -> None:
    assert passing_s(0, 8.0) == HEADER_OCTETS
    assert passing_s(SEGMENT_OCTETS, 8.0) == SEGMENT_OCTETS + HEADER_OCTETS
    assert passing_s(SEGMENT_OCTETS + 1, 8.0) == SEGMENT_OCTETS + 1 + 2 * HEADER_OCTETS
    short_s, long_s = (middle(Modem(PLAIN, 1)).arrival_s(octets, 0.0) for octets in (128, 128 + 1_800))
    # 1,800 octets more take 1 s at 14.4 kbit/s, and one segment more.
    assert long_s - short_s == pytest.approx(1.0 + 8.0 * HEADER_OCTETS / 14_400.0)


def test_the_same_key_takes_the_same_time_and_each_direction_its_own() -> None:
    assert times(PLAIN, "to_device", 20) == times(PLAIN, "to_device", 20)
    assert times(PLAIN, "to_device", 20) != times(PLAIN, "to_device", 20, key=6)
    alike = replace(PLAIN, rate_up_bit_s=PLAIN.rate_down_bit_s)
    assert times(alike, "to_device", 20) != times(alike, "to_master", 20)


# ------------------------------------------------------------------------------------------- queues


class Middle(Draws):
    """Draws the middle, always."""

    def __init__(self) -> None: ...

    def __call__(self) -> float:
        return 0.5


class MiddleLatency(Latency):
    def drawn(self, key: int, sequence: int) -> float:
        return self.at(0.5)


def middle(modem: Modem, direction: Direction = "to_master") -> Air:
    modem._attach = modem._wake = Middle()
    modem.latency = {each: MiddleLatency(modem.medium, each) for each in DIRECTIONS}
    return Air(modem, direction, 1)


def test_messages_of_all_connections_of_a_modem_pass_one_after_the_other() -> None:
    modem = Modem(PLAIN, 1)
    one, other = middle(modem), middle(modem)
    assert one.arrival_s(128, 0.0) == pytest.approx(1.5)
    assert other.arrival_s(128, 0.0) == pytest.approx(1.6)
    assert one.arrival_s(128, 0.05) == pytest.approx(1.7)
    assert middle(modem, "to_device").arrival_s(128, 0.05) == pytest.approx(0.05 + 1.5)
    assert middle(Modem(PLAIN, 1)).arrival_s(128, 0.0) == pytest.approx(1.5)


def test_half_duplex_has_one_queue_for_both_directions() -> None:
    modem = Modem(replace(PLAIN, half_duplex=1.0), 1)
    assert middle(modem).arrival_s(128, 0.0) == pytest.approx(1.5)
    assert middle(modem, "to_device").arrival_s(128, 0.0) == pytest.approx(1.6)


def test_modems_of_a_cell_share_its_rate() -> None:
    shared = replace(PLAIN, cell_rate_up_bit_s=28_800.0, cell_rate_down_bit_s=28_800.0)
    cell = Cell(shared)
    modems = [Modem(shared, key, cell) for key in range(4)]
    # Each message takes its own modem 0.1 s and the cell 0.05 s: the third is the first that waits for others.
    assert [middle(each).arrival_s(128, 0.0) for each in modems] == pytest.approx([1.5, 1.5, 1.55, 1.6])
    assert middle(modems[0], "to_device").arrival_s(128, 0.0) == pytest.approx(1.5)
    assert middle(Modem(shared, 9, Cell(shared))).arrival_s(128, 0.0) == pytest.approx(1.5)


def test_a_sleeping_modem_does_not_hold_up_the_others_of_its_cell() -> None:
    this = medium("gprs")
    cell = Cell(this)
    asleep, awake = Modem(this, 1, cell), Modem(this, 2, cell)
    awake.use(NOW_S)
    assert middle(asleep).arrival_s(12, NOW_S) > NOW_S + 1.25
    assert middle(awake).arrival_s(12, NOW_S) < NOW_S + 0.6


# ------------------------------------------------------------------------------------------- session


def test_an_idle_modem_falls_ever_deeper_asleep_and_a_message_wakes_it_up() -> None:
    this = medium("umts")
    modem = Modem(this, 1)
    air = middle(modem)
    fach, idle = this.sleeps
    took: list[float] = []
    at_s = 0.0
    for pause_s in (fach.after_s - 0.125, fach.after_s, idle.after_s - 0.125, idle.after_s):
        modem._used_s = at_s
        at_s += pause_s
        took.append(modem.awake_s(at_s) - at_s)
    assert took == pytest.approx([0.0, 0.75, 0.75, 2.0])
    # Whatever comes while it wakes up waits for that, and no longer.
    assert modem.awake_s(at_s + 1.5) == pytest.approx(at_s + 2.0)
    assert air.arrival_s(128, at_s + 3.0) == pytest.approx(at_s + 3.1)


def test_a_message_keeps_its_modem_awake_until_it_has_arrived() -> None:
    modem = Modem(medium("umts"), 1)
    modem.use(0.0)
    arrived_s = middle(modem).arrival_s(128, 1.0)
    assert modem.awake_s(arrived_s + 4.9) == arrived_s + 4.9
    assert modem.awake_s(arrived_s + 4.9 + 5.0) == pytest.approx(arrived_s + 9.9 + 0.75)


@pytest.mark.parametrize("name", [name for name in ALL if medium(name).sleeps])
def test_waking_up_takes_as_long_as_the_medium_says(name: str) -> None:
    this = medium(name)
    for sleep in this.sleeps:
        modem, took = Modem(this, 7), []
        for _ in range(200):
            modem._used_s = modem._ready_s = 0.0
            took.append(modem.awake_s(sleep.after_s) - sleep.after_s)
        low, high = sleep.wake_min_s, sleep.wake_max_s
        assert low <= min(took) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(took) <= high


def test_what_attaches_again_takes_its_time_and_a_place_in_the_cell() -> None:
    this = replace(PLAIN, attach_min_s=2.0, attach_max_s=4.0, cell_attaches=2.0)
    cell = Cell(this)
    ready = []
    for key in range(5):
        modem = Modem(this, key, cell)
        air = middle(modem)
        modem.attach(0.0)
        modem.attach(0.5)  # is at it already
        ready.append(modem.awake_s(1.0))
        assert air.arrival_s(128, 1.0) == pytest.approx(ready[-1] + 1.4)
    assert ready == pytest.approx([3.0, 3.0, 6.0, 6.0, 9.0])
    late = Modem(this, 9, cell)
    middle(late)
    late.attach(100.0)
    assert late.awake_s(100.0) == pytest.approx(103.0)
    alone = Modem(this, 9)
    middle(alone)
    alone.attach(100.0)
    assert alone.awake_s(103.5) == 103.5


@pytest.mark.parametrize("name", [each for each in media.NAMES if each != media.NONE])
def test_many_messages_at_once_take_what_one_does(name: str) -> None:
    """Each of the shares there are, of which sixteen drawn bits tell the upper twelve."""
    for way in DIRECTIONS:
        one = latency(medium(name), way)
        drawn = one.drawn_for(np.arange(2**16, dtype=np.uint16))
        shares = (np.arange(2**12) + 0.5) / 2**12
        assert drawn.reshape(-1, 16).min(axis=1).tolist() == drawn.reshape(-1, 16).max(axis=1).tolist()
        assert drawn[::16] == pytest.approx([one.at(share) for share in shares.tolist()], rel=1e-9)


# ---------------------------------------------------------------------------------------- connections


def on_air(this: Medium, host: Host, key: int = 3) -> Any:
    modem = Modem(this, 1)
    return over(modem, host, key, NOW_S)


def test_a_first_message_waits_for_the_connection_and_every_one_for_its_latency() -> None:
    host = Host()
    link = on_air(PLAIN, host)

    def drawn(way: Direction, sequence: int) -> float:
        return latency(PLAIN, way).drawn(3, sequence)

    header = 8.0 * HEADER_OCTETS
    there_s = NOW_S + header / 28_800.0 + drawn("to_device", 0)
    open_s = there_s + drawn("to_master", 0)
    link.receive(b"request", NOW_S)
    arrives_s = open_s + drawn("to_device", 1)
    assert link.deadline_s() == pytest.approx(arrives_s, abs=1e-6)
    host.to_say = b"answer"
    link.advance(arrives_s + 1e-6)
    assert host.heard == [(arrives_s + 1e-6, b"request")]
    assert link.take_output() == b""
    passed_s = arrives_s + 1e-6 + passing_s(6, 14_400.0)
    back_s = passed_s + drawn("to_master", 1)
    assert link.deadline_s() == pytest.approx(back_s, abs=1e-6)
    link.advance(back_s + 1e-6)
    assert link.take_output() == b"answer"
    link.receive(b"again", NOW_S + 50.0)
    assert link.deadline_s() == pytest.approx(NOW_S + 50.0 + passing_s(5, 28_800.0) + drawn("to_device", 8), abs=1e-6)


def test_what_a_message_takes_does_not_depend_on_how_those_before_it_were_read() -> None:
    def arrives(*reads: bytes) -> float:
        host = Host()
        link = on_air(PLAIN, host)
        for each in reads:
            link.receive(each, NOW_S)
        run(link, NOW_S + 60.0)
        link.receive(b"request", NOW_S + 60.0)
        return float(link.deadline_s())

    assert arrives(b"one", b"another") == arrives(b"oneanother") == arrives(b"o", b"neano", b"ther")
    assert arrives(b"one", b"another") != arrives(b"one", b"another", b".")


@pytest.mark.parametrize("name", ALL)
def test_all_octets_arrive_in_their_order(name: str) -> None:
    host = Host()
    link = on_air(medium(name), host)
    sent = bytes(range(256)) * 30
    for start in range(0, len(sent), 500):
        link.receive(sent[start : start + 500], NOW_S + start / 1_000.0)
    run(link, NOW_S + 600.0)
    assert host.all_heard == sent
    assert len(host.heard) > 1
    host.to_say = sent
    link.advance(NOW_S + 601.0)
    assert b"".join(data for _, data in run(link, NOW_S + 880.0)) == sent
    assert not link.closed


def test_a_long_message_arrives_segment_by_segment() -> None:
    host = Host()
    link = on_air(PLAIN, host)
    run(link, NOW_S + 60.0)
    link.receive(bytes(10 * SEGMENT_OCTETS), NOW_S + 60.0)
    run(link, NOW_S + 120.0)
    assert sum(len(data) for _, data in host.heard) == 10 * SEGMENT_OCTETS
    assert len({at for at, _ in host.heard}) > 3


@pytest.mark.parametrize("name", ["wifi", "ethernet"])
def test_what_a_medium_loses_tcp_repeats(name: str) -> None:
    this = replace(medium(name), loss_frac=0.4, loss_burst=2.0)
    host = Host()
    link = on_air(this, host)
    for number in range(200):
        link.receive(b"request", NOW_S + 100.0 * number)
        run(link, NOW_S + 100.0 * number + 99.0)
    late = [at - (NOW_S + 100.0 * number) for number, (at, _) in enumerate(host.heard)]
    assert len(late) == 200
    lost = sum(each >= 0.2 for each in late) / 200
    assert lost == pytest.approx(0.4, abs=4.0 * sqrt(0.24 / 100))  # bursts of two: half as many draws


# ------------------------------------------------------------------------- forgotten by the operator


def forgetful(resets: bool) -> tuple[Host, Any]:
    host = Host()
    this = replace(PLAIN, nat_idle_s=600.0, nat_resets=float(resets))
    return host, on_air(this, host)


def settled(link: Any, until_s: float) -> bytes:
    return b"".join(data for _, data in run(link, until_s))


def test_an_idle_connection_is_forgotten_and_its_next_use_lost_and_the_one_after_reset() -> None:
    host, link = forgetful(resets=True)
    link.receive(b"1", NOW_S + 599.0)
    settled(link, NOW_S + 620.0)
    assert host.all_heard == b"1"
    host.to_say = b"2"
    link.advance(NOW_S + 700.0)
    assert settled(link, NOW_S + 720.0) == b"2"  # which has kept it
    forgotten_s = NOW_S + 720.0 + 600.0
    link.receive(b"lost", forgotten_s)
    link.receive(b"lost", forgotten_s)  # in the same breath
    assert not link.closed
    assert settled(link, forgotten_s + 30.0) == b""
    assert host.all_heard == b"1"
    assert not link.closed
    assert not link.resets
    link.receive(b"again", forgotten_s + 30.0)
    assert link.closed
    assert link.resets
    assert host.all_heard == b"1"


def test_what_a_device_says_of_its_own_accord_is_lost_too() -> None:
    host, link = forgetful(resets=True)
    host.to_say = b"event"
    link.advance(NOW_S + 601.0)
    assert settled(link, NOW_S + 610.0) == b""
    assert not link.closed
    host.to_say = b"event"
    link.advance(NOW_S + 620.0)
    settled(link, NOW_S + 640.0)
    assert link.closed


def test_without_a_reset_tcp_gives_up() -> None:
    host, link = forgetful(resets=False)
    link.receive(b"lost", NOW_S + 601.0)
    link.receive(b"again", NOW_S + 630.0)
    assert host.heard == []
    assert link.deadline_s() == pytest.approx(NOW_S + 601.0 + DEAD_AFTER_S)
    link.advance(NOW_S + 601.0 + DEAD_AFTER_S - 1.0)
    assert not link.closed
    link.advance(NOW_S + 601.0 + DEAD_AFTER_S)
    assert link.closed
    assert not link.resets


def test_a_connection_is_forgotten_after_just_that_time() -> None:
    for idle_s, heard in ((599.999, b"1"), (600.0, b"")):
        host, link = forgetful(resets=True)
        link.receive(b"1", NOW_S + idle_s)
        settled(link, NOW_S + 700.0)
        assert host.all_heard == heard


def test_a_medium_that_lets_go_hands_on_what_is_under_way_and_forgets_no_more() -> None:
    host, link = forgetful(resets=True)
    link.receive(b"1", NOW_S)
    link.let_go(NOW_S + 0.001)
    link.receive(b"2", NOW_S + 10_000.0)
    assert host.heard == [(NOW_S + 0.001, b"1"), (NOW_S + 10_000.0, b"2")]


def test_what_a_master_sent_before_it_hung_up_arrives_and_then_the_engine_is_told() -> None:
    host, link = forgetful(resets=True)
    link.receive(b"set-point", NOW_S)
    link.hang_up(NOW_S + 0.001)
    assert host.all_heard == b"set-point"
    assert host.hung_up_s == NOW_S + 0.001


def test_a_medium_without_a_nat_forgets_nothing() -> None:
    host = Host()
    link = on_air(PLAIN, host)
    link.receive(b"1", NOW_S + 1e6)
    run(link, NOW_S + 1e6 + 100.0)
    assert host.all_heard == b"1"
    assert PLAIN.nat_idle_s is None
