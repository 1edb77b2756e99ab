"""c104 sets a station's clock to this machine's time, told as JSON: run as a process of its own, as ``main`` has it."""

import json
import sys
import time
from typing import Any

import c104
import httpx
from c104_master import Conversation, noticed


def main(host: str, port: int, asked: int, rest: str) -> dict[str, Any]:
    """Ask one common address, and listen to what all of them tell of three steps of a second."""
    talk = Conversation(host, port)
    try:
        noticed(lambda: talk.link.interrogation(common_address=0xFFFF, qualifier=c104.Qoi.STATION))
        before_s = time.time()
        confirmed = noticed(lambda: talk.link.clock_sync(common_address=asked))
        after_s = time.time()
        talk.news.clear()  # what was from before this master came
        httpx.post(f"{rest}clock/step", json={"steps": 3}, timeout=60.0).raise_for_status()
        with talk.changed:
            talk.changed.wait_for(lambda: len({each["ca"] for each in talk.news}) > 1, 10.0)
            return {"confirmed": confirmed, "before": before_s, "after": after_s, "news": list(talk.news)}
    finally:
        talk.client.stop()


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
