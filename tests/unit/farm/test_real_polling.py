"""A station that really polls: what commands become on their way, and what a silent device costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from iec104_bench import Master, float_element

from pilotfarm.emulators import site
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.asking import Order
from pilotfarm.emulators.contracts.protocol import Command, Seat
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import ConfigError, NoAnswer
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.stations.polled import Polled
from pilotfarm.emulators.stations.real.scanner import REALLY_POLLED_MAX, RealScanner
from pilotfarm.emulators.stations.scanning import SCANS_A_STEP

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T08:00:00
groups:
  meters: {kind: smart_meter, count: 2, endpoints: [{protocol: iec104, station: rtu}]}
  storages: {kind: battery, count: 2, endpoints: [{protocol: iec104, station: rtu}]}
stations:
  rtu:
    protocol: iec104
    polling: {real: true, POLLING}
"""
SLOW = "baud_rate: 19_200, scan_s: 6, slow_s: 12, counters_s: 30, timeout_s: 0.4"
MODEMS = "medium: lte, scan_s: 6, slow_s: 6, counters_s: 6, timeout_s: 1"
SETPOINT, ENABLED = "active_power_setpoint_w", "active_power_setpoint_enabled"
Play = Callable[..., "Played"]


class Played:
    """A site, its wall clock, and a master of its station."""

    def __init__(self, folder: Path, polling: str = SLOW, *changes: tuple[str, str]) -> None:
        text = SITE.replace("POLLING", polling)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        self.clock = ManualClock()
        self.pilot = Pilot(site.load(str(folder / "site.yaml")), self.clock)
        (self.place,) = self.pilot.images.places
        self.master = Master(self.place, self.clock.now_s())  # type: ignore[arg-type]
        self.commands: list[Command] = []
        self.pilot.observe(self)  # type: ignore[arg-type]

    def commanded(self, command: Command, moment: object) -> None:
        self.commands.append(command)

    def stepped(self, moment: object) -> None: ...
    def fault_changed(self, fault: object, event: object, moment: object) -> None: ...
    def traced(self, command: object, name: object, outcome: object, moment: object) -> None: ...

    @property
    def scanner(self) -> RealScanner:
        found = self.pilot.images.polling["rtu"].scanner
        assert isinstance(found, RealScanner)
        return found

    def seat(self, device: str = "storages-001") -> Seat:
        return next(each.seat for each in self.place.placed if each.seat.device.id == device)

    def known(self, group: str) -> Polled:
        found = next(image.known for viewpoint, image in self.pilot.images if viewpoint[0] == group)
        assert isinstance(found, Polled)
        return found

    def step(self, steps: int = 1, wall_s: float = 1.0) -> None:
        for _ in range(steps):
            self.clock.advance(wall_s)
            self.pilot.step(1.0)

    def order(self, watts: float, device: str = "storages-001") -> list[Asdu]:
        """Have a storage deliver so much; what comes back at once."""
        self.master.now_s = self.clock.now_s()
        return self.master.ask(Type.SETPOINT, Cause.ACTIVATION, self.seat(device).address, 5_000, float_element(watts))

    def until(self, wall_s: float) -> list[tuple[int, bool]]:
        """Wait, and be told when something happens, without a step; what the station has said of commands."""
        end_s, said = self.clock.now_s() + wall_s, []
        while True:
            due_s = self.master.engine.deadline_s()
            assert due_s is None or due_s > self.master.now_s - 1e-3
            last = due_s is None or due_s > end_s
            self.clock.advance(max((end_s if last else due_s) - self.clock.now_s(), 0.0))  # type: ignore[operator]
            self.master.now_s = self.clock.now_s()
            self.master.engine.advance(self.master.now_s)
            self.master.pull()
            said += [(each.cause, each.negative) for each in self.master.heard() if each.type == Type.SETPOINT]
            if last:
                return said


CONFIRMED, REFUSED = [(Cause.ACTIVATION_CON, False), (Cause.ACTIVATION_TERM, False)], [(Cause.ACTIVATION_CON, True)]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return lambda *args: Played(tmp_path, *args)


# ---------------------------------------------------------------------------------------- commands


