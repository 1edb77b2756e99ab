"""What is wrong with a value, in plain words: pydantic's kinds of error as sentences of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

SHOWN_MAX: Final = 40
"""Max characters of a refused value in a message."""

_TEXT: Final = "must be text"
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_TABLE: Final = "must be an object of names and values"
_INSTANT: Final = "must be an instant such as 2026-06-15T08:00:00+02:00"
_ABSENT: Final = "is missing"

_SAID: Final[Mapping[str, str]] = {
    "string_type": _TEXT,
    "string_unicode": "must be text in Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "must be a whole number of fewer digits",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "none_required": "must be null",
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "datetime_type": _INSTANT,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "datetime_object_invalid": _INSTANT,
    "timezone_aware": "needs its offset from UTC, such as +02:00 or Z",
    "recursion_loop": "is nested too deeply",
}
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
    near = get_close_matches(name, names, 1)
    if near:
        return f"{shown(name)} is not known; did you mean {near[0]}?"
    return f"{shown(name)} is not known" + (f"; known are {', '.join(names)}" if names else "")


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
