"""The reference SESP over real HTTP: what it refuses, and how the command starts and ends."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sesp_bench import READINGS, reading, served
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.loadtests.problems import LISTED_MAX
from pilotfarm.loadtests.sesp.app import BODY_MAX, make_app
from pilotfarm.loadtests.sesp.model import READINGS_MAX

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    """A client of a SESP that asks for a token."""
    with served(make_app("sqlite://", token="s3cret")) as url, httpx.Client(base_url=url) as client:
        yield client


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
    answer = sesp.post(READINGS, content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["status"] == 422


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_value_that_is_not_finite_is_refused(sesp: httpx.Client, number: str) -> None:
    body = json.dumps(reading(values={"p": "?"})).replace('"?"', number)
    answer = sesp.post(READINGS, content=body, headers=JSON)
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
    answer = sesp.post(READINGS, content=b" " * (BODY_MAX + 1), headers=JSON)
    assert answer.status_code == 413
    assert str(BODY_MAX) in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/senml+json",
        "application/json, application/json",
        "application/json; charset=latin-1",
        "text/plain; a=application/json",
    ],
)
def test_readings_come_as_json_alone_so_that_no_page_of_a_browser_sends_any(
    sesp: httpx.Client, kind: str | None
) -> None:
    answer = sesp.post(READINGS, content=json.dumps(reading()), headers={} if kind is None else {"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["accept-post"] == answer.headers["accept"] == "application/json"
    assert "application/json" in answer.json()["detail"]
    assert sesp.get("/healthz").json()["received"] == 0


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"']
)
def test_json_is_json_in_any_case_and_with_its_charset(sesp: httpx.Client, kind: str) -> None:
    assert sesp.post(READINGS, content=json.dumps(reading()), headers={"Content-Type": kind}).status_code == 201


def test_a_body_that_is_packed_is_refused_with_what_to_send_instead(sesp: httpx.Client) -> None:
    packed = gzip.compress(json.dumps(reading()).encode())
    answer = sesp.post(READINGS, content=packed, headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")


# ------------------------------------------------------------------------------------- the token


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER "])
def test_whoever_shows_the_token_is_let_in(guarded: httpx.Client, scheme: str) -> None:
    shown = {"Authorization": f"{scheme} s3cret"}
    assert guarded.post(READINGS, json=reading(), headers=shown).status_code == 201
    assert guarded.get(READINGS, headers=shown).status_code == 200


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (None, "missing"),
        ("Bearer", "wrong"),
        ("Bearer s3cre", "wrong"),
        ("Bearer s3cret2", "wrong"),
        ("Bearer S3CRET", "wrong"),
        ("Bearer s\u00e9cret", "wrong"),
        ("Basic s3cret", "wrong"),
        ("s3cret", "wrong"),
    ],
)
def test_nobody_else_reads_or_stores_anything(guarded: httpx.Client, shown: str | None, said: str) -> None:
    headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
    schema = guarded.get("/openapi.json").json()
    for path, item in schema["paths"].items():
        for method in item:
            if path == "/healthz":
                continue
            answer = guarded.request(method, path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"
            assert said in answer.json()["detail"]
            assert "401" in item[method]["responses"]


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json"])
def test_health_and_description_are_open_to_all(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "PILOTFARM_SESP_TOKEN"),
        (("--host", "::"), "--token"),
        (("--token", ""), "not empty"),
        (("--token", "two words"), "without spaces"),
        (("--token", "caf\u00e9"), "ASCII"),
    ],
)
def test_off_loopback_a_token_is_needed_and_it_must_fit_a_header(
    options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    with pytest.raises(SystemExit) as ended:
        app(["sesp", "--port", "0", "--database", str(tmp_path / "s.sqlite"), *options])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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
    environment = {**os.environ, "PILOTFARM_SESP_TOKEN": "s3cret"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        assert ready[0] == "ready"
        assert httpx.post(ready[1] + READINGS, json=reading()).status_code == 401
        shown = {"Authorization": "Bearer s3cret"}
        assert httpx.post(ready[1] + READINGS, json=reading(), headers=shown).status_code == 201
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_taken_is_named_with_what_to_do(serve: Any) -> None:
    with serve(make_app("sqlite://")) as url:
        port = url.rpartition(":")[2]
        ended = CliRunner().invoke(app, ["sesp", "--port", port, "--database", "sqlite://"])
    assert ended.exit_code == 2
    assert port in ended.stderr
    assert "--port" in ended.stderr
