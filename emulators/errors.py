"""Every error of pilotfarm, in one tree, grouped by who must act.

PilotfarmError
├── ConfigError      the author of a site file: every problem at once, with file and line
├── PointError       the client: refused in its protocol's own words, the link stays
│   ├── Unsupported      the function or type is not served
│   ├── NoSuchPoint      nothing at that address
│   ├── NotWritable      the point is there, and is read only
│   ├── OutOfRange       the value is NaN, infinite, or beyond the rating
│   ├── Blocked          the command's permission is withdrawn
│   ├── Busy             the write queue is full; try again
│   └── NoAnswer         the device does not answer its station
├── LinkError        the peer: it vanished, or does not read
├── ProtocolError    the peer: what it sent cannot be a frame; the link closes
└── StateError       the operator: the wrong moment for what was asked

An ``AssertionError`` is ours: a broken invariant, never caught.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PilotfarmError(Exception):
    """The root: nothing else is raised on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a file; ``line`` counts from 1, and is 0 where no line can be named."""

    file: str
    line: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class ConfigError(PilotfarmError):
    """A site file, an option or an address that cannot work; lists every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PointError(PilotfarmError):
    """A client's request was refused; each protocol has one complete table from these to its own words."""


class Unsupported(PointError):
    """The function, type or variation is not served."""


class NoSuchPoint(PointError):
    """No point stands at the address asked for."""


class NotWritable(PointError):
    """The point can be read and not written."""


class OutOfRange(PointError):
    """The value is NaN, infinite, not in the enumeration, or beyond what the device is rated for."""


class Blocked(PointError):
    """The permission without which the command is not followed has been withdrawn."""


class Busy(PointError):
    """The write queue is full until the next step."""


class NoAnswer(PointError):
    """The device does not answer the station that stands before it."""


class LinkError(PilotfarmError):
    """A peer vanished or does not read what it asked for."""


class ProtocolError(PilotfarmError):
    """What a peer sent cannot be a frame of its protocol; the link is closed."""


class StateError(PilotfarmError):
    """The operator asked for something that does not fit the present state of the farm."""


class RunError(PilotfarmError):
    """A run did not keep what the operator asked of it, such as its speed; it has ended."""
