"""What is wrong with a value that came as JSON or in a query: pydantic's kinds of error as sentences of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pilotfarm.emulators import words

SHOWN_MAX: Final = 40
"""Max characters of a refused value in a message."""
KNOWN_MAX: Final = 20
"""Max names in a message of those that are known."""

_TABLE: Final = "must be an object of names and values"
_LIST: Final = "must be a list"
_INSTANT: Final = "must be an instant such as 2026-06-15T08:00:00+02:00"
_ABSENT: Final = "is missing"

_SAID: Final[Mapping[str, str]] = {
    **words.SAID,
    "string_unicode": "must be a text in Unicode",
    "string_pattern_mismatch": "must match {pattern}",
    "int_parsing_size": "must be a whole number of fewer digits",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "none_required": "must be null",
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_object_invalid": _INSTANT,
    "timezone_aware": "needs its offset from UTC, such as +02:00 or Z",
    "recursion_loop": "is nested too deeply",
}
"""What a value in JSON is to be: as in a site file, where JSON has no word of its own."""
_NAMED: Final = {None: "null", True: "true", False: "false"}


def said(error: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """Say one of pydantic's errors; ``known`` are the names that its table has, for one that it has not."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return _ABSENT
    if kind == "extra_forbidden":
        return unknown(str(error["loc"][-1]), known)
    if kind in ("value_error", "assertion_error"):  # raised by a validator of our own
        return str(context.get("error", error["msg"]))
    if context.get("min_length") == 1:
        return "must not be empty"
    figures = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    return _SAID.get(kind, "is not what is taken here").format(**figures) + _not(error.get("input"))


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, and which was meant or which there are."""
    names = list(known)
    meant = words.meant(name, names)
    if meant:
        return f"{shown(name)} is not known; did you mean {words.listed(meant)}?"
    more = f" and {len(names) - KNOWN_MAX} more" if len(names) > KNOWN_MAX else ""
    return f"{shown(name)} is not known" + (f"; known are {', '.join(names[:KNOWN_MAX])}{more}" if names else "")


def shown(text: str) -> str:
    """Text as a message shows it: cut off, and without what cannot be sent or printed."""
    plain = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[: SHOWN_MAX + 1])
    return plain if len(plain) <= SHOWN_MAX else f"{plain[: SHOWN_MAX - 3]}..."


def _not(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return f", not {_NAMED[value]}"
    if isinstance(value, str):
        return f", not '{shown(value)}'"
    return f", not {shown(repr(value))}" if isinstance(value, int | float) else ""
