"""What is wrong with a scenario is said at once, with its line, in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenario_rig import FIRST, HEAD, draft, problems, steps
from small_site import SITE

from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios.reading import load

GROUPS = """\
  storage:
    kind: battery
    count: 2
    feeder: east
    ratings: {rated_power_w: {choice: [4_000, 5_000]}}
    endpoints: [{protocol: modbus}]
  meters: {kind: smart_meter, count: 3, feeder: west, endpoints: [{protocol: modbus}]}
  points: {kind: ev_charger, count: 1, feeder: west, endpoints: [{protocol: modbus}]}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    path = tmp_path_factory.mktemp("site") / "small.yaml"
    path.write_text(SITE.format(seed=1, groups=GROUPS), encoding="utf-8")
    return Farm(site.load(str(path)))


FAULT = "{{fault: {{kind: stuck, target: {{{}}}}}}}"
BIAS = "{{fault: {{kind: bias, target: {{group: meters, quantity: active_power_w}}, {}}}}}"
TOLD = "{{setpoints: {{target: {{group: storage}}, values: {{{}}}}}}}"
ONE_MISTAKE = {
    "no such device": ("expect: meter-001.online true == 1", "did you mean meters-001"),
    "no device of a glob": ("expect: meter-*.online true == 1", "no device is called 'meter-*'"),
    "no such quantity": ("expect: meters-001.volt_l1_v true > 1", "did you mean voltage_l1_v"),
    "quantity of others": ("expect: meters-001.soc_frac true > 1", "a smart_meter has no such quantity"),
    "quantity of some only": ('expect: "[ms]*.soc_frac true > 0.5"', "a smart_meter has no such quantity"),
    "never reported": ("expect: meters-001.phase reported == 1", "never reported"),
    "a pulse": ("expect: storage-001.start reported == 1", "falls back to 0"),
    "neither true nor reported": ("expect: meters-001.online == 1", "`meters-001.online true` or"),
    "neither on the right": ("expect: meters-001.online true == meters-002.online", "meters-002.online reported"),
    "below all": ("expect: meters-001.voltage_l1_v reported < -5", "is at least 0 V"),
    "at its least": ("expect: meters-001.voltage_l1_v reported < 0", "is at least 0 V"),
    "above all": ("expect: storage-001.soc_frac true > 1", "is from 0 to 1"),
    "beyond its tolerance": ("expect: storage-001.soc_frac true == 1.2 +- 0.1", "is from 0 to 1"),
    "a set-point beyond the device": (
        "expect: storage-001.active_power_setpoint_w true == 1e9",
        "active_power_setpoint_w is from -",
    ),
    "a number with itself": ("expect: meters-001.active_power_w true > meters-001.active_power_w true", "with itself"),
    "half a state": ("expect: points-001.charge_point_state true == 2.5", "is a whole number from 0 to 5"),
    "half a switch": ("expect: meters-001.online true == 0.5", "is 0 or 1"),
    "a nameplate": ("expect: storage-001.rated_power_w true > 1e9", "does not change; storage-001 has"),
    "several on the right": ('expect: "storage-001.online true == meters-*.online true"', "must be one device"),
    "when that never comes": ("when: storage-001.soc_frac < -0.1", "is from 0 to 1"),
    "no condition": ("expect: meters-001.online is 1", "a comparison is"),
    "waits for itself": ("{name: a, after: a, wait: 5 s}", "waits for itself"),
    "waits for nobody": ("{after: nobody, wait: 5 s}", "nobody is not known"),
    "time and others": ("{at: 5 s, after: first, wait: 5 s}", "does not go with after"),
    "waits for a list of nobody": ("{after: [], wait: 5 s}", "must be a text or a list of texts"),
    "longer than the limit": ("wait: 2 d", "the scenario's limit is 86400 s"),
    "later than the limit": ("{at: 1 d, wait: 5 s}", "are never over"),
    "held longer than the limit": ("expect: meters-001.online true == 1 for 25 h", "are never over"),
    "two things": ("{wait: 5 s, clear: all}", "does one thing, not clear and wait"),
    "nothing": ("{name: idle}", "does nothing"),
    "no table": ("7", "must be a table such as `wait: 60 s`, not 7"),
    "unknown key": ("{wiat: 5 s, clear: all}", "did you mean 'wait'"),
    "no time": ("wait: soon", "must be a time such as 60 s"),
    "no such fault": ("fault: {kind: stuk}", "did you mean stuck"),
    "fault without its quantity": (FAULT.format("group: meters"), "needs the name or glob of a quantity"),
    "fault on nobody": (FAULT.format("group: meters, quantity: soc_frac"), "no device of the target can have"),
    "no such group": (FAULT.format("group: meter, quantity: online"), "did you mean meters"),
    "no such key of a target": (FAULT.format("grup: meters, quantity: online"), "did you mean group"),
    "no such parameter": (BIAS.format("parameters: {factr: 2}"), "did you mean factor"),
    "a fault with a start": (BIAS.format("parameters: {factor: 2}, start: 5"), "begins with its step"),
    "a fault that never lasts": (BIAS.format("parameters: {factor: 2}, duration_s: 0"), "must be above 0"),
    "a fault that cannot count": (BIAS.format("parameters: {factor: 2}, count: 3"), "does not act on single messages"),
    "a fault that cannot spread": (BIAS.format("parameters: {factor: 2}, duration_s: 3, spread_s: 3"), "ends at once"),
    "a fault of another protocol": ("fault: {kind: dnp3-storm}", "no device of the target can have this fault"),
    "light below none": ("weather: {target: {group: meters}, irradiance_factor: -1}", "must be at least 0"),
    "air as cold as none": ("weather: {target: {group: storage}, temperature_degc: -300}", "must be at least -70"),
    "light that is no number": ("weather: {irradiance_factor: .nan}", "must be a finite number"),
    "weather as ever": ("weather: {target: {group: storage}}", "needs something that is other than usual"),
    "weather twice": ("weather: {temperature_rise_k: 1, temperature_degc: 1}", "does not go with"),
    "weather nobody feels": ("weather: {target: {group: meters}, temperature_rise_k: 5}", "no device of the target"),
    "weather misspelt": ("weather: {temperatur_rise_k: 5}", "did you mean 'temperature_rise_k'"),
    "a front at once": ("weather: {temperature_rise_k: 5, from_deg: 90}", "needs a ramp_s or spread_s"),
    "load of nobody": ("load: {target: {group: storage}, factor: 2}", "no device of the target can have"),
    "load for a misspelt time": ("load: {factor: 2, durations_s: 5}", "did you mean 'duration_s'"),
    "load of no such group": ("load: {target: {grup: meters}, factor: 2}", "did you mean group"),
    "no such medium": ("medium: {to: gpsr}", "did you mean gprs"),
    "medium where there are none": ("medium: {to: gprs}", "no way of this site has a medium"),
    "override that is none": ("load: 5", "must be a table of keys and values, not 5"),
    "override and fault": ("{load: {factor: 2}, fault: {kind: offline}}", "does one thing, not fault and load"),
    "clear what never was": ("clear: nobody", "no step with a fault is called 'nobody'"),
    "clear all and more": ("clear: [all, nobody]", "all stands alone"),
    "set-point out of range": (TOLD.format("active_power_setpoint_w: 1e9"), "2 devices refuse it"),
    "set-point that is none": (TOLD.format("soc_frac: 1"), "cannot be written"),
    "set-point without a number": (TOLD.format("active_power_setpoint_w: much"), "must be a number"),
    "set-point nobody has": (TOLD.format("active_powr_setpoint_w: 1"), "did you mean active_power_setpoint_w"),
    "set-points without values": ("setpoints: {target: {group: storage}}", "either target and values, or devices"),
    "set-points of no value": (TOLD.format(""), "says no value"),
    "set-point for nobody": ("setpoints: {devices: {storage-01: {start: 1}}}", "did you mean storage-001"),
    "set-point for no group": ("setpoints: {target: {group: pv}, values: {start: 1}}", "pv is not known"),
}


