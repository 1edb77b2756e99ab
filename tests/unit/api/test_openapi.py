"""The schema says all there is: requests made up from it never break the farm, answers keep to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from rest_client import Rest
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from pilotfarm.emulators.site.layout import SiteLayout

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 12
OPERATIONS = [
    ("get", "/api/v1/site"),
    ("get", "/api/v1/devices"),
    ("get", "/api/v1/devices/{device}"),
    ("get", "/api/v1/devices/{device}/points"),
    ("get", "/api/v1/devices/{device}/profile"),
    ("get", "/api/v1/devices/{device}/events"),
    ("post", "/api/v1/devices/{device}/setpoints"),
    ("post", "/api/v1/setpoints"),
    ("get", "/api/v1/faults"),
    ("post", "/api/v1/faults"),
    ("delete", "/api/v1/faults"),
    ("get", "/api/v1/faults/kinds"),
    ("get", "/api/v1/faults/{fault}"),
    ("delete", "/api/v1/faults/{fault}"),
    ("get", "/api/v1/scenarios"),
    ("post", "/api/v1/scenarios"),
    ("get", "/api/v1/scenarios/recording"),
    ("post", "/api/v1/scenarios/recording"),
    ("delete", "/api/v1/scenarios/recording"),
    ("get", "/api/v1/scenarios/{scenario}"),
    ("delete", "/api/v1/scenarios/{scenario}"),
    ("get", "/api/v1/scenarios/{scenario}/junit"),
    ("get", "/api/v1/clock"),
    ("patch", "/api/v1/clock"),
    ("post", "/api/v1/clock/step"),
    ("post", "/api/v1/clock/until"),
    ("get", "/api/v1/endpoints"),
    ("get", "/api/v1/stations"),
    ("get", "/api/v1/stations/{station}/events"),
    ("get", "/api/v1/stations/{station}/readings"),
    ("delete", "/api/v1/stations/{station}/readings"),
    ("get", "/api/v1/stations/{station}/alarms"),
    ("delete", "/api/v1/stations/{station}/alarms"),
    ("post", "/api/v1/stations/{station}/reads"),
    ("get", "/api/v1/stations/{station}/reads/{ticket}"),
    ("get", "/api/v1/stations/{station}/outages"),
    ("get", "/api/v1/events"),
    ("get", "/api/v1/capture"),
    ("get", "/metrics"),
    ("get", "/healthz"),
]

FORGIVING = {
    ("get", "/api/v1/site"),
    ("get", "/api/v1/devices/{device}"),
    ("get", "/api/v1/devices/{device}/points"),
    ("delete", "/api/v1/faults"),
    ("get", "/api/v1/faults/kinds"),
    ("get", "/api/v1/scenarios/recording"),
    ("delete", "/api/v1/scenarios/recording"),
    ("get", "/api/v1/clock"),
    ("get", "/api/v1/endpoints"),
    ("get", "/api/v1/stations"),
    ("get", "/api/v1/stations/{station}/outages"),
    ("get", "/metrics"),
    ("get", "/healthz"),
}
"""Take nothing, or any text: no request from the schema can be malformed."""
GOOD = [each for each in OPERATIONS if each[1] not in ("/api/v1/events", "/api/v1/capture")]
BAD = [each for each in GOOD if each not in FORGIVING]


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, item in schema["paths"].items() for method, each in item.items()]


def test_every_route_is_in_the_schema(still: Rest) -> None:
    schema = still.get("/api/v1/openapi.json")
    assert {(method, path) for path, method, _ in operations(schema)} == set(OPERATIONS)
    assert still.get("/openapi.json") == schema


def test_every_operation_says_what_it_does_and_how_it_fails(still: Rest) -> None:
    for path, method, operation in operations(still.get("/openapi.json")):
        assert operation["summary"], (method, path)
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= set(operation["responses"]), (method, path)


def test_every_bound_is_a_word_of_json_schema(still: Rest) -> None:
    def keys(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            for name, inner in part.items():
                yield name
                yield from keys(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from keys(inner)

    schema = still.get("/openapi.json")
    assert not {"ge", "gt", "le", "lt", "min_length", "max_length"} & set(keys(schema))
    limit = next(each for each in schema["paths"]["/api/v1/devices"]["get"]["parameters"] if each["name"] == "limit")
    assert limit["schema"] | {"minimum": 1, "maximum": 10_000, "type": "integer"} == limit["schema"]


@pytest.fixture(scope="module")
def made(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(tiny)


@pytest.mark.parametrize(("method", "path"), GOOD)
def test_requests_made_up_from_the_schema_are_answered_as_it_says(made: Rest, method: str, path: str) -> None:
    try_many(made, method, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("method", "path"), BAD)
def test_malformed_requests_are_refused_as_the_schema_says(made: Rest, method: str, path: str) -> None:
    try_many(made, method, path, GenerationMode.NEGATIVE)


def try_many(made: Rest, method: str, path: str, mode: GenerationMode) -> None:
    described = made.get("/openapi.json")
    # A made-up number of steps could be a hundred thousand.
    described["components"]["schemas"]["StepRequest"]["properties"]["steps"]["maximum"] = 3
    operation = schemathesis.openapi.from_dict(described)[path][method]

    @hypothesis.given(case=operation.as_strategy(mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        if "device" in case.path_parameters and mode is GenerationMode.POSITIVE:
            case.path_parameters["device"] = "battery-001"
        asked = requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
        answer = made(asked.method, asked.url, content=asked.body, headers=dict(asked.headers))
        case.validate_response(answer, checks=CHECKS)

    check()
