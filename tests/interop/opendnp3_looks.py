"""opendnp3 (through yadnp3) looks at devices as often as it is asked to: run as a process of its own.

Each look is a line of JSON to it, and one from it.
"""

from __future__ import annotations

import time
from typing import Any

import opendnp3
from answering import answer_all
from c104_faults import waited
from opendnp3_functions import Watching
from opendnp3_master import Heard, Open

ANSWER_MS = 300
LINK_LOG = 0x04 | 0x20
"""Levels of opendnp3's log: warnings, and the headers of the frames that a link receives."""
KEEP_ALIVE_MS = 100
"""After how long without an octet it asks the link whether it is there, and how long it waits for that."""
SETPOINT = 508
"""Index of ``active_power_setpoint_w`` among the analog outputs."""


class Log(opendnp3.ILogHandler):
    """Keeps what opendnp3 says of its link: the functions it is answered with, and that it is not answered."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def log(self, module: Any, source: str, level: Any, location: str, message: str) -> None:
        self.said.append(message)


class Association:
    """One master of an outstation on a connection of its own, which does not wait long."""

    def __init__(self, host: str, port: int, outstation: int, address: int) -> None:
        self.heard, self.application, self.listener, self.log = Heard(), Watching(), Open(), Log()
        self.manager = opendnp3.DNP3Manager(1, self.log)
        milliseconds, there = opendnp3.TimeDuration.Milliseconds, [opendnp3.IPEndpoint(host, port)]
        retry, levels = opendnp3.ChannelRetry(milliseconds(50), milliseconds(50)), opendnp3.LogLevels(LINK_LOG)
        channel = self.manager.AddTCPClient("farm", levels, retry, there, "127.0.0.1", self.listener)
        stack = opendnp3.MasterStackConfig()
        stack.link.LocalAddr, stack.link.RemoteAddr = address, outstation
        stack.link.KeepAliveTimeout = stack.link.Timeout = milliseconds(KEEP_ALIVE_MS)
        stack.master.responseTimeout = stack.master.taskRetryPeriod = milliseconds(ANSWER_MS)
        stack.master.maxTaskRetryPeriod = milliseconds(ANSWER_MS)
        self.master = channel.AddMaster("master", self.heard, self.application, stack)
        self.master.Enable()

    def polled(self) -> str:
        """How an integrity poll ends."""
        return self.application.after(lambda: self.master.ScanClasses(opendnp3.ClassField.AllClasses(), self.heard))

    def wrote(self, value: float, patience_s: float) -> str:
        """How a set-point is answered, selected first."""
        over: list[str] = []

        def answered(result: opendnp3.ICommandTaskResult) -> None:
            over.append(result.summary.name)
            over.extend(point.status.name for point in result.to_list())

        self.master.SelectAndOperate(opendnp3.AnalogOutputInt32(int(value)), SETPOINT, answered)
        waited(lambda: bool(over), patience_s)
        return ", ".join(over)


class Master:
    """One association that stands from look to look; a new one once it has heard nothing."""

    def __init__(self, host: str, port: int, outstation: int) -> None:
        self.place = host, port, outstation
        self.stands: Association | None = None
        self.indications = 0
        """How many have been told of."""

    def look(self, patience_s: float, ends_s: float, write: float | None, *, link: str) -> dict[str, Any]:
        if self.stands is None:
            self.stands = Association(*self.place, 1)
            waited(lambda: ended_well(self.stands))
            self.indications = 0
        talk = self.stands
        talk.log.said.clear()
        talk.heard.static.clear()
        talk.heard.events.clear()
        until_s = time.monotonic() + patience_s
        while True:
            began_s = time.monotonic()
            result = "cut" if talk.application.closed else talk.polled()
            if result in ("cut", "SUCCESS", "FAILURE_BAD_RESPONSE") or time.monotonic() > until_s:
                break
        if talk.application.closed:
            result = "cut"
        said = {
            "ended": {"SUCCESS": "answered", "FAILURE_RESPONSE_TIMEOUT": "nothing"}.get(result, result),
            "took_s": time.monotonic() - began_s,
            "points": {point: [value, talk.heard.flags[point]] for point, value in list(talk.heard.static.items())},
            "news": [[each["point"], each["value"], each["time"]] for each in list(talk.heard.events)],
            "indications": [list(each) for each in talk.application.indications[self.indications :]],
        }
        self.indications += len(said["indications"])
        if write is not None:
            said["wrote"] = talk.wrote(write, ends_s)
        if link:
            said["link"] = waited(lambda: any(link in each for each in list(talk.log.said)), ends_s)
        if said["ended"] != "answered":
            self.stands = None
            talk.manager.Shutdown()
        return said

    def anew(self, patience_s: float) -> str:
        """What becomes of another connection."""
        talk = Association(*self.place, 3)
        try:
            if not waited(lambda: talk.application.opened > 0, patience_s):
                return "refused"
            return "answered" if waited(lambda: len(talk.heard.static) > 0, patience_s) else "nothing"
        finally:
            talk.manager.Shutdown()


def ended_well(talk: Association | None) -> bool:
    assert talk is not None
    return talk.polled() == "SUCCESS"


MASTERS: dict[tuple[str, int], Master] = {}


def look(host: str, port: int, address: int, patience_s: float, anew: float | None = None, **how: Any) -> Any:
    master = MASTERS.setdefault((host, port), Master(host, port, address))
    said = master.look(patience_s, **how)
    if anew is not None:
        said["anew"] = master.anew(anew)
    return said


if __name__ == "__main__":
    answer_all(look)
