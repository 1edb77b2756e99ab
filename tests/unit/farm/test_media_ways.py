"""Media on the ways of a farm: who has a modem, who shares a cell, what comes back, and what faults add."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from on_loopback import connected, free_port, running, until
from test_links import NOW_S, Host, run

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.medium import latency, passing_s
from pilotfarm.emulators.links.pipe import Pipe
from pilotfarm.emulators.serving.media import LINK, Media
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media import medium

SITE = """\
name: street
seed: 5
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
groups:
  near:
    kind: battery
    count: 3
    labels: {cell: north}
    endpoints:
      - {protocol: modbus, medium: gprs}
      - {protocol: dnp3, medium: gprs}
      - {protocol: iec104, station: rtu}
  far:
    kind: battery
    count: 1
    labels: {cell: south}
    endpoints: [{protocol: modbus, medium: gprs}, {protocol: dnp3, medium: lte}]
  alone:
    kind: battery
    count: 2
    endpoints: [{protocol: modbus, medium: gprs}, {protocol: dnp3}]
stations:
  rtu: {protocol: iec104, medium: gprs, labels: {cell: south}}
"""


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return Pilot(load(str(path)), ManualClock(NOW_S))


@pytest.fixture
def media(pilot: Pilot) -> Media:
    return Media(pilot.images.places, pilot.clock, 5)


def number_of(pilot: Pilot, device: str, protocol: str) -> int:
    return next(
        number
        for number, place in enumerate(pilot.images.places)
        if place.layout.protocol == protocol and any(each.seat.device.id == device for each in place.placed)
    )


def modem(pilot: Pilot, media: Media, device: str, protocol: str) -> Any:
    way = media._ways.get(number_of(pilot, device, protocol))
    return way and way.modem


def test_who_has_no_medium_has_no_link_and_no_modem(pilot: Pilot, media: Media) -> None:
    assert media.links(number_of(pilot, "alone-001", "dnp3")) == {}
    assert modem(pilot, media, "alone-001", "dnp3") is None
    with_media = [number for number, place in enumerate(pilot.images.places) if place.layout.medium != "none"]
    assert list(media) == with_media
    assert all(list(media.links(number)) == [LINK] for number in media)
    listeners = pilot.server._listeners
    assert [bool(each.links) for each in listeners] == [number in with_media for number in range(len(listeners))]


def test_a_device_has_one_modem_a_medium_and_a_station_its_own(pilot: Pilot, media: Media) -> None:
    assert modem(pilot, media, "near-001", "modbus") is modem(pilot, media, "near-001", "dnp3")
    assert modem(pilot, media, "far-001", "modbus") is not modem(pilot, media, "far-001", "dnp3")
    every = {id(modem(pilot, media, device, "modbus")) for device in pilot.farm.population.devices}
    assert len(every) == 6
    assert id(modem(pilot, media, "near-001", "iec104")) not in every


def test_modems_share_a_cell_by_label_and_medium(pilot: Pilot, media: Media) -> None:
    def cell(device: str, protocol: str = "modbus") -> Any:
        return modem(pilot, media, device, protocol)._cell

    assert cell("near-001") is cell("near-002")
    assert cell("far-001") is not cell("near-001")
    # An RTU is where it says, wherever its devices are.
    assert cell("near-001", "iec104") is cell("far-001")
    assert cell("far-001") is not cell("far-001", "dnp3")
    assert cell("far-001", "dnp3").rates["to_master"] == medium("lte").cell_rate_up_bit_s
    assert cell("alone-001") is None


def test_a_message_takes_what_is_drawn_for_its_device_and_connection(pilot: Pilot, media: Media) -> None:
    """The modem wakes up, the connection is set up, and the request takes its latency: all by seed and names."""
    host, this = Host(), medium("gprs")
    link = media.links(number_of(pilot, "alone-002", "modbus"))[LINK](host, 3, NOW_S)
    link.receive(b"request", NOW_S)
    key = key_of(5, "medium", "modbus", "alone-002", "3")
    asleep = this.sleeps[-1]
    wake = Draws(key_of(5, "modem", "alone-002", "gprs"), "wake")()
    awake_s = asleep.wake_min_s + (asleep.wake_max_s - asleep.wake_min_s) * wake
    there, back = latency(this, "to_device"), latency(this, "to_master")
    takes_s = awake_s + there.drawn(key, 0) + back.drawn(key, 0) + there.drawn(key, 1)
    assert link.deadline_s() == pytest.approx(NOW_S + takes_s, abs=1e-6)
    assert takes_s > passing_s(7, this.rate_down_bit_s)


def test_connections_and_devices_draw_by_themselves_and_again_the_same(pilot: Pilot) -> None:
    def due(device: str, connection: int, seed: int = 5) -> float:
        fresh = Media(pilot.images.places, pilot.clock, seed)
        link = fresh.links(number_of(pilot, device, "modbus"))[LINK](Host(), connection, NOW_S)
        link.receive(b"request", NOW_S)
        return link.deadline_s() or 0.0

    assert due("alone-001", 1) == due("alone-001", 1)
    drawn = {due("alone-001", 1), due("alone-001", 2), due("alone-002", 1), due("alone-001", 1, seed=6)}
    assert len(drawn) == 4


# --------------------------------------------------------------------------------------- coming back


@pytest.mark.parametrize("shut", [Admission.REFUSE, Admission.RESET])
def test_who_was_off_the_network_attaches_again_and_once(pilot: Pilot, media: Media, shut: Admission) -> None:
    this = medium("gprs")
    numbers = [number_of(pilot, "near-001", protocol) for protocol in ("modbus", "dnp3")]
    found = modem(pilot, media, "near-001", "modbus")
    # One of its two addresses is shut and opens again, and both let nobody new in: the modem has been there all the
    # time, and only wakes up.
    media.met(numbers[0], shut)
    media.met(numbers[0], Admission.OPEN)
    for admission in (Admission.REFUSE_NEW, Admission.RESET_NEW, Admission.OPEN):
        for number in numbers:
            media.met(number, admission)
    assert found.awake_s(NOW_S) - NOW_S < this.attach_min_s
    for admission in (shut, Admission.OPEN):
        for number in numbers:
            media.met(number, admission)
    ready_s = found.awake_s(NOW_S)
    assert this.attach_min_s <= ready_s - NOW_S <= this.attach_max_s
    assert found.awake_s(ready_s) == ready_s
    media.met(number_of(pilot, "alone-001", "dnp3"), Admission.RESET)  # has no modem


@pytest.mark.parametrize("kind", ["offline", "cell-down"])
def test_a_cell_that_comes_back_lets_so_many_attach_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE.replace("count: 3", "count: 200"), encoding="utf-8")
    many = Pilot(load(str(path)), ManualClock(NOW_S))
    fault = many.farm.faults.add(kind, {"label": "cell=north"})
    assert len(fault.hit) == 200
    many.step(1.0)
    many.farm.faults.clear(fault.id)
    many.step(1.0)
    media = many.ways._media
    this = medium("gprs")
    ready = sorted(modem(many, media, f"near-{n:03}", "modbus").awake_s(NOW_S) - NOW_S for n in range(1, 201))
    # 200 modems through 64 places, 3 to 10 s each: some are there after the first, the last after three.
    assert this.attach_min_s <= ready[0] <= ready[60] <= this.attach_max_s
    assert ready[150] > ready[0] + this.attach_min_s
    assert ready[-1] >= 200 / 64 * this.attach_min_s
    assert modem(many, media, "far-001", "modbus").awake_s(NOW_S) - NOW_S < this.attach_min_s


# ----------------------------------------------------------------------------------- over a socket


def test_a_connection_that_the_operator_has_forgotten_ends_at_its_second_use(tmp_path: Path) -> None:
    """On the clock of the test: the first request gets no answer, the second the end of the connection."""
    port, path = free_port(), tmp_path / "site.yaml"
    head, _, _ = SITE.partition("groups:")
    group = f"  far: {{kind: battery, count: 1, endpoints: [{{protocol: modbus, port: {port}, medium: gprs}}]}}\n"
    path.write_text(f"{head}groups:\n{group}", encoding="utf-8")
    read = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 40_000, 2)

    async def talk() -> None:
        async with running(load(str(path))) as pilot, connected(port) as (reader, writer):
            assert isinstance(pilot.clock, ManualClock)
            (listener,), counters = pilot.server._listeners, pilot.server.counters["modbus"]
            await until(lambda: bool(listener.connections))
            for number in (1, 2):
                pilot.clock.advance(medium("gprs").nat_idle_s or 0.0)
                heard = counters.bytes_in
                writer.write(read)
                await until(lambda heard=heard: counters.bytes_in > heard)
                assert counters.bytes_out == 0
                assert bool(counters.closed_by_engine) == (number == 2)
            with pytest.raises(ConnectionResetError):
                await reader.read()

    asyncio.run(talk())


# --------------------------------------------------------------------------------- faults and media


@pytest.fixture
def faults(pilot: Pilot) -> Iterator[Any]:
    yield pilot.farm.faults
    pilot.farm.faults.clear_all()
    pilot.step(1.0)


def test_a_fault_is_aimed_at_those_on_a_medium(pilot: Pilot, faults: Any) -> None:
    assert faults.add("offline", {"medium": "lte"}).hit == ("far-001",)
    assert faults.add("offline", {"medium": ["lte", "gprs"], "label": "cell=north"}).hit == (
        "near-001",
        "near-002",
        "near-003",
    )
    assert faults.add("offline", {"medium": "none"}).hit == ("alone-001", "alone-002")
    dnp3_only = faults.add("blackhole", {"medium": "none", "group": "alone"})
    pilot.step(1.0)
    gripped = pilot.ways._faults["alone", 0]
    ways = {place.way.station.protocol: place.way for number, place in pilot.ways._at["alone", 0]}
    assert [dnp3_only.acts_at(ways[protocol]) for protocol in ("modbus", "dnp3")] == [False, True]
    assert dnp3_only in gripped


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"medium": "gprrs"}, "gprrs is not known; did you mean gprs?"),
        ({"medium": "wifi"}, "no way here is over wifi"),
        ({"medium": ["gprs", "nb_iot"]}, "no way here is over nb_iot"),
        ({"medium": 4}, "must be a name or a list of names"),
        ({"medium": []}, "must not be an empty list; left out, it matches everything"),
    ],
)
def test_a_medium_that_no_way_has_is_refused(faults: Any, target: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as found:
        faults.add("offline", target)
    assert [(each.where, each.message) for each in found.value.problems] == [("target.medium", message)]
    assert all(fault.state == "ended" for fault in faults)


@pytest.mark.parametrize(
    ("kind", "target", "parameters", "message"),
    [
        ("latency", {"group": "near"}, {"delay_s": 0.1, "jitter_s": 0.1}, "0.2 s where gprs takes 0.25 s or more"),
        ("latency", {"medium": "lte"}, {"delay_s": 0.005}, "0.005 s where lte takes 0.01 s or more"),
        ("latency", {}, {"delay_s": 0.2}, "gprs"),
        ("bandwidth", {"medium": "gprs"}, {"rate_bit_s": 26_800.0}, "26,800 is no less than the 26,800 bit/s"),
        ("bandwidth", {"medium": "gprs"}, {"rate_bit_s": 1e5, "direction": "to_device"}, "53,600 bit/s that gprs has"),
    ],
)
def test_parameters_that_fight_with_the_medium_are_refused(
    faults: Any, kind: str, target: dict[str, Any], parameters: dict[str, Any], message: str
) -> None:
    before = len(list(faults))
    with pytest.raises(ConfigError) as found:
        faults.add(kind, target, parameters=parameters)
    (problem,) = found.value.problems
    assert problem.where == "parameters"
    assert message in problem.message
    assert len(list(faults)) == before


@pytest.mark.parametrize(
    ("kind", "target", "parameters"),
    [
        ("latency", {"group": "near"}, {"delay_s": 0.25}),
        ("latency", {"group": "near"}, {"delay_s": 0.15, "jitter_s": 0.1}),
        ("latency", {"medium": "none"}, {"delay_s": 0.001}),
        ("latency", {"medium": "lte"}, {"delay_s": 0.01}),
        ("bandwidth", {"medium": "gprs"}, {"rate_bit_s": 26_000.0}),
        ("bandwidth", {"medium": "gprs"}, {"rate_bit_s": 53_000.0, "direction": "to_device"}),
        ("loss", {"medium": "gprs"}, {"loss_frac": 0.01}),
    ],
)
def test_what_agrees_with_the_medium_is_taken(
    faults: Any, kind: str, target: dict[str, Any], parameters: dict[str, Any]
) -> None:
    assert faults.add(kind, target, parameters=parameters).hit


def test_what_a_fault_adds_comes_on_top_of_the_medium(pilot: Pilot, faults: Any) -> None:
    number = number_of(pilot, "alone-001", "modbus")
    faults.add("latency", {"device": "alone-001", "protocol": "modbus"}, parameters={"delay_s": 7.0})
    pilot.step(1.0)
    wraps = pilot.server._listeners[number].links
    assert next(iter(wraps)) == LINK
    assert len(wraps) == 2

    def arrives(*links: Callable[..., Any]) -> float:
        host: Any = Host()
        outer = host
        for wrap in links:
            outer = wrap(outer, 1, NOW_S)
        outer.receive(b"request", NOW_S)
        run(outer, NOW_S + 100.0)
        return float(host.heard[0][0])

    def fresh() -> Any:
        return Media(pilot.images.places, pilot.clock, 5).links(number)[LINK]

    medium_wrap, fault_wrap = fresh(), list(wraps.values())[1]
    assert arrives(fault_wrap) == NOW_S + 7.0
    alone_s = arrives(medium_wrap)
    # Seven seconds later than the connection, the modem sleeps again after two.
    flow = medium("gprs").sleeps[0]
    later_s = arrives(fresh(), fault_wrap) - 7.0
    assert later_s > NOW_S
    assert isinstance(medium_wrap(Host(), 2, NOW_S).inner, Pipe)
    assert later_s <= alone_s + flow.wake_max_s


def test_a_cleared_fault_leaves_the_medium_where_it_was(pilot: Pilot, faults: Any) -> None:
    number = number_of(pilot, "alone-001", "modbus")
    faults.add("latency", {"device": "alone-001"}, parameters={"delay_s": 7.0})
    pilot.step(1.0)
    faults.clear_all()
    pilot.step(1.0)
    assert list(pilot.server._listeners[number].links) == [LINK]
    assert pilot.server._listeners[number_of(pilot, "alone-001", "dnp3")].links == {}
