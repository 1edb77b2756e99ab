"""The stream of events: in order, bounded, by kind and device, and from where a reader was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rest_client import Rest

from pilotfarm.api.events import Event, EventStream, Wanted
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.farm.observer import Moment
from pilotfarm.emulators.site.layout import SiteLayout


def parsed(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, kind and data of every event of a text."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


async def had(stream: AsyncIterator[str], texts: int = 1) -> list[tuple[str, str, dict[str, Any]]]:
    return parsed("".join([await anext(stream) for _ in range(texts)]))


def stir(rest: Rest) -> None:
    """Have a command, its effect and a fault happen, to two devices."""
    rest.pilot.farm.device("battery-001").submit({"stop": 1.0}, "rest", "test", 0.0)
    rest.pilot.farm.faults.add("offline", {"device": "meter-001"}, None, {}, None, 1.0)
    for _ in range(4):
        rest.pilot.farm.step(1.0)


@pytest.fixture(scope="module")
def ended(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    """Four events have happened, and a stream ends once they are read."""
    rest = make_rest(tiny)

    async def watch() -> None:
        async for _ in rest.app.state.context.events.read():
            break

    asyncio.run(watch())
    stir(rest)
    rest.app.state.context.events.closed = True
    return rest


KINDS = ["fault", "command", "effect", "fault"]


@pytest.mark.parametrize("happened", [0, 1, 4, 5, 23])
def test_a_reader_who_falls_behind_loses_the_oldest_and_is_told_how_many(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, happened: int
) -> None:
    """One who keeps up, beside it, loses nothing."""
    monkeypatch.setattr("pilotfarm.api.events.WAITING_MAX", 4)

    def numbers(text: str) -> list[int]:
        data = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
        return [each["fault"] for each in data if "fault" in each]

    async def read() -> None:
        events, faults, farm = rest.app.state.context.events, rest.pilot.farm.faults, rest.pilot.farm
        slow, quick = events.read(heartbeat_s=0.05), events.read(heartbeat_s=0.05)
        await anext(slow)
        await anext(quick)
        by_quick = []
        for _ in range(happened):
            faults.add("offline", {"device": "meter-001"})
            farm.step(1.0)
            by_quick += numbers(await anext(quick))
        assert by_quick == list(range(1, happened + 1))
        text = await anext(slow)
        assert numbers(text) == by_quick[-4:]
        lost = max(happened - 4, 0)
        assert text.startswith(f'event: dropped\ndata: {{"count": {lost}}}') == bool(lost)
        assert events.dropped == lost
        assert numbers(await anext(slow)) == []
        for reader in (slow, quick):
            await reader.aclose()

    asyncio.run(read())


def test_silence_is_filled_with_comments(still: Rest) -> None:

    async def read() -> list[str]:
        stream = EventStream(still.pilot.farm.population, ManualClock())
        reader = stream.read(heartbeat_s=0.0)
        return [await anext(reader), await anext(reader)]

    assert asyncio.run(read()) == [": listening\n\n", ": alive\n\n"]


def test_an_alarm_is_told_when_it_rises_and_when_it_falls(rest: Rest) -> None:
    async def read() -> list[str]:
        events, farm = rest.app.state.context.events, rest.pilot.farm
        reader = events.read()
        await anext(reader)
        farm.step(1.0)
        told = []
        for highest in (0.2, 0.9):
            farm.device("battery-001").submit({"soc_max_frac": highest}, "rest", "test", 0.0)
            farm.step(1.0)
            told += [each for each in (await anext(reader)).split("\n\n") if "soc_high_alarm" in each]
        await reader.aclose()
        assert events.subscribers == 0
        return told

    rose, fell = asyncio.run(read())
    assert "event: alarm" in rose
    assert '"raised": true' in rose
    assert '"raised": false' in fell


def test_no_more_readers_than_the_bound(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.api.events.SUBSCRIBERS_MAX", 0)
    rest.problems(503, "GET", "events")


# --------------------------------------------------------------------------------- by kind and device


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        (Wanted(), KINDS),
        (Wanted({"fault"}), ["fault", "fault"]),
        (Wanted({"command", "effect"}), ["command", "effect"]),
        (Wanted({"alarm"}), []),
        (Wanted(device="battery-*"), ["command", "effect"]),
        (Wanted(device="meter-001"), ["fault", "fault"]),
        (Wanted({"effect", "fault"}, "battery-001"), ["effect"]),
    ],
)
def test_a_reader_hears_what_it_asked_for_and_nothing_else(rest: Rest, wanted: Wanted, kinds: list[str]) -> None:
    async def read() -> tuple[list[str], list[str]]:
        stream = rest.app.state.context.events.read(heartbeat_s=0.02, wanted=wanted)
        await anext(stream)
        stir(rest)
        live = await had(stream)
        again = rest.app.state.context.events.read(heartbeat_s=0.02, wanted=wanted, last_id=rest_run(rest) + "-0")
        return [kind for _, kind, _ in live], [kind for _, kind, _ in await had(again, 2)]

    live, replayed = asyncio.run(read())
    assert sorted(live) == sorted(kinds)
    assert replayed == live


def rest_run(rest: Rest) -> str:
    run: str = rest.app.state.context.events._run
    return run


def test_a_fault_is_of_every_device_that_it_grips() -> None:
    event = Event(1, "fault", Moment(0.0, 0.0, ZoneInfo("UTC")), 0.0, ("pv-001", "meter-001"), {})
    assert [Wanted(device=glob).takes(event) for glob in ("pv-*", "meter-001", "battery-001")] == [True, True, False]


def test_only_what_is_wanted_counts_as_dropped(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.api.events.WAITING_MAX", 2)

    async def read() -> list[tuple[str, str, dict[str, Any]]]:
        stream = rest.app.state.context.events.read(wanted=Wanted({"fault"}))
        await anext(stream)
        stir(rest)
        stir(rest)
        return await had(stream)

    found = asyncio.run(read())
    assert [(kind, data.get("count")) for _, kind, data in found] == [("dropped", 2), ("fault", None), ("fault", None)]


@pytest.mark.parametrize("query", ["kind=fault,alarm&device=m*", "kind=fault&kind=alarm", "kind=dropped", "device=*"])
def test_kinds_are_joined_by_commas_or_repeated(ended: Rest, query: str) -> None:
    answer = ended("GET", f"events?{query}", headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.text == ": listening\n\n"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("kind=faults", "did you mean fault?"),
        ("kind=fault,alarms", "did you mean alarm?"),
        ("kind=fault&kind=alarms", "did you mean alarm?"),
        ("kind=fault,", "must not be empty"),
        ("kind=", "must not be empty"),
        ("kind=zzz", "known are fault, command, effect, alarm, scenario, dropped"),
    ],
)
def test_a_kind_there_is_not_is_refused(still: Rest, query: str, said: str) -> None:
    assert said in next(iter(still.problems(422, "GET", f"events?{query}").values()))


# ---------------------------------------------------------------------------- from where a reader was


@pytest.mark.parametrize("kept", [1, 3, 4, 100])
def test_who_comes_back_gets_what_it_missed_and_is_told_what_is_gone(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Whichever event it had last: gone and replayed together are all that came since."""
    monkeypatch.setattr("pilotfarm.api.events.KEPT_MAX", kept)
    monkeypatch.setattr("pilotfarm.api.events.AT_ONCE", 2)

    async def read() -> None:
        events = rest.app.state.context.events
        first = events.read()
        await anext(first)
        stir(rest)
        told = await had(first)
        await first.aclose()
        assert [number for number, _, _ in told] == [f"{rest_run(rest)}-{k}" for k in (1, 2, 3, 4)]
        for seen in range(5):
            again = events.read(heartbeat_s=0.02, last_id=f"{rest_run(rest)}-{seen}")
            found = await had(again, 5)
            await again.aclose()
            gone = max(4 - seen - kept, 0)
            assert found[: bool(gone)] == [("", "dropped", {"count": gone})] * bool(gone)
            assert found[bool(gone) :] == told[seen + gone :]

    asyncio.run(read())


