"""The signals that end a service in an orderly way."""

from __future__ import annotations

import signal


def ending() -> tuple[signal.Signals, ...]:
    """Return SIGINT, SIGTERM and SIGHUP; the last not where it is ignored, as `nohup` has it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if ignored else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
