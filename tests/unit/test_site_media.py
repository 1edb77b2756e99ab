"""Media in a site file: what may be said, what is wrong, and where it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pilotfarm import profiles
from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.site.layout import SiteLayout, StationLayout
from pilotfarm.emulators.site.listing import endpoint_rows, point_rows
from pilotfarm.profiles.media import NAMES
from pilotfarm.profiles.media.shared import SHARED

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}
groups:
  meters:
    kind: smart_meter
    count: 2
    endpoints:
      - {protocol: modbus, medium: gprs}
      - {protocol: iec104, station: rtu}
      - {protocol: dnp3}
stations:
  rtu: {protocol: iec104, medium: fibre_sm}
"""
Made = Callable[..., SiteLayout]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def load(text: str = SITE, media: bool | None = None) -> SiteLayout:
        (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
        return site.load(str(tmp_path / "site.yaml"), media=media)

    return load


def problems(made: Made, text: str) -> list[str]:
    with pytest.raises(ConfigError) as found:
        made(text)
    return [f"{each.line} {each.where}: {each.message}" for each in found.value.problems]


def media_of(layout: SiteLayout) -> dict[str, str]:
    return {row["protocol"]: row["medium"] for row in endpoint_rows(layout)}


def test_an_endpoint_and_a_station_have_the_medium_they_name_and_others_none(made: Made) -> None:
    assert media_of(made()) == {"modbus": "gprs", "iec104": "fibre_sm", "dnp3": "none"}
    assert {each.protocol: each.medium for each in made().groups[0].served} == media_of(made())


@pytest.mark.parametrize("name", NAMES)
def test_every_medium_can_be_named(made: Made, name: str) -> None:
    assert media_of(made(SITE.replace("gprs", name)))["modbus"] == name


def test_a_site_can_switch_its_media_off_and_whoever_brings_it_up_on_and_off(made: Made) -> None:
    off = SITE + "media: false\n"
    nothing = dict.fromkeys(("modbus", "iec104", "dnp3"), "none")
    assert media_of(made(off)) == media_of(made(off, media=False)) == media_of(made(SITE, media=False)) == nothing
    assert media_of(made(off, media=True)) == media_of(made(SITE, media=True)) == media_of(made())
    # Apart from that it is the same site: what is off leaves no trace.
    assert made(off).stations == made(SITE.replace(", medium: gprs", "").replace(", medium: fibre_sm", "")).stations


def test_every_point_says_its_medium(made: Made) -> None:
    rows = list(point_rows(made()))
    assert {(row["protocol"], row["medium"]) for row in rows} == set(media_of(made()).items())


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("medium: gprss", "8 groups.meters.endpoints[0].medium: there is no medium 'gprss'; did you mean 'gprs'?"),
        ("medium: LTE", "8 groups.meters.endpoints[0].medium: there is no medium 'LTE'; did you mean 'lte'?"),
        ("medium: nb-iot", "8 groups.meters.endpoints[0].medium: there is no medium 'nb-iot'; did you mean 'nb_iot'?"),
        ("medium: 4", "8 groups.meters.endpoints[0].medium: must be a text, not 4"),
        ("medium: [lte]", "8 groups.meters.endpoints[0].medium: must be a text, not a list"),
        ("medium: null", "8 groups.meters.endpoints[0].medium: must be a text, not nothing"),
    ],
)
def test_what_is_no_medium_is_told_with_its_line(made: Made, written: str, message: str) -> None:
    assert problems(made, SITE.replace("medium: gprs", written)) == [message]
    # What is switched off is checked all the same.
    assert problems(made, SITE.replace("medium: gprs", written) + "media: false\n") == [message]


def test_a_medium_nobody_has_heard_of_is_answered_with_all_there_are(made: Made) -> None:
    (message,) = problems(made, SITE.replace("medium: gprs", "medium: pigeon"))
    assert all(name in message for name in NAMES)


def test_the_medium_of_a_station_is_told_with_its_line_and_not_at_its_endpoints(made: Made) -> None:
    assert problems(made, SITE.replace("fibre_sm", "fiber_sm")) == [
        "12 stations.rtu.medium: there is no medium 'fiber_sm'; did you mean 'fibre_sm'?"
    ]
    assert problems(made, SITE.replace("station: rtu", "station: rtu, medium: lte")) == [
        "9 groups.meters.endpoints[1].medium: belongs to the station; an endpoint has a station or this"
    ]


