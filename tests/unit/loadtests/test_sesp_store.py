"""What the reference SESP stores and tells again, over each database it can use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sesp_bench import READINGS, reading, served

from pilotfarm.loadtests.sesp.app import make_app
from pilotfarm.loadtests.sesp.store import Store


@pytest.fixture
def sesp(database: str) -> Iterator[httpx.Client]:
    """A client of a SESP with an empty database of each kind."""
    with served(make_app(database)) as url, httpx.Client(base_url=url) as client:
        yield client


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


def test_what_was_stored_outlives_the_sesp(serve: Any, database: str) -> None:
    with serve(make_app(database)) as url:
        httpx.post(url + READINGS, json=reading())
    with serve(make_app(database)) as url:
        assert httpx.post(url + READINGS, json=reading()).json()["duplicates"] == 1


def test_a_store_in_memory_serves_too(serve: Any) -> None:
    with serve(make_app("sqlite://")) as url:
        assert httpx.post(url + READINGS, json=reading()).json()["stored"] == 1
        assert len(httpx.get(url + READINGS).json()["readings"]) == 1


def test_one_row_a_reading_however_the_batches_fall(database: str) -> None:
    store = Store(database)
    row = {"run": "r", "device_id": "d", "kind": "k", "timestamp_s": 0.0, "sent_s": None, "received_s": 0.0}
    rows = [{**row, "sequence": n % 3, "values": {}, "quality": {}} for n in range(9)]
    split = [store.add(rows[:4]), store.add(rows[4:])]
    assert [entry.duplicate for part in split for entry in part] == [False] * 3 + [True] * 6
    (device,) = store.sequences("r", after="", limit=10)
    assert device == {"device_id": "d", "stored": [[0, 2]], "duplicates": [[0, 2], [1, 2], [2, 2]]}
    store.close()


def test_a_name_may_have_any_character_and_the_longest_is_kept_whole(sesp: httpx.Client) -> None:
    names = ["Zähler-Ω-測定-🔌", "'; DROP TABLE readings; --", "\\ %s {} \n", "測" * 200]
    sent = [reading(device=name, values={name: 1.0}, quality={name: 255}) for name in names]
    assert sesp.post(READINGS, json=sent).json()["stored"] == len(names)
    stored = sesp.get(READINGS).json()["readings"]
    assert [(row["device_id"], row["values"], row["quality"]) for row in stored] == [
        (name, {name: 1.0}, {name: 255}) for name in names
    ]
    assert len(sesp.get(READINGS, params={"device_id": names[0]}).json()["readings"]) == 1


def test_a_number_comes_back_as_the_same_number(sesp: httpx.Client) -> None:
    values = {"small": 5e-324, "large": 1.7976931348623157e308, "zero": -0.0, "third": 1 / 3}
    sesp.post(READINGS, json=reading(2**63 - 1, values=values))
    (row,) = sesp.get(READINGS).json()["readings"]
    assert {name: value.hex() for name, value in row["values"].items()} == {
        name: value.hex() for name, value in values.items()
    }
    assert row["sequence"] == 2**63 - 1


def test_two_sesps_over_one_database_store_a_reading_once(serve: Any, database: str) -> None:
    with serve(make_app(database)) as one, serve(make_app(database)) as other:
        assert [httpx.post(url + READINGS, json=reading()).json()["duplicates"] for url in (one, other)] == [0, 1]
        (row,) = httpx.get(one + READINGS).json()["readings"]
    assert row["copies"] == 2
