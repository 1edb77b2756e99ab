"""Weather files a user brings: every format's hours, zones, gaps, and how a site file names them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pvlib
import pytest

from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.profiles.weather import Weather, WeatherFileError
from pilotfarm.profiles.weather.files import HOURS, read

TMY3 = Path(pvlib.__file__).parent / "data" / "703165TY.csv"
HEAD_EPW = ["LOCATION,Here,-,-,own,0,47.0,10.0,{zone},700.0", *["-"] * 7]
Row = tuple[float, float, float]  # GHI, air temperature, wind


def hour_of(index: int) -> Row:
    """Light from 6 to 18 h of the file's zone; the temperature counts the hours of the year."""
    light = max(0.0, 600.0 * np.sin(np.pi * (index % 24 + 0.5 - 6.0) / 12.0))
    return float(np.round(light)), index / 1_000.0, 3.0


def epw(path: Path, rows: Callable[[int], Row | None] = hour_of, zone: float = 1.0) -> Path:
    lines = [line.format(zone=zone) for line in HEAD_EPW]
    for index in range(HOURS):
        row = rows(index)
        if row is None:
            continue
        when = datetime(2001, 1, 1) + timedelta(hours=index)  # noqa: DTZ001 - the file's own zone
        ghi, air, wind = row
        values = [ghi, 0.3 * ghi, 0.4 * ghi]
        lines.append(
            f"{when.year},{when.month},{when.day},{when.hour + 1},60,x,{air:.3f},5,80,95000,0,0,0,"
            + ",".join(f"{value:.0f}" for value in values)
            + f",0,0,0,0,270,{wind},5,5,10,1000,9,0,10,0.1,0,88,0.2,0,0"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pvgis(path: Path, rows: Callable[[int], Row | None] = hour_of) -> Path:
    lines = ["Latitude (decimal degrees): 47.000", "Longitude (decimal degrees): 10.000", "Elevation (m): 700.0"]
    lines += ["Irradiance Time Offset (h): 0.5", "month,year", *[f"{m},{2004 + m}" for m in range(1, 13)]]
    lines.append("time(UTC),T2m,RH,G(h),Gb(n),Gd(h),IR(h),WS10m,WD10m,SP")
    for index in range(HOURS):
        row = rows(index)
        if row is not None:
            when = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(hours=index)
            lines.append(
                f"{when:%Y%m%d:%H%M},{row[1]:.3f},80.0,{row[0]},{0.3 * row[0]},{0.4 * row[0]},300,{row[2]},270,95000"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def energies(weather: Weather, start_s: float, days: int) -> tuple[float, float]:
    """Global and diffuse energy of some days [Wh/m2]."""
    skies = [weather.at(start_s + 600.0 * k + 300.0) for k in range(144 * days)]
    return sum(sky.ghi_w_per_m2 for sky in skies) / 6.0, sum(sky.dhi_w_per_m2 for sky in skies) / 6.0


def test_a_tmy3_file_keeps_its_energy_its_zone_and_its_air() -> None:
    record = read(TMY3, "tmy3")
    assert record.utc_offset_s == -9 * 3_600.0
    weather = Weather(record.latitude_deg, record.longitude_deg, 7.0, "America/Anchorage", 1, record=record)
    start_s = datetime(2025, 6, 10, 9, tzinfo=UTC).timestamp()  # midnight in the file's zone
    hours = slice(160 * 24, 170 * 24)
    ghi, dhi = energies(weather, start_s, 10)
    assert ghi == pytest.approx(record.ghi[hours].sum(), rel=0.01)
    assert dhi == pytest.approx(record.dhi[hours].sum(), rel=0.05)
    for hour in (0, 7, 15):
        sky = weather.at(start_s + 3_600.0 * (hour + 1))
        assert sky.air_temperature_degc == pytest.approx(record.air_degc[160 * 24 + hour], abs=1e-6)
        assert sky.wind_speed_m_per_s == pytest.approx(record.wind_m_per_s[160 * 24 + hour], abs=1e-6)


@pytest.mark.parametrize("zone", [-3.5, 0.0, 1.0, 5.75])
def test_an_epw_s_hours_are_those_of_its_own_zone(tmp_path: Path, zone: float) -> None:
    record = read(epw(tmp_path / "here.epw", zone=zone), "epw")
    weather = Weather(47.0, 15.0 * zone, 700.0, "UTC", 1, record=record)
    start_s = datetime(2026, 7, 1, tzinfo=UTC).timestamp() - 3_600.0 * zone
    assert weather.at(start_s + 12 * 3_600.0).air_temperature_degc == pytest.approx(record.air_degc[181 * 24 + 11])
    ghi, _ = energies(weather, start_s, 1)
    assert ghi == pytest.approx(record.ghi[181 * 24 : 182 * 24].sum(), rel=0.01)


def test_a_pvgis_tmy_holds_at_its_instants(tmp_path: Path) -> None:
    record = read(pvgis(tmp_path / "here.csv"), "pvgis")
    assert (record.utc_offset_s, record.light_shift_s, record.air_shift_s) == (0.0, 1_800.0, 0.0)
    weather = Weather(47.0, 0.0, 700.0, "UTC", 1, record=record)
    noon_s = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    assert weather.at(noon_s).air_temperature_degc == pytest.approx(record.air_degc[181 * 24 + 12])
    assert weather.at(noon_s + 1_800.0).ghi_w_per_m2 == pytest.approx(record.ghi[181 * 24 + 12], rel=1e-3)


def test_a_leap_year_has_28_february_twice_and_no_day_is_off_by_one(tmp_path: Path) -> None:
    record = read(epw(tmp_path / "here.epw", zone=0.0), "epw")
    weather = Weather(47.0, 0.0, 700.0, "UTC", 1, record=record)

    def air(*day: int) -> float:
        return weather.at(datetime(*day, 12, tzinfo=UTC).timestamp()).air_temperature_degc  # type: ignore[misc,arg-type]

    assert air(2028, 2, 28) == air(2028, 2, 29) == air(2027, 2, 28)
    assert air(2028, 3, 1) == air(2027, 3, 1)
    assert air(2028, 12, 31) == air(2027, 12, 31)


@pytest.mark.parametrize("write", [epw, pvgis])
@pytest.mark.parametrize("hours", [1, 3])
def test_a_short_gap_is_bridged_and_reported(tmp_path: Path, write: Callable[..., Path], hours: int) -> None:
    gap = range(4_000, 4_000 + hours)
    form = "epw" if write is epw else "pvgis"
    record = read(write(tmp_path / "gap.csv", lambda index: None if index in gap else hour_of(index)), form)
    assert record.air_degc[4_000 : 4_000 + hours] == pytest.approx(np.array(gap) / 1_000.0)
    first = 9 if form == "epw" else 19
    assert any(note.startswith(f"line {first + 4_000}: ghi missing for {hours} hours") for note in record.notes)


@pytest.mark.parametrize("write", [epw, pvgis])
def test_a_long_gap_is_refused_with_its_line_and_its_time(tmp_path: Path, write: Callable[..., Path]) -> None:
    form, first = ("epw", 9) if write is epw else ("pvgis", 19)
    file = write(tmp_path / "gap.csv", lambda index: None if 4_000 <= index < 4_004 else hour_of(index))
    with pytest.raises(WeatherFileError, match="ghi is missing for 4 hours from 16 June 16:00") as caught:
        read(file, form)
    assert caught.value.line == first + 4_000


def test_codes_of_missing_data_count_as_gaps(tmp_path: Path) -> None:
    coded = epw(tmp_path / "codes.epw", lambda index: (9_999.0, 99.9, 999.0) if index == 77 else hour_of(index))
    record = read(coded, "epw")
    assert record.air_degc[77] == pytest.approx(0.077)
    assert record.wind_m_per_s[77] == pytest.approx(3.0)
    many = epw(tmp_path / "many.epw", lambda index: (9_999.0, 5.0, 3.0) if 70 <= index < 90 else hour_of(index))
    with pytest.raises(WeatherFileError, match="ghi is missing for 20 hours from 03 January 22:00"):
        read(many, "epw")


@pytest.mark.parametrize("form", ["epw", "tmy3", "pvgis"])
@pytest.mark.parametrize("text", ["", "hello\n", "a,b,c\n1,2,3\n" * 50, "Latitude (decimal degrees): 1\ntime(UTC),x\n"])
def test_what_is_no_weather_file_is_refused(tmp_path: Path, form: str, text: str) -> None:
    file = tmp_path / "odd.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(WeatherFileError):
        read(file, form)


def changed(file: Path, change: Callable[[list[str]], list[str]]) -> Path:
    file.write_text("\n".join(change(file.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")
    return file


def with_cell(line: int, column: int, text: str) -> Callable[[list[str]], list[str]]:
    """Put a text into a row's cell."""

    def change(lines: list[str]) -> list[str]:
        cells = lines[line - 1].split(",")
        cells[column] = text
        return [*lines[: line - 1], ",".join(cells), *lines[line:]]

    return change


def without_column(name: str) -> Callable[[list[str]], list[str]]:
    """Drop a column by its name in the row of names."""

    def change(lines: list[str]) -> list[str]:
        head = next(k for k, line in enumerate(lines) if name in line.split(","))
        place = lines[head].split(",").index(name)
        cells = [line.split(",") for line in lines[head:]]
        return [*lines[:head], *(",".join(row[:place] + row[place + 1 :]) for row in cells)]

    return change


def copy_of_tmy3(folder: Path) -> Path:
    file = folder / "here.csv"
    file.write_text(TMY3.read_text(encoding="utf-8"), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("form", "change", "line", "message"),
    [
        ("epw", with_cell(109, 13, "n/k"), 109, "global horizontal radiation is 'n/k', not a number"),
        ("epw", with_cell(109, 8, "wet"), 109, "relative humidity is 'wet', not a number"),
        ("epw", lambda lines: lines[8:], 1, "does not begin with LOCATION"),
        ("epw", lambda lines: lines[:8], 0, "has no hours"),
        ("epw", lambda lines: [*lines[:8], *(line.rsplit(",", 3)[0] for line in lines[8:])], 9, "has 32 values"),
        ("tmy3", without_column("GHI (W/m^2)"), 2, "has no column GHI"),
        ("tmy3", without_column("Wspd (m/s)"), 2, "has no column Wspd"),
        ("tmy3", lambda lines: lines[1:], 2, "no row of column names"),
        ("tmy3", with_cell(50, 31, "cold"), 50, "Dry-bulb .C. is 'cold', not a number"),
        ("pvgis", without_column("G(h)"), 18, "has no column G.h."),
        ("pvgis", lambda lines: [line.replace(",", ";") for line in lines], 18, "separated by commas"),
        ("pvgis", lambda lines: lines[17:], 1, "has no lines of header"),
        ("pvgis", with_cell(60, 1, "warm"), 60, "T2m is 'warm', not a number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_words_with_its_line(
    tmp_path: Path, form: str, change: Callable[[list[str]], list[str]], line: int, message: str
) -> None:
    makers: dict[str, Callable[[Path], Path]] = {"epw": epw, "pvgis": pvgis}
    file = copy_of_tmy3(tmp_path) if form == "tmy3" else makers[form](tmp_path / "here.csv")
    with pytest.raises(WeatherFileError, match=message) as caught:
        read(changed(file, change), form)
    assert caught.value.line == line


def test_a_file_of_half_hours_is_refused_and_not_read_by_halves(tmp_path: Path) -> None:
    halves = changed(
        epw(tmp_path / "half.epw"), lambda lines: [*lines[:8], *(line for row in lines[8:] for line in (row, row))]
    )
    with pytest.raises(WeatherFileError, match="second row for the hour 2001-01-01 00:00; only whole hours") as caught:
        read(halves, "epw")
    assert caught.value.line == 10


def test_a_tmy3_may_be_labelled_by_the_middles_of_its_hours(tmp_path: Path) -> None:
    def middles(lines: list[str]) -> list[str]:
        hours = [(line.split(",", 2), k % 24) for k, line in enumerate(lines[2:])]
        days = [lines[2 + 24 * (k // 24)].split(",", 1)[0] for k in range(len(hours))]
        return [
            *lines[:2],
            *(f"{day},{hour:02d}:30,{cells[2]}" for day, (cells, hour) in zip(days, hours, strict=True)),
        ]

    record, ends = read(changed(copy_of_tmy3(tmp_path), middles), "tmy3"), read(TMY3, "tmy3")
    assert np.array_equal(record.ghi, ends.ghi)
    assert not record.notes


def test_a_tmy3_whose_february_is_a_leap_year_s_lacks_nothing(tmp_path: Path) -> None:
    """The last hour of the 28th ends on the 29th, which pvlib takes for 1 March."""
    leap = changed(
        copy_of_tmy3(tmp_path), lambda lines: [re.sub(r"^(02/../)\d{4}", r"\g<1>1996", line) for line in lines]
    )
    record = read(leap, "tmy3")
    assert not record.notes
    assert np.array_equal(record.ghi, read(TMY3, "tmy3").ghi)


def test_of_several_years_the_first_counts_and_a_note_says_so(tmp_path: Path) -> None:
    record = read(
        changed(epw(tmp_path / "here.epw"), lambda lines: [*lines, *(f"2002{line[4:]}" for line in lines[8:])]), "epw"
    )
    assert record.notes == ("8,760 hours come again in a later year; the first year counts",)


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    file = epw(tmp_path / "here.epw")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read(file, "epw").ghi.max() == 595.0


def test_a_time_zone_far_off_the_sun_is_noted(tmp_path: Path) -> None:
    """A file at 10 degrees east whose hours are those of Alaska is most likely wrong, but may be meant."""
    (note,) = read(epw(tmp_path / "here.epw", zone=-9.0), "epw").notes
    assert note == "its time zone, UTC-9, is 10 hours off the sun at 10 E"
    assert not read(epw(tmp_path / "here.epw", zone=1.0), "epw").notes


# ----------------------------------------------------------------------------------------- the site file

SITE = """\
name: here
location: {latitude_deg: 47, longitude_deg: 10, altitude_m: 700, time_zone: Europe/Berlin}
start: 2026-07-01T12:00:00
groups:
  roofs: {kind: pv_generator, count: 3}
"""


def loaded(folder: Path, weather: str) -> Farm:
    file = folder / "site.yaml"
    file.write_text(SITE + f"weather: {weather}\n", encoding="utf-8")
    return Farm(site.load(str(file)))


def test_a_site_follows_the_file_it_names(tmp_path: Path) -> None:
    epw(tmp_path / "here.epw")
    farm = loaded(tmp_path, "{source: epw, file: here.epw}")
    assert [each.name for each in farm.layout.inputs] == ["here.epw"]
    farm.step(1.0)
    (group,) = farm.groups.values()
    assert group.columns["outside_temperature_degc"] == pytest.approx(np.full(3, (181 * 24 + 10) / 1_000.0), abs=1e-3)
    assert np.ptp(group.columns["irradiance_horizontal_w_per_m2"]) == 0.0
    cloudy = loaded(tmp_path, "{source: epw, file: here.epw, clouds: true, extent_m: 5000}")
    cloudy.step(1.0)
    assert np.ptp(cloudy.groups["roofs"].columns["irradiance_horizontal_w_per_m2"]) > 0.0


def test_a_file_with_a_gap_is_a_problem_of_its_line(tmp_path: Path) -> None:
    epw(tmp_path / "gap.epw", lambda index: None if 100 <= index < 110 else hour_of(index))
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "{source: epw, file: gap.epw}")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "gap.epw"), 109)
    assert "10 hours from 05 January 04:00" in problem.message


@pytest.mark.parametrize(
    ("weather", "message"),
    [
        ("{source: epw}", "needs a file"),
        ("{file: here.epw}", "name its format"),
        ("{source: epw, file: none.epw}", "cannot be read"),
        ("{source: sunny}", "source"),
        ("{extent_m: 1}", "extent_m"),
    ],
)
def test_a_wrong_weather_table_is_a_problem(tmp_path: Path, weather: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, weather)
    assert any(message in str(problem) for problem in caught.value.problems)


def test_bridged_gaps_and_a_far_off_file_are_noted(tmp_path: Path) -> None:
    epw(tmp_path / "gap.epw", lambda index: None if index == 100 else hour_of(index))
    file = tmp_path / "site.yaml"
    file.write_text(SITE.replace("47", "52") + "weather: {source: epw, file: gap.epw}\n", encoding="utf-8")
    notes = site.load(str(file)).weather.notes
    assert any("line 109: ghi missing for 1 hours" in note for note in notes)
    assert "47 N 10 E" in notes[-1]


def test_a_site_in_polar_night_steps_and_gives_zeros(tmp_path: Path) -> None:
    file = tmp_path / "north.yaml"
    place = "{latitude_deg: 78.2, longitude_deg: 15.6, time_zone: Arctic/Longyearbyen}"
    lines = [f"location: {place}" if line.startswith("location") else line for line in SITE.splitlines()]
    text = "\n".join(lines).replace("2026-07-01T12:00:00", "2026-12-21T00:00:00")
    file.write_text(text + "\n  homes: {kind: prosumer, count: 2}\n", encoding="utf-8")
    farm = Farm(site.load(str(file)))
    for _ in range(96):
        farm.step(900.0)
    roofs, homes = (farm.groups[name].columns for name in ("roofs", "homes"))
    for values in (roofs["energy_exported_wh"], roofs["available_power_w"], homes["pv_energy_exported_wh"]):
        assert not values.any()
    for columns in (roofs, homes):
        assert all(np.isfinite(values).all() for values in columns.values())
