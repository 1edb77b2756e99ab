"""Stations that poll stations: delays add up, and what the lower one has lost the upper one has not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from iec104_bench import Master, float_element

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.asking import Order
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import ConfigError, NoAnswer
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.serving.images import Images, Place, Placed
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.stations.behind import Behind
from pilotfarm.emulators.stations.known import Known
from pilotfarm.emulators.stations.polled import Polled, read_at

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
groups:
  meters:
    kind: smart_meter
    count: 4
    endpoints: [{protocol: iec104, station: head}, {protocol: iec104, station: upper}, {protocol: iec104, station: rtu}]
  storages:
    kind: battery
    count: 2
    endpoints: [{protocol: iec104, station: head}, {protocol: iec104, station: upper}, {protocol: iec104, station: far}]
stations:
  head: {protocol: iec104, polling: {HEAD}}
  upper: {protocol: iec104, polling: {UPPER}}
  rtu: {protocol: iec104, polling: {RTU}}
  far: {protocol: iec104}
"""
HEAD = "{through: upper, scan_s: 3, slow_s: 6, counters_s: 6}"
UPPER = "{through: [rtu, far], medium: lte, scan_s: 4, slow_s: 8, counters_s: 8, timeout_s: 2}"
RTU = "{baud_rate: 115_200, scan_s: 2, slow_s: 4, counters_s: 10, timeout_s: 0.4}"
AT_ONCE = {
    "HEAD": "{through: upper, medium: none, scan_s: 10, slow_s: 10, counters_s: 10}",
    "UPPER": "{through: [rtu, far], medium: none, scan_s: 6, slow_s: 6, counters_s: 6}",
    "RTU": "{medium: none, scan_s: 4, slow_s: 4, counters_s: 4}",
}
NOW_S = 1_000.0
Made = Callable[..., SiteLayout]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def load(*changes: tuple[str, str], **polling: str) -> SiteLayout:
        text = SITE
        for name, said in {"HEAD": HEAD, "UPPER": UPPER, "RTU": RTU, **polling}.items():
            text = text.replace(f"{{{name}}}", said)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        return site.load(str(tmp_path / "site.yaml"))

    return load


def place(images: Images, station: str) -> Place:
    return next(each for each in images.places if each.layout.name == station)


def placed(images: Images, station: str, device: str) -> Placed:
    return next(each for each in place(images, station).placed if each.seat.device.id == device)


def known(images: Images, station: str, group: str) -> Polled:
    found = placed(images, station, f"{group}-001").image.known
    assert isinstance(found, Polled)
    return found


def marks(images: Images, station: str, group: str, quantity: str = "active_power_w") -> list[int]:
    found = known(images, station, group)
    return [int(each) for each in found.quality.get(quantity, np.zeros(found.columns[quantity].shape))]


def classes(layout: SiteLayout, station: str, group: str) -> tuple[tuple[str, ...], ...]:
    polling = next(each.polling for each in layout.stations if each.name == station)
    assert polling is not None
    return polling.names[group]


# --------------------------------------------------------------------------------------- what is known


@pytest.mark.parametrize("step_s", [1.0, 2.5])
def test_what_is_known_was_reported_when_it_was_read_however_far_below(made: Made, step_s: float) -> None:
    """And when that was is what the station below said of it when it was polled: age = age there and then + own."""
    layout = made()
    pilot = Pilot(layout)
    farm, images = pilot.farm, pilot.images
    farm.faults.add("noise", {"group": "meters", "quantity": "*"}, parameters={"std": 20.0})
    stations, group = ("rtu", "upper", "head"), farm.groups["meters"]

    def seen() -> tuple[float, dict[str, np.ndarray], dict[str, list[np.ndarray]]]:
        times = {name: [*known(images, name, "meters").read_times.values()] for name in stations}
        return farm.time_s, {**group.reported}, times

    said = [seen()]
    older = 0
    for _ in range(round(40.0 / step_s)):
        pilot.step(step_s)
        for below, name in zip((None, *stations), stations, strict=False):
            here = known(images, name, "meters")
            for number, names in enumerate(classes(layout, name, "meters")):
                times = here.read_times[read_at(number)]
                own_s = images.polling[name].scanner.known_s[number]
                for row in range(4):
                    _, then, _ = next(each for each in reversed(said) if each[0] <= times[row] + 1e-9)
                    assert all(here.columns[each][row] == then[each][row] for each in names if each != "online")
                    if below is None:
                        assert times[row] == own_s[row]
                        continue
                    *_, shown = next(each for each in reversed(said) if each[0] <= own_s[0] + 1e-9)
                    assert times[row] == shown[below][number][row]
                    older += times[row] < own_s[0]
        said.append(seen())
    assert older


