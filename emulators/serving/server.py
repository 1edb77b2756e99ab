"""The addresses of a farm: brought up all together, met as faults have it, ended all together."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.way import Admission
from pilotfarm.emulators.errors import ConfigError, Problem, StateError
from pilotfarm.emulators.serving.capture import CAPTURES_MAX, Capture
from pilotfarm.emulators.serving.connection import Connection, Counters, Wrap
from pilotfarm.emulators.serving.descriptors import Places, granted_by_system, share
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.listener import Listener
from pilotfarm.emulators.site.layout import SerialEndpoint

log = logging.getLogger(__name__)


class Server:
    """Every listener of a farm, by the number of its place. ``start`` brings all of them up or none.

    Raises ``ConfigError`` if the system grants too few descriptors for the addresses.
    """

    def __init__(self, places: Sequence[Place], clock: Clock) -> None:
        self._clock = clock
        self._talkative: set[Connection] = set()
        self._started = False
        self._captures = 0
        """How many are under way."""
        self._to_open: set[int] = set()
        """Listeners that were to open again and could not."""
        self._said: set[int] = set()
        """Those of them that have been told of."""
        self.counters = {place.layout.protocol: Counters() for place in places}
        admitted = sum(place.layout.options.max_connections for place in places)
        self.shares = share(granted_by_system(), len(places), admitted)
        shared = Places(self.shares, len(places))
        self._listeners = [
            Listener(place, self.counters[place.layout.protocol], self._talkative, clock, shared) for place in places
        ]
        self._lines = [number for number, place in enumerate(places) if _is_line(place)]

    @property
    def listening(self) -> int:
        return sum(listener.transport.is_open for listener in self._listeners)

    async def start(self) -> None:
        """Listen at every address; ``ConfigError`` names each that cannot be had, and nothing stays open."""
        problems = []
        for listener in self._listeners:
            try:
                if listener.admission.listens:
                    listener.open()
            except OSError as error:
                problems.append(_explained(listener, error))
                if error.errno == errno.EMFILE:
                    break
        if problems:
            await self.stop()
            raise ConfigError(problems)
        self._started = True

    async def stop(self) -> None:
        """Close every listener and connection; what was already handed to the system is still sent."""
        self._started = False
        await asyncio.gather(*(listener.end() for listener in self._listeners))

    def admit(self, number: int, admission: Admission) -> None:
        """Meet whoever connects to a listener in this way from now on; who is there is reset if it is shut."""
        listener = self._listeners[number]
        before, listener.admission = listener.admission, admission
        if admission is before or not self._started:
            return
        if admission.shut:
            listener.cut()
        if not admission.listens:
            listener.transport.close()
        elif not listener.transport.is_open:
            self._to_open.add(number)
            self._open_again()

    def cut(self, number: int) -> None:
        """Reset the connections of a listener, which goes on."""
        self._listeners[number].cut()

    def link(self, number: int, links: Mapping[int, Wrap], sparing: Collection[int] = ()) -> None:
        """Have these links around the engines of a listener's connections, by the number each keeps.

        Those that are ``sparing`` are put around connections that stand, and not around those that come.
        """
        listener = self._listeners[number]
        if links.keys() == listener.links.keys():
            return
        listener.links, listener.sparing = links, sparing
        for connection in listener.standing:
            connection.link(links)

    @contextmanager
    def captured(self, numbers: Collection[int]) -> Iterator[Capture]:
        """Show what the connections of some listeners say and hear, as long as somebody looks.

        Raises ``StateError`` when ``CAPTURES_MAX`` are under way.
        """
        if self._captures >= CAPTURES_MAX:
            raise StateError(f"{CAPTURES_MAX} captures are under way already; end one")
        capture, listeners = Capture(), [self._listeners[number] for number in numbers]
        self._captures += 1
        for listener in listeners:
            listener.captures += (capture,)
        try:
            yield capture
        finally:
            self._captures -= 1
            for listener in listeners:
                listener.captures = tuple(each for each in listener.captures if each is not capture)

    def after_step(self) -> None:
        """Send what engines have of their own accord; open lines again that have gone."""
        if self._started:
            self._to_open |= {number for number in self._lines if self._listeners[number].is_missing}
        self._open_again()
        now_s = self._clock.now_s()
        for connection in list(self._talkative):
            connection.pump(now_s)

    def _open_again(self) -> None:
        """Listen where nothing stands against it any more; what cannot be had is tried again after the next step."""
        for number in sorted(self._to_open):
            listener = self._listeners[number]
            try:
                if listener.admission.listens and not listener.transport.is_open:
                    listener.open()
                self._to_open.discard(number)
                if number in self._said and listener.transport.is_open:
                    log.warning("%s: listens again", listener.address)
                self._said.discard(number)
            except OSError as error:
                if number not in self._said:
                    self._said.add(number)
                    log.warning("%s: cannot listen again: %s; tried after every step", listener.address, error)


def _is_line(place: Place) -> bool:
    return isinstance(place.layout.endpoint, SerialEndpoint)


def _explained(listener: Listener, error: OSError) -> Problem:
    """Say which address cannot be had, whose it is, and what to do."""
    layout = listener.place.layout
    on_line = _is_line(listener.place)
    hint = (_OF_A_LINE if on_line else _OF_AN_ADDRESS).get(error.errno or 0, "")
    what = "cannot open" if on_line else "cannot listen on"
    message = f"{what} {listener.address} ({layout.protocol}): {error.strerror}"
    told = f"{message}; {hint}" if hint else message
    if layout.written is not None:
        return Problem(layout.written.file, layout.written.line, layout.written.where, told)
    return Problem(layout.name or listener.place.placed[0].seat.device.id, 0, "", told)


_TOO_MANY: Final = {errno.EMFILE: "too many open files; raise the limit with `ulimit -n`"}
_OF_AN_ADDRESS: Final = {
    errno.EADDRINUSE: "another program listens there; end it, or choose other ports with --ports-from",
    errno.EACCES: "ports below 1024 need privilege; choose a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address; use own ports with --ports-from",
    **_TOO_MANY,
}
_OF_A_LINE: Final = {
    errno.ENOENT: "plug the adapter in; what is there is in /dev/serial/by-id",
    errno.ENOTTY: "it is no serial line",
    errno.EACCES: "who may use it is told by `ls -l`; mostly the group dialout: `sudo usermod -aG dialout $USER`",
    errno.EBUSY: "another farm or program has it",
    errno.EEXIST: "what is there is no link of a farm; remove it, or choose another name",
    **_TOO_MANY,
}
"""What to do about an error of the system."""
