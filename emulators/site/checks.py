"""Checking one table at a time, and saying what is wrong with it in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from pilotfarm.emulators.site.document import Document, Path, nearest
from pilotfarm.emulators.site.model import Name, Table

_T = TypeVar("_T", bound=Table)
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_TAGS: Final = ("number", "uniform", "normal", "lognormal", "choice")
NAME_RULE: Final = "a name is a letter, then up to 62 letters, digits, - or _"


class Checker:
    """Validates tables of a document; what is wrong becomes a problem of the document."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def table(self, data: Mapping[str, Any], key: str, at_least_one: bool, under: Path = ()) -> dict[str, Any]:
        """Return a table whose keys are names; ``under`` is given for keys that are not checked as names."""
        value = data.get(key, {})
        if not isinstance(value, dict):
            self.document.problem((*under, key), f"is a table of names, not {quoted(value)}")
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
            self.document.problem(path, f"is a table of keys and values, not {quoted(value)}")
            return None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.report(error, path, known=tuple(known) or model.model_fields)
            return None

    def read_optional(self, model: type[_T], data: Mapping[str, Any], key: str) -> _T | None:
        """Validate a flat table that may be left out."""
        return self.read(model, data.get(key, {}), (key,))

    def report(self, error: ValidationError, path: Path, known: Iterable[str]) -> None:
        for each in error.errors(include_url=False):
            at = (*path, *(step for step in each["loc"] if step not in _TAGS))
            if each["type"] == "extra_forbidden":
                key = str(each["loc"][-1])
                message = f"unknown key{nearest(key, known) or '; known are ' + ', '.join(known)}"
            elif each["type"] == "missing":
                message = "is missing"
            elif each["type"] == "string_pattern_mismatch":
                message = f"{NAME_RULE}, not {quoted(each['input'])}"
            else:
                message = re.sub(r"^(Input|Value error, )\s*", "", each["msg"])
                if not isinstance(each["input"], dict | list):
                    message += f", not {quoted(each['input'])}"
            self.document.problem(at, message)

    def unknown(self, path: Path, what: str, name: str, known: Iterable[str]) -> None:
        hint = nearest(name, known)
        if not hint:
            listed = ", ".join(known)
            hint = f"; known are {listed}" if listed else f"; the site has no {what}"
        self.document.problem(path, f"there is no {what} {name!r}{hint}")


def quoted(value: Any) -> str:
    """Return a value as a message shows it, cut off at 40 characters."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
