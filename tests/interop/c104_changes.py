"""What c104 holds of a station with each point's quality, and is told over some steps: run as a process of its own."""

import json
import sys
from typing import Any

import c104
import httpx
from c104_master import Conversation, noticed, plain

BITS = (
    c104.Quality.Invalid,
    c104.Quality.NonTopical,
    c104.Quality.Blocked,
    c104.Quality.Substituted,
    c104.Quality.Overflow,
)


def main(host: str, port: int, address: int, rest: str, steps: int = 0) -> dict[str, Any]:
    talk = Conversation(host, port)
    try:
        noticed(lambda: talk.link.interrogation(common_address=0xFFFF))
        station = talk.link.get_station(address)
        held = {
            str(point.io_address): [plain(point.value), [bit.name for bit in BITS if bit in point.quality]]
            for point in station.points
        }
        if steps:
            httpx.post(f"{rest}clock/step", json={"steps": steps}, timeout=60.0).raise_for_status()
            with talk.changed:
                talk.changed.wait_for(lambda: talk.news, 10.0)
        return {"held": held, "news": list(talk.news)}
    finally:
        talk.client.stop()


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
