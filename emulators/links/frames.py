"""A link that sees whole frames, and may change, withhold or add some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.links.through import Through

SizeOf: TypeAlias = Callable[[bytes], int | None]
"""How many octets the frame has that some bytes begin with: ``None`` while too few are there to tell, 0 for what can
be no frame. A protocol's longest frame bounds what a link keeps."""


class _Frames:
    """The bytes of one direction, cut into whole frames."""

    __slots__ = ("_size_of", "rest")

    def __init__(self, size_of: SizeOf) -> None:
        self._size_of = size_of
        self.rest = b""

    def take(self, data: bytes) -> Iterator[bytes]:
        """Yield each whole frame; from where there can be no frame on, all that is there, as it is."""
        self.rest += data
        while self.rest:
            size = self._size_of(self.rest)
            if size is None or size > len(self.rest):
                return
            size = size or len(self.rest)
            frame, self.rest = self.rest[:size], self.rest[size:]
            yield frame


def _every(frame: bytes) -> bool:
    return True


class FrameLink(Through):
    """A link that hands on every frame as it is: kinds of fault derive from it and say what becomes of a frame.

    Only a link that ``hears`` sees the master's frames. ``now_s`` is the time at which somebody last came. What is no
    frame passes as it is, and so does everything once the link has let go, and a frame that it does not grip.
    """

    def __init__(self, inner: Engine, size_of: SizeOf, now_s: float, *, hears: bool = False) -> None:
        super().__init__(inner)
        self.now_s = now_s
        self.grips: Callable[[bytes], bool] = _every
        """Which frames it may change; set by whoever puts it there."""
        self._hears = hears
        self._inward, self._outward = _Frames(size_of), _Frames(size_of)
        self._over = False
        self._broken = False

    @property
    def closed(self) -> bool:
        return self._broken or self.inner.closed

    def inward(self, frame: bytes) -> bytes:
        """Return what the engine gets of a master's frame."""
        return frame

    def outward(self, frame: bytes) -> bytes:
        """Return what the master gets of a frame of the engine."""
        return frame

    def break_off(self) -> None:
        """Close the connection behind what has been handed on."""
        self._broken = True

    def receive(self, data: bytes, now_s: float) -> None:
        self.now_s = now_s
        if self._hears and not self._over:
            data = b"".join(self._changed(self.inward, frame) for frame in self._inward.take(data))
        if data:
            self.inner.receive(data, now_s)

    def advance(self, now_s: float) -> None:
        self.now_s = now_s
        self.inner.advance(now_s)

    def take_output(self) -> bytes:
        output = self.inner.take_output()
        if self._over:
            output, self._outward.rest = self._outward.rest + output, b""
            return output
        told: list[bytes] = []
        for frame in self._outward.take(output):
            if self._broken:
                break
            told.append(self._changed(self.outward, frame))
        return b"".join(told)

    def _changed(self, change: Callable[[bytes], bytes], frame: bytes) -> bytes:
        if self.bites.spent or not self.grips(frame):
            return frame
        made = change(frame)
        self.bites.count += made != frame
        return made

    def let_go(self, now_s: float) -> None:
        self._over = True
        rest, self._inward.rest = self._inward.rest, b""
        if rest:
            self.inner.receive(rest, now_s)
