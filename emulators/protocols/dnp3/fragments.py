"""Application fragments in a stream of link frames: where filters of whole messages stand.

py1815's ``Session`` takes and gives link frames and lets nobody between its layers, so filters stand around it:
fragments are put together as it would, and what passes unchanged goes on in the frames it came in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from py1815.link import FrameReader, LinkFrame, PrimaryFunction, build, control_byte
from py1815.transport import Reassembler, TransportError, segment

from pilotfarm.emulators.contracts.way import Filter
from pilotfarm.emulators.links import filters as through

_USER_DATA = (PrimaryFunction.CONFIRMED_USER_DATA, PrimaryFunction.UNCONFIRMED_USER_DATA)


class Fragments:
    """Both directions of one connection."""

    __slots__ = ("_inward", "_outward")

    def __init__(self) -> None:
        self._inward, self._outward = _Direction(), _Direction()

    def inward(self, filters: Sequence[Filter], data: bytes, now_s: float) -> tuple[bytes, bytes]:
        """Return what the session gets of a master's bytes, and what the master gets in its place."""
        passed, back = bytearray(), bytearray()
        for octets, frame, fragment in self._inward.take(data):
            asked, answer = (fragment, None) if fragment is None else through.inward(filters, fragment, now_s)
            if answer is not None and not frame.is_broadcast:  # which nobody answers
                back += _framed(answer, frame.source, frame.destination, from_master=False)
            if fragment is None or asked == fragment:
                passed += octets
            elif asked is not None:
                passed += _framed(asked, frame.destination, frame.source, from_master=True)
        return bytes(passed), bytes(back)

    def outward(self, filters: Sequence[Filter], data: bytes, now_s: float) -> bytes:
        """Return what the master gets of the session's bytes."""
        passed = bytearray()
        for octets, frame, fragment in self._outward.take(data):
            passed_on = None if fragment is None else through.outward(filters, fragment, now_s)
            if fragment is None or passed_on == fragment:
                passed += octets
            elif passed_on is not None:
                passed += _framed(passed_on, frame.destination, frame.source, from_master=False)
        return bytes(passed)


class _Direction:
    """Frames one way, held until the fragment they carry is whole."""

    __slots__ = ("_held", "_reader", "_reassembler")

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._reassembler = Reassembler()
        self._held = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[bytes, LinkFrame, bytes | None]]:
        """Yield octets, their last frame, and the fragment they carry; frames that carry none go by themselves."""
        for frame in self._reader.feed(data):
            octets = build(frame.control, frame.destination, frame.source, frame.payload)
            if not frame.is_primary or frame.function not in _USER_DATA:
                yield octets, frame, None
                continue
            try:
                fragment = self._reassembler.add(frame.payload)
            except TransportError:
                yield bytes(self._held) + octets, frame, None
                self._held.clear()
                continue
            self._held += octets
            if fragment is not None or not self._reassembler.in_progress:
                yield bytes(self._held), frame, fragment
                self._held.clear()


def _framed(fragment: bytes, destination: int, source: int, *, from_master: bool) -> bytes:
    control = control_byte(from_master=from_master, primary=True, function=PrimaryFunction.UNCONFIRMED_USER_DATA)
    return b"".join(build(control, destination, source, each) for each in segment(fragment))
