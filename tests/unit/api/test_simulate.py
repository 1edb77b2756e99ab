"""``pilotfarm simulate``: the same farm without servers, its energy summed up, and Ctrl-C kept in mind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.api.commands import simulate
from pilotfarm.emulators.farm import farm
from pilotfarm.emulators.quantities import Role, quantity
from pilotfarm.emulators.record import writer
from pilotfarm.emulators.record.tables import read

DEVICES = ["charger-001", "battery-001", "pv-001", "meter-001", "home-001"]


def simulated(*options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["simulate", "tiny", "--json", *options])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def refused(*options: str) -> str:
    done = CliRunner().invoke(app, ["simulate", "tiny", "--days", "1", *options])
    assert done.exit_code == 2, done.output
    return done.stderr


@pytest.fixture(scope="module")
def two_hours(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("two") / "hours"
    return simulated("--days", str(2 / 24), "--step", "60", "--out", str(out)), out


def test_the_summary_names_every_device_and_what_is_said_of_its_kind(two_hours: tuple[dict[str, Any], Path]) -> None:
    summary, _ = two_hours
    assert (summary["steps"], summary["interrupted"]) == (120, False)
    assert [row["device"] for row in summary["devices"]] == DEVICES
    more = {row["device"]: set(row) - {"device", "kind", "exported_wh", "imported_wh"} for row in summary["devices"]}
    assert more["pv-001"] == {"kwh_per_kwp"}
    assert more["battery-001"] == {"full_cycles", "soh_frac"}
    assert more["home-001"] == {"kwh_per_kwp", "full_cycles", "soh_frac"}  # of its roof and its storage
    assert more["charger-001"] == more["meter-001"] == set()


def test_kinds_are_the_sums_of_their_devices(two_hours: tuple[dict[str, Any], Path]) -> None:
    summary, _ = two_hours
    for name in ("exported_wh", "imported_wh"):
        total = sum(kind[name] for kind in summary["kinds"].values())
        assert total == pytest.approx(sum(row[name] for row in summary["devices"]))
    assert summary["kinds"]["pv_generator"]["exported_wh"] > 0.0
    assert summary["kinds"]["smart_meter"]["imported_wh"] > 0.0


def test_the_energy_is_the_power_in_the_record_over_time(two_hours: tuple[dict[str, Any], Path]) -> None:
    summary, out = two_hours
    values = read(out, "values")
    for row in summary["devices"]:
        chosen = pc.and_(
            pc.equal(values["device"], row["device"]),
            pc.equal(values["quantity"], "active_power_w"),
        )
        powers = values.filter(chosen)["true_value"].to_pylist()
        assert len(powers) == summary["steps"]
        net = row["exported_wh"] - row["imported_wh"]
        assert sum(powers) * 60.0 / 3600.0 == pytest.approx(net, rel=1e-9, abs=1e-6)


def test_what_a_feeder_carries_is_what_its_devices_do_and_what_is_lost(two_hours: tuple[dict[str, Any], Path]) -> None:
    summary, out = two_hours
    (street,) = summary["feeders"]
    assert street["feeder"] == "street"
    losses = street["cable_losses_wh"] + street["transformer_losses_wh"]
    assert losses > 0.0
    devices = sum(row["exported_wh"] - row["imported_wh"] for row in summary["devices"])
    assert street["exported_wh"] - street["imported_wh"] == pytest.approx(devices - losses, rel=1e-6)
    recorded = read(out, "feeders").to_pandas()
    assert len(recorded) == summary["steps"]
    assert street["highest_loading_frac"] == recorded["loading_frac"].max() > 0.0
    assert street["lowest_voltage_v"] == recorded["lowest_voltage_v"].min()
    assert street["highest_voltage_v"] == recorded["highest_voltage_v"].max()


def test_the_table_names_devices_and_feeders() -> None:
    done = CliRunner().invoke(app, ["simulate", "tiny", "--days", "0.02"])
    assert done.exit_code == 0, done.output
    assert all(word in done.output for word in ("smart_meter", "prosumer", "street", "transformers lost kWh"))


WEAK = """\
name: weak
title: A street that cannot carry its chargers
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
start: 2026-06-22T12:00:00
feeders: {lv: {transformer_kva: 50, cable: NAYY-4x150, length_m: 2000}}
groups:
  fast: {kind: ev_charger, count: 8, feeder: lv, ratings: {dc_power_w: 150_000, site_type: public}, endpoints: []}
