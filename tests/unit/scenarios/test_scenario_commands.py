"""``pilotfarm scenario``: what it prints, writes and exits with, with servers and without."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from again_rig import digests
from on_loopback import connected, free_port, running, step
from scenario_rig import draft, steps
from typer.testing import CliRunner, Result

from pilotfarm import profiles
from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.site.addresses import Addressing

SITE = """\
name: small
location: {latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}
groups:
  meters: {kind: smart_meter, count: 2, endpoints: [{protocol: modbus}]}
"""
OFF = "fault: {kind: offline, target: {device: meters-002}, duration_s: 20}"
GOOD = steps(OFF, "expect: meters-002.online reported == 0", "expect: meters-002.online reported == 1 within 30 s")
BAD = steps(
    '{skip: "odd \\u0007 & <words>", wait: 1 s}', "expect: meters-001.online reported == 0", "wait: 1 s",
    "{at: 3 s, expect: meters-001.online true == 1}",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SITE, encoding="utf-8")
    for name, text in (("good", GOOD), ("bad", BAD), ("wrong", steps("wiat: 1 s", "expect: meter.online true == 1"))):
        (tmp_path / f"{name}.yaml").write_text("site: small.yaml\n" + text, encoding="utf-8")
    return tmp_path


def scenario(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["scenario", *map(str, words)])


def test_a_run_that_fails_says_so_to_people_and_programs(folder: Path) -> None:
    xml, lines = folder / "junit.xml", folder / "lines.jsonl"
    done = scenario("run", folder / "bad.yaml", "--fast", "--junit", xml, "--json", lines)
    assert done.exit_code == 1
    assert "1 passed, 1 failed, 1 blocked, 1 skipped in 3 s of site time: FAIL" in done.output
    assert "FAIL           0 s  only: expect meters-001.online reported == 0 (meters-001 has 1)" in done.output
    suite = Xml.parse(xml).getroot()[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [[each.tag for each in case] for case in suite] == [["skipped"], ["failure"], ["error"], ["system-out"]]
    assert suite[0][0].get("message") == "odd   & <words>"
    assert suite[1].get("line") == "7"
    told = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert [each.get("verdict") for each in told] == [None, "SKIPPED", "FAIL", "BLOCKED", "PASS", "FAIL"]
    assert told[-1] == {"event": "verdict", "verdict": "FAIL", "pass": 1, "fail": 1, "blocked": 1, "skipped": 1}
    assert told[4]["ended"] == "2026-06-15T08:00:04+02:00"


def test_served_it_does_what_it_does_without_servers_and_ends_with_the_same_step(folder: Path) -> None:
    fast, served = folder / "fast.jsonl", folder / "served.jsonl"
    done = scenario("run", folder / "good.yaml", "--fast", "--json", fast, "--ledger", folder / "fast")
    assert done.exit_code == 0
    network = ("--api", "127.0.68.1:0", "--addresses", "127.0.68.0/24", "--speed", "10000")
    done = scenario("run", folder / "good.yaml", "--json", served, "--ledger", folder / "served", *network)
    assert done.exit_code == 0, done.output
    assert done.output.count("\nready http://127.0.68.1:") + done.output.startswith("ready http://127.0.68.1:") == 1
    assert served.read_text(encoding="utf-8") == fast.read_text(encoding="utf-8")
    assert digests(folder / "served") == digests(folder / "fast")
    assert len(digests(folder / "fast")) > 2


def test_masters_meet_what_a_scenario_breaks(folder: Path) -> None:
    first = free_port()
    layout = site.load(str(folder / "small.yaml"), Addressing(ports_from=first))

    async def met() -> list[bool]:
        found = []
        async with running(layout) as pilot:
            run = Run(resolve(draft(GOOD), pilot.farm), pilot.farm, pilot.clock.now_s)
            pilot.attendants.append(run.advance)
            run.advance()
            for steps_on in (0, 1, 30):
                await step(pilot, steps_on)
                found.append(await answers(first + 1))
            assert [str(each.verdict) for each in run.results] == ["PASS"] * 3
        return found

    assert asyncio.run(met()) == [True, False, True]


async def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        async with connected(port):
            return True
    except ConnectionRefusedError:
        return False


def test_a_bad_scenario_is_refused_with_every_problem_and_costs_no_file(folder: Path) -> None:
    kept = folder / "junit.xml"
    kept.write_text("an earlier run", encoding="utf-8")
    done = scenario("run", folder / "wrong.yaml", "--fast", "--junit", kept)
    assert (done.exit_code, kept.read_text(encoding="utf-8")) == (2, "an earlier run")
    assert [line.split(":")[1] for line in done.stderr.splitlines()[:-1]] == ["6", "6", "7"]
    checked = scenario("check", folder / "wrong.yaml", "--json")
    assert checked.exit_code == 2
    assert [each["line"] for each in json.loads(checked.output)["problems"]] == [6, 6, 7]


def test_a_log_is_told_now_and_then_what_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = "20 s  only: meters-002.online reported == 1 within 30 s"
    assert waits not in scenario("run", folder / "good.yaml", "--fast").output
    monkeypatch.setattr("pilotfarm.api.scenario_report.SILENT_MAX_S", 0.0)
    assert waits in scenario("run", folder / "good.yaml", "--fast").output


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(folder: Path) -> None:
    done = scenario("run", folder / "good.yaml", "--fast", "--json", folder)
    assert done.exit_code == 2
    assert "PASS" not in done.output


def test_check_says_what_it_comes_to_and_list_what_it_does(folder: Path) -> None:
    assert scenario("check", folder / "good.yaml").output == (
        "made: 1 phases, 3 steps and 2 expectations at small: no problems\n"
    )
    found = json.loads(scenario("check", folder / "good.yaml", "--json").output)
    assert (found["problems"], found["steps"]) == ([], 3)
    listed = scenario("list", folder / "good.yaml").output
    assert "expect meters-002.online reported == 1 within 30 s" in listed
    assert all(name in scenario("list").output for name in profiles.scenario_names())
    assert scenario("list", folder / "wrong.yaml").exit_code == 2


def test_a_ledger_keeps_what_a_scenario_did(folder: Path) -> None:
    from pilotfarm.emulators.record.tables import read

    assert scenario("run", folder / "good.yaml", "--fast", "--ledger", folder / "ledger").exit_code == 0
    assert read(folder / "ledger", "faults").column("event").to_pylist() == ["began", "ended"]


def test_the_schema_is_printed() -> None:
    assert json.loads(scenario("schema").output)["title"] == "ScenarioFile"
