"""Locust's entry: every user is a device that posts its readings to a SESP.

Run by ``pilotfarm loadtest sesp`` in a process of its own, because Locust replaces the standard
library's sockets with gevent's. The environment names the plan; see ``plan.py``.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from pilotfarm.emulators.clock import WallClock
from pilotfarm.loadtests.journal import Journal
from pilotfarm.loadtests.plan import ENVIRONMENT, READINGS_PATH, TOKEN_ENVIRONMENT, Plan
from pilotfarm.loadtests.source import FarmSource
from pilotfarm.loadtests.users import UserPool

PLAN = Plan.read(Path(os.environ[ENVIRONMENT]))
TOKEN = os.environ.get(TOKEN_ENVIRONMENT)
JOURNAL = Journal.resume(Path(PLAN.journal), PLAN.run)
POOL = UserPool(PLAN, FarmSource(PLAN.site), JOURNAL, WallClock())

ADVANCE_S = 1.0
"""Wall time between two moves of the farm."""
FAILED = 3
"""Exit code of this process when what was sent may be incomplete in the journal."""


def _advance() -> None:
    while True:
        gevent.sleep(ADVANCE_S)
        POOL.advance()


def _start(environment: Any, **_arguments: Any) -> None:
    def fail(_advancing: gevent.Greenlet) -> None:
        """End the test: the farm cannot go on, or the journal takes nothing. gevent itself tells why."""
        environment.process_exit_code = FAILED
        environment.runner.quit()

    gevent.spawn(_advance).link_exception(fail)


def _end(**_arguments: Any) -> None:
    POOL.stopping = True


def _quit(**_arguments: Any) -> None:
    try:
        JOURNAL.close()
    except sqlite3.Error:
        traceback.print_exc()
        sys.exit(FAILED)


events.init.add_listener(_start)  # type: ignore[no-untyped-call]
events.test_stopping.add_listener(_end)  # type: ignore[no-untyped-call]
events.quit.add_listener(_quit)  # type: ignore[no-untyped-call]


class DeviceUser(FastHttpUser):
    """A device that reports at its interval, and does not send again what went wrong."""

    connection_timeout = network_timeout = PLAN.timeout_s
    max_retries = 0
    max_redirects = 0
    insecure = False  # a certificate that nobody vouches for gets no token
    default_headers = None if TOKEN is None else {"Authorization": f"Bearer {TOKEN}"}

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
