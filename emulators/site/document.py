"""YAML text -> plain data, and the line of every value.

Scalars follow the core schema of YAML 1.2 (section 10.3.2), not PyYAML's 1.1: ``no`` and ``12:30``
are strings, ``1e3`` is a number. In addition ``_`` may separate the digits of a number. Anchors and aliases
work; tags and merge keys do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.site import yaml_words
from pilotfarm.emulators.site.layout import Written

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a value."""

VALUES_MAX: Final = 100_000
"""Maximum number of values with every alias expanded, so that a small file cannot become a big one."""
BYTES_MAX: Final = 4_000_000

_CORE: Final[tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...]] = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9](_?[0-9]){0,400}"), int),
    (re.compile(r"0x[0-9a-fA-F]{1,400}|0o[0-7]{1,400}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9](_?[0-9]){0,400}(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)
_STRING, _LIST, _TABLE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


class _Loader(yaml.SafeLoader):
    """Composes nodes without guessing the types of scalars, so a tag on one was written there."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - PyYAML's own name and type


@dataclass(slots=True)
class Document:
    """A file's data, the line of every value, and what is wrong with it so far.

    ``options`` are values that somebody gave in place of the file's, by the name they gave them under.
    """

    file: str
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    options: dict[Path, str] = field(default_factory=dict)
    _lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line, from 1, of a value, or of the nearest value around one that is missing; 0 of data."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def problem(self, path: Path, message: str) -> None:
        if path in self.options:
            self.problems.append(Problem(self.options[path], 0, "", message))
        else:
            self.problems.append(Problem(self.file, self.line(path), where(path), message))

    def written(self, path: Path) -> Written:
        return Written(self.file, self.line(path), where(path))

    def locate(self, path: Path) -> str:
        """Name a value and its line, for a problem that concerns two places."""
        return f"{where(path)}{self.on_line(path)}"

    def on_line(self, path: Path) -> str:
        """Say the line of a value in brackets, if it has one."""
        line = self.line(path)
        return f" (line {line})" if line else ""


def of_data(file: str, data: Any) -> Document:
    """Make a document of data that is no text, and has no lines."""
    return Document(file, data, _lines={(): 0})


def of_lines(document: Document, data: Sequence[Any], lines: Sequence[int]) -> Document:
    """Have a document hold the rows of a file that is no YAML, each on its line."""
    document.data = list(data)
    document._lines.update(((index,), line) for index, line in enumerate(lines))
    return document


def where(path: Path) -> str:
    """Write a path as a reader would: ``groups.homes.endpoints[0].ip``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def read(file: str, text: str, what: str = "site") -> Document:
    """Read YAML text: a table of data, or no table and a problem of the document; ``what`` the file is, for that."""
    document = Document(file)
    if len(text) > BYTES_MAX:
        document.problem((), f"the file has more than {BYTES_MAX:,} characters")
        return document
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            document.problem((), "the file is empty")
        else:
            document.data = _Walk(document).value(node, ())
            if not isinstance(document.data, dict) and not document.problems:
                document.problem((), f"a {what} file is a table of keys and values, such as `name: street`")
    except yaml.YAMLError as error:
        line, message = yaml_words.explained(error, text)
        document.problems.append(Problem(file, line, "", f"not YAML: {message}"))
    except RecursionError:
        document.problem((), "nested too deeply")
    return document


@dataclass(slots=True)
class _Walk:
    document: Document
    count: int = 0
    inside: list[int] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.document._lines.setdefault(path, node.start_mark.line + 1)
        self.count += 1
        if self.count > VALUES_MAX or id(node) in self.inside:
            if self.count == VALUES_MAX + 1 or id(node) in self.inside:
                self.document.problem(path, "aliases that run in a circle or make the file too big")
            return None
        if node.tag not in (_STRING, _LIST, _TABLE):
            self.document.problem(path, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} means nothing here")
            return None
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.style else scalar(node.value)
        self.inside.append(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self.table(node, path)
        finally:
            self.inside.pop()

    def table(self, node: yaml.Node, path: Path) -> Mapping[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                self.document.problem(path, f"line {line}: a key is a word, not a list or a table")
            elif key in data:
                first = self.document.line((*path, key))
                message = f"the key is written twice; first on line {first}"
                self.document.problems.append(Problem(self.document.file, line, where((*path, key)), message))
            else:
                self.document._lines[(*path, key)] = line
                data[key] = self.value(value_node, (*path, key))
        return data


def scalar(text: str) -> Any:
    """Return what a plain scalar means."""
    for pattern, convert in _CORE:
        if pattern.fullmatch(text):
            return convert(text)
    return text
