"""What a station knows that polls its devices: never more than their last answers said."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from iec104_bench import Master, float_element

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.asking import Order
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.protocols.iec60870.control import UNDER_WAY_MAX
from pilotfarm.emulators.serving.column_polling import scanner
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.stations.exchanges import NoWay, way
from pilotfarm.emulators.stations.hindered import Hindrances
from pilotfarm.emulators.stations.polled import Polled, Polling
from pilotfarm.emulators.stations.scanning import News, Polls, Scanner
from pilotfarm.profiles.draws import keys_of

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
groups:
  meters:
    kind: smart_meter
    count: 6
    endpoints: [{protocol: iec104, station: rtu}]
  storages:
    kind: battery
    count: 3
    endpoints: [{protocol: iec104, station: rtu}]
stations:
  rtu:
    protocol: iec104
    polling: {POLLING}
"""
SLOW = "{baud_rate: 19_200, scan_s: 6, slow_s: 12, counters_s: 30, timeout_s: 0.4, devices_per_bus: 5}"
MESH = "{medium: radio_mesh, map: sdm630, scan_s: 20, slow_s: 20, counters_s: 40, timeout_s: 5, devices_per_bus: 3}"
SWIFT = "{medium: none}"
LINE_101 = "{protocol: iec101, scan_s: 12, slow_s: 12, counters_s: 24, devices_per_bus: 5}"
OVER_104 = "{protocol: iec104, medium: lte, scan_s: 2, slow_s: 4, counters_s: 6, timeout_s: 2}"
LINE_DNP3 = "{protocol: dnp3, baud_rate: 38_400, scan_s: 6, slow_s: 12, counters_s: 12}"
NOW_S = 1_000.0
NOTHING = Order({}, "iec104", "peer")
Made = Callable[..., SiteLayout]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def load(polling: str = SLOW, *changes: tuple[str, str]) -> SiteLayout:
        text = SITE.replace("{POLLING}", polling)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        return site.load(str(tmp_path / "site.yaml"))

    return load


def ordered(master: Master, seat: Seat) -> list[Asdu]:
    """Have a storage charge with 1 kW; what comes back at once."""
    return master.ask(Type.SETPOINT, Cause.ACTIVATION, seat.address, 5_000, float_element(-1_000.0))


def heard(master: Master, now_s: float) -> list[Asdu]:
    """What has come by then."""
    master.now_s = now_s
    master.pull()
    return master.heard()


def known(images: Images, group: str) -> Polled:
    found = next(image.known for viewpoint, image in images if viewpoint[0] == group and viewpoint[2] < 0)
    assert isinstance(found, Polled)
    return found


@pytest.mark.parametrize(
    ("polling", "step_s"),
    [(SLOW, 0.5), (SLOW, 4.0), (MESH, 1.0), (SWIFT, 1.0), (LINE_101, 1.0), (OVER_104, 1.0), (LINE_DNP3, 1.0)],
)
def test_what_is_known_is_what_was_reported_when_it_was_read(made: Made, polling: str, step_s: float) -> None:
    layout = made(polling)
    pilot = Pilot(layout)
    farm, here = pilot.farm, pilot.images.polling["rtu"]
    farm.faults.add("noise", {"group": "meters", "quantity": "*"}, parameters={"std": 20.0})
    said = [(farm.time_s, {group.name: (group.reported, group.quality) for group in farm.groups.values()})]
    moved = 0
    for _ in range(round(60.0 / step_s)):
        pilot.step(step_s)
        for name, group in farm.groups.items():
            polled, places = (
                known(pilot.images, name),
                [k for k, s in enumerate(layout.stations[0].seats) if s.group == name],
            )
            for number, names in enumerate(layout.stations[0].polling.names[name]):  # type: ignore[union-attr]
                for row, place in enumerate(places):
                    read_s = here.scanner.known_s[number, place]
                    then = next(at for time_s, at in reversed(said) if time_s <= read_s + 1e-9)
                    for quantity in (each for each in names if each != "online"):
                        assert polled.columns[quantity][row] == then[name][0][quantity][row]
                        moved += polled.columns[quantity][row] != group.reported[quantity][row]
        said.append((farm.time_s, {group.name: (group.reported, group.quality) for group in farm.groups.values()}))
    assert moved