@pytest.mark.parametrize("case", ONE_MISTAKE)
def test_a_mistake_is_one_problem_with_its_line(case: str, small: Farm) -> None:
    step, said = ONE_MISTAKE[case]
    (problem,) = problems(steps("{name: first, wait: 5 s}", step), small)
    assert said in problem.message
    assert (problem.line, problem.where.startswith("phases[0].steps[1]")) == (FIRST + 1, True)


def test_all_mistakes_are_told_at_once_and_the_farm_is_left_alone(small: Farm) -> None:
    texts = [step for step, _ in ONE_MISTAKE.values()]
    found = problems(steps("{name: first, wait: 5 s}", *texts), small)
    # Reported values may be beyond their bounds where faults are, of which these have some.
    assert {problem.line for problem in found} >= {
        FIRST + 1 + number
        for number, (case, _) in enumerate(ONE_MISTAKE.items())
        if case not in ("below all", "at its least", "waits for itself")
    }
    assert (list(small.faults), len(small.commands), small.steps) == ([], 0, 0)


def test_steps_that_wait_for_each_other_are_named(small: Farm) -> None:
    text = steps("{name: a, after: c, wait: 1 s}", "{name: b, wait: 1 s}", "{name: c, wait: 1 s}")
    (problem,) = problems(text, small)
    assert problem.line == FIRST
    assert all(f"{name} (line {FIRST + i})" in problem.message for i, name in enumerate("abc"))


