"""opendnp3 (through yadnp3) gives an outstation the time it asks for, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the master saw.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import httpx
import opendnp3
from opendnp3_functions import Watching
from opendnp3_master import Heard, Open, Silent

NEED_TIME = 0x10


class Timed(Watching):
    """Has this machine's time to give; without ``Now`` yadnp3's master gives 1970."""

    def Now(self) -> opendnp3.UTCTimestamp:
        return opendnp3.UTCTimestamp(round(time.time() * 1000))


def main(host: str, port: int, outstation: int, rest: str, device: str, mode: str, again_s: int) -> dict[str, Any]:
    """Start, hear of changes in three steps, and be asked for the time again after ``again_s`` of site time."""
    heard, application, listener, log = Heard(), Timed(), Open(), Silent()
    manager = opendnp3.DNP3Manager(1, log)
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
    stack.master.timeSyncMode = opendnp3.TimeSyncMode.__members__[mode]
    master = channel.AddMaster("master", heard, application, stack)
    syncs = opendnp3.MasterTaskType.__members__[{"LAN": "LAN_TIME_SYNC", "NonLAN": "NON_LAN_TIME_SYNC"}[mode]].name
    said: dict[str, Any] = {}

    def synchronised(times: int) -> bool:
        return application.until(lambda: application.done.count((syncs, "SUCCESS")) >= times)

    def step(steps: int) -> None:
        httpx.post(f"{rest}clock/step", json={"steps": steps}, timeout=30.0).raise_for_status()

    def polled() -> int:
        """The first octet of the indications of an answer."""
        before = len(application.indications)
        application.after(lambda: master.ScanClasses(opendnp3.ClassField.AllEventClasses(), heard))
        application.until(lambda: len(application.indications) > before)
        return application.indications[before][0]

    try:
        said["before"] = time.time()
        master.Enable()
        said["synchronised"] = synchronised(1)
        said["after"] = time.time()
        said["asked"] = bool(application.indications[0][0] & NEED_TIME)
        said["asked when set"] = bool(polled() & NEED_TIME)
        heard.events.clear()
        told = {"active_power_setpoint_w": 1_000.0}
        httpx.post(f"{rest}devices/{device}/setpoints", json=told, timeout=60.0).raise_for_status()
        step(3)
        polled()
        said["events"] = list(heard.events)
        step(again_s)
        said["asked again"] = bool(polled() & NEED_TIME)
        said["synchronised again"] = synchronised(2)
        said["asked at the end"] = bool(polled() & NEED_TIME)
    finally:
        manager.Shutdown()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
