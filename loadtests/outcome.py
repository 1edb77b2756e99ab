"""What became of a load test, as a JSON file that is there whatever became of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.plan import Plan
from pilotfarm.loadtests.reconcile import Balance, Report

EXIT_CODES: Final = {"complete": 0, "incomplete": 1, "failed": 2}
"""The exit code that goes with a status. A test that is under way or was killed is `unfinished`, and has none."""
_SENDER_KNOWS: Final = ("sent", "acknowledged", "failed", "unconfirmed")
_UNKNOWN: Final[dict[str, Any]] = {
    each.name: None for model in (Report, Balance) for each in fields(model) if each.name != "balance"
}


class NoResult(StateError):
    """A test was begun and has no result; ``report`` has the sender's side alone."""

    def __init__(self, message: str, report: Report) -> None:
        self.report = report
        super().__init__(message)


@dataclass(slots=True)
class Outcome:
    """A load test's status, the reason for it, and what is known of its readings; None is not known."""

    path: Path | None
    status: str = "unfinished"
    reason: str | None = "the test has not ended, or it was killed"
    ended_early_by: str | None = None
    plan: Plan | None = None
    report: Report | None = None
    reconciled: bool = False

    @property
    def exit_code(self) -> int | None:
        return EXIT_CODES.get(self.status)

    def document(self) -> dict[str, Any]:
        """The outcome as JSON holds it; its keys are always the same."""
        plan = None if self.plan is None else asdict(self.plan)
        known = {} if plan is None else {"run": plan.pop("run"), "url": plan.pop("url")}
        if self.report is not None:
            balance = asdict(self.report.balance)
            known |= {name: getattr(self.report, name) for name in _UNKNOWN if hasattr(self.report, name)}
            known |= balance if self.reconciled else {name: balance[name] for name in _SENDER_KNOWS}
        head = {name: getattr(self, name) for name in ("status", "reason", "exit_code", "ended_early_by")}
        complete = self.status == "complete"
        return {**head, "complete": complete, "version": version("pilotfarm"), "plan": plan, **_UNKNOWN, **known}

    def begin(self, plan: Plan) -> None:
        """Say which test is under way."""
        self.plan = plan
        self.write()

    def reconciled_as(self, report: Report) -> None:
        """Take the report of a test that was made."""
        balance = report.balance
        self.report, self.reconciled = report, True
        self.status, self.reason = "complete", None
        if not balance.complete:
            missing = balance.lost + balance.undelivered
            self.status, self.reason = "incomplete", f"{missing:,} of {balance.sent:,} readings are not stored"

    def write(self) -> None:
        """Put the file in its place as a whole; ``StateError`` if that cannot be."""
        if self.path is None:
            return
        text = json.dumps(self.document(), indent=2) + "\n"
        try:
            if _is_stream(self.path):
                if self.status != "unfinished":
                    self.path.write_text(text, encoding="utf-8")
                return
            place = self.path.resolve()
            whole = place.with_name(f".{place.name}.{os.getpid()}")
            try:
                whole.write_text(text, encoding="utf-8")
                whole.replace(place)
            finally:
                whole.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"cannot write {self.path}: {error.strerror}") from error


def _is_stream(path: Path) -> bool:
    """Whether a path is no place where a file could stand: a pipe, a terminal, whatever `/dev/stdout` is."""
    return (path.exists() and not path.is_file()) or Path("/dev") in path.absolute().parents


@contextmanager
def told(path: Path | None) -> Iterator[Outcome]:
    """Give the outcome of a test to fill in; its file is written before the test begins and again however it ends."""
    outcome = Outcome(path)
    outcome.write()
    try:
        yield outcome
    except BaseException as error:
        outcome.status, outcome.reason = "failed", str(error) or type(error).__name__
        if isinstance(error, NoResult):
            outcome.report = error.report
        outcome.write()
        raise


def require_writable(csv: str | None) -> None:
    """Refuse a prefix for Locust's CSV files under which none can be written."""
    if csv is None:
        return
    first = Path(f"{csv}_stats.csv")
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        first.open("ab").close()
    except OSError as error:
        raise StateError(f"cannot write {first}: {error.strerror}; choose another --csv") from error
