"""Faults of DNP3: frames and segments of an outstation that come out wrong.

Clauses are those of IEEE 1815-2012. A frame has a check of its own over the header and one over each 16 octets of data
(9.2.4.2), so that a receiver finds where the next one begins and the connection goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from py1815.link import MASK_DIR, MAX_ADDRESS, LinkFrame
from py1815.transport import FIN_MASK, FIR_MASK, SEQ_MASK

from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.faults import dnp3_frames as frames
from pilotfarm.emulators.faults.octets import corrupted
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.frames import FrameLink

_BEHIND_LENGTH: Final = 3
"""Start (2) and length (1) come first (9.2.4.1)."""


# ---------------------------------------------------------------------------------- which, and what of it


def _any(frame: LinkFrame) -> bool:
    return True


def _continues(frame: LinkFrame) -> bool:
    return frames.carries_data(frame) and not frame.payload[0] & FIR_MASK


def _begins(frame: LinkFrame) -> bool:
    return frames.carries_data(frame) and bool(frame.payload[0] & FIR_MASK)


def _ends(frame: LinkFrame) -> bool:
    return frames.carries_data(frame) and bool(frame.payload[0] & FIN_MASK)


def _header_crc(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    """With one bit of its header turned over, not of the length: that says where the next frame begins."""
    return corrupted(octets, _BEHIND_LENGTH, draw, frames.HEADER_OCTETS)


def _data_crc(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return corrupted(octets, frames.HEADER_OCTETS, draw)


def _no_start(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return bytes((octets[0] ^ 0xFF,)) + octets[1:]


def _truncated(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    """Its first half; the length still says how long it was to be."""
    return octets[: len(octets) // 2]


def _beside(address: int) -> int:
    return (address + 1) % (MAX_ADDRESS + 1)


def _source(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return frames.rebuilt(frame, source=_beside(frame.source))


def _destination(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return frames.rebuilt(frame, destination=_beside(frame.destination))


def _direction(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return frames.rebuilt(frame, control=frame.control ^ MASK_DIR)


def _lost(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return b""


def _repeated(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return octets + octets


def _with_transport(frame: LinkFrame, header: int) -> bytes:
    return frames.rebuilt(frame, payload=bytes((header,)) + frame.payload[1:])


def _sequence(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    header = frame.payload[0]
    return _with_transport(frame, header & ~SEQ_MASK | (header + 1) & SEQ_MASK)


def _no_first(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return _with_transport(frame, frame.payload[0] & ~FIR_MASK)


def _no_final(octets: bytes, frame: LinkFrame, draw: Draws) -> bytes:
    return _with_transport(frame, frame.payload[0] & ~FIN_MASK)


_CHANGES: Final[dict[str, tuple[Callable[[LinkFrame], bool], Callable[[bytes, LinkFrame, Draws], bytes]]]] = {
    "header-crc": (_any, _header_crc),
    "data-crc": (frames.carries_data, _data_crc),
    "start": (_any, _no_start),
    "truncated": (_any, _truncated),
    "cut": (_any, _truncated),
    "source": (_any, _source),
    "destination": (_any, _destination),
    "direction": (_any, _direction),
    "lost": (frames.carries_data, _lost),
    "repeated": (frames.carries_data, _repeated),
    "doubled": (_ends, _repeated),
    "sequence": (_continues, _sequence),
    "no-first": (_begins, _no_first),
    "no-final": (_ends, _no_final),
}
"""Mode -> which frames can be wrong in that way, and what becomes of one; of doubled fragments all frames follow."""


class _Framing(FrameLink):
    """Changes some of an outstation's frames."""

    def __init__(self, inner: Engine, mode: str, share_frac: float, draw: Draws, now_s: float) -> None:
        super().__init__(inner, frames.size_of, now_s)
        self._mode = mode
        self._share_frac = share_frac
        self._draw = draw
        self._fragment = b""
        """The frames so far of the fragment that is being sent, while some are doubled."""

    def outward(self, octets: bytes) -> bytes:
        frame = frames.parsed(octets)
        if frame is None:
            return octets
        if self._mode == "doubled" and frames.carries_data(frame):
            self._fragment = octets if _begins(frame) else self._fragment + octets
        grips, changed = _CHANGES[self._mode]
        if not grips(frame) or self._draw() >= self._share_frac:
            return octets
        if self._mode == "cut":
            self.break_off()
        return octets + self._fragment if self._mode == "doubled" else changed(octets, frame, self._draw)


def _framing(engine: Engine, mode: str, parameters: Share, key: int, now_s: float) -> _Framing:
    return _Framing(engine, mode, parameters.share_frac, Draws(key, "frame"), now_s)


DNP3_FRAME = LinkFault(
    kind="dnp3-frame",
    title="Frames come out wrong: their checks, start, addresses or direction, truncated, lost or repeated, segments "
    "out of sequence, without a first or a last one, whole fragments doubled, or the connection is cut amid one",
    parameters=Share,
    modes=tuple(_CHANGES),
    protocols=("dnp3",),
    wrap=_framing,
    whose=lambda mode: None if mode == "cut" else frames.stations_of,
    example={"share_frac": 0.1},
)
