"""The reference SESP over real HTTP."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from emulators.errors import StateError
from loadtests.sesp.app import BODY_MAX, MISTAKES_MAX, make_app
from loadtests.sesp.model import READINGS_MAX
from loadtests.sesp.store import Store, check

READINGS = "/api/v1/readings"


def reading(sequence: int = 1, device: str = "meter-1", run: str = "r", **changes: Any) -> dict[str, Any]:
    return {
        "device_id": device,
        "kind": "smart_meter",
        "run": run,
        "sequence": sequence,
        "timestamp": "2026-06-15T08:00:00+02:00",
        "values": {"active_power_w": -1500.5},
        **changes,
    }


def test_a_reading_comes_back_as_it_was_sent(sesp: httpx.Client) -> None:
    sent = reading(7, sent_at="2026-06-15T06:00:01Z", quality={"active_power_w": 64})
    assert sesp.post(READINGS, json=sent).status_code == 201
    (stored,) = sesp.get(READINGS).json()["readings"]
    same = ("device_id", "kind", "run", "sequence", "values", "quality", "sent_at")
    assert {name: stored[name] for name in same} == {name: sent[name] for name in same}
    assert stored["timestamp"] == "2026-06-15T06:00:00Z"


def test_the_receipt_names_every_reading_in_the_order_sent(sesp: httpx.Client) -> None:
    receipt = sesp.post(READINGS, json=[reading(3), reading(1), reading(2, "meter-0")]).json()
    assert [(entry["device_id"], entry["sequence"]) for entry in receipt["readings"]] == [
        ("meter-1", 3),
        ("meter-1", 1),
        ("meter-0", 2),
    ]
    assert (receipt["received"], receipt["stored"], receipt["duplicates"]) == (3, 3, 0)
    ids = {entry["id"]: (entry["device_id"], entry["sequence"]) for entry in receipt["readings"]}
    assert ids == {row["id"]: (row["device_id"], row["sequence"]) for row in sesp.get(READINGS).json()["readings"]}


def test_a_reading_sent_again_is_stored_once_and_counted(sesp: httpx.Client) -> None:
    first = sesp.post(READINGS, json=reading(values={"active_power_w": 1.0})).json()["readings"][0]
    again = sesp.post(READINGS, json=reading(values={"active_power_w": 2.0}))
    assert again.status_code == 201
    assert again.json()["readings"] == [{**first, "duplicate": True}]
    (stored,) = sesp.get(READINGS).json()["readings"]
    assert stored["copies"] == 2
    assert stored["values"] == {"active_power_w": 1.0}
    assert sesp.get("/healthz").json() == {"status": "ok", "received": 2, "stored": 1, "duplicates": 1}


def test_a_reading_twice_in_one_request_is_stored_once(sesp: httpx.Client) -> None:
    receipt = sesp.post(READINGS, json=[reading(1), reading(2), reading(1)]).json()
    assert [entry["duplicate"] for entry in receipt["readings"]] == [False, False, True]
    assert sesp.get("/api/v1/runs/r/sequences").json()["devices"] == [
        {"device_id": "meter-1", "stored": [[1, 2]], "duplicates": [[1, 1]]}
    ]


def test_the_same_number_in_another_run_or_of_another_device_is_another_reading(sesp: httpx.Client) -> None:
    receipt = sesp.post(READINGS, json=[reading(), reading(run="s"), reading(device="meter-2")]).json()
    assert receipt["stored"] == 3


def test_readings_sent_at_once_by_many_are_all_stored(sesp: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: sesp.post(READINGS, json=reading(n)).status_code, range(1, 101)))
    assert answers == [201] * 100
    assert sesp.get("/api/v1/runs/r/sequences").json()["devices"][0]["stored"] == [[1, 100]]


def test_pages_hand_out_every_reading_once(sesp: httpx.Client) -> None:
    sesp.post(READINGS, json=[reading(n) for n in range(1, 12)])
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = sesp.get(READINGS, params={"after": after, "limit": 4}).json()
        seen += [row["sequence"] for row in page["readings"]]
        after = page["next"]
    assert seen == list(range(1, 12))


def test_readings_are_found_by_device_run_and_time(sesp: httpx.Client) -> None:
    later = reading(2, timestamp="2026-06-15T09:00:00+02:00")
    sesp.post(READINGS, json=[reading(1), later, reading(3, run="s"), reading(4, "meter-2")])
    found = sesp.get(READINGS, params={"device_id": "meter-1", "run": "r", "since": "2026-06-15T06:30:00Z"}).json()[
        "readings"
    ]
    assert [row["sequence"] for row in found] == [2]


def test_devices_and_sequences_come_in_pages_by_name(sesp: httpx.Client) -> None:
    sesp.post(READINGS, json=[reading(n, device) for device in ("c", "a", "b") for n in (1, 2, 4)])
    first = sesp.get("/api/v1/devices", params={"limit": 2}).json()
    assert [(row["device_id"], row["readings"]) for row in first["devices"]] == [("a", 3), ("b", 3)]
    assert first["next"] == "b"
    rest = sesp.get("/api/v1/runs/r/sequences", params={"after": "b", "limit": 2}).json()
    assert rest == {
        "run": "r",
        "devices": [{"device_id": "c", "stored": [[1, 2], [4, 4]], "duplicates": []}],
        "next": None,
    }


def test_every_mistake_of_a_request_is_listed_and_nothing_is_stored(sesp: httpx.Client) -> None:
    wrong = reading(-1, device="", timestamp="yesterday", colour="red", values={"p": "much"})
    answer = sesp.post(READINGS, json=[reading(), wrong])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {error["pointer"] for error in problem["errors"]} == {
        "/1/device_id",
        "/1/sequence",
        "/1/timestamp",
        "/1/colour",
        "/1/values/p",
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
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/values/p"]


def test_a_body_too_long_is_refused(sesp: httpx.Client) -> None:
    answer = sesp.post(READINGS, content=b" " * (BODY_MAX + 1))
    assert answer.status_code == 413
    assert str(BODY_MAX) in answer.json()["detail"]


def test_too_many_readings_in_one_request_are_refused(sesp: httpx.Client) -> None:
    readings = [reading(n) for n in range(READINGS_MAX + 1)]
    assert sesp.post(READINGS, json=readings).status_code == 422
    assert sesp.post(READINGS, json=readings[1:]).status_code == 201


def test_a_list_of_mistakes_is_bounded(sesp: httpx.Client) -> None:
    problem = sesp.post(READINGS, json=[{}] * 1_000).json()
    assert len(problem["errors"]) == MISTAKES_MAX + 1
    assert problem["errors"][-1]["message"] == "and 4900 more"


@pytest.mark.parametrize(
    ("path", "status"), [(f"{READINGS}?limit=0", 422), (f"{READINGS}?since=noon", 422), ("/nowhere", 404)]
)
def test_other_errors_are_problem_documents_too(sesp: httpx.Client, path: str, status: int) -> None:
    answer = sesp.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


def test_a_database_that_fails_is_told_to_the_sender_and_does_not_stop_the_sesp(serve: Any, tmp_path: Any) -> None:
    path = tmp_path / "sesp.sqlite"
    with serve(make_app(str(path))) as url, httpx.Client(base_url=url) as client:
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE readings RENAME TO hidden")
        refused = client.post(READINGS, json=reading())
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE hidden RENAME TO readings")
        other.close()
        assert client.post(READINGS, json=reading()).status_code == 201


def test_what_was_stored_outlives_the_sesp(serve: Any, tmp_path: Any) -> None:
    path = str(tmp_path / "sesp.sqlite")
    with serve(make_app(path)) as url:
        httpx.post(url + READINGS, json=reading())
    with serve(make_app(path)) as url:
        assert httpx.post(url + READINGS, json=reading()).json()["duplicates"] == 1


def test_a_store_in_memory_serves_too(serve: Any) -> None:
    with serve(make_app("sqlite://")) as url:
        assert httpx.post(url + READINGS, json=reading()).json()["stored"] == 1
        assert len(httpx.get(url + READINGS).json()["readings"]) == 1


@pytest.mark.parametrize("database", ["/no/such/folder/sesp.sqlite", "oracle://x", "nonsense://"])
def test_a_database_that_cannot_be_used_is_named(database: str) -> None:
    with pytest.raises(StateError, match=re.escape(database)):
        check(database)


def test_one_row_a_reading_however_the_batches_fall() -> None:
    store = Store("sqlite://")
    row = {"run": "r", "device_id": "d", "kind": "k", "timestamp_s": 0.0, "sent_s": None, "received_s": 0.0}
    rows = [{**row, "sequence": n % 3, "values": {}, "quality": {}} for n in range(9)]
    split = [store.add(rows[:4]), store.add(rows[4:])]
    assert [entry.duplicate for part in split for entry in part] == [False] * 3 + [True] * 6
    (device,) = store.sequences("r", after="", limit=10)
    assert device == {"device_id": "d", "stored": [[0, 2]], "duplicates": [[0, 2], [1, 2], [2, 2]]}
    store.close()


def test_the_command_says_when_it_listens_and_ends_cleanly_on_sigterm(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "api.cli", "sesp", "--port", "0", "--database", str(tmp_path / "s.sqlite")]
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
        command = [sys.executable, "-m", "api.cli", "sesp", "--port", port, "--database", "sqlite://"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert port in ended.stderr
    assert "--port" in ended.stderr
