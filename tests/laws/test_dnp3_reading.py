"""What a DNP3 read returns where some of it is not there, device attributes, and events as floating point."""

from __future__ import annotations

import struct
from itertools import permutations, product

import pytest
from dnp3_bench import Master, objects
from dnp3_rig import ALL_COUNTERS, EVENTS, UNIX_S, Rig, point_of, rig
from py1815.application import FunctionCode, Response

from pilotfarm.emulators import registry
from pilotfarm.emulators.plans.dnp3 import PointType

OBJECT_UNKNOWN, PARAM_ERROR = 0x02, 0x04
STATES = bytes([1, 2, 6])
POWER, FREQUENCY = 537, 536
FOUND = {bytes([30, 1, 1]) + struct.pack("<HH", POWER, POWER): {(30, POWER)}}
"""What is there, and what it returns."""
LOST = {
    "a group nobody has": (bytes([110, 0, 6]), OBJECT_UNKNOWN),
    "a group there is no object of": (bytes([150, 0, 6]), OBJECT_UNKNOWN),
    "a variation that is not served": (bytes([30, 9, 6]), OBJECT_UNKNOWN),
    "a range without a point": (bytes([30, 1, 0, 200, 210]), PARAM_ERROR),
    "an index without a point": (bytes([30, 1, 0x17, 1, 201]), PARAM_ERROR),
    "a class with a range": (bytes([60, 2, 0, 0, 5]), PARAM_ERROR),
    "an attribute there is not": (bytes([0, 1, 0, 0, 0]), OBJECT_UNKNOWN),
    "attributes of another set": (bytes([0, 250, 0, 1, 1]), PARAM_ERROR),
    "deadbands in a variation there is not": (bytes([34, 4, 6]), OBJECT_UNKNOWN),
    "deadbands without a point": (bytes([34, 1, 0, 200, 210]), PARAM_ERROR),
    "frozen counters in a variation there is not": (bytes([21, 2, 6]), OBJECT_UNKNOWN),
    "frozen counters without a point": (bytes([21, 1, 0, 200, 210]), PARAM_ERROR),
    "events in a variation there is not": (bytes([32, 9, 6]), OBJECT_UNKNOWN),
}


def only(answer: list[Response]) -> Response:
    (response,) = answer
    return response


def last_of_the_first(here: Rig) -> int:
    """The last of the counters from 0 on between which none is missing."""
    counters = [point.index for point in here.plan.of(PointType.COUNTER)]
    return next(index for index in counters if index + 1 not in counters)


def quiet(kind: str = "smart_meter") -> tuple[Rig, Master]:
    here = rig(kind, unsolicited=False)
    return here, Master(here.station)


@pytest.mark.parametrize("lost", LOST)
def test_what_is_there_is_returned_before_between_and_after_what_is_not(lost: str) -> None:
    body, bit = LOST[lost]
    (there, found), (states,) = next(iter(FOUND.items())), (STATES,)
    here, master = quiet()
    binaries = {(1, point.index) for point in here.plan.of(PointType.BINARY_INPUT)}
    for order in permutations((body, there, states)):
        answer = only(master.ask(FunctionCode.READ, b"".join(order)))
        assert answer.iin.second == bit
        assert {(group, index) for group, _, index, _ in objects([answer])} == found | binaries
    assert only(master.ask(FunctionCode.READ, there)).iin.second == 0, "the next answer says nothing of it"


@pytest.mark.parametrize(("one", "other"), list(product(LOST, LOST)))
def test_all_that_is_wrong_with_a_read_is_said(one: str, other: str) -> None:
    _, master = quiet()
    answer = only(master.ask(FunctionCode.READ, LOST[one][0] + LOST[other][0]))
    assert (answer.iin.second, answer.body) == (LOST[one][1] | LOST[other][1], b"")


def test_a_range_that_reaches_beyond_the_points_returns_those_and_says_so() -> None:
    """As opendnp3 does: it returns AI5 to AI9 for a read of 5 to 15 where 0 to 9 are, with IIN2.2."""
    here, master = quiet()
    last = last_of_the_first(here)
    for first, stop, second in ((0, last, 0), (0, last + 1, PARAM_ERROR)):
        answer = only(master.ask(FunctionCode.READ, bytes([20, 1, 0, first, stop])))
        assert answer.iin.second == second
        assert [index for *_, index, _ in objects([answer])] == list(range(last + 1))


def test_events_are_not_lost_with_an_object_that_is_not_there_and_are_confirmed_as_always() -> None:
    here, master = quiet()
    master.ask(FunctionCode.READ, STATES)
    here.refresh(cover_open_alarm=1.0)
    answer = only(master.ask(FunctionCode.READ, bytes([110, 0, 6]) + EVENTS))
    assert answer.iin.second == OBJECT_UNKNOWN
    assert [group for group, *_ in objects([answer])] == [2]
    assert list(objects(master.ask(FunctionCode.READ, EVENTS))) == []


