"""What a poller asks devices for, as octets on a line."""

from __future__ import annotations

from typing import NamedTuple


class Request(NamedTuple):
    """Octets of a request and of its answer, as they stand on a serial line."""

    asked: int
    answered: int
