"""Site files: a YAML file in, a ``SiteLayout`` out, or every problem of the file at once."""

from __future__ import annotations

from pathlib import Path

from pilotfarm import profiles
from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.site.addresses import PORTS_FROM, Addressing
from pilotfarm.emulators.site.document import read
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.resolve import resolve
from pilotfarm.emulators.site.schema import json_schema
from pilotfarm.emulators.words import suggestion

__all__ = ["PORTS_FROM", "Addressing", "json_schema", "load"]


def load(
    name_or_path: str,
    addressing: Addressing | None = None,
    start: str | None = None,
    seed: int | None = None,
    media: bool | None = None,
) -> SiteLayout:
    """Load a built-in site by its name or a site file by its path.

    ``start``, ``seed`` and ``media`` go before what the file says, and what is wrong with them is told of the options
    ``--start``, ``--seed`` and ``--media``. Raises ``ConfigError`` with every problem.
    """
    file, text = _text(name_or_path)
    document = read(file, text)
    if not isinstance(document.data, dict):
        raise ConfigError(document.problems)
    given = {"start": start, "seed": seed, "media": media or None}
    document.options = {(key,): f"--{key}" for key, value in given.items() if value is not None}
    layout = resolve(document, text, Addressing() if addressing is None else addressing, start, seed, media)
    if document.problems:
        raise ConfigError(sorted(set(document.problems)))
    return layout


def _text(name_or_path: str) -> tuple[str, str]:
    if name_or_path in profiles.names():
        found = profiles.site(name_or_path)
        return str(found), found.read_text(encoding="utf-8")
    try:
        return name_or_path, Path(name_or_path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        message = "is not text in UTF-8; save it as that"
    except FileNotFoundError:
        hint = suggestion(name_or_path, profiles.names())
        message = f"no such file and no built-in site{hint or '; built in are ' + ', '.join(profiles.names())}"
    except IsADirectoryError:
        message = "is a folder; name the site file in it" if name_or_path else "no site is named"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except ValueError as error:
        message = f"is no name of a file: {error}"
    raise ConfigError([Problem(name_or_path, 0, "", message)])
