"""``docs/command-line.md``: every command, argument and option, as the command line itself has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from pilotfarm.api.cli import app

HEAD = """\
# The command line

Made by `make pages` from the commands themselves; `pilotfarm COMMAND --help` says the same.

A SITE is the name of a built-in site or the path of a site file ([site-file.md](site-file.md)). Exit codes: 0 is well,
2 is that something asked for cannot be, which stderr explains; what else a command may end with stands with it.

Tab completes commands, options, built-in sites, kinds of faults and of devices, and quantities, once the shell knows:

```
$ pilotfarm --install-completion    # bash, zsh, fish or PowerShell; then begin a new shell
$ pilotfarm --show-completion       # or print the script, to put it where you like
```
"""


def page() -> str:
    """Return the page."""
    return HEAD + "".join(_section(words, command) for words, command in commands(typer.main.get_command(app)) if words)


def commands(command: Any, words: str = "") -> Iterator[tuple[str, Any]]:
    """Every command and group of commands, by the words that name it below ``pilotfarm``."""
    yield words, command
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from commands(below, f"{words} {name}".strip())


def _section(words: str, command: Any) -> str:
    text = "\n".join(_unfolded(command.help))
    example = re.search(r"^Example: `(.*)`$", text, re.MULTILINE)
    assert example, f"{words} has no example"
    said = text.replace(example[0], "").strip()
    if hasattr(command, "commands"):
        below = ", ".join(f"`{words} {name}`" for name in sorted(command.commands))
        return f"\n## {words}\n\n{said} See {below}.\n"
    rows = [_row(each) for each in command.params if each.name != "help"]
    table = "".join(f"| {name} | {meaning} | {default} |\n" for name, meaning, default in rows)
    listed = f"\n| | meaning | if left out |\n|---|---|---|\n{table}" if rows else ""
    return f"\n## {words}\n\n{said}\n\n```\n$ {example[1]}\n```\n{listed}"


def _unfolded(text: str) -> Iterator[str]:
    """Join the lines of each paragraph."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield from (" ".join(line.strip() for line in paragraph.splitlines()), "")


def _row(parameter: Any) -> tuple[str, str, str]:
    is_option = parameter.param_type_name == "option"
    names = ", ".join(f"`{each}`" for each in parameter.opts) if is_option else f"`{parameter.metavar}`"
    if is_option and not parameter.is_flag:
        names += f" {parameter.metavar or 'TEXT'}"
    meaning = str(parameter.help).rstrip(".").replace("|", "\\|")
    if getattr(parameter, "envvar", None):
        meaning += f"; `{parameter.envvar}` of the environment says it, too"
    return names.replace("|", "\\|"), meaning, _default(parameter, is_option)


def _default(parameter: Any, is_option: bool) -> str:
    if parameter.required:
        return "needed"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = parameter.default
    if not is_option or value in (None, "", False, []) or (parameter.is_flag and not value):
        return ""
    return f"`{getattr(value, 'value', value)}`"