def test_ages_add_up_by_hand(made: Made) -> None:
    """The RTU reads at 0, 4, 8, 12 ..., the upper station at 0, 6, 12, 18: there it sees 4, 8 and 16."""
    pilot = Pilot(made(**AT_ONCE))
    begun_s = pilot.farm.time_s
    ages = {}
    while pilot.farm.time_s < 30.0:
        pilot.step(1.0)
        read_s = known(pilot.images, "upper", "meters").read_times[read_at(0)]
        ages[pilot.farm.time_s] = pilot.farm.time_s - read_s[0]
    assert begun_s < 4.0
    assert [ages[at] for at in (7.0, 12.0, 13.0, 18.0, 19.0, 24.0, 25.0)] == [3.0, 8.0, 5.0, 10.0, 3.0, 8.0, 5.0]


def test_of_a_station_that_knows_at_once_the_delay_is_that_of_its_poll(made: Made) -> None:
    pilot = Pilot(made(**AT_ONCE))
    upper = known(pilot.images, "upper", "storages")
    assert isinstance(upper, Behind)
    assert isinstance(placed(pilot.images, "far", "storages-001").image.known, Known)
    pilot.step(6.0 - pilot.farm.time_s)
    pilot.farm.device("storages-001").submit({"active_power_setpoint_w": -1_000.0}, "rest", "", 0.0)
    pilot.step(1.0)
    assert upper.columns["active_power_setpoint_w"][0] == -1_000.0  # as it stood when it was read at 6 s
    assert upper.read_times[read_at(1)].tolist() == [6.0, 6.0]
    pilot.step(4.0)
    pilot.step(1.0)
    assert upper.read_times[read_at(1)].tolist() == [6.0, 6.0]


def test_stations_are_made_from_the_bottom_up_and_stay_in_their_order(made: Made) -> None:
    images = Pilot(made()).images
    assert [each.layout.name for each in images.places] == ["head", "upper", "rtu", "far"]
    assert [*images.polling] == ["rtu", "upper", "head"]


DNP3 = tuple((f"{{protocol: iec104, station: {name}}}", f"{{protocol: dnp3, station: {name}}}") for name in
             ("head", "upper", "rtu"))  # fmt: skip
"""An RTU in a control room and those of plants speak DNP3."""


def test_over_dnp3_each_device_is_an_outstation_that_is_asked_for_itself(made: Made) -> None:
    stations = [(f"{name}: {{protocol: iec104,", f"{name}: {{protocol: dnp3,") for name in ("head", "upper", "rtu")]
    away = ("    endpoints: [{protocol: dnp3, station: head}, {protocol: dnp3, station: upper}, "
            "{protocol: iec104, station: far}]", "    endpoints: [{protocol: iec104, station: far}]")  # fmt: skip
    pilot = Pilot(made(*DNP3, *stations, away, **{**AT_ONCE, "UPPER": "{through: rtu, medium: none, scan_s: 6, "
                                                  "slow_s: 6, counters_s: 6}"}))  # fmt: skip
    head, upper, *_ = (each.polling for each in pilot.layout.stations)
    assert head is not None
    assert upper is not None
    assert (head.protocol, upper.protocol, upper.places.tolist()) == ("dnp3", "dnp3", [0] * 4)
    assert np.bincount(upper.polls.scan_class).tolist() == [4, 4, 4]
    pilot.farm.faults.add("offline", {"device": "meters-002"})
    while pilot.farm.time_s < 21.0:
        pilot.step(1.0)
    for name in ("rtu", "upper", "head"):
        assert marks(pilot.images, name, "meters") == [0, Quality.NOT_TOPICAL, 0, 0]


# -------------------------------------------------------------------------------------------- quality


