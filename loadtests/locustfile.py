"""Locust's entry: every user is a device that posts its readings to a SESP.

Run by ``pilotfarm loadtest sesp`` in a process of its own, because Locust replaces the standard
library's sockets with gevent's. The environment names the plan; see ``plan.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from pilotfarm.emulators.clock import WallClock
from pilotfarm.loadtests.journal import Journal
from pilotfarm.loadtests.plan import ENVIRONMENT, READINGS_PATH, Plan
from pilotfarm.loadtests.source import FarmSource
from pilotfarm.loadtests.users import UserPool

PLAN = Plan.read(Path(os.environ[ENVIRONMENT]))
JOURNAL = Journal(Path(PLAN.journal))
POOL = UserPool(PLAN, FarmSource(PLAN.site), JOURNAL, WallClock())

ADVANCE_S = 1.0
"""Wall time between two moves of the farm."""


def _advance() -> None:
    while True:
        gevent.sleep(ADVANCE_S)
        POOL.advance()


def _start(**_arguments: Any) -> None:
    gevent.spawn(_advance)


def _end(**_arguments: Any) -> None:
    POOL.stopping = True


def _quit(**_arguments: Any) -> None:
    JOURNAL.close()


events.init.add_listener(_start)  # type: ignore[no-untyped-call]
events.test_stopping.add_listener(_end)  # type: ignore[no-untyped-call]
events.quit.add_listener(_quit)  # type: ignore[no-untyped-call]


class DeviceUser(FastHttpUser):
    """A device that reports at its interval, and does not send again what went wrong."""

    connection_timeout = network_timeout = PLAN.timeout_s
    max_retries = 0
    max_redirects = 0

    def on_start(self) -> None:
        self.device = POOL.join()

    def wait_time(self) -> float:
        return self.device.wait_s

    @task
    def report(self) -> None:
        if not self.device.is_due:
            return
        status = 0
        try:
            reading = self.device.next_reading()
            status = int(self.client.post(READINGS_PATH, json=reading).status_code)
        finally:
            self.device.answered(status)
