"""One connection to an outstation: when it is served, and whether anybody is there."""

from __future__ import annotations

from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.dialogue import HELD_MAX, Dialogue
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options


class KeepAlive:
    """Has the link status asked for after a silence (IEEE 1815-2012, 13.2), and says when that stays unanswered.

    Where nobody has said who is there, there may be nobody to ask.
    """

    __slots__ = ("_asked_s", "_confirm_timeout_s", "_heard_s", "_keep_alive_s")

    def __init__(self, options: Dnp3Options, now_s: float) -> None:
        self._keep_alive_s, self._confirm_timeout_s = options.keep_alive_s, options.confirm_timeout_s
        self._heard_s = now_s
        self._asked_s: float | None = None
        """When the link status was asked for, if nothing has come since."""

    def heard(self, now_s: float) -> None:
        """Something has come."""
        self._heard_s, self._asked_s = now_s, None

    def deadline_s(self) -> float | None:
        """Until when the master may be silent before something is done about it; ``None`` if for ever."""
        if not self._keep_alive_s:
            return None
        if self._asked_s is not None:
            return self._asked_s + self._confirm_timeout_s
        return self._heard_s + self._keep_alive_s

    def is_due(self, now_s: float) -> bool:
        until_s = self.deadline_s()
        return until_s is not None and now_s >= until_s

    def ask(self, now_s: float) -> bool:
        """Note that the link status is asked for; whether it had been before, in vain."""
        in_vain = self._asked_s is not None
        self._asked_s = now_s
        return in_vain


class Link:
    """One connection to an outstation alone at its address: what comes before that is up waits.

    A link that has been silent for ``keep_alive_s`` asks for the link status, and closes if nothing comes back.
    """

    __slots__ = ("_closed", "_dialogue", "_held", "_keep_alive", "_station", "peer")

    def __init__(self, station: Outstation, peer: str, now_s: float) -> None:
        station.tick(now_s)
        self.peer = peer
        self._station = station
        self._keep_alive = KeepAlive(station.options, now_s)
        self._dialogue: Dialogue | None = None
        self._held = bytearray()
        self._closed = False
        self._begin()

    @property
    def closed(self) -> bool:
        return self._closed or (self._dialogue is not None and self._dialogue.over)

    def receive(self, data: bytes, now_s: float) -> None:
        self._station.tick(now_s)
        self._keep_alive.heard(now_s)
        if self._dialogue is not None:
            if not self.closed:
                self._dialogue.receive(data)
            return
        self._held += data
        self._closed |= len(self._held) > HELD_MAX
        self._begin()

    def advance(self, now_s: float) -> None:
        self._station.tick(now_s)
        self._begin()
        if self.closed or self._dialogue is None:
            return
        self._dialogue.admit()
        if self._keep_alive.is_due(now_s):
            self._closed = self._keep_alive.ask(now_s)
            if not self._closed:
                self._dialogue.ask_link_status()
        if not self._closed:
            self._dialogue.speak()

    def deadline_s(self) -> float | None:
        if self.closed:
            return None
        if self._dialogue is None:
            return self._station.restarting_until_s
        due = (self._dialogue.deadline_s(), self._keep_alive.deadline_s())
        return min((each for each in due if each is not None), default=None)

    def take_output(self) -> bytes:
        return b"" if self._dialogue is None else self._dialogue.take_output()

    def hang_up(self, now_s: float) -> None:
        self._station.tick(now_s)
        self._closed = True
        if self._dialogue is not None:
            self._dialogue.displace()

    def _begin(self) -> None:
        """Serve, unless the outstation is restarting; what comes before it is up waits."""
        if self._station.restarting or self._closed or self._dialogue is not None:
            return
        self._dialogue = Dialogue(self._station, self.peer)
        held = bytes(self._held)
        self._held.clear()
        self._dialogue.receive(held)
