"""c104 sends a station one set-point, told as JSON: run as a process of its own, with the parameters of ``main``."""

import json
import sys
from typing import Any

import c104
from c104_master import Conversation, noticed


def main(host: str, port: int, address: int, ioa: int, value: float, patience_ms: int) -> dict[str, Any]:
    talk = Conversation(host, port, command_timeout_ms=patience_ms)
    try:
        done = noticed(lambda: talk.command(address, ioa, c104.Type.C_SE_NC_1, value))
        return {"confirmed": done, "open": talk.link.state == c104.ConnectionState.OPEN}
    finally:
        talk.client.stop()


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