def test_what_comes_while_the_kept_is_replayed_follows_it_once(rest: Rest) -> None:
    async def read() -> list[str]:
        events = rest.app.state.context.events
        async for _ in events.read():
            break
        stir(rest)
        again = events.read(heartbeat_s=0.02, last_id=f"{rest_run(rest)}-2")
        await anext(again)
        stir(rest)
        return [number for number, _, _ in await had(again, 2)]

    assert asyncio.run(read()) == [f"{rest_run(rest)}-{k}" for k in range(3, 9)]


@pytest.mark.parametrize(
    "last_id", ["0badc0de-3", "3", "", "-", "RUN-5", "RUN--1", "RUN-²", "RUN-1x", "RUN-" + "9" * 5_000]
)
def test_an_id_that_this_run_has_not_given_is_said_to_be_unknown(ended: Rest, last_id: str) -> None:
    """Nobody knows what such a reader has missed, and nothing is replayed that it may have had."""
    given = last_id.replace("RUN", rest_run(ended))
    answer = ended("GET", "events", headers={"Last-Event-ID": given.encode("latin-1")})
    assert parsed(answer.text) == [("", "dropped", {"count": None})]


def test_the_header_of_an_event_source_is_what_counts(ended: Rest) -> None:
    last = {"Last-Event-ID": f"{rest_run(ended)}-2"}
    answer = ended("GET", "events", params={"kind": "effect,fault"}, headers=last)
    assert [kind for _, kind, _ in parsed(answer.text)] == KINDS[2:]


def test_a_farm_that_nobody_has_watched_keeps_nothing(rest: Rest) -> None:
    stir(rest)
    events = rest.app.state.context.events
    assert not events._kept
    assert not events._alarms


def test_two_runs_have_ids_of_their_own(still: Rest) -> None:
    streams = [EventStream(still.pilot.farm.population, ManualClock()) for _ in range(2)]
    assert streams[0]._run != streams[1]._run
