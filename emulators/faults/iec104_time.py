"""Faults of IEC 60870-5-104: events whose time tags are missing or wrong, by devices whose clocks are right.

Numbers and clauses are those of IEC 60870-5-101:2003.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Passing
from pilotfarm.emulators.faults import iec104_units as units
from pilotfarm.emulators.links.channels import Draws

_TAGGED: Final = range(30, 38)
"""M_SP_TB_1 to M_IT_TB_1: with CP56Time2a. The same without a tag are 1, 3, 5 and so on, with CP24Time2a 2, 4, 6."""
_TAG_OCTETS: Final = 7
_SHORT_OCTETS: Final = 3
_INVALID: Final = 0x80
_SUMMER: Final = 0x80
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2069, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
"""What two digits of a year can tell. Whose time it is does not matter here."""


class Tags(BaseModel):
    """How far off, and how often."""

    model_config = ConfigDict(extra="forbid")

    offset_s: float = Field(
        3600.0,
        ge=-1e9,
        le=1e9,
        allow_inf_nan=False,
        description="Of the mode `offset`: added to the time, at most until 1970 or 2069 [s]",
    )
    share_frac: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        allow_inf_nan=False,
        description="Share of the data units with time tags that it grips, drawn by the seed",
    )


# ---------------------------------------------------------------------------- from tag to tag (7.2.6.18)


def _invalid(tag: bytes, offset_s: float) -> bytes:
    return tag[:2] + bytes((tag[2] | _INVALID,)) + tag[3:]


def _shifted(tag: bytes, offset_s: float) -> bytes:
    """As much later, day of week and all; a tag that is no time stays as it is."""
    milliseconds, minute, hour = int.from_bytes(tag[:2], "little"), tag[2] & 0x3F, tag[3] & 0x1F
    day, month, year = tag[4] & 0x1F, tag[5] & 0x0F, tag[6] & 0x7F
    try:
        told = datetime(year + (1900 if year >= 70 else 2000), month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return tag
    told += timedelta(milliseconds=milliseconds)
    offset = min(max(timedelta(seconds=offset_s), _FIRST - told), _LAST - told)
    told += offset
    milliseconds = 1000 * told.second + told.microsecond // 1000
    return milliseconds.to_bytes(2, "little") + bytes(
        (
            tag[2] & ~0x3F | told.minute,
            tag[3] & ~0x1F | told.hour,
            told.day | told.isoweekday() << 5,
            tag[5] & ~0x0F | told.month,
            tag[6] & ~0x7F | told.year % 100,
        )
    )


def _another_weekday(tag: bytes, offset_s: float) -> bytes:
    weekday = (tag[4] >> 5) % 7 + 1
    return tag[:4] + bytes((tag[4] & 0x1F | weekday << 5,)) + tag[5:]


def _summer_turned(tag: bytes, offset_s: float) -> bytes:
    return tag[:3] + bytes((tag[3] ^ _SUMMER,)) + tag[4:]


def _thirteenth_month(tag: bytes, offset_s: float) -> bytes:
    return tag[:5] + bytes((tag[5] & ~0x0F | 13,)) + tag[6:]


# ------------------------------------------------------------------------------- from unit to unit

_Change = Callable[[bytes, float], bytes]


def _each(change: _Change, unit: bytes, offset_s: float) -> bytes:
    told = [each[:-_TAG_OCTETS] + change(each[-_TAG_OCTETS:], offset_s) for each in units.objects(unit)]
    return unit[: units.HEAD_OCTETS] + b"".join(told) if told else unit


def _cut(kept_octets: int, first_type: int, unit: bytes, offset_s: float) -> bytes:
    """With less of each tag, as the type that says so."""
    cut = _each(lambda tag, _: tag[:kept_octets], unit, offset_s)
    return unit if cut == unit else bytes((first_type + 2 * (unit[0] - _TAGGED.start),)) + cut[1:]


_CHANGES: Final[dict[str, Callable[[bytes, float], bytes]]] = {
    "missing": partial(_cut, 0, 1),
    "short": partial(_cut, _SHORT_OCTETS, 2),
    "invalid": partial(_each, _invalid),
    "offset": partial(_each, _shifted),
    "day-of-week": partial(_each, _another_weekday),
    "summer-time": partial(_each, _summer_turned),
    "impossible": partial(_each, _thirteenth_month),
}


@dataclass(slots=True)
class _Mistimed(Passing):
    """Changes the time tags of some of a device's events."""

    mode: str
    offset_s: float
    share_frac: float
    draw: Draws

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        if message[0] not in _TAGGED or self.draw() >= self.share_frac:
            return message
        return _CHANGES[self.mode](message, self.offset_s)


def _mistimed(mode: str, parameters: Tags, key: int) -> _Mistimed:
    return _Mistimed(mode, parameters.offset_s, parameters.share_frac, Draws(key, "time"))


IEC104_TIME = ProtocolFault(
    kind="iec104-time",
    title="Events come without their time tag or with a short one, or it is invalid, wrong or no time at all",
    parameters=Tags,
    modes=tuple(_CHANGES),
    protocols=("iec104", "iec101"),
    filter=_mistimed,
    example={"share_frac": 0.5},
)