def test_a_command_is_written_to_the_device_on_behalf_of_who_gave_it(play: Play) -> None:
    here = play()
    here.step(3)  # no scan is under way
    given_s = here.clock.now_s()
    assert here.order(-1_234.4) == []
    assert here.seat().device.value(SETPOINT) == 0.0
    # Two writes: 13 octets or 8 there and 8 back at 19,200 bit/s, silences, a turn-around of 10 to 50 ms, converters.
    assert here.until(0.04) == []
    assert here.until(0.2) == CONFIRMED
    assert here.seat().device.value(SETPOINT) == -1_234.0, "a register of watts"
    here.step()
    assert [each.values for each in here.commands] == [{SETPOINT: -1_234.0}, {ENABLED: 1.0}], "a register each"
    for each in here.commands:
        assert (each.protocol, each.peer) == ("iec104", "peer")
        assert given_s < each.received_s < given_s + 0.2
        assert each.acknowledged_s == each.received_s
    here.step(12)
    assert here.known("storages").columns[SETPOINT].tolist() == [-1_234.0, 0.0]


@pytest.mark.parametrize("polling", [SLOW, MODEMS])
def test_who_does_not_answer_is_asked_again_and_then_given_up(play: Play, polling: str) -> None:
    here = play(polling)
    timeout_s = 0.4 if polling == SLOW else 1.0
    here.pilot.farm.faults.add("offline", {"device": "storages-001"})
    here.step(3)
    here.order(-500.0)
    assert here.until(3 * timeout_s - 0.01) == []
    assert here.until(0.02) == REFUSED
    assert here.seat().device.value(SETPOINT) == 0.0


def test_what_the_device_refuses_is_refused_and_after_it_has(play: Play) -> None:
    here = play()
    here.step(3)
    assert here.order(-1e6) == []
    assert here.until(0.2) == REFUSED
    here.step()
    assert here.commands == []


def test_what_the_map_has_no_register_for_is_refused_at_once(play: Play) -> None:
    here = play(f"map: sdm630, {SLOW}")
    (refused,) = here.order(-500.0)
    assert (refused.cause, refused.negative) == (Cause.ACTIVATION_CON, True)


def test_a_command_waits_for_the_exchange_under_way_and_the_poll_goes_on_after_it(play: Play) -> None:
    here = play()
    here.step(5)
    assert (here.pilot.farm.time_s, here.scanner.scans) == (6.0, 0)
    here.clock.advance(0.1)
    assert here.order(-500.0) == []
    assert here.scanner.scans == 1, "it has begun meanwhile"
    said = here.until(0.5)
    assert said == CONFIRMED
    here.step(5)
    assert here.scanner.unanswered == here.scanner.left_out == 0
    assert (here.scanner.known_s[0] > 6.0).all()


def test_what_is_on_its_way_comes_when_the_master_is_gone(play: Play) -> None:
    here = play()
    here.step(3)
    here.order(-500.0)
    here.master.engine.hang_up(here.clock.now_s())
    here.step()
    assert here.seat().device.value(SETPOINT) == -500.0


def test_a_step_moves_the_bus_on_however_little_wall_time_it_took(play: Play) -> None:
    here = play()
    here.step(3, wall_s=0.01)
    here.order(-500.0)
    here.step(1, wall_s=0.01)
    assert here.until(0.0) == CONFIRMED


def test_commands_take_wall_time_while_the_site_stands_still_and_polls_go_on_afterwards(play: Play) -> None:
    here = play()
    here.step(5)  # a scan is due now
    here.clock.advance(3_600.0)
    for watts in range(1, 41):
        here.order(-100.0 * watts)
        assert here.until(0.3) == CONFIRMED
    assert here.pilot.farm.time_s == 6.0
    assert here.scanner.scans == 1
    assert here.scanner.known_s.max() < 7.2, "no poll begins that is of a step to come"
    here.order(-4_100.0)
    here.step(1, wall_s=0.01)
    assert here.until(0.3) == CONFIRMED
    here.step(24)
    assert here.known("storages").columns[SETPOINT][0] == -4_100.0
    assert (here.pilot.farm.time_s - here.scanner.known_s[0] < 8.0).all()


# ------------------------------------------------------------------------------------------- polls


def test_a_modem_is_connected_to_anew_after_silence_and_connections_do_not_pile_up(play: Play) -> None:
    here = play("medium: lte, scan_s: 3, slow_s: 3, counters_s: 3, timeout_s: 1")
    fault = here.pilot.farm.faults.add("offline", {"device": "meters-002"})
    here.step(60)
    assert here.known("meters").columns["online"].tolist() == [1.0, 0.0]
    assert here.known("meters").quality["active_power_w"].tolist() == [0, Quality.NOT_TOPICAL]
    here.pilot.farm.faults.clear(fault.id)
    here.step(14)
    assert here.known("meters").columns["online"].all()
    assert not here.known("meters").quality.get("active_power_w", np.zeros(2)).any()


