"""Clients of server-sent events, unmodified, at a farm: what they missed, by kind and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from running_farm import RunningFarm, brought_up, installed, run_client

PACKAGES: Final = ("httpx-sse==0.4.3", "sseclient-py==1.9.0")
CLIENTS: Final = ("httpx-sse", "sseclient-py")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The clients, in a folder of their own."""
    return str(installed(tmp_path_factory.mktemp("sse"), PACKAGES, "--no-deps"))


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningFarm, str]]:
    """A farm on which a command, its effect, and a fault's beginning and end have happened, and the run of its ids."""
    with brought_up(tmp_path_factory.mktemp("farm")) as farm:
        with farm.rest.stream("GET", "events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == ": listening"
            farm.tell("battery-001", stop=1)
            assert farm.rest.post("faults", json={"kind": "offline", "duration_s": 1}).is_success
            farm.step(4)
            number = next(line for line in lines if line.startswith("id: "))
        yield farm, number.removeprefix("id: ").rpartition("-")[0]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_comes_back_gets_what_it_missed(
    happened: tuple[RunningFarm, str], packages: str, client: str
) -> None:
    farm, run = happened

    def read(last_id: str, count: int, **query: str) -> Any:
        url = f"{farm.rest.base_url}events"
        arguments = {"client": client, "url": url, "query": query, "last_id": last_id, "count": count}
        return run_client("sse_client.py", packages=packages, **arguments)

    every = read(f"{run}-0", 4)
    assert [number for number, _, _ in every] == [f"{run}-{k}" for k in (1, 2, 3, 4)]
    assert sorted(kind for _, kind, _ in every) == ["command", "effect", "fault", "fault"]
    assert read(every[1][0], 2) == every[2:]
    faults = [each for each in every if each[1] == "fault"]
    assert read(f"{run}-0", 2, kind="fault,alarm", device="meter-*") == faults
    assert [data["event"] for _, _, data in faults] == ["began", "ended"]
    ((number, kind, data),) = read("0badc0de-7", 1)
    assert (number or "", kind, data) == ("", "dropped", {"count": None})
