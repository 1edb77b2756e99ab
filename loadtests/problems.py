"""Errors over HTTP: problem documents (RFC 9457) that list every problem found.

The REST API and the reference SESP are both an ``Api``. ``STATUS`` is the complete table from
pilotfarm's errors to HTTP's; whatever else goes wrong is a problem document too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias, get_args, get_origin

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect

from pilotfarm.emulators import errors
from pilotfarm.emulators.wording import said, shown, unknown

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = "1"
LISTED_MAX: Final = 1_000
"""Maximum number of problems in one document; its ``detail`` counts them all."""
COMPRESSED_MIN_BYTES: Final = 1_000
"""Length from which an answer is compressed for who accepts it. A stream of events never is."""
COMPRESSION: Final = 1
"""Level of gzip: more would take masters' time and save little of lists in which every line is like the last."""
JSON_ALONE: Final = "a body is JSON here: send it with Content-Type: application/json"

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
    errors.NoAnswer: 504,
    errors.LinkError: 502,
    errors.ProtocolError: 502,
    errors.StateError: 409,
    errors.RunError: 500,
}


class ProblemItem(BaseModel):
    """One thing that is wrong."""

    where: str = Field(description="The field, quantity or path it is about", examples=["active_power_setpoint_w"])
    message: str = Field(examples=["must be from -5000 to 5000 W, not 9000"])
    line: int | None = Field(default=None, description="Where the body is text: its line, from 1; else left out")


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457), with every problem found."""

    type: str = Field("about:blank", description="Always about:blank: the status says what kind it is")
    title: str = Field(description="The status in words", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["1 problem"])
    instance: str = Field(description="Path that was asked for", examples=["/api/v1/devices/batteries-0001/setpoints"])
    problems: list[ProblemItem]


Said: TypeAlias = tuple[str, str] | tuple[str, str, int]
"""Where, what is wrong and, in a body that is text, on which line."""


class Refused(Exception):
    """A request cannot be met; becomes a problem document."""

    def __init__(self, status: int, problems: Sequence[Said]) -> None:
        self.status = status
        self.problems = tuple(problems)
        super().__init__("; ".join(each[1] for each in self.problems))


def response(
    path: str,
    status: int,
    problems: Sequence[Said],
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """Build a problem document; 503 says when to try again.

    ``more`` are members besides those of every problem document (RFC 9457, 3.2).
    """
    detail = problems[0][1] if len(problems) == 1 else f"{len(problems)} problems"
    document = ProblemDocument(
        title=_PHRASES.get(status, "Error"),
        status=status,
        detail=detail,
        instance=path,
        problems=[_item(*each) for each in problems[:LISTED_MAX]],
    )
    retry = {"Retry-After": RETRY_AFTER_S} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    content = {**document.model_dump(exclude_none=True), **(more or {})}
    return _Document(content, status, {**retry, **(headers or {})})


def _item(where: str, message: str, line: int | None = None) -> ProblemItem:
    return ProblemItem(where=where, message=message, line=line)


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


def listed(found: Iterable[Mapping[str, Any]], asked: Any = None) -> list[tuple[str, str]]:
    """Turn pydantic's errors into the ``(where, message)`` pairs of a ``Refused``.

    ``asked`` is the type that was asked for: it has the names that may have been meant.
    """
    return [_said(each, asked) for each in found]


def of_file(problem: errors.Problem) -> Said:
    """Return a problem of a file as one of a request, with its line if it has one."""
    return (problem.where, problem.message, problem.line) if problem.line else (problem.where, problem.message)


class StrictRoute(APIRoute):
    """A route that takes no query parameter it does not know, none twice that is one, and no body but JSON."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        refusals = documented(400, 413, 415, 422) if self.body_field else documented(422)
        self.responses = {**refusals, **self.responses}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        trial = copy(self)
        trial.dependant = replace(self.dependant, call=_nothing)
        find_others = APIRoute.get_route_handler(trial)

        async def handle(given: Request) -> Response:
            request = _Once(given.scope, given.receive)
            if self.body_field and not is_json(request) and await request.body():
                raise Refused(415, [("Content-Type", JSON_ALONE)])
            strange = list(self._strange(request))
            if not strange:
                return await answer(request)
            try:
                return await find_others(request)
            except RequestValidationError as error:
                raise RequestValidationError([*strange, *error.errors()]) from None

        return handle

    def _strange(self, request: Request) -> Iterator[dict[str, Any]]:
        """Find the parameters that the route does not know, or that are given more than once and can be but one."""
        known = {field.alias: field.field_info.annotation for field in self.dependant.query_params}
        for name in dict.fromkeys(request.query_params):
            error: ValueError | None = None
            if name not in known:
                error = ValueError(unknown(name, known) if known else f"{shown(name)} is not known; none is taken here")
            elif len(request.query_params.getlist(name)) > 1 and not _takes_many(known[name]):
                error = ValueError("is given more than once")
            if error is not None:
                yield {"type": "value_error", "loc": ("query", name), "msg": str(error), "ctx": {"error": error}}


