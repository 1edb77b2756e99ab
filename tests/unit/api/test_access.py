"""Who is served: names of this machine alone without a token, the token's holder with one, and no page elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import httpx
import pytest
from rest_client import Rest

from pilotfarm.api.app import create_app
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.loadtests.sesp.app import make_app

FAULT = {"kind": "offline", "target": {"device": "nobody"}}
OPENED = ["/", "/healthz", "/api/v1/docs", "/api/v1/openapi.json", "/openapi.json"]
ASSETS = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"]


@pytest.fixture(scope="module")
def locked(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(tiny, token="secret")


@pytest.fixture(scope="module")
def named(tiny: SiteLayout) -> Rest:
    """An API that is also known as two other names."""
    pilot = Pilot(tiny, ManualClock())
    return Rest(pilot, create_app(pilot, hosts=["Farm.Example.", "10.0.0.7"]))


LOCAL = ["localhost", "LOCALHOST", "localhost.", "localhost:8080", "localhost:", "farm.localhost", "a.b.LocalHost.:1"]
LOCAL += [
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.255.255.254",
    "[::1]",
    "[::1]:8080",
    "[0:0::0001]",
    "",
]
FOREIGN = ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "notlocalhost"]
FOREIGN += ["10.0.0.1", "128.0.0.1", "0.0.0.0", "[::2]", "[::]", "::1", "[127.0.0.1", "localhost@evil.example", "a b"]
FOREIGN += [
    "evil.example@localhost",
    "localhost:8080:1",
    "localhost/",
    "localhost,evil.example",
    "[evil.localhost]",
    ".",
]


@pytest.mark.parametrize("host", LOCAL)
@pytest.mark.parametrize("path", ["/healthz", "/api/v1/site"])
def test_names_of_this_machine_are_served(still: Rest, host: str, path: str) -> None:
    assert still("GET", path, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", [*OPENED, "/metrics", "/api/v1/site", "/nowhere"])
def test_no_other_name_is_served_without_a_token(still: Rest, host: str, path: str) -> None:
    problems = still.problems(421, "GET", path, headers={"Host": host})
    assert host in problems["Host"]
    assert "--allow-host" in problems["Host"]


def test_a_name_that_was_given_is_served_too(named: Rest) -> None:
    for host in ("farm.example", "FARM.EXAMPLE:80", "10.0.0.7:8080", "localhost"):
        assert named("GET", "/healthz", headers={"Host": host}).status_code == 200
    for host in ("example", "x.farm.example", "10.0.0.70"):
        assert named("GET", "/healthz", headers={"Host": host}).status_code == 421


def test_whoever_has_the_token_may_use_any_name(locked: Rest) -> None:
    headers = {"Host": "farm.example", "Authorization": "Bearer secret", "Origin": "http://console.example"}
    assert locked("POST", "faults", json=FAULT, headers=headers).status_code == 422


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "events"), ("GET", "site"), ("POST", "faults"), ("DELETE", "faults")]
)
def test_a_page_elsewhere_may_ask_for_nothing(still: Rest, site: str, method: str, path: str) -> None:
    for mode in ("no-cors", "cors"):
        still.problems(403, method, path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "file://", "http://127.0.0.1"]
)
def test_an_older_browser_says_by_its_origin_that_a_page_is_elsewhere(still: Rest, origin: str) -> None:
    for method, path in (("POST", "faults"), ("DELETE", "faults"), ("PATCH", "clock")):
        still.problems(403, method, path, json={}, headers={"Origin": origin})
    assert still("GET", "site", headers={"Origin": origin}).status_code == 200  # it cannot read the answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "http://localhost"},
        {"Origin": "HTTPS://LOCALHOST"},
        {},
    ],
)
def test_its_own_page_and_the_user_may(still: Rest, headers: dict[str, str]) -> None:
    assert still("DELETE", "faults", headers=headers).status_code == 200


def test_a_link_from_elsewhere_leads_to_the_page(still: Rest) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert still("GET", "docs", headers=link).status_code == 200
    still.problems(403, "POST", "faults", json=FAULT, headers=link)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]
)
def test_a_body_is_json_by_its_type(still: Rest, kind: str) -> None:
    """What a page may send anywhere without asking first is none."""
    headers = {"Content-Type": kind} if kind else {}
    for method, path in (("POST", "faults"), ("POST", "devices/battery-001/setpoints"), ("POST", "clock/step")):
        answer = still(method, path, content=json.dumps({"stop": 1}).encode(), headers=headers)
        assert answer.status_code in (415, 422), (path, answer.text)


# ------------------------------------------------------------------------------------------ token


@pytest.mark.parametrize(
    "given", ["Bearer secret", "bearer secret", "BEARER secret", "beaRer   secret", "Bearer secret  "]
)
def test_the_schemes_name_is_in_any_case(locked: Rest, given: str) -> None:
    assert locked("GET", "site", headers={"Authorization": given}).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "secret",
        "Basic secret",
        "Bearersecret",
        "Bearer",
        "Bearer ",
        "Bearer Secret",
        "Bearer secret x",
        "Bearer \xe9",
        "",
    ],
)
def test_nothing_else_is_the_token(locked: Rest, given: str) -> None:
    headers = {"Authorization": given.encode("latin-1")}
    answer = locked("GET", "site", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_page_and_what_it_needs_is_open_and_nothing_else(locked: Rest) -> None:
    opened = [*OPENED, *(f"/api/v1/docs/{name}" for name in ASSETS)]
    for path in opened:
        assert locked("GET", path).status_code in (200, 307), path
        if path != "/":
            assert locked("GET", f"{path}/").status_code == 401, path
    others = {"/nowhere", "/api/v1/docs/redoc.standalone.js", "/api/v1/docs/../site", "/api/v1/docs/oauth2-redirect"}
    for path in {*others, *locked.app.openapi()["paths"]} - set(opened):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            assert locked(method, path).status_code == 401, (method, path)


# --------------------------------------------------------------------------------------- surrogates

LONE = "\ud800"


def mangled(value: Any) -> Iterator[Any]:
    """Every copy of a JSON value with a lone surrogate in one place: in or for a text, a number or a key."""
    yield LONE
    if isinstance(value, str):
        yield value + LONE
    if isinstance(value, dict):
        for key, each in value.items():
            yield {**value, key: LONE}
            yield {**value, key + LONE: each}
            yield from ({**value, key: worse} for worse in mangled(each))
        yield {**value, LONE: LONE}


BODIES: list[tuple[str, str, Any]] = [
    ("POST", "devices/battery-001/setpoints", {"stop": 1}),
    ("PATCH", "clock", {"speed": 1.0}),
    ("POST", "clock/step", {"steps": 1}),
    (
        "POST",
        "faults",
        {
            "kind": "stuck",
            "target": {"kind": "battery", "group": "g", "feeder": "f", "device": "d", "quantity": "soc_frac"},
            "mode": "m",
            "parameters": {"quality": "good"},
            "start": "2026-06-15T08:00:00+02:00",
            "duration_s": 1,
        },
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=[path for _, path, _ in BODIES])
def test_a_lone_surrogate_in_a_body_is_refused_wherever_it_stands(
    still: Rest, method: str, path: str, body: Any
) -> None:
    for bad in mangled(body):
        text = json.dumps(bad)  # as an escape, and as the bytes that UTF-8 does not have
        for content in (text.encode(), text.replace("\\ud800", "\ud800").encode("utf-8", "surrogatepass")):
            answer = still(method, path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422), (content, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            json.loads(answer.content.decode())


def test_a_lone_surrogate_in_a_path_or_query_is_no_error_of_the_servers_own(still: Rest) -> None:
    for path, item in still.app.openapi()["paths"].items():
        if "{" in path:
            for method in item:
                url = re.sub(r"\{.*?\}", "%ED%A0%80", path)
                assert still(method.upper(), url, json={"stop": 1}).status_code in (404, 422), url
        for each in item.get("get", {}).get("parameters", []):
            if each["in"] == "query" and "{" not in path and not path.endswith("/events"):
                assert still("GET", f"{path}?{each['name']}=%ED%A0%80").status_code < 500
    assert still("GET", "devices?%ED%A0%80=1").status_code < 500
    assert still("GET", "/%ED%A0%80").status_code == 404


# -------------------------------------------------------------------------------------------- page


@pytest.fixture(params=["farm", "sesp"])
def paged(request: pytest.FixtureRequest, locked: Rest) -> tuple[Rest, str]:
    if request.param == "farm":
        return locked, "/api/v1/docs"
    return Rest(locked.pilot, make_app("sqlite://")), "/docs"


def test_the_page_needs_nothing_from_elsewhere(paged: tuple[Rest, str]) -> None:
    rest, path = paged
    page = rest("GET", path)
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in page.text
    assert '"validatorUrl": null' in page.text  # else Swagger UI asks validator.swagger.io
    referred = re.findall(r"""(?:src|href)="([^"]*)"|url: '([^']*)'""", page.text)
    found = [httpx.URL(f"http://localhost{path}").join(one or other) for one, other in referred]
    assert len(found) == 4
    kinds = set()
    for url in found:
        assert url.host == "localhost"
        answer = rest("GET", str(url))
        assert answer.status_code == 200, url
        assert len(answer.content) > 1_000
        kinds.add(answer.headers["content-type"].partition(";")[0])
    assert kinds == {"text/css", "text/javascript", "image/png", "application/json"}


