"""What is wrong with a text that is not YAML: the line to look at, and what to change there."""

from __future__ import annotations

import re
from typing import Final

import yaml

from pilotfarm.emulators.words import soft_character

_COLON: Final = (
    "a colon where no key can be: the line before it may lack a colon or the space after one, or this line is "
    "indented further than its neighbours; a text with a colon and a space needs quotes"
)
_SAID: Final = (
    (r"found character '\\t'", "a tab; YAML is indented with spaces, not tabs"),
    (r"mapping values are not allowed here", _COLON),
    (r"expected <block end>", "the line is indented otherwise than its neighbours"),
    (r"found undefined alias '(?P<name>.*)'", r"there is no anchor &\g<name>; a text that begins with * needs quotes"),
    (r"found character '(?P<char>.)' that cannot start", r"a text that begins with \g<char> needs quotes"),
    (r"but found another document", "a second document begins; the file is to be one"),
    (r"could not find expected ':'", "a key without its colon on the line before"),
)  # fmt: skip
"""PyYAML's words -> ours."""


def explained(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the line, from 1, to look at, and what is wrong there."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"the character U+{ord(text[error.position]):04X} cannot stand in a text file; is it one in UTF-8?"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, str(error)
    opened = re.search(r"flow (mapping|sequence)|quoted scalar", str(error.context or ""))
    if opened and error.context_mark and "undefined" not in str(error.problem):
        what = "quote" if "quoted" in opened[0] else "{" if opened[1] == "mapping" else "["
        return error.context_mark.line + 1, f"the {what} opened here is not closed, or what follows it lacks a comma"
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    for at in (line, line - 1):
        soft = soft_character("".join(text.split("\n")[at - 1 : at]))
        if soft:
            return at, f"the line has {soft}, which is no space to YAML"
    problem = str(error.problem or error.context)
    for pattern, said in _SAID:
        found = re.match(pattern, problem)
        if found:
            return line, found.expand(said)
    return line, problem
