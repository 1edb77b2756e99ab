"""The outcome of a load test as a file: there from the first moment, always whole, its keys always the same."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.outcome import NoResult, Outcome, told
from pilotfarm.loadtests.plan import Plan
from pilotfarm.loadtests.reconcile import Balance, Report

PLAN = Plan("r", "http://127.0.0.1:9", "tiny", 5, 60.0, 5.0, 10.0, 300.0, 86_400.0, 5.0, "")


def report(**counts: int) -> Report:
    return Report("r", PLAN.url, Balance(**counts), 2.0, 5.0, 0.1, 0.2, 0.3, 0.4, 0.0)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_keys_are_the_same_whatever_became_of_the_test(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    seen = []
    with told(path) as outcome:
        seen.append(read(path))
        outcome.begin(PLAN)
        seen.append(read(path))
        outcome.reconciled_as(report(sent=10, acknowledged=10, stored=9, lost=1))
    outcome.write()
    seen.append(read(path))
    for error in (StateError("no SESP"), NoResult("silent", report(sent=10, failed=3)), KeyboardInterrupt()):
        with pytest.raises(type(error)), told(path):
            raise error
        seen.append(read(path))
    assert len({tuple(document) for document in seen}) == 1
    statuses = ["unfinished", "unfinished", "incomplete", "failed", "failed", "failed"]
    assert [document["status"] for document in seen] == statuses
    assert [document["run"] for document in seen[:3]] == [None, "r", "r"]
    assert [document["exit_code"] for document in seen] == [None, None, 1, 2, 2, 2]
    assert [document["reason"] for document in seen[2:]] == [
        "1 of 10 readings are not stored",
        "no SESP",
        "silent",
        "KeyboardInterrupt",
    ]
    assert [(document["sent"], document["failed"], document["lost"]) for document in seen] == [
        (None, None, None),
        (None, None, None),
        (10, 0, 1),
        (None, None, None),
        (10, 3, None),
        (None, None, None),
    ]
    assert not any(document["complete"] for document in seen)
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"


@pytest.mark.parametrize(
    ("counts", "status"), [({}, "complete"), ({"lost": 1}, "incomplete"), ({"undelivered": 1}, "incomplete")]
)
def test_a_test_is_complete_when_nothing_sent_is_missing(counts: dict[str, int], status: str) -> None:
    outcome = Outcome(None)
    outcome.reconciled_as(report(sent=2, **counts))
    assert outcome.status == status
    assert outcome.document()["complete"] == (status == "complete")


def test_a_link_keeps_being_one_and_a_file_that_cannot_be_written_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "kept" / "report.json", tmp_path / "latest.json"
    target.parent.mkdir()
    link.symlink_to(target)
    Outcome(link).write()
    assert link.is_symlink()
    assert read(target)["status"] == "unfinished"
    with pytest.raises(StateError, match="cannot write"), told(target / "beneath.json"):
        pytest.fail("a test that cannot tell its outcome does not begin")


def test_what_is_no_file_is_told_the_end_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(pipe.read_text)
        with told(pipe) as outcome:
            outcome.reconciled_as(report(sent=1, acknowledged=1, stored=1))
        outcome.write()
        assert json.loads(heard.result(10.0))["status"] == "complete"
    assert pipe.is_fifo()
