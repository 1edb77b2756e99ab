"""CP56Time2a in UTC and in local time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hat.drivers.iec60870.encodings import iec104 as hat
from hypothesis import given
from hypothesis import strategies as st
from iec104_bench import ACT, Bench, Master, spec_of, unit

from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec60870.asdu import Type
from pilotfarm.emulators.protocols.iec60870.times import time_of, time_tag

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",  # whose law has a winter time, not a summer time
    "America/New_York",
    "Australia/Sydney",  # summer in January
    "Australia/Lord_Howe",  # summer time of half an hour
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Marquesas",
)
SINCE_1996_S, UNTIL_2037_S = 820_454_400, 2_114_380_800
"""Between these the zones keep to the rules of today; Dublin and Lord Howe had others before."""


@pytest.mark.parametrize("zone", ZONES)
@given(milliseconds=st.integers(SINCE_1996_S * 1000, UNTIL_2037_S * 1000))
def test_a_time_tag_tells_its_moment_in_every_zone_also_in_the_hour_that_comes_twice(
    zone: str, milliseconds: int
) -> None:
    tag = time_tag(milliseconds / 1000.0, zone)
    found = time_of(tag, zone)
    assert found is not None
    assert abs(found - milliseconds / 1000.0) < 0.0011, "the milliseconds are cut off"
    local = datetime.fromtimestamp(milliseconds / 1000.0, ZoneInfo(zone))
    assert (tag[3] & 0x1F, tag[2] & 0x3F, tag[4] & 0x1F, tag[5], tag[6]) == (
        local.hour,
        local.minute,
        local.day,
        local.month,
        local.year % 100,
    )
    assert tag[4] >> 5 == local.isoweekday()


@pytest.mark.parametrize(
    ("zone", "moment", "hour", "summer"),
    [
        ("Europe/Berlin", "2025-07-01T10:00Z", 12, True),
        ("Europe/Berlin", "2025-01-01T10:00Z", 11, False),
        ("Europe/Berlin", "2025-10-26T00:30Z", 2, True),
        ("Europe/Berlin", "2025-10-26T01:30Z", 2, False),
        ("Europe/Dublin", "2025-07-01T10:00Z", 11, True),
        ("Europe/Dublin", "2025-01-01T10:00Z", 10, False),
        ("Australia/Sydney", "2025-01-01T10:00Z", 21, True),
        ("Australia/Sydney", "2025-07-01T10:00Z", 20, False),
        ("UTC", "2025-07-01T10:00Z", 10, False),
    ],
)
def test_bit_su_is_set_in_summer_time(zone: str, moment: str, hour: int, summer: bool) -> None:
    tag = time_tag(datetime.fromisoformat(moment).timestamp(), zone)
    assert (tag[3] & 0x1F, bool(tag[3] & 0x80)) == (hour, summer)
    decoded, _ = hat.Encoder().decode_asdu(unit(Type.SINGLE_TAGGED, 3, 1, 1000, b"\x01" + tag))
    assert decoded.ios[0].time.summer_time is summer


def test_a_master_that_keeps_standard_time_all_year_is_understood() -> None:
    """SU tells which of the two a tag is in, whatever the zone itself does at that moment."""
    july = datetime(2025, 7, 1, 10, tzinfo=UTC)
    standard = time_tag((july + timedelta(hours=1)).timestamp())
    assert time_of(standard, "Europe/Berlin") == july.timestamp()


@pytest.mark.parametrize(
    ("at", "octet"),
    [(1, 0xEB), (2, 0x80), (2, 60), (3, 24), (3, 31), (4, 0), (5, 0), (5, 13), (6, 100), (6, 127)],
)
def test_what_can_be_no_time_is_none(at: int, octet: int) -> None:
    tag = bytearray(time_tag(1_750_000_000.0))
    tag[at] = octet
    assert time_of(bytes(tag)) is None


def test_a_minute_has_60_000_milliseconds() -> None:
    minute = time_tag(1_750_000_020.0)
    for milliseconds, told in ((59_999, 1_750_000_079.999), (60_000, None)):
        assert time_of(milliseconds.to_bytes(2, "little") + minute[2:]) == told


@pytest.mark.parametrize("tag", [bytes(range(k, k + 7)) for k in range(0, 256 - 7, 3)] + [b"\xff" * 7, bytes(7)])
def test_no_octets_raise(tag: bytes) -> None:
    for zone in ZONES:
        found = time_of(tag, zone)
        assert found is None or -86_400.0 <= found <= 3_155_760_000.0 + 86_400.0


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_events_and_the_clock_show_the_time_of_the_stations_zone(zone: str) -> None:
    bench = Bench(1, spec_of(["running"]), time_zone=zone)
    master = Master(bench)
    bench.set("running", 0, 1.0 - bench.columns["running"][0])
    bench.step()
    master.pull()
    (told,) = master.heard()
    assert told.body[-7:] == time_tag(bench.unix_s, zone)
    (con,) = master.ask(Type.CLOCK, ACT, 1, 0, time_tag(0.0))
    assert con.body[-7:] == time_tag(bench.unix_s, zone)
    assert bench.unix_s == bench.table.unix_s, "and nobody has set it"


def test_stations_of_other_zones_have_other_tables() -> None:
    forms = [PROTOCOL.form(PROTOCOL.options_model(time_zone=zone)) for zone in ("UTC", "Europe/Berlin", "UTC")]
    assert forms[0] == forms[2] != forms[1]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "local", "../etc/passwd"])
def test_a_zone_that_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PROTOCOL.options_model(time_zone=zone)
