"""Faults of the link of IEC 60870-5-104: starts, stops and tests nobody answers, and what a station owes its master.

Frames are those of IEC 60870-5-104:2006, clause 5. Both kinds leave a connection that goes on: when they end, what is
held is handed on and what is withheld is made good.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.faults import iec104_frames as frames
from pilotfarm.emulators.faults.parameters import Nothing
from pilotfarm.emulators.links.frames import FrameLink

DELAY_MAX_S: Final = 600.0

# ------------------------------------------------------------------------ starts, stops and tests


class Functions(BaseModel):
    """Whether they are taken late, or never."""

    model_config = ConfigDict(extra="forbid")

    delay_s: float | None = Field(
        None,
        gt=0.0,
        le=DELAY_MAX_S,
        allow_inf_nan=False,
        description="How late the station takes it, in wall time [s]; never if left out",
    )


_FUNCTIONS: Final = {
    "startdt": frames.unnumbered(frames.STARTDT_ACT),
    "stopdt": frames.unnumbered(frames.STOPDT_ACT),
    "testfr": frames.unnumbered(frames.TESTFR_ACT),
}
_TAKEN_BACK_BY: Final = {"startdt": _FUNCTIONS["stopdt"], "stopdt": _FUNCTIONS["startdt"]}


class _Unheard(FrameLink):
    """Keeps a function from the station, for a while or for good."""

    def __init__(self, inner: Engine, mode: str, delay_s: float | None, now_s: float) -> None:
        super().__init__(inner, frames.size_of, now_s, hears=True)
        self._function = _FUNCTIONS[mode]
        self._taken_back_by = _TAKEN_BACK_BY.get(mode)
        self._delay_s = delay_s
        self._due_s: float | None = None

    def inward(self, frame: bytes) -> bytes:
        if frame == self._taken_back_by:
            self._due_s = None
        if frame != self._function:
            return frame
        if self._due_s is None and self._delay_s is not None:
            self._due_s = self.now_s + self._delay_s
        return b""

    def advance(self, now_s: float) -> None:
        if self._due_s is not None and now_s >= self._due_s:
            self._hand_on(now_s)
        super().advance(now_s)

    def deadline_s(self) -> float | None:
        due = (self._due_s, self.inner.deadline_s())
        return min((each for each in due if each is not None), default=None)

    def let_go(self, now_s: float) -> None:
        if self._due_s is not None:
            self._hand_on(now_s)
        super().let_go(now_s)

    def _hand_on(self, now_s: float) -> None:
        self._due_s = None
        self.inner.receive(self._function, now_s)


def _unheard(engine: Engine, mode: str, parameters: Functions, key: int, now_s: float) -> _Unheard:
    return _Unheard(engine, mode, parameters.delay_s, now_s)


IEC104_FUNCTION = LinkFault(
    kind="iec104-function",
    title="A start of the data transfer, a stop or a test is not taken, or late",
    parameters=Functions,
    modes=tuple(_FUNCTIONS),
    protocols=("iec104",),
    wrap=_unheard,
    example={"delay_s": 5.0},
)

# --------------------------------------------------------------------------------- what is withheld


class _Withholding(FrameLink):
    """Keeps from the master what the station owes it: acknowledgements, or tests."""

    def __init__(self, inner: Engine, mode: str, now_s: float) -> None:
        super().__init__(inner, frames.size_of, now_s, hears=True)
        self._mode = mode
        self._first: int | None = None
        """N(S) of the first data unit of the master since the fault began: what came before it may be acknowledged."""
        self._owed: int | None = None
        """The receive number that the station believes its master to have."""

    def inward(self, frame: bytes) -> bytes:
        if self._first is None and frames.numbered(frame):
            self._first = frames.sent(frame)
        return frame

    def outward(self, frame: bytes) -> bytes:
        if self._mode == "tests":
            return self._untested(frame)
        if frames.supervisory(frame):
            self._owed = frames.received(frame)
            return b""
        if not frames.numbered(frame):
            return frame
        if self._mode == "s-frames" or self._first is None:
            self._owed = None
            return frame
        self._owed = frames.received(frame)
        return frames.with_received(frame, self._first)

    def take_output(self) -> bytes:
        output = super().take_output()
        if self._over and self._owed is not None:
            output, self._owed = frames.acknowledgement(self._owed) + output, None
        return output

    def _untested(self, frame: bytes) -> bytes:
        """Keep a test, and confirm it in the master's place: the station would close, and is to hear nothing of it."""
        if frame != _FUNCTIONS["testfr"]:
            return frame
        self.inner.receive(frames.unnumbered(frames.TESTFR_CON), self.now_s)
        return b""


def _withholding(engine: Engine, mode: str, parameters: Nothing, key: int, now_s: float) -> _Withholding:
    return _Withholding(engine, mode, now_s)


IEC104_WITHHELD = LinkFault(
    kind="iec104-withheld",
    title="A station acknowledges nothing by itself (S frames), nothing at all, or never tests its connections",
    parameters=Nothing,
    modes=("s-frames", "acknowledgements", "tests"),
    protocols=("iec104",),
    wrap=_withholding,
)
