"""Sent against stored: what was lost, what is duplicated, and the latency of the answers.

The books balance: ``sent = acknowledged + failed + unconfirmed``, and ``stored = acknowledged - lost
+ stored_unacknowledged + extras``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import httpx

from pilotfarm.loadtests.journal import Entry, Journal, is_acknowledged
from pilotfarm.loadtests.sesp.store import expanded

EXAMPLES_MAX: Final = 100
"""Maximum number of readings a report names one by one."""
PAGE: Final = 500
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class StoredDevice:
    """What the SESP holds of a device in this run: sequence numbers, and how many extra copies arrived."""

    sequences: frozenset[int]
    extra_copies: int = 0


@dataclass(slots=True)
class Balance:
    """Counts of readings.

    ``acknowledged`` were answered with 2xx, ``failed`` with anything else, ``unconfirmed`` not at all.
    ``lost`` were acknowledged and are not stored; ``undelivered`` were not acknowledged and are not
    stored; ``stored_unacknowledged`` were not acknowledged and are stored all the same. ``extras``
    are stored and were never sent.
    """

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    unconfirmed: int = 0
    stored: int = 0
    lost: int = 0
    undelivered: int = 0
    stored_unacknowledged: int = 0
    duplicates: int = 0
    extras: int = 0
    missing: list[dict[str, Any]] = field(default_factory=list)
    """The first readings that are not stored."""

    @property
    def complete(self) -> bool:
        """Whether every reading sent is stored."""
        return self.lost == 0 and self.undelivered == 0


@dataclass(frozen=True, slots=True)
class Report:
    """A load test's outcome. Latencies are from sending to the answer, of all that were answered. [s]"""

    run: str
    url: str
    balance: Balance
    duration_s: float
    throughput_per_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    latency_max_s: float | None
    worst_late_s: float

    def document(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        document = asdict(self)
        balance = document.pop("balance")
        return {**document, **balance, "complete": self.balance.complete}


def balanced(sent: Iterable[tuple[str, list[Entry]]], stored: Mapping[str, StoredDevice]) -> Balance:
    """Compare what was sent with what is stored, device by device."""
    balance = Balance()
    seen: set[str] = set()
    nothing = StoredDevice(frozenset())
    for device, entries in sent:
        seen.add(device)
        of_device = stored.get(device, nothing)
        for entry in entries:
            _count(balance, entry, entry.sequence in of_device.sequences)
        balance.extras += len(of_device.sequences.difference(entry.sequence for entry in entries))
    for device, of_device in stored.items():
        balance.stored += len(of_device.sequences)
        balance.duplicates += of_device.extra_copies
        balance.extras += len(of_device.sequences) if device not in seen else 0
    return balance


def _count(balance: Balance, entry: Entry, is_stored: bool) -> None:
    balance.sent += 1
    if is_acknowledged(entry.status):
        balance.acknowledged += 1
        balance.lost += not is_stored
    else:
        balance.failed += entry.status != 0
        balance.unconfirmed += entry.status == 0
        balance.undelivered += not is_stored
        balance.stored_unacknowledged += is_stored
    if not is_stored and len(balance.missing) < EXAMPLES_MAX:
        balance.missing.append(
            {"device_id": entry.device_id, "sequence": entry.sequence, "sent_s": entry.sent_s, "status": entry.status}
        )


def fetch_stored(url: str, run: str) -> dict[str, StoredDevice]:
    """Ask a SESP what it stored of a run; ``httpx.HTTPError`` or ``ValueError`` if it does not say."""
    stored: dict[str, StoredDevice] = {}
    after: str | None = ""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
        while after is not None:
            answer = client.get(f"/api/v1/runs/{run}/sequences", params={"after": after, "limit": PAGE})
            page = answer.raise_for_status().json()
            for device in page["devices"]:
                stored[device["device_id"]] = StoredDevice(
                    frozenset(expanded(device["stored"])), sum(extra for _, extra in device["duplicates"])
                )
            after = page["next"]
    return stored


def reconcile(journal: Journal, url: str, run: str) -> Report:
    """Compare a journal with what the SESP stored of the run."""
    balance = balanced(journal.devices(), fetch_stored(url, run))
    duration_s = journal.duration_s()
    return Report(
        run=run,
        url=url,
        balance=balance,
        duration_s=duration_s,
        throughput_per_s=balance.sent / duration_s if duration_s > 0.0 else 0.0,
        latency_p50_s=journal.latency_s(0.50),
        latency_p95_s=journal.latency_s(0.95),
        latency_p99_s=journal.latency_s(0.99),
        latency_max_s=journal.latency_s(1.0),
        worst_late_s=journal.worst_late_s(),
    )