def test_an_answer_of_several_fragments_says_what_is_missing_in_the_first() -> None:
    here, master = quiet("prosumer")
    everything = bytes([110, 0, 6, 60, 1, 6, 60, 1, 6])
    answers = master.ask(FunctionCode.READ, everything)
    assert len(answers) > 1
    assert [answer.iin.second for answer in answers] == [OBJECT_UNKNOWN] + [0] * (len(answers) - 1)
    assert len(list(objects(answers))) == 2 * len(here.plan.points)


def test_a_retried_read_is_answered_as_before() -> None:
    here, master = quiet()
    master.ask(FunctionCode.READ, STATES)
    here.refresh(cover_open_alarm=1.0)
    request = master.request(FunctionCode.READ, bytes([110, 0, 6]) + EVENTS)
    answers = []
    for _ in range(2):
        master.link.receive(request, 0.0)
        answers.append(only(master.heard()))
    assert answers[0] == answers[1]
    assert answers[0].iin.second == OBJECT_UNKNOWN


def test_a_read_that_waits_for_a_confirmation_says_what_is_missing_when_it_is_answered() -> None:
    here = rig("smart_meter")
    master = Master(here.station)
    _, null = master.ask(FunctionCode.DELAY_MEASURE, confirm=False)
    assert null.control.uns
    assert master.ask(FunctionCode.READ, bytes([110, 0, 6, 1, 2, 6])) == []
    master.confirm(null)
    assert only(master.heard()).iin.second == OBJECT_UNKNOWN


def test_a_freeze_freezes_the_counters_there_are_and_says_that_others_are_not() -> None:
    here, master = quiet()
    some, everything = last_of_the_first(here) + 1, len(here.plan.of(PointType.COUNTER))
    for body, second, wanted in (
        (bytes([20, 0, 0, 200, 210]), PARAM_ERROR, 0),
        (bytes([20, 0, 0, 0, some]), PARAM_ERROR, some),
        (bytes([30, 0, 6]) + ALL_COUNTERS, OBJECT_UNKNOWN, everything),
        (ALL_COUNTERS, 0, everything),
    ):
        assert only(master.ask(FunctionCode.IMMED_FREEZE, body)).iin.second == second
        assert len(list(objects(master.ask(FunctionCode.READ, bytes([21, 1, 6]))))) == wanted


# -------------------------------------------------------------------------------- attributes


def attributes(body: bytes) -> dict[int, tuple[int, bytes]]:
    """Variation -> type and value of each attribute in an answer."""
    found, at = {}, 0
    while at < len(body):
        group, variation, qualifier, first, last, kind, length = body[at : at + 7]
        assert (group, qualifier, first, last) == (0, 0, 0, 0)
        found[variation] = (kind, body[at + 7 : at + 7 + length])
        at += 7 + length
    assert at == len(body)
    return found


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_attributes_say_what_the_device_is_and_how_many_points_it_has(kind: str) -> None:
    here, master = quiet(kind)
    found = attributes(only(master.ask(FunctionCode.READ, bytes([0, 254, 0, 0, 0]))).body)
    assert found[252] == (1, b"pilotfarm")
    assert found[250] == (1, kind.replace("_", "-").encode())
    assert found[248] == (1, here.device.id.encode())
    for point_type, (highest, how_many) in {
        PointType.ANALOG_OUTPUT: (220, 221),
        PointType.BINARY_OUTPUT: (223, 224),
        PointType.COUNTER: (228, 229),
        PointType.ANALOG_INPUT: (232, 233),
        PointType.BINARY_INPUT: (238, 239),
    }.items():
        points = here.plan.of(point_type)
        assert int.from_bytes(found[how_many][1], "little") == len(points)
        assert (highest in found) == bool(points)
        if points:
            assert int.from_bytes(found[highest][1], "little") == points[-1].index
    pairs = b"".join(bytes([variation, 0]) for variation in found)
    listed = only(master.ask(FunctionCode.READ, bytes([0, 255, 6])))
    assert listed.body == bytes([0, 255, 0x17, 1, 0, 254, len(pairs)]) + pairs, "IEEE 1815-2012, 5.5.6.2, example 5-11"
    for variation, value in found.items():
        for qualifier in (bytes([6]), bytes([0, 0, 0]), bytes([1, 0, 0, 0, 0])):
            answer = only(master.ask(FunctionCode.READ, bytes([0, variation]) + qualifier))
            assert (attributes(answer.body), answer.iin.second) == ({variation: value}, 0)


def test_the_longest_fragment_that_is_taken_is_told_as_in_the_standards_example() -> None:
    """IEEE 1815-2012, 5.5.5, example 5-10, which has 1500 where we have 2048."""
    _, master = quiet()
    answer = only(master.ask(FunctionCode.READ, bytes([0, 241, 0, 0, 0])))
    assert answer.body == bytes([0, 241, 0, 0, 0, 2, 2]) + (2_048).to_bytes(2, "little")


