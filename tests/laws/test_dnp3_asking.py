"""What a poller is counted to send and hear over DNP3, against octets of the outstations here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from dnp3_bench import Master
from dnp3_rig import rig
from py1815.application import FunctionCode, build_confirm, build_request

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Request
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.protocols.dnp3.asking import ASKING, framed
from pilotfarm.emulators.quantities import Role, quantity

MEASURED = ("active_power_w", "voltage_l1_v", "voltage_l2_v", "frequency_hz")
STATES = ("general_alarm", "running")


def rows() -> Sequence[PointRow]:
    (found,) = registry.maps_for("dnp3", "battery")
    return [row for row in found.points(registry.device("battery"), {}) if row.quantity]


def answered(body: bytes) -> int:
    """Octets with which an outstation answers a read."""
    master = Master(rig("battery").station)
    master.settle()
    master.link.receive(master.request(FunctionCode.READ, body), 0.0)
    octets = 0
    while answer := master.link.take_output():
        octets += len(answer)
        master.link.receive(master.framed(build_confirm(sequence=master.sequence)), 0.0)
    return octets


def test_a_fragment_is_framed_as_py1815_frames_it() -> None:
    """A transport octet and 249 octets a frame, two of check after every 16, and a header of 10."""
    master = Master(rig("battery").station)
    for octets in (2, 4, 14, 15, 16, 30, 31, 248, 249, 250, 498, 499, 2_048):
        assert framed(octets) == len(master.framed(bytes(octets)))


@pytest.mark.parametrize(("group", "role"), [(20, Role.TOTAL), (40, Role.SETPOINT)])
def test_static_objects_are_read_as_an_outstation_answers(group: int, role: Role) -> None:
    body = bytes([group, 0, 6])
    points = [row for row in rows() if row.read_code == group]
    assert {quantity(row.quantity).role for row in points} == {role}
    asked = framed(len(build_request(FunctionCode.READ, sequence=1, body=body)))
    assert ASKING.requests(points) == [Request(asked, answered(body))]


def test_set_points_are_read_as_output_status_and_not_twice() -> None:
    points = [row for row in rows() if quantity(row.quantity).role is Role.SETPOINT]
    assert {row.read_code for row in points} == {1, 10, 30, 40}
    outputs = [row for row in points if row.read_code in (10, 40)]
    (found,) = ASKING.requests(points)
    assert found == ASKING.requests(outputs)[0]
    assert found.asked == framed(2 + 3 * 2)


def test_events_of_measured_values_are_read_and_confirmed() -> None:
    """60/2, 60/3, 60/4 in 11 octets; an event has an index of 2 octets, a flag, 32 bits and a time of 48."""
    points = [row for row in rows() if row.quantity in MEASURED]
    assert {row.quantity for row in points if row.read_code == 30} == set(MEASURED)
    states = [row for row in rows() if row.quantity in STATES]
    for each in (points, [*points, *states]):
        assert ASKING.requests(each) == [Request(framed(11) + framed(2), framed(4 + 5 + 4 * 13))]
    assert ASKING.requests(states) == [Request(framed(11), framed(4))]
    assert ASKING.requests([]) == []


def test_what_is_longer_than_a_fragment_is_confirmed_piece_by_piece() -> None:
    points = [row for row in rows() if row.quantity == "active_power_w"]
    assert ASKING.bulk is not None
    pieces = ASKING.bulk([(points, 400)])
    assert [each.answered for each in pieces] == [framed(2_048), framed(2_048), framed(4 + 5 + 400 * 13 - 2 * 2_044)]
    assert [each.asked for each in pieces] == [framed(11) + framed(2), framed(2), framed(2)]


def test_of_devices_in_one_outstation_static_objects_add_up() -> None:
    points = [row for row in rows() if row.read_code == 20]
    assert ASKING.bulk is not None
    (one,) = ASKING.requests(points)
    (three,) = ASKING.bulk([(points, 3)])
    assert three.asked == one.asked
    assert framed(4 + 25) == one.answered  # a range of four counters
    assert three.answered == framed(4 + 3 * 25)


def test_a_command_is_operated_at_once() -> None:
    """41/1 with a count and an index of two octets each: 14 octets, and two more of indications in its answer."""
    assert ASKING.write == Request(framed(2 + 5 + 2 + 5), framed(4 + 5 + 2 + 5))
