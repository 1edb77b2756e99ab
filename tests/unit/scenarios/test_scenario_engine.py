"""A scenario under way: order, times, verdicts, and that the same does the same."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from scenario_rig import draft, run, steps, verdicts
from small_site import METERS, SITE, STORAGE

from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.fault import Course
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.scenarios.verdict import Verdict
from pilotfarm.emulators.site import load

# A set-point of a battery, whose power is on its way at once and there within some seconds.
CHARGE = "setpoints: {devices: {storage-001: {active_power_setpoint_w: -2000}}}"
CHARGES = "storage-001.active_power_w true == -2000 +- 1"
NEVER = "meters-001.voltage_l1_v true > 1000"
ALWAYS = "meters-001.voltage_l1_v true > 100"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Farm]:
    """Make the same farm again and again: three batteries and four meters, one second old."""
    path = tmp_path_factory.mktemp("site") / "small.yaml"
    path.write_text(SITE.format(seed=1, groups=STORAGE + METERS), encoding="utf-8")
    old = Farm(load(str(path)))
    old.step(1.0)
    return lambda: deepcopy(old)  # a third of the time that it takes to make one


def test_steps_follow_each_other_and_what_is_done_shows_with_the_next_step(made: Callable[[], Farm]) -> None:
    found = run(steps(CHARGE, f"expect: {CHARGES} within 10 s", "wait: 5 s", "clear: all"), made())
    assert verdicts(found) == [(name, "PASS") for name in "1234"]
    assert (found.results[0].began_s, found.results[0].ended_s) == (0.0, 1.0)
    assert found.results[2].ended_s - found.results[1].ended_s == 5.0
    assert found.verdict is Verdict.PASS


def test_after_one_that_fails_those_that_follow_are_blocked_and_those_at_a_time_are_not(
    made: Callable[[], Farm],
) -> None:
    text = steps(f"expect: {NEVER} within 3 s", "wait: 1 s", "{at: 5 s, wait: 1 s}", f"expect: {ALWAYS}")
    found = run(text + "  - {name: later, steps: [{wait: 1 s}]}\n", made())
    assert verdicts(found) == [("1", "FAIL"), ("2", "BLOCKED"), ("3", "PASS"), ("4", "PASS"), ("1", "BLOCKED")]
    failed, blocked = found.results[0], found.results[-1]
    assert (failed.began_s, failed.ended_s) == (0.0, 3.0)
    assert "meters-001 has 2" in failed.detail
    assert (blocked.phase, blocked.began_s, blocked.detail) == ("later", None, "a phase before it did not pass")
    assert found.verdict is Verdict.FAIL


def test_what_failed_blocks_every_later_phase(made: Callable[[], Farm]) -> None:
    later = "  - {name: b, skip: not now, steps: [{wait: 1 s}]}\n  - {name: c, steps: [{wait: 1 s}]}\n"
    assert verdicts(run(steps(f"expect: {NEVER}") + later, made())) == [
        ("1", "FAIL"),
        ("1", "SKIPPED"),
        ("1", "BLOCKED"),
    ]


def test_one_expectation_that_fails_is_enough(made: Callable[[], Farm]) -> None:
    found = run(steps(f'expect: ["{NEVER}", "{ALWAYS} for 3 s"]', "wait: 1 s"), made())
    assert [str(each.verdict) for each in found.results] == ["FAIL", "PASS", "BLOCKED"]


def test_a_condition_that_never_comes_blocks_its_step_and_what_follows(made: Callable[[], Farm]) -> None:
    found = run(steps(f"{{when: {NEVER} within 4 s, wait: 1 s}}", f"expect: {ALWAYS}"), made())
    assert verdicts(found) == [("1", "BLOCKED"), ("2", "BLOCKED")]
    assert found.results[0].ended_s == 4.0
    assert "its condition never came" in found.results[0].detail
    assert found.verdict is Verdict.FAIL


def test_a_condition_that_comes_lets_its_step_begin(made: Callable[[], Farm]) -> None:
    soc = "storage-002.soc_frac"
    farm = made()
    wanted = float(farm.device("storage-002").true_value("soc_frac")) + 1e-4
    told = "setpoints: {devices: {storage-002: {active_power_setpoint_w: -5000}}}"
    found = run(steps(told, f"when: {soc} >= {wanted:.6f}", f"expect: {soc} true < {wanted + 5e-4:.6f}"), farm)
    assert {str(each.verdict) for each in found.results} == {"PASS"}
    assert found.results[1].ended_s > 1.0


def test_within_counts_from_when_it_is_first_looked_at_and_for_how_long_it_is_to_hold(
    made: Callable[[], Farm],
) -> None:
    told = steps(CHARGE, f"expect: {CHARGES} within 10 s for 20 s")
    found = run(told, made())
    assert found.results[1].ended_s >= 20.0
    back = "setpoints: {devices: {storage-001: {active_power_setpoint_w: 0}}}"
    text = steps(CHARGE, f"{{name: holds, expect: {CHARGES} within 10 s for 20 s}}", f"{{at: 15 s, {back}}}")
    broken = run(text, made())
    assert dict(verdicts(broken))["holds"] == "FAIL"


@pytest.mark.parametrize(("within", "verdict"), [("5 s", "FAIL"), ("10 s", "PASS")])
def test_what_comes_with_a_step_of_the_site_that_is_too_late_is_late(
    within: str, verdict: str, made: Callable[[], Farm]
) -> None:
    found = run(steps(CHARGE, f"{{name: soon, at: 0, expect: {CHARGES} within {within}}}"), made(), dt_s=10.0)
    assert dict(verdicts(found))["soon"] == verdict


def test_expectations_of_one_step_begin_together_and_each_has_its_verdict(made: Callable[[], Farm]) -> None:
    text = steps(f'expect: ["{NEVER} within 9 s", "{ALWAYS} for 3 s", "{ALWAYS}"]', "wait: 1 s")
    found = run(text, made())
    assert [(each.step, str(each.verdict), each.ended_s) for each in found.results] == [
        ("1", "PASS", 0.0),
        ("1", "PASS", 3.0),
        ("1", "FAIL", 9.0),
        ("2", "BLOCKED", 9.0),
    ]


def test_steps_go_side_by_side_where_the_file_says_after_what(made: Callable[[], Farm]) -> None:
    text = steps(
        "{name: a, wait: 10 s}", "{name: b, at: 0, wait: 4 s}", "{name: c, after: b, wait: 3 s}",
        "{name: d, after: [a, c], wait: 1 s}",
    )  # fmt: skip
    ended = {each.step: each.ended_s for each in run(text, made()).results}
    assert ended == {"a": 10.0, "b": 4.0, "c": 7.0, "d": 11.0}


def test_a_phase_is_repeated_as_often_as_it_says_and_times_begin_anew(made: Callable[[], Farm]) -> None:
    twice = run(steps("wait: 2 s").replace("only", "only\n    repeat: 2"), made())
    assert [each.phase for each in twice.results] == ["only 1", "only 2"]
    text = steps("{at: 3 s, wait: 2 s}").replace("only", "only\n    repeat: 3")
    found = run(text, made())
    assert [(each.phase, each.began_s) for each in found.results] == [
        ("only 1", 3.0),
        ("only 2", 8.0),
        ("only 3", 13.0),
    ]


def test_faults_begin_and_end_with_their_steps(made: Callable[[], Farm]) -> None:
    stuck = "fault: {kind: stuck, target: {device: meters-001, quantity: voltage_l1_v}, parameters: {value: 7}}"
    seven = "meters-001.voltage_l1_v reported == 7"
    other = "fault: {kind: offline, target: {device: meters-002}}"
    text = steps(
        f"{{name: stuck, {stuck}}}", f"expect: {seven}", other, "expect: meters-002.online reported == 0",
        "expect: meters-002.online true == 1", "clear: stuck", f"expect: {seven.replace('==', '!=')}",
        "expect: meters-002.online reported == 0", "clear: all", "expect: meters-002.online reported == 1",
    )  # fmt: skip
    farm = made()
    found = run(text, farm)
    assert {str(each.verdict) for each in found.results} == {"PASS"}, found.results
    assert [each.state for each in farm.faults] == ["ended", "ended"]


def test_load_and_weather_are_others_until_they_are_cleared(made: Callable[[], Farm]) -> None:
    draws = "meters-001.active_power_w true"
    text = steps(
        "{name: more, load: {target: {device: meters-001}, power_w: 5000, added_w: 7}}", f"expect: {draws} == -5007",
        "{name: cold, weather: {target: {group: storage}, temperature_degc: -30, duration_s: 900, ramp_s: 2}}",
        "clear: more", f"expect: {draws} > -5007", "wait: 5 min", "clear: all",
    )  # fmt: skip
    farm = made()
    found = run(text, farm)
    assert {str(each.verdict) for each in found.results} == {"PASS"}, found.results
    assert found.results[0].text == "load added_w 7, power_w 5000"
    assert [(each.spec.kind, each.course, each.state) for each in farm.faults] == [
        ("load", Course(), "ended"),
        ("weather", Course(900.0, 2.0), "ended"),
    ]


@pytest.mark.parametrize("own", [True, False])
def test_ways_are_on_another_medium_where_the_scenario_has_media(own: bool) -> None:
    text = f"site: tiny\nmedia: {str(own).lower()}\n" + steps(
        "{name: fallback, medium: {target: {group: battery, protocol: modbus}, to: gprs}}", "clear: fallback"
    )
    made = draft(text)
    farm = Farm(made.layout())
    if own:
        assert run(text, farm).results[0].detail == "fault 1 on 1 device"
    else:
        with pytest.raises(ConfigError, match="no way of this site has a medium"):
            resolve(made, farm)


def test_a_fault_that_has_ended_by_itself_is_no_trouble_to_clear(made: Callable[[], Farm]) -> None:
    off = "{name: off, fault: {kind: offline, target: {device: meters-002}, duration_s: 2}}"
    found = run(steps(off, "wait: 5 s", "clear: off"), made())
    assert (str(found.results[2].verdict), found.results[2].detail) == ("PASS", "ended 0 faults")


def test_all_that_a_fault_says_reaches_the_board(made: Callable[[], Farm]) -> None:
    farm = made()
    run(
        steps(
            "fault: {kind: offline, target: {group: meters}, mode: silent, duration_s: 4, ramp_s: 2, spread_s: 3}",
            "fault: {kind: silence, target: {group: meters}, count: 5}",
        ),
        farm,
    )
    first, second = farm.faults
    assert (first.mode, first.course, second.course.count) == ("silent", Course(4.0, 2.0, 3.0), 5)


def test_a_fault_of_others_stays_where_all_of_the_scenarios_are_cleared(made: Callable[[], Farm]) -> None:
    farm = made()
    farm.faults.add("offline", {"device": "meters-003"})
    run(steps("fault: {kind: offline, target: {device: meters-002}}", "clear: all"), farm)
    assert [(each.hit, each.state) for each in farm.faults] == [
        (("meters-003",), "active"),
        (("meters-002",), "ended"),
    ]


def test_a_value_that_is_missing_meets_no_expectation(made: Callable[[], Farm]) -> None:
    gone = "fault: {kind: out-of-range, target: {device: meters-001, quantity: voltage_l1_v}}"
    looks = [f'"meters-001.voltage_l1_v reported {operator} 5"' for operator in ("<", ">", "==", "!=")]
    found = run(steps(gone, f"expect: [{', '.join(looks)}]"), made())
    assert [(str(each.verdict), each.detail) for each in found.results[1:]] == [("FAIL", "meters-001 has no value")] * 4


COMPARISONS = {
    "< 7": False, "< 7.5": True, "<= 7": True, "<= 6.5": False, "> 7": False, "> 6.5": True,
    ">= 7": True, ">= 7.5": False, "== 7": True, "== 8 +- 1": True, "== 8 +- 0.5": False,
    "!= 7": False, "!= 8": True,
    "!= 8 +- 1": False, "!= 8 +- 0.5": True,
}  # fmt: skip


def test_a_comparison_holds_up_to_its_bound(made: Callable[[], Farm]) -> None:
    seven = "fault: {kind: stuck, target: {device: meters-001, quantity: voltage_l1_v}, parameters: {value: 7}}"
    looks = [f'"meters-001.voltage_l1_v reported {comparison}"' for comparison in COMPARISONS]
    found = run(steps(seven, f"expect: [{', '.join(looks)}]"), made())
    passed = [result.verdict is Verdict.PASS for result in found.results[1:]]
    assert dict(zip(COMPARISONS, passed, strict=True)) == COMPARISONS


def test_all_or_any_of_several_devices(made: Callable[[], Farm]) -> None:
    one = "fault: {kind: offline, target: {device: meters-002}}"
    off = '"{} meters-*.online reported == {}"'
    found = run(steps(one, f"expect: [{off.format('any', 0)}, {off.format('all', 0)}, {off.format('', 1)}]"), made())
    assert [str(each.verdict) for each in found.results[1:]] == ["PASS", "FAIL", "FAIL"]
    assert [each.detail for each in found.results[1:]] == [
        "meters-002 has 0; it holds for 1 of 4",
        "meters-001 has 1; it holds for 1 of 4",
        "meters-002 has 0; it holds for 3 of 4",
    ]


@pytest.mark.parametrize(
    ("skipped", "expected"),
    [
        ("{skip: not yet, wait: 5 s}", [("1", "SKIPPED"), ("2", "PASS")]),
        (f'{{skip: not yet, expect: ["{NEVER}", "{NEVER}"]}}', [("1", "SKIPPED"), ("1", "SKIPPED"), ("2", "PASS")]),
    ],
)
def test_what_is_skipped_blocks_nobody(skipped: str, expected: list[tuple[str, str]], made: Callable[[], Farm]) -> None:
    found = run(steps(skipped, "wait: 1 s"), made())
    assert verdicts(found) == expected
    assert (found.results[0].detail, found.verdict) == ("not yet", Verdict.PASS)


def test_a_phase_may_be_skipped_and_all_skipped_is_no_pass(made: Callable[[], Farm]) -> None:
    found = run(steps("wait: 1 s", f"expect: {NEVER}").replace("only", "only\n    skip: later"), made())
    assert verdicts(found) == [("1", "SKIPPED"), ("2", "SKIPPED")]
    assert found.verdict is Verdict.SKIPPED


def test_the_limit_ends_what_waits_for_ever(made: Callable[[], Farm]) -> None:
    text = "limit: 30 s\n" + steps(f"when: {NEVER}", f"expect: {ALWAYS}", f"{{at: 5 s, expect: {NEVER} within 1 h}}")
    found = run(text, made())
    assert verdicts(found) == [("1", "BLOCKED"), ("2", "BLOCKED"), ("3", "FAIL")]
    assert {each.ended_s for each in found.results} == {30.0}
    assert "limit of 30 s" in found.results[0].detail


def test_what_is_over_with_the_limit_is_not_cut_off(made: Callable[[], Farm]) -> None:
    assert run("limit: 30 s\n" + steps("wait: 29 s", f"expect: {ALWAYS}"), made()).verdict is Verdict.PASS


def test_a_run_that_is_stopped_skips_the_rest(made: Callable[[], Farm]) -> None:
    farm = made()
    text = steps("wait: 1 s", "wait: 50 s", f'expect: ["{ALWAYS}", "{NEVER}"]')
    stopped = Run(resolve(draft(text), farm), farm)
    for _ in range(3):
        farm.step(1.0)
        stopped.advance()
    assert stopped.waits_for() == "wait 50 s, 49 s left"
    stopped.stop("interrupted")
    assert stopped.over
    assert verdicts(stopped) == [("1", "PASS"), ("2", "SKIPPED"), ("3", "SKIPPED"), ("3", "SKIPPED")]
    assert stopped.results[-1].detail == "interrupted"


def test_within_is_wall_time_where_it_says_so_and_skipped_where_there_is_none(made: Callable[[], Farm]) -> None:
    text = steps(f"expect: {NEVER} within 2 s wall", f"{{when: {NEVER} within 2 s wall, wait: 1 s}}", "wait: 1 s")
    without = run(text, made())
    assert verdicts(without) == [("1", "SKIPPED"), ("2", "SKIPPED"), ("3", "PASS")]
    farm = made()
    watched = run(text, farm, lambda: 1e9 + farm.time_s / 10.0)
    assert verdicts(watched)[:1] == [("1", "FAIL")]
    assert watched.results[0].ended_s == 20.0


def test_a_fault_that_the_board_has_no_room_for_fails_its_step(
    made: Callable[[], Farm], monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = made()
    text = steps("fault: {kind: offline}", "wait: 1 s")
    plan = resolve(draft(text), farm)
    monkeypatch.setattr("pilotfarm.emulators.farm.faultboard.FAULTS_MAX", 0)
    full = Run(plan, farm)
    full.advance()
    assert verdicts(full) == [("1", "FAIL"), ("2", "BLOCKED")]


class Told:
    """Keeps every command."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def stepped(self, moment: Moment) -> None: ...
    def traced(self, command: Command, name: str, outcome: str, moment: Moment) -> None: ...
    def fault_changed(self, fault: object, event: str, moment: Moment) -> None: ...
    def commanded(self, command: Command, moment: Moment) -> None:
        self.commands.append(command)