def test_an_integrity_poll_has_no_attributes() -> None:
    _, master = quiet()
    assert 0 not in {group for group, *_ in objects(master.ask(FunctionCode.READ, bytes([60, 1, 6])))}


def test_the_longest_fragment_is_as_long_as_the_attributes_say() -> None:
    _, master = quiet("prosumer")
    answers = master.ask(FunctionCode.READ, bytes([60, 1, 6]) * 3)
    assert max(4 + len(answer.body) for answer in answers) <= 2_048


# --------------------------------------------------------------------------- floating point


@pytest.mark.parametrize(("variation", "layout", "timed"), [(5, "<f", 0), (6, "<d", 0), (7, "<f", 1), (8, "<d", 1)])
def test_analog_events_are_read_as_floating_point_in_their_own_unit(variation: int, layout: str, timed: int) -> None:
    here, master = quiet()
    master.ask(FunctionCode.READ, STATES)
    here.refresh(UNIX_S + 1.5, frequency_hz=49.127)
    here.refresh(UNIX_S + 2.5, cover_open_alarm=1.0, active_power_w=-1_500.0)
    answer = only(master.ask(FunctionCode.READ, bytes([32, variation, 6])))
    events = {index: octets for _, _, index, octets in objects([answer])}
    assert {group for group, *_ in objects([answer])} == {32}
    size = struct.calcsize(layout)
    for index, value, unix_s in ((FREQUENCY, 49.127, UNIX_S + 1.5), (POWER, -1_500.0, UNIX_S + 2.5)):
        octets = events[index]
        assert octets[0] == 0x01
        assert struct.unpack(layout, octets[1 : 1 + size])[0] == pytest.approx(value, rel=1e-6)
        assert octets[1 + size :] == (int(unix_s * 1000).to_bytes(6, "little") if timed else b"")
    assert answer.body.count(bytes([32, variation, 0x28])) == 1, "under one header"
    left = {group for group, *_ in objects(master.ask(FunctionCode.READ, EVENTS))}
    assert left == {2}, "confirmed, they are gone"


def test_a_read_of_events_in_several_ways_gives_each_once_in_the_order_they_happened() -> None:
    here, master = quiet()
    master.ask(FunctionCode.READ, STATES)
    for second, changes in enumerate(({"frequency_hz": 49.0}, {"cover_open_alarm": 1.0}, {"frequency_hz": 51.0})):
        here.refresh(UNIX_S + second, **changes)
    answer = only(master.ask(FunctionCode.READ, bytes([32, 7, 7, 1, 2, 2, 6, 32, 3, 6])))
    assert [(group, variation) for group, variation, *_ in objects([answer])] == [(32, 7), (2, 2), (32, 3)]


def test_more_floating_point_events_than_a_fragment_holds_come_in_several() -> None:
    here = rig("smart_meter", unsolicited=False, event_buffer=1_000)
    master = Master(here.station)
    master.ask(FunctionCode.READ, STATES)
    for number in range(700):
        here.refresh(UNIX_S + number, frequency_hz=49.0 + number % 2)
    for variation, confirm in ((5, False), (7, False), (8, True)):
        answers = master.ask(FunctionCode.READ, bytes([32, variation, 6]), confirm=confirm)
        assert max(4 + len(answer.body) for answer in answers) <= 2_048
    events = [octets for *_, octets in objects(answers)]
    assert [struct.unpack("<d", octets[1:9])[0] for octets in events] == [49.0 + number % 2 for number in range(700)]


@pytest.mark.parametrize("kind", registry.DEVICES)
@pytest.mark.parametrize(("group", "variation", "layout"), [(30, 5, "<f"), (30, 6, "<d"), (40, 3, "<f"), (40, 4, "<d")])
def test_static_analog_values_are_read_as_floating_point_in_their_own_unit(
    kind: str, group: int, variation: int, layout: str
) -> None:
    here, master = quiet(kind)
    points = here.plan.of(PointType.ANALOG_INPUT if group == 30 else PointType.ANALOG_OUTPUT)
    found = {
        index: octets for *_, index, octets in objects(master.ask(FunctionCode.READ, bytes([group, variation, 6])))
    }
    assert found.keys() == {point.index for point in points}
    for point in points:
        value = float(point.source.of(here.columns)[0]) if point.fixed is None else point.fixed
        (shown,) = struct.unpack(layout, found[point.index][1:])
        assert shown == pytest.approx(round(value) * point.scale, rel=1e-6), point


def test_an_analog_output_is_read_by_its_index_as_floating_point() -> None:
    here, master = quiet("battery")
    limit = point_of(here, "active_power_limit_frac", PointType.ANALOG_OUTPUT)
    body = bytes([40, 3, 1]) + struct.pack("<HH", limit.index, limit.index)
    ((*_, octets),) = objects(master.ask(FunctionCode.READ, body))
    assert struct.unpack("<f", octets[1:])[0] == pytest.approx(here.columns["active_power_limit_frac"][0], abs=0.0005)
