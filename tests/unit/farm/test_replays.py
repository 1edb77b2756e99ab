"""Devices follow what series say in place of models, and models where series say nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pilotfarm.emulators import registry, site
from pilotfarm.emulators.contracts.replay import CURRENCIES, OF_THE_SITE, REPLAYABLE
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site.replay_model import SeriesTable

HEAD = """\
name: replayed
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
start: 2025-06-21T10:00:00Z
step_s: 60
feeders: {east: {}, west: {}}
"""
SERIES = (
    "  loads: {file: loads.csv, repeat: true}\n",
    "  ends: {file: ends.csv}\n",
    "  sky: {file: sky.csv, repeat: true}\n",
)
FILES = {
    "loads.csv": "time,one,two,sun\n0,1.0,2.0,0.5\n900,1.5,2.5,1.0\n",
    "ends.csv": "time,one\n0,3000\n900,4000\n",
    "sky.csv": "time,ghi,air\n0,500,-5\n900,600,-6\n",
}


def group(kind: str, name: str, replay: str = "", ratings: str = "") -> str:
    """Return a group of two devices that replays something; meters have a feeder of their own."""
    feeder = "west" if kind == "smart_meter" else "east"
    return f"  {name}: {{kind: {kind}, count: 2, feeder: {feeder}, ratings: {{{ratings}}}, replay: {{{replay}}}}}\n"


def meters(replay: str = "", ratings: str = "") -> str:
    return group("smart_meter", "meters", replay, ratings)


def pv(replay: str = "", name: str = "pv") -> str:
    return group("pv_generator", name, replay, "rated_power_w: 5000")


def homes(replay: str = "", ratings: str = "") -> str:
    return group("prosumer", "homes", replay, ratings)


def load(column: str, unit: str = "kW", series: str = "loads") -> str:
    return f"load: {{series: {series}, column: {column}, unit: {unit}}}"


def sun(unit: str = "kW") -> str:
    return f"pv_power: {{series: loads, column: sun, unit: {unit}}}"


SKY = "irradiance: {series: sky, column: ghi, unit: W/m2}"


def farm(folder: Path, groups: str, weather: str = "", files: dict[str, str] = FILES) -> Farm:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    used = [line for line in SERIES if f"series: {line.split(':')[0].strip()}," in groups + weather]
    (folder / "site.yaml").write_text(
        HEAD + ("series:\n" + "".join(used) if used else "") + weather + "groups:\n" + groups, encoding="utf-8"
    )
    return Farm(site.load(str(folder / "site.yaml")))


def shown(ours: Farm, group_name: str, name: str) -> list[float]:
    return np.asarray(ours.groups[group_name].columns[name]).tolist()


def test_a_meter_counts_the_load_of_its_series(tmp_path) -> None:
    ours = farm(tmp_path, meters(load("[one, two]")))
    ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-1000.0, -2000.0])
    for _ in range(29):
        ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-1500.0, -2500.0])
    assert shown(ours, "meters", "energy_imported_wh") == pytest.approx([625.0, 1125.0])


@pytest.mark.parametrize("step_s", [7.0, 450.0, 900.0])
def test_energy_does_not_depend_on_steps(tmp_path, step_s) -> None:
    ours = farm(tmp_path, meters(load("[one, two]")))
    total_s = 0.0
    while total_s < 3_600.0:
        length_s = min(step_s, 3_600.0 - total_s)
        ours.step(length_s)
        total_s += length_s
    assert shown(ours, "meters", "energy_imported_wh") == pytest.approx([1250.0, 2250.0])


def test_an_energy_of_each_interval_is_its_mean_power(tmp_path) -> None:
    ours = farm(tmp_path, meters(load("one", "kWh")))
    ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-4000.0] * 2)


def test_a_load_has_the_phases_and_vars_of_its_home(tmp_path) -> None:
    ours = farm(tmp_path, meters(load("one"), "phases: 1, phase: 1"))
    ours.step(60.0)
    assert shown(ours, "meters", "active_power_l2_w") == pytest.approx([-1000.0] * 2)
    assert shown(ours, "meters", "active_power_l1_w") == [0.0, 0.0]
    assert all(-350.0 < var < -100.0 for var in shown(ours, "meters", "reactive_power_var"))


def test_where_a_series_ends_the_model_goes_on_as_if_it_had_never_been(tmp_path) -> None:
    said = farm(tmp_path, meters(load("one", "W", "ends")))
    model = farm(tmp_path, meters())
    for _ in range(30):
        said.step(60.0)
        model.step(60.0)
    assert shown(said, "meters", "active_power_w") == pytest.approx([-4000.0] * 2)
    for _ in range(20):
        said.step(60.0)
        model.step(60.0)
        assert shown(said, "meters", "active_power_w") == shown(model, "meters", "active_power_w")


def test_a_home_draws_the_load_for_its_appliances_and_has_its_models_besides(tmp_path) -> None:
    said = farm(tmp_path, homes(load("two")))
    said.step(60.0)
    assert all(power <= -2000.0 for power in shown(said, "homes", "home_active_power_w"))


def test_pv_gives_the_power_of_its_series_and_is_curtailed_as_ever(tmp_path) -> None:
    ours = farm(tmp_path, pv(sun()))
    for _ in range(3):
        ours.step(60.0)
    for name in ("active_power_w", "available_power_w"):
        assert shown(ours, "pv", name) == pytest.approx([500.0] * 2)
    dc_w = np.multiply(shown(ours, "pv", "dc_voltage_v"), shown(ours, "pv", "dc_current_a"))
    assert all(500.0 < power < 560.0 for power in dc_w)
    wanted = {"active_power_setpoint_w": 200.0, "active_power_setpoint_enabled": 1.0}
    ours.device("pv-001").submit(wanted, "modbus", "test", 0.0)
    for _ in range(3):
        ours.step(60.0)
    assert shown(ours, "pv", "active_power_w") == pytest.approx([200.0, 500.0])
    assert shown(ours, "pv", "available_power_w") == pytest.approx([500.0] * 2)


def test_pv_follows_its_series_at_night_too_and_shares_are_of_its_rating(tmp_path) -> None:
    ours = farm(tmp_path, pv(sun("frac")))
    ours.step(900.0)
    for _ in range(40):  # past midnight
        ours.step(900.0)
    assert shown(ours, "pv", "irradiance_horizontal_w_per_m2") == [0.0, 0.0]
    assert shown(ours, "pv", "active_power_w") == pytest.approx([2500.0] * 2)
    assert min(shown(ours, "pv", "dc_voltage_v")) > 300.0


def test_what_an_inverter_draws_at_night_counts_as_nothing(tmp_path) -> None:
    night = FILES | {"loads.csv": "time,sun\n0,-0.01\n900,-0.01\n"}
    ours = farm(tmp_path, pv(sun()), files=night)
    ours.step(60.0)
    assert shown(ours, "pv", "active_power_w") == [0.0, 0.0]
    assert shown(ours, "pv", "dc_current_a") == [0.0, 0.0]
    assert shown(ours, "pv", "dc_voltage_v") == [0.0, 0.0]


def test_pv_behind_a_meter_and_in_a_home(tmp_path) -> None:
    ours = farm(
        tmp_path, meters(f"{load('one')}, {sun()}", "pv_power_w: 3000") + homes(sun(), "pv_rated_power_w: 3000")
    )
    for _ in range(3):
        ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-500.0] * 2)
    assert shown(ours, "homes", "pv_active_power_w") == pytest.approx([500.0] * 2)


def test_light_and_air_of_the_site_are_those_of_a_series(tmp_path) -> None:
    weather = f"weather: {{replay: {{{SKY}, temperature: {{series: sky, column: air, unit: degC}}}}}}\n"
    ours = farm(tmp_path, pv() + homes(), weather)
    ours.step(60.0)
    for name, prefix in (("pv", ""), ("homes", "pv_")):
        assert shown(ours, name, f"{prefix}irradiance_horizontal_w_per_m2") == [500.0, 500.0]
        assert all(100.0 < light < 900.0 for light in shown(ours, name, f"{prefix}irradiance_plane_w_per_m2"))
        assert shown(ours, name, "outside_temperature_degc") == [-5.0, -5.0]


def test_measured_light_is_parted_into_beam_and_diffuse(tmp_path) -> None:
    ours = farm(tmp_path, pv(), f"weather: {{replay: {{{SKY}}}}}\n")
    light = ours.world.at(60.0, 60.0, ours.network.mains)((slice(0, 2),))
    height = np.cos(np.radians(light.sun_zenith_deg))
    assert light.ghi_w_per_m2 == pytest.approx(500.0)
    assert light.dni_w_per_m2 * height + light.dhi_w_per_m2 == pytest.approx(500.0)
    # 0.43 of what falls on the horizontal beyond the air: by Erbs 0.74 of it is diffuse.
    assert light.dhi_w_per_m2 / 500.0 == pytest.approx(0.74, abs=0.06)


def test_overrides_go_before_series(tmp_path) -> None:
    weather = f"weather: {{replay: {{{SKY}, temperature: {{series: sky, column: air, unit: degC}}}}}}\n"
    ours = farm(tmp_path, meters(load("[one, two]")) + pv(sun()) + pv(name="lit"), weather)
    add = ours.faults.add
    add("load", {"device": "meters-001"}, parameters={"factor": 2.0, "added_w": 300.0})
    add("load", {"device": "meters-002"}, parameters={"power_w": 50.0})
    add("weather", {"device": "pv-001"}, parameters={"irradiance_factor": 0.25})
    add("weather", {"device": "pv-002"}, parameters={"irradiance_w_per_m2": 900.0, "temperature_rise_k": 7.0})
    add("weather", {"device": "lit-002"}, parameters={"irradiance_factor": 0.25, "temperature_degc": 30.0})
    for _ in range(4):
        ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-2300.0, -50.0])
    share, modelled = shown(ours, "pv", "active_power_w")
    assert share == pytest.approx(125.0)
    assert modelled > 3000.0
    for name, light, air in (("pv", [125.0, 900.0], [-5.0, 2.0]), ("lit", [500.0, 125.0], [-5.0, 30.0])):
        assert shown(ours, name, "irradiance_horizontal_w_per_m2") == pytest.approx(light)
        assert shown(ours, name, "outside_temperature_degc") == pytest.approx(air)
    ours.faults.clear_all()
    ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-1000.0, -2000.0])
    assert shown(ours, "pv", "available_power_w") == pytest.approx([500.0, 500.0])


def test_light_of_a_group_goes_before_that_of_the_site(tmp_path) -> None:
    own = "irradiance: {series: loads, column: one, unit: kW/m2}"
    ours = farm(tmp_path, pv() + pv(own, "other"), f"weather: {{replay: {{{SKY}}}}}\n")
    ours.step(60.0)
    assert shown(ours, "pv", "irradiance_horizontal_w_per_m2") == [500.0, 500.0]
    assert shown(ours, "other", "irradiance_horizontal_w_per_m2") == [1000.0, 1000.0]


def test_a_series_of_one_group_moves_no_byte_of_another(tmp_path) -> None:
    without = farm(tmp_path, meters() + pv() + homes())
    beside = farm(tmp_path, meters(load("one")) + pv() + homes())
    for _ in range(20):
        without.step(60.0)
        beside.step(60.0)
    for name in ("pv", "homes"):
        for quantity in without.groups[name].readable:
            ours, others = (each.groups[name].columns[quantity] for each in (without, beside))
            np.testing.assert_array_equal(ours, others, quantity)


def test_the_same_site_again_is_the_same(tmp_path) -> None:
    groups = meters(load("[one, two]")) + pv(SKY)
    one, other = farm(tmp_path, groups), farm(tmp_path, groups)
    for _ in range(20):
        one.step(60.0)
        other.step(60.0)
    for name, ours in one.groups.items():
        for quantity in ours.readable:
            np.testing.assert_array_equal(ours.columns[quantity], other.groups[name].columns[quantity])


def test_the_example_of_the_page_runs(tmp_path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "series.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    for name, content in zip(("street.csv", "sky.csv"), re.findall(r"```csv\n(.*?)```", page, re.DOTALL), strict=True):
        (tmp_path / name).write_text(content, encoding="utf-8")
    ours = Farm(site.load(str(tmp_path / "site.yaml")))
    for _ in range(15):
        ours.step(60.0)
    assert shown(ours, "meters", "active_power_w") == pytest.approx([-410.0, -1200.0])
    assert shown(ours, "roofs", "active_power_w") == pytest.approx([400.0, 1240.0])
    assert shown(ours, "roofs", "irradiance_horizontal_w_per_m2") == pytest.approx([365.0, 365.0])


def test_the_page_names_everything_that_is_replayed_with_its_units() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "series.md").read_text(encoding="utf-8")
    rows = {
        key: (kinds, units)
        for key, kinds, units in re.findall(r"^\| a? ?\S.* \| `(\w+)` \| (.*) \| (.*) \|$", page, re.M)
    }
    assert rows.keys() == REPLAYABLE.keys()
    for what, (kinds, units) in rows.items():
        listed = ("W, kW, MW, Wh, kWh, MWh" if "those" in units else "") + units.removeprefix("those")
        known = [name for name, unit in REPLAYABLE[what].units.items() if unit.currency in ("", "EUR")]
        assert listed.removesuffix("; of other currencies too") == ", ".join(known)
        able = {kind for kind in registry.DEVICES if what in registry.device(kind).replays}
        assert what in OF_THE_SITE["weather"] or set(re.findall(r"`(\w+)`", kinds)) - {"pv_power_w"} == able
    assert f"{', '.join(sorted(CURRENCIES))}." in page
    for key in SeriesTable.model_fields:
        assert f"\n| `{key}` |" in page
