"""``pilotfarm scenario`` with a farm that runs already: the same is said, written and ended with as on an own one."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from running_farm import RunningFarm, eventually
from scenario_rig import steps
from typer.testing import CliRunner, Result

from pilotfarm.api.cli import app

OFF = "fault: {kind: offline, target: {device: meter-001}, duration_s: 20}"
SEEN = "expect: meter-001.online reported == 0"
LATE = "expect: meter-001.online reported == 0 within 10 s"


@pytest.fixture
def farm(site: RunningFarm) -> Iterator[RunningFarm]:
    """A farm that runs, fast."""
    site.rest.patch("clock", json={"paused": False, "speed": 40.0}).raise_for_status()
    yield site
    site.rest.patch("clock", json={"paused": True}).raise_for_status()


def written(folder: Path, text: str) -> Path:
    (folder / "made.yaml").write_text(text, encoding="utf-8")
    return folder / "made.yaml"


def pilotfarm(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["scenario", *map(str, words)])


def url(farm: RunningFarm) -> str:
    return str(farm.rest.base_url).removesuffix("/api/v1/")


def told(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a run, without what is of the moment at which it began."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key not in ("began", "ended", "detail")} for line in lines]


def cases(path: Path) -> list[dict[str, str]]:
    return [case.attrib for case in Xml.parse(path).iter("testcase")]


def test_a_run_says_and_writes_what_one_on_an_own_farm_does(farm: RunningFarm, tmp_path: Path) -> None:
    file = written(tmp_path, "site: tiny\n" + steps(OFF, SEEN, "wait: 20 s", LATE))
    there, here = tmp_path / "there.jsonl", tmp_path / "here.jsonl"
    done = pilotfarm("run", file, "--farm", url(farm), "--json", there, "--junit", tmp_path / "there.xml")
    assert done.exit_code == 1
    assert "made at tiny: 3 passed, 1 failed, 0 blocked, 0 skipped in 31 s of site time: FAIL" in done.output
    assert pilotfarm("run", file, "--fast", "--json", here, "--junit", tmp_path / "here.xml").exit_code == 1
    assert told(there) == told(here)
    cases = [
        [case.attrib for case in Xml.parse(tmp_path / f"{name}.xml").iter("testcase")] for name in ("here", "there")
    ]
    assert cases[0] == cases[1]
    assert pilotfarm("run", written(tmp_path, steps(OFF, SEEN)), "--farm", url(farm)).exit_code == 0


def test_what_is_wrong_is_told_with_the_file_s_lines(farm: RunningFarm, tmp_path: Path) -> None:
    file = written(tmp_path, "seed: 99\n" + steps("wiat: 1 s", SEEN))
    done = pilotfarm("run", file, "--farm", url(farm))
    assert done.exit_code == 2
    assert [line.removeprefix(str(file)).split(":")[1] for line in done.stderr.splitlines()[:-1]] == ["1", "6", "6"]
    file = written(tmp_path, "seed: 99\n" + steps(SEEN))
    assert pilotfarm("run", file, "--farm", url(farm)).exit_code == 2
    assert "FAIL" in pilotfarm("run", file, "--farm", url(farm), "--as-is").output


def test_ctrl_c_stops_it_there(farm: RunningFarm, tmp_path: Path) -> None:
    def interrupt() -> None:
        eventually(lambda: farm.rest.get("scenarios", params={"state": "running"}).json())
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    done = pilotfarm("run", written(tmp_path, steps("wait: 12 h", SEEN)), "--farm", url(farm))
    other.join()
    assert done.exit_code == 130
    assert "0 passed, 0 failed, 0 blocked, 2 skipped" in done.output
    assert farm.rest.get("scenarios", params={"state": "running"}).json() == []


def test_what_is_recorded_passes_the_check_and_runs(farm: RunningFarm, tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"

    def operate() -> None:
        eventually(lambda: farm.rest.get("scenarios/recording").is_success)
        farm.rest.post("faults", json={"kind": "trip", "target": {"device": "charger-001"}}).raise_for_status()
        eventually(lambda: farm.rest.get("scenarios/recording").json()["steps"])
        os.kill(os.getpid(), signal.SIGINT)

    other = threading.Thread(target=operate)
    other.start()
    done = pilotfarm("record", out, "--api", url(farm))
    other.join()
    farm.rest.delete("faults")
    assert done.exit_code == 0
    assert f"{out}: 1 step until " in done.output
    assert "1 phases, 2 steps and 0 expectations at tiny: no problems" in pilotfarm("check", out).output
    kept = out.read_text(encoding="utf-8")
    assert "  fault: {kind: trip, target: {device: charger-001}}" in kept
    assert "cannot be made: File exists" in pilotfarm("record", out, "--api", url(farm)).stderr
    assert out.read_text(encoding="utf-8") == kept
    assert pilotfarm("record", tmp_path / "none.yaml", "--api", "http://127.0.0.1:9").exit_code == 2
    assert not (tmp_path / "none.yaml").exists()


@pytest.mark.parametrize("option", [["--fast"], ["--site", "tiny"], ["--seed", "1"], ["--ledger", "x"]])
def test_what_brings_a_farm_up_does_not_go_with_one_that_runs(option: list[str]) -> None:
    done = pilotfarm("run", "stuck-meter", "--farm", "http://127.0.0.1:9", *option)
    assert done.exit_code == 2
    assert "does not go with --farm" in done.stderr
    assert "goes with --farm alone" in pilotfarm("run", "stuck-meter", "--as-is").stderr
