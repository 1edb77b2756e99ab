"""c104 interrogates one station, told as JSON: run as a process of its own, with the parameters of ``main``."""

import json
import sys
from typing import Any

from c104_master import Conversation, noticed


def main(host: str, port: int) -> dict[str, Any]:
    talk = Conversation(host, port)
    try:
        general = noticed(lambda: talk.link.interrogation(common_address=0xFFFF))
        return {"general": general, "points": talk.points()}
    finally:
        talk.client.stop()


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
