"""opendnp3 (through yadnp3) and several outstations on one channel, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the masters saw, by device.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
import opendnp3
from opendnp3_functions import Watching
from opendnp3_master import PATIENCE_S, Heard, Open, Silent

SETPOINT, POWER = 508, "AI537"


class Drop:
    """What one master has to do with one outstation."""

    def __init__(self, channel: opendnp3.IChannel, name: str, outstation: int) -> None:
        self.heard, self.application = Heard(), Watching()
        stack = opendnp3.MasterStackConfig()
        stack.link.LocalAddr, stack.link.RemoteAddr = 1, outstation
        stack.master.responseTimeout = opendnp3.TimeDuration.Milliseconds(500)
        self.master = channel.AddMaster(name, self.heard, self.application, stack)

    def answer(self, ask: Callable[[Callable[[Any], None]], None]) -> Any:
        over, results = threading.Event(), []

        def answered(result: Any) -> None:
            results.append(result)
            over.set()

        ask(answered)
        assert over.wait(PATIENCE_S)
        return results[0]

    def poll(self) -> dict[str, float]:
        self.heard.static.clear()
        everything = opendnp3.ClassField.AllClasses()
        assert self.application.after(lambda: self.master.ScanClasses(everything, self.heard)) == "SUCCESS"
        return dict(self.heard.static)

    def operate(self, watts: float) -> list[str]:
        order = opendnp3.AnalogOutputInt32(round(watts))
        result = self.answer(lambda answered: self.master.SelectAndOperate(order, SETPOINT, answered))
        return [each.status.name for each in result.to_list()]


def main(host: str, port: int, outstations: dict[str, int], rest: str) -> dict[str, Any]:
    listener, log = Open(), Silent()
    manager = opendnp3.DNP3Manager(1, log)
    there, retry = [opendnp3.IPEndpoint(host, port)], opendnp3.ChannelRetry.Default()
    channel = manager.AddTCPClient("farm", opendnp3.LogLevels.none(), retry, there, "127.0.0.1", listener)
    drops = {name: Drop(channel, name, address) for name, address in outstations.items()}
    said: dict[str, Any] = {}
    for each in drops.values():
        each.master.Enable()
    for each in drops.values():
        assert each.application.until(lambda: ("ENABLE_UNSOLICITED", "SUCCESS") in each.application.done)  # noqa: B023
    said["polled"] = {name: each.poll() for name, each in drops.items()}
    said["operated"] = {name: each.operate(100.0 * number) for number, (name, each) in enumerate(drops.items(), 1)}

    before = {name: each.heard.unsolicited for name, each in drops.items()}
    httpx.post(f"{rest}clock/step", json={"steps": 1}, timeout=30.0).raise_for_status()
    for name, each in drops.items():
        with each.heard.changed:
            each.heard.changed.wait_for(lambda: each.heard.unsolicited > before[name], PATIENCE_S)  # noqa: B023
    said["unsolicited"] = {name: each.heard.unsolicited - before[name] for name, each in drops.items()}
    said["events"] = {name: [event["point"] for event in each.heard.events] for name, each in drops.items()}

    restarting, *others = drops.values()
    seen = len(restarting.application.indications)
    said["restart"] = restarting.answer(
        lambda answered: restarting.master.Restart(opendnp3.RestartType.COLD, answered)
    ).summary.name
    said["polled meanwhile"] = [len(each.poll()) for each in others]
    said["told"] = restarting.application.until(
        lambda: any(first & 0x80 for first, _ in restarting.application.indications[seen:])
    )
    said["polled after"] = len(restarting.poll())
    said["opened"] = [each.application.opened for each in drops.values()]
    said["closed"] = [each.application.closed for each in drops.values()]
    manager.Shutdown()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
