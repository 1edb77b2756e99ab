"""The reference SESP over real HTTP: what it refuses, and how the command starts and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest
from sesp_bench import READINGS, reading

from pilotfarm.loadtests.problems import LISTED_MAX
from pilotfarm.loadtests.sesp.app import BODY_MAX, make_app
from pilotfarm.loadtests.sesp.model import READINGS_MAX


def test_every_mistake_of_a_request_is_listed_and_nothing_is_stored(sesp: httpx.Client) -> None:
    wrong = reading(-1, device="", timestamp="yesterday", colour="red", values={"p": "much"})
    answer = sesp.post(READINGS, json=[reading(), wrong])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert (document["detail"], document["instance"]) == ("5 problems", READINGS)
    assert {problem["where"] for problem in document["problems"]} == {
        "1.device_id",
        "1.sequence",
        "1.timestamp",
        "1.colour",
        "1.values.p",
    }
    assert sesp.get(READINGS).json()["readings"] == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"7", b"[]", b"[[]]", b"\xff\xfe", b'{"a":' * 500, b"[" * 100_000],
    ids=["empty", "cut", "null", "number", "no readings", "list in list", "no text", "deep", "deeper"],
)
def test_a_body_that_is_no_reading_gets_a_problem_document(sesp: httpx.Client, body: bytes) -> None:
    answer = sesp.post(READINGS, content=body)
    assert answer.status_code == 422
    assert answer.json()["status"] == 422


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_value_that_is_not_finite_is_refused(sesp: httpx.Client, number: str) -> None:
    body = json.dumps(reading(values={"p": "?"})).replace('"?"', number)
    answer = sesp.post(READINGS, content=body)
    assert answer.status_code == 422
    assert [problem["where"] for problem in answer.json()["problems"]] == ["values.p"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"device_id": "a\0b"}, "device_id"),
        ({"run": "\0"}, "run"),
        ({"kind": "\0"}, "kind"),
        ({"values": {"p\0": 1.0}}, "values.p\0.[key]"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"timestamp": "9999-12-31T23:59:59.999999Z"}, "timestamp"),
        ({"sent_at": "9999-12-31T23:59:59-12:00"}, "sent_at"),
        ({"sequence": 2**63}, "sequence"),
    ],
)
def test_what_a_database_could_not_keep_or_give_back_is_refused(
    sesp: httpx.Client, change: dict[str, Any], where: str
) -> None:
    answer = sesp.post(READINGS, json=reading(1) | change)
    assert answer.status_code == 422
    assert [problem["where"] for problem in answer.json()["problems"]] == [where]


def test_a_body_too_long_is_refused(sesp: httpx.Client) -> None:
    answer = sesp.post(READINGS, content=b" " * (BODY_MAX + 1))
    assert answer.status_code == 413
    assert str(BODY_MAX) in answer.json()["detail"]


def test_too_many_readings_in_one_request_are_refused(sesp: httpx.Client) -> None:
    readings = [reading(n) for n in range(READINGS_MAX + 1)]
    assert sesp.post(READINGS, json=readings).status_code == 422
    assert sesp.post(READINGS, json=readings[1:]).status_code == 201


def test_a_list_of_mistakes_is_bounded(sesp: httpx.Client) -> None:
    document = sesp.post(READINGS, json=[{}] * 1_000).json()
    assert len(document["problems"]) == LISTED_MAX
    assert document["detail"] == "5000 problems"


def test_every_operation_names_the_problem_documents_it_may_answer_with(sesp: httpx.Client) -> None:
    schema = sesp.get("/openapi.json").json()
    assert "ProblemDocument" in schema["components"]["schemas"]
    for path, item in schema["paths"].items():
        for operation in item.values():
            failed = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            assert failed, path
            for status, answer in failed.items():
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{READINGS}?limit=0", 422),
        (f"{READINGS}?since=noon", 422),
        (f"{READINGS}?after={2**63}", 422),
        (f"{READINGS}?device_id=a%00b", 422),
        ("/api/v1/devices?after=%00", 422),
        ("/api/v1/runs/%00/sequences", 422),
        ("/nowhere", 404),
    ],
)
def test_other_errors_are_problem_documents_too(sesp: httpx.Client, path: str, status: int) -> None:
    answer = sesp.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "problems"}


def test_the_command_says_when_it_listens_and_ends_cleanly_on_sigterm(tmp_path: Any) -> None:
    command = [
        sys.executable,
        "-m",
        "pilotfarm.api.cli",
        "sesp",
        "--port",
        "0",
        "--database",
        str(tmp_path / "s.sqlite"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        assert ready[0] == "ready"
        assert httpx.post(ready[1] + READINGS, json=reading()).status_code == 201
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_taken_is_named_with_what_to_do(serve: Any) -> None:
    with serve(make_app("sqlite://")) as url:
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "pilotfarm.api.cli", "sesp", "--port", port, "--database", "sqlite://"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert port in ended.stderr
    assert "--port" in ended.stderr
