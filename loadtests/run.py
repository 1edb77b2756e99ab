"""A load test from its plan to its report; Locust runs in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pilotfarm.emulators.errors import PilotfarmError, StateError
from pilotfarm.loadtests import signals
from pilotfarm.loadtests.journal import Journal
from pilotfarm.loadtests.outcome import NoResult
from pilotfarm.loadtests.plan import ENVIRONMENT, TOKEN_ENVIRONMENT, Plan
from pilotfarm.loadtests.reconcile import Report, asking, fetch_stored, reconcile


def has_locust() -> bool:
    return importlib.util.find_spec("locust") is not None


class Stop:
    """What a signal does to a load test: it ends the sending early, and at any other time the test.

    ``by`` is the name of the last one.
    """

    def __init__(self) -> None:
        self.by: str | None = None
        self._sending = False
        self._child: subprocess.Popen[Any] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals that end a service."""
        before = {number: signal.signal(number, self._on_signal) for number in signals.ending()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def sending(self) -> Iterator[None]:
        self._sending = True
        try:
            yield
        finally:
            self._sending, self._child = False, None

    def pass_on_to(self, child: subprocess.Popen[Any]) -> None:
        """Pass signals on: Locust stops its users, and what was sent is still reconciled."""
        self._child = child
        if self.by is not None:
            child.terminate()

    def _on_signal(self, number: int, _frame: object) -> None:
        self.by = signal.Signals(number).name
        if not self._sending:
            raise StateError(f"stopped by {self.by}")
        if self._child is not None:
            self._child.terminate()


def load_test(
    plan: Plan, journal: Journal, folder: Path, stop: Stop, csv: str | None = None, token: str | None = None
) -> Report:
    """Send what the plan says and reconcile it; ``NoResult`` when nothing was sent, or Locust or the SESP failed."""
    try:
        with stop.sending():
            run_locust(plan, folder, stop, csv, token)
        with asking(plan.url, token) as client:
            report = reconcile(journal, plan, fetch_stored(client, plan.run))
    except (httpx.HTTPError, ValueError, PilotfarmError) as error:
        report = reconcile(journal, plan, {})
        sent, acknowledged = report.balance.sent, report.balance.acknowledged
        message = f"{sent:,} readings were sent and {acknowledged:,} acknowledged; what {plan.url} stored is not known"
        raise NoResult(f"{message if sent else 'nothing was sent'}: {error}", report) from error
    if report.balance.sent == 0:
        why = "no device was due yet; lengthen --duration or raise --speedup"
        raise NoResult(f"nothing was sent: {why if stop.by is None else f'stopped by {stop.by}'}", report)
    return report


def run_locust(plan: Plan, folder: Path, stop: Stop, csv: str | None = None, token: str | None = None) -> None:
    """Run a plan; the plan and Locust's own log are put in ``folder``. A signal ends the run early, not the caller."""
    plan_file, log_file = folder / "plan.json", folder / "locust.log"
    plan.write(plan_file)
    with log_file.open("wb") as log:
        child = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
            _command(plan, csv),
            env={**_environment(token), ENVIRONMENT: str(plan_file)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            stop.pass_on_to(child)
            code = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    stopped_at_once = stop.by is not None and code == -signal.SIGTERM
    if code != 0 and not stopped_at_once:
        last = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise StateError("\n".join([f"Locust ended with code {code}; its last words:", *last]))


def _environment(token: str | None) -> dict[str, str]:
    """The environment of Locust, which has the token; a user's own Locust settings must not change the plan."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LOCUST_") and name != TOKEN_ENVIRONMENT
    }
    return inherited if token is None else {**inherited, TOKEN_ENVIRONMENT: token}


def _command(plan: Plan, csv: str | None) -> list[str]:
    command = [sys.executable, "-m", "locust", "--locustfile", str(Path(__file__).with_name("locustfile.py"))]
    command += ["--headless", "--only-summary", "--skip-log-setup", "--exit-code-on-error", "0"]
    command += ["--host", plan.url, "--users", str(plan.users), "--spawn-rate", f"{plan.spawn_per_s:g}"]
    command += ["--run-time", f"{max(1, round(plan.duration_s))}s", "--stop-timeout", f"{plan.timeout_s:g}"]
    return command + (["--csv", csv] if csv else [])
