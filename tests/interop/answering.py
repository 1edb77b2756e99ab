"""Two halves of a client in a process of its own that is asked again and again: lines of JSON to it and from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ANSWERS_WITHIN_S = 60.0


def answer_all(answer: Callable[..., Mapping[str, Any]]) -> None:
    """The child's half: answer what is asked until nothing more comes."""
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


class Child:
    """The parent's half. Several can be asked before the first is listened to."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(script))],
            env={**os.environ, "TZ": "UTC"},  # c104's times know no zone
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        watch = threading.Timer(ANSWERS_WITHIN_S, self.process.kill)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        assert line, f"{self.script} ended with {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
