"""Files of series: what is read from them, what a step is given, and what is wrong with them, all at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.profiles.series import Recipe, Replayed, Series, SeriesFileError
from pilotfarm.profiles.series.csv_file import NOTHING
from pilotfarm.profiles.series.load import columns_of, load

START_S = datetime.fromisoformat("2025-03-01T00:00:00+00:00").timestamp()
EVEN = "time,a,b\n2025-03-01T00:00Z,1,10\n2025-03-01T00:15Z,2,20\n2025-03-01T00:30Z,3,30\n2025-03-01T00:45Z,4,40\n"


def read(path: Path, **how: Any) -> Series:
    recipe = Recipe(path, **how)
    time, columns = columns_of(recipe)
    return load(recipe, time, tuple(columns), START_S)


def csv(tmp_path: Path, text: str, **how: Any) -> Series:
    file = tmp_path / "series.csv"
    file.write_text(text, encoding="utf-8")
    return read(file, **how)


def table(tmp_path: Path, **columns: Any) -> Path:
    file = tmp_path / "series.parquet"
    parquet.write_table(pa.table(columns), file)
    return file


def mistakes(tmp_path: Path, text: str, **how: Any) -> list[tuple[int, str]]:
    with pytest.raises(SeriesFileError) as caught:
        csv(tmp_path, text, **how)
    return list(caught.value.mistakes)


def followed(series: Series, gain: float = 1.0) -> Replayed:
    return Replayed(series, np.arange(len(series.names)), gain)


# ------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (EVEN, {}),
        ("\ufeff" + EVEN, {}),
        (EVEN.replace("\n", "\r\n"), {}),
        (EVEN.replace(",", ";"), {}),
        (EVEN.replace(",", "\t"), {}),
        (EVEN.replace(",1,", ";1,0;").replace(",", ";").replace("1;0", "1,0"), {"decimal": ","}),
        (EVEN.replace("\n", "\n\n"), {}),
        (EVEN.replace("Z", ""), {"zone": "UTC"}),
        (EVEN.replace("T00", "T01").replace("Z", ""), {"zone": "Europe/Oslo"}),
        (EVEN.replace("T00", "T05").replace("Z", "+05:00"), {}),
        ("a,time,b\n1,0,10\n2,900,20\n3,1800,30\n4,2700,40\n", {"time": "time"}),
    ],
)
def test_a_file_reads_the_same_however_it_is_written(tmp_path, text, how) -> None:
    series = csv(tmp_path, text, **how)
    assert series.names == ("a", "b")
    assert series.values.tolist() == [[1, 10], [2, 20], [3, 30], [4, 40]]
    assert (series.edges_s - START_S).tolist() == [0, 900, 1800, 2700, 3600]


ENTSOE = """\
"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|NO1"
"26.10.2025 01:00 - 26.10.2025 02:00","-1.05","EUR",""
"26.10.2025 02:00 - 26.10.2025 03:00","0.00","EUR",""
"26.10.2025 02:00 - 26.10.2025 03:00","11.20","EUR",""
"26.10.2025 03:00 - 26.10.2025 04:00","n/e","EUR",""
"""
SMARD = """\
Datum von;Datum bis;Deutschland/Luxemburg [€/MWh]
26.10.2025 01:00;26.10.2025 02:00;-1,05
26.10.2025 02:00;26.10.2025 02:00;0,00
26.10.2025 02:00;26.10.2025 03:00;11,20
26.10.2025 03:00;26.10.2025 04:00;-
"""


@pytest.mark.parametrize(
    ("text", "column", "decimal"),
    [(ENTSOE, "Day-ahead Price [EUR/MWh]", "."), (SMARD, "Deutschland/Luxemburg [€/MWh]", ",")],
)
def test_day_ahead_prices_are_read_as_they_are_published(tmp_path, text, column, decimal) -> None:
    (tmp_path / "prices.csv").write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8")
    form = {"zone": "Europe/Oslo", "time_format": "%d.%m.%Y %H:%M", "decimal": decimal, "gaps": "hold"}
    recipe = Recipe(tmp_path / "prices.csv", **form)
    series = load(recipe, columns_of(recipe)[0], (column,), START_S)
    first = datetime.fromisoformat("2025-10-26T01:00:00+02:00").timestamp()
    assert (series.edges_s - first).tolist() == [0, 3600, 7200, 10800, 14400]
    assert series.values[:, 0].tolist() == [-1.05, 0.0, 11.2, 11.2]


@pytest.mark.parametrize(
    ("times", "form"),
    [(("202503010000", "202503010015"), "%Y%m%d%H%M"), (("1/3/25 0:00", "1/3/25 0:15"), "%d/%m/%y %H:%M")],
)
def test_times_of_another_form_are_read_by_it(tmp_path, times, form) -> None:
    series = csv(tmp_path, "time,a\n" + "".join(f"{each},1\n" for each in times), time_format=form, zone="UTC")
    assert (series.edges_s - START_S).tolist() == [0, 900, 1800]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([0, 900, 1800], pa.int64()),
        pa.array([0.0, 900.0, 1800.0]),
        pa.array([0, 900, 1800], pa.duration("s")),
        pa.array([int(START_S) + at for at in (0, 900, 1800)], pa.timestamp("s", "Europe/Oslo")),
        pa.array([(int(START_S) + at) * 10**9 for at in (0, 900, 1800)], pa.timestamp("ns", "UTC")),
        pa.array(["2025-03-01T00:00Z", "2025-03-01T00:15Z", "2025-03-01T00:30Z"]),
        pa.array(["2025-03-01T00:00Z", "2025-03-01T00:15Z", "2025-03-01T00:30Z"]).dictionary_encode(),
    ],
)
def test_parquet_has_times_of_any_type(tmp_path, times) -> None:
    series = read(table(tmp_path, t=times, load=pa.array([1, 2, 3], pa.int32())))
    assert (series.edges_s - START_S).tolist() == [0, 900, 1800, 2700]
    assert series.values.tolist() == [[1], [2], [3]]


def test_parquet_without_a_zone_is_wall_time_of_the_series_zone(tmp_path) -> None:
    wall = pa.array([int(START_S) + at for at in (3600, 4500)], pa.timestamp("s"))
    assert read(table(tmp_path, t=wall, load=[1.0, 2.0]), zone="Europe/Oslo").edges_s[0] == START_S
    with pytest.raises(SeriesFileError, match="row 1: has no offset from UTC, and the series says no zone"):
        read(table(tmp_path, t=wall, load=[1.0, 2.0]))


def test_days_are_their_beginnings(tmp_path) -> None:
    days = pa.array([20_148, 20_149], pa.date32())
    series = read(table(tmp_path, t=days, load=[1.0, 2.0]), zone="Europe/Oslo")
    assert (series.edges_s - START_S).tolist() == [-3600, 82_800, 169_200]


def test_a_column_of_words_may_be_in_any_encoding(tmp_path) -> None:
    """Nobody looks at it."""
    text = "time,a,where\n0,1,\u00fcber\n900,2,x\n"
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    assert load(Recipe(tmp_path / "a.csv"), "time", ("a",), START_S).values.tolist() == [[1], [2]]


def test_the_hour_that_comes_twice_is_summer_time_first(tmp_path) -> None:
    hours = ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
    text = "time,a\n" + "".join(f"2025-10-26T{hour},{at}\n" for at, hour in enumerate(hours))
    series = csv(tmp_path, text, zone="Europe/Oslo")
    first = datetime.fromisoformat("2025-10-25T23:30:00+00:00").timestamp()
    assert (series.edges_s - first).tolist() == [1800 * at for at in range(7)]


@pytest.mark.parametrize("form", ["{}T{}:00.25{}", "{} {}{}", "{}T{}:00{}"])
@pytest.mark.parametrize("offset", ["Z", "-02:30", "+0130", ""])
def test_times_that_are_alike_read_as_one_by_one(tmp_path, form, offset) -> None:
    """The last time has a week's date, which is read by itself, and then all are."""
    times = [form.format("2025-03-01", each, offset) for each in ("00:00", "00:15", "00:30")]
    zone = None if offset else "Asia/Kolkata"
    alike = csv(tmp_path, "time,a\n" + "".join(f"{each},1\n" for each in times), zone=zone)
    last = form.format("2025-W09-6", "00:30", offset)
    apart = csv(tmp_path, "time,a\n" + "".join(f"{each},1\n" for each in (*times[:2], last)), zone=zone)
    assert apart.edges_s.tolist() == alike.edges_s.tolist()
    assert alike.begin_s == datetime.fromisoformat(times[0] + ("" if offset else "+05:30")).timestamp()


