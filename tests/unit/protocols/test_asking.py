"""What a poller is counted to send and hear over IEC 104, IEC 101 and DNP3, against octets of the stations here."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from iec101_bench import Poller, line
from iec104_bench import ACT, Bench, spec_of, unit
from iec104_bench import Master as Iec104Master

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.maps import iec104
from pilotfarm.emulators.plans.iec104 import GROUP_MIRRORS, GROUP_STATES
from pilotfarm.emulators.protocols.iec104.asking import WINDOW
from pilotfarm.emulators.protocols.iec60870.asdu import Type
from pilotfarm.emulators.quantities import Role

MEASURED = ("active_power_w", "voltage_l1_v", "voltage_l2_v", "frequency_hz")
SETPOINTS = ("active_power_setpoint_w", "reactive_power_setpoint_var")
TOTALS = ("energy_imported_wh", "energy_exported_wh")
STATES = ("general_alarm", "running")


def asking(protocol: str) -> Asking:
    found = registry.protocol(protocol).asking
    assert found is not None
    return found


def bulk(protocol: str, devices: Sequence[tuple[Sequence[PointRow], int]]) -> Sequence[Request]:
    found = asking(protocol).bulk
    assert found is not None
    return found(devices)


def rows(names: Sequence[str]) -> Sequence[PointRow]:
    return [row for row in iec104.points(spec_of(names), {}) if row.quantity in names]


# ------------------------------------------------------------------------------------------- IEC 104


def test_measured_values_come_of_themselves_and_are_acknowledged() -> None:
    """An I frame has 6 octets before a data unit, that 6 before its objects, and a measured value 8 with its address
    (IEC 60870-5-104, 5; -101, 7.2 and 7.3.1.13)."""
    assert asking("iec104").requests(rows(MEASURED)) == [Request(6, 6 + 6 + 8 * 4)]
    assert asking("iec104").requests(rows((*MEASURED, *STATES))) == asking("iec104").requests(rows(MEASURED))


@pytest.mark.parametrize("names", [SETPOINTS, (*SETPOINTS, "active_power_limit_frac")])
def test_a_group_is_interrogated_as_a_station_answers_it(names: Sequence[str]) -> None:
    bench = Bench(1, spec_of(names))
    master = Iec104Master(bench)
    element = bytes([20 + GROUP_MIRRORS])
    asked = master.i_frame(unit(Type.INTERROGATION, ACT, 1, 0, element))
    master.feed(asked)
    assert asking("iec104").requests(rows(names)) == [Request(len(asked), sum(map(len, master.frames)))]


def test_counters_are_interrogated_as_a_station_answers_it() -> None:
    bench = Bench(2, spec_of(TOTALS))
    master = Iec104Master(bench)
    asked = master.i_frame(unit(Type.COUNTER_INTERROGATION, ACT, 0xFFFF, 0, b"\x01"))
    master.feed(asked)
    found = bulk("iec104", [(rows(TOTALS), 2)])
    assert found == [Request(len(asked), sum(map(len, master.frames)))]


def test_each_group_is_interrogated_for_itself() -> None:
    states = ("active_power_setpoint_enabled",)
    assert {row.group for row in rows((*SETPOINTS, *states)) if row.read_code} == {GROUP_STATES, GROUP_MIRRORS}
    alone = [*asking("iec104").requests(rows(states)), *asking("iec104").requests(rows(SETPOINTS))]
    assert asking("iec104").requests(rows((*SETPOINTS, *states))) == alone


def test_who_has_no_measured_values_is_tested() -> None:
    assert asking("iec104").requests(rows(STATES)) == [Request(6, 6)]
    assert asking("iec104").requests([]) == []


def test_of_many_devices_as_many_frames_come_as_may_be_unacknowledged() -> None:
    one = 6 + 6 + 8 * 4
    found = bulk("iec104", [(rows(MEASURED), 2 * WINDOW + 3)])
    assert found == [Request(6, WINDOW * one), Request(6, WINDOW * one), Request(6, 3 * one)]


def test_what_is_interrogated_of_many_devices_is_acknowledged_as_it_comes() -> None:
    """Of 7 devices each a confirmation and a termination of 16 octets, and 12 + 2 x 8 with set-points between them."""
    found = bulk("iec104", [(rows(SETPOINTS), 7)])
    assert found == [Request(16, 7 * 16 + 5 * 28), Request(6, 2 * 28 + 7 * 16)]


def test_a_quantity_is_counted_once() -> None:
    assert asking("iec104").requests([*rows(SETPOINTS), *rows(SETPOINTS)]) == asking("iec104").requests(rows(SETPOINTS))


def test_a_data_unit_has_30_measured_values_with_their_addresses() -> None:
    """30 x 8 + 6 = 246 of 249 octets."""
    names = tuple(q.name for q in registry.device("prosumer").quantities if q.role is Role.MEASUREMENT)[:61]
    spec = registry.device("prosumer")
    wanted = [row for row in iec104.points(spec, {}) if row.quantity in names]
    assert asking("iec104").requests(wanted) == [Request(6, 2 * (6 + 246) + 6 + 6 + 8)]


def test_a_set_point_is_as_long_as_its_confirmation() -> None:
    bench = Bench(1, spec_of(SETPOINTS))
    master = Iec104Master(bench)
    asked = master.i_frame(unit(Type.SETPOINT, ACT, 1, rows(SETPOINTS)[0].number, struct.pack("<fB", 1.0, 0)))
    assert asking("iec104").write == Request(len(asked), len(asked))


# ------------------------------------------------------------------------------------------- IEC 101


def test_class_2_is_polled_for_measured_values_frame_by_frame() -> None:
    """10 C A CS 16 asks; 68 L L 68 C A, 5 octets of identifier, 7 a value, CS 16 answer (6.2.4.2, FT1.2)."""
    assert asking("iec101").requests(rows(MEASURED)) == [Request(5, 8 + 5 + 7 * 4)]
    assert asking("iec101").requests(rows(STATES)) == [Request(5, 1)]
    assert bulk("iec101", [(rows(MEASURED), 3)]) == [Request(5, 8 + 5 + 7 * 4)] * 3


@pytest.mark.parametrize(
    ("names", "type_id", "qualifier"),
    [(SETPOINTS, Type.INTERROGATION, 20 + GROUP_MIRRORS), (TOTALS, Type.COUNTER_INTERROGATION, 1)],
)
def test_an_interrogation_is_polled_as_class_1_as_a_station_answers_it(
    names: Sequence[str], type_id: int, qualifier: int
) -> None:
    master = Poller(line(1, spec_of(names)), 1)
    while master.ask(1, 10) and master.poll(1, 10):
        pass
    master.poll(1, 10)
    data = master.unit(type_id, ACT, 1, 0, bytes([qualifier]))
    sent = master.framing.encode(0x53 | master.bits[1] ^ 0x20, 1, data)
    exchanges = []
    master.bits[1] ^= 0x20
    answer = master.octets(1, 0x53 | master.bits[1], data)
    exchanges.append(Request(len(sent), len(answer)))
    while True:
        master.bits[1] ^= 0x20
        answer = master.octets(1, 0x5A | master.bits[1])
        if len(answer) <= 5:
            break
        exchanges.append(Request(5, len(answer)))
    counted = asking("iec101").requests(rows(names))
    assert counted[1:] == exchanges[1:]
    assert counted[0].asked == exchanges[0].asked
    assert counted[0].answered == 1  # where nothing is demanded; with ACD, as here, a frame of 5


def test_a_set_point_is_sent_acknowledged_and_its_confirmation_polled() -> None:
    """A frame of 8 + 5 + 2 + 5 octets and E5; a request of 5, and the frame once more."""
    assert asking("iec101").write == Request(20 + 5, 1 + 20)


def test_who_is_asked_as_one() -> None:
    """IEC 104 by a connection, IEC 101 by a link address, DNP3 by an outstation, Modbus by a unit."""
    own, shared = (registry.protocol("iec101").options_model(link_address=each) for each in (None, 1))
    assert asking("iec104").as_one(None)
    assert asking("iec101").as_one(shared)
    assert not asking("iec101").as_one(own)
    assert not asking("dnp3").as_one(None)
    assert asking("modbus").bulk is None
