"""Nothing that is asked for is passed over: laws over every operation of the schema, of the farm and of the SESP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, get_args

import httpx
import pytest
from example_faults import needs
from pydantic_core.core_schema import ErrorType
from rest_client import Rest

from pilotfarm.api.app import BODY_MAX_BYTES, create_app
from pilotfarm.emulators import registry, wording
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.serving.capture import CAPTURES_MAX
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.loadtests.sesp.app import make_app

PATHS = {"device": "battery-001", "fault": "1", "scenario": "1", "station": "rtu", "run": "first", "ticket": "1"}
FOREIGN = ("Input should", "Field required", "Extra inputs", "valid number", "unable to", "Value error", "valid ")
"""What pydantic says."""
STRANGE: tuple[Any, ...] = (None, True, 1.5, -1, 10**30, "", "abc", "x" * 5_000, "é\x00", [], [[]], {}, {"": {}}, [{}])
GOOD: dict[str, dict[str, Any]] = {
    "/api/v1/clock": {"speed": 2.0, "paused": True, "step_s": 1.0},
    "/api/v1/clock/step": {"steps": 1},
    "/api/v1/clock/until": {"condition": "battery-001.soc_frac < 0.5", "within_s": 1.0},
    "/api/v1/setpoints": {"target": {"kind": "battery"}, "values": {"stop": 1}},
    "/api/v1/faults": {
        "kind": "bias",
        "target": {"device": "*", "quantity": "soc_frac"},
        "mode": None,
        "parameters": {"quality": "good", "offset": 1.0, "factor": 2.0},
        "start": None,
        "duration_s": 5.0,
    },
    "/api/v1/scenarios": {
        "name": "made",
        "title": "",
        "site": "tiny",
        "start": None,
        "seed": None,
        "step_s": None,
        "limit": 60.0,
        "phases": [{"name": "only", "steps": [{"wait": 1}]}],
    },
}


@pytest.fixture(scope="module")
def made(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    rest = make_rest(tiny)
    assert rest("POST", "faults", json={"kind": "offline"}).status_code == 201
    assert rest("PATCH", "clock", json={"paused": True}).status_code == 200
    return rest


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def filled(path: str) -> str:
    return path.format(**PATHS)


# ------------------------------------------------------------------------------------------- queries


def test_no_operation_of_the_farm_passes_over_a_query_parameter(made: Rest) -> None:
    for method, path, operation in operations(made.app.openapi()):
        known = {each["name"]: each["schema"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        near = {f"{name}s": name for name in known}
        said = made.problems(422, method, filled(path), params={"zzz": "1", **dict.fromkeys(near, "1")})
        assert set(said) >= {"query.zzz", *(f"query.{name}" for name in near)}, (method, path)
        for wrong, meant in near.items():
            assert f"did you mean {meant}?" in said[f"query.{wrong}"]
        for name, schema in known.items():
            kinds = [each.get("type") for each in schema.get("anyOf", [schema])]
            if "array" not in kinds:
                twice = made(method, filled(path), params=[(name, "1"), (name, "1")])
                assert twice.status_code == 422
                said_twice = {"where": f"query.{name}", "message": "is given more than once"}
                assert said_twice in twice.json()["problems"]
            empty = made.problems(422, method, filled(path), params={name: ""})
            assert {where.removesuffix(".0") for where in empty} == {f"query.{name}"}


def test_no_operation_of_the_sesp_passes_over_a_query_parameter() -> None:
    app = make_app("sqlite://")
    wire = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=wire, base_url="http://sesp") as client:
            for method, path, _ in operations(app.openapi()):
                answer = await client.request(method, filled(path), params={"zzz": "1"})
                assert answer.status_code == 422, (method, path, answer.text)
                assert "query.zzz" in {each["where"] for each in answer.json()["problems"]}

    asyncio.run(ask())


def test_all_that_is_wrong_with_a_query_is_listed_at_once(still: Rest) -> None:
    asked = [("kind", "batery"), ("limit", "1_0"), ("offset", "-1"), ("group", ""), ("zzz", ""), ("feeder", "a")]
    said = still.problems(422, "GET", "devices", params=[*asked, ("feeder", "b")])
    assert said.keys() == {f"query.{name}" for name, _ in asked}
    assert "did you mean battery?" in said["query.kind"]
    said = still.problems(422, "GET", "devices", params={"group": "chargr", "feeder": "avenue"})
    assert "did you mean charger?" in said["query.group"]
    assert "known are street" in said["query.feeder"]
    assert set(still.problems(422, "GET", "faults/first", params={"x": "1"})) == {"query.x", "path.fault"}


@pytest.mark.parametrize("number", ["1_0", "5.0", " 5", "1e1", "٣", "0x1", "", "9" * 50])
def test_a_number_is_written_as_everybody_writes_it(still: Rest, number: str) -> None:
    assert set(still.problems(422, "GET", "devices", params={"limit": number})) == {"query.limit"}
    if number:
        assert set(still.problems(422, "GET", f"faults/{number}")) == {"path.fault"}


# -------------------------------------------------------------------------------------------- words


def test_pydantic_has_no_word_for_what_is_wrong(made: Rest) -> None:
    """Each field of each body with whatever JSON can hold."""
    seen = 0
    for path, good in GOOD.items():
        bodies = [{**good, name: strange} for name in (*good, "zzz") for strange in STRANGE]
        bodies += [{**good, "target": {name: strange}} for name in ("kind", "device", "zzz") for strange in STRANGE]
        for body in [*bodies, *STRANGE]:
            answer = made("PATCH" if path.endswith("clock") else "POST", path, json=body)
            if answer.status_code == 422:
                seen += 1
                for each in answer.json()["problems"]:
                    own(each["message"])
        made.pilot.farm.faults.clear_all()
    assert seen > 300


def own(message: str) -> None:
    """A message is in our own words."""
    assert not any(word in message for word in FOREIGN), message
    assert "kind that is taken" not in message, message
    assert len(message) < 400


@pytest.mark.parametrize("kind", registry.FAULTS)
def test_pydantic_has_no_word_for_what_is_wrong_with_a_kind_s_parameters(still: Rest, kind: str) -> None:
    seen = 0
    for name in (*registry.fault(kind).parameters.model_fields, "zzz"):
        for strange in STRANGE:
            try:
                still.pilot.farm.faults.add(kind, needs(kind), parameters={name: strange}, dry_run=True)
            except ConfigError as error:
                seen += 1
                for each in error.problems:
                    own(each.message)
    assert seen >= len(STRANGE)


def test_every_kind_of_error_is_said_in_words_of_our_own() -> None:
    kinds = set(get_args(ErrorType))
    assert set(wording._SAID) <= kinds
    numbers = dict.fromkeys(("min_length", "max_length", "gt", "ge", "lt", "le"), 2)
    context = {**numbers, "pattern": "^a$", "expected": "'a' or 'b'", "error": ValueError("must be even")}
    for kind in kinds:
        error = {"type": kind, "loc": ("a", "b"), "msg": "Input should be x", "ctx": context, "input": 3}
        said = wording.said(error, ["bb"])
        assert "Input" not in said
        assert "{" not in said
        assert said.split()[0] in ("must", "is", "needs", "b"), said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            {"type": "less_than_equal", "loc": ("a",), "ctx": {"le": 1e9}, "input": 1e12},
            "must be at most 1e+09, not 1000000000000.0",
        ),
        ({"type": "float_type", "loc": ("a",), "input": "5"}, "must be a number, not '5'"),
        ({"type": "bool_type", "loc": ("a",), "input": None}, "must be true or false, not null"),
        ({"type": "int_type", "loc": ("a",), "input": True}, "must be a whole number, not true"),
        ({"type": "list_type", "loc": ("a",), "input": {"b": 1}}, "must be a list"),
        ({"type": "too_short", "loc": ("a",), "ctx": {"min_length": 1}, "input": {}}, "must not be empty"),
        ({"type": "string_type", "loc": ("a",), "input": "é\x00\ud800" * 40}, None),
    ],
)
def test_the_words_name_what_was_given(error: dict[str, Any], said: str | None) -> None:
    found = wording.said(error)
    assert said is None or found == said
    found.encode()
    assert found.isprintable()
    assert len(found) < 100


# ------------------------------------------------------------------------------------------ statuses


def test_every_status_that_is_documented_can_be_had(
    tiny: SiteLayout, make_rest: Callable[..., Rest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And 200 or its like: each operation does what it says, and fails as it says, and in no other way."""
    rest = make_rest(tiny)
    locked = Rest(rest.pilot, create_app(rest.pilot, token="secret"))
    busy_by_itself = {"/api/v1/events", "/api/v1/devices/{device}/setpoints"}
    ways = ways_to_fail(rest, monkeypatch)
    for method, path, operation in [*operations(locked.app.openapi()), *operations(rest.app.openapi())]:
        for status in sorted(operation["responses"]):
            if status == "503" and path not in busy_by_itself:
                continue  # whoever serves the application says it of every request
            if status == "401":
                assert locked(method, filled(path)).status_code == 401
            elif status >= "400":
                answer = ways[status](method, path)
                assert answer.status_code == int(status), (method, path, status, answer.text)
                assert answer.json()["status"] == int(status)