def test_the_page_may_ask_nobody_else(paged: tuple[Rest, str]) -> None:
    rest, path = paged
    policy = rest("GET", path).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "http" not in policy
    assert "unsafe" not in rules["script-src"]


def test_the_page_has_what_its_packages_files_say(still: Rest) -> None:
    kept = (files("fastapi_offline") / "static" / "swagger-ui-bundle.js").read_bytes()
    assert still("GET", "docs/swagger-ui-bundle.js").content == kept
    assert b"SwaggerUIBundle" in kept
    assert still("GET", "/").headers["location"] == "/api/v1/docs"


# -------------------------------------------------------------------------------------- operations

VERBS = "read|list|add|change|clear|step|write|store|run|stop|begin|end"
FARM_OPERATIONS = {
    "add_fault", "change_clock", "clear_fault", "clear_faults", "list_devices", "list_endpoints", "list_fault_kinds",
    "list_faults", "list_points", "read_clock", "read_device", "read_events", "read_fault", "read_health",
    "read_metrics", "read_site", "read_scenario", "run_scenario", "stop_scenario", "begin_recording", "end_recording",
    "read_capture", "list_stations", "list_station_events", "list_device_events", "read_profile",
    "step_clock", "step_until", "write_setpoints", "list_station_readings", "clear_station_readings",
    "list_station_alarms", "clear_station_alarms", "list_station_outages",
    "add_station_reads", "read_station_ticket",
}  # fmt: skip
"""Names in clients that people have generated: one that is gone or changed breaks them."""
SESP_OPERATIONS = {"list_devices", "list_readings", "list_sequences", "read_health", "store_readings"}


def test_operations_have_short_names_that_stay(still: Rest) -> None:
    for app, known in ((still.app, FARM_OPERATIONS), (make_app("sqlite://"), SESP_OPERATIONS)):
        names = [each["operationId"] for item in app.openapi()["paths"].values() for each in item.values()]
        assert len(names) == len(set(names))
        assert known <= set(names)
        assert all(re.fullmatch(rf"({VERBS})(_[a-z]+)+", name) for name in names)
