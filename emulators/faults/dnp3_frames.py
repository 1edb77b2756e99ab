"""Frames of DNP3, as faults look at them: IEEE 1815-2012, clauses 8 and 9."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from py1815.link import (
    HEADER_SIZE,
    MASK_FUNC,
    MIN_LENGTH,
    START,
    LinkFrame,
    LinkFrameError,
    PrimaryFunction,
    build,
    frame_size,
    parse,
)

HEADER_OCTETS: Final = HEADER_SIZE
_USER_DATA: Final = (PrimaryFunction.CONFIRMED_USER_DATA, PrimaryFunction.UNCONFIRMED_USER_DATA)


def size_of(data: bytes) -> int | None:
    """How many octets the frame has that some bytes begin with: ``None`` for too few to tell, 0 for no frame."""
    if data[:2] != START[: len(data)]:
        return 0
    if len(data) < 3:
        return None
    return frame_size(data[2] - MIN_LENGTH) if data[2] >= MIN_LENGTH else 0


def parsed(octets: bytes) -> LinkFrame | None:
    """Return a frame whose checks are right; ``None`` for anything else."""
    try:
        return parse(octets)
    except LinkFrameError:
        return None


def stations_of(octets: bytes) -> Collection[int]:
    """The link addresses that a frame is from and for; none of anything else."""
    frame = parsed(octets)
    return () if frame is None else (frame.source, frame.destination)


def carries_data(frame: LinkFrame) -> bool:
    """Whether it brings a segment of a fragment."""
    return frame.is_primary and frame.function in _USER_DATA and bool(frame.payload)


def rebuilt(
    frame: LinkFrame,
    *,
    control: int | None = None,
    destination: int | None = None,
    source: int | None = None,
    payload: bytes | None = None,
) -> bytes:
    """Return a frame with something else in it, and checks that fit."""
    return build(
        frame.control if control is None else control,
        frame.destination if destination is None else destination,
        frame.source if source is None else source,
        frame.payload if payload is None else payload,
    )


def with_function(frame: LinkFrame, function: int) -> int:
    """Return a frame's control octet with another function code, of the same side of the link (PRM)."""
    return frame.control & ~MASK_FUNC | function