def ways_to_fail(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[str, str], httpx.Response]]:
    def sent(method: str, path: str, content: bytes, kind: str = "application/json") -> httpx.Response:
        return rest(method, filled(path), content=content, headers={"content-type": kind})

    def nobody(method: str, path: str) -> httpx.Response:
        if path == "/api/v1/scenarios/recording":
            rest("DELETE", path)
        body: dict[str, Any] = {"json": {"stop": 1}} if method == "POST" else {}
        if path.endswith("/capture"):
            body = {"params": {"device": "nobody"}}
        if path.endswith("/reads"):
            body = {"json": {"devices": ["nobody"]}}
        if method == "DELETE" and "{station}" in path:
            body = {"params": {"to": "1"}}
        strange = {"device": "nobody", "fault": "999", "scenario": "999", "station": "nobody", "ticket": "999"}
        return rest(method, path.format(**strange), **body)

    def at_the_wrong_moment(method: str, path: str) -> httpx.Response:
        if path.endswith("/capture"):
            with ExitStack() as others:
                for _ in range(CAPTURES_MAX):
                    others.enter_context(rest.pilot.server.captured([0]))
                return rest(method, path)
        if path == "/api/v1/clock/step":
            rest("PATCH", "clock", json={"paused": False})
        if "{scenario}" in path:
            number = rest("POST", "scenarios", json=GOOD["/api/v1/scenarios"]).json()["id"]
            if method == "DELETE":
                rest("DELETE", f"scenarios/{number}")
            return rest(method, path.format(scenario=number))
        if path == "/api/v1/scenarios/recording":
            return [rest("POST", path) for _ in range(2)][1]
        if method == "DELETE":
            number = rest("POST", "faults", json={"kind": "offline"}).json()["id"]
            rest("DELETE", f"faults/{number}")
            return rest("DELETE", f"faults/{number}")
        with monkeypatch.context() as patch:
            patch.setattr("pilotfarm.emulators.farm.faultboard.FAULTS_MAX", 0)
            patch.setattr("pilotfarm.emulators.scenarios.board.RUNNING_MAX", 0)
            return rest(method, path, json=GOOD[path])

    def busy(method: str, path: str) -> httpx.Response:
        with monkeypatch.context() as patch:
            patch.setattr("pilotfarm.api.events.SUBSCRIBERS_MAX", 0)
            patch.setattr("pilotfarm.emulators.farm.commands.QUEUE_MAX", 0)
            return rest(method, filled(path), **({"json": {"stop": 1}} if method == "POST" else {}))

    def broken(method: str, path: str) -> httpx.Response:
        def fail(*_: Any) -> None:
            raise RuntimeError("broken")

        with monkeypatch.context() as patch:
            patch.setattr("pilotfarm.loadtests.problems.StrictRoute._strange", fail)
            return rest(method, filled(path))

    return {
        "400": lambda method, path: sent(method, path, b"{"),
        "403": lambda method, path: rest(
            method, filled(path), headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        ),
        "404": nobody,
        "409": at_the_wrong_moment,
        "413": lambda method, path: sent(method, path, b" " * (BODY_MAX_BYTES + 1)),
        "415": lambda method, path: sent(method, path, b"{}", "text/plain"),
        "421": lambda method, path: rest(method, filled(path), headers={"Host": "elsewhere.example"}),
        "422": lambda method, path: rest(method, filled(path), params={"zzz": "1"}),
        "500": broken,
        "503": busy,
    }


