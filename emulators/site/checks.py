"""Checking one table at a time, and saying what is wrong with it in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.model import Name
from pilotfarm.emulators.site.table import Table
from pilotfarm.emulators.words import Wrong, choice, quoted, soft_character, wrong

_T = TypeVar("_T", bound=Table)
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
NAME_RULE: Final = "a name is a letter, then up to 62 letters, digits, - or _"


class Checker:
    """Validates tables of a document; what is wrong becomes a problem of the document."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def table(self, data: Mapping[str, Any], key: str, at_least_one: bool, under: Path = ()) -> dict[str, Any]:
        """Return a table whose keys are names; ``under`` is given for keys that are not checked as names."""
        value = data.get(key, {})
        if not isinstance(value, dict):
            self.document.problem(
                (*under, key), f"must be a table of {'keys and values' if under else 'names'}, not {quoted(value)}"
            )
            return {}
        if not value and key in data and at_least_one:
            self.document.problem((*under, key), "needs at least one entry")
        if under:
            return value
        for name in value:
            try:
                _NAME.validate_python(name)
            except ValidationError:
                self.document.problem((key, name), NAME_RULE)
        return value

    def read(self, model: type[_T], value: Any, path: Path, known: Iterable[str] = ()) -> _T | None:
        """Validate one flat table."""
        if not isinstance(value, dict):
            self.document.problem(path, f"must be a table of keys and values, not {quoted(value)}")
            return None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.report(error, path, tuple(known) or tuple(model.model_fields), value)
            return None

    def read_optional(self, model: type[_T], data: Mapping[str, Any], key: str) -> _T | None:
        """Validate a flat table that may be left out."""
        return self.read(model, data.get(key, {}), (key,))

    def report(self, error: ValidationError, path: Path, known: Iterable[str], value: Any) -> None:
        """Make problems of pydantic's errors in ``value``; those of one place are one problem."""
        told: dict[Path, list[str]] = {}
        for each in error.errors(include_url=False):
            if not _is_of_what_is_left(each):
                told.setdefault((*path, *_place(each, value)), []).append(_said(each, tuple(known)))
        for at, messages in told.items():
            self.document.problem(at, ", or ".join(dict.fromkeys(messages)))

    def unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        names = tuple(known)
        hint = choice(name, names) if names else f"; the site has no {what}"
        self.document.problem(path, f"there is no {what} {quoted(name)}{hint}")


def _said(error: Wrong, known: tuple[str, ...]) -> str:
    match error["type"]:
        case "extra_forbidden":
            key = str(error["loc"][-1])
            if key in known:
                return "does not go with the keys beside it"
            soft = soft_character(key)
            return f"the key has {soft}" if soft else f"unknown key{choice(key, known)}"
        case "missing":
            return "is missing"
        case "string_pattern_mismatch":
            return f"{NAME_RULE}, not {quoted(error['input'])}"
    return wrong(error)


def _place(error: Wrong, value: Any) -> Path:
    """Return where in the value an error is, without the steps by which pydantic tells kinds of values apart."""
    path: list[str | int] = []
    for step in error["loc"]:
        is_key = isinstance(value, Mapping) and step in value
        if is_key or (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            value = value[step]
            path.append(step)
        elif error["type"] == "missing" and step == error["loc"][-1]:
            path.append(step)
    return tuple(path)


def _is_of_what_is_left(error: Wrong) -> bool:
    """Whether a list is called too short for what was wrong in it, and told on its own."""
    return error["type"] == "too_short" and bool(len(error["input"]) >= error["ctx"]["min_length"])
