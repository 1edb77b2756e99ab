"""Two ledgers are the same, or it is said where they part first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pilotfarm.api.cli import app
from pilotfarm.emulators import site
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.record import shelf, writer
from pilotfarm.emulators.record.about import of_run
from pilotfarm.emulators.record.comparison import COMPARED
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.schema import OF_THE_WALL_CLOCK, SCHEMAS
from pilotfarm.emulators.site.layout import SiteLayout

STEPS = 6


def same(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["ledger", "same", *map(str, words)])


@pytest.fixture
def play(make_layout: Callable[..., SiteLayout], tmp_path: Path) -> Callable[..., Path]:
    """Step a farm under a ledger, with what is done to it before each step; the folder's name is given."""

    def made(name: str, done: Callable[[Farm, int], Any] = lambda farm, step: None, **options: Any) -> Path:
        farm = Farm(make_layout(seed=options.pop("seed", 1)))
        ledger = Ledger(tmp_path / name, farm, ManualClock(1e9 + len(name)), **options)
        farm.observers.append(ledger)
        for step in range(STEPS):
            done(farm, step)
            farm.step(1.0)
        ledger.close()
        return tmp_path / name

    return made


def tell(at: int, peer: str = "me", **values: float) -> Callable[[Farm, int], None]:
    def told(farm: Farm, step: int) -> None:
        if step == at:
            farm.device("storage-001").submit(enabled(values), "modbus", peer, float(step))

    return told


def test_runs_that_were_told_the_same_are_the_same_whoever_told_them(play: Callable[..., Path]) -> None:
    one = play("one", tell(2, active_power_setpoint_w=500.0))
    done = same(one, play("other", tell(2, "somebody else", active_power_setpoint_w=500.0)))
    assert (done.exit_code, done.output.startswith("the same: ")) == (0, True), done.output
    assert "the same: 2 rows of commands, 1 rows of effects, " in done.output
    assert done.output.endswith(" rows of values, 12 rows of feeders\n")


def test_all_is_compared_but_what_is_of_the_wall_clock() -> None:
    assert set(COMPARED) == SCHEMAS.keys() - set(OF_THE_WALL_CLOCK)


def test_rows_are_compared_in_whatever_files_they_stand(
    play: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a crash leaves them: in parts."""
    whole = play("whole", tell(2, active_power_setpoint_w=500.0))
    monkeypatch.setattr(shelf.Shelf, "_finish", lambda *_: False)
    monkeypatch.setattr(writer, "WAITING_MAX", 8_000)
    parts = play("parts", tell(2, active_power_setpoint_w=500.0), lossless=True)
    assert len(list((parts / "values" / "run=1").iterdir())) > 1
    assert same(parts, whole).exit_code == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (
            tell(3, active_power_setpoint_w=500.0),
            tell(4, active_power_setpoint_w=500.0),
            "commands part at 2026-06-21T08:00:03+00:00: command 1 quantity active_power_setpoint_enabled is in the "
            "first alone",
        ),
        (
            tell(3, active_power_setpoint_w=500.0),
            tell(3, active_power_setpoint_w=501.0),
            "commands part at 2026-06-21T08:00:03+00:00: command 1 quantity active_power_setpoint_w has value 500.0 "
            "and 501.0",
        ),
        (
            lambda farm, step: farm.faults.add("offline", {"device": "meters-001"}) if step == 1 else None,
            lambda farm, step: farm.faults.add("offline", {"device": "meters-00[12]"}) if step == 1 else None,
            'faults part at 2026-06-21T08:00:02+00:00: fault 1 event began has target {"device": "meters-001"} and '
            '{"device": "meters-00[12]"}',
        ),
        (
            lambda farm, step: None,
            lambda farm, step: farm.faults.add("outage", {"feeder": "west"}) if step == 5 else None,
            "faults part at 2026-06-21T08:00:06+00:00: fault 1 event began is in the second alone",
        ),
    ],
)  # fmt: skip
def test_where_they_part_first_is_said(play: Callable[..., Path], ours: Any, theirs: Any, said: str) -> None:
    done = same(play("ours", ours), play("theirs", theirs))
    assert done.exit_code == 1
    assert done.output.startswith(said), done.output


def test_what_else_is_told_to_be_different_comes_first(play: Callable[..., Path]) -> None:
    done = same(play("one"), play("other", seed=2, every_s=2.0))
    assert done.output.splitlines()[:2] == ["seed differs: 1 and 2", "every s differs: 0.0 and 2.0"]


def test_runs_of_one_folder_are_told_by_their_numbers(play: Callable[..., Path]) -> None:
    play("folder")
    folder = play("folder", tell(1, active_power_setpoint_w=500.0))
    play("folder")
    assert same(folder, folder, "--run", "1").exit_code == 0
    assert same(folder, folder, "--run", "1", "--second-run", "2").exit_code == 1
    assert same(folder, folder, "--run", "1", "--second-run", "3").exit_code == 0


def test_what_is_no_ledger_is_refused(play: Callable[..., Path], tmp_path: Path) -> None:
    one = play("one")
    done = same(one, tmp_path / "none")
    assert (done.exit_code, "none: holds no ledger of version 3" in done.output) == (2, True)
    done = same(one, one, "--run", "7")
    assert (done.exit_code, "one: has no run 7; it has 1" in done.output) == (2, True)


def test_a_run_says_which_files_its_site_reads_and_what_they_were() -> None:
    layout = site.load("replay")
    said = json.loads(of_run(layout, 1, 0.0, {}))
    assert said["files"] == {each.name: each.sha256 for each in layout.inputs}
    assert len(said["files"]) > 1
