"""c104 meets faults one after the other, told as JSON: run as a process of its own, with the parameters of ``main``."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import c104
import httpx
from c104_master import Conversation, noticed


def waited(until: Callable[[], bool], within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Site:
    """The farm's REST interface, as far as it is needed here."""

    def __init__(self, rest: str) -> None:
        self.rest = httpx.Client(base_url=rest, timeout=60.0)

    def hit(self, kind: str, mode: str, **parameters: Any) -> None:
        fault = {"kind": kind, "target": {}, "mode": mode or None, "parameters": parameters}
        self.rest.post("faults", json=fault).raise_for_status()
        self.step()

    def clear(self) -> None:
        self.rest.delete("faults").raise_for_status()
        self.step()

    def step(self) -> None:
        self.rest.post("clock/step", json={"steps": 1}).raise_for_status()


def main(host: str, port: int, battery: int, rest: str) -> dict[str, Any]:
    site = Site(rest)
    said = {
        "interrogation that does not end": never_ended(site, host, port, battery),
        "states without a start and with": never_started(site, host, port),
    }
    talk = Conversation(host, port)
    link = talk.link
    try:
        site.hit("iec104-data", "common-address")
        said["interrogation of data of nobody"] = noticed(lambda: link.interrogation(common_address=battery))
        said["stations"] = [station.common_address for station in link.stations]
        site.clear()

        site.hit("iec104-data", "truncated")
        said["interrogation of data cut short"] = noticed(lambda: link.interrogation(common_address=battery))
        site.clear()

        site.hit("iec104-time", "missing")
        talk.news.clear()
        site.hit("iec104-flood", "states")
        said["flooded"] = waited(lambda: len(talk.news) >= 90)
        said["states without time"] = sorted({news["type"] for news in talk.news} & {"M_SP_NA_1", "M_DP_NA_1"})
        site.clear()
        said["open after all"] = link.state.name

        site.hit("iec104-function", "stopdt")
        link.mute()
        said["stopped"] = waited(lambda: link.state != c104.ConnectionState.OPEN, 0.5)
        site.clear()
        said["interrogation after all"] = noticed(lambda: link.interrogation(common_address=battery))
    finally:
        talk.client.stop()
    said |= disconnected(site, host, port, battery)
    return said


def disconnected(site: Site, host: str, port: int, address: int) -> dict[str, Any]:
    """What becomes of a link that stands while others are refused, and of one that is reset or forgotten."""
    talk, said = Conversation(host, port, command_timeout_ms=2_000), {}
    link, closed = talk.link, []

    def changed(connection: c104.Connection, state: c104.ConnectionState) -> None:
        if state == c104.ConnectionState.CLOSED_AWAIT_RECONNECT:
            closed.append(connection)

    def opens() -> bool:
        link.unmute()
        return bool(link.state == c104.ConnectionState.OPEN)

    link.on_state_change(callable=changed)
    try:
        site.hit("refused", "refuse")
        said["refused"] = refused(host, port)
        said["stands meanwhile"] = noticed(lambda: link.interrogation(common_address=address)) and not closed
        site.clear()
        for kind, parameters in (("reset", {}), ("half-open", {"reset_after_s": 0.0})):
            closed.clear()
            site.hit(kind, "", **parameters)
            link.interrogation(common_address=address, wait_for_response=False)
            said[f"closes, {kind}"] = waited(lambda: bool(closed))
            said[f"opens again, {kind}"] = waited(opens)
            site.clear()
    finally:
        talk.client.stop()
    return said


def refused(host: str, port: int) -> bool:
    client = c104.Client(tick_rate_ms=50)
    link = client.add_connection(ip=host, port=port, init=c104.Init.NONE)
    client.start()
    try:
        return waited(lambda: link.state == c104.ConnectionState.CLOSED_AWAIT_RECONNECT)
    finally:
        client.stop()


def never_ended(site: Site, host: str, port: int, address: int) -> bool:
    """Whether it is enough for an interrogation that its data come."""
    talk = Conversation(host, port, command_timeout_ms=500)
    try:
        site.hit("iec104-command", "unterminated", of="interrogation")
        return bool(talk.link.interrogation(common_address=address))
    finally:
        talk.client.stop()
        site.clear()


def never_started(site: Site, host: str, port: int) -> list[str]:
    """What state the link is in while nobody hears its STARTDT, and after."""
    site.hit("iec104-function", "startdt")
    client = c104.Client(tick_rate_ms=50)
    link = client.add_connection(ip=host, port=port, init=c104.Init.NONE)
    client.start()
    try:
        waited(lambda: link.state == c104.ConnectionState.OPEN_MUTED)
        states = [link.state.name]
        site.clear()
        link.unmute()
        waited(lambda: link.state == c104.ConnectionState.OPEN)
        return [*states, link.state.name]
    finally:
        client.stop()


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
