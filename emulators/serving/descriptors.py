"""Open files: how many the system grants, who may have how many, and a shortage that came all the same.

Listeners and what the process itself needs come first, then a minimum for REST and for those who wait at a full
address. The masters share what is left, as many as may be admitted: each address is assured of one, the rest is for
whoever comes first. What they leave is for REST, and then for those who wait.
"""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass
from typing import Final

from pilotfarm.emulators.errors import ConfigError, Problem

OWN: Final = 64
"""For the process itself: standard streams, the event loop, the ledger's files, name service."""
WAITING_MIN: Final = 64
WAITING_MAX: Final = 1_000_000
REST_MIN: Final = 64
REST_MAX: Final = 512

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shares:
    """How many connections may be open at a time, over all addresses."""

    masters: int
    rest: int
    waiting: int
    """Of masters who wait for a place at an address that has none."""


def share(granted: float, listeners: int, admitted: int) -> Shares:
    """Share out the descriptors that the system grants; ``ConfigError`` if the site cannot live with them.

    ``admitted`` is how many masters the stations of the site let in together.
    """
    left = granted - listeners - OWN - WAITING_MIN
    masters = min(admitted, left - REST_MIN)
    if masters < min(admitted, REST_MIN):
        needed = listeners + OWN + WAITING_MIN + REST_MIN + min(admitted, REST_MIN)
        message = (
            f"{listeners} addresses need about {needed} open files, and this user may open {granted:g}; "
            "raise `ulimit -n`"
        )
        raise ConfigError([Problem("system", 0, "", message)])
    if masters < admitted:
        log.warning(
            "%d of the %d connections that the stations of this site admit have room at a time: this user may open "
            "%d files; `ulimit -n %d` makes room for all",
            *(masters, admitted, granted, listeners + OWN + WAITING_MIN + admitted + REST_MAX),
        )
    rest = min(REST_MAX, left - masters)
    return Shares(int(masters), int(rest), int(min(WAITING_MAX, WAITING_MIN + left - masters - rest)))


def granted_by_system() -> float:
    """Ask the system for as many descriptors as this user may have, and return their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        soft = hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return float("inf") if soft == resource.RLIM_INFINITY else soft


class Places:
    """How many more masters may come, at all addresses together.

    With a place for each address the first at an address always has it; the rest is for whoever comes first.
    """

    __slots__ = ("_assured", "_free", "_said", "_shared", "_waiting")

    def __init__(self, shares: Shares, addresses: int) -> None:
        self._assured = shares.masters >= addresses
        self._free = self._shared = shares.masters - (addresses if self._assured else 0)
        self._waiting = shares.waiting
        self._said = False

    def admit(self, there: int) -> bool:
        """Whether one more may connect where ``there`` are connected."""
        return self._free > 0 or not self._costs(there)

    @property
    def may_wait(self) -> bool:
        return self._waiting > 0

    def wait(self) -> None:
        self._waiting -= 1

    def waited(self) -> None:
        self._waiting += 1

    def take(self, there: int) -> None:
        """Take a place where ``there`` are connected already."""
        self._free -= self._costs(there)

    def leave(self, there: int) -> None:
        """Give a place back where ``there`` stay connected."""
        self._free += self._costs(there)
        self._said &= 2 * self._free < self._shared

    def refused(self) -> None:
        """Say that one found no place: once, until half of them are free again."""
        if not self._said:
            self._said = True
            log.warning("more masters come than this user may open files for; they are turned away: raise `ulimit -n`")

    def _costs(self, there: int) -> bool:
        return not self._assured or there > 0


class Shortage:
    """Who cannot accept for want of descriptors or memory: said when it begins and when it is over."""

    __slots__ = ("_short", "pauses")

    def __init__(self) -> None:
        self._short: set[object] = set()
        self.pauses = 0
        """How often somebody has stopped accepting for a while."""

    def begin(self, who: object, error: OSError) -> None:
        self.pauses += 1
        if not self._short:
            log.warning("cannot accept connections: %s; who comes has to wait, or to come again", error.strerror)
        self._short.add(who)

    def over(self, who: object) -> None:
        if who in self._short:
            self._short.discard(who)
            if not self._short:
                log.warning("connections are accepted again")


SHORTAGE: Final = Shortage()
"""Of the process, as its descriptors are."""