@pytest.mark.parametrize("seed", range(6))
def test_what_is_known_of_each_row_is_of_the_step_that_it_was_read_in(seed: int) -> None:
    """Against each row by itself, with answers on their way for as long as they like."""
    draw, n, steps = np.random.default_rng(seed), 5, 60
    names = [["active_power_w", "voltage_l1_v", "frequency_hz"], ["energy_imported_wh"]]
    every = [name for each in names for name in each]
    asked = Polls(*(np.repeat(np.arange(n), 1), np.zeros(n, np.intp), np.arange(n), np.ones(n, np.intp)))
    scans = Scanner(asked, keys_of(1, list("abcde")), NoWay(n), classes=2, scan_s=1.0, timeout_s=1.0, retries=0)
    polling = Polling(scans, Hindrances(0.0))
    still = np.arange(float(n))

    def said(step: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """A value that says when and of whom it is; one that never moves; a quality now and then."""
        moving = {name: step + np.arange(n) / 10.0 for name in every if name != "frequency_hz"}
        marks = np.where(draw.random(n) < 0.3, step % 200 + 1, 0).astype(np.uint8)
        return {**moving, "frequency_hz": still, "online": np.ones(n)}, {"active_power_w": marks} if marks.any() else {}

    history = [said(0)]
    polled = Polled(polling, np.arange(n), names, [], *history[0])
    known, flight = np.zeros((2, n), dtype=int), np.full((2, n), -1)
    for step in range(1, steps):
        news = []
        for of_class in range(2):
            landed = (flight[of_class] >= 0) & (draw.random(n) < 0.4)
            known[of_class, landed], flight[of_class, landed] = flight[of_class, landed], -1
            fresh = (flight[of_class] < 0) & (draw.random(n) < draw.choice([0.0, 0.5, 1.0]))
            known[of_class, fresh] = step - 1
            leaving = (flight[of_class] < 0) & (draw.random(n) < 0.4)
            flight[of_class, leaving] = step - 1
            news.append(News(fresh, landed, leaving))
        polling.news = news
        history.append(said(step))
        polled.update(*history[-1])
        for of_class, members in enumerate(names):
            for name, row in product(members, range(n)):
                columns, marks = history[known[of_class, row]]
                assert polled.columns[name][row] == columns[name][row]
                assert polled.said.get(name, np.zeros(n))[row] == marks.get(name, np.zeros(n))[row]
        assert polled.columns["frequency_hz"] is still


def test_a_device_that_does_not_answer_is_not_topical_and_keeps_its_values(made: Made) -> None:
    pilot = Pilot(made())
    pilot.step(1.0)
    fault = pilot.farm.faults.add("offline", {"device": "meters-002"})
    before = known(pilot.images, "meters").columns["energy_imported_wh"][1]
    pilot.step(1.0)
    polled = known(pilot.images, "meters")
    assert not polled.quality  # nobody has found out yet
    for _ in range(40):
        pilot.step(1.0)
    marks = polled.quality["active_power_w"]
    assert marks.tolist() == [0, Quality.NOT_TOPICAL, 0, 0, 0, 0]
    assert polled.columns["online"].tolist() == [1, 0, 1, 1, 1, 1]
    assert "online" not in polled.quality
    assert polled.columns["energy_imported_wh"][1] == before
    assert not known(pilot.images, "storages").quality
    pilot.farm.faults.clear(fault.id)
    for _ in range(8):
        pilot.step(1.0)
    assert polled.columns["online"].all()
    assert not any(marks.any() for name, marks in polled.quality.items() if name == "active_power_w")
    assert pilot.images.polling["rtu"].scanner.unanswered > 1


def test_a_set_point_is_known_when_it_is_read(made: Made) -> None:
    pilot = Pilot(made("{medium: none, scan_s: 5, slow_s: 10, counters_s: 5}"))
    storage = pilot.farm.device("storages-001")
    storage.submit({"active_power_setpoint_w": -1_000.0}, "rest", "", 0.0)
    assert pilot.farm.groups["storages"].reported["active_power_setpoint_w"][0] == -1_000.0
    heard = []
    for _ in range(12):
        pilot.step(1.0)
        heard.append(known(pilot.images, "storages").columns["active_power_setpoint_w"][0])
    assert np.flatnonzero(np.array(heard) == -1_000.0)[0] + 2.0 == 11.0  # the step that ends after the scan at 10 s


def test_what_was_accepted_before_a_scan_is_read_by_it(made: Made) -> None:
    pilot = Pilot(made("{medium: none, scan_s: 5, slow_s: 5, counters_s: 5}"))
    pilot.step(4.0)
    pilot.farm.device("storages-001").submit({"active_power_setpoint_w": -1_000.0}, "rest", "", 0.0)
    pilot.step(1.0)
    assert known(pilot.images, "storages").columns["active_power_setpoint_w"][0] == -1_000.0


def test_what_is_good_again_has_no_quality_once_it_is_read(made: Made) -> None:
    pilot = Pilot(made("{medium: none}"))
    fault = pilot.farm.faults.add("quality", {"device": "meters-002", "quantity": "active_power_w"})
    pilot.step(1.0)
    pilot.step(1.0)
    assert known(pilot.images, "meters").quality.keys() == {"active_power_w"}
    pilot.farm.faults.clear(fault.id)
    pilot.step(1.0)
    pilot.step(1.0)
    assert not known(pilot.images, "meters").quality


def test_what_a_map_does_not_have_nobody_knows(made: Made) -> None:
    pilot = Pilot(made(SLOW.replace("{", "{map: sdm630, ", 1)))
    pilot.step(1.0)
    polled = known(pilot.images, "storages")
    assert polled.quality["soc_frac"].tolist() == [Quality.INVALID] * 3
    assert "active_power_w" not in polled.quality
    assert "rated_power_w" not in polled.quality


def test_a_modem_may_sleep_before_the_first_request_of_a_scan_and_not_between_it_and_the_next(made: Made) -> None:
    """GPRS: 0.2 to 0.4 s after 2 s, 0.5 to 2 s after 44 s."""

    def takes_s(scan_s: int, number: int) -> float:
        polling = made(f"{{medium: gprs, scan_s: {scan_s}, slow_s: 400, counters_s: 400}}").stations[0].polling
        assert polling is not None
        awake = way("gprs", None, polling.keys[polling.polls.device], polling.asked, polling.answered)
        return float((scanner(polling, 0.0, Hindrances(0.0))._way.nominal_s - awake.nominal_s)[number])

    assert takes_s(20, 0) == pytest.approx(0.3)
    assert takes_s(100, 0) == pytest.approx(1.25)
    assert takes_s(100, 1) == takes_s(100, 6) == 0.0


def test_without_media_polls_take_no_time(made: Made) -> None:
    for layout, medium in ((made(), "rs485"), (made(SLOW, ("start:", "media: false\nstart:")), "none")):
        polling = layout.stations[0].polling
        assert polling is not None
        assert polling.medium == medium


def test_a_command_goes_down_the_line_and_is_confirmed_when_the_device_has_answered(made: Made) -> None:
    pilot = Pilot(made())
    (place,) = pilot.images.places
    seat = next(each.seat for each in place.placed if each.seat.device.id == "storages-001")
    master = Master(place, NOW_S)  # type: ignore[arg-type]
    assert ordered(master, seat) == []
    assert seat.device.value("active_power_setpoint_w") == 0.0
    due_s = master.engine.deadline_s()
    assert due_s is not None
    # 13 octets there, 8 back, two silences and a turn-around of 10 to 50 ms, and perhaps an exchange before it.
    assert NOW_S + 0.02 < due_s < NOW_S + 0.3
    assert heard(master, due_s - 0.001) == []
    confirmed, ended = heard(master, due_s)
    assert [(each.cause, each.negative) for each in (confirmed, ended)] == [(7, False), (10, False)]
    assert seat.device.value("active_power_setpoint_w") == -1_000.0

    pilot.farm.faults.add("offline", {"device": "storages-001"})
    pilot.step(1.0)
    assert ordered(master, seat) == []
    assert heard(master, due_s + 1.19) == []  # three tries of 0.4 s
    (refused,) = heard(master, due_s + 1.5)
    assert (refused.cause, refused.negative) == (7, True)


def test_a_command_that_is_on_its_way_comes_when_the_master_is_gone(made: Made) -> None:
    pilot = Pilot(made())
    (place,) = pilot.images.places
    seat = next(each.seat for each in place.placed if each.seat.device.id == "storages-001")
    master = Master(place, NOW_S)  # type: ignore[arg-type]
    ordered(master, seat)
    assert seat.device.value("active_power_setpoint_w") == 0.0
    master.engine.hang_up(NOW_S)
    assert seat.device.value("active_power_setpoint_w") == -1_000.0


def test_so_many_commands_may_be_on_their_way(made: Made) -> None:
    pilot = Pilot(made())
    (place,) = pilot.images.places
    seat = next(each.seat for each in place.placed if each.seat.device.id == "storages-001")
    master = Master(place, NOW_S)  # type: ignore[arg-type]
    for _ in range(UNDER_WAY_MAX):
        assert ordered(master, seat) == []
    (refused,) = ordered(master, seat)
    assert (refused.cause, refused.negative) == (7, True)


def test_commands_wait_for_the_exchange_that_is_under_way(made: Made) -> None:
    """Between none of one and all of one."""
    pilot = Pilot(made())
    downlink = pilot.images.places[0].placed[0].seat.downlink
    assert downlink is not None
    took_s = np.array([downlink.carry(NOTHING, NOW_S + 10.0 * k).due_s - NOW_S - 10.0 * k for k in range(60)])
    assert took_s.max() - took_s.min() > 0.08
    assert len(set(took_s.round(6).tolist())) == 60


def test_commands_of_a_bus_wait_for_each_other_and_those_of_others_do_not(made: Made) -> None:
    pilot = Pilot(made())
    (place,) = pilot.images.places
    near, same, other = (place.placed[k].seat.downlink for k in (0, 1, 8))
    assert near is not None
    assert same is not None
    assert other is not None
    first, second = near.carry(NOTHING, NOW_S), same.carry(NOTHING, NOW_S)
    assert second.due_s >= first.due_s + 0.02
    assert other.carry(NOTHING, NOW_S).due_s < NOW_S + 0.3
    assert near.carry(NOTHING, NOW_S + 60.0).due_s > NOW_S + 60.0


@pytest.mark.parametrize(
    ("polling", "where", "message"),
    [
        ("{medium: rs458}", "medium", "there is no medium 'rs458'; did you mean 'rs485'?"),
        ("{medium: zigbee, scan_s: 60, counters_s: 60, slow_s: 60, baud_rate: 9600}", "baud_rate", "is no serial line"),
        ("{scan_s: 4, slow_s: 10, medium: none}", "slow_s", "slow_s must be a multiple of scan_s, 4 s"),
        ("{scan_s: 7, slow_s: 7, medium: none}", "polling", "counters_s must be a multiple of scan_s, 7 s"),
        (
            "{protocol: dpn3}",
            "protocol",
            "no station polls over 'dpn3'; what it can is modbus, iec104, iec101 or dnp3",
        ),
        ("{protocol: iec104, medium: rs485}", "medium", "rs485 is a serial line, and iec104 goes over TCP alone"),
        ("{protocol: iec104, map: sdm630}", "map", "no map sdm630 serves a smart_meter over iec104"),
        ("{map: charx}", "map", "no map charx serves a smart_meter over modbus"),
        ("{retries: 11}", "retries", "must be at most 10, not 11"),
        ("{timeout_s: 0}", "timeout_s", "must be above 0, not 0"),
        ("{scan_s: .nan}", "scan_s", "must be a finite number"),
    ],
)
def test_problems(made: Made, polling: str, where: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        made(polling)
    assert [each for each in found.value.problems if each.where.endswith(where) and message in each.message], [
        f"{each.line} {each.where}: {each.message}" for each in found.value.problems
    ]
    assert all(each.line == 16 for each in found.value.problems)


def test_a_scan_that_does_not_fit_its_bus_is_told_with_the_sum(made: Made) -> None:
    with pytest.raises(ConfigError) as found:
        made("{baud_rate: 9600}")
    (problem,) = found.value.problems
    assert problem.line == 16
    assert problem.message.startswith("a scan of 9 devices on a bus takes 9 x ")
    assert "is due every 1 s; have fewer on a bus, a higher baud_rate, or a longer scan_s" in problem.message
    takes_s = float(problem.message.split("= ")[1].split()[0])
    fits, does_not = (
        f"{{baud_rate: 9600, scan_s: {scan_s}, slow_s: {10 * scan_s}, counters_s: {60 * scan_s}}}"
        for scan_s in (1.01 * takes_s, 0.97 * takes_s)
    )
    made(fits)
    with pytest.raises(ConfigError, match="is due every"):
        made(does_not)
    with pytest.raises(ConfigError) as found:
        made("{baud_rate: 9600, devices_per_bus: 4}")
    assert found.value.problems[0].message.startswith("a scan of 4 devices on a bus takes 4 x ")
    with pytest.raises(
        ConfigError, match=r"a scan of a device takes [\d.]+ s and is due every 1 s; have a longer scan_s$"
    ):
        made("{medium: gprs}")


def test_an_answer_that_takes_longer_than_it_is_waited_for_is_told(made: Made) -> None:
    """A frame of 32 measured values has 8 + 5 + 32 x 7 octets, its request 5. Of 11 bits each, with silences of 3.5
    characters, 1 ms of access each and a turn-around of 30 ms on average, they take 0.317 s at 9,600 bit/s."""
    takes_s = (237 + 5 + 2 * 3.5) * 11 / 9_600 + 2 * 0.001 + 0.03
    line = "{protocol: iec101, scan_s: 60, slow_s: 60, timeout_s: TIMEOUT}"
    made(line.replace("TIMEOUT", f"{1.0001 * takes_s}"))
    with pytest.raises(ConfigError) as found:
        made(line.replace("TIMEOUT", "0.317"))
    (problem,) = found.value.problems
    assert (problem.line, problem.where) == (16, "stations.rtu.polling.timeout_s")
    assert problem.message == (
        "an answer of 237 octets takes 0.317 s and is waited for 0.317 s; have a longer timeout_s, or a faster medium "
        "or line"
    )


def test_what_is_over_tcp_alone_is_over_ethernet_where_no_medium_is_said(made: Made) -> None:
    for protocol, medium in (("iec104", "ethernet"), ("iec101", "rs485"), ("dnp3", "rs485"), ("modbus", "rs485")):
        polling = made(f"{{protocol: {protocol}, scan_s: 30, slow_s: 30, timeout_s: 3}}").stations[0].polling
        assert polling is not None
        assert (polling.protocol, polling.medium) == (protocol, medium)


def test_the_site_on_the_page_is_checked_as_the_page_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "stations.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "site.yaml").write_text(SITE.split("groups:")[0] + example, encoding="utf-8")
    site.load(str(tmp_path / "site.yaml"))
    (tmp_path / "site.yaml").write_text(SITE.split("groups:")[0] + example.replace("19_200", "9600"), encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        site.load(str(tmp_path / "site.yaml"))
    assert found.value.problems[0].message in page
