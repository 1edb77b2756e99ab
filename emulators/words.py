"""The words of messages: articles, values as a site file writes them, and what somebody probably meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from math import isfinite
from typing import Any, Final

SHOWN_MAX: Final = 40
"""Maximum number of characters of a value in a message."""
MEANT_MAX: Final = 3
"""Maximum number of suggestions; more would be no help."""
ALIKE: Final = 0.75
ALIKE_SHORT: Final = 0.65
"""Similarity from which two words are one and a slip of the pen; the second for words of at most four letters."""

UNITS: Final = {
    "w": "W", "wh": "Wh", "va": "VA", "kva": "kVA", "a": "A", "v": "V", "s": "seconds", "h": "hours", "deg": "degrees",
    "degc": "°C", "m": "metres", "ohm": "ohm", "hz": "Hz", "frac": "a share: 0.5 is 50 %",
}  # fmt: skip
"""Endings of names that are units here, and how a message says them."""
_OTHER_UNITS: Final = re.compile(
    "[kmg]?wp?|[kmg]?wh|mva|k?var|k?j|ah|m?a|[mk]v|ms|us|secs?|seconds|minutes|hours|days|percent|pct|rad|c|f|k|celsius|"
    "[ckm]m|[mk]ohm|[mk]hz|watts?|volts?|amps?|amperes?"
)

Wrong = Mapping[str, Any]
"""One error of pydantic, as ``ValidationError.errors`` lists them."""


def with_article(name: str) -> str:
    """Put *a* or *an* before a name, by its sound: an ev_charger, a pv_generator, an rtu, a unit."""
    first = re.split(r"[^a-z0-9]", name.lower())[0]
    if first == "rtu" or not re.search(r"[aeiouy]", first):  # spelled letter by letter
        vowel = first[:1] in set("aefhilmnorsx8")
    else:
        vowel = first[0] in "aeio" or (first[0] == "u" and not re.match(r"u[bcfknrst][aeiou]", first))
        vowel = vowel and not first.startswith(("eu", "one"))
    return f"{'an' if vowel else 'a'} {name}"


def quoted(value: Any) -> str:
    """Return a value as a message shows it: in the words of a site file, cut off at ``SHOWN_MAX`` characters."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case float() if not isfinite(value):
            return f".{value}"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number without end"
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 3]}..."


def listed(names: Iterable[str]) -> str:
    """Join names as a sentence does: a, b or c."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean ...?"``, or nothing where no known name is one and the same but for a slip."""
    found = meant(name, known)
    if not found:
        return ""
    (unit, *others) = {_unit(each) for each in found}
    said = UNITS.get(unit, "") if not others and unit != _unit(name) else ""
    in_unit = (", " if ":" in said else ", in ") + said if said else ""
    return f"; did you mean {listed(map(repr, found))}{in_unit}?"


def choice(name: str, known: Sequence[str]) -> str:
    """Return a suggestion, else everything that is known, what shares a word with the name first."""
    ordered = sorted(known, key=lambda each: -len(_stem(name) & _stem(each)))
    return suggestion(name, known) or f"; known are {', '.join(ordered)}"


def meant(name: str, known: Iterable[str]) -> list[str]:
    """Find what a name was probably meant to be, at most ``MEANT_MAX`` known names.

    In this order: the same letters; the same words in another unit; words that differ by a slip each; words of which
    one has all the other has. A name with another word in place of one is another name.
    """
    names = list(known)
    tests = (
        [each for each in names if _letters(each) == _letters(name)],
        [each for each in names if _stem(each) == _stem(name)],
        sorted((each for each in names if _is_slip(name, each)), key=lambda each: -_alike(name, each))[:1],
        _of_its_unit(name, [each for each in names if _stem(each) < _stem(name) or _stem(name) < _stem(each)]),
    )
    return next((found for found in tests if 0 < len(found) <= MEANT_MAX), [])