def test_a_station_that_is_down_asks_nobody_and_then_reads_all_again(play: Play) -> None:
    here = play()
    here.step(7)
    downlink = here.seat().downlink
    assert downlink is not None
    sent = downlink.carry(Order({SETPOINT: -500.0}, "iec104", "peer"), here.clock.now_s())
    fault = here.pilot.farm.faults.add("rtu-down", {"station": "rtu"})
    here.step(8)
    scans = here.scanner.scans
    assert not here.scanner.heard.any()
    here.step(12)
    assert here.scanner.scans == scans
    with pytest.raises(NoAnswer):
        sent.done(here.clock.now_s())
    here.pilot.farm.faults.clear(fault.id)
    here.step(2)
    assert here.pilot.farm.time_s == 30.0
    assert not here.scanner.heard.any(), "what was to be asked before is forgotten"
    here.step(12)
    assert here.scanner.heard[0].all()
    assert here.known("storages").columns["soc_frac"].all()


def test_a_bus_that_is_still_busy_leaves_scans_out_as_polls_by_columns_do(play: Play) -> None:
    """Who was silent is asked once for each class from then on, which the scans have time for."""
    slow = SLOW.replace("timeout_s: 0.4", "timeout_s: 2")
    real, by_columns = play(slow), play(slow, ("real: true, ", ""))
    for here in (real, by_columns):
        for device in ("meters-001", "storages-002"):
            here.pilot.farm.faults.add("offline", {"device": device})
        here.step(60)
    counted = [here.pilot.images.polling["rtu"].scanner for here in (real, by_columns)]
    assert counted[0].left_out == counted[1].left_out > 2
    assert counted[0].scans == counted[1].scans
    assert counted[0].unanswered == counted[1].unanswered


def test_a_step_over_many_scans_makes_as_many_as_polls_by_columns_do(play: Play) -> None:
    real, by_columns = play(), play(SLOW, ("real: true, ", ""))
    for here in (real, by_columns):
        here.pilot.step(119.0)
        here.pilot.step(1.0)
    counted = [here.pilot.images.polling["rtu"].scanner.scans for here in (real, by_columns)]
    assert counted[0] == counted[1] == SCANS_A_STEP + 1


def test_what_a_device_has_accepted_before_it_is_read_is_read(play: Play) -> None:
    here = play("medium: none, scan_s: 5, slow_s: 5, counters_s: 5")
    here.step(4)
    here.pilot.farm.device("storages-001").submit({SETPOINT: -1_000.0}, "rest", "", 0.0)
    here.step()
    assert here.known("storages").columns[SETPOINT].tolist() == [-1_000.0, 0.0]


def test_each_device_on_a_bus_has_units_of_its_own_and_on_a_modem_the_first(play: Play) -> None:
    for polling, units in ((SLOW, [1, 2, 3, 4]), (MODEMS, [1, 1, 1, 1])):
        assert [peer.master.reads[0][0].unit for peer in play(polling).scanner.peers] == units


# -------------------------------------------------------------------------------------------- site


@pytest.mark.parametrize(
    ("polling", "message"),
    [
        ("real: maybe", "true or false"),
        (
            "real: true, protocol: dnp3, medium: lte, timeout_s: 5",
            "no octets are exchanged over 'dnp3'; leave out real",
        ),
        ("real: true, through: rtu", "goes without through: what stations are asked is counted"),
    ],
)
def test_problems(play: Play, polling: str, message: str) -> None:
    with pytest.raises(ConfigError) as found:
        play("scan_s: 60, slow_s: 60, counters_s: 60", ("real: true", polling))
    (problem,) = [each for each in found.value.problems if each.where == "stations.rtu.polling.real"]
    assert problem.line == 10
    assert message in problem.message


def test_a_station_really_polls_so_many_devices_and_no_more(play: Play) -> None:
    """Whatever groups they are of; the line is that of the word."""
    ends = "endpoints: [{protocol: iec104, station: rtu}]}\nstations"
    most, more = ((f"count: 2, {ends}", f"count: {count}, {ends}") for count in (30, 31))
    assert len(play("medium: none", most).scanner.peers) == REALLY_POLLED_MAX
    with pytest.raises(ConfigError) as found:
        play("medium: none", more)
    (problem,) = found.value.problems
    assert problem.line == 10
    assert problem.where == "stations.rtu.polling.real"
    assert problem.message == (
        "a station really polls up to 32 devices, and this one has 33; leave out real, or have several stations"
    )
