"""Laws of Modbus RTU: where a stream is cut changes nothing, and what is no frame is answered by nobody."""

from __future__ import annotations

from random import Random

import pytest
from modbus_bench import NOW_S, Bench
from pymodbus.framer.rtu import FramerRTU

from pilotfarm.emulators.contracts.line import SerialLine
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.functions import ON_A_LINE
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.protocols.modbus.rtu import RtuEngine, silence_s
from pilotfarm.emulators.wire.rtu import FRAME_MAX, answer_size, check, framed, is_whole, request_size

SAMPLES = [
    "01 0000 0008",
    "02 0000 0008",
    "03 9c40 0032",
    "04 9c42 0002",
    "05 0002 ff00",
    "06 9c40 0001",
    "08 0000 a55a",
    "0f 0000 0003 01 04",
    "10 9c40 0002 04 00010002",
    "16 9c40 fff0 0001",
    "17 9c40 0002 9c40 0001 02 0001",
    "2b 0e 02 00",
]
"""A request of every function."""
UNSERVED = [
    "07",
    "0b",
    "0c",
    "11",
    "14 07 06 0001 0000 0001",
    "15 09 06 0001 0000 0001 0001",
    "18 0000",
    "2b 0d 00",
    "41 00",
]
PTY = SerialLine(19_200, "even", 8, 1, paced=False)
SILENCE_S = silence_s(PTY)


def asked(sample: str, unit: int = 1) -> bytes:
    return framed(unit, bytes.fromhex(sample))


STREAM = b"".join(map(asked, SAMPLES))


class Talk:
    """A master on a line, whose time goes on as it says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now_s = NOW_S

    def say(self, *pieces: bytes, after_s: float = 0.0) -> bytes:
        """Say pieces, each after so long a pause, then be silent; return what is answered."""
        heard = b""
        for piece in pieces:
            self.now_s += after_s
            self.engine.receive(piece, self.now_s)
            heard += self.engine.take_output()
        self.now_s += SILENCE_S
        self.engine.advance(self.now_s)
        return heard + self.engine.take_output()


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench("ev_charger", framing="rtu")


@pytest.fixture
def talk(bench: Bench) -> Talk:
    return Talk(ModbusStation(bench.seats, ModbusOptions(), PTY).connect("peer", NOW_S))


def apart(answers: bytes) -> list[bytes]:
    """Answers one by one, as their functions say how long they are."""
    found = []
    while answers:
        size = answer_size(answers)
        assert size
        frame, answers = answers[:size], answers[size:]
        assert is_whole(frame)
        found.append(frame)
    return found


def test_the_samples_ask_for_every_function() -> None:
    assert [bytes.fromhex(each)[0] for each in SAMPLES] == sorted(ON_A_LINE)


def test_the_check_is_that_of_pymodbus() -> None:
    draw = Random(1)
    for size in range(1, FRAME_MAX):
        octets = draw.randbytes(size)
        assert check(octets) == FramerRTU.compute_CRC(octets).to_bytes(2, "big")


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_request_is_answered_as_over_tcp(talk: Talk, sample: str) -> None:
    tcp = Bench("ev_charger")
    (answer,) = apart(talk.say(asked(sample)))
    assert answer[0] == 1
    over_tcp = tcp.ask(sample)
    assert answer[1:-2] == (over_tcp if sample[:2] != "08" else bytes.fromhex(sample))


@pytest.mark.parametrize("sample", [*SAMPLES, *UNSERVED])
def test_the_length_of_a_request_is_known_as_soon_as_it_can_be(sample: str) -> None:
    frame = asked(sample)
    sizes = [request_size(frame[:end]) for end in range(len(frame) + 1)]
    known = [size for size in sizes if size is not None]
    assert set(known) == ({0} if sample in ("2b 0d 00", "41 00") else {len(frame)})
    assert sizes == [None] * (len(sizes) - len(known)) + known


@pytest.mark.parametrize("sample", UNSERVED)
def test_a_function_nobody_has_is_refused_once_its_frame_has_ended(talk: Talk, sample: str) -> None:
    for _ in range(2):
        assert talk.say(asked(sample)) == framed(1, bytes((int(sample[:2], 16) | 0x80, 1)))


@pytest.mark.parametrize("after_s", [0.0, SILENCE_S, 1.0])
def test_a_stream_cut_anywhere_gives_the_same_answers(bench: Bench, after_s: float) -> None:
    def answers(*pieces: bytes) -> bytes:
        return Talk(bench.station.connect("peer", NOW_S)).say(*pieces, after_s=after_s)

    bench.station.connections = -10_000
    whole = answers(STREAM)
    assert len(apart(whole)) == len(SAMPLES)
    for cut in range(1, len(STREAM)):
        assert answers(STREAM[:cut], STREAM[cut:]) == whole, cut
    assert answers(*(STREAM[k : k + 1] for k in range(len(STREAM)))) == whole


@pytest.mark.parametrize("sample", [*SAMPLES, *UNSERVED])
def test_every_change_of_one_octet_is_unanswered_and_counted_and_the_next_request_is_answered(
    bench: Bench, sample: str
) -> None:
    good, next_good = asked(sample), asked("03 9c40 0002")
    station = ModbusStation(bench.seats, ModbusOptions(), PTY)
    talk = Talk(station.connect("peer", NOW_S))
    answer = talk.say(next_good)
    for place in range(len(good)):
        for value in range(256):
            if value == good[place]:
                continue
            before = station.traffic.refusals.get("crc_error", 0)
            assert talk.say(good[:place] + bytes((value,)) + good[place + 1 :]) == b"", (place, value)
            assert talk.say(next_good) == answer, (place, value)
            assert station.traffic.refusals["crc_error"] == before + 1, (place, value)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 255, 256, 257, 300])
def test_between_silences_garbage_costs_no_request(talk: Talk, size: int) -> None:
    draw, request = Random(size), asked("03 9c40 0002")
    answer = talk.say(request)
    for _ in range(50):
        garbage = draw.randbytes(size)
        assert talk.say(garbage) == b""
        assert talk.say(request) == answer


def test_garbage_without_a_silence_costs_what_follows_until_there_is_one(talk: Talk) -> None:
    request = asked("03 9c40 0002")
    answer = talk.say(request)
    broken = request[:-1] + bytes((request[-1] ^ 1,))
    assert talk.say(broken + request) == b""
    assert talk.say(broken, request) == b""
    assert talk.say(request + broken) == answer
    assert talk.say(request) == answer


def test_hostile_octets_never_raise_and_are_kept_within_bounds(bench: Bench) -> None:
    draw = Random(7)
    engine = ModbusStation(bench.seats, ModbusOptions(), PTY).connect("peer", NOW_S)
    assert isinstance(engine, RtuEngine)
    now_s = NOW_S
    heads = [bytes((unit, function)) for unit in (0, 1, 255) for function in (*range(0x20), 0x2B, 0x80, 0xFF)]
    for _ in range(3_000):
        now_s += draw.choice((0.0, 0.0005, SILENCE_S, 0.1))
        octets = draw.choice(heads) + draw.randbytes(draw.choice((0, 1, 2, 8, 100, 700)))
        engine.receive(octets + (check(octets) if draw.random() < 0.5 else b""), now_s)
        if draw.random() < 0.3:
            engine.advance(now_s)
        assert len(engine._buffer) <= FRAME_MAX
        assert len(engine._starts) <= FRAME_MAX + 1
        for frame in apart(engine.take_output()):
            assert frame[0] == 1
