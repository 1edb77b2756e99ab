"""What a running service logs, bounded by kind: a peer that sends garbage fills no disk.

A line of one kind about one address (the first argument of its message) is shown once in a minute, and at most
``KIND_MAX`` lines of one kind are, whatever they are about. The rest is counted, and the count is told with the next
line that comes after the minute, or at the end.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

WINDOW_S: Final = 60.0
KIND_MAX: Final = 20
_QUOTED_MAX: Final = 120
"""How much of a message that stands for many is told with their count. [characters]"""

Kind: TypeAlias = tuple[Any, ...]
"""Where in the code a line comes from, and the exception it tells of."""


@dataclass(slots=True)
class _Window:
    """A minute of one kind of line."""

    since_s: float
    said: set[str] = field(default_factory=set)
    unsaid: int = 0
    last: logging.LogRecord | None = None
    """The last that was left unsaid."""

    def admits(self, about: str) -> bool:
        """Whether a line about this is to be shown now."""
        if about in self.said or len(self.said) >= KIND_MAX:
            return False
        self.said.add(about)
        return True

    def over(self, now_s: float) -> bool:
        return not 0.0 <= now_s - self.since_s < WINDOW_S  # the system's clock can go back


class BoundedHandler(logging.StreamHandler[Any]):
    """Writes to standard error what is not left unsaid."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[Kind, _Window] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.created)
        error = record.exc_info[0] if record.exc_info else None
        kind = (record.name, record.levelno, record.pathname, record.lineno, error)
        window = self._windows.setdefault(kind, _Window(record.created))
        if window.admits(str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""):
            super().emit(record)
        else:
            window.unsaid += 1
            window.last = record

    def close(self) -> None:
        """Tell what has been left unsaid."""
        with self.lock or nullcontext():
            self._tell(None)
        super().close()

    def _tell(self, now_s: float | None) -> None:
        """End the minutes that are over, or all; of each kind say how many lines were left unsaid."""
        over = [kind for kind, window in self._windows.items() if now_s is None or window.over(now_s)]
        for kind in over:
            window = self._windows.pop(kind)
            if window.last is not None:
                told = logging.makeLogRecord(vars(window.last))
                quoted = window.last.getMessage().partition("\n")[0][:_QUOTED_MAX]
                told.msg, told.args = "%d more lines like this were left unsaid: %s", (window.unsaid, quoted)
                told.exc_info = told.exc_text = told.stack_info = None
                super().emit(told)


def configure() -> None:
    """Have warnings and errors on standard error, bounded."""
    handler = BoundedHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