@pytest.mark.parametrize("zone", ["Europe/Oslo", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_wall_times_are_the_instants_they_came_from(tmp_path, zone) -> None:
    """From March to October every half an hour, both of those that come twice among them."""
    unix_s = np.arange(0.0, 245 * 86_400.0, 1_800.0) + START_S
    here = [datetime.fromtimestamp(each, ZoneInfo(zone)) for each in unix_s.tolist()]
    text = "time,a\n" + "".join(f"{each:%Y-%m-%dT%H:%M},1\n" for each in here)
    assert (csv(tmp_path, text, zone=zone).edges_s[:-1] == unix_s).all()


def test_a_time_may_stand_for_the_end_of_its_interval(tmp_path) -> None:
    assert (csv(tmp_path, EVEN, stamp="end").edges_s - START_S).tolist() == [-900, 0, 900, 1800, 2700]


# ------------------------------------------------------------------------------------------- gaps

HOLES = "time,a\n0,\n900,1\n1800,\n2700,4\n5400,7\n6300,8\n"


@pytest.mark.parametrize(
    ("gaps", "offsets", "values"),
    [
        ("hold", [0, 900, 1800, 2700, 5400, 6300], [1, 1, 1, 4, 7, 8]),
        ("zero", [0, 900, 1800, 2700, 3600, 4500, 5400, 6300], [0, 1, 0, 4, 0, 0, 7, 8]),
        ("interpolate", [0, 900, 1800, 2700, 3600, 4500, 5400, 6300], [1, 1, 2.5, 4, 5, 6, 7, 8]),
        ("model", [0, 900, 1800, 2700, 3600, 4500, 5400, 6300], [np.nan, 1, np.nan, 4, np.nan, np.nan, 7, 8]),
    ],
)
def test_gaps_are_answered_as_said(tmp_path, gaps, offsets, values) -> None:
    series = csv(tmp_path, HOLES, gaps=gaps)
    assert (series.edges_s[:-1] - START_S).tolist() == offsets
    np.testing.assert_array_equal(series.values[:, 0], values)


def test_gaps_are_refused_unless_something_is_said(tmp_path) -> None:
    assert mistakes(tmp_path, HOLES) == [
        (2, "a is empty; say what holds there, such as gaps: hold"),
        (4, "a is empty; say what holds there, such as gaps: hold"),
        (6, "2 left out before 2025-03-01T01:30:00Z, of one every 900 s; say what holds there, such as gaps: hold"),
    ]


def test_an_interval_and_a_half_is_a_gap_and_rounding_is_none(tmp_path) -> None:
    told = mistakes(tmp_path, "time,a\n0,1\n900,1\n1800,1\n3150,1\n")
    assert told[0][1].startswith("1 left out before 2025-03-01T00:52:30Z")
    assert len(csv(tmp_path, "time,a\n" + "".join(f"{0.1 * at},1\n" for at in range(50))).values) == 50


@pytest.mark.parametrize("word", NOTHING)
def test_words_for_nothing_are_empty_cells(tmp_path, word) -> None:
    assert np.isnan(csv(tmp_path, f"time,a\n0,1\n1,{word}\n", gaps="model").values[1, 0])


def test_a_long_gap_is_one_mistake_and_many_are_counted(tmp_path) -> None:
    long = "time,a\n0,1\n" + "".join(f"{at},\n" for at in range(1, 9)) + "9,2\n"
    assert mistakes(tmp_path, long)[0] == (
        3,
        "a, 8 rows from here on, is empty; say what holds there, such as gaps: hold",
    )
    many = "time,a\n" + "".join(f"{at},{'' if at % 2 else 1}\n" for at in range(100))
    told = mistakes(tmp_path, many)
    assert len(told) == 21
    assert told[-1][1] == "and 30 more like this"


# ------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "how", "line", "words"),
    [
        ("time,a\n0,1\n900,x\n", {}, 3, "a: 'x' is not a number"),
        ("time,a\n\n0,1\n900,x\n", {}, 4, "a: 'x' is not a number"),
        ("time,a\n0,1\n900,1,2\n1800,1\n", {}, 3, "has 3 columns, and the line of names 2"),
        ("time,a\n0,1\n900,inf\n", {}, 3, "a is no finite number"),
        ("time,a\n0,\n900,\n", {}, 0, "column 'a' holds nothing"),
        ("time,a\n0,1\n", {}, 0, "at least two rows"),
        ("time\n0\n1\n", {}, 1, "at least two columns"),
        ("", {}, 1, "at least two columns"),
        ("time,a,a\n0,1,2\n1,1,2\n", {}, 1, "two columns are named 'a'"),
        ("time,a,\n0,1,2\n1,1,2\n", {}, 1, "a column has no name"),
        (EVEN, {"time": "when"}, 1, "no column 'when' for the time; there are 'time', 'a', 'b'"),
        (EVEN.replace("Z", ""), {}, 2, "has no offset from UTC, and the series says no zone"),
        (EVEN.replace("00:30Z", "00:30"), {}, 4, "has no offset from UTC"),
        (EVEN.replace("00:30Z", "25:30Z"), {}, 4, "'2025-03-01T25:30Z' is no instant such as"),
        (EVEN.replace("2025-03-01T", "01.03.2025 "), {}, 2, "12:15:00; others need a time_format"),
        ("time,a\n01.03.2025 00:00,1\n2025-03-01,2\n", {"time_format": "%d.%m.%Y %H:%M"}, 3, "by the time_format '%d"),
        ("time,a\n0,1\nx,2\n", {}, 3, "x is no offset in seconds"),
        ("time,a\n0,1\n,2\n", {}, 3, "an empty cell is no offset in seconds"),
        ("time,a\n2025-03-01T00:00Z,1\n900,2\n", {}, 3, "'900' is no instant such as"),
        ("time,a\n,1\n2025-03-01T00:00Z,2\n", {}, 2, "'' is no instant such as"),
        ("time,a\n,1\n,2\n", {}, 2, "'' is no instant such as"),
        ("time,a\n0001-01-01,1\n0001-01-02,2\n", {"zone": "Europe/Oslo"}, 2, "is not in the years 1900 to 2199"),
        ("time,a\n2199-12-31T23:59Z,1\n2200-01-01T00:00Z,2\n", {}, 3, "is not in the years 1900 to 2199"),
        ("time,a\n0,1_000\n900,2\n", {}, 2, "a: '1_000' is not a number"),
        ("time,a\n0,\u0661\n900,2\n", {}, 2, "a: '\u0661' is not a number"),
        ("time;a\n0;1.234,5\n900;2\n", {"decimal": ","}, 2, "a: '1.234,5' is not a number"),
        ("time;a\n0;1.234\n900;2\n", {"decimal": ","}, 2, "a: '1.234' is not a number"),
        ("sep=;\ntime;a\n0;1\n900;2\n", {}, 1, "is a line for Excel alone"),
        ('time,a\n0,1\n900,"' + "2" * 200_000 + "\n", {}, 3, "cannot be read: field larger than"),
        ("time,a\n-1,1\n0,2\n", {}, 2, "-1 is no offset in seconds"),
        ("time,a\n1735689600,1\n1e99,2\n", {}, 3, "1e99 is no offset in seconds"),
        ("time,a\n0,1\n1,2\n", {"zone": "UTC"}, 0, "offsets from the site's start, which have no zone"),
        ("time,a\n0,1\n900,2\n900,3\n", {}, 4, "is the same instant as line 3"),
        ("time,a\n0,1\n900,2\n300,3\n", {}, 4, "is earlier than line 3"),
        ("time,a\n2025-03-30T01:30,1\n2025-03-30T02:30,2\n", {"zone": "Europe/Oslo"}, 3, "is left out in Europe/Oslo"),
        ("time,a\n2025-10-26T01:30,1\n2025-10-26T02:30,2\n", {"zone": "Europe/Oslo"}, 3, "comes twice in Europe/Oslo"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, how, line, words) -> None:
    told = mistakes(tmp_path, text, **how)
    assert told[0][0] == line
    assert words in told[0][1]


def test_instants_before_1970_are_as_good(tmp_path) -> None:
    assert csv(tmp_path, "time,a\n1900-01-01T00:00Z,1\n1900-01-01T01:00Z,2\n").begin_s == -2_208_988_800.0


def test_a_long_file_is_counted_before_it_is_in_memory(tmp_path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(b"time,a\n0,1\n")
        file.truncate(250_000_000)  # zeros that take no room on the disk
    with pytest.raises(SeriesFileError, match="at least two rows"):
        load(Recipe(tmp_path / "a.csv"), "time", ("a",), START_S)


def test_a_row_of_two_lines_moves_those_below_it(tmp_path) -> None:
    (tmp_path / "a.csv").write_text('time,a,where\n0,1,"two\nlines"\n900,,x\n1800,3,y\n', encoding="utf-8")
    with pytest.raises(SeriesFileError) as caught:
        load(Recipe(tmp_path / "a.csv"), "time", ("a",), START_S)
    assert [line for line, _ in caught.value.mistakes] == [4]


def test_mistakes_of_several_kinds_are_told_together(tmp_path) -> None:
    told = mistakes(tmp_path, "time,a\n0,x\n900,2\n900,\n300,inf\n")
    assert {line for line, _ in told} == {2, 4, 5}
    assert sum("same instant" in message for _, message in told) == 1
    assert sum("earlier" in message for _, message in told) == 1


@pytest.mark.parametrize(
    ("name", "bytes_"),
    [
        ("a.csv", b"\xff\xfe\x00,\x00"),
        ("a.csv", EVEN.encode("utf-16-le")),
        ("a.csv", EVEN.encode("utf-16-be")),
        ("a.csv", "time,a,\u00fc\n0,1,2\n".encode("latin-1")),
        ("a.parquet", b"PAR1"),
        ("a.xls", b""),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path, name, bytes_) -> None:
    (tmp_path / name).write_bytes(bytes_)
    with pytest.raises(SeriesFileError, match=r"UTF-8|no Parquet file|ends in \.csv or \.parquet"):
        read(tmp_path / name)


def test_parquet_names_the_row(tmp_path) -> None:
    with pytest.raises(SeriesFileError, match="row 3: is the same instant as row 2"):
        read(table(tmp_path, t=[0, 900, 900], a=[1.0, 2.0, 3.0]))
    with pytest.raises(SeriesFileError, match="row 2: a is empty"):
        read(table(tmp_path, t=[0, 900, 1800], a=[1.0, None, 3.0]))
    with pytest.raises(SeriesFileError, match="column 'a' holds string, no numbers"):
        read(table(tmp_path, t=[0, 900, 1800], a=["x", "y", "z"]))
    with pytest.raises(SeriesFileError, match="row 2: t is empty"):
        read(table(tmp_path, t=[0, None, 1800], a=[1, 2, 3]))


# ------------------------------------------------------------------------------------------- what a step is given


def test_a_value_holds_until_the_next_and_is_the_same_array_meanwhile(tmp_path) -> None:
    replayed = followed(csv(tmp_path, EVEN), gain=1e3)
    first = replayed.at(START_S + 1.0, 1.0)
    assert first.tolist() == [1e3, 1e4]
    assert replayed.at(START_S + 900.0, 1.0) is first
    assert replayed.at(START_S + 901.0, 1.0).tolist() == [2e3, 2e4]


def test_a_long_step_has_the_mean_over_it(tmp_path) -> None:
    series = csv(tmp_path, EVEN)
    assert followed(series).at(START_S + 1200.0, 600.0).tolist() == [1.5, 15.0]
    assert followed(series).at(START_S + 3600.0, 3600.0).tolist() == [2.5, 25.0]


def test_a_series_that_ends_says_nothing_before_and_after(tmp_path) -> None:
    for resample in ("mean", "hold", "interpolate"):
        replayed = followed(csv(tmp_path, EVEN, resample=resample))
        assert np.isnan(replayed.at(START_S - 1.0, 1.0)).all()
        assert not np.isnan(replayed.at(START_S + 3599.0, 1.0)).any()
        assert np.isnan(replayed.at(START_S + 3601.0, 1.0)).all()


def test_a_series_that_repeats_goes_round_both_ways(tmp_path) -> None:
    replayed = followed(csv(tmp_path, EVEN, repeats=True))
    assert replayed.at(START_S + 3600.0 + 60.0, 60.0).tolist() == [1, 10]
    assert replayed.at(START_S - 60.0, 60.0).tolist() == [4, 40]
    assert replayed.at(START_S + 3600.0 + 450.0, 900.0).tolist() == [2.5, 25.0]  # half of the last, half of the first


def test_hold_and_interpolate_are_read_at_the_end_of_the_step(tmp_path) -> None:
    hold, line = (followed(csv(tmp_path, EVEN, resample=each)) for each in ("hold", "interpolate"))
    assert hold.at(START_S + 900.0, 60.0).tolist() == [2, 20]
    assert line.at(START_S + 1125.0, 60.0).tolist() == [2.25, 22.5]
    assert line.at(START_S + 3500.0, 60.0).tolist() == [4, 40]
    round_ = followed(csv(tmp_path, EVEN, resample="interpolate", repeats=True))
    assert round_.at(START_S + 3150.0, 60.0).tolist() == [2.5, 25]


@given(
    lengths=st.lists(st.integers(1, 50), min_size=2, max_size=12),
    steps=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    begin=st.integers(-200, 200),
)
def test_energy_of_a_repeating_series_does_not_depend_on_steps(lengths, steps, begin) -> None:
    """The sum of means times lengths is the integral, second by second."""
    edges = START_S + np.concatenate(([0], np.cumsum(lengths)))
    values = np.arange(1.0, len(lengths) + 1.0)[:, None]
    series = Series(Path("x"), ("a",), edges, values, 1.0, True, "mean", lambda row: (0, ""))
    by_second = np.repeat(values[:, 0], lengths)
    now = START_S + begin
    total = 0.0
    for step in steps:
        total += float(Replayed(series, np.array([0])).at(now + step, step)[0]) * step
        now += step
    seconds = np.arange(begin, begin + sum(steps)) % len(by_second)
    assert total == pytest.approx(by_second[seconds].sum())


def test_devices_may_share_a_column_and_have_a_gain_each(tmp_path) -> None:
    series = csv(tmp_path, EVEN)
    shared = Replayed(series, np.array([1, 1, 0]), np.array([1.0, 2.0, 3.0]), shift=-1.0)
    assert shared.at(START_S + 60.0, 60.0).tolist() == [9.0, 19.0, 2.0]
