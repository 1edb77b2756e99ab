"""The text of a file that somebody names: a built-in one by its name, another by its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.words import suggestion


def text_of(
    name_or_path: str, what: str, built_in: Sequence[str], find: Callable[[str], Traversable]
) -> tuple[str, str]:
    """Return the path and the text of a file; ``what`` it is to be is for messages.

    Raises ``ConfigError`` if it cannot be read.
    """
    if name_or_path in built_in:
        found = find(name_or_path)
        return str(found), found.read_text(encoding="utf-8")
    try:
        return name_or_path, Path(name_or_path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        message = "is not text in UTF-8; save it as that"
    except FileNotFoundError:
        hint = suggestion(name_or_path, built_in)
        message = f"no such file and no built-in {what}{hint or '; built in are ' + ', '.join(built_in)}"
    except IsADirectoryError:
        message = f"is a folder; name the {what} file in it" if name_or_path else f"no {what} is named"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except ValueError as error:
        message = f"is no name of a file: {error}"
    raise ConfigError([Problem(name_or_path, 0, "", message)])
