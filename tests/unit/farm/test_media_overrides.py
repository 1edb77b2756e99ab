"""Ways that are over another medium for a while: who moves, by which modem, and that all are back afterwards."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from on_loopback import connected, free_port, running, step, until
from test_links import NOW_S
from test_media_ways import SITE, modem, number_of

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.serving.media import LINK, Media
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.profiles.media import NAMES, medium


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return Pilot(load(str(path)), ManualClock(NOW_S))


@pytest.fixture
def pilot(street: Pilot) -> Iterator[Pilot]:
    before = links(street)
    yield street
    street.farm.faults.clear_all()
    street.step(1.0)
    assert links(street) == before
    assert all(
        way.modem.medium.name == street.images.places[n].layout.medium for n, way in street.ways._media._ways.items()
    )


def links(pilot: Pilot) -> list[list[int]]:
    return [list(listener.links) for listener in pilot.server._listeners]


def over(pilot: Pilot, device: str, protocol: str) -> str:
    found = modem(pilot, pilot.ways._media, device, protocol)
    return "none" if found is None else str(found.medium.name)


def move(pilot: Pilot, name: str, target: dict[str, Any], **course: float) -> Any:
    fault = pilot.farm.faults.add("medium", target, parameters={"to": name}, **course)
    pilot.step(1.0)
    return fault


def test_ways_of_the_target_that_have_a_medium_move_and_no_others(pilot: Pilot) -> None:
    fault = move(pilot, "edge", {"device": ["near-001", "alone-001"]})
    assert set(fault.hit) == {"near-001", "alone-001"}
    assert [over(pilot, "near-001", protocol) for protocol in ("modbus", "dnp3")] == ["edge", "edge"]
    assert over(pilot, "near-001", "iec104") == "gprs"  # the RTU answers for others too
    assert [over(pilot, "alone-001", protocol) for protocol in ("modbus", "dnp3")] == ["edge", "none"]
    assert [over(pilot, f"{name}-002", "modbus") for name in ("near", "alone")] == ["gprs", "gprs"]
    numbers = {number_of(pilot, "near-001", "modbus"), number_of(pilot, "alone-001", "modbus")}
    found = links(pilot)
    assert all(found[number] == [-1 - NAMES.index("edge")] for number in numbers)
    assert found[number_of(pilot, "alone-001", "dnp3")] == []
    assert found[number_of(pilot, "near-002", "modbus")] == [LINK]


def test_a_station_moves_when_all_of_its_devices_do(pilot: Pilot) -> None:
    move(pilot, "lte", {"station": "rtu"})
    assert over(pilot, "near-001", "iec104") == "lte"
    assert over(pilot, "near-001", "modbus") == "gprs"


def test_a_station_stays_where_its_devices_move_apart(pilot: Pilot) -> None:
    move(pilot, "edge", {"device": "near-001"})
    move(pilot, "umts", {"device": ["near-002", "near-003"]})
    assert [over(pilot, f"near-{n:03}", "modbus") for n in (1, 2, 3)] == ["edge", "umts", "umts"]
    assert over(pilot, "near-001", "iec104") == "gprs"


def test_what_is_on_one_medium_has_one_modem_and_shares_the_cell_there(pilot: Pilot) -> None:
    media = pilot.ways._media
    native = modem(pilot, media, "far-001", "dnp3")
    move(pilot, "lte", {"group": ["near", "far"]})
    assert modem(pilot, media, "far-001", "modbus") is native
    near = [modem(pilot, media, f"near-{n:03}", protocol) for n in (1, 2) for protocol in ("modbus", "dnp3")]
    assert near[0] is near[1] is not near[2]
    assert near[0]._cell is near[2]._cell is not native._cell


def test_a_modem_attaches_to_where_it_moves_and_again_to_where_it_was(pilot: Pilot) -> None:
    media, edge, gprs = pilot.ways._media, medium("edge"), medium("gprs")
    own = modem(pilot, media, "alone-002", "modbus")
    fault = move(pilot, "edge", {"device": "alone-002"})
    now_s = pilot.clock.now_s()
    there = modem(pilot, media, "alone-002", "modbus")
    assert edge.attach_min_s <= there.awake_s(now_s) - now_s <= edge.attach_max_s
    pilot.farm.faults.clear(fault.id)
    pilot.step(1.0)
    now_s = pilot.clock.now_s()
    assert modem(pilot, media, "alone-002", "modbus") is own
    assert gprs.attach_min_s <= own.awake_s(now_s) - now_s <= gprs.attach_max_s


def test_who_joins_its_own_modem_that_is_there_does_not_attach(pilot: Pilot) -> None:
    media = pilot.ways._media
    native = modem(pilot, media, "far-001", "dnp3")
    move(pilot, "lte", {"device": "far-001"})
    now_s = pilot.clock.now_s()
    assert native.awake_s(now_s) - now_s < medium("lte").attach_min_s


def test_who_has_moved_does_not_keep_its_old_modem_on_the_network(pilot: Pilot) -> None:
    media = Media(pilot.images.places, pilot.clock, 5)
    moved, left = (number_of(pilot, "near-003", protocol) for protocol in ("modbus", "dnp3"))
    media.move(moved, "edge")
    for admission in (Admission.REFUSE, Admission.OPEN):
        media.met(left, admission)
    now_s = pilot.clock.now_s()
    assert modem(pilot, media, "near-003", "dnp3").awake_s(now_s) - now_s >= medium("gprs").attach_min_s


def test_of_two_the_later_holds_and_the_other_when_it_is_over(pilot: Pilot) -> None:
    target = {"device": "alone-001"}
    move(pilot, "edge", target)
    later = move(pilot, "none", target)
    assert over(pilot, "alone-001", "modbus") == "none"
    assert links(pilot)[number_of(pilot, "alone-001", "modbus")] == []
    pilot.farm.faults.clear(later.id)
    pilot.step(1.0)
    assert over(pilot, "alone-001", "modbus") == "edge"


def test_devices_move_one_after_the_other_and_come_back_so(pilot: Pilot) -> None:
    move(pilot, "umts", {"group": "near"}, ramp_s=10.0, duration_s=20.0, spread_s=10.0)
    moved = []
    for _ in range(32):
        moved.append(sum(over(pilot, f"near-{n:03}", "modbus") == "umts" for n in (1, 2, 3)))
        pilot.step(1.0)
    assert (moved[0], max(moved), moved[-1]) == (0, 3, 0)
    assert {1, 2} <= set(moved)
    peak = moved.index(3)
    assert moved[: peak + 1] == sorted(moved[: peak + 1])
    assert moved[peak:] == sorted(moved[peak:], reverse=True)


def test_faults_of_link_stand_around_the_other_medium(pilot: Pilot) -> None:
    slow = pilot.farm.faults.add("latency", {"device": "alone-001", "protocol": "modbus"}, parameters={"delay_s": 7.0})
    move(pilot, "edge", {"device": "alone-001"})
    assert links(pilot)[number_of(pilot, "alone-001", "modbus")] == [-1 - NAMES.index("edge"), slow.id]


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("gprs", {"group": "near"}, "no way to the target's devices is over another medium than gprs"),
        ("edge", {"device": "alone-001", "protocol": "dnp3"}, "is over another medium than edge"),
        ("edge", {"medium": "nb_iot"}, "no way here is over nb_iot"),
        ("3g", {}, "3g is not known; known are none, ethernet"),
    ],
)
def test_what_cannot_move_is_refused_in_words(pilot: Pilot, name: str, target: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        pilot.farm.faults.add("medium", target, parameters={"to": name})
    assert said in str(refused.value)


def test_a_connection_goes_on_over_the_other_medium_and_loses_nothing(tmp_path: Path) -> None:
    """On the clock of the test: a request waits for the modem to attach, and is answered on the same connection."""
    port, path = free_port(), tmp_path / "site.yaml"
    head, _, _ = SITE.partition("groups:")
    group = f"  far: {{kind: battery, count: 1, endpoints: [{{protocol: modbus, port: {port}, medium: ethernet}}]}}\n"
    path.write_text(f"{head}groups:\n{group}", encoding="utf-8")
    read = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 40_000, 2)

    async def talk() -> None:
        async with running(load(str(path))) as pilot, connected(port) as (reader, writer):
            assert isinstance(pilot.clock, ManualClock)
            clock, counters = pilot.clock, pilot.server.counters["modbus"]

            async def answered(soonest_s: float, latest_s: float) -> None:
                heard, told = counters.bytes_in, counters.bytes_out
                writer.write(read)
                await until(lambda: counters.bytes_in == heard + len(read))
                clock.advance(soonest_s)
                pilot.server.after_step()
                assert counters.bytes_out == told
                for _ in range(4):  # there, and back, in turns of the pipe
                    clock.advance(latest_s)
                    for listener in pilot.server._listeners:
                        for connection in listener.standing:
                            connection.pump(clock.now_s())
                await until(lambda: counters.bytes_out > told)
                assert len(await reader.readexactly(13)) == 13

            fault = pilot.farm.faults.add("medium", parameters={"to": "gprs"})
            await step(pilot)
            await answered(medium("gprs").attach_min_s, 60.0)
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            await answered(0.0, 1.0)

    asyncio.run(talk())