def test_what_the_lower_station_has_lost_is_not_topical_above_with_its_next_poll(made: Made) -> None:
    pilot = Pilot(made(**AT_ONCE))
    images = pilot.images
    pilot.step(7.0 - pilot.farm.time_s)
    pilot.farm.faults.add("offline", {"device": "meters-002"})
    found: dict[str, float] = {}
    while pilot.farm.time_s < 45.0:
        pilot.step(1.0)
        for name in ("rtu", "upper", "head"):
            if marks(images, name, "meters") == [0, Quality.NOT_TOPICAL, 0, 0]:
                found.setdefault(name, pilot.farm.time_s)
                assert known(images, name, "meters").columns["online"].tolist() == [1.0, 0.0, 1.0, 1.0]
            else:
                assert name not in found
                assert known(images, name, "meters").columns["online"].all()
    # Asked at 8 s, three tries of 1 s: 11 s. Others poll at 12, 18 ... and at 20, 30 ...
    assert found == {"rtu": 11.0, "upper": 13.0, "head": 21.0}
    assert "online" not in known(images, "head", "meters").quality
    assert images.polling["upper"].scanner.unanswered == 0


def test_what_the_lower_station_cannot_read_is_invalid_above(made: Made) -> None:
    pilot = Pilot(made(UPPER="{through: [rtu, far], medium: none}", RTU="{map: sdm630, medium: none}"))
    for _ in range(12):
        pilot.step(1.0)
    polling = next(each.polling for each in pilot.layout.stations if each.name == "rtu")
    assert polling is not None
    unread = next(name for name in polling.unread["meters"] if name != "online")
    for name in ("rtu", "upper", "head"):
        assert marks(pilot.images, name, "meters", unread) == [Quality.INVALID] * 4
        assert marks(pilot.images, name, "meters") == [0] * 4


def test_what_the_lower_station_does_not_serve_is_invalid_above(made: Made) -> None:
    """Its map for batteries is one of meters, without state of charge."""
    served = ("{protocol: iec104, station: far}", "{protocol: modbus, map: sdm630, station: far}")
    polls = ("far: {protocol: iec104}", "far: {protocol: modbus, polling: {medium: none}}")
    alone = ("{protocol: iec104, station: head}, {protocol: iec104, station: upper}, {protocol: iec104, station: rtu}",
             "{protocol: iec104, station: rtu}")  # fmt: skip
    pilot = Pilot(made(served, polls, alone, UPPER="{through: far, medium: none}"))
    pilot.step(1.0)
    for name in ("upper", "head"):
        assert marks(pilot.images, name, "storages", "soc_frac") == [Quality.INVALID] * 2
        assert marks(pilot.images, name, "storages") == [0, 0]
    assert marks(pilot.images, "far", "storages", "soc_frac") == [0, 0]


@pytest.mark.parametrize("fault", ["rtu-down", "offline"])
def test_a_station_that_is_off_its_network_takes_all_it_has_with_it(made: Made, fault: str) -> None:
    pilot = Pilot(made(**AT_ONCE))
    images = pilot.images
    pilot.step(5.0 - pilot.farm.time_s)
    down = pilot.farm.faults.add(fault, {"station": "rtu"})
    before = known(images, "upper", "meters").columns["voltage_l1_v"].copy()
    lost_s = None
    while pilot.farm.time_s < 20.0:
        pilot.step(1.0)
        if lost_s is None and any(marks(images, "upper", "meters")):
            lost_s = pilot.farm.time_s
    assert lost_s == 9.0  # asked at 6 s, three tries of 1 s
    assert marks(images, "upper", "meters") == [Quality.NOT_TOPICAL] * 4
    assert not known(images, "upper", "meters").columns["online"].any()
    assert known(images, "upper", "meters").columns["voltage_l1_v"].tolist() == before.tolist()
    assert marks(images, "upper", "storages") == [0, 0]
    pilot.step(1.0)
    assert marks(images, "head", "meters") == [Quality.NOT_TOPICAL] * 4
    assert images.polling["head"].scanner.answers.all()
    pilot.farm.faults.clear(down.id)
    while pilot.farm.time_s < 45.0:
        pilot.step(1.0)
    for name in ("upper", "head"):
        assert not any(marks(images, name, "meters"))
        assert known(images, name, "meters").columns["online"].all()