def test_set_points_go_to_all_of_a_target_with_their_switches(made: Callable[[], Farm]) -> None:
    farm, told = made(), Told()
    farm.observers.append(told)
    now_s = farm.unix_s
    target = "setpoints: {target: {kind: battery, exclude: storage-002}, values: {active_power_setpoint_w: -1000}}"
    run(steps(target), farm)
    values = {"active_power_setpoint_w": -1000.0, "active_power_setpoint_enabled": 1.0}
    assert [(each.device, each.protocol, each.peer, dict(each.values)) for each in told.commands] == [
        ("storage-001", "scenario", "made", values),
        ("storage-003", "scenario", "made", values),
    ]
    assert {(each.received_s, each.acknowledged_s) for each in told.commands} == {(now_s, now_s)}


def test_the_same_plan_on_the_same_farm_does_the_same(made: Callable[[], Farm]) -> None:
    text = steps(
        CHARGE, f"expect: {CHARGES} within 10 s",
        'fault: {kind: noise, target: {device: "meters-*", quantity: voltage_l1_v}, parameters: {std: 5}}',
        "expect: any meters-*.voltage_l1_v reported > 236 within 20 min", f"expect: {NEVER} within 2 s",
    )  # fmt: skip
    first, second = made(), made()
    assert run(text, first).results == run(text, second).results
    assert first.time_s == second.time_s


def test_results_do_not_depend_on_a_scenario_that_only_looks(made: Callable[[], Farm]) -> None:
    watched, alone = made(), made()
    run(steps(f"expect: {ALWAYS} for 30 s"), watched)
    for _ in range(30):
        alone.step(1.0)
    for name, group in watched.groups.items():
        for quantity in group.readable:
            assert (group.columns[quantity] == alone.groups[name].columns[quantity]).all()
