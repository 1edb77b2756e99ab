"""c104 looks at devices as often as it is asked to: run as a process of its own, with a line of JSON for each look."""

# c104 compares the annotations of callbacks, so they must not be strings here.
import time
from collections.abc import Mapping
from typing import Any

import c104
from answering import answer_all
from c104_changes import BITS
from c104_faults import waited
from c104_master import Conversation, plain

INTERROGATION, COUNTER_INTERROGATION = 100, 101
CONFIRMED, TERMINATED = 7, 10
CAUSE, NEGATIVE = 0x3F, 0x40
SETPOINT = 5001
"""Information object address of ``reactive_power_setpoint_var``."""
CONNECTING = (c104.ConnectionState.CLOSED, c104.ConnectionState.CLOSED_AWAIT_OPEN)
STARTS_WITHIN_S = 0.15
"""On loopback it sometimes stays connected without having asked to start (STARTDT), and is then told to."""
NEVER_MS = 50
"""How long c104 waits for what is looked for among the frames that it has received."""


KEPT: list[c104.Client] = []
"""All there ever were: to take one down while a frame of its comes in may end the process."""


class Master:
    """One link to a station with one device; a new one once it has ended or heard nothing."""

    def __init__(self, host: str, port: int, address: int) -> None:
        self.host, self.port, self.address = host, port, address
        self.talk: Conversation | None = None
        self.frames: list[bytes] = []

    def on_receive_raw(self, connection: c104.Connection, data: bytes) -> None:
        octets = bytes(data)
        while octets:
            size = 2 + octets[1]
            self.frames.append(octets[:size])
            octets = octets[size:]

    def heard(self, kind: int, cause: int | None = None) -> list[bytes]:
        """The data units of a type, and of a cause."""
        units = [frame[6:] for frame in self.frames if len(frame) > 8]
        return [unit for unit in units if unit[0] == kind and (cause is None or unit[2] & CAUSE == cause)]

    def look(
        self, patience_s: float, ends_s: float, write: float | None, *, counters: bool, stop: bool, fresh: bool
    ) -> Mapping[str, Any]:
        if fresh:
            self.close()
        if self.talk is None:
            self.talk = Conversation(self.host, self.port, command_timeout_ms=NEVER_MS)
            KEPT.append(self.talk.client)
            self.talk.link.on_receive_raw(callable=self.on_receive_raw)
        link, began_s = self.talk.link, time.monotonic()

        def stands() -> bool:
            return bool(link.state == c104.ConnectionState.OPEN)

        def done() -> bool:
            return bool(self.heard(INTERROGATION, TERMINATED)) and (
                not counters or bool(self.heard(COUNTER_INTERROGATION, TERMINATED))
            )

        link.interrogation(common_address=self.address, wait_for_response=False)
        if counters:
            link.counter_interrogation(common_address=self.address, wait_for_response=False)
        waited(lambda: done() or not stands(), patience_s)
        ended = "answered" if done() else "nothing" if stands() else "cut"
        said = {"ended": ended, "took_s": time.monotonic() - began_s, "points": self.points(), "news": self.news()}
        if write is not None:
            said["wrote"] = self.wrote(write, ends_s)
        if stop:
            link.mute()
            said["stopped"] = waited(lambda: link.state == c104.ConnectionState.OPEN_MUTED, ends_s)
        said |= self.told()
        self.frames.clear()
        if stop or not stands() or ended != "answered":
            self.close()
        return said

    def points(self) -> dict[str, Any]:
        assert self.talk is not None
        station = self.talk.link.get_station(self.address)
        return {
            str(point.io_address): [
                plain(point.value) - (point.type == c104.Type.M_DP_NA_1),  # 1 is off, 2 is on
                [bit.name for bit in BITS if bit in point.quality] if isinstance(point.quality, c104.Quality) else [],
            ]
            for point in (station.points if station else ())
            if not point.type.name.startswith("C_")
        }

    def news(self) -> list[Any]:
        assert self.talk is not None
        news = [[str(each["ioa"]), each["value"], each["at"]] for each in self.talk.news]
        self.talk.news.clear()
        return news

    def told(self) -> dict[str, Any]:
        """What the data units say of themselves, and what the last frame of data acknowledges."""
        assert self.talk is not None
        data = [frame for frame in self.frames if len(frame) > 8 and not frame[2] & 1]
        return {
            "types": sorted({frame[6] for frame in data}),
            "causes": sorted({frame[8] & CAUSE for frame in data}),
            "objects": max((int.from_bytes(frame[12:15], "little") for frame in data), default=0),
            "stations": sorted(station.common_address for station in self.talk.link.stations),
            "acknowledged": int.from_bytes(data[-1][4:6], "little") >> 1 if data else None,
        }

    def wrote(self, value: float, ends_s: float) -> str:
        """How a set-point is answered."""
        assert self.talk is not None
        self.talk.command(self.address, SETPOINT, c104.Type.C_SE_NC_1, value)
        kind = c104.Type.C_SE_NC_1.value
        waited(lambda: bool(self.heard(kind)))
        waited(lambda: bool(self.heard(kind, TERMINATED)), ends_s)
        said = []
        for unit in self.heard(kind):
            cause = unit[2] & CAUSE
            names = {CONFIRMED: "refused" if unit[2] & NEGATIVE else "confirmed", TERMINATED: "terminated"}
            said.append(names.get(cause, f"cause {cause}"))
        return ", ".join(said) or "nothing"

    def anew(self, patience_s: float) -> str:
        """What becomes of another link."""
        client = c104.Client(tick_rate_ms=50)
        KEPT.append(client)
        link = client.add_connection(ip=self.host, port=self.port, init=c104.Init.NONE)
        client.start()
        try:
            waited(lambda: link.state not in CONNECTING)
            if not waited(lambda: link.state != c104.ConnectionState.OPEN_MUTED, min(patience_s, STARTS_WITHIN_S)):
                link.unmute()
            opened = waited(lambda: link.state == c104.ConnectionState.OPEN, patience_s)
            return "answered" if opened else str(link.state.name)
        finally:
            client.stop()

    def close(self) -> None:
        if self.talk is not None:
            self.talk.client.stop()
        self.talk = None
        self.frames.clear()


MASTERS: dict[tuple[str, int], Master] = {}


def look(host: str, port: int, address: int, patience_s: float, anew: float | None = None, **how: Any) -> Any:
    master = MASTERS.setdefault((host, port), Master(host, port, address))
    said = dict(master.look(patience_s, **how))
    if anew is not None:
        said["anew"] = master.anew(anew)
    return said


if __name__ == "__main__":
    answer_all(look)
