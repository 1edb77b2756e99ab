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

from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests import signals
from pilotfarm.loadtests.journal import Journal
from pilotfarm.loadtests.plan import ENVIRONMENT, Plan
from pilotfarm.loadtests.reconcile import Report, reconcile

PROBE_TIMEOUT_S = 5.0


def has_locust() -> bool:
    return importlib.util.find_spec("locust") is not None


def load_test(plan: Plan, folder: Path, csv: str | None = None) -> Report:
    """Send what the plan says and reconcile it; ``StateError`` if there was no SESP, no run or nothing to send."""
    _probe(plan.url)
    run_locust(plan, folder, csv)
    journal = Journal(Path(plan.journal))
    try:
        report = reconcile(journal, plan.url, plan.run)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{plan.url} was sent readings and does not say what it stored: {error}") from error
    finally:
        journal.close()
    if report.balance.sent == 0:
        raise StateError("nothing was sent: no device was due yet; lengthen --duration or raise --speedup")
    return report


def _probe(url: str) -> None:
    try:
        httpx.get(f"{url}/healthz", timeout=PROBE_TIMEOUT_S, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise StateError(
            f"no SESP answers at {url}/healthz: {error}; start one with `pilotfarm sesp`, or correct --url"
        ) from error


def run_locust(plan: Plan, folder: Path, csv: str | None = None) -> None:
    """Run a plan; the plan and Locust's own log are put in ``folder``. A signal ends the run early, not the caller."""
    plan_file, log_file = folder / "plan.json", folder / "locust.log"
    plan.write(plan_file)
    # A user's own Locust settings must not change the plan.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    with log_file.open("wb") as log:
        child = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
            _command(plan, csv),
            env={**environment, ENVIRONMENT: str(plan_file)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with _signals_to(child):
                code = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if code != 0:
        last = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        raise StateError("\n".join([f"Locust ended with code {code}; its last words:", *last]))


def _command(plan: Plan, csv: str | None) -> list[str]:
    command = [sys.executable, "-m", "locust", "--locustfile", str(Path(__file__).with_name("locustfile.py"))]
    command += ["--headless", "--only-summary", "--skip-log-setup", "--exit-code-on-error", "0"]
    command += ["--host", plan.url, "--users", str(plan.users), "--spawn-rate", f"{plan.spawn_per_s:g}"]
    command += ["--run-time", f"{max(1, round(plan.duration_s))}s", "--stop-timeout", f"{plan.timeout_s:g}"]
    return command + (["--csv", csv] if csv else [])


@contextmanager
def _signals_to(child: subprocess.Popen[Any]) -> Iterator[None]:
    """Pass SIGINT, SIGTERM and SIGHUP on to the child: it stops its users, and what was sent is still reconciled."""
    before = {
        number: signal.signal(number, lambda *_: child.send_signal(signal.SIGTERM)) for number in signals.ending()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
