"""opendnp3 (through yadnp3) meets faults one after the other, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the master saw.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import opendnp3
from c104_faults import Site, waited
from opendnp3_functions import Watching
from opendnp3_master import Heard, Open, Silent

ANSWER_MS = 100
OVERFLOW = 0x08
HARMLESS = ("repeated", "doubled", "nack", "not-supported", "busy", "unacknowledged")
"""What a master who polls does not mind."""


class Talk:
    """One master of an outstation, which does not wait long."""

    def __init__(self, host: str, port: int, outstation: int) -> None:
        self.heard, self.application, self.listener, self.log = Heard(), Watching(), Open(), Silent()
        self.manager = opendnp3.DNP3Manager(1, self.log)
        milliseconds = opendnp3.TimeDuration.Milliseconds
        channel = self.manager.AddTCPClient(
            "farm",
            opendnp3.LogLevels.none(),
            opendnp3.ChannelRetry(milliseconds(50), milliseconds(50)),
            [opendnp3.IPEndpoint(host, port)],
            "127.0.0.1",
            self.listener,
        )
        stack = opendnp3.MasterStackConfig()
        stack.link.LocalAddr, stack.link.RemoteAddr = 1, outstation
        stack.master.responseTimeout = stack.master.taskRetryPeriod = milliseconds(ANSWER_MS)
        stack.master.maxTaskRetryPeriod = milliseconds(ANSWER_MS)
        self.master = channel.AddMaster("master", self.heard, self.application, stack)
        self.master.Enable()
        waited(lambda: len(self.heard.static) > 0)

    def polled(self) -> str:
        """How an integrity poll ends."""
        return self.application.after(lambda: self.master.ScanClasses(opendnp3.ClassField.AllClasses(), self.heard))

    def recovers(self) -> bool:
        """Whether an integrity poll succeeds, the machine being as busy as it may be."""
        return waited(lambda: self.polled() == "SUCCESS")

    def wants_events_unasked(self, wants: bool) -> None:
        """While an outstation waits for its unsolicited response to be confirmed it answers no read, for seconds."""
        classes = [opendnp3.Header.AllObjects(60, number) for number in (2, 3, 4)]
        codes = opendnp3.FunctionCode
        code = codes.ENABLE_UNSOLICITED if wants else codes.DISABLE_UNSOLICITED
        self.application.after(lambda: self.master.PerformFunction("unsolicited", code, classes))

    def overflowed(self, since: int) -> bool:
        """Whether an answer has said that events are lost."""
        return any(second & OVERFLOW for _, second in self.application.indications[since:])

    def operated(self) -> list[str]:
        over: list[str] = []
        order = opendnp3.AnalogOutputInt32(1900)

        def answered(result: opendnp3.ICommandTaskResult) -> None:
            over.extend([result.summary.name, *(point.status.name for point in result.to_list())])

        self.master.SelectAndOperate(order, 508, answered)
        waited(lambda: bool(over))
        return over or ["nothing"]

    def reopens(self, meanwhile: Callable[[], Any]) -> bool:
        """Whether the channel opens again after something."""
        before = self.application.opened
        meanwhile()
        return self.application.until(lambda: self.application.opened > before)


def main(
    host: str,
    port: int,
    outstation: int,
    rest: str,
    device: str,
    faults: Sequence[tuple[str, str]],
    statuses: Sequence[int],
) -> dict[str, Any]:
    site, talk = Site(rest), Talk(host, port, outstation)
    said: dict[str, Any] = {"polls": {}, "told": {}}
    try:
        assert talk.recovers()
        talk.wants_events_unasked(False)
        for kind, mode in faults:
            assert talk.recovers()
            site.hit(kind, mode)
            said["polls"][f"{kind} {mode}"] = "SUCCESS" if mode in HARMLESS and talk.recovers() else talk.polled()
            site.clear()
        said["recovers"] = talk.recovers()
        talk.wants_events_unasked(True)

        for status in statuses:
            site.hit("dnp3-control", "all", status=status)
            said["told"][status] = talk.operated()[-1]
            site.clear()
        site.hit("dnp3-control", "operate", status=0)
        said["selects and is told that it operates"] = talk.operated()
        site.clear()

        site.hit("dnp3-overflow", "", events=1)
        before = len(talk.application.indications)
        site.rest.post(f"devices/{device}/setpoints", json={"active_power_setpoint_w": 1_500.0}).raise_for_status()
        site.step()
        said["overflow"] = talk.application.until(lambda: talk.overflowed(before))
        site.clear()

        talk.heard.events.clear()
        site.hit("dnp3-storm", "chattering", events_per_s=200.0)
        site.step()
        said["storm"] = waited(lambda: len(talk.heard.events) >= 100)
        site.clear()

        said["reset and back"] = talk.reopens(lambda: site.hit("reset", "reset"))
        site.clear()
        site.hit("half-open", "", reset_after_s=0.0)
        said["half-open and back"] = talk.reopens(talk.polled)
        said["while half-open"] = talk.recovers()
        site.clear()
        said["after all"] = talk.recovers()
    finally:
        talk.manager.Shutdown()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
