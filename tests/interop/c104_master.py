"""A conversation of c104 (lib60870-C) with one station, told as JSON: run as a process of its own.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the client saw.
"""

# c104 compares the annotations of callbacks, so they must not be strings here.
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import c104
import httpx

CHANGES = (c104.Cot.SPONTANEOUS, c104.Cot.RETURN_INFO_REMOTE)


class Conversation:
    def __init__(self, host: str, port: int, command_timeout_ms: int = 5_000) -> None:
        self.news: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self.client = c104.Client(tick_rate_ms=50, command_timeout_ms=command_timeout_ms)
        self.client.originator_address = 7
        self.link = self.client.add_connection(ip=host, port=port, init=c104.Init.NONE)
        self.client.on_new_station(callable=self.on_new_station)
        self.client.on_new_point(callable=self.on_new_point)
        self.link.on_unexpected_message(callable=self.on_unexpected_message)
        self.client.start()
        until = time.monotonic() + 10.0
        ask_again = 0.0
        while self.link.state != c104.ConnectionState.OPEN:
            # On loopback it sometimes stays connected without having asked to start (STARTDT).
            if self.link.state == c104.ConnectionState.OPEN_MUTED and time.monotonic() > ask_again:
                self.link.unmute()
                ask_again = time.monotonic() + 2.0
            assert time.monotonic() < until, f"never started: {self.link.state}"
            time.sleep(0.02)

    def on_new_station(self, client: c104.Client, connection: c104.Connection, common_address: int) -> None:
        connection.add_station(common_address=common_address)

    def on_new_point(self, client: c104.Client, station: c104.Station, io_address: int, point_type: c104.Type) -> None:
        point = station.add_point(io_address=io_address, type=point_type)
        point.on_receive(callable=self.on_receive)

    def on_receive(
        self, point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        """A point that the client got to know by a change is told its further changes, and the first, here."""
        if message.cot in CHANGES:
            with self.changed:
                self.news.append(
                    {
                        "ca": point.station.common_address,
                        "ioa": point.io_address,
                        "type": point.type.name,
                        "cause": message.cot.name,
                        "value": plain(point.value),
                        "at": point.recorded_at and point.recorded_at.isoformat(),
                    }
                )
                self.changed.notify_all()
        return c104.ResponseState.SUCCESS

    def on_unexpected_message(
        self, connection: c104.Connection, message: c104.IncomingMessage, cause: c104.Umc
    ) -> None:
        """To c104 the type with a time tag is another one than it was interrogated with, so changes come here."""
        if message.cot not in CHANGES:
            return
        more = True
        with self.changed:
            while more:
                info, stamp = message.info, message.info.recorded_at
                told = {"ca": message.common_address, "ioa": message.io_address, "type": message.type.name}
                told["cause"] = message.cot.name
                self.news.append({**told, "value": plain(info.value), "at": stamp and stamp.isoformat()})
                more = message.next()
            self.changed.notify_all()

    def points(self) -> dict[str, dict[str, Any]]:
        """What the client holds of each station: value, type and whether its quality is good."""
        return {
            str(station.common_address): {
                str(point.io_address): [plain(point.value), point.type.name, point.quality.is_good()]
                for point in station.points
                if not point.type.name.startswith("C_")
            }
            for station in self.link.stations
        }

    def command(
        self,
        common_address: int,
        ioa: int,
        kind: c104.Type,
        value: Any,
        mode: c104.CommandMode = c104.CommandMode.DIRECT,
    ) -> bool:
        station = self.link.get_station(common_address) or self.link.add_station(common_address)
        point = station.get_point(ioa) or station.add_point(io_address=ioa, type=kind)
        point.command_mode = mode
        point.value = value
        return bool(point.transmit(cause=c104.Cot.ACTIVATION))


def plain(value: Any) -> float | str:
    if isinstance(value, c104.Double):
        return {"OFF": 1.0, "ON": 2.0}.get(value.name, 0.0)
    return float(value)


def noticed(ask: Callable[[], bool]) -> bool:
    """Ask up to three times: c104 misses an answer that arrives before it has begun to wait for it.

    Seen in its own record of the bytes: the confirmation came within the millisecond, and it timed out all the same.
    """
    return any(ask() for _ in range(3))


def main(host: str, port: int, battery: int, rest: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    talk = Conversation(host, port)
    try:
        link, group = talk.link, c104.Qoi.GROUP_2
        said["general"] = noticed(lambda: link.interrogation(common_address=0xFFFF))
        said["group"] = noticed(lambda: link.interrogation(common_address=battery, qualifier=group))
        said["counters"] = noticed(lambda: link.counter_interrogation(common_address=0xFFFF))
        said["clock"] = noticed(lambda: link.clock_sync(common_address=battery))
        said["test"] = noticed(lambda: link.test(common_address=battery))
        said["points"] = talk.points()
        station = talk.link.get_station(battery)
        said["read"] = noticed(station.get_point(2000).read)

        setpoint, single, double = c104.Type.C_SE_NC_1, c104.Type.C_SC_NA_1, c104.Type.C_DC_NA_1
        select = c104.CommandMode.SELECT_AND_EXECUTE
        said["set-point"] = noticed(lambda: talk.command(battery, 5000, setpoint, 2100.0))
        said["set-point selected first"] = noticed(lambda: talk.command(battery, 5001, setpoint, -700.0, select))
        said["single"] = noticed(lambda: talk.command(battery, 4020, single, True))
        said["double selected first"] = noticed(lambda: talk.command(battery, 4100, double, c104.Double.ON, select))
        said["out of range"] = talk.command(battery, 5010, setpoint, 900.0)
        said["neither on nor off"] = talk.command(battery, 4100, double, c104.Double.INDETERMINATE)
        said["no such object"] = talk.command(battery, 5099, setpoint, 1.0)

        httpx.post(f"{rest}clock/step", json={"steps": 5}, timeout=60.0).raise_for_status()
        with talk.changed:
            talk.changed.wait_for(lambda: any((n["ca"], n["ioa"]) == (battery, 2000) for n in talk.news), 10.0)
            said["news"] = list(talk.news)
    finally:
        talk.client.stop()
    said["nobody"], said["no such device"] = answers_of_nobody(host, port)
    said["missed"] = missed(host, port, battery, rest)
    return said


def answers_of_nobody(host: str, port: int) -> tuple[bool, bool]:
    """Whether an interrogation of a common address that nobody has, and a set-point, are confirmed within a second."""
    talk = Conversation(host, port, command_timeout_ms=1_000)
    try:
        asked = talk.link.interrogation(common_address=4711)
        return bool(asked), talk.command(4711, 5000, c104.Type.C_SE_NC_1, 1.0)
    finally:
        talk.client.stop()


def missed(host: str, port: int, battery: int, rest: str) -> list[dict[str, Any]]:
    """What is told, on coming back, of five steps in which the client was away and a breaker opened and closed."""
    for position in (0, 1):
        asked = httpx.post(f"{rest}devices/battery-001/setpoints", json={"grid_switch": position}, timeout=60.0)
        asked.raise_for_status()
        httpx.post(f"{rest}clock/step", json={"steps": 2}, timeout=60.0).raise_for_status()
    httpx.post(f"{rest}clock/step", json={"steps": 1}, timeout=60.0).raise_for_status()
    talk = Conversation(host, port)
    try:
        with talk.changed:
            talk.changed.wait_for(lambda: sum((n["ca"], n["ioa"]) == (battery, 1100) for n in talk.news) >= 2, 10.0)
            return list(talk.news)
    finally:
        talk.client.stop()


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
