"""What masters and devices say on the wire, as a capture for Wireshark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from pilotfarm.api.routes.context import Context, Here
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.serving.capture import CAPTURES_MAX, WAITING_MAX
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["watch"], route_class=StrictRoute)

SECONDS_MAX: Final = 86_400.0
_PCAPNG: Final = "application/octet-stream"
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A pcapng file, as it grows",
        "content": {_PCAPNG: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_HEADERS: Final = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="capture.pcapng"'}
Glob = Annotated[str, Query(description="Only addresses of devices of this glob", min_length=1, max_length=200)]


@router.get(
    "/capture",
    summary="What masters and devices say on the wire (pcapng)",
    description="Connections to the addresses of these devices, from now on, until either side ends the stream. An "
    "address that answers for several devices shows all of them. Octets are taken where connections meet the engines, "
    f"without privileges, and stand in TCP segments made for them. Up to {CAPTURES_MAX} captures at once; a reader "
    f"more than {WAITING_MAX // 2**20} MiB behind loses packets, and the file's last block counts them.",
    response_class=StreamingResponse,
    responses={**_STREAM, **documented(404, 409)},
)
async def read_capture(
    here: Here,
    device: Glob = "*",
    protocol: Annotated[str | None, Query(description="Only over this protocol", min_length=1, max_length=64)] = None,
    station: Annotated[str | None, Query(description="Only at this station", min_length=1, max_length=64)] = None,
    seconds: Annotated[float, Query(description="Wall time it lasts", gt=0, le=SECONDS_MAX)] = SECONDS_MAX,
) -> StreamingResponse:
    numbers = _numbers(here, device, protocol, station)
    if not numbers:
        raise Refused(404, [("", "no way to a device matches; `GET endpoints` lists all")])
    stream = _stream(here, numbers, seconds)
    first = await anext(stream)  # whether there is room for one is told before the answer begins
    return StreamingResponse(_after(first, stream), media_type=_PCAPNG, headers=_HEADERS)


def _numbers(here: Context, device: str, protocol: str | None, station: str | None) -> Sequence[int]:
    return [
        number
        for number, place in enumerate(here.pilot.images.places)
        if protocol in (None, place.layout.protocol)
        and station in (None, place.layout.name)
        and any(fnmatchcase(placed.seat.device.id, device) for placed in place.placed)
    ]


async def _stream(here: Context, numbers: Sequence[int], seconds: float) -> AsyncIterator[bytes]:
    clock, loop = here.pilot.clock, asyncio.get_running_loop()
    try:
        with here.pilot.server.captured(numbers) as capture:
            ends = loop.call_later(seconds, lambda: capture.end(clock.now_s()))
            try:
                async for piece in capture:
                    yield piece
            finally:
                ends.cancel()
    except StateError as error:
        raise Refused(409, [("", str(error))]) from None


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
