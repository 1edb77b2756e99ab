"""What the reference SESP stores and tells again, over each database it can use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sesp_bench import READINGS, reading, served
from sqlalchemy import text

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
    first = sesp.post(READINGS, json=reading()).json()["readings"][0]
    again = sesp.post(READINGS, json=reading(sent_at="2026-06-15T06:00:09Z"))
    assert again.status_code == 201
    assert again.json()["readings"] == [{**first, "duplicate": True}]
    (stored,) = sesp.get(READINGS).json()["readings"]
    assert (stored["copies"], stored["conflicts"]) == (2, 0)
    assert sesp.get("/healthz").json() == {"status": "ok", "received": 2, "stored": 1, "duplicates": 1, "conflicts": 0}


def test_a_reading_with_other_values_under_a_name_that_is_stored_is_a_conflict_and_the_first_stays(
    sesp: httpx.Client,
) -> None:
    first = sesp.post(READINGS, json=reading(values={"active_power_w": 1.0})).json()["readings"][0]
    answer = sesp.post(READINGS, json=reading(values={"active_power_w": 2.0}))
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    document = answer.json()
    assert [problem["where"] for problem in document["problems"]] == ["0"]
    receipt = document["receipt"]
    assert (receipt["received"], receipt["stored"], receipt["duplicates"], receipt["conflicts"]) == (1, 0, 0, 1)
    assert receipt["readings"] == [{**first, "conflict": True}]
    (stored,) = sesp.get(READINGS).json()["readings"]
    assert stored["values"] == {"active_power_w": 1.0}
    assert (stored["copies"], stored["conflicts"]) == (2, 1)
    assert sesp.get("/healthz").json() == {"status": "ok", "received": 2, "stored": 1, "duplicates": 0, "conflicts": 1}


SAME = {
    "instant in another zone": {"timestamp": "2026-06-15T06:00:00Z"},
    "instant with a fraction": {"timestamp": "2026-06-15T08:00:00.000+02:00"},
    "when it was sent": {"sent_at": "2026-06-15T06:00:01Z"},
    "exponent": {"values": {"p": -15.005e2, "q": 0}},
    "order of the values": {"values": {"q": 0.0, "p": -1500.5}},
    "negative zero": {"values": {"p": -1500.5, "q": -0.0}},
    "no quality": {"quality": {}},
    "good quality said": {"quality": {"p": 0}},
}
OTHER = {
    "value": {"values": {"p": -1500.4, "q": 0.0}},
    "last bit": {"values": {"p": -1500.5000000000002, "q": 0.0}},
    "one value less": {"values": {"p": -1500.5}},
    "one value more": {"values": {"p": -1500.5, "q": 0.0, "r": 0.0}},
    "name of a value": {"values": {"P": -1500.5, "q": 0.0}},
    "instant": {"timestamp": "2026-06-15T08:00:00.000001+02:00"},
    "kind": {"kind": "battery"},
    "quality": {"quality": {"p": 64}},
}


def test_what_is_written_otherwise_is_the_same_and_any_other_content_is_not(sesp: httpx.Client) -> None:
    base = {"values": {"p": -1500.5, "q": 0.0}}
    cases = list({**SAME, **OTHER}.items())
    assert sesp.post(READINGS, json=[reading(n, **base) for n in range(len(cases))]).json()["stored"] == len(cases)
    again = [reading(n, **(base | change)) for n, (_, change) in enumerate(cases)]
    entries = sesp.post(READINGS, json=again).json()["receipt"]["readings"]
    assert {name: (entry["duplicate"], entry["conflict"]) for (name, _), entry in zip(cases, entries, strict=True)} == {
        name: (name in SAME, name in OTHER) for name, _ in cases
    }


def test_the_other_readings_of_a_request_with_a_conflict_are_stored(sesp: httpx.Client) -> None:
    sesp.post(READINGS, json=reading(2, values={"p": 1.0}))
    batch = [reading(1), reading(2), reading(3), reading(3), reading(3, values={"p": 9.0}), reading(3)]
    answer = sesp.post(READINGS, json=batch)
    assert answer.status_code == 409
    assert [problem["where"] for problem in answer.json()["problems"]] == ["1", "4"]
    receipt = answer.json()["receipt"]
    assert (receipt["received"], receipt["stored"], receipt["duplicates"], receipt["conflicts"]) == (6, 2, 2, 2)
    said = [(entry["duplicate"], entry["conflict"]) for entry in receipt["readings"]]
    assert said == [(False, False), (False, True), (False, False), (True, False), (False, True), (True, False)]
    assert sesp.get("/api/v1/runs/r/sequences").json()["devices"] == [
        {"device_id": "meter-1", "stored": [[1, 3]], "duplicates": [[3, 2]], "conflicts": [[2, 1], [3, 1]]}
    ]
    assert sesp.post(READINGS, json=batch).json()["receipt"]["stored"] == 0, "sent again, nothing is stored twice"


def test_of_many_that_claim_a_name_at_once_one_is_stored_and_the_rest_are_told(serve: Any, database: str) -> None:
    claims = [{"p": float(n % 4)} for n in range(40)]
    with (
        serve(make_app(database)) as one,
        serve(make_app(database)) as other,
        httpx.Client(base_url=one) as first,
        httpx.Client(base_url=other) as second,
        ThreadPoolExecutor(8) as pool,
    ):
        clients = [first, second] * 20
        answers = list(pool.map(lambda at, p: at.post(READINGS, json=reading(values=p)), clients, claims))
        (row,) = first.get(READINGS).json()["readings"]
    receipts = [answer.json().get("receipt", answer.json()) for answer in answers]
    counts = [sum(receipt[name] for receipt in receipts) for name in ("stored", "duplicates", "conflicts")]
    assert counts == [1, 9, 30]
    assert (row["copies"], row["conflicts"]) == (40, 30)
    won = [claim for claim, answer in zip(claims, answers, strict=True) if answer.status_code == 201]
    assert won == [row["values"]] * 10


def test_a_reading_twice_in_one_request_is_stored_once(sesp: httpx.Client) -> None:
    receipt = sesp.post(READINGS, json=[reading(1), reading(2), reading(1)]).json()
    assert [entry["duplicate"] for entry in receipt["readings"]] == [False, False, True]
    assert sesp.get("/api/v1/runs/r/sequences").json()["devices"] == [
        {"device_id": "meter-1", "stored": [[1, 2]], "duplicates": [[1, 1]], "conflicts": []}
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
        "devices": [{"device_id": "c", "stored": [[1, 2], [4, 4]], "duplicates": [], "conflicts": []}],
        "next": None,
    }


def test_what_was_stored_outlives_the_sesp(serve: Any, database: str) -> None:
    with serve(make_app(database)) as url:
        httpx.post(url + READINGS, json=reading())
    with serve(make_app(database)) as url:
        assert httpx.post(url + READINGS, json=reading()).json()["duplicates"] == 1


def test_a_database_from_before_conflicts_were_counted_goes_on(serve: Any, database: str) -> None:
    store = Store(database)
    with store._engine.begin() as connection:
        connection.execute(text("DROP TABLE conflicts"))
    store.close()
    with serve(make_app(database)) as url:
        answers = [httpx.post(url + READINGS, json=reading(values={"p": p})) for p in (1.0, 2.0)]
    assert [answer.status_code for answer in answers] == [201, 409]


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
    assert device == {
        "device_id": "d",
        "stored": [[0, 2]],
        "duplicates": [[0, 2], [1, 2], [2, 2]],
        "conflicts": [],
    }
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
