"""Media: what lies between a device and its masters, by numbers; a file each, every number with its source.

Latency is one way, for a message of ``MESSAGE_OCTETS`` on a link that is up and awake, with nothing else under way.
*Up* is from the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

NONE: Final = "none"
"""No medium: a way that takes no time."""
NAMES: Final = (
    NONE,
    "ethernet",
    "fibre_mm",
    "fibre_sm",
    "wifi",
    "gsm",
    "gprs",
    "edge",
    "umts",
    "lte",
    "lte_m",
    "nb_iot",
)
"""What a way may be over."""
CONFIDENCES: Final = ("standard", "measured", "assumed")
"""What a number rests on: a standard has it; somebody has measured it; it is a choice within reason."""
MESSAGE_OCTETS: Final = 128
"""Of the message that latencies are quoted for, as 3GPP TS 22.060 does."""
HEADER_OCTETS: Final = 52
"""Of IPv4 and of TCP with time stamps (RFC 791, RFC 9293, RFC 7323), before the payload of each segment."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a data file, and what it rests on."""

    value: float
    source: str
    confidence: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sleep:
    """What the link falls into when nothing has passed for ``after_s``; then it takes that long to wake up. [s]"""

    name: str
    after_s: float
    wake_min_s: float
    wake_max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A medium's numbers; what it has none of is left at its default.

    Losses are those that TCP sees, in bursts of ``loss_burst`` segments on average. ``sleeps`` get deeper.
    ``nat_idle_s`` is after what time without a message the operator forgets a connection; its next message is lost,
    and ``nat_resets`` says whether the one after that is answered with a reset. A *cell* is shared by the devices in
    it: its rates, and how many can attach at once.
    """

    name: str
    title: str
    floor_s: float
    median_s: float
    p95_s: float
    p99_s: float
    max_s: float
    rate_up_bit_s: float
    rate_down_bit_s: float
    half_duplex: float = 0.0
    loss_frac: float = 0.0
    loss_burst: float = 1.0
    attach_min_s: float = 0.0
    attach_max_s: float = 0.0
    nat_idle_s: float | None = None
    nat_resets: float = 0.0
    cell_rate_up_bit_s: float | None = None
    cell_rate_down_bit_s: float | None = None
    cell_attaches: float | None = None
    sleeps: tuple[Sleep, ...] = ()


@cache
def numbers(name: str) -> Mapping[str, Number]:
    """Return every number of a medium, those of a sleep as ``idle.after_s``."""
    raw = _raw(name)
    named = list(raw["numbers"].items()) + [
        (f"{sleep}.{key}", each) for sleep, table in raw.get("sleeps", {}).items() for key, each in table.items()
    ]
    return {key: Number(**each | {"value": float(each["value"])}) for key, each in named}


@cache
def medium(name: str) -> Medium:
    """Return a medium by its name; ``KeyError`` if there is none, and for ``none``."""
    if name not in NAMES or name == NONE:
        raise KeyError(name)
    found = {key: each.value for key, each in numbers(name).items()}
    sleeps = tuple(
        Sleep(sleep, **{key: found.pop(f"{sleep}.{key}") for key in table})
        for sleep, table in _raw(name).get("sleeps", {}).items()
    )
    return Medium(name=name, title=title(name), sleeps=sleeps, **found)


def title(name: str) -> str:
    """Return a line for people."""
    return str(_raw(name)["title"])


@cache
def _raw(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((files(__name__) / f"{name}.yaml").read_text(encoding="utf-8"))
    return found
