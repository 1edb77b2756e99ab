"""opendnp3 meets a battery that trips, follows nothing and restarts, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the master saw.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import httpx
import opendnp3
from opendnp3_functions import Watching
from opendnp3_master import PATIENCE_S, Heard, Open, Silent

DEVICE_RESTART = 0x80
COUNTERS = [opendnp3.Header.AllObjects(20, 0)]
FROZEN = opendnp3.GroupVariationID(21, 0)


class Site:
    """The farm's REST interface, as far as it is needed here."""

    def __init__(self, rest: str) -> None:
        self.rest = httpx.Client(base_url=rest, timeout=60.0)

    def step(self, steps: int = 1) -> None:
        self.rest.post("clock/step", json={"steps": steps}).raise_for_status()

    def hit(self, kind: str, **parameters: Any) -> None:
        fault = {"kind": kind, "target": {"device": "battery-*"}, "parameters": parameters}
        self.rest.post("faults", json=fault).raise_for_status()
        self.step()

    def clear(self) -> None:
        self.rest.delete("faults").raise_for_status()
        self.step()


def main(host: str, port: int, outstation: int, rest: str, points: dict[str, str]) -> dict[str, Any]:
    """``points`` names a point, such as ``AI537``, for each quantity that is looked at."""
    heard, application, listener, log = Heard(), Watching(), Open(), Silent()
    manager, site = opendnp3.DNP3Manager(1, log), Site(rest)
    said: dict[str, Any] = {}
    retry = opendnp3.ChannelRetry(opendnp3.TimeDuration.Milliseconds(50), opendnp3.TimeDuration.Milliseconds(50))
    there = [opendnp3.IPEndpoint(host, port)]
    channel = manager.AddTCPClient("farm", opendnp3.LogLevels.none(), retry, there, "127.0.0.1", listener)
    stack = opendnp3.MasterStackConfig()
    stack.link.LocalAddr, stack.link.RemoteAddr = 1, outstation
    master = channel.AddMaster("master", heard, application, stack)

    def value(quantity: str) -> float:
        assert application.after(lambda: master.ScanClasses(opendnp3.ClassField.AllClasses(), heard)) == "SUCCESS"
        return heard.static[points[quantity]]

    def told(quantity: str, value: int) -> list[str]:
        """The status of a direct operate."""
        over, results = threading.Event(), []

        def answered(result: opendnp3.ICommandTaskResult) -> None:
            results.extend(each.status.name for each in result.to_list())
            over.set()

        index = int(points[quantity].removeprefix("AO"))
        master.DirectOperate(opendnp3.AnalogOutputInt32(value), index, answered)
        over.wait(PATIENCE_S)
        return results

    def frozen() -> int:
        """How many frozen counters the outstation has."""
        heard.static.clear()
        application.after(lambda: master.ScanAllObjects(FROZEN, heard))
        return sum(point.startswith("FROZEN") for point in heard.static)

    try:
        master.Enable()
        assert application.until(lambda: ("ENABLE_UNSOLICITED", "SUCCESS") in application.done), "never started"
        said["trip"] = [value("fault_trip")]
        site.hit("trip")
        said["trip"].append(value("fault_trip"))
        site.clear()
        said["trip"].append(value("fault_trip"))

        site.hit("follows-none")
        said["status"] = told("active_power_setpoint_w", -1_500)
        site.step(10)
        said["shown"] = value("active_power_setpoint_w")
        said["power"] = [value("active_power_w")]
        site.clear()
        site.step(10)
        said["power"].append(value("active_power_w"))

        application.after(lambda: master.Freeze(opendnp3.FreezeType.ImmediateFreeze, COUNTERS))
        said["frozen"] = [frozen()]
        said["restarted"] = [bool(application.indications[-1][0] & DEVICE_RESTART)]
        site.hit("restart", down_s=2.0)
        said["cut"] = application.until(lambda: application.closed == 1)
        before = len(application.indications)
        site.step(2)
        said["again"] = application.until(lambda: application.opened == 2)
        said["frozen"].append(frozen())  # this master asks for nothing by itself when it is back
        application.until(lambda: len(application.indications) > before)
        said["restarted"].append(bool(application.indications[before][0] & DEVICE_RESTART))
    finally:
        manager.Shutdown()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