def test_two_circles_are_two_problems(small: Farm) -> None:
    circles = ("{name: a, after: a, wait: 1 s}", "{name: b, after: c, wait: 1 s}", "{name: c, after: b, wait: 1 s}")
    assert len(problems(steps(*circles), small)) == 2


def test_a_reported_value_may_be_beyond_its_bounds_where_a_fault_can_put_it_there(small: Farm) -> None:
    bias = BIAS.format("parameters: {factor: 2}")
    assert problems(steps(bias, "expect: meters-001.voltage_l1_v reported < -5"), small) == []
    (problem,) = problems(steps(bias, "expect: meters-001.voltage_l1_v true < -5"), small)
    assert "is at least 0 V" in problem.message


@pytest.mark.parametrize("comparison", ["<= 0", ">= 1", "== 1.05 +- 0.1", "== -0.05 +- 0.1", "!= 0", "< 0.01"])
def test_what_may_be_met_at_its_bound_is_no_problem(comparison: str, small: Farm) -> None:
    assert problems(steps(f"expect: storage-001.soc_frac true {comparison}"), small) == []


def test_a_device_that_is_broken_itself_may_report_what_cannot_be(small: Farm) -> None:
    broken = "fault: {kind: exchanged, target: {group: meters}}"
    assert problems(steps(broken, "expect: meters-001.voltage_l1_v reported < -5"), small) == []


def test_only_a_fault_that_has_begun_before_can_be_cleared(small: Farm) -> None:
    late = "  - name: later\n    steps:\n      - {name: off, fault: {kind: offline}}\n"
    (problem,) = problems(steps("clear: off") + late, small)
    assert "begins in a later phase" in problem.message
    assert problems(steps("{name: off, fault: {kind: offline}}", "clear: off"), small) == []


def test_a_set_point_that_one_device_can_have_is_no_problem_of_any(small: Farm) -> None:
    least, most = sorted(small.device(f"storage-00{n}").true_value("rated_power_w") for n in (1, 2))
    assert least < most
    text = f'expect: "{{}} storage-*.active_power_setpoint_w true == {most:.0f} +- 1"'
    assert problems(steps(text.format("any")), small) == []
    (problem,) = problems(steps(text.format("all")), small)
    assert f"is from -{least:g} to {least:g} W" in problem.message


def test_what_is_wrong_with_a_parameter_stands_where_it_is_written(small: Farm) -> None:
    found = problems(steps("weather: {temperature_rise_k: 5, from_deg: 90}"), small)
    assert [each.where for each in found] == ["phases[0].steps[0].weather.from_deg"]


@pytest.mark.parametrize("repeat", [1, 2])
def test_what_begins_after_a_step_cannot_be_cleared_by_it(repeat: int, small: Farm) -> None:
    text = steps("clear: off", "wait: 5 s", "{name: off, fault: {kind: offline}}", "{at: 9 s, clear: off}")
    found = problems(text.replace("only", f"only\n    repeat: {repeat}"), small)
    assert [(each.line, each.message) for each in found] == [(FIRST + 1, "'off' begins after this step")] * (
        repeat == 1
    )


@pytest.mark.parametrize(
    "possible",
    [
        "storage-001.soc_max_frac true == 0",  # once soc_min_frac is lower
        "points-001.charge_point_state true == 2",
        "points-001.charge_point_state true < 0.5",
        "meters-001.active_power_w true >= meters-001.active_power_w true",
        "meters-001.active_power_w true != meters-001.active_power_w reported",
        "meters-001.active_power_w true != meters-002.active_power_w true",
    ],
)
def test_what_may_come_is_no_problem(possible: str, small: Farm) -> None:
    assert problems(steps(f"expect: {possible}"), small) == []


