"""The reference SESP's HTTP side.

Requests are parsed on the event loop; one thread owns the database. Whatever arrives while a
transaction runs goes into the next one together, and a request is answered once its own readings
are committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from email.message import Message
from typing import Annotated, Any, Final, TypeVar

from fastapi import FastAPI, Query, Request, Security
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from pilotfarm.emulators.clock import Clock, WallClock
from pilotfarm.loadtests.problems import MEDIA_TYPE, Api, Refused, documented, listed, response
from pilotfarm.loadtests.sesp.database import cause
from pilotfarm.loadtests.sesp.model import (
    INTEGER_MAX,
    NO_NUL,
    READINGS_MAX,
    DevicePage,
    DeviceSequences,
    DeviceSummary,
    Health,
    Reading,
    ReadingPage,
    Receipt,
    Run,
    SequencePage,
    StoredReading,
    instant,
)
from pilotfarm.loadtests.sesp.store import Store, Stored
from pilotfarm.loadtests.web.docs import add_docs
from pilotfarm.loadtests.web.gate import TokenGate

log = logging.getLogger(__name__)

BODY_MAX: Final = 4 * 2**20
"""Maximum length of a request body. [bytes]"""
BACKLOG_MAX: Final = 50_000
"""Maximum number of readings waiting for the database; beyond it a sender gets 503."""
BATCH_MAX: Final = 2_000
"""Number of readings beyond which a transaction takes no further request."""
PAGE_MAX: Final = 5_000

_T = TypeVar("_T")
_ONE: Final = TypeAdapter(Reading)
_MANY: Final = TypeAdapter(list[Reading])
_READING_SCHEMA: Final = {"$ref": "#/components/schemas/Reading"}
_READINGS_SCHEMA: Final = {"type": "array", "minItems": 1, "maxItems": READINGS_MAX, "items": _READING_SCHEMA}
_CONFLICT: Final = {
    "description": "Conflict: a reading is not stored because another one of its name is; the receipt tells of all",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "allOf": [{"$ref": "#/components/schemas/ProblemDocument"}],
                "properties": {"receipt": {"$ref": "#/components/schemas/Receipt"}},
                "required": ["receipt"],
            }
        }
    },
}
_BODY: Final = {
    "required": True,
    "content": {"application/json": {"schema": {"anyOf": [_READING_SCHEMA, _READINGS_SCHEMA]}}},
}


class IngestQueue:
    """The queue in front of the database, and the one thread that owns it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "sesp-database")
        self._waiting: list[tuple[list[dict[str, Any]], asyncio.Future[list[Stored]]]] = []
        self._backlog = 0
        self._wake = asyncio.Event()
        self._takes = True
        self.received = self.stored = self.duplicates = self.conflicts = 0

    async def add(self, readings: list[Reading]) -> Receipt:
        """Queue readings, wait until they are committed, and return the receipt."""
        if self._backlog + len(readings) > BACKLOG_MAX:
            raise Refused(503, [("", f"{self._backlog} readings wait for the database; send these again in a second")])
        now_s = self._clock.now_s()
        answer: asyncio.Future[list[Stored]] = asyncio.get_running_loop().create_future()
        self._backlog += len(readings)
        self._waiting.append(([reading.row(now_s) for reading in readings], answer))
        self._wake.set()
        stored = await answer
        receipt = Receipt.of(readings, stored, now_s)
        self.received += receipt.received
        self.stored += receipt.stored
        self.duplicates += receipt.duplicates
        self.conflicts += receipt.conflicts
        return receipt

    async def read(self, query: Callable[[], _T]) -> _T:
        """Run a query in the database's thread."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, query)
        except SQLAlchemyError as error:
            raise Refused(503, [("", f"the database did not take it: {cause(error)}")]) from error

    async def write(self) -> None:
        """Move the queued readings into the database, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._commit(self._take_batch())

    def close(self) -> None:
        self._thread.shutdown()
        self.store.close()

    def _take_batch(self) -> list[tuple[list[dict[str, Any]], asyncio.Future[list[Stored]]]]:
        batch, size = [], 0
        while self._waiting and size < BATCH_MAX:
            batch.append(self._waiting.pop(0))
            size += len(batch[-1][0])
        return batch

    async def _commit(self, batch: list[tuple[list[dict[str, Any]], asyncio.Future[list[Stored]]]]) -> None:
        rows = [row for part, _ in batch for row in part]
        try:
            stored = iter(await self.read(lambda: self.store.add(rows)))
        except Refused as refused:
            self._tell_operator(False, str(refused))
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(refused)
        else:
            self._tell_operator(True, "the database takes readings again")
            for part, answer in batch:
                mine = [next(stored) for _ in part]
                if not answer.done():
                    answer.set_result(mine)
        finally:
            self._backlog -= len(rows)

    def _tell_operator(self, takes: bool, news: str) -> None:
        """Log when the database begins to refuse readings, and when it takes them again; not each one."""
        if takes != self._takes:
            log.warning(news)
        self._takes = takes


def _conflict(path: str, receipt: Receipt) -> Response:
    """Return the answer to a request with readings that are not stored because others of their names are."""
    found = [
        (str(n), f"{entry.device_id} has another reading {entry.sequence} in this run, with other values; it stays")
        for n, entry in enumerate(receipt.readings)
        if entry.conflict
    ]
    return response(path, 409, found, more={"receipt": receipt.model_dump(mode="json")})


