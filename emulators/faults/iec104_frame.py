"""Faults of IEC 60870-5-104: frames that come out wrong.

Frames are those of IEC 60870-5-104:2006, clause 5. A connection whose numbers or octets have been wrong cannot go on:
a master closes it, and where one has not, it is closed when the fault ends. Others go on.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.faults import iec104_frames as frames
from pilotfarm.emulators.faults.octets import corrupted
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.frames import FrameLink

_NEVER_SENT: Final = frames.MODULO // 2
"""So far ahead no frame of a master is on its way: ``k`` is at most 32767, and a sensible one far less."""


def _skipped(frame: bytes, draw: Draws) -> bytes:
    return frames.with_sent(frame, frames.sent(frame) + 1)


def _acknowledging_too_much(frame: bytes, draw: Draws) -> bytes:
    return frames.with_received(frame, frames.received(frame) + _NEVER_SENT)


def _lost(frame: bytes, draw: Draws) -> bytes:
    return b""


def _repeated(frame: bytes, draw: Draws) -> bytes:
    return frame + frame


def _no_start(frame: bytes, draw: Draws) -> bytes:
    return bytes((frames.START ^ 0xFF,)) + frame[1:]


def _truncated(frame: bytes, draw: Draws) -> bytes:
    """Its first half; the length still says how long it was to be."""
    return frame[: len(frame) // 2]


def _corrupted(frame: bytes, draw: Draws) -> bytes:
    """With one bit of its data unit turned over, which no checksum of the protocol tells."""
    return corrupted(frame, frames.HEAD_OCTETS, draw)


def _acknowledges(frame: bytes) -> bool:
    return frames.numbered(frame) or frames.supervisory(frame)


_CHANGES: Final = {
    "send-number": (frames.numbered, _skipped),
    "receive-number": (_acknowledges, _acknowledging_too_much),
    "lost": (frames.numbered, _lost),
    "repeated": (frames.numbered, _repeated),
    "corrupted": (frames.numbered, _corrupted),
    "start-octet": (frames.is_frame, _no_start),
    "truncated": (frames.is_frame, _truncated),
    "cut": (frames.is_frame, _truncated),
}
"""Mode -> which frames can be wrong in that way, and what becomes of one."""


class _Framing(FrameLink):
    """Changes some of a station's frames."""

    def __init__(self, inner: Engine, mode: str, share_frac: float, draw: Draws, now_s: float) -> None:
        super().__init__(inner, frames.size_of, now_s)
        self._mode = mode
        self._share_frac = share_frac
        self._draw = draw
        self._out_of_step = False

    def outward(self, frame: bytes) -> bytes:
        grips, changed = _CHANGES[self._mode]
        if not grips(frame) or self._draw() >= self._share_frac:
            return frame
        self._out_of_step |= self._mode != "corrupted"
        if self._mode == "cut":
            self.break_off()
        return changed(frame, self._draw)

    def let_go(self, now_s: float) -> None:
        super().let_go(now_s)
        if self._out_of_step:
            self.break_off()


def _framing(engine: Engine, mode: str, parameters: Share, key: int, now_s: float) -> _Framing:
    return _Framing(engine, mode, parameters.share_frac, Draws(key, "frame"), now_s)


IEC104_FRAME = LinkFault(
    kind="iec104-frame",
    title="Frames come out wrong: numbers out of sequence, frames lost, repeated, corrupted or truncated, no start "
    "octet, or the connection is cut amid one",
    parameters=Share,
    modes=tuple(_CHANGES),
    protocols=("iec104",),
    wrap=_framing,
    example={"share_frac": 0.1},
)