def test_a_group_has_no_medium_of_its_own_and_media_are_on_or_off(made: Made) -> None:
    (message,) = problems(made, SITE.replace("count: 2", "count: 2\n    medium: lte"))
    assert message.startswith("7 groups.meters.medium: unknown key")
    assert problems(made, SITE + "media: gprs\n") == ["13 media: must be true or false, not 'gprs'"]


def test_media_are_not_asked_of_a_site_that_has_none(made: Made) -> None:
    plain = SITE.replace(", medium: gprs", "").replace(", medium: fibre_sm", "")
    with pytest.raises(ConfigError) as found:
        made(plain, media=True)
    assert [(each.file, each.message) for each in found.value.problems] == [
        ("--media", "no endpoint or station of the site has a medium")
    ]
    assert media_of(made(plain, media=False)) == media_of(made(plain))


def test_the_schema_lists_the_media() -> None:
    parts = site.json_schema()["$defs"]
    assert parts["Endpoint"]["properties"]["medium"]["enum"] == [*NAMES, *SHARED]
    assert parts["Station"]["properties"]["medium"]["enum"] == [*NAMES, *SHARED]


def test_the_commands_show_them(tmp_path: Path) -> None:
    path = str(tmp_path / "site.yaml")
    Path(path).write_text(SITE + "media: false\n", encoding="utf-8")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "modbus (sunspec) over gprs, iec104 (iec104) over fibre_sm, dnp3" in run("check", path, "--media")
    assert "gprs" not in run("check", path)
    served = json.loads(run("check", path, "--media", "--json"))["groups"][0]["served"]
    assert served[0] == {"protocol": "modbus", "map": "sunspec", "medium": "gprs"}
    assert "gprs" in run("endpoints", path, "--media")
    assert {row["medium"] for row in json.loads(run("endpoints", path, "--json"))} == {"none"}
    assert ",gprs," in run("points", path, "--media", "--quantity", "voltage_l1_v")


@pytest.mark.parametrize("name", profiles.names())
def test_a_built_in_site_has_the_media_of_its_pilot_if_asked_for_and_else_none(name: str) -> None:
    plain, with_media = site.load(name), site.load(name, media=True)
    assert {each.medium for each in plain.stations} == {"none"}
    assert all(each.medium != "none" for each in with_media.stations)
    assert [_bare(each) for each in with_media.stations] == [_bare(each) for each in plain.stations]
    assert {each.asks.medium for each in plain.stations if each.asks} <= {"none"}


def _bare(station: StationLayout) -> StationLayout:
    return replace(station, medium="none", polling=None, collecting=None)


@pytest.mark.parametrize(
    ("name", "station", "masters", "devices"),
    [
        ("germany", "rtu-pv", ("iec104", "gprs"), ("rs485", 58)),
        ("norway", "charging", ("iec104", "gprs"), ("gprs", 68)),
        ("malta", "plant-line", ("iec101", "fibre_sm"), ("fibre_mm", 14)),
    ],
)
def test_built_in_sites_have_an_rtu_that_polls_beside_direct_ways(
    name: str, station: str, masters: tuple[str, str], devices: tuple[str, int]
) -> None:
    stations = site.load(name, media=True).stations
    (polls,) = [each for each in stations if each.polling]
    assert (polls.name, polls.protocol, polls.medium) == (station, *masters)
    assert polls.polling is not None
    assert (polls.polling.medium, len(polls.seats)) == devices
    direct = {(seat.group, seat.row) for each in stations if not each.asks for seat in each.seats}
    assert {(seat.group, seat.row) for seat in polls.seats} <= direct


def test_built_in_sites_have_concentrators_that_can_read_their_meters_in_a_night() -> None:
    found = {
        (name, each.name): (each.collecting.medium, len(each.seats))
        for name in profiles.names()
        for each in site.load(name, media=True).stations
        if each.collecting
    }
    assert found == {
        ("norway", "dc-village"): ("radio_mesh", 130),
        ("norway", "dc-cabins"): ("radio_mesh", 60),
        ("norway", "dc-harbour"): ("radio_mesh", 6),
        ("germany", "dc-south"): ("plc_g3", 60),
    }
