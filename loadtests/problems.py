"""Errors over HTTP: problem documents (RFC 9457) that list every problem found.

The REST API and the reference SESP are both an ``Api``. ``STATUS`` is the complete table from
pilotfarm's errors to HTTP's; whatever else goes wrong is a problem document too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pilotfarm.emulators import errors

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = "1"
LISTED_MAX: Final = 1_000
"""Maximum number of problems in one document; its ``detail`` counts them all."""

STATUS: Final[dict[type[errors.PilotfarmError], int]] = {
    errors.PilotfarmError: 500,
    errors.ConfigError: 422,
    errors.PointError: 422,
    errors.Unsupported: 422,
    errors.NoSuchPoint: 404,
    errors.NotWritable: 422,
    errors.OutOfRange: 422,
    errors.Blocked: 422,
    errors.Busy: 503,
    errors.LinkError: 502,
    errors.ProtocolError: 502,
    errors.StateError: 409,
}


class ProblemItem(BaseModel):
    """One thing that is wrong."""

    where: str = Field(description="The field, quantity or path it is about", examples=["active_power_setpoint_w"])
    message: str = Field(examples=["must be from -5000 to 5000 W, not 9000"])


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457), with every problem found."""

    type: str = Field("about:blank", description="Always about:blank: the status says what kind it is")
    title: str = Field(description="The status in words", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["1 problem"])
    instance: str = Field(description="Path that was asked for", examples=["/api/v1/devices/batteries-0001/setpoints"])
    problems: list[ProblemItem]


class Refused(Exception):
    """A request cannot be met; becomes a problem document."""

    def __init__(self, status: int, problems: Sequence[tuple[str, str]]) -> None:
        self.status = status
        self.problems = tuple(problems)
        super().__init__("; ".join(message for _, message in self.problems))


def response(
    path: str, status: int, problems: Sequence[tuple[str, str]], headers: Mapping[str, str] | None = None
) -> Response:
    """Build a problem document from ``(where, message)`` pairs; 503 says when to try again."""
    detail = problems[0][1] if len(problems) == 1 else f"{len(problems)} problems"
    document = ProblemDocument(
        title=_PHRASES.get(status, "Error"),
        status=status,
        detail=detail,
        instance=path,
        problems=[ProblemItem(where=where, message=message) for where, message in problems[:LISTED_MAX]],
    )
    retry = {"Retry-After": RETRY_AFTER_S} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _Document(document.model_dump(), status, {**retry, **(headers or {})})


class _Document(JSONResponse):
    """A problem document, though what it quotes may be no text that UTF-8 has: a lone surrogate becomes ``?``."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the problem documents a route may answer with."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {
            "description": f"{_PHRASES[status]}: {_MEANS[status]}",
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def listed(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Turn pydantic's errors into the ``(where, message)`` pairs of a ``Refused``."""
    return [_said(each) for each in found]


class Api(FastAPI):
    """An application whose every error ends as a problem document, in its answers and in its schema.

    Operations have the names of their functions, which is what a generated client calls them. ``models`` are in the
    schema by their names, for routes that describe their bodies themselves.
    """

    def __init__(self, models: Sequence[type[BaseModel]] = (), **settings: Any) -> None:
        super().__init__(
            docs_url=None, redoc_url=None, generate_unique_id_function=lambda route: route.name, **settings
        )
        self._models: tuple[type[BaseModel], ...] = (ProblemDocument, *models)
        self.add_exception_handler(Refused, _refused)
        self.add_exception_handler(errors.PilotfarmError, _known)
        self.add_exception_handler(RequestValidationError, _invalid)
        self.add_exception_handler(HTTPException, _http)
        self.add_exception_handler(ClientDisconnect, _gone)
        self.add_exception_handler(Exception, _unexpected)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI schema, with the models that FastAPI sees no route have."""
        schema = super().openapi()
        for model in self._models:
            described = model.model_json_schema(ref_template="#/components/schemas/{model}")
            nested = described.pop("$defs", {})
            schema["components"]["schemas"].update({model.__name__: described, **nested})
        return schema


_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {422: "Unprocessable Content"}
_MEANS: Final = {
    400: "the body cannot be read",
    401: "the token is missing or wrong",
    403: "a page of another site asks",
    404: "there is no such thing",
    405: "the path does not take this method",
    409: "the wrong moment for this request",
    413: "the body is too large",
    421: "the request is for another host",
    422: "every problem of the request is listed",
    500: "an error of the server's own",
    503: "too busy at present; try again",
}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return response(request.url.path, error.status, error.problems)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.PilotfarmError)
    problems = [("", str(error))]
    if isinstance(error, errors.ConfigError):
        problems = [(problem.where, problem.message) for problem in error.problems]
    return response(request.url.path, STATUS[type(error)], problems)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return response(request.url.path, 422, listed(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"there is no {request.url.path}"
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}"
    return response(request.url.path, error.status_code, [(request.url.path, message)], error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    """Answer nobody: who asked has left before all was said."""
    return Response()


async def _unexpected(request: Request, error: Exception) -> Response:
    message = f"an error of the server's own: {type(error).__name__}; its log says more"
    return response(request.url.path, 500, [("", message)])


def _said(error: Mapping[str, Any]) -> tuple[str, str]:
    if error["type"] == "json_invalid":
        place = f", at character {error['loc'][-1]}" if error["loc"] else ""  # pydantic itself names line and column
        return "body", f"is not JSON: {error['ctx']['error']}{place}"
    return _where(error["loc"]), str(error["msg"])


def _where(location: Sequence[int | str]) -> str:
    """Name the field, without ``body`` in front."""
    names = [str(part) for part in location]
    return ".".join(names[1:] if len(names) > 1 and names[0] == "body" else names)
