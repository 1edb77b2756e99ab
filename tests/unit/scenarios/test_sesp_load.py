"""What phases ask for outside the farm: their speed, and load on a SESP for as long as they last."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from scenario_rig import draft, problems, verdicts
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.api.sesp_load import Loads, Target
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.model import SespLoadTable
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.scenarios.sesp_load import NOBODY, Load, Outcome, judged
from pilotfarm.emulators.site import load

FIRST = "name: made\nphases:\n  - name: first\n    {}\n    steps: [{}]\n"
SECOND = "  - name: second\n    {}\n    steps: [{}]\n"
LOAD = "sesp_load: {users: 3, factor: 2}"
COUNTS = {"sent": 10, "acknowledged": 10, "failed": 0, "unconfirmed": 0, "stored": 10, "lost": 0, "undelivered": 0}
GOOD = Outcome(COUNTS, 0.5, "")
BAD = Outcome(None, None, "nobody answers")


@dataclass
class Scripted:
    """A world outside in which loads come to what a test says."""

    outcome: Outcome | None = None
    told: list[Any] = field(default_factory=list)

    def pace(self, speed: float | None) -> None:
        self.told.append(speed)

    def load(self, asked: SespLoadTable) -> Load | str:
        self.told.append((asked.users, asked.factor))
        return _Scripted(self)


@dataclass
class _Scripted:
    outside: Scripted
    ended: bool = False

    def end(self) -> None:
        self.outside.told += [] if self.ended else ["end"]
        self.ended = True

    def outcome(self) -> Outcome | None:
        assert self.ended
        return self.outside.outcome


def begun(text: str, farm: Farm, outside: Scripted | None) -> Run:
    made = Run(resolve(draft(text), farm), farm, None, outside)
    made.advance()
    return made


def step(farm: Farm, made: Run, steps: int = 1) -> None:
    for _ in range(steps):
        farm.step(1.0)
        made.advance()


def test_a_load_lasts_as_long_as_its_phase_and_the_phase_until_it_is_known_what_came_of_it(farm: Farm) -> None:
    outside = Scripted()
    made = begun(FIRST.format(LOAD, "{wait: 2 s}") + SECOND.format("speed: 60", "{wait: 1 s}"), farm, outside)
    assert outside.told == [None, (3, 2.0)]
    assert made.waits_for() == "wait 2 s, 2 s left; sesp_load of 3 devices, 2 times their rate"
    step(farm, made)
    assert "end" not in outside.told
    step(farm, made, 3)
    assert (made.phase, outside.told) == ("first", [None, (3, 2.0), "end"])
    outside.outcome = GOOD
    step(farm, made)
    assert (made.phase, outside.told[3:]) == ("second", [60.0])
    step(farm, made)
    assert (made.over, outside.told[4:]) == (True, [None])
    assert verdicts(made) == [("1", "PASS"), ("sesp_load", "PASS"), ("1", "PASS")]
    found = made.results[1]
    assert (found.began_s, found.ended_s, found.line) == (0.0, 5.0, 4)
    assert found.detail.startswith("10 sent, 10 acknowledged, 0 failed, 0 unconfirmed, 0 lost, 0 undelivered, 95 %")
    assert made.plan.results == len(made.results)


def test_a_load_that_fails_blocks_what_follows_and_its_load(farm: Farm) -> None:
    outside = Scripted(BAD)
    made = begun(FIRST.format(LOAD, "{wait: 1 s}") + SECOND.format(LOAD, "{wait: 1 s}"), farm, outside)
    step(farm, made)
    assert verdicts(made) == [("1", "PASS"), ("sesp_load", "FAIL"), ("1", "BLOCKED"), ("sesp_load", "BLOCKED")]
    assert made.results[1].detail == "nobody answers"
    assert outside.told.count((3, 2.0)) == 1


def test_without_a_sesp_or_by_skip_it_is_skipped_and_all_else_goes_on(farm: Farm) -> None:
    text = FIRST.format(LOAD, "{wait: 1 s}") + SECOND.format(f"skip: not yet\n    {LOAD}", "{wait: 1 s}")
    made = begun(text, farm, None)
    step(farm, made)
    assert verdicts(made) == [("1", "PASS"), ("sesp_load", "SKIPPED"), ("1", "SKIPPED"), ("sesp_load", "SKIPPED")]
    assert [made.results[1].detail, made.results[3].detail] == [NOBODY, "not yet"]
    assert made.verdict == "PASS"


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (True, ["SKIPPED", "SKIPPED", "SKIPPED", "SKIPPED"]),
        (False, ["BLOCKED", "FAIL", "BLOCKED", "BLOCKED"]),
    ],
)
def test_a_scenario_that_is_ended_ends_its_load(stop: bool, expected: list[str], farm: Farm) -> None:
    outside = Scripted(GOOD)
    text = "limit: 3 s\n" + FIRST.format(LOAD, "{when: storage-001.soc_frac < 0.0001}")
    made = begun(text + SECOND.format(LOAD, "{wait: 1 s}"), farm, outside)
    if stop:
        made.stop("enough")
    else:
        step(farm, made, 3)
    assert [str(each.verdict) for each in made.results] == expected
    assert outside.told == [None, (3, 2.0), "end"]


def test_each_round_of_a_phase_has_its_load(farm: Farm) -> None:
    outside = Scripted(GOOD)
    made = begun(FIRST.format(f"repeat: 2\n    speed: 5\n    {LOAD}", "{wait: 1 s}"), farm, outside)
    step(farm, made, 2)
    assert made.over
    assert outside.told == [5.0, (3, 2.0), "end", 5.0, (3, 2.0), "end", None]


@pytest.mark.parametrize(
    ("asked", "lost", "undelivered", "p95_s", "passed"),
    [
        ({}, 0, 0, 9.0, True),
        ({}, 1, 0, 0.1, False),
        ({}, 0, 1, 0.1, False),
        ({"min_stored_frac": 0.8}, 1, 1, 0.1, True),
        ({"min_stored_frac": 0.81}, 1, 1, 0.1, False),
        ({"max_latency_p95_s": 0.5}, 0, 0, 0.5, True),
        ({"max_latency_p95_s": 0.5}, 0, 0, 0.51, False),
        ({"max_latency_p95_s": 0.5}, 0, 0, None, False),
    ],
)
def test_the_verdict_is_by_the_bounds_that_the_phase_says(
    asked: dict[str, float], lost: int, undelivered: int, p95_s: float | None, passed: bool
) -> None:
    counts = {**COUNTS, "lost": lost, "undelivered": undelivered}
    verdict, said = judged(SespLoadTable(**asked), Outcome(counts, p95_s, ""))
    assert (verdict == "PASS") == passed
    assert f"{lost} lost" in said


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("speed: 0", "phases[0].speed"),
        ("sesp_load: {users: 0}", "phases[0].sesp_load.users"),
        ("sesp_load: {rate: 2}", "phases[0].sesp_load.rate"),
        ("sesp_load: 3", "phases[0].sesp_load"),
        ("sesp_load: {min_stored_frac: 1.5}", "phases[0].sesp_load.min_stored_frac"),
    ],
)
def test_what_a_phase_cannot_ask_for_is_told(key: str, where: str, farm: Farm) -> None:
    assert [(each.where, each.line) for each in problems(FIRST.format(key, "{wait: 1 s}"), farm)] == [(where, 4)]


def test_a_load_test_that_had_no_time_to_begin_says_so() -> None:
    with Loads(load("tiny"), Target("http://127.0.0.1:9", "secret"), 1.0) as loads:
        made = loads.load(SespLoadTable())
        assert not isinstance(made, str)
        made.end()
        while (found := made.outcome()) is None:
            pass
    assert found == Outcome(None, None, "the load test ended before it could begin: its phase was too short")


def test_phases_change_the_speed_and_give_it_back() -> None:
    speeds: list[float] = []
    with Loads(load("tiny"), None, 5.0) as loads:
        loads.paced_by(speeds.append)
        for speed in (None, 60.0, 60.0, 5.0, 1.0, None):
            loads.pace(speed)
        assert loads.load(SespLoadTable()) == NOBODY
    assert speeds == [60.0, 5.0, 1.0, 5.0]


@pytest.mark.parametrize(
    ("url", "said"), [("http://10.1.2.3:8090", "not on loopback"), ("127.0.0.1:8090", "is no URL of a SESP")]
)
def test_a_sesp_that_may_not_be_loaded_is_refused_before_anything_runs(url: str, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["scenario", "run", "stuck-meter", "--sesp", url])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