@pytest.mark.parametrize("content", [b"{", b"\xff", b"", b"[" * 100_000, b"1" * 5_000, b'{"a": }', b"{} {}"])
def test_a_body_that_cannot_be_read_is_a_400(still: Rest, content: bytes) -> None:
    status = 400 if content else 422
    said = still.problems(status, "POST", "faults", content=content, headers={"content-type": "application/json"})
    assert set(said) == {"body"}


@pytest.mark.parametrize("content", ['{"speed": 2, "speed": 3}', '{"a": [{"speed": 2, "paused": true, "speed": 2}]}'])
def test_a_name_that_is_given_twice_in_a_body_is_refused(still: Rest, content: str) -> None:
    said = still.problems(400, "PATCH", "clock", content=content, headers={"content-type": "application/json"})
    assert "speed is given more than once" in said["body"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
def test_a_body_that_is_not_said_to_be_json_is_a_415(still: Rest, kind: str) -> None:
    said = still.problems(415, "POST", "faults", content=json.dumps({}), headers={"content-type": kind})
    assert "application/json" in said["Content-Type"]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
def test_json_may_be_said_in_every_way_there_is(still: Rest, kind: str) -> None:
    still.problems(422, "POST", "faults", content="{}", headers={"content-type": kind})


# ----------------------------------------------------------------------------------------- compression


def test_long_answers_are_compressed_for_who_takes_it_and_the_stream_never_is(still: Rest) -> None:
    packed = still("GET", "endpoints", headers={"accept-encoding": "gzip"})
    plain = still("GET", "endpoints", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in still("GET", "clock").headers
