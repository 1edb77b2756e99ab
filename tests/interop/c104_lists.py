"""c104 at a station with a list of its own, told as JSON: a process of its own, with the parameters of ``main``."""

import json
import sys
from typing import Any

import c104
import httpx
from c104_master import Conversation, noticed

SELECT = c104.CommandMode.SELECT_AND_EXECUTE


def main(host: str, port: int, rest: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    talk = Conversation(host, port)
    try:
        said["group"] = noticed(lambda: talk.link.interrogation(common_address=7, qualifier=c104.Qoi.GROUP_3))
        said["points of the group"] = talk.points()
        scaled, normalized = c104.Type.C_SE_NB_1, c104.Type.C_SE_NA_1
        said["wrong type"] = talk.command(7, 500, c104.Type.C_SE_NC_1, 1.0)
    finally:
        talk.client.stop()
    talk = Conversation(host, port)
    try:
        said["scaled"] = noticed(lambda: talk.command(7, 500, scaled, c104.Int16(12), SELECT))
        httpx.post(f"{rest}clock/step", json={"steps": 5}, timeout=60.0).raise_for_status()
        said["normalized"] = noticed(lambda: talk.command(7, 501, normalized, c104.NormalizedFloat(-0.125)))
        httpx.post(f"{rest}clock/step", json={"steps": 5}, timeout=60.0).raise_for_status()
        with talk.changed:
            talk.changed.wait_for(lambda: sum(each["ioa"] == 40 for each in talk.news) >= 2, 10.0)
            said["news"] = list(talk.news)
    finally:
        talk.client.stop()
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
