"""Site files: a YAML file in, a ``SiteLayout`` out, or every problem of the file at once."""

from __future__ import annotations

from pilotfarm import profiles
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.site.addresses import PORTS_FROM, Addressing
from pilotfarm.emulators.site.document import read
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.resolve import resolve
from pilotfarm.emulators.site.schema import json_schema
from pilotfarm.emulators.site.source import text_of

__all__ = ["PORTS_FROM", "Addressing", "json_schema", "load", "load_text"]


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
    file, text = text_of(name_or_path, "site", profiles.names(), profiles.site)
    return load_text(text, file, addressing, start, seed, media)


def load_text(
    text: str,
    file: str,
    addressing: Addressing | None = None,
    start: str | None = None,
    seed: int | None = None,
    media: bool | None = None,
) -> SiteLayout:
    """Load a site from the text of its file, as ``load`` does; ``file`` is its name, and where its files are from."""
    document = read(file, text)
    if not isinstance(document.data, dict):
        raise ConfigError(document.problems)
    given = {"start": start, "seed": seed, "media": media or None}
    document.options = {(key,): f"--{key}" for key, value in given.items() if value is not None}
    layout = resolve(document, text, Addressing() if addressing is None else addressing, start, seed, media)
    if document.problems:
        raise ConfigError(sorted(set(document.problems)))
    return layout
