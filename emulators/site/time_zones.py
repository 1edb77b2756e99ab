"""Names of time zones and forms of instants: what a site file may say, and what to write in place of others."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pilotfarm.emulators.words import listed, meant, quoted

_INSTANT: Final = datetime(2023, 10, 29, 13, 45, tzinfo=UTC)
_OFFSET: Final = re.compile(r"(UTC|GMT|Z)?\s*([+-])(\d{1,2})(?::?(\d\d))?", re.IGNORECASE)
_ABBREVIATION: Final = re.compile(r"[A-Za-z]{1,5}([+-]?\d.*)?")
_BY_PLACE: Final = "name a place of the IANA data base, such as Europe/Oslo"
_EAST_MAX, _WEST_MAX = 14, 12  # hours of Etc/GMT-14 and Etc/GMT+12


def of_instants(form: str) -> str:
    """Return a form of instants as ``datetime.strptime`` has them; ``ValueError`` says what is wrong with it."""
    try:
        again = datetime.strptime(_INSTANT.strftime(form), form)  # noqa: DTZ007 - a zone may be in it or not
    except ValueError as error:
        raise ValueError(f"{quoted(form)} is no form of instants, such as %d.%m.%Y %H:%M") from error
    if again.date() != _INSTANT.date():
        raise ValueError(f"{quoted(form)} has no whole date in it, such as %d.%m.%Y %H:%M has")
    return form


def known_zone(name: str) -> str:
    """Return a name that the data base has; ``ValueError`` says what to write instead."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"there is no time zone {quoted(name)}; {_instead(name)}") from error
    return name


def _instead(name: str) -> str:
    offset = _OFFSET.fullmatch(name.strip())
    if offset:
        return _of_offset(offset[2], int(offset[3]), int(offset[4] or 0))
    places = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix")))
    if "/" not in name:
        found = meant(name, (place.rpartition("/")[2] for place in places))[:1]
        exact = [place for place in places if found and place.rpartition("/")[2] == found[0]]
        if exact and not (_ABBREVIATION.fullmatch(name) and name.isupper()):
            return f"did you mean {listed(map(repr, exact[:3]))}?"
        return _BY_PLACE
    area = name.partition("/")[0].casefold()
    found = meant(name, (place for place in places if place.partition("/")[0].casefold() == area)) or meant(
        name, places
    )
    return f"did you mean {listed(map(repr, found))}?" if found else _BY_PLACE


def _of_offset(sign: str, hours: int, minutes: int) -> str:
    """Say how a fixed offset is written; the signs of ``Etc/GMT`` are those of POSIX, minus being east."""
    if minutes or hours > (_EAST_MAX if sign == "+" else _WEST_MAX):
        return _BY_PLACE
    zone = "UTC" if hours == 0 else f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
    return f"{_BY_PLACE}, or for {sign}{hours:02}:00 all year {zone}"