def wrong(error: Wrong) -> str:
    """Say what is wrong with a value, in place of pydantic's own words."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", context["expected"])
        said = f"must be {context['expected'].replace(chr(39), '')}, not {quoted(value)}"
        return said + suggestion(value, expected) if isinstance(value, str) else said
    if kind in ("value_error", "assertion_error"):
        said = str(context["error"])
        return said if isinstance(value, dict | list) or quoted(value) in said else f"{said}, not {quoted(value)}"
    if kind not in SAID:
        return re.sub(r"^(Input|Value error, )\s*", "", error["msg"])
    numbers = {name: f"{each:.20g}" if isinstance(each, float) else each for name, each in context.items()}
    told = SAID[kind].format(**numbers)
    if "{actual_length}" in SAID[kind]:
        return told
    # What is compared as a number may have been typed on a command line.
    shown = value if kind.startswith(("greater", "less")) and isinstance(value, str) else quoted(value)
    return f"{told}, not {shown}{_number_hint(value) if 'number' in told else ''}"


_NUMBER, _WHOLE = "must be a number", "must be a whole number"
_TEXT, _BOOL = "must be a text", "must be true or false"
SAID: Final = {
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "string_type": _TEXT,
    "list_type": "must be a list such as [1, 2]",
    "tuple_type": "must be a list such as [1, 2]",
    "dict_type": "must be a table of keys and values",
    "model_type": "must be a table of keys and values",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
}
"""pydantic's type of error -> what a value is to be."""


def soft_character(text: str) -> str:
    """Name the first character of a text that looks like a space or like nothing and is neither, if there is one."""
    found = next((each for each in text if each not in " \t" and unicodedata.category(each) in _SOFT), "")
    return f"the character U+{ord(found):04X} ({unicodedata.name(found, 'unnamed').lower()})" if found else ""


_SOFT: Final = {"Zs", "Cf", "Zl", "Zp"}


def _number_hint(value: Any) -> str:
    """Say how a text that is nearly a number is written as one."""
    if not isinstance(value, str):
        return ""
    if re.fullmatch(r"[-+]?\d[\d_]*(\.\d*)?([eE][-+]?\d+)?", value):
        return "; a number has no quotes"
    if re.fullmatch(r"[-+]?\d+(,\d+)+(\.\d*)?", value):
        return "; decimals follow a point, and _ may group digits"
    if re.fullmatch(r"[-+]?[\d.,_]+\s*(%|[A-Za-zµ°Ω][\w/²%]*)", value):
        return "; write the number alone, in the unit that the key ends in"
    return ""


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.casefold()) if word]


def _letters(name: str) -> str:
    return "".join(_words(name))


def _unit(name: str) -> str:
    """Return a name's last word if it is a unit and not the whole name."""
    words = _words(name)
    return words[-1] if len(words) > 1 and (words[-1] in UNITS or _OTHER_UNITS.fullmatch(words[-1])) else ""


def _stem(name: str) -> frozenset[str]:
    words = _words(name)
    return frozenset(words[:-1] if _unit(name) else words)


def _of_its_unit(name: str, found: list[str]) -> list[str]:
    """Keep what is measured in the name's unit, whatever its prefix, if anything is: kWp, kW and W are one."""
    unit = _unit(name).removesuffix("p")
    return [each for each in found if _unit(each) and unit.endswith(_unit(each))] or found


def _alike(one: str, other: str) -> float:
    begins = _letters(other).startswith(_letters(one))
    return begins + SequenceMatcher(None, _letters(one), _letters(other)).ratio()


def _is_slip(name: str, other: str) -> bool:
    """Whether names have the same words or nearly so, or one is how the other begins, written in one word."""
    ones, others = _stem(name), _stem(other)
    if len(ones) == len(others):
        return _all_near(ones, others)
    short, long = sorted((_letters(name), _letters(other)), key=len)
    return len(short) > 3 and long.startswith(short)


def _all_near(ones: frozenset[str], others: frozenset[str]) -> bool:
    return all(any(_one_word(one, other) for other in others) for one in ones)


def _one_word(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long.startswith(short):
        return True
    enough = ALIKE_SHORT if len(long) <= 4 else ALIKE
    return SequenceMatcher(None, one, other).ratio() >= enough