TOP = {
    "no phases": ("name: made\n", 1, "phases", "is missing"),
    "phases that are none": ("name: made\nphases: 5\n", 2, "phases", "must be a list of phases, not 5"),
    "no steps": ("name: made\nphases:\n  - name: a\n", 3, "phases[0].steps", "is missing"),
    "a phase that is none": ("name: made\nphases: [7]\n", 2, "phases[0]", "must be a table with a name and steps"),
    "bad name": (HEAD.replace("made", "my made") + "      - wait: 1 s\n", 1, "name", "a name is a letter"),
    "misspelt key": ("nmae: made\n" + HEAD.split("\n", 1)[1] + "      - wait: 1 s\n", 1, "nmae", "'name'"),
    "repeated too often": (HEAD.replace("only", "only\n    repeat: 1001") + "      - wait: 1 s\n", 4, "repeat", "1000"),
    "two phases of one name": (steps("wait: 1 s") * 2, 6, "name", "written twice"),
    "no seed": ("seed: -1\n" + steps("wait: 1 s"), 1, "seed", "at least 0"),
    "too long a step": ("step_s: 1000\n" + steps("wait: 1 s"), 1, "step_s", "at most 900"),
    "no media": ("media: perhaps\n" + steps("wait: 1 s"), 1, "media", "true or false"),
    "no limit": ("limit: 0\n" + steps("wait: 1 s"), 1, "limit", "above 0"),
}


@pytest.mark.parametrize("case", TOP)
def test_what_is_wrong_with_the_frame_has_its_line(case: str, small: Farm) -> None:
    text, line, where, said = TOP[case]
    assert any(
        (problem.line, said in problem.message) == (line, True) and where in problem.where
        for problem in problems(text, small)
    ), problems(text, small)


def test_names_are_given_once(small: Farm) -> None:
    phase = "  - {name: only, steps: [{name: a, wait: 1 s}]}\n"
    found = problems(steps("{name: a, wait: 1 s}") + phase, small)
    assert [(each.line, each.message.split(":")[0]) for each in found] == [
        (6, "another phase has this name"),
        (6, "another step has this name"),
    ]


def test_repetitions_are_bounded_together(small: Farm) -> None:
    many = "".join(f"  - {{name: p{i}, repeat: 1000, steps: [{{wait: 1 s}}]}}\n" for i in range(11))
    (problem,) = problems("name: made\nphases:\n" + many, small)
    assert "11,000 steps" in problem.message


def test_the_site_stands_beside_the_scenario_and_its_problems_are_told_with_the_scenarios(tmp_path: Path) -> None:
    (tmp_path / "there.yaml").write_text(SITE.format(seed=1, groups=GROUPS), encoding="utf-8")
    text = "site: there.yaml\nstart: 2026-01-05T18:00\nseed: 9\nstep_s: 5\n" + steps("wait: 5 s")
    file = tmp_path / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    layout = load(str(file)).layout()
    assert (layout.name, layout.seed, layout.step_s, layout.start.hour) == ("small", 9, 5.0, 18)
    assert load(str(file)).layout(seed=3).seed == 3
    assert load(str(file)).layout("tiny").name == "tiny"
    (tmp_path / "there.yaml").write_text("name: there\n", encoding="utf-8")
    file.write_text(text.replace("2026-01-05T18:00", "tomorrow").replace("wait: 5 s", "wiat: 5 s"), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(str(file)).layout()
    files = {Path(problem.file).name for problem in refused.value.problems}
    assert files == {"scenario.yaml", "there.yaml"}
    assert any((each.line, each.where) == (2, "start") for each in refused.value.problems)


def test_a_scenario_without_a_site_needs_one_named() -> None:
    with pytest.raises(ConfigError, match="--site does not say one"):
        draft(steps("wait: 5 s")).layout()


@pytest.mark.parametrize(("name", "said"), [("nowhere.yaml", "no built-in scenario"), (".", "name the scenario file")])
def test_what_cannot_be_read_is_told(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(name)


@pytest.mark.parametrize("text", ["", "5", "- wait: 5 s", "a: [", "\tname: x"])
def test_what_is_no_table_is_a_problem(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(str(file))
    assert "site file" not in str(refused.value)


def test_null_in_an_override_is_left_out(small: Farm) -> None:
    assert problems(steps("load: {factor: 2, power_w: null}"), small) == []
