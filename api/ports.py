"""Ports of 127.0.0.1 for farms that are brought up at the same time by several processes.

A free port that somebody has found may be somebody else's a moment later, or while a fault has its listener closed. So
ports are taken in blocks, and whoever has a block holds the UDP port of its first number as the sign of it.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from pilotfarm.emulators.errors import ConfigError, Problem

FIRST: Final = 20_000
END: Final = 32_768
"""From here on Linux gives ports to whoever connects."""
BLOCK: Final = 64
_HOST: Final = "127.0.0.1"


@contextmanager
def claimed(count: int) -> Iterator[int]:
    """Claim ``count`` ports in a row and yield the first; which ones is drawn anew each time.

    Raises ``ConfigError`` if there are not so many.
    """
    blocks = range(FIRST, END - count + 1, BLOCK)
    drawn = secrets.randbelow(len(blocks)) if blocks else 0
    for first in (*blocks[drawn:], *blocks[:drawn]):
        with ExitStack() as stack:
            if _claim(stack, first, count) and all(map(_is_free, range(first, first + count))):
                yield first
                return
    message = f"there are no {count:,} free ports in a row from {FIRST} to {END - 1}; say addresses"
    raise ConfigError([Problem("ports_from", 0, "", message)])


def _claim(stack: ExitStack, first: int, count: int) -> bool:
    for port in range(first, first + count, BLOCK):
        sign = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            sign.bind((_HOST, port))
        except OSError:
            return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the listener will have it
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
