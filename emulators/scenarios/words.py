"""The small language of scenarios: lengths of time, and conditions such as ``meter-001.voltage_l1_v true < 207``.

    [all|any] DEVICES.QUANTITY [true|reported] OPERATOR VALUE [+- TOLERANCE] [within TIME [wall]] [for TIME]

``DEVICES`` is the id of a device or a glob, ``VALUE`` a number or another ``DEVICE.QUANTITY [true|reported]``, ``TIME``
such as ``60 s``, ``5 min``, ``2 h`` or ``1 d`` of site time, or, with ``wall``, of wall time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import Final

from pilotfarm.emulators.words import listed, quoted

SECONDS_MAX: Final = 366 * 86_400.0
"""Longest time a scenario may name: a leap year."""
TEXT_MAX: Final = 500
"""Maximum number of characters of a condition."""
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_TIME: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+) *([a-z]+)")
TIME_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+) *(s|min|h|d)$"
_TIME_SAID: Final = "a time such as 60 s, 5 min, 2 h or 1 d"

OPERATORS: Final = ("<", "<=", ">", ">=", "==", "!=")
_TOKEN: Final = re.compile(r"[<>=!]+|\+-|±|[^\s<>=!±]+")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9](_?[0-9])*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_REFERENCE: Final = re.compile(r"([A-Za-z*?\[][^\s.]*)\.([A-Za-z][A-Za-z0-9_]*)")
_VIEWS: Final = {"true": False, "reported": True}


@dataclass(frozen=True, slots=True)
class Reference:
    """A quantity of one device or, by a glob, of several; ``reported`` is None where nothing was said."""

    devices: str
    quantity: str
    reported: bool | None

    def __str__(self) -> str:
        return f"{self.devices}.{self.quantity}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison: it holds for all devices of the left side, or for any."""

    any_device: bool
    left: Reference
    operator: str
    right: float | Reference
    tolerance: float


@dataclass(frozen=True, slots=True)
class Watch:
    """A condition that is to begin to hold ``within_s``, None where nothing was said, and then holds ``for_s``."""

    text: str
    condition: Condition
    within_s: float | None
    wall: bool
    for_s: float


def seconds(value: object) -> float:
    """Read a length of time above 0: a number of seconds, or text; ``ValueError`` says what is wrong."""
    found = instant(value)
    if found == 0.0:
        raise ValueError("must be above 0")
    return found


def instant(value: object) -> float:
    """Read a time that has passed since something began, 0 or more."""
    if isinstance(value, str):
        found = _TIME.fullmatch(value.strip())
        if found is None or found[2] not in _SECONDS:
            raise ValueError(f"must be {_TIME_SAID}, not {quoted(value)}")
        value = float(found[1]) * _SECONDS[found[2]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be {_TIME_SAID}, not {quoted(value)}")
    if not 0.0 <= value <= SECONDS_MAX:
        raise ValueError(f"must be 0 to {SECONDS_MAX / 86_400:g} d, not {value:g} s")
    return float(value)


def watch(text: str) -> Watch:
    """Read a condition with its times; ``ValueError`` says what is wrong."""
    if len(text) > TEXT_MAX:
        raise ValueError(f"has {len(text)} characters; {TEXT_MAX} are the maximum")
    return _Reader(text).watch()


class _Reader:
    """Reads words from left to right."""

    def __init__(self, text: str) -> None:
        self._text = " ".join(text.split())
        self._words = _TOKEN.findall(text)
        self._at = 0

    def watch(self) -> Watch:
        any_device = self._take("all", "any") == "any"
        left = self._reference()
        operator = self._operator()
        right = self._value()
        tolerance = self._tolerance(operator)
        within_s, wall = None, False
        if self._take("within"):
            within_s = self._time("within")
            wall = bool(self._take("wall"))
        for_s = self._time("for") if self._take("for") else 0.0
        if self._word:
            raise ValueError(f"{quoted(self._word)} cannot stand here; {self._could_follow(within_s, for_s)}")
        return Watch(self._text, Condition(any_device, left, operator, right, tolerance), within_s, wall, for_s)

    @property
    def _word(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _take(self, *words: str) -> str:
        word = self._word
        if word not in words:
            return ""
        self._at += 1
        return word

    def _reference(self) -> Reference:
        found = _REFERENCE.fullmatch(self._word)
        if found is None:
            here = quoted(self._word) if self._word else "nothing"
            raise ValueError(f"must name a device and a quantity, such as battery-001.soc_frac, not {here}")
        self._at += 1
        view = self._take(*_VIEWS)
        return Reference(found[1], found[2], _VIEWS[view] if view else None)

    def _operator(self) -> str:
        operator = self._take(*OPERATORS)
        if not operator:
            here = quoted(self._word) if self._word else "nothing"
            meant = "; equality is ==" if self._word == "=" else ""
            raise ValueError(f"a comparison is {listed(OPERATORS)}, not {here}{meant}")
        return operator

    def _value(self) -> float | Reference:
        if _REFERENCE.fullmatch(self._word):
            return self._reference()
        return self._number("compared with")

    def _number(self, what: str) -> float:
        if not _NUMBER.fullmatch(self._word) or not isfinite(float(self._word)):
            here = quoted(self._word) if self._word else "nothing"
            raise ValueError(f"{what} a number alone, in the unit that the quantity ends in, not {here}")
        self._at += 1
        return float(self._words[self._at - 1])

    def _tolerance(self, operator: str) -> float:
        if not self._take("+-", "±"):
            return 0.0
        if operator not in ("==", "!="):
            raise ValueError("a tolerance (+-) goes with == and != alone")
        tolerance = self._number("+- takes")
        if tolerance < 0.0:
            raise ValueError("a tolerance is 0 or more")
        return tolerance

    def _time(self, what: str) -> float:
        text = self._word
        self._at += 1
        if _NUMBER.fullmatch(text):  # and its unit is a word of its own
            text = f"{text} {self._word}".strip()
            self._at += 1
        try:
            return seconds(text)
        except ValueError as error:
            raise ValueError(f"{what} {error}") from None

    def _could_follow(self, within_s: float | None, for_s: float) -> str:
        if for_s:
            return "nothing follows `for` and its time"
        return "`for` may follow" if within_s is not None else "`within` and `for` may follow"
