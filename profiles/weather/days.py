"""Days, and where in the year an instant is."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.profiles.draws import Floats

DAY_S: Final = 86_400.0
YEAR_DAYS: Final = 365.25


def day_of_year(unix_s: Floats) -> Floats:
    """Day of the year with its fraction, from 1, on a year of 365.25 days; within a day of the calendar's."""
    return np.asarray(unix_s / DAY_S % YEAR_DAYS + 1.0)
