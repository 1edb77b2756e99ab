"""What of the timing of a fault may not be meant: nothing is refused for it, and it is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

DAY_S: Final = 86_400.0
FAR_S: Final = 30 * DAY_S
"""Site time from which a start is far away, and wall time from which a fault lasts long."""
WAIT_MAX_S: Final = DAY_S
"""Wall time from which a start is far away."""


def doubts(now_s: float, start_s: float | None, duration_s: float | None, speed: float, step_s: float) -> Iterator[str]:
    """Yield what is odd about a fault's start and duration; times are site time, ``speed`` is that of the site."""
    if start_s is not None:
        ahead_s = start_s - now_s
        if ahead_s < 0.0:
            since = " and before the site's start" if start_s < 0.0 else ""
            yield (f"start lies {_span(-ahead_s)} before site time now{since}: the fault takes hold with the next step")
        elif ahead_s > FAR_S or ahead_s / speed > WAIT_MAX_S:
            yield (
                f"start lies {_span(ahead_s)} of site time ahead: at the present speed of {speed:g} "
                f"that is in {_span(ahead_s / speed)}"
            )
    if duration_s is not None:
        if duration_s < step_s:
            yield f"duration_s is shorter than a step of {step_s:g} s: the fault lasts for one step"
        elif duration_s / speed > FAR_S:
            yield f"duration_s is {_span(duration_s / speed)} at the present speed of {speed:g}"


def _span(seconds: float) -> str:
    for size, unit in ((DAY_S, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2.0 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:g} s"
