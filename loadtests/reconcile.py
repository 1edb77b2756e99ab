"""Sent against stored: what was lost, what is duplicated, and the latency of the answers.

The books balance: ``sent = acknowledged + failed + unconfirmed``, and ``stored = acknowledged - lost
+ stored_unacknowledged + extras``.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx

from pilotfarm.loadtests.journal import Entry, Journal, is_acknowledged
from pilotfarm.loadtests.plan import Plan
from pilotfarm.loadtests.sesp.store import expanded

EXAMPLES_MAX: Final = 100
"""Maximum number of readings a report names one by one."""
PAGE: Final = 500
SEQUENCES_PATH: Final = "/api/v1/runs/{run}/sequences"
SEQUENCES_MAX: Final = 10_000_000
"""Maximum number of readings of a device that a SESP may say it stored: what it says is held in memory."""
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class StoredDevice:
    """What the SESP holds of a device in this run: sequence numbers, and how many extra copies arrived.

    ``contested`` are the sequence numbers of which ``conflicts`` further copies came with other values.
    """

    sequences: frozenset[int]
    extra_copies: int = 0
    contested: frozenset[int] = frozenset()
    conflicts: int = 0

    def holds(self, entry: Entry) -> bool:
        """Whether the reading sent is stored: its number is, and the SESP did not refuse it for another's values."""
        refused = entry.status == HTTPStatus.CONFLICT and entry.sequence in self.contested
        return entry.sequence in self.sequences and not refused


@dataclass(slots=True)
class Balance:
    """Counts of readings.

    ``acknowledged`` were answered with 2xx, ``failed`` with anything else, ``unconfirmed`` not at all.
    ``lost`` were acknowledged and are not stored; ``undelivered`` were not acknowledged and are not
    stored; ``stored_unacknowledged`` were not acknowledged and are stored all the same. ``extras``
    are stored and were never sent. ``duplicates`` are further copies of what is stored, ``conflicts``
    are readings of the same name with other values.
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
    conflicts: int = 0
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


def balanced(sent: Iterable[tuple[str, list[Entry]]], stored: Mapping[str, StoredDevice]) -> Balance:
    """Compare what was sent with what is stored, device by device."""
    balance = Balance()
    seen: set[str] = set()
    nothing = StoredDevice(frozenset())
    for device, entries in sent:
        seen.add(device)
        of_device = stored.get(device, nothing)
        for entry in entries:
            _count(balance, entry, of_device.holds(entry))
        mine = (entry.sequence for entry in entries if of_device.holds(entry))
        balance.extras += len(of_device.sequences.difference(mine))
    for device, of_device in stored.items():
        balance.stored += len(of_device.sequences)
        balance.duplicates += of_device.extra_copies
        balance.conflicts += of_device.conflicts
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


def asking(url: str, token: str | None, timeout_s: float = TIMEOUT_S) -> httpx.Client:
    """Return a client of a SESP; no proxy of the environment stands between, and the system's certificates count."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    verify = ssl.create_default_context()
    return httpx.Client(base_url=url, headers=headers, timeout=timeout_s, verify=verify, trust_env=False)


def fetch_stored(client: httpx.Client, run: str) -> dict[str, StoredDevice]:
    """Ask a SESP what it stored of a run; ``httpx.HTTPError`` or ``ValueError`` if it does not say."""
    stored: dict[str, StoredDevice] = {}
    after: str | None = ""
    while after is not None:
        answer = client.get(SEQUENCES_PATH.format(run=run), params={"after": after, "limit": PAGE})
        devices, after = _page(answer.raise_for_status())
        if devices and stored.keys() >= devices.keys():
            raise ValueError("a page repeats the devices of those before it")
        stored |= devices
    return stored


def _page(answer: httpx.Response) -> tuple[dict[str, StoredDevice], str | None]:
    """Read one page of what is stored; ``ValueError`` if it is none."""
    try:
        page = answer.json()
        devices = {device["device_id"]: _stored_device(device) for device in page["devices"]}
        after = page["next"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        kind = answer.headers.get("content-type", "no content type")
        message = f"{answer.url.path} gave no page of sequences as JSON ({kind}): {type(error).__name__} {error}"
        raise ValueError(message) from error
    if after is not None and (not isinstance(after, str) or not devices):
        raise ValueError(f"{answer.url.path}: next is {after!r} after {len(devices)} devices")
    return devices, after


def _stored_device(device: Mapping[str, Any]) -> StoredDevice:
    ranges = [(int(first), int(last)) for first, last in device["stored"]]
    if sum(last - first + 1 for first, last in ranges) > SEQUENCES_MAX or any(last < first for first, last in ranges):
        raise ValueError(f"the ranges of {device['device_id']} cannot be")
    conflicts = device.get("conflicts", ())
    return StoredDevice(
        frozenset(expanded(ranges)),
        sum(extra for _, extra in device.get("duplicates", ())),
        frozenset(sequence for sequence, _ in conflicts),
        sum(extra for _, extra in conflicts),
    )


def reconcile(journal: Journal, plan: Plan, stored: Mapping[str, StoredDevice]) -> Report:
    """Compare a journal with what the SESP stored of its run."""
    balance = balanced(journal.devices(), stored)
    duration_s = journal.duration_s()
    return Report(
        run=plan.run,
        url=plan.url,
        balance=balance,
        duration_s=duration_s,
        throughput_per_s=balance.sent / duration_s if duration_s > 0.0 else 0.0,
        latency_p50_s=journal.latency_s(0.50),
        latency_p95_s=journal.latency_s(0.95),
        latency_p99_s=journal.latency_s(0.99),
        latency_max_s=journal.latency_s(1.0),
        worst_late_s=journal.worst_late_s(),
    )