def _require_json(request: Request) -> None:
    """Refuse a body of another type: a page of a browser may send those to any address without being asked."""
    kind = Message()
    kind["content-type"] = request.headers.get("content-type", "")
    charset = kind.get_content_charset("utf-8")
    if kind.get_content_type() != "application/json" or charset not in ("utf-8", "us-ascii"):
        given = request.headers.get("content-type", "nothing")
        takes = {"Accept": "application/json", "Accept-Post": "application/json"}
        raise HTTPException(415, f"send readings as application/json in UTF-8, not as {given}", takes)
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        raise HTTPException(415, f"send readings as they are, not as {coding}", {"Accept-Encoding": "identity"})


async def _body(request: Request) -> bytes:
    """Read a request's body, and stop reading when it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise Refused(413, [("", f"the body is longer than {BODY_MAX} bytes; send fewer readings at a time")])
    return bytes(body)


def _parsed(body: bytes) -> list[Reading]:
    many = body.lstrip()[:1] == b"["
    try:
        readings = _MANY.validate_json(body) if many else [_ONE.validate_json(body)]
    except ValidationError as error:
        raise Refused(422, listed(error.errors(include_url=False), Reading)) from error
    if not 1 <= len(readings) <= READINGS_MAX:
        raise Refused(422, [("body", f"one request carries 1 to {READINGS_MAX} readings, not {len(readings)}")])
    return readings


def make_app(database: str, clock: Clock | None = None, token: str | None = None) -> FastAPI:
    """Make a SESP over a database; it is opened when the application starts and closed when it ends.

    With ``token`` every request needs it as bearer, but for its health and its description.
    """
    wall = WallClock() if clock is None else clock

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        queue = app.state.queue = IngestQueue(Store(database), wall)
        writer = asyncio.create_task(queue.write())
        try:
            yield
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            queue.close()

    app = Api(
        models=[Reading],
        title="pilotfarm reference SESP",
        version="1",
        lifespan=lifespan,
        dependencies=[Security(HTTPBearer(auto_error=False))] if token is not None else [],
        responses=documented(500) if token is None else documented(401, 500),
    )
    opened = ["/healthz", "/openapi.json", *add_docs(app, "/docs")]
    if token is not None:
        app.add_middleware(TokenGate, token=token, open_paths=frozenset(opened))
    _add_routes(app)
    return app


_Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
_Text = Annotated[str, Query(pattern=NO_NUL)]


def _add_routes(app: FastAPI) -> None:
    problems = documented(422, 503)

    @app.post(
        "/api/v1/readings",
        status_code=201,
        response_model=Receipt,
        responses={**documented(413, 415, 422, 503), 409: _CONFLICT},
        openapi_extra={"requestBody": _BODY},
    )
    async def store_readings(request: Request) -> Receipt | Response:
        """Store one reading or a list of them, and give the receipt; a reading sent again is stored once.

        Of a request with anything wrong nothing is stored. A reading whose run, device and sequence are stored
        with other values is a conflict: it is not stored, all others of the request are, and the answer is 409.
        """
        _require_json(request)
        receipt: Receipt = await request.app.state.queue.add(_parsed(await _body(request)))
        return _conflict(request.url.path, receipt) if receipt.conflicts else receipt

    @app.get("/api/v1/readings", responses=problems)
    async def list_readings(
        request: Request,
        device_id: _Text | None = None,
        run: _Text | None = None,
        since: AwareDatetime | None = None,
        after: Annotated[int, Query(ge=0, le=INTEGER_MAX)] = 0,
        limit: _Limit = 100,
    ) -> ReadingPage:
        """Read back what was stored, in the order of arrival, a page at a time."""
        queue: IngestQueue = request.app.state.queue
        since_s = None if since is None else since.timestamp()
        rows = await queue.read(
            lambda: queue.store.readings(device_id=device_id, run=run, since_s=since_s, after=after, limit=limit)
        )
        return ReadingPage(
            readings=[StoredReading.of(row) for row in rows], next=rows[-1]["id"] if len(rows) == limit else None
        )

    @app.get("/api/v1/devices", responses=problems)
    async def list_devices(request: Request, after: _Text = "", limit: _Limit = 1_000) -> DevicePage:
        """List the devices that have sent readings."""
        queue: IngestQueue = request.app.state.queue
        rows = await queue.read(lambda: queue.store.devices(after=after, limit=limit))
        devices = [DeviceSummary(last_timestamp=instant(row.pop("last_s")), **row) for row in rows]
        return DevicePage(devices=devices, next=devices[-1].device_id if len(devices) == limit else None)

    @app.get("/api/v1/runs/{run}/sequences", responses=problems)
    async def list_sequences(request: Request, run: Run, after: _Text = "", limit: _Limit = 1_000) -> SequencePage:
        """Tell which sequence numbers of a run are stored, device by device, for reconciliation."""
        queue: IngestQueue = request.app.state.queue
        rows = await queue.read(lambda: queue.store.sequences(run, after=after, limit=limit))
        devices = [DeviceSequences(**row) for row in rows]
        return SequencePage(run=run, devices=devices, next=devices[-1].device_id if len(devices) == limit else None)

    @app.get("/healthz")
    async def read_health(request: Request) -> Health:
        """Say that the SESP runs, and what it has taken since it started."""
        queue: IngestQueue = request.app.state.queue
        return Health(
            status="ok",
            received=queue.received,
            stored=queue.stored,
            duplicates=queue.duplicates,
            conflicts=queue.conflicts,
        )
