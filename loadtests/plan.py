"""The plan of a load test; it is passed to Locust's process as a JSON file."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pilotfarm.emulators.clock import WallClock
from pilotfarm.loadtests.web.hosts import is_loopback

ENVIRONMENT: Final = "PILOTFARM_LOADTEST"
"""The environment variable that names the plan's file."""
TOKEN_ENVIRONMENT: Final = "PILOTFARM_SESP_TOKEN"  # noqa: S105  # the name of a variable
"""The environment variable with the SESP's token: it is in no plan, journal, report or argument of a process."""
READINGS_PATH: Final = "/api/v1/readings"
_UNIT_S: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """One load test. ``interval_s`` and ``daily_s`` are site time; ``speedup`` divides them."""

    run: str
    url: str
    site: str
    users: int
    duration_s: float
    spawn_per_s: float
    speedup: float
    interval_s: float
    daily_s: float
    timeout_s: float
    journal: str

    def period_s(self, daily: bool) -> float:
        """Wall seconds between two readings of a device."""
        return (self.daily_s if daily else self.interval_s) / self.speedup

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Plan:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def seconds(text: str) -> float:
    """Parse a time such as ``30s``, ``5m``, ``1h``, ``1d`` or ``90`` (seconds); ``ValueError`` if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", text.strip())
    value = float(found[1]) * _UNIT_S[found[2] or ""] if found else 0.0
    if value <= 0.0 or not isfinite(value):
        raise ValueError(f"{text!r} is no time; write 30s, 5m or 1h")
    return value


def target(url: str, allow_remote: bool) -> str:
    """Check the base URL of a SESP, return it without a slash at its end; ``ValueError`` if it must not be loaded."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("a user and a password would be in every report; give a token with --token")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError(f"{url!r} is no URL of a SESP; write http://127.0.0.1:8090")
    if not (allow_remote or is_loopback(parts.hostname)):
        raise ValueError(f"{parts.hostname} is not on loopback; add --allow-remote if you may put a load on it")
    return url.rstrip("/")


def new_run() -> str:
    """Name a run: the time in UTC, and a few random letters against two in the same second."""
    now = datetime.fromtimestamp(WallClock().now_s(), UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
