"""Outstations that say they are not well, refuse to be operated, or hear no confirmation."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from py1815.application import FunctionCode, IIN2Bit, build_request, parse_response
from py1815.control import CommandStatus

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.way import Filter

RELAY = bytes((3, 1)) + struct.pack("<II", 100, 100) + b"\0"
BLOCKS = {
    "relay, short index": bytes((12, 1, 0x17, 1, 5)) + RELAY,
    "two relays": bytes((12, 1, 0x17, 2, 5)) + RELAY + bytes((6,)) + RELAY,
    "relay, long index": bytes((12, 1, 0x28, 1, 0, 5, 1)) + RELAY,
    "32 bit": bytes((41, 1, 0x17, 1, 5)) + struct.pack("<iB", -750, 0),
    "16 bit": bytes((41, 2, 0x28, 1, 0, 5, 0)) + struct.pack("<hB", -750, 0),
    "float": bytes((41, 3, 0x17, 1, 5)) + struct.pack("<fB", -750.0, 0),
    "double": bytes((41, 4, 0x17, 1, 5)) + struct.pack("<dB", -750.0, 0),
}
BLOCKS["relay and float"] = BLOCKS["relay, short index"] + BLOCKS["float"]
STATUSES = {"two relays": (15, 27), "relay and float": (15, 25)}
"""Where statuses stand if not at the end alone."""


def made(kind: str, mode: str = "", **parameters: Any) -> Filter:
    spec: Any = registry.fault(kind)
    return spec.filter(mode or next(iter(spec.modes), ""), spec.parameters(**parameters), 1)


@pytest.mark.parametrize(
    ("mode", "first", "second"),
    [
        ("need-time", 0x10, 0),
        ("local-control", 0x20, 0),
        ("device-trouble", 0x40, 0),
        ("restart", 0x80, 0),
        ("event-buffer-overflow", 0, IIN2Bit.EVENT_BUFFER_OVERFLOW),
        ("already-executing", 0, IIN2Bit.ALREADY_EXECUTING),
        ("configuration-corrupt", 0, IIN2Bit.CONFIG_CORRUPT),
    ],
)
@pytest.mark.parametrize("function", [129, 130])
def test_each_indication_is_its_own_bit(mode: str, first: int, second: int, function: int) -> None:
    told = made("dnp3-indication", mode).outward(bytes((0xC3, function, 0, 0, 30)), 0.0)
    assert told == bytes((0xC3, function, first, second, 30))


def test_what_is_no_response_has_no_indications() -> None:
    each = made("dnp3-indication", "restart")
    assert each.outward(b"\xc3\x01\x00\x00", 0.0) == b"\xc3\x01\x00\x00"
    assert each.outward(b"\xc3", 0.0) == b"\xc3"
    assert each.inward(b"\xc3\x81\x00\x00", 0.0) == (b"\xc3\x81\x00\x00", None)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("function", [FunctionCode.SELECT, FunctionCode.OPERATE, FunctionCode.DIRECT_OPERATE])
@pytest.mark.parametrize("status", [0, 1, CommandStatus.HARDWARE_ERROR, 127])
def test_a_control_comes_back_with_the_status_and_does_not_reach_the_device(
    name: str, function: FunctionCode, status: int
) -> None:
    asked = build_request(function, sequence=9, body=BLOCKS[name])
    passed, answer = made("dnp3-control", status=status).inward(asked, 0.0)
    assert passed is None
    assert answer is not None
    response = parse_response(answer)
    assert (int(response.function), response.control.sequence) == (129, 9)
    expected = bytearray(BLOCKS[name])
    for place in STATUSES.get(name, (len(expected) - 1,)):
        assert expected[place] == 0
        expected[place] = status
    assert bytes(response.body) == bytes(expected)


def test_selections_may_go_through_where_operations_are_refused() -> None:
    each = made("dnp3-control", "operate", status=7)
    for function in (FunctionCode.SELECT, FunctionCode.OPERATE, FunctionCode.DIRECT_OPERATE):
        asked = build_request(function, sequence=9, body=BLOCKS["float"])
        passed, answer = each.inward(asked, 0.0)
        assert (passed is None) == (answer is not None) == (function is not FunctionCode.SELECT)
        assert passed in (None, asked)


def test_an_operation_that_asks_for_no_answer_gets_none_and_does_nothing() -> None:
    asked = build_request(FunctionCode.DIRECT_OPERATE_NR, sequence=1, body=BLOCKS["float"])
    assert made("dnp3-control").inward(asked, 0.0) == (None, None)


@pytest.mark.parametrize(
    "body",
    [BLOCKS["float"][:end] for end in range(1, len(BLOCKS["float"]))]
    + [bytes((12, 2, 0x17, 1, 5)) + RELAY, bytes((12, 1, 0x18, 1, 5)) + RELAY, bytes((41, 5, 0x17, 1, 5)) + RELAY],
)
def test_what_is_no_whole_control_is_left_to_the_device(body: bytes) -> None:
    asked = build_request(FunctionCode.SELECT, sequence=1, body=body)
    assert made("dnp3-control").inward(asked, 0.0) == (asked, None)


def test_only_controls_are_refused_and_only_confirmations_unheard() -> None:
    for kind, gripped in (("dnp3-control", (3, 4, 5, 6)), ("dnp3-confirmation", (0,))):
        each = made(kind)
        for function in range(0x100):
            asked = bytes((0xC1, function)) + BLOCKS["float"]
            assert (each.inward(asked, 0.0)[0] is None) == (function in gripped), (kind, function)
            assert each.outward(asked, 0.0) == asked
        assert each.inward(b"\xc1", 0.0) == (b"\xc1", None)
        assert each.inward(b"", 0.0) == (b"", None)
    assert made("dnp3-confirmation").inward(b"\xc1\x00", 0.0) == (None, None)
