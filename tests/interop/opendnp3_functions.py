"""opendnp3 (through yadnp3) asks one outstation for what few masters use, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the master saw.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx
import opendnp3
from opendnp3_master import PATIENCE_S, Application, Heard, Open, Silent

FUNCTION = opendnp3.FunctionCode
ALL = opendnp3.Header.AllObjects
LINK_STATUS_BYTES = 10
POWER, FREQUENCY = 537, 536


class Watching(Application):
    """Also keeps the indications of every answer, and how often the connection came and went."""

    def __init__(self) -> None:
        super().__init__()
        self.indications: list[tuple[int, int]] = []
        self.opened = self.closed = 0

    def OnReceiveIIN(self, iin: opendnp3.IINField) -> None:
        with self.changed:
            self.indications.append((iin.LSB, iin.MSB))
            self.changed.notify_all()

    def OnOpen(self) -> None:
        with self.changed:
            self.opened += 1
            self.changed.notify_all()

    def OnClose(self) -> None:
        with self.changed:
            self.closed += 1
            self.changed.notify_all()

    def until(self, true: Callable[[], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(true, PATIENCE_S)


def main(host: str, port: int, outstation: int, rest: str) -> dict[str, Any]:
    heard, application, listener, log = Heard(), Watching(), Open(), Silent()
    manager = opendnp3.DNP3Manager(1, log)
    said: dict[str, Any] = {}
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
    master = channel.AddMaster("master", heard, application, stack)

    def step(steps: int = 1) -> None:
        httpx.post(f"{rest}clock/step", json={"steps": steps}, timeout=30.0).raise_for_status()

    def tell(**values: float) -> None:
        httpx.post(f"{rest}devices/battery-001/setpoints", json=values, timeout=30.0).raise_for_status()
        step(5)

    def received() -> float:
        """Bytes that the outstation has got, by its own account."""
        text = httpx.get(f"{rest.removesuffix('api/v1/')}metrics", timeout=30.0).text
        lines = (
            line
            for line in text.splitlines()
            if line.startswith("pilotfarm_received_bytes_total") and 'protocol="dnp3"' in line
        )
        return float(next(lines).split()[-1])

    def polled(begin: Callable[[], None]) -> dict[str, Any]:
        """What a task returns: how it ended, its points, its events, and the last indications."""
        heard.static.clear()
        heard.events.clear()
        before = len(application.indications)
        ended = application.after(begin)
        application.until(lambda: len(application.indications) > before)
        events = [[event["point"], event["value"]] for event in heard.events]
        return {"ended": ended, "static": dict(heard.static), "events": events, "iin": application.indications[-1]}

    def restarted(kind: opendnp3.RestartType) -> dict[str, Any]:
        over, results = threading.Event(), []

        def answered(result: opendnp3.RestartOperationResult) -> None:
            results.append((result.summary.name, str(result.restartTime)))
            over.set()

        before = len(application.indications)
        opened = application.opened
        master.Restart(kind, answered)
        over.wait(PATIENCE_S)
        told = application.until(lambda: any(first & 0x80 for first, _ in application.indications[before:]))
        # opendnp3 clears the indication by itself.
        cleared = application.until(lambda: not application.indications[-1][0] & 0x80)
        return {"answer": results, "told": told, "cleared": cleared, "opened": application.opened - opened}

    master.Enable()
    application.until(lambda: ("ENABLE_UNSOLICITED", "SUCCESS") in application.done)
    said["startup"] = application.done[:]

    quiet = received()
    while received() < quiet + 3 * LINK_STATUS_BYTES and application.closed == 0:
        threading.Event().wait(0.1)
    said["closed while silent"] = application.closed

    said["some"] = polled(lambda: master.Scan([ALL(110, 0), ALL(1, 2), ALL(20, 1)], heard))
    said["beyond"] = polled(lambda: master.ScanRange(opendnp3.GroupVariationID(20, 1), 0, 20, heard))
    master.PerformFunction("off", FUNCTION.DISABLE_UNSOLICITED, [ALL(60, 2), ALL(60, 3), ALL(60, 4)])

    said["assign"] = application.after(
        lambda: master.PerformFunction("assign", FUNCTION.ASSIGN_CLASS, [ALL(60, 2), ALL(30, 0)])
    )
    said["polled"] = polled(lambda: master.ScanClasses(opendnp3.ClassField.AllClasses(), heard))
    tell(active_power_setpoint_w=1500.0, active_power_setpoint_enabled=1.0, active_power_limit_frac=0.5)
    said["float"] = polled(lambda: master.ScanAllObjects(opendnp3.GroupVariationID(32, 7), heard))
    tell(active_power_setpoint_w=-1500.0)
    said["class 1"] = polled(lambda: master.Scan([ALL(60, 2)], heard))

    wide = opendnp3.IndexedAnalogInputDeadband(opendnp3.AnalogInputDeadband(60_000), POWER)
    over, results = threading.Event(), []

    def written(*result: Any) -> None:
        results.extend(each.summary.name for each in result)
        over.set()

    master.WriteDeadBands([wide], written)
    over.wait(PATIENCE_S)
    said["deadband"] = results
    tell(active_power_setpoint_w=1500.0)
    said["within"] = polled(lambda: master.Scan([ALL(60, 2)], heard))

    said["warm"] = restarted(opendnp3.RestartType.WARM)
    said["cold"] = restarted(opendnp3.RestartType.COLD)
    said["after"] = polled(lambda: master.ScanClasses(opendnp3.ClassField.AllClasses(), heard))
    manager.Shutdown()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