def test_a_fault_of_one_station_is_none_of_those_beside_and_below_it(made: Made) -> None:
    pilot = Pilot(made(**AT_ONCE))
    pilot.farm.faults.add("offline", {"station": "upper"})
    while pilot.farm.time_s < 25.0:
        pilot.step(1.0)
    images = pilot.images
    assert marks(images, "head", "meters") == [Quality.NOT_TOPICAL] * 4
    assert marks(images, "upper", "meters") == marks(images, "rtu", "meters") == [0] * 4
    assert images.polling["head"].scanner.unanswered > 0
    assert images.polling["upper"].scanner.unanswered == 0


# ------------------------------------------------------------------------------------------- commands


def ordered(pilot: Pilot, station: str, device: str) -> tuple[Master, list[Asdu]]:
    master = Master(place(pilot.images, station), NOW_S)  # type: ignore[arg-type]
    address = placed(pilot.images, station, device).seat.address
    return master, master.ask(Type.SETPOINT, Cause.ACTIVATION, address, 5_000, float_element(-1_000.0))


def heard(master: Master, now_s: float) -> list[tuple[int, bool]]:
    master.now_s = now_s
    master.pull()
    return [(each.cause, each.negative) for each in master.heard()]


def answered(master: Master) -> tuple[float, list[tuple[int, bool]]]:
    """Wait for an answer; how long that took, and what it was."""
    found: list[tuple[int, bool]] = []
    while not found:
        due_s = master.engine.deadline_s()
        assert due_s is not None
        assert heard(master, due_s - 1e-4) == []
        found = heard(master, due_s)
    return due_s - NOW_S, found


def test_commands_go_down_all_lines_and_delays_add_up(made: Made) -> None:
    """Of the same draws: each line's own, when nothing else is under way."""
    swap = (
        ("station: rtu}", "station: swap}"),
        ("station: far}", "station: rtu}"),
        ("station: swap}", "station: far}"),
    )
    took_s = []
    for name in ("rtu", "upper", "head"):
        pilot = Pilot(made(*swap))
        master, at_once = ordered(pilot, name, "storages-001")
        assert at_once == []
        assert pilot.farm.device("storages-001").value("active_power_setpoint_w") == 0.0
        after_s, found = answered(master)
        assert found == [(Cause.ACTIVATION_CON, False), (Cause.ACTIVATION_TERM, False)]
        assert pilot.farm.device("storages-001").value("active_power_setpoint_w") == -1_000.0
        took_s.append(after_s)
    rtu_s, upper_s, head_s = took_s
    assert 0.02 < rtu_s < 0.3
    assert upper_s > rtu_s + 2 * 0.005  # twice the least that LTE takes
    assert head_s > upper_s


def test_each_line_takes_its_own_time_by_hand(made: Made) -> None:
    """Where lines take no time, each device or station that does not answer is waited for three times a second."""
    pilot = Pilot(made(**AT_ONCE))
    pilot.farm.faults.add("offline", {"device": "meters-001"})
    pilot.step(1.0)
    downlink = placed(pilot.images, "head", "meters-001").seat.downlink
    assert downlink is not None
    carried = downlink.carry(Order({}, "iec104", ""), NOW_S)
    assert not carried.done(NOW_S - 0.1)
    assert carried.due_s == NOW_S
    assert not carried.done(NOW_S)  # it is at the RTU now, which waits for the device
    assert carried.due_s == NOW_S + 3.0
    assert not carried.done(NOW_S + 2.9)
    with pytest.raises(NoAnswer, match="meters-001 does not answer its station"):
        carried.done(NOW_S + 3.0)


def test_a_negative_answer_of_the_lower_station_comes_up(made: Made) -> None:
    """It is known at once at the lowest, which reports by itself what its devices do."""
    pilot = Pilot(made())
    pilot.farm.faults.add("offline", {"device": "storages-001"})
    pilot.step(1.0)
    assert not placed(pilot.images, "far", "storages-001").seat.reachable
    after_s, found = answered(ordered(pilot, "head", "storages-001")[0])
    assert found == [(Cause.ACTIVATION_CON, True)]
    assert 2 * 0.005 < after_s < 2.0


