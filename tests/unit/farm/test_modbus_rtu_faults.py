"""Answers of Modbus RTU that come out wrong or late."""

from __future__ import annotations

from typing import Any

import pytest
from modbus_bench import NOW_S, Bench

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Link
from pilotfarm.emulators.links.through import Through
from pilotfarm.emulators.protocols.modbus.rtu import RtuEngine
from pilotfarm.emulators.wire.rtu import framed, is_whole

REQUESTS = [
    framed(1, bytes.fromhex(each))
    for each in ("03 9c40 0002", "01 0000 0003", "03 7530 0001", "06 0515 0010", "2b 0e 02 00", "16 9c40 fff0 0001")
]
SUNS = framed(1, b"\x03\x04SunS")


@pytest.fixture
def device() -> RtuEngine:
    engine = Bench("ev_charger", framing="rtu").engine
    assert isinstance(engine, RtuEngine)
    return engine


def wrapped(kind: str, device: Any, mode: str, **parameters: Any) -> Link:
    spec: Any = registry.fault(kind)
    return spec.wrap(device, mode, spec.parameters(**parameters), 1, NOW_S)  # type: ignore[no-any-return]


def told(link: Any, *requests: bytes, now_s: float = NOW_S) -> bytes:
    for each in requests:
        link.receive(each, now_s)
    return bytes(link.take_output())


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("transaction", SUNS),
        ("protocol", SUNS),
        ("length", SUNS),
        ("unit", framed(0x81, b"\x03\x04SunS")),
        ("function", framed(1, b"\x43\x04SunS")),
        ("truncated", SUNS[:4]),
        ("doubled", SUNS + SUNS),
        ("cut", SUNS[:4]),
    ],
)
def test_an_answer_comes_out_as_the_mode_says(device: RtuEngine, mode: str, wanted: bytes) -> None:
    link = wrapped("modbus-answer", Through(device), mode)
    assert told(link, REQUESTS[0]) == wanted
    assert link.bites.count == (wanted != SUNS)
    assert link.closed == (mode == "cut")


def test_a_corrupted_answer_fails_its_check(device: RtuEngine) -> None:
    link = wrapped("modbus-answer", device, "corrupted")
    for _ in range(50):
        answer = told(link, REQUESTS[0])
        assert len(answer) == len(SUNS)
        assert (int.from_bytes(answer, "big") ^ int.from_bytes(SUNS, "big")).bit_count() == 1
        assert answer[:2] == SUNS[:2]
        assert not is_whole(answer)


def test_answers_in_one_go_are_changed_one_by_one(device: RtuEngine) -> None:
    whole = [told(device, each) for each in REQUESTS]
    assert all(map(is_whole, whole))
    link = wrapped("modbus-answer", device, "doubled")
    assert told(link, *REQUESTS) == b"".join(each + each for each in whole)
    assert link.bites.count == len(REQUESTS)


def test_an_answer_comes_late_and_those_behind_it_wait(device: RtuEngine) -> None:
    whole = [told(device, each) for each in REQUESTS]
    link = wrapped("modbus-late", device, "late", delay_s=1.5)
    assert told(link, *REQUESTS) == b""
    assert link.deadline_s() == NOW_S + 1.5
    link.advance(NOW_S + 1.5)
    assert link.take_output() == b"".join(whole)


def test_the_next_answer_brings_the_one_before(device: RtuEngine) -> None:
    link = wrapped("modbus-late", device, "lagging", delay_s=1.5)
    assert [told(link, REQUESTS[0], now_s=NOW_S + k) for k in range(3)] == [b"", SUNS, SUNS]
