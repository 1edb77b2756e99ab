"""By how much each clock fault puts a clock off, and what of it cannot be."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import ClockFault, ClockTime

OSLO = "Europe/Oslo"
SUMMER, WINTER = "2026-06-15T08:00", "2026-12-15T08:00"


def off_s(kind: str, elapsed_s: float = 0.0, at: str = SUMMER, site: str = OSLO, **parameters: Any) -> float:
    spec = registry.fault(kind)
    assert isinstance(spec, ClockFault)
    unix_s = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(site)).timestamp()
    return spec.offset_s("", spec.parameters(**parameters), ClockTime(unix_s, elapsed_s, site))


def test_a_drift_grows_from_the_faults_start() -> None:
    assert [off_s("clock-drift", t, drift_ppm=-200.0) for t in (0.0, 5_000.0)] == pytest.approx([0.0, -1.0])
    assert off_s("clock-drift", 86_400.0, drift_ppm=-1e6) == -86_400.0, "it stands still"


def test_a_step_stays() -> None:
    assert [off_s("clock-step", t, step_s=-90.0) for t in (0.0, 5_000.0)] == [-90.0, -90.0]


@pytest.mark.parametrize(
    ("parameters", "summer_h", "winter_h"),
    [
        ({"hours": -1.5}, -1.5, -1.5),
        ({"zone": "UTC"}, -2.0, -1.0),
        ({"zone": "standard"}, -1.0, 0.0),
        ({"zone": "Asia/Tokyo"}, 7.0, 8.0),
        ({"zone": OSLO}, 0.0, 0.0),
        ({"zone": OSLO, "taken_for": "UTC"}, 2.0, 1.0),
        ({"zone": "America/New_York", "taken_for": "America/Phoenix"}, 3.0, 2.0),
        ({"zone": "UTC", "taken_for": "standard"}, -1.0, -1.0),
    ],
)
def test_another_zone_is_hours_ahead_by_the_season(
    parameters: dict[str, Any], summer_h: float, winter_h: float
) -> None:
    found = [off_s("clock-zone", at=at, **parameters) / 3_600.0 for at in (SUMMER, WINTER)]
    assert found == [summer_h, winter_h]


@pytest.mark.parametrize(
    ("at", "hours"), [("2026-03-29T01:59:59", 0.0), ("2026-03-29T03:00:00", -1.0), ("2026-10-25T03:00:00", 0.0)]
)
def test_a_clock_misses_the_summer_time_from_the_hour_it_begins_to_the_hour_it_ends(at: str, hours: float) -> None:
    """Directive 2000/84/EC: from 1:00 UTC of the last Sunday of March to that of October."""
    assert off_s("clock-zone", at=at, zone="standard") == 3_600.0 * hours


@pytest.mark.parametrize(
    ("site", "at", "hours"),
    [
        ("Europe/Dublin", SUMMER, -1.0),  # whose data base calls its winter the exception
        ("Australia/Sydney", WINTER, -1.0),
        ("Australia/Sydney", SUMMER, 0.0),
        ("Asia/Tokyo", SUMMER, 0.0),
    ],
)
def test_standard_time_is_that_of_the_winter_wherever_it_is(site: str, at: str, hours: float) -> None:
    assert off_s("clock-zone", at=at, site=site, zone="standard") == 3_600.0 * hours


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("clock-drift", {}, "required"),
        ("clock-drift", {"drift_ppm": 0.0}, "drifts by 0"),
        ("clock-drift", {"drift_ppm": 1_000_001.0}, "less than or equal"),
        ("clock-drift", {"drift_ppm": -1_000_001.0}, "greater than or equal"),
        ("clock-drift", {"drift_ppm": float("nan")}, "finite"),
        ("clock-step", {"step_s": 0.0}, "ahead by 0"),
        ("clock-step", {"step_s": 2e9 + 1.0}, "less than or equal"),
        ("clock-step", {"step_s": -2e9 - 1.0}, "greater than or equal"),
        ("clock-step", {"step_s": 1.0, "zone": "UTC"}, "not permitted"),
        ("clock-zone", {}, "one of them"),
        ("clock-zone", {"hours": 1.0, "zone": "UTC"}, "one of them"),
        ("clock-zone", {"hours": 0.0}, "ahead by 0 hours"),
        ("clock-zone", {"hours": 26.1}, "less than or equal"),
        ("clock-zone", {"hours": -26.1}, "greater than or equal"),
        ("clock-zone", {"zone": "Europe/Olso"}, "IANA"),
        ("clock-zone", {"zone": "../../etc/passwd"}, "IANA"),
        ("clock-zone", {"zone": ""}, "IANA"),
        ("clock-zone", {"zone": "UTC", "taken_for": "nowhere"}, "IANA"),
        ("clock-zone", {"zone": "UTC", "taken_for": "UTC"}, "another zone"),
        ("clock-zone", {"hours": 2.0, "taken_for": "UTC"}, "another zone"),
    ],
)
def test_what_cannot_be_is_refused_in_words(kind: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        registry.fault(kind).parameters(**parameters)


@pytest.mark.parametrize("kind", ["clock-drift", "clock-step", "clock-zone"])
def test_the_example_of_a_kind_puts_a_clock_off(kind: str) -> None:
    assert off_s(kind, 1_000.0, **registry.fault(kind).example) != 0.0
