"""c104 meets a battery that trips, follows nothing and restarts, told as JSON: run as a process of its own."""

# c104 compares the annotations of callbacks, so they must not be strings here.
import json
import sys
from typing import Any

import c104
import httpx
from c104_faults import waited
from c104_master import Conversation, noticed

END_OF_INITIALISATION = 70
TRIP, POWER, SETPOINT = 1002, 2000, 5000
"""Addresses of the point list: ``fault_trip``, ``active_power_w`` and ``active_power_setpoint_w``."""


class Told:
    """The ends of initialisation among what comes in: common address and cause."""

    def __init__(self, link: c104.Connection) -> None:
        self.ends: list[tuple[int, int]] = []
        link.on_receive_raw(callable=self.on_receive_raw)

    def on_receive_raw(self, connection: c104.Connection, data: bytes) -> None:
        frames = bytes(data)
        while frames:
            size = 2 + frames[1]
            asdu, frames = frames[6:size], frames[size:]
            if asdu[:1] == bytes((END_OF_INITIALISATION,)):
                self.ends.append((int.from_bytes(asdu[4:6], "little"), asdu[-1]))


def main(host: str, port: int, battery: int, rest: str) -> dict[str, Any]:
    site = httpx.Client(base_url=rest, timeout=60.0)

    def hit(kind: str, target: dict[str, str], **parameters: Any) -> None:
        site.post("faults", json={"kind": kind, "target": target, "parameters": parameters}).raise_for_status()
        step()

    def step(steps: int = 1) -> None:
        site.post("clock/step", json={"steps": steps}).raise_for_status()

    talk = Conversation(host, port, command_timeout_ms=1_000)
    link, told = talk.link, Told(talk.link)

    def value(ioa: int) -> float:
        assert noticed(lambda: link.interrogation(common_address=battery))
        return float(talk.points()[str(battery)][str(ioa)][0])

    said: dict[str, Any] = {"trip": [value(TRIP)]}
    try:
        hit("trip", {"device": "battery-*"})
        said["trip"].append(value(TRIP))
        site.delete("faults").raise_for_status()
        step()
        said["trip"].append(value(TRIP))

        hit("follows-none", {"device": "battery-*"})
        said["acknowledged"] = noticed(lambda: talk.command(battery, SETPOINT, c104.Type.C_SE_NC_1, -1200.0))
        step(10)
        said["power"] = [value(POWER)]
        site.delete("faults").raise_for_status()
        step(10)
        said["power"].append(value(POWER))

        hit("restart", {"station": "rtu"}, down_s=2.0)
        said["cut"] = waited(lambda: link.state != c104.ConnectionState.OPEN)
        step(2)
        told.ends.clear()
        link.disconnect()  # by itself it comes back after 10 s
        waited(lambda: link.state == c104.ConnectionState.CLOSED)
        link.connect()
        said["again"] = waited(lambda: opened(link))
        waited(lambda: len(told.ends) >= len(link.stations))
        said["initialised"] = sorted(told.ends)
        said["power after"] = value(POWER)
    finally:
        talk.client.stop()
    return said


def opened(link: c104.Connection) -> bool:
    """Whether it is, and has started; on loopback it sometimes stays connected without having asked to start."""
    if link.state == c104.ConnectionState.OPEN_MUTED:
        link.unmute()
    return bool(link.state == c104.ConnectionState.OPEN)


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
