"""A line over a shared medium: who talks when, how long it takes, and what is lost. No time passes here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import pytest
from iec101_bench import line as iec101_line
from modbus_bench import Bench
from test_links import NOW_S, Host, run

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.line import Parity, SerialLine
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.links.serial_medium import HELD_MAX_OCTETS, SharedLine, on_line
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.serving.media import LINK
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.wire.rtu import framed, is_whole
from pilotfarm.profiles.media.shared import SHARED, SharedMedium, hop_s, shared_medium

SITE = """\
name: street
location: {{latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}}
groups:
  meters: {{kind: smart_meter, count: 2, endpoints: [{{protocol: modbus, pty: bus, medium: {medium}}}]}}
"""
PTY = SerialLine(9_600, "even", 8, 1, paced=False)
CHARACTER_S = 11 / 9_600
SILENCE_S = 3.5 * CHARACTER_S
TURN_S = 0.02
PLAIN = replace(
    shared_medium("rs485"),
    access_median_s=1e-9,
    access_p95_s=2e-9,
    access_p99_s=3e-9,
    access_max_s=4e-9,
    turnaround_min_s=TURN_S,
    turnaround_max_s=TURN_S,
    bit_error_rate=0.0,
)
ASKED, ANSWER = b"12345678", bytes(45)
HEARD_S = SILENCE_S + len(ASKED) * CHARACTER_S + TURN_S


@dataclass
class Answering(Host):
    """A device that answers each thing that it hears."""

    answers: list[bytes] = field(default_factory=list)

    def receive(self, data: bytes, now_s: float) -> None:
        super().receive(data, now_s)
        if self.answers:
            self.to_say += self.answers.pop(0)


def over(host: Engine, medium: SharedMedium = PLAIN, line: SerialLine = PTY, key: int = 3) -> SharedLine:
    return on_line(host, medium, line, key)


def joined(pieces: Sequence[tuple[float, bytes]]) -> bytes:
    return b"".join(data for _, data in pieces)


def test_a_request_is_heard_when_it_has_passed_and_answered_as_the_line_takes_it() -> None:
    host = Answering(answers=[ANSWER])
    link = over(host)
    link.receive(ASKED, NOW_S)
    said = run(link, NOW_S + 10.0)
    assert host.heard == [(pytest.approx(NOW_S + HEARD_S, abs=1e-6), ASKED)]
    assert said == [(pytest.approx(NOW_S + HEARD_S + SILENCE_S + 45 * CHARACTER_S, abs=1e-6), ANSWER)]


@pytest.mark.parametrize(
    ("baud_rate", "parity", "stop_bits", "bits", "silence"),
    [
        (1_200, "none", 1, 10, 3.5 * 10 / 1_200),
        (9_600, "none", 2, 11, 3.5 * 11 / 9_600),
        (19_200, "odd", 1, 11, 3.5 * 11 / 19_200),
        (19_200, "even", 2, 12, 3.5 * 12 / 19_200),
        (38_400, "even", 1, 11, 0.001_75),
    ],
)
def test_parity_and_stop_bits_count(baud_rate: int, parity: Parity, stop_bits: int, bits: int, silence: float) -> None:
    """A start bit, eight of data, parity, stop bits; 1.75 ms above 19,200 bit/s (MODBUS over Serial Line, 2.5.1)."""
    host = Answering(answers=[b"x" * 7])
    link = over(host, line=SerialLine(baud_rate, parity, 8, stop_bits, paced=False))
    link.receive(ASKED, NOW_S)
    ((at_s, _),) = run(link, NOW_S + 10.0)
    assert at_s - NOW_S == pytest.approx(TURN_S + 2 * silence + 15 * bits / baud_rate, abs=1e-6)


def test_on_a_wire_octets_take_their_time_themselves() -> None:
    host = Answering(answers=[ANSWER])
    link = over(host, line=replace(PTY, paced=True))
    link.receive(ASKED, NOW_S)
    said = run(link, NOW_S + 10.0)
    assert said[-1][0] - NOW_S == pytest.approx(TURN_S + 2 * 0.001_75, abs=1e-6)
    assert joined(said) == ANSWER


def test_a_frame_in_pieces_passes_as_one() -> None:
    host = Host()
    link = over(host)
    for at_s, octet in ((0.0, b"1"), (0.001, b"23"), (0.002, b"45678")):
        link.receive(octet, NOW_S + at_s)
    run(link, NOW_S + 10.0)
    assert host.all_heard == ASKED
    assert host.heard[-1][0] - NOW_S == pytest.approx(HEARD_S, abs=1e-6)


def test_a_device_waits_until_the_master_has_finished() -> None:
    host = Answering(answers=[ANSWER, ANSWER])
    link = over(host)
    link.receive(ASKED, NOW_S)
    second_s = NOW_S + HEARD_S - 0.001  # the device has heard the first and turns around
    link.receive(ASKED, second_s)
    said = run(link, NOW_S + 10.0)
    assert joined(said) == ANSWER * 2
    talked_s = second_s + SILENCE_S + len(ASKED) * CHARACTER_S
    assert said[0][0] - talked_s == pytest.approx(SILENCE_S + 45 * CHARACTER_S, abs=1e-6)
    assert said[-1][0] - talked_s == pytest.approx(2 * (SILENCE_S + 45 * CHARACTER_S), abs=1e-6)


def test_who_talks_into_an_answer_loses_both() -> None:
    host = Answering(answers=[ANSWER, ANSWER])
    link = over(host)
    link.receive(ASKED, NOW_S)
    talks_s = NOW_S + HEARD_S + SILENCE_S
    link.advance(talks_s)
    link.receive(ASKED, talks_s + 0.001)
    link.receive(b"more", talks_s + 0.002)
    assert run(link, NOW_S + 10.0) == []
    assert len(host.heard) == 1
    link.receive(ASKED, NOW_S + 11.0)
    assert joined(run(link, NOW_S + 20.0)) == ANSWER


def test_what_is_lost_there_is_not_heard_and_what_is_lost_back_takes_its_time() -> None:
    half = replace(PLAIN, loss_frac=0.5)
    heard = answered = 0
    n = 600
    for key in range(n):
        host = Answering(answers=[ANSWER])
        link = over(host, half, key=key)
        link.receive(ASKED, NOW_S)
        said = run(link, NOW_S + 10.0)
        heard += bool(host.heard)
        answered += bool(said)
        assert joined(said) in (b"", ANSWER)
        assert link.bites.count == (not said)
    assert heard / n == pytest.approx(0.5, abs=0.07)
    assert answered / n == pytest.approx(0.25, abs=0.06)


def test_each_bit_of_a_frame_may_be_wrong_the_parity_and_the_stop_bits_too() -> None:
    """What is left of 8 octets with 12 bits each at an error rate of 1 in 200: 0.995 ** 96 is 0.618."""
    noisy, twelve = replace(PLAIN, bit_error_rate=0.005), SerialLine(9_600, "even", 8, 2, paced=False)
    heard = 0
    for key in range(1_500):
        host = Host()
        link = over(host, noisy, twelve, key)
        link.receive(ASKED, NOW_S)
        run(link, NOW_S + 10.0)
        assert host.all_heard in (b"", ASKED)
        heard += bool(host.heard)
    assert heard / 1_500 == pytest.approx(0.995**96, abs=0.04)


def test_the_rest_of_a_frame_that_is_lost_is_lost_with_it() -> None:
    for key in range(60):
        host = Host()
        link = over(host, replace(PLAIN, loss_frac=0.5), key=key)
        for piece in (b"1234", b"56", b"78"):
            link.receive(piece, NOW_S)
        run(link, NOW_S + 10.0)
        assert ASKED.startswith(host.all_heard)


def test_a_line_takes_no_more_than_a_receiver_holds() -> None:
    host = Host()
    link = over(host)
    link.receive(bytes(HELD_MAX_OCTETS), NOW_S)
    link.receive(b"more", NOW_S)
    run(link, NOW_S + 60.0)
    assert host.all_heard == bytes(HELD_MAX_OCTETS)
    link.receive(ASKED, NOW_S + 61.0)
    run(link, NOW_S + 62.0)
    assert host.all_heard.endswith(ASKED)


def test_a_link_that_goes_hands_on_what_it_holds_and_is_in_nobodys_way() -> None:
    host = Answering(answers=[ANSWER, b"again"])
    link = over(host)
    link.receive(ASKED, NOW_S)
    link.let_go(NOW_S + 0.001)
    assert link.take_output() == ANSWER
    link.receive(ASKED, NOW_S + 0.002)
    link.advance(NOW_S + 0.002)
    assert link.take_output() == b"again"
    assert link.deadline_s() is None


def test_what_a_device_has_said_is_sent_before_its_connection_ends() -> None:
    host = Answering(answers=[ANSWER])
    link = over(host)
    link.receive(ASKED, NOW_S)
    link.advance(NOW_S + HEARD_S + 0.001)
    host.closed = True
    assert not link.closed
    assert joined(run(link, NOW_S + 10.0)) == ANSWER
    assert link.closed


def test_timers_of_the_engine_go_on() -> None:
    host = Host(due_s=NOW_S + 5.0)
    link = over(host)
    assert link.deadline_s() == NOW_S + 5.0
    link.receive(ASKED, NOW_S)
    assert link.deadline_s() == pytest.approx(NOW_S + HEARD_S, abs=1e-6)
    link.advance(NOW_S + 5.0)
    assert host.woken[-1] == NOW_S + 5.0
    link.hang_up(NOW_S + 6.0)
    assert host.hung_up_s == NOW_S + 6.0


@pytest.mark.parametrize(("name", "key"), list(product(SHARED, range(3))))
def test_an_exchange_takes_what_the_medium_says(name: str, key: int) -> None:
    medium = replace(shared_medium(name), loss_frac=0.0, bit_error_rate=0.0)
    host = Answering(answers=[ANSWER])
    link = over(host, medium, key=key)
    link.receive(ASKED, NOW_S)
    said = run(link, NOW_S + 100.0)
    assert joined(said) == ANSWER
    rate = 9_600.0 if medium.serial else medium.rate_bit_s
    passing_s = sum(hop_s(medium, len(each), rate) for each in (ASKED, ANSWER))
    took_s = said[-1][0] - NOW_S - passing_s
    assert medium.turnaround_min_s < took_s <= medium.turnaround_max_s + 2 * medium.access_max_s


def test_the_same_seed_has_the_same_times() -> None:
    def times(key: int) -> list[tuple[float, bytes]]:
        link = over(Answering(answers=[ANSWER] * 3), shared_medium("radio_mesh"), key=key)
        for k in range(3):
            link.receive(ASKED, NOW_S + 20.0 * k)
            run(link, NOW_S + 20.0 * k + 19.0)
        return run(link, inf)

    assert times(1) == times(1)


# ------------------------------------------------------------------------------- protocols on it


def asked_over(engine: Any, frames: Sequence[bytes]) -> list[tuple[float, bytes]]:
    """Ask one after the other, half a second apart: when each answer was there, and what it was."""
    link, found = over(engine), []
    for k, frame in enumerate(frames):
        at_s = NOW_S + 0.5 * k
        link.receive(frame, at_s)
        said = run(link, at_s + 0.4999)
        found.append((said[-1][0] - at_s if said else inf, joined(said)))
    return found


def test_modbus_rtu_behind_a_line() -> None:
    """A read of two registers: 8 octets there, 9 back."""
    bench = Bench("smart_meter")
    station = ModbusStation(bench.seats, ModbusOptions(), PTY)
    read, other = framed(1, bytes.fromhex("03 9c40 0002")), framed(7, bytes.fromhex("03 9c40 0002"))
    (took_s, answer), (_, nobody), (_, again) = asked_over(station.connect("line", NOW_S), [read, other, read])
    assert is_whole(answer)
    assert answer == again
    assert nobody == b""
    assert took_s == pytest.approx(TURN_S + 2 * SILENCE_S + 17 * CHARACTER_S, abs=1e-6)


def test_iec_101_behind_a_line() -> None:
    """A reset of the link, 5 octets, is acknowledged by as many, since there are events."""
    bench = iec101_line()
    framing = bench.station.options.framing
    ((took_s, answer),) = asked_over(bench.station.connect("line", NOW_S), [framing.encode(0x40, 1)])
    assert answer == framing.encode(0x20, 1)
    assert took_s == pytest.approx(TURN_S + 2 * SILENCE_S + 10 * CHARACTER_S, abs=1e-6)


# ------------------------------------------------------------------------------------ at a site


def pilot_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medium: str) -> Pilot:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "site.yaml").write_text(SITE.format(medium=medium), encoding="utf-8")
    return Pilot(site.load(str(tmp_path / "site.yaml")))


def links_of(pilot: Pilot) -> list[int]:
    return list(pilot.ways._media.links(0))


def test_a_line_without_a_medium_has_nothing_around_its_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert links_of(pilot_with(tmp_path, monkeypatch, "none")) == []
    assert links_of(pilot_with(tmp_path, monkeypatch, "rs485")) == [LINK]


def test_faults_of_the_link_stand_around_the_medium_and_none_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pilot = pilot_with(tmp_path, monkeypatch, "rs485")
    fault = pilot.farm.faults.add("latency", {"group": "meters"}, parameters={"delay_s": 0.01})
    pilot.step(1.0)
    assert fault.hit == ("meters-001", "meters-002")
    assert list(pilot.server._listeners[0].links) == [LINK, fault.id]
    with pytest.raises(ConfigError, match="no way of this site has a medium"):
        pilot.farm.faults.add("medium", {"group": "meters"}, parameters={"to": "gprs"})
