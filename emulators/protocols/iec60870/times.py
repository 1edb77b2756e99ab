"""CP56Time2a, the time of IEC 60870-5-101 (7.2.6.18): in UTC, or in the local time of a zone with its summer time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from pilotfarm.emulators.wire.clock import ahead_of_utc

TIME_OCTETS: Final = 7
UTC_ZONE: Final = "UTC"
_END_S: Final = 3_155_760_000.0
"""The first moment of 2070, from 1970: two digits tell a hundred years."""
_CENTURY_FROM: Final = 70
_INVALID: Final = 0x80
_SUMMER: Final = 0x80


def time_tag(unix_s: float, zone: str = UTC_ZONE) -> bytes:
    """Encode a moment; bit IV is set outside the years it can tell, 1970 to 2069, and SU in a zone's summer time."""
    moment = datetime.fromtimestamp(min(max(unix_s, 0.0), _END_S - 0.001), UTC)
    standard, _ = ahead_of_utc(zone, moment.year)
    shift = ZoneInfo(zone).utcoffset(moment.astimezone(ZoneInfo(zone))) if zone != UTC_ZONE else standard
    assert shift is not None
    shown = moment + shift
    milliseconds = shown.second * 1000 + shown.microsecond // 1000
    invalid = 0 if 0.0 <= unix_s < _END_S else _INVALID
    summer = _SUMMER if shift > standard else 0
    day = shown.day | shown.isoweekday() << 5
    return milliseconds.to_bytes(2, "little") + bytes(
        (shown.minute | invalid, shown.hour | summer, day, shown.month, shown.year % 100)
    )


def time_of(tag: bytes, zone: str = UTC_ZONE) -> float | None:
    """Decode a moment [s since 1970 UTC]; ``None`` where it says itself that it is invalid, or can be no time."""
    milliseconds, minute, hour, day, month, year = (
        int.from_bytes(tag[:2], "little"), tag[2], tag[3], tag[4] & 0x1F, tag[5] & 0x0F, tag[6] & 0x7F
    )  # fmt: skip
    century = 1900 if year >= _CENTURY_FROM else 2000
    try:
        shown = datetime(century + year, month, day, hour & 0x1F, minute & 0x3F, tzinfo=UTC)
    except ValueError:
        return None
    if minute & _INVALID or year >= 100 or milliseconds >= 60_000:
        return None
    shift = ahead_of_utc(zone, shown.year)[bool(hour & _SUMMER)]
    return (shown - shift).timestamp() + milliseconds / 1000.0