def test_what_is_on_its_way_comes_when_the_master_is_gone(made: Made) -> None:
    pilot = Pilot(made())
    master, _ = ordered(pilot, "head", "storages-001")
    master.engine.hang_up(NOW_S)
    assert pilot.farm.device("storages-001").value("active_power_setpoint_w") == -1_000.0


def test_a_command_to_a_station_that_is_off_its_network_is_given_up(made: Made) -> None:
    """Though that station has its devices still."""
    pilot = Pilot(made(**AT_ONCE))
    pilot.farm.faults.add("offline", {"station": "rtu"})
    pilot.step(1.0)
    downlink, below = (placed(pilot.images, name, "meters-001").seat.downlink for name in ("upper", "rtu"))
    assert downlink is not None
    assert below is not None
    assert below.carry(Order({}, "iec104", ""), NOW_S).done(NOW_S)
    carried = downlink.carry(Order({}, "iec104", ""), NOW_S)
    assert carried.due_s == NOW_S + 3.0
    with pytest.raises(NoAnswer, match="the station that meters-001 is behind does not answer"):
        carried.done(NOW_S + 3.0)


# ----------------------------------------------------------------------------------------- site files


@pytest.mark.parametrize(
    ("changes", "polling", "line", "where", "message"),
    [
        ([], {"RTU": "{through: head}"}, 14, "head.polling.through",
         "a station cannot poll itself: head through upper through rtu through head"),
        ([], {"RTU": "{through: rtu}"}, 16, "rtu.polling.through", "a station cannot poll itself: rtu through rtu"),
        ([], {"HEAD": "{through: uper}"}, 14, "through", "there is no station 'uper'; did you mean 'upper'?"),
        ([], {"UPPER": "{through: rtu, medium: lte, timeout_s: 2}"}, 12, "endpoints[1].station",
         "upper polls through rtu, where storages-001 is not"),
        ([], {"HEAD": "{through: upper, protocol: dnp3}"}, 14, "polling.protocol",
         "upper speaks iec104, and this would poll it over dnp3"),
        ([("far: {protocol: iec104}", "far: {protocol: modbus}"), ("iec104, station: far", "modbus, station: far")], {},
         15, "polling.through", "far speaks modbus, and this would poll it over iec104"),
        ([("far: {protocol: iec104}", "far: {protocol: modbus}"), ("iec104, station: far", "modbus, station: far")],
         {"UPPER": "{through: far}"}, 15, "polling.through",
         "far hands on what it is asked and knows nothing itself: it has to poll, too"),
        ([], {"HEAD": "{through: upper, map: iec104}"}, 14, "polling.map",
         "goes without through: a station is read as it serves its devices"),
        ([], {"HEAD": "{through: upper, medium: rs485}"}, 14, "polling.medium",
         "rs485 is a serial line, and iec104 goes over TCP alone"),
        ([], {"HEAD": "{through: [upper, upper]}"}, 14, "polling.through", "upper is there twice"),
        ([], {"HEAD": "{through: []}"}, 14, "polling.through", "must have at least 1 entries, not 0"),
        ([], {"HEAD": "{through: upper, time_stamps: device}"}, 14, "polling.time_stamps",
         "upper stamps events itself and does not pass on the times of its devices"),
    ],
)  # fmt: skip
def test_problems(
    made: Made, changes: list[tuple[str, str]], polling: dict[str, str], line: int, where: str, message: str
) -> None:
    with pytest.raises(ConfigError) as found:
        made(*changes, **polling)
    told = [f"{each.line} {each.where}: {each.message}" for each in found.value.problems]
    assert [p for p in found.value.problems if p.where.endswith(where) and message in p.message and p.line == line], (
        told
    )
    assert sum("cannot poll itself" in each for each in told) == message.startswith("a station cannot")


