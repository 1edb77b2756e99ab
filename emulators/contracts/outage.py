"""A customer without supply: what a data concentrator knows of it, beside what is true."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Known: TypeAlias = Literal["last_gasp", "no_contact", "supplied"]


class Outage(NamedTuple):
    """A meter that is without supply, or of which its concentrator knows no better.

    ``since_s`` is the site time since when it is known so [s]: when its last gasp came, or when it last answered if
    that is all that is known. ``supplied`` says whether it has supply in truth.
    """

    device: str
    known: Known
    since_s: float | None
    supplied: bool
