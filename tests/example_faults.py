"""Faults of each family on the way, as small as can be: what a new one needs, and what the hooks are tried with.

A test registers one with a line: ``monkeypatch.setitem(registry.FAULTS, "slow", "example_faults:SLOW")``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import AdmissionFault, ClockFault, LinkFault, ProtocolFault, needed
from pilotfarm.emulators.contracts.way import Admission, Bites, Engine


class Delayed(BaseModel):
    delay_s: float = 1.0


class Nothing(BaseModel):
    """Nothing to choose."""


@dataclass
class Delay:
    """Everything arrives ``delay_s`` later, both ways."""

    inner: Engine
    delay_s: float
    inward: deque[tuple[float, bytes]] = field(default_factory=deque)
    outward: deque[tuple[float, bytes]] = field(default_factory=deque)
    ready: bytes = b""
    bites: Bites = field(default_factory=Bites)

    @property
    def closed(self) -> bool:
        return self.inner.closed and not self.outward and not self.ready

    def receive(self, data: bytes, now_s: float) -> None:
        self.inward.append((now_s + self.delay_s, data))
        self.advance(now_s)

    def advance(self, now_s: float) -> None:
        while self.inward and self.inward[0][0] <= now_s:
            self.inner.receive(self.inward.popleft()[1], now_s)
        self.inner.advance(now_s)
        output = self.inner.take_output()
        if output:
            self.outward.append((now_s + self.delay_s, output))
        while self.outward and self.outward[0][0] <= now_s:
            self.ready += self.outward.popleft()[1]

    def deadline_s(self) -> float | None:
        due = [each[0][0] for each in (self.inward, self.outward) if each]
        inner_s = self.inner.deadline_s()
        return min([*due, *([] if inner_s is None else [inner_s])], default=None)

    def take_output(self) -> bytes:
        output, self.ready = self.ready, b""
        return output

    def hang_up(self, now_s: float) -> None:
        self.inner.hang_up(now_s)

    def let_go(self, now_s: float) -> None:
        self.delay_s = 0.0
        self.inward = deque((now_s, data) for _, data in self.inward)
        self.outward = deque((now_s, data) for _, data in self.outward)
        self.advance(now_s)


SLOW = LinkFault(
    kind="slow",
    title="Bytes arrive late",
    parameters=Delayed,
    wrap=lambda engine, mode, parameters, key, now_s: Delay(engine, parameters.delay_s),
)


class Deaf:
    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return None, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


class Mute:
    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return None


class Echo:
    """Says back what it hears."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return None, message

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


class Garbled:
    """What goes out has its last octet turned over."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message[:-1] + bytes((message[-1] ^ 0xFF,))


class Misheard:
    """What comes in has the lowest bit of its last octet turned over."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message[:-1] + bytes((message[-1] ^ 1,)), None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


class Open:
    """Lets everything pass as it is."""

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        return message


def _protocol_fault(kind: str, made: Any) -> ProtocolFault:
    return ProtocolFault(
        kind=kind,
        title=kind,
        parameters=Nothing,
        protocols=("modbus", "iec104", "dnp3"),
        filter=lambda mode, parameters, key: made(),
    )


DEAF = _protocol_fault("deaf", Deaf)
MUTE = _protocol_fault("mute", Mute)
ECHO = _protocol_fault("echo", Echo)
GARBLED = _protocol_fault("garbled", Garbled)
MISHEARD = _protocol_fault("misheard", Misheard)
OPEN = _protocol_fault("open", Open)

BLOCKED = AdmissionFault(
    kind="blocked", title="blocked", parameters=Nothing, admits=lambda mode, parameters: Admission.REFUSE
)


class Drifting(BaseModel):
    offset_s: float = 0.0
    drift_s_per_s: float = 0.0


DRIFTING = ClockFault(
    kind="drifting",
    title="The clock is off, and more so every second",
    parameters=Drifting,
    offset_s=lambda mode, parameters, time: parameters.offset_s + parameters.drift_s_per_s * time.elapsed_s,
)


THERE: Mapping[str, str] = {"quantity": "active_power_w", "station": "rtu", "label": "cell=north"}
"""What a target may name in the site ``tiny``."""


def needs(kind: str) -> dict[str, str]:
    """A target with what a kind of fault needs, and nothing else."""
    return {key: THERE[key] for key in needed(registry.fault(kind))}