def test_a_scan_of_stations_that_does_not_fit_is_told_with_the_sum(made: Made) -> None:
    changes = [(f"{{protocol: iec104, station: {name}}}", f"{{protocol: iec101, station: {name}}}") for name in
               ("rtu", "far")]  # fmt: skip
    options = "options: {link_address: 1}"
    changes += [("rtu: {protocol: iec104,", f"rtu: {{protocol: iec101, {options},")]
    changes += [("far: {protocol: iec104}", f"far: {{protocol: iec101, {options}}}")]
    with pytest.raises(ConfigError) as found:
        made(*changes, UPPER="{through: [rtu, far], medium: rs485}")
    (problem,) = found.value.problems
    assert (problem.line, problem.where) == (15, "stations.upper.polling.scan_s")
    assert problem.message.startswith("a scan of 2 stations on a bus takes 2 x ")
    fits = "{through: [rtu, far], medium: rs485, scan_s: 60, slow_s: 60}"
    layout = made(*changes, UPPER=fits).stations[1].polling
    assert layout is not None
    assert (layout.protocol, layout.bus.tolist(), layout.places.tolist()) == ("iec101", [0, 0], [0, 0, 0, 0, 1, 1])
    assert made(*changes, UPPER=fits.replace("{", "{devices_per_bus: 1, ")).stations[1].polling.bus.tolist() == [0, 1]  # type: ignore[union-attr]


def test_a_scan_of_one_station_that_does_not_fit_is_told(made: Made) -> None:
    with pytest.raises(ConfigError) as found:
        made(HEAD="{through: upper, medium: gprs, scan_s: 1, timeout_s: 9}")
    (problem,) = found.value.problems
    assert (problem.line, problem.where) == (14, "stations.head.polling.scan_s")
    assert problem.message.startswith("a scan of a station takes ")
    assert problem.message.endswith(" s and is due every 1 s; have a longer scan_s")


def test_stations_that_poll_the_same_ones_draw_for_themselves(made: Made) -> None:
    head, upper, *_ = (each.polling for each in made(HEAD=UPPER).stations)
    assert head is not None
    assert upper is not None
    assert len({*head.keys.tolist(), *upper.keys.tolist()}) == 4


def test_one_poll_reads_all_devices_of_a_station(made: Made) -> None:
    """Over IEC 104: one exchange for measured values, as 4 x 2 and 2 x 2 frames may be under way at once."""
    polling = made().stations[1].polling
    assert polling is not None
    fast = polling.polls.scan_class == 0
    assert polling.polls.device[fast].tolist() == [0, 1]
    alone = made(("count: 4", "count: 1")).stations[1].polling
    assert alone is not None
    assert polling.answered[fast][0] == 4 * alone.answered[alone.polls.scan_class == 0][0]
    assert len(polling.keys) == 2
    assert len(set(polling.keys.tolist())) == 2


# ----------------------------------------------------------------------------------- events and lists


def sequence(pilot: Pilot, station: str) -> list[tuple[float, str, str, float]]:
    """When each event was stamped, in site time, and what it was."""
    began_s = pilot.farm.unix_s - pilot.farm.time_s
    found = pilot.images.sequences[station].events
    return [(round(each.stamped_s - began_s, 6), each.device, each.quantity, each.value) for each in found]


@pytest.mark.parametrize(
    ("stamps", "lost_s", "tripped_s"), [("station", (11.0, 13.0), (17.0, 19.0)), ("device", (11.0, 13.0), (16.0, 16.0))]
)
def test_events_come_up_with_the_polls_and_with_the_devices_time_if_it_is_passed_on(
    made: Made, stamps: str, lost_s: tuple[float, float], tripped_s: tuple[float, float]
) -> None:
    """Read at 8 s, 12 s, 16 s, and at 12 s and 18 s above. That a device is silent is found out by stations."""
    said = {name: text.replace("{", f"{{time_stamps: {stamps}, ") for name, text in AT_ONCE.items()}
    pilot = Pilot(made(**said))
    pilot.step(7.0 - pilot.farm.time_s)
    pilot.farm.faults.add("offline", {"device": "meters-002"})
    while pilot.farm.time_s < 20.0:
        if pilot.farm.time_s == 13.0:
            pilot.farm.faults.add(
                "stuck", {"device": "meters-003", "quantity": "fault_trip"}, parameters={"value": 1.0}
            )
        pilot.step(1.0)
    for number, name in enumerate(("rtu", "upper")):
        assert sequence(pilot, name) == [
            (lost_s[number], "meters-002", "online", 0.0),
            (tripped_s[number], "meters-003", "fault_trip", 1.0),
        ]


