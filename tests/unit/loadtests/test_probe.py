"""What a SESP must offer is found missing before a test, and the probe leaves nothing that a balance counts."""

from __future__ import annotations

import socket
from threading import Thread
from typing import Any

import pytest
from stranger_sesp import stranger

from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.plan import Plan
from pilotfarm.loadtests.probe import Prober, probe
from pilotfarm.loadtests.reconcile import asking, fetch_stored
from pilotfarm.loadtests.sesp.app import make_app

PROBER = Prober("meter-1", "smart_meter")
INGEST, SEQUENCES = "POST /api/v1/readings", "/sequences"


def plan(url: str) -> Plan:
    return Plan("a-run", url, "tiny", 5, 60.0, 5.0, 10.0, 300.0, 86_400.0, 5.0, "")


def refused(url: str, token: str | None = None) -> str:
    with pytest.raises(StateError) as error:
        probe(plan(url), PROBER, token)
    assert url in str(error.value)
    return str(error.value)


def test_the_reference_offers_what_is_asked_for_and_its_run_stays_empty(serve: Any) -> None:
    with serve(make_app("sqlite://", token="s3cret")) as url:
        probe(plan(url), PROBER, "s3cret")
        with asking(url, "s3cret") as client:
            assert fetch_stored(client, "a-run") == {}
            assert [row["run"] for row in client.get("/api/v1/readings").json()["readings"]] == ["a-run-probe"]


@pytest.mark.parametrize("token", [None, "s3cret"])
def test_a_sesp_by_another_hand_may_be_loaded(token: str | None) -> None:
    with stranger(token=token) as sesp:
        probe(plan(sesp.url), PROBER, token)
        assert list(sesp.runs) == ["a-run-probe"]
        with asking(sesp.url, token) as client:
            assert fetch_stored(client, "a-run") == {}


@pytest.mark.parametrize(
    ("broken", "lines"),
    [
        ("no health", ["GET /healthz: 404 Not Found (text/html)"]),
        ("no ingest", [f"{INGEST}: 405 Method Not Allowed (text/plain)"]),
        ("moved", [f"{INGEST}: 308 sends to https://127.0.0.1/api/v1/readings"]),
        ("no sequences", [f"{SEQUENCES}: 404 Not Found (no such route)"]),
        ("stores nothing", [f"does not tell of the reading that {INGEST} acknowledged"]),
        ("knows no runs", ["tells of readings in a run that has not begun"]),
        ("html", ["no page of sequences as JSON (text/html)"]),
        ("list", ["no page of sequences as JSON"]),
        ("no next", ["KeyError 'next'"]),
        ("for ever", ["repeats the devices"]),
        ("next of nothing", ["next is 'a' after 0 devices"]),
        ("huge", ["the ranges of a cannot be"]),
        ("backwards", ["the ranges of a cannot be"]),
        ("words", ["no page of sequences"]),
    ],
)
def test_what_is_missing_or_wrong_is_named(broken: str, lines: list[str]) -> None:
    with stranger(broken) as sesp:
        said = refused(sesp.url).splitlines()[1:]
    assert len(said) == len(lines)
    for line, wanted in zip(said, lines, strict=True):
        assert wanted in line


def test_a_wrong_path_in_the_url_misses_everything_at_once() -> None:
    with stranger() as sesp:
        said = refused(f"{sesp.url}/elsewhere").splitlines()[1:]
    assert [line.split(":")[0] for line in said] == [
        "  GET /elsewhere/healthz",
        "  POST /elsewhere/api/v1/readings",
        "  GET /elsewhere/api/v1/runs/a-run-probe/sequences",
    ]


@pytest.mark.parametrize(("token", "said"), [(None, "PILOTFARM_SESP_TOKEN"), ("other", "refuses the token")])
def test_a_sesp_that_asks_for_a_token_says_so_once(token: str | None, said: str) -> None:
    with stranger(token="s3cret") as sesp:
        message = refused(sesp.url, token)
    assert said in message
    assert message.count("\n  401: ") == 1
    assert "other" not in message


def test_nobody_at_the_url_is_said_with_what_to_do() -> None:
    assert "pilotfarm sesp" in refused("http://127.0.0.1:9")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_does_not_speak_http_is_no_sesp(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"220 mail.example ESMTP\r\n")
                peer.recv(4096)

        thread = Thread(target=greet)
        thread.start()
        assert "no SESP answers" in refused(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(10.0)
