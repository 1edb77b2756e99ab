"""Charging points have the vehicles that a file says: who comes, who leaves, which energy."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm

SITE = """\
name: visited
location: {{latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}}
start: 2025-06-21T10:00:00Z
series:
  cars: {{file: {file}{how}}}
groups:
  points:
    kind: ev_charger
    count: 3
    ratings: {{rated_current_a: 16}}
    replay: {{sessions: {{series: cars, unit: kWh}}}}
  others: {{kind: ev_charger, count: 3}}
"""
CARS = """\
arrive,leave,device,energy
600,4200,points-001,3.0
4200,7800,points-001,2.0
1200,8400,points-003,12.0
"""


def write(folder: Path, cars: str = CARS, how: str = "", file: str = "cars.csv") -> str:
    (folder / "cars.csv").write_text(cars, encoding="utf-8")
    (folder / "site.yaml").write_text(SITE.format(how=how, file=file), encoding="utf-8")
    return str(folder / "site.yaml")


def run(farm: Farm, until_s: float, step_s: float = 60.0) -> None:
    while farm.time_s < until_s:
        farm.step(min(step_s, until_s - farm.time_s))


def shown(farm: Farm, name: str, group: str = "points") -> list[float]:
    return np.asarray(farm.groups[group].columns[name]).tolist()


@pytest.mark.parametrize("step_s", [60.0, 300.0])
def test_vehicles_come_and_leave_as_the_file_says(tmp_path, step_s) -> None:
    farm = Farm(site.load(write(tmp_path)))
    for until_s, there in (
        (300.0, [0, 0, 0]),
        (900.0, [1, 0, 0]),
        (1500.0, [1, 0, 1]),
        (3900.0, [1, 0, 1]),
        (6000.0, [1, 0, 1]),
        (9000.0, [0, 0, 0]),
        (12_000.0, [0, 0, 0]),
    ):
        run(farm, until_s, step_s)
        assert shown(farm, "vehicle_connected") == there, until_s
    assert shown(farm, "energy_imported_wh") == pytest.approx([5000.0, 0.0, 12_000.0], rel=0.02)
    assert not np.isnan([shown(farm, name) for name in ("session_duration_s", "time_to_departure_s")]).any()


def test_the_vehicle_wants_the_energy_of_its_row(tmp_path) -> None:
    farm = Farm(site.load(write(tmp_path)))
    run(farm, 600.0)
    assert shown(farm, "energy_wanted_wh")[0] == pytest.approx(3000.0)
    assert shown(farm, "time_to_departure_s")[0] == pytest.approx(3600.0)


def test_who_repeats_comes_again_after_whole_days(tmp_path) -> None:
    farm = Farm(site.load(write(tmp_path, how=", repeat: true")))
    run(farm, 86_400.0 + 1500.0, 300.0)
    assert shown(farm, "vehicle_connected") == [1, 0, 1]
    assert shown(farm, "energy_imported_wh")[0] > 5000.0


def test_a_site_that_starts_within_a_visit_has_its_vehicle(tmp_path) -> None:
    cars = "device,arrive,leave,energy\npoints-002,2025-06-21T09:00Z,2025-06-21T11:00Z,4\n"
    farm = Farm(site.load(write(tmp_path, cars)))
    farm.step(1.0)
    farm.step(1.0)
    assert shown(farm, "vehicle_connected") == [0, 1, 0]


def test_points_without_sessions_keep_theirs(tmp_path) -> None:
    with_cars = Farm(site.load(write(tmp_path)))
    (tmp_path / "site.yaml").write_text(
        SITE.format(how="", file="")
        .replace("series:\n  cars: {file: }\n", "")
        .replace("    replay: {sessions: {series: cars, unit: kWh}}\n", "")
    )
    without = Farm(site.load(str(tmp_path / "site.yaml")))
    for farm in (with_cars, without):
        run(farm, 86_400.0, 900.0)
    for name in ("vehicle_connected", "energy_imported_wh", "session_energy_wh"):
        assert shown(with_cars, name, "others") == pytest.approx(shown(without, name, "others"), rel=1e-3)
    assert shown(with_cars, "energy_imported_wh") != shown(without, "energy_imported_wh")


def test_parquet_and_homes(tmp_path) -> None:
    begin = datetime.fromisoformat("2025-06-21T10:10:00+00:00")
    times = [pa.array([each], pa.timestamp("us", "UTC")) for each in (begin, begin.replace(hour=12))]
    table = pa.table({"device": ["homes-002"], "arrive": times[0], "leave": times[1], "energy": [4.0]})
    parquet.write_table(table, tmp_path / "cars.parquet")
    text = SITE.format(how="", file="cars.parquet").partition("groups:")[0]
    homes = "groups:\n  homes: {kind: prosumer, count: 2, replay: {sessions: {series: cars, unit: kWh}}}\n"
    (tmp_path / "site.yaml").write_text(text + homes, encoding="utf-8")
    farm = Farm(site.load(str(tmp_path / "site.yaml")))
    run(farm, 1200.0)
    assert shown(farm, "ev_vehicle_connected", "homes") == [0, 1]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("points-003", "points-004", 4, "points-004 is of a device that the group has not"),
        ("1200,8400", "8400,8400", 4, "points-003 leaves before it comes"),
        ("4200,7800", "4000,7800", 3, "points-001 comes before the one at its point has left"),
        ("12.0", "x", 4, "points-003 has no energy from 0 up"),
        ("12.0", "-1", 4, "points-003 has no energy from 0 up"),
        ("12.0", "12,1", 4, "has 5 columns, and the line of names 4"),
        ("12.0", "120", 4, "points-003 would charge 120,000 Wh with 60,000 W on average, and at most 11,040 W"),
        ("1200,", "-1,", 4, "arrive: -1 is no offset"),
        ("arrive,", "arrives,", 1, "sessions have columns device, arrive, leave, energy; there is no arrive"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, old, new, line, words) -> None:
    assert CARS.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        site.load(write(tmp_path, CARS.replace(old, new)))
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.line) == ("cars.csv", line)
    assert words in problem.message


def test_everything_wrong_is_told_at_once(tmp_path) -> None:
    cars = CARS.replace("points-003", "points-009").replace("2.0", "x").replace("600,4200", "600,300")
    with pytest.raises(ConfigError) as caught:
        site.load(write(tmp_path, cars))
    assert {problem.line for problem in caught.value.problems} == {2, 3, 4}


def test_sessions_take_no_column(tmp_path) -> None:
    file = Path(write(tmp_path))
    file.write_text(file.read_text().replace("series: cars,", "series: cars, column: energy,"))
    with pytest.raises(ConfigError, match="sessions have columns of their own"):
        site.load(str(file))


def test_an_hour_that_comes_twice_is_a_mistake_of_every_row_that_has_it(tmp_path) -> None:
    """Rows in any order cannot say which of the two is meant."""
    comes = ("02:30", "02:10", "01:30")
    rows = [f"2025-10-26T{each},2025-10-26T04:30,points-00{at},1" for at, each in enumerate(comes, 1)]
    cars = "\n".join((CARS.splitlines()[0], *rows))
    with pytest.raises(ConfigError) as caught:
        site.load(write(tmp_path, cars, ", zone: Europe/Berlin"))
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert all(
        "comes twice in Europe/Berlin, where clocks go back: write" in str(each) for each in caught.value.problems
    )


def test_parquet_has_visits_by_durations_too(tmp_path) -> None:
    write(tmp_path, file="cars.parquet")
    columns = {
        name: pa.array([600, 4_200][at : at + 1], pa.duration("s")) for at, name in enumerate(("arrive", "leave"))
    }
    parquet.write_table(pa.table({**columns, "device": ["points-002"], "energy": [3]}), tmp_path / "cars.parquet")
    farm = Farm(site.load(str(tmp_path / "site.yaml")))
    run(farm, 900.0)
    assert shown(farm, "vehicle_connected") == [0, 1, 0]