def test_that_a_device_is_lost_has_the_time_of_who_tells_it(made: Made) -> None:
    """Above, what was read at 4 s is told as old with the step that ends at 13 s, whoever stamps events."""
    said = {name: text.replace("{", "{time_stamps: device, ") for name, text in AT_ONCE.items()}
    pilot = Pilot(made(**said))
    upper = known(pilot.images, "upper", "meters")
    while pilot.farm.time_s < 7.0:
        pilot.step(1.0)
    assert upper.read_s(1, ("active_power_w",)) == 4.0
    pilot.farm.faults.add("offline", {"device": "meters-002"})
    while pilot.farm.time_s < 13.0:
        pilot.step(1.0)
    assert upper.read_s(1, ("active_power_w",)) is None
    assert upper.read_s(0, ("active_power_w",)) == 8.0


def down_between(pilot: Pilot, from_s: float, until_s: float) -> None:
    while pilot.farm.time_s < from_s:
        pilot.step(1.0)
    down = pilot.farm.faults.add("rtu-down", {"station": "rtu"})
    while pilot.farm.time_s < until_s:
        pilot.step(1.0)
    pilot.farm.faults.clear(down.id)


def test_a_lower_station_that_goes_and_comes_is_two_events_of_each_device_above(made: Made) -> None:
    """Missed at 6 s, found out at 9 s; of three classes of scans each takes 3 s, so the next is at 18 s."""
    pilot = Pilot(made(**AT_ONCE))
    down_between(pilot, 5.0, 10.0)
    while pilot.farm.time_s < 20.0:
        pilot.step(1.0)
    meters = [f"meters-00{row}" for row in range(1, 5)]
    online = [(at_s, name, "online", value) for at_s, value in ((9.0, 0.0), (19.0, 1.0)) for name in meters]
    assert sequence(pilot, "upper") == online
    assert not any(marks(pilot.images, "upper", "meters"))


def test_what_a_lower_station_does_not_know_yet_is_invalid_above_and_no_event(made: Made) -> None:
    """It is back with nothing when it is asked at 18 s, and reads its devices at 20 s."""
    pilot = Pilot(made(**AT_ONCE))
    down_between(pilot, 13.0, 17.0)
    pilot.step(1.0)
    pilot.step(1.0)
    assert marks(pilot.images, "upper", "meters") == [Quality.INVALID] * 4
    assert not known(pilot.images, "upper", "meters").columns["online"].any()
    while pilot.farm.time_s < 26.0:
        pilot.step(1.0)
    assert marks(pilot.images, "upper", "meters") == [0] * 4
    assert known(pilot.images, "upper", "meters").columns["online"].all()
    assert sequence(pilot, "upper") == []


LIST = (
    "far: {protocol: iec104}",
    "far: {protocol: iec104, points: [{devices: 'storages-*', quantity: [active_power_w, online], address: 100}]}",
)


def test_of_a_station_with_a_list_of_its_own_what_it_lists_is_known(made: Made) -> None:
    layout = made(LIST, **AT_ONCE)
    polling = layout.stations[1].polling
    assert polling is not None
    assert polling.names["storages"] == (("online", "active_power_w"), (), ())
    assert polling.answered[polling.polls.device == 1].tolist() == [2 * (6 + 6 + 8)]
    pilot = Pilot(layout)
    while pilot.farm.time_s < 8.0:
        pilot.step(1.0)
    assert marks(pilot.images, "upper", "storages") == [0, 0]
    assert marks(pilot.images, "upper", "storages", "soc_frac") == [Quality.INVALID] * 2
    assert known(pilot.images, "upper", "storages").columns["online"].all()


def test_a_device_that_the_list_below_leaves_out_is_told(made: Made) -> None:
    with pytest.raises(ConfigError) as found:
        made((LIST[0], LIST[1].replace("storages-*", "storages-001")))
    (problem,) = found.value.problems
    assert (problem.line, problem.where) == (12, "groups.storages.endpoints[1].station")
    assert problem.message == "upper polls through rtu or far, where storages-002 is not"


def test_the_site_on_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "stations.md").read_text(encoding="utf-8")
    example = page.split("## Stations behind stations")[1].split("```yaml\n")[1].split("```")[0]
    (tmp_path / "site.yaml").write_text(SITE.split("groups:")[0] + example, encoding="utf-8")
    room, *_ = site.load(str(tmp_path / "site.yaml")).stations
    assert room.polling is not None
    assert (room.name, room.polling.through) == ("control-room", ("north", "south"))
