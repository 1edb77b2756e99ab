"""Ratings that a site file names: a grid code, a battery's chemistry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.physics import grid_code
from pilotfarm.emulators.site.schema import json_schema

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
feeders:
  near: {resistance_ohm: 0.1, reactance_ohm: 0.05}
groups:
  stores:
    kind: battery
    count: 40
    ratings: {RATINGS}
    endpoints:
      - {protocol: modbus}
"""


def load(tmp_path: Path, ratings: str) -> dict[str, np.ndarray]:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.replace("RATINGS", ratings), encoding="utf-8")
    return dict(site.load(str(file)).groups[0].ratings)


def problem(tmp_path: Path, ratings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, ratings)
    return "\n".join(f"{each}" for each in caught.value.problems)


@pytest.mark.parametrize("name", grid_code.NAMES)
def test_a_group_names_its_grid_code(tmp_path: Path, name: str) -> None:
    assert grid_code.NAMES[int(load(tmp_path, f"grid_code: {name}")["grid_code"][0])] == name


def test_without_a_name_it_is_the_european_one(tmp_path: Path) -> None:
    assert not load(tmp_path, "soh_frac: 1").get("grid_code", np.ones(1)).any()


def test_devices_may_draw_among_names(tmp_path: Path) -> None:
    found = load(tmp_path, "grid_code: {choice: [vde-ar-n-4105, ieee-1547-2018-b]}")["grid_code"]
    assert set(found.tolist()) == {1.0, 2.0}


@pytest.mark.parametrize(("name", "number"), [("elsewhere", 0.0), ("heat-pump", 1.0), ("heaters", 2.0)])
def test_a_home_names_where_its_heat_comes_from(tmp_path: Path, name: str, number: float) -> None:
    file = tmp_path / "site.yaml"
    written = SITE.replace("RATINGS", f"home_heating: {name}").replace("kind: battery", "kind: prosumer")
    file.write_text(written, encoding="utf-8")
    assert np.all(site.load(str(file)).groups[0].ratings["home_heating"] == number)


@pytest.mark.parametrize("written", ["vde-4105", "{choice: [en-50549-1, vde-4105]}"])
def test_a_name_that_is_none_is_told_what_it_may_mean(tmp_path: Path, written: str) -> None:
    text = problem(tmp_path, f"grid_code: {written}")
    assert "'vde-4105'" in text
    assert "vde-ar-n-4105" in text


def test_a_battery_of_no_size_is_refused(tmp_path: Path) -> None:
    assert "rated_energy_wh" in problem(tmp_path, "rated_energy_wh: 0")


@pytest.mark.parametrize(
    ("name", "offered"), [("grid_code", [*grid_code.NAMES, 0.0, 1.0, 2.0]), ("phases", [1.0, 3.0])]
)
def test_the_schema_offers_what_a_rating_may_be(name: str, offered: list[object]) -> None:
    groups = json_schema()["$defs"]["Group"]["allOf"]
    battery = next(each for each in groups if each["if"]["properties"]["kind"]["const"] == "battery")
    rating = battery["then"]["properties"]["ratings"]["properties"][name]
    assert rating["anyOf"][0]["enum"] == offered
    assert rating["anyOf"][1]["properties"]["choice"]["items"]["enum"] == offered


@pytest.mark.parametrize(
    "written", ["1.5", "{choice: [0, 1.5]}", "{uniform: [0, 2]}", "{normal: [1, 0.1], min: 0, max: 2}"]
)
def test_a_rating_that_can_only_be_some_numbers_is_none_in_between(tmp_path: Path, written: str) -> None:
    text = problem(tmp_path, f"phase: {written}")
    assert "site.yaml:9: groups.stores.ratings.phase: must be 0, 1 or 2, or a choice of these" in text


@pytest.mark.parametrize(("rating", "text"), [("phases: 2", "1 or 3"), ("chemistry: 0.5", "lfp or nmc")])
def test_what_lies_between_two_of_them_is_told_which_there_are(tmp_path: Path, rating: str, text: str) -> None:
    assert f"must be {text}, or a choice of these" in problem(tmp_path, rating)


def test_the_numbers_themselves_are_taken(tmp_path: Path) -> None:
    found = load(tmp_path, "phases: 1, phase: {choice: [0, 2]}, chemistry: 1")
    assert set(found["phase"].tolist()) == {0.0, 2.0}
    assert set(found["phases"].tolist()) == {1.0}


@pytest.mark.parametrize(
    ("rating", "text"),
    [
        ("soc_frac: 50", "soc_frac is 0 to 1; 50 % is 0.5"),
        ("rated_power_w: 5", "rated_power_w is 100 to 1000000000 W; 5 kW is 5000"),
        ("soc_frac: 500", "soc_frac is 0 to 1"),
        ("rated_power_w: -5", "rated_power_w is 100 to 1000000000 W"),
    ],
)
def test_a_number_meant_in_another_unit_is_told_in_the_right_one(tmp_path: Path, rating: str, text: str) -> None:
    assert problem(tmp_path, rating).endswith(text)