"""


def test_a_feeder_whose_power_flow_failed_says_how_often(tmp_path: Path) -> None:
    (tmp_path / "weak.yaml").write_text(WEAK, encoding="utf-8")
    command = ["simulate", str(tmp_path / "weak.yaml"), "--days", "0.2"]
    (feeder,) = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["feeders"]
    assert feeder["failures"] > 0
    said = CliRunner().invoke(app, command).output
    assert f"feeder lv: the power flow failed {feeder['failures']:,} times, and its last voltages stood" in said
    assert "the power flow failed" not in CliRunner().invoke(app, ["simulate", "tiny", "--days", "0.02"]).output


def test_the_same_seed_gives_the_same_summary_and_another_another() -> None:
    options = ("--days", "0.02", "--start", "2026-03-01T11:00:00")
    assert simulated(*options) == simulated(*options)
    assert simulated(*options)["devices"] != simulated(*options, "--seed", "77")["devices"]


def test_records_may_be_fewer_than_steps(tmp_path: Path) -> None:
    summary = simulated("--days", str(1 / 24), "--step", "60", "--out", str(tmp_path), "--every", "900")
    assert summary["steps"] == 60
    assert len(read(tmp_path, "values")["site_time"].unique()) == 4


def test_rows_that_are_lost_are_said_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_size_limit: Callable[[int], None]
) -> None:
    """A disk with room for what is tried at the start and for the feeders, not for the values."""
    monkeypatch.setattr(writer, "SEGMENT_S", 3_600.0)
    command = ["simulate", "tiny", "--days", "0.2", "--json", "--out", str(tmp_path)]
    file_size_limit(70_000)
    done = CliRunner().invoke(app, command)
    file_size_limit(-1)
    assert done.exit_code == 1, done.output
    steps = json.loads(done.stdout)["steps"]
    rows = int(re.search(r"lost, ([0-9,]+) of values: .*File too large", done.stderr)[1].replace(",", ""))  # type: ignore[index]
    assert rows % steps == 0
    assert rows > 500 * steps
    assert read(tmp_path, "feeders").num_rows == steps
    assert read(tmp_path, "values").num_rows == 0


def test_what_is_recorded_is_chosen_and_needs_a_folder(tmp_path: Path) -> None:
    simulated("--days", "0.01", "--out", str(tmp_path), "--quantities", "total")
    names = set(read(tmp_path, "values")["quantity"].to_pylist())
    assert {quantity(name).role for name in names} == {Role.TOTAL}
    assert "--out" in refused("--every", "5")
    assert "--out" in refused("--quantities", "total")
    assert "--every" in refused("--every", "inf", "--out", str(tmp_path))
    (tmp_path / "file").touch()
    assert "is a file, not a folder" in refused("--out", str(tmp_path / "file"))


def test_a_word_that_chooses_nothing_is_refused_with_what_may_be_meant(tmp_path: Path) -> None:
    out = tmp_path / "ledger"
    said = refused("--out", str(out), "--quantities", "soc_fraq,totl,*_kw,rated_power_w,stop,,soc_frac")
    assert "'soc_fraq' is no quantity of this site and no role; did you mean 'soc_frac', a share: 0.5 is 50 %?" in said
    assert "did you mean 'total'?" in said
    assert "'*_kw' fits no quantity" in said
    assert "'rated_power_w' is a rating" in said
    assert "'stop' is a command" in said
    assert "6 problems" in said
    assert not out.exists()


def test_ctrl_c_leaves_readable_files_and_a_summary_so_far(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pilotfarm.api.cli",
        "simulate",
        "tiny",
        "--days",
        "3000",
        "--out",
        str(tmp_path),
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while not list(tmp_path.glob("values/*/*.parquet")):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    summary = json.loads(said)
    assert summary["interrupted"] is True
    assert len(read(tmp_path, "values")["site_time"].unique()) == summary["steps"]


@pytest.mark.parametrize("options", [["--days", "-1"], ["--days", "nan"], ["--days", "1", "--step", "0"], []])
def test_what_cannot_be_simulated_is_refused(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["simulate", "tiny", *options]).exit_code == 2


@pytest.mark.parametrize("step", ["901", "86400", "0.05", "inf"])
def test_a_step_the_models_do_not_hold_for_is_refused_with_its_bounds(step: str) -> None:
    done = CliRunner().invoke(app, ["simulate", "tiny", "--days", "1", "--step", step])
    assert done.exit_code == 2
    assert "between 0.1 and 900 s" in " ".join(done.stderr.replace("\u2502", " ").split())


def test_its_bounds_are_the_farms() -> None:
    assert (simulate.STEP_MIN_S, simulate.STEP_MAX_S) == (farm.STEP_MIN_S, farm.STEP_MAX_S)


def test_the_longest_step_is_taken() -> None:
    assert simulated("--days", "0.1", "--step", "900")["steps"] == 10
