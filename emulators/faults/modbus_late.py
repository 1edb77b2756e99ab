"""Faults of Modbus: answers that come when nobody waits for them any more."""

from __future__ import annotations

from collections import deque
from typing import Final

from pydantic import Field

from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.hindrance import Hindrance, Impairment
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.faults.modbus_frames import framing_of
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.frames import FrameLink
from pilotfarm.emulators.links.pipe import HELD_MAX_BYTES

DELAY_MAX_S: Final = 600.0


class Lateness(Share):
    """How late, and how often."""

    delay_s: float = Field(
        1.5,
        gt=0.0,
        le=DELAY_MAX_S,
        allow_inf_nan=False,
        description="How late an answer is, in wall time [s]; with `lagging` the next answer brings it",
    )


class _Late(FrameLink):
    """Holds some answers back.

    In mode ``late`` those behind one wait for it, with ``overtaken`` they do not, and with ``lagging`` the next answer
    brings it along. A connection that has more than ``HELD_MAX_BYTES`` of answers held is closed.
    """

    def __init__(self, inner: Engine, mode: str, parameters: Lateness, draw: Draws, now_s: float) -> None:
        super().__init__(inner, framing_of(inner).size_of, now_s)
        self._mode = mode
        self._parameters = parameters
        self._draw = draw
        self._held: deque[tuple[float, bytes]] = deque()
        """When each is due and what it is; the first holds up the rest."""

    def outward(self, frame: bytes) -> bytes:
        late = self._draw() < self._parameters.share_frac
        if self._mode == "lagging":
            brought = self._released(self.now_s)
            if not late:
                return brought + frame
            self._held.append((self.now_s, frame))
            return brought
        if not late and (self._mode == "overtaken" or not self._held):
            return frame
        self._held.append((self.now_s + (self._parameters.delay_s if late else 0.0), frame))
        if sum(len(each) for _, each in self._held) > HELD_MAX_BYTES:
            self.break_off()
        return b""

    def take_output(self) -> bytes:
        if self._over:
            return self._released(float("inf")) + super().take_output()
        told = super().take_output()
        return told if self._mode == "lagging" else told + self._released(self.now_s)

    def deadline_s(self) -> float | None:
        due = [self._held[0][0]] if self._held and self._mode != "lagging" else []
        inner_s = self.inner.deadline_s()
        return min([*due, *([] if inner_s is None else [inner_s])], default=None)

    def _released(self, now_s: float) -> bytes:
        released = []
        while self._held and self._held[0][0] <= now_s:
            released.append(self._held.popleft()[1])
        return b"".join(released)


def _late(engine: Engine, mode: str, parameters: Lateness, key: int, now_s: float) -> _Late:
    return _Late(engine, mode, parameters, Draws(key, "late"), now_s)


def _polled(mode: str, parameters: Lateness) -> Hindrance:
    if mode == "lagging":
        return Hindrance(parameters.share_frac, unanswered=True)
    return Hindrance(parameters.share_frac, back=Impairment(delay_s=parameters.delay_s))


MODBUS_LATE = LinkFault(
    kind="modbus-late",
    title="Answers come late, while requests arrive in time: when the master has given up and asked for something else",
    parameters=Lateness,
    modes=("late", "overtaken", "lagging"),
    protocols=("modbus",),
    wrap=_late,
    polled=_polled,
    example={"delay_s": 1.5, "share_frac": 0.1},
)
