"""The requests and answers of the reference SESP as pydantic models; its OpenAPI document is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from pilotfarm.loadtests.sesp.store import NAME_MAX, Stored

VALUES_MAX = 500
"""Maximum number of values in one reading."""
READINGS_MAX = 5_000
"""Maximum number of readings in one request."""
INTEGER_MAX = 2**63 - 1
"""Maximum sequence number and id: both databases count in 64 bits."""
NO_NUL = "^[^\\x00]*$"
"""PostgreSQL has no NUL in a text."""


def instant(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def _in_calendar(moment: datetime) -> datetime:
    """Refuse a moment that could not be read back: its year in UTC is not 1 to 9999."""
    try:
        instant(moment.timestamp())
    except (ValueError, OverflowError):
        raise ValueError("in UTC it is not within the years 1 to 9999") from None
    return moment


Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX, pattern=NO_NUL)]
Run = Annotated[str, Field(max_length=NAME_MAX, pattern=NO_NUL)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_calendar)]


class Reading(BaseModel):
    """What a device measured at one moment.

    ``timestamp`` is when the values held (site time); ``sent_at`` is when the sender sent it (wall
    time). ``quality`` has the quality bits of IEC 60870-5-101, 7.2.6.3 of each value that is not good.
    """

    model_config = ConfigDict(extra="forbid")

    device_id: Name
    kind: Name
    run: Run = ""
    sequence: Annotated[int, Field(ge=0, le=INTEGER_MAX)]
    timestamp: Moment
    sent_at: Moment | None = None
    values: Annotated[dict[Name, FiniteFloat], Field(min_length=1, max_length=VALUES_MAX)]
    quality: Annotated[dict[Name, Annotated[int, Field(ge=0, le=255)]], Field(max_length=VALUES_MAX)] = Field(
        default_factory=dict
    )

    def row(self, received_s: float) -> dict[str, Any]:
        """Return the reading as a row of the store."""
        return {
            "run": self.run,
            "device_id": self.device_id,
            "sequence": self.sequence,
            "kind": self.kind,
            "timestamp_s": self.timestamp.timestamp(),
            "sent_s": None if self.sent_at is None else self.sent_at.timestamp(),
            "received_s": received_s,
            "values": self.values,
            "quality": self.quality,
        }


class ReceiptEntry(BaseModel):
    """One reading received, and the id its name is stored under.

    ``duplicate`` says that it was stored already; ``conflict`` that another one of its name was, with
    other values, and that this one is not stored.
    """

    id: int
    device_id: str
    sequence: int
    duplicate: bool
    conflict: bool


class Receipt(BaseModel):
    """The SESP notifies that it has received the information, and what of it has been stored.

    ``received`` is ``stored + duplicates + conflicts``.
    """

    received: int
    stored: int
    duplicates: int
    conflicts: int
    received_at: datetime
    readings: list[ReceiptEntry]

    @classmethod
    def of(cls, readings: Sequence[Reading], stored: Sequence[Stored], received_s: float) -> Receipt:
        """Write the receipt of readings from what became of each, in the same order."""
        duplicates = sum(outcome.duplicate for outcome in stored)
        conflicts = sum(outcome.conflict for outcome in stored)
        return cls(
            received=len(stored),
            stored=len(stored) - duplicates - conflicts,
            duplicates=duplicates,
            conflicts=conflicts,
            received_at=instant(received_s),
            readings=[
                ReceiptEntry(device_id=reading.device_id, sequence=reading.sequence, **asdict(outcome))
                for reading, outcome in zip(readings, stored, strict=True)
            ],
        )


class StoredReading(BaseModel):
    """A reading as stored: the first of its name.

    ``copies`` is how many times the name arrived, ``conflicts`` how many of these had other values.
    """

    id: int
    device_id: str
    kind: str
    run: str
    sequence: int
    timestamp: datetime
    sent_at: datetime | None
    received_at: datetime
    values: dict[str, float]
    quality: dict[str, int]
    copies: int
    conflicts: int

    @classmethod
    def of(cls, row: dict[str, Any]) -> StoredReading:
        sent_s = row["sent_s"]
        return cls(
            timestamp=instant(row["timestamp_s"]),
            sent_at=None if sent_s is None else instant(sent_s),
            received_at=instant(row["received_s"]),
            **{name: row[name] for name in cls.model_fields if name in row},
        )


class ReadingPage(BaseModel):
    readings: list[StoredReading]
    next: int | None
    """Give it as ``after`` for the next page; null at the end."""


class DeviceSummary(BaseModel):
    device_id: str
    kind: str
    readings: int
    last_timestamp: datetime


class DevicePage(BaseModel):
    devices: list[DeviceSummary]
    next: str | None


class DeviceSequences(BaseModel):
    """What is stored of a device: ranges ``[first, last]``.

    ``duplicates`` are ``[sequence, extra copies]`` with the same values, ``conflicts`` with others.
    """

    device_id: str
    stored: list[tuple[int, int]]
    duplicates: list[tuple[int, int]]
    conflicts: list[tuple[int, int]]


class SequencePage(BaseModel):
    run: str
    devices: list[DeviceSequences]
    next: str | None


class Health(BaseModel):
    """Readings since the SESP started."""

    status: str
    received: int
    stored: int
    duplicates: int
    conflicts: int
