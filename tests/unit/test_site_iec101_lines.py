"""Lines of IEC 60870-5-101 in a site file: what fits, and what is said of what does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.site.layout import SiteLayout

GROUPS = """\
  meters:
    kind: smart_meter
    count: {count}
    feeder: west
    endpoints: [{{protocol: iec101, station: line{first}}}]
  storage:
    kind: battery
    count: 1
    feeder: east
    endpoints: [{{protocol: iec101, station: line{second}}}]
stations:
  line: {{protocol: iec101, options: {{{options}}}}}
"""
Make = Callable[..., SiteLayout]


def problems(make_layout: Make, options: str = "", count: int = 2, first: str = "", second: str = "") -> list[str]:
    groups = GROUPS.format(options=options, count=count, first=first, second=second)
    try:
        make_layout(groups)
    except ConfigError as error:
        return [f"{each.where}: {each.message}" for each in error.problems]
    return []


@pytest.mark.parametrize(
    "options",
    [
        "",
        "mode: balanced, link_address_octets: 0",
        "mode: balanced, link_address_octets: 0, link_address: 0",
        "link_address: 254",
        "link_address_octets: 2, link_address: 65534",
        "cause_octets: 2, originator_address: 255",
        "common_address_octets: 1, object_address_octets: 3, frame_length: 32",
    ],
)
def test_what_fits_has_no_problem(make_layout: Make, options: str) -> None:
    assert problems(make_layout, options) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("cause_octets: 1, originator_address: 3", "originator_address needs cause_octets 2"),
        ("originator_address: 3", "originator_address needs cause_octets 2"),
        ("link_address_octets: 0", "may be 0 only balanced"),
        ("link_address: 255", "link_address 255 is beyond 254"),
        ("link_address_octets: 2, link_address: 65535", "at most 65534"),
        ("mode: balanced, link_address_octets: 0, link_address: 1", "link_address 1 is beyond 0"),
        ("common_address_octets: 3", "must be 1 or 2, not 3"),
        ("mode: halfduplex", "must be unbalanced or balanced"),
        ("k: 12", "unknown key"),
    ],
)
def test_what_does_not_fit_together_is_said_of_the_station(make_layout: Make, options: str, said: str) -> None:
    (problem,) = problems(make_layout, options)
    assert problem.startswith("stations.line.options")
    assert said in problem


def test_objects_whose_addresses_need_more_octets_are_said_of_each_kind(make_layout: Make) -> None:
    found = problems(make_layout, "object_address_octets: 1")
    assert len(found) == 2
    assert all("an information object address of 1 octet is at most 255" in each for each in found)
    assert "smart_meter has points up to" in found[0]
    assert "battery has points up to" in found[1]


@pytest.mark.parametrize(
    ("options", "count", "fits"),
    [
        ("", 253, True),
        ("", 254, False),
        ("link_address: 1", 254, True),
        ("mode: balanced", 254, True),
        ("link_address: 1, common_address_octets: 1", 253, True),
        ("link_address: 1, common_address_octets: 1", 254, False),
        ("link_address_octets: 2, common_address_octets: 1", 254, False),
        ("link_address_octets: 2", 254, True),
    ],
)
def test_common_and_link_addresses_fit_their_octets(make_layout: Make, options: str, count: int, fits: bool) -> None:
    found = problems(make_layout, options, count)
    assert bool(found) is not fits
    if not fits:
        assert "needs common address 255; IEC 60870-5-101 has 1 to 254 with these options" in found[0]


def test_an_address_stands_once_on_a_line(make_layout: Make) -> None:
    (problem,) = problems(make_layout, first=", address: 7", second=", address: 8")
    assert "common address 8 at line is already used by groups.meters" in problem


def test_a_device_by_itself_has_a_line_of_its_own(make_layout: Make) -> None:
    groups = "  meters: {{kind: smart_meter, count: 2, feeder: west, endpoints: [{{protocol: iec101, address: {}}}]}}\n"
    layout = make_layout(groups.format(9))
    assert [station.seats[0].address for station in layout.stations] == [9, 9]
    with pytest.raises(ConfigError, match="1 to 254"):
        make_layout(groups.format(255))


@pytest.mark.parametrize(("options", "has"), [("", False), ("link_address: 1", True), ("mode: balanced", True)])
def test_only_what_stands_behind_one_link_address_has_a_clock_of_its_own(
    make_layout: Make, options: str, has: bool
) -> None:
    station = GROUPS.format(options=options, count=1, first="", second="")
    station = station.replace("protocol: iec101, options", "protocol: iec101, clock_drift_ppm: 20, options")
    if has:
        assert make_layout(station).stations[0].clock_drift_ppm == 20
    else:
        with pytest.raises(ConfigError, match="has no clock of its own"):
            make_layout(station)