class _Once(Request):
    """A request in whose body no name is given twice to one table."""

    async def json(self) -> Any:
        return strict_json((await self.body()).decode())


def strict_json(text: str) -> Any:
    """Read JSON in which no name is given twice to one table; ``ValueError`` if it is none."""
    return json.loads(text, object_pairs_hook=_table)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise json.JSONDecodeError(f"{shown(twice)} is given more than once in one object", "", 0)
    return table


def is_json(request: Request) -> bool:
    """Whether a request says that its body is JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


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
        self.router.route_class = StrictRoute
        self.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_MIN_BYTES, compresslevel=COMPRESSION)
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
    415: "the body is not said to be JSON",
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
    problems: list[Said] = [("", str(error))]
    if isinstance(error, errors.ConfigError):
        problems = [of_file(problem) for problem in error.problems]
    return response(request.url.path, STATUS[type(error)], problems)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    unreadable = any(each["type"] == "json_invalid" for each in found)
    return response(request.url.path, 400 if unreadable else 422, listed(found, _asked(request)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"there is no {request.url.path}"
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}"
    elif error.status_code == 400:  # FastAPI's answer to a body that is no text
        return response(request.url.path, 400, [("body", "is not JSON in UTF-8, or is nested too deeply")])
    return response(request.url.path, error.status_code, [(request.url.path, message)], error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    """Answer nobody: who asked has left before all was said."""
    return Response()


async def _unexpected(request: Request, error: Exception) -> Response:
    message = f"an error of the server's own: {type(error).__name__}; its log says more"
    return response(request.url.path, 500, [("", message)])


def _said(error: Mapping[str, Any], asked: Any) -> tuple[str, str]:
    if error["type"] == "json_invalid":
        at = error["loc"][-1] if error["loc"] else 0  # pydantic itself names line and column
        return "body", f"is not JSON: {error['ctx']['error']}" + (f", at character {at}" if at else "")
    return _where(error["loc"]), said(error, _names(asked, _within_body(error["loc"])[:-1]))


def _where(location: Sequence[int | str]) -> str:
    """Name the field, without ``body`` in front."""
    return ".".join(str(part) for part in _within_body(location) or location)


def _within_body(location: Sequence[int | str]) -> Sequence[int | str]:
    return location[1:] if location and location[0] == "body" else location


def _names(asked: Any, path: Sequence[int | str]) -> list[str]:
    """The names that a table at some place of what was asked for may have; none where any name goes."""
    if isinstance(asked, type) and issubclass(asked, BaseModel):
        if not path:
            return list(asked.model_fields)
        return _names(asked.model_fields[str(path[0])].annotation, path[1:]) if path[0] in asked.model_fields else []
    # A list, a table, one of several: the last of its types is that of what is in it.
    inner = [each for each in get_args(asked) if each is not type(None)]
    return _names(inner[-1], path[1:] if get_origin(asked) in (list, dict) else path) if inner else []


def _asked(request: Request) -> Any:
    """The type of the body that a request's route takes."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else field.field_info.annotation


def _takes_many(annotation: Any) -> bool:
    return list in (get_origin(annotation), *map(get_origin, get_args(annotation)))


async def _nothing(**_: Any) -> None:
    """Stand for an endpoint where a request is refused already, and nothing else is wrong with it."""
    raise RequestValidationError([])
