"""Series in a site file: who replays what, and every mistake with its file and line at once."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from pilotfarm.emulators import registry, site
from pilotfarm.emulators.contracts.replay import OF_THE_SITE, REPLAYABLE
from pilotfarm.emulators.errors import ConfigError, Problem

GOOD = """\
name: replayed
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-01T00:00:00+00:00
series:
  loads: {file: loads.csv, zone: UTC}
  sky: {file: sky.csv, repeat: true}
weather:
  replay:
    irradiance: {series: sky, column: ghi, unit: W/m2}
groups:
  meters:
    kind: smart_meter
    count: 2
    replay:
      load: {series: loads, column: "{device}", unit: W}
  pv:
    kind: pv_generator
    count: 2
    ratings: {rated_power_w: 5000}
    replay:
      pv_power: {series: loads, column: [east, west], unit: W}
  store: {kind: battery, count: 1}
"""
LOADS = "time,meters-001,meters-002,east,west\n2025-06-01T00:00,100,200,0,5000\n2025-06-01T00:15,110,210,50,60\n"
SKY = "time,ghi,air\n0,0,10\n3600,100,11\n"


def write(folder: Path, text: str = GOOD, loads: str = LOADS, sky: str = SKY) -> str:
    (folder / "loads.csv").write_text(loads, encoding="utf-8")
    (folder / "sky.csv").write_text(sky, encoding="utf-8")
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return str(folder / "site.yaml")


def problems(folder: Path, **texts: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        site.load(write(folder, **texts))
    return list(caught.value.problems)


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) == 1, f"{old!r} must name one place"
    return text.replace(old, new)


def test_the_site_all_others_are_made_from_replays(tmp_path) -> None:
    layout = site.load(write(tmp_path))
    found = layout.replays
    assert [each.name for each in layout.inputs] == ["loads.csv", "sky.csv"]
    assert [(each.group, each.what) for each in found] == [("meters", "load"), ("pv", "pv_power"), ("", "irradiance")]


WRONG_IN_THE_SITE = {
    "no such series": ("{series: sky,", "{series: clouds,", 9, "there is no series 'clouds'; known are loads, sky"),
    "nobody replays it": ("series:\n", "series:\n  spare: {file: sky.csv}\n", 5, "nothing replays it"),
    "unit of something else": ("column: ghi, unit: W/m2", "column: ghi, unit: kWp", 9, "no unit of irradiance 'kWp'"),
    "unit left out": ("column: ghi, unit: W/m2", "column: ghi", 9, "is missing"),
    "unit by a slip": ('"{device}", unit: W', '"{device}", unit: kw', 15, "did you mean 'kW'"),
    "what no weather has": ("    irradiance:", "    load:", 9, "no series of the weather 'load'"),
    "what no meter has": ("      load:", "      loads:", 15, "no series of a smart_meter 'loads'; did you mean 'load'"),
    "what no battery has": (
        "battery, count: 1}",
        "battery, count: 1, replay: {load: {series: sky, column: air, unit: W}}}",
        22,
        "no series of a battery 'load'; known are price",
    ),
    "a column too few": ("[east, west]", "[east]", 21, "names 1 columns for 2 devices"),
    "the column of times": (
        "[east, west]",
        "[east, time]",
        21,
        "'time' is the column of times of loads.csv; say which",
    ),
    "a column that is not there": ("[east, west]", "[east, wset]", 21, "loads.csv has no column 'wset'; did you mean"),
    "devices without a column": ("count: 2\n    replay", "count: 4\n    replay", 15, "'meters-003' and 1 more"),
    "devices the site has not": (
        "count: 2\n    replay",
        "count: 1\n    replay",
        15,
        "'meters-002', of devices that meters",
    ),
    "no such file": ("file: sky.csv", "file: sky.parquet", 6, "cannot be read: No such file"),
    "a zone that is none": ("zone: UTC", "zone: Oslo", 5, "there is no time zone 'Oslo'; did you mean 'Europe/Oslo'"),
    "gaps of no kind": ("zone: UTC}", "zone: UTC, gaps: guess}", 5, "refuse"),
    "a form of times without a date": ("zone: UTC}", "zone: UTC, time_format: '%H:%M'}", 5, "has no whole date in it"),
    "a form that is none": ("zone: UTC}", "zone: UTC, time_format: '%Q'}", 5, "'%Q' is no form of instants, such as"),
    "an unknown key": ("zone: UTC}", "zone: UTC, repeats: true}", 5, "did you mean 'repeat'"),
    "it is over before": (
        "start: 2025",
        "start: 2026",
        5,
        "ends at 2025-06-01T00:30:00Z, before the site starts at 2026",
    ),
    "no table": (
        'replay:\n      load: {series: loads, column: "{device}", unit: W}',
        "replay: loads",
        14,
        "must be a table",
    ),
}


@pytest.mark.parametrize("case", WRONG_IN_THE_SITE)
def test_what_is_wrong_in_the_site_file_has_its_line(tmp_path, case) -> None:
    old, new, line, words = WRONG_IN_THE_SITE[case]
    (problem,) = problems(tmp_path, text=changed(old, new))
    assert (Path(problem.file).name, problem.line) == ("site.yaml", line)
    assert words in problem.message


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("110,", "x,", 3, "'x' is not a number"),
        ("110,", ",", 3, "meters-001 is empty"),
        ("00:15,", "00:00,", 3, "is the same instant as line 2"),
        ("110,", "99000,", 3, "load of meters-001 would be 99,000 W, and at most 43,470 W is possible by its ratings"),
        ("110,", "-99000,", 3, "load of meters-001 would be -99,000 W, and at least -43,470 W is possible"),
        ("5000\n", "5001\n", 2, "pv_power of pv-002 would be 5,001 W, and at most 5,000 W is possible"),
        ("50,60", "50,-300", 3, "pv_power of pv-002 would be -300 W, and at least -250 W is possible"),
    ],
)
def test_what_is_wrong_in_a_file_has_its_line_there(tmp_path, old, new, line, words) -> None:
    (problem,) = problems(tmp_path, loads=changed(old, new, LOADS))
    assert (Path(problem.file).name, problem.line) == ("loads.csv", line)
    assert words in problem.message


def test_a_unit_that_does_not_fit_is_said_with_one_that_would(tmp_path) -> None:
    told = problems(tmp_path, text=changed('"{device}", unit: W', '"{device}", unit: kW'))
    assert [problem.line for problem in told] == [2, 2]
    assert all("are the numbers in W?" in problem.message for problem in told)


def test_everything_wrong_is_told_at_once(tmp_path) -> None:
    text = changed("unit: W/m2", "unit: lux", changed("zone: UTC", "gaps: refuse"))
    told = problems(tmp_path, text=text, sky=SKY.replace("3600", "0"))
    assert {(Path(problem.file).name, problem.line) for problem in told} == {("site.yaml", 9), ("loads.csv", 2)}
    told = problems(tmp_path, text=changed("zone: UTC", "gaps: refuse"), sky=SKY.replace("3600", "0"))
    assert {(Path(problem.file).name, problem.line) for problem in told} == {("sky.csv", 3), ("loads.csv", 2)}


def test_a_start_that_is_given_decides_where_offsets_count_from(tmp_path) -> None:
    layout = site.load(write(tmp_path), start="2025-06-01T00:10:00+00:00")
    sky = next(each for each in layout.replays if each.what == "irradiance").values.series
    assert sky.begin_s == layout.start.timestamp()


def test_the_schema_takes_what_the_site_file_takes(tmp_path) -> None:
    validator = jsonschema.Draft202012Validator(site.json_schema())
    document = yaml.safe_load(GOOD) | {"start": "2025-06-01T00:00:00Z"}
    assert not list(validator.iter_errors(document))
    for case in ("unit of something else", "what no weather has", "what no meter has", "gaps of no kind"):
        old, new, *_ = WRONG_IN_THE_SITE[case]
        wrong = yaml.safe_load(changed(old, new)) | {"start": "2025-06-01T00:00:00Z"}
        assert list(validator.iter_errors(wrong)), case


def test_what_kinds_replay_is_known_and_everything_is_replayed_by_someone() -> None:
    by_kinds = {what for kind in registry.DEVICES for what in registry.device(kind).replays}
    assert by_kinds | {what for names in OF_THE_SITE.values() for what in names} == set(REPLAYABLE)
