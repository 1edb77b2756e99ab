"""A conversation of opendnp3 (through yadnp3) with one outstation, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the master saw.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import opendnp3

PATIENCE_S = 10.0
CHANGES_S = 2.0  # a device that nothing was told may have nothing to say
KINDS = {
    opendnp3.IndexedBinary: "BI",
    opendnp3.IndexedAnalog: "AI",
    opendnp3.IndexedCounter: "CTR",
    opendnp3.IndexedFrozenCounter: "FROZEN",
    opendnp3.IndexedBinaryOutputStatus: "BO",
    opendnp3.IndexedAnalogOutputStatus: "AO",
}


class Heard(opendnp3.ISOEHandler):
    """Keeps the latest value of every point, and every event in order."""

    def __init__(self) -> None:
        super().__init__()
        self.static: dict[str, float] = {}
        self.flags: dict[str, int] = {}
        self.events: list[dict[str, Any]] = []
        self.unsolicited = 0
        self.changed = threading.Condition()

    def BeginFragment(self, info: opendnp3.ResponseInfo) -> None:
        self.unsolicited += info.unsolicited

    def EndFragment(self, info: opendnp3.ResponseInfo) -> None:
        with self.changed:
            self.changed.notify_all()

    def Process(self, info: opendnp3.HeaderInfo, values: Sequence[Any]) -> None:
        for each in values:
            point = f"{KINDS[type(each)]}{each.index}"
            if info.isEventVariation:
                self.events.append({"point": point, "value": float(each.value.value), "time": each.value.time.value})
            else:
                self.static[point] = float(each.value.value)
                self.flags[point] = each.value.flags.value


class Application(opendnp3.IMasterApplication):
    """Counts tasks as they end, so that the conversation knows when to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, str]] = []
        self.changed = threading.Condition()

    def OnTaskComplete(self, info: opendnp3.TaskInfo) -> None:
        with self.changed:
            self.done.append((info.type.name, info.result.name))
            self.changed.notify_all()

    def after(self, begin: Callable[[], None]) -> str:
        """Begin a task and return how the next user task ended; those that the master gives itself end as they like."""
        with self.changed:
            before = len(self._of_user())
        begin()
        with self.changed:
            self.changed.wait_for(lambda: len(self._of_user()) > before, PATIENCE_S)
            return (*self._of_user()[before:], "nothing")[0]

    def _of_user(self) -> list[str]:
        return [result for kind, result in self.done if kind == opendnp3.MasterTaskType.USER_TASK.name]


class Silent(opendnp3.ILogHandler):
    def log(self, *entry: Any) -> None:
        pass


class Open(opendnp3.IChannelListener):
    def OnStateChange(self, state: opendnp3.ChannelState) -> None:
        pass


def main(host: str, port: int, outstation: int, rest: str) -> dict[str, Any]:
    heard, application, listener, log = Heard(), Application(), Open(), Silent()
    manager = opendnp3.DNP3Manager(1, log)
    said: dict[str, Any] = {}
    try:
        channel = manager.AddTCPClient(
            "farm",
            opendnp3.LogLevels.none(),
            opendnp3.ChannelRetry.Default(),
            [opendnp3.IPEndpoint(host, port)],
            "127.0.0.1",
            listener,
        )
        stack = opendnp3.MasterStackConfig()
        stack.link.LocalAddr, stack.link.RemoteAddr = 1, outstation
        stack.master.timeSyncMode = opendnp3.TimeSyncMode.LAN
        master = channel.AddMaster("master", heard, application, stack)
        master.Enable()
        with heard.changed:
            heard.changed.wait_for(lambda: len(heard.static) > 0, PATIENCE_S)
        said["integrity"] = application.after(lambda: master.ScanClasses(opendnp3.ClassField.AllClasses(), heard))
        said["static"] = dict(heard.static)
        said["flags"] = dict(heard.flags)

        def command(order: Any, index: int, *, select: bool = False) -> list[str]:
            """How the outstation answered: the task, the state of the point's command, its status."""
            over, results = threading.Event(), []

            def answered(result: opendnp3.ICommandTaskResult) -> None:
                results.append(result.summary.name)
                results.extend(x for p in result.to_list() for x in (p.state.name, p.status.name))
                over.set()

            (master.SelectAndOperate if select else master.DirectOperate)(order, index, answered)
            over.wait(PATIENCE_S)
            return results

        crob, kind = opendnp3.ControlRelayOutputBlock, opendnp3.OperationType
        said["set-point direct"] = command(opendnp3.AnalogOutputInt32(1900), 508)
        said["enable direct"] = command(crob(kind.LATCH_ON), 18)
        said["set-point selected first"] = command(opendnp3.AnalogOutputFloat32(-650.0), 511, select=True)
        said["enable selected first"] = command(crob(kind.LATCH_ON), 27, select=True)
        said["pulse"] = command(crob(kind.PULSE_ON), 50_002)
        said["out of range"] = command(opendnp3.AnalogOutputInt32(2_000_000_000), 508)
        said["not a number"] = command(opendnp3.AnalogOutputDouble64(float("nan")), 508)
        said["no such point"] = command(opendnp3.AnalogOutputInt32(1), 499, select=True)
        said["no such relay"] = command(crob(kind.LATCH_ON), 4711)
        permission = [
            command(crob(kind.LATCH_OFF), 3),
            command(crob(kind.LATCH_ON), 1),
            command(crob(kind.LATCH_ON), 3),
        ]
        said["not permitted"] = [answer[-1] for answer in permission]

        before = heard.unsolicited
        with heard.changed:
            httpx.post(f"{rest}clock/step", json={"steps": 10}, timeout=60.0).raise_for_status()
            heard.changed.wait_for(lambda: any(e["point"] == "AI537" for e in heard.events), CHANGES_S)
        said["unsolicited"] = heard.unsolicited - before
        said["events"] = list(heard.events)

        counters = [opendnp3.Header.AllObjects(20, 0)]
        freeze = opendnp3.FreezeType.ImmediateFreeze
        said["freeze"] = application.after(lambda: master.Freeze(freeze, counters))
        frozen = opendnp3.GroupVariationID(21, 0)
        said["frozen"] = application.after(lambda: master.ScanAllObjects(frozen, heard))
        said["range"] = application.after(lambda: master.ScanRange(opendnp3.GroupVariationID(30, 1), 536, 556, heard))
        said["now"] = dict(heard.static)
        said["tasks"] = application.done
    finally:
        manager.Shutdown()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
