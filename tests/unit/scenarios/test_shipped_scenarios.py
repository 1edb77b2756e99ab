"""The scenarios that are shipped: each passes, and fails when what it is about does not happen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from typer.testing import CliRunner

from pilotfarm import profiles
from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.plan import Break, Plan, Step, Tell, Wait
from pilotfarm.emulators.scenarios.reading import load
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.scenarios.schema import json_schema
from pilotfarm.emulators.scenarios.verdict import Verdict
from pilotfarm.emulators.site.document import read

NAMES = profiles.scenario_names()


def test_there_are_some_and_they_are_called_by_their_files() -> None:
    assert len(NAMES) >= 8
    assert [head.name for name in NAMES if (head := load(name).head)] == NAMES


def begun(name: str, change: Callable[[Plan], Plan] = lambda plan: plan) -> tuple[Farm, Run]:
    draft = load(name)
    farm = Farm(draft.layout())
    farm.step(WARM_UP_S)
    run = Run(change(resolve(draft, farm)), farm)
    run.advance()
    return farm, run


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_without_servers(name: str) -> None:
    farm, run = begun(name)
    while not run.over:
        farm.step(farm.layout.step_s)
        run.advance()
    assert {result.verdict for result in run.results} == {Verdict.PASS}, run.results
    assert len(run.results) == run.plan.results


def test_one_is_written_down_by_its_name(tmp_path: Path) -> None:
    xml, lines = tmp_path / "junit.xml", tmp_path / "lines.jsonl"
    name = "frequency-dip"
    done = CliRunner().invoke(app, ["scenario", "run", name, "--fast", "--junit", str(xml), "--json", str(lines)])
    assert done.exit_code == 0, done.output
    first, *results, last = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert (first["scenario"], first["file"], first["version"], last["verdict"]) == (name, name, 1, "PASS")
    assert {each["verdict"] for each in results} == {"PASS"}
    assert last["pass"] == len(results) == done.output.count("PASS ")
    suite = Xml.parse(xml).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(len(results)), "0", "0")
    assert {case.get("file") for case in suite.iter("testcase")} == {name}


@pytest.mark.parametrize("name", NAMES)
def test_it_fails_when_its_faults_and_set_points_are_left_out(name: str) -> None:
    farm, run = begun(name, without_deeds)
    while not any(result.verdict is Verdict.FAIL for result in run.results):
        assert not run.over, "nothing of it needs what is done"
        farm.step(farm.layout.step_s)
        run.advance()


def without_deeds(plan: Plan) -> Plan:
    def spared(step: Step) -> Step:
        return replace(step, action=Wait(1.0)) if isinstance(step.action, Break | Tell) else step

    phases = [replace(phase, steps=tuple(map(spared, phase.steps))) for phase in plan.phases]
    assert phases != list(plan.phases), "it does nothing"
    return replace(plan, phases=tuple(phases))


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    made = json_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("name", NAMES)
def test_it_satisfies_the_schema_and_its_site_is_built_in(name: str, schema: jsonschema.Draft202012Validator) -> None:
    document = read(name, profiles.scenario(name).read_text(encoding="utf-8"), "scenario")
    schema.validate(document.data)
    assert document.data["site"] in profiles.names()


WRONG = {
    "no such fault": {"fault": {"kind": "stuk"}},
    "no such parameter": {"fault": {"kind": "bias", "target": {"quantity": "soc_frac"}, "parameters": {"factr": 2}}},
    "a parameter that is needed": {"fault": {"kind": "voltage-sag"}},
    "no such mode": {"fault": {"kind": "offline", "mode": "loud"}},
    "no such key of a target": {"fault": {"kind": "offline", "target": {"grup": "homes"}}},
    "no such parameter of a weather": {"weather": {"irradiance": 0.5}},
    "light below none": {"weather": {"irradiance_factor": -0.5}},
    "a key of a target that is not of loads": {"load": {"factor": 2, "target": {"quantity": "online"}}},
    "no such medium": {"medium": {"medium": "gpsr"}},
    "two things": {"wait": 5, "clear": "all"},
    "nothing": {"name": "idle"},
    "no time": {"wait": "soon"},
    "time and others": {"wait": 5, "at": 5, "after": "a"},
    "set-points for two": {"setpoints": {"target": {}, "values": {"start": 1}, "devices": {"a": {"start": 1}}}},
    "unknown key": {"wiat": 5},
}
RIGHT = {
    "only a condition": {"when": "a.soc_frac < 0.1"},
    "a time": {"wait": "5 min"},
    "several": {"expect": ["a.soc_frac true < 1"], "at": 0},
    "set-points": {"setpoints": {"target": {"kind": "battery"}, "values": {"start": 1}}},
    "set-points of each": {"setpoints": {"devices": {"a": {"start": 1}}}},
    "weather": {"weather": {"irradiance_factor": 0.5, "from_deg": 90, "ramp_s": 5, "target": {"pick": "50 %"}}},
    "a load": {"load": {"added_w": -200}},
    "a medium": {"medium": {"to": "gprs", "target": {"label": ["cell=north"]}}},
    "a fault": {"fault": {"kind": "voltage-sag", "parameters": {"voltage_pu": 0.5}}},
}


@pytest.mark.parametrize("case", [*WRONG, *RIGHT])
def test_an_editor_sees_what_is_wrong(case: str, schema: jsonschema.Draft202012Validator) -> None:
    step = WRONG.get(case) or RIGHT[case]
    data = {"name": "made", "phases": [{"name": "only", "steps": [step]}]}
    assert schema.is_valid(data) == (case in RIGHT)


def test_it_runs_at_other_sites_that_have_its_devices() -> None:
    assert load("stuck-meter").layout("germany").name == "germany"
    assert site.load("germany").seed != load("stuck-meter").layout("germany", seed=7).seed == 7
