"""One connection to a station of several outstations: each hears the frames that name it, and broadcasts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf

from py1815.link import FrameReader, LinkFrame, build

from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.dialogue import OUTPUT_MAX, Dialogue
from pilotfarm.emulators.protocols.dnp3.link import KeepAlive
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options


class Multidrop:
    """The outstations share the connection and nothing else: each has a dialogue of its own with a master.

    One that is restarting, or that its station does not reach, hears nothing, and the connection stands. It closes
    when the dialogue of the last outstation that was spoken to is over in another way, and after a silence.
    """

    __slots__ = (
        "_closed",
        "_dialogues",
        "_due_s",
        "_keep_alive",
        "_named",
        "_output",
        "_outstations",
        "_reader",
        "peer",
    )

    def __init__(self, outstations: Mapping[int, Outstation], options: Dnp3Options, peer: str, now_s: float) -> None:
        self.peer = peer
        self._outstations = outstations
        self._named = bool(options.named_masters)
        """Whether masters are greeted, so that there are dialogues before anybody speaks."""
        self._dialogues: dict[int, Dialogue] = {}
        """By the outstation's address: where a master has spoken last stands last."""
        self._due_s: dict[int, float] = {}
        """When each outstation has something to do next, by its address."""
        self._reader = FrameReader()
        self._output = bytearray()
        self._keep_alive = KeepAlive(options, now_s)
        self._closed = False
        self.advance(now_s)

    @property
    def closed(self) -> bool:
        return self._closed

    def receive(self, data: bytes, now_s: float) -> None:
        self._keep_alive.heard(now_s)
        for frame in self._reader.feed(data):
            octets = build(frame.control, frame.destination, frame.source, frame.payload)
            for address in self._meant(frame):
                if not self._closed:
                    self._hear(address, octets, now_s)
            self._closed |= len(self._output) > OUTPUT_MAX * max(1, len(self._dialogues))

    def advance(self, now_s: float) -> None:
        self._due_s.clear()
        for address, outstation in self._outstations.items() if self._named else ():
            outstation.tick(now_s)
            if address in self._dialogues:
                continue
            if _is_up(outstation):
                self._dialogues[address] = Dialogue(outstation, self.peer)
            elif outstation.restarting:
                self._due_s[address] = outstation.restarting_until_s
        for address, dialogue in list(self._dialogues.items()):
            self._outstations[address].tick(now_s)
            if dialogue.over or _is_up(self._outstations[address]):
                dialogue.admit()
                dialogue.speak()
                self._settle(address)
        if not self._closed and self._keep_alive.is_due(now_s):
            self._closed = self._keep_alive.ask(now_s)
            for dialogue in () if self._closed else self._asking():
                dialogue.ask_link_status()
                self._output += dialogue.take_output()

    def deadline_s(self) -> float | None:
        if self._closed:
            return None
        silent_s = self._keep_alive.deadline_s()
        due_s = min(self._due_s.values(), default=inf)
        due_s = due_s if silent_s is None else min(due_s, silent_s)
        return None if due_s == inf else due_s

    def take_output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    def hang_up(self, now_s: float) -> None:
        self._closed = True
        for address, dialogue in self._dialogues.items():
            self._outstations[address].tick(now_s)
            dialogue.displace()
        self._dialogues.clear()

    def _meant(self, frame: LinkFrame) -> Collection[int]:
        """The addresses of those that a frame is for."""
        if frame.is_broadcast:
            return self._outstations.keys()
        return (frame.destination,) if frame.destination in self._outstations else ()

    def _hear(self, address: int, octets: bytes, now_s: float) -> None:
        outstation = self._outstations[address]
        outstation.tick(now_s)
        if address in self._dialogues and self._dialogues[address].over:
            self._settle(address)
        if self._closed or not _is_up(outstation):
            return
        dialogue = self._dialogues.pop(address, None) or Dialogue(outstation, self.peer)
        self._dialogues[address] = dialogue
        dialogue.receive(octets)
        self._settle(address)

    def _settle(self, address: int) -> None:
        """Take what an outstation says and when it is due; let go of a dialogue that is over."""
        dialogue = self._dialogues[address]
        self._output += dialogue.take_output()
        due_s = dialogue.deadline_s()
        if dialogue.over:
            del self._dialogues[address]
            dialogue.displace()
            due_s = self._outstations[address].restarting_until_s if dialogue.restarted else None
            self._closed |= not dialogue.restarted and all(each.mute for each in self._dialogues.values())
        self._due_s[address] = inf if due_s is None else due_s

    def _asking(self) -> Collection[Dialogue]:
        """Who asks a silent master whether it is there: the one that heard it last, or all while none has."""
        up = [each for address, each in self._dialogues.items() if _is_up(self._outstations[address])]
        return [each for each in up if not each.mute][-1:] or up


def _is_up(outstation: Outstation) -> bool:
    return outstation.database.reachable and not outstation.restarting
