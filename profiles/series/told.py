"""What is wrong with a file of series, all of it at once and never without end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

TOLD_MAX: Final = 20
"""Of one kind of mistake in one file; the others are counted."""


LOOKED_AT: Final = TOLD_MAX + 1
"""How many of a kind are put into words."""


class Mistake(NamedTuple):
    """One thing wrong with a file; ``line`` counts from 1, and is 0 where no line can be named."""

    line: int
    message: str


class SeriesFileError(ValueError):
    """A file of series that cannot be replayed; lists everything found."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(each.message for each in mistakes))
        self.mistakes = tuple(mistakes)


def at_most(mistakes: Sequence[Mistake], total: int | None = None) -> list[Mistake]:
    """Return the first mistakes, and how many more there are of ``total``, which counts these if left out."""
    if not mistakes:
        return []
    count = len(mistakes) if total is None else total
    kept = list(mistakes[:TOLD_MAX])
    if count > len(kept):
        kept.append(Mistake(kept[-1].line, f"and {count - len(kept):,} more like this"))
    return kept


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
