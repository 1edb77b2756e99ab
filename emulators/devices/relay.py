"""The supply relay of a meter: who opens and closes it, and the limiter that opens it by itself.

The states and transitions are those of the disconnect control of COSEM [1]_. A remote change follows ``grid_switch``,
a manual one the customer at the meter, a local one the limiter [2]_. Which of them a relay lets happen says its control
mode:

| mode | remote opens, closes | manual opens, closes | local opens, closes |
|---|---|---|---|
| 0 | always connected | | |
| 1 | yes, makes ready | yes, yes | yes, no |
| 2 | yes, yes | yes, yes | yes, no |
| 3 | yes, makes ready | no, yes | yes, no |
| 4 | yes, yes | no, yes | yes, no |
| 5 | yes, makes ready | yes, yes | yes, yes |
| 6 | yes, makes ready | no, yes | yes, yes |

Opened remotely it is disconnected, otherwise ready for reconnection, and only from there closed by hand or by itself.
The limiter watches the active power drawn, which is constant over a step, and its relay moves with the next step.

Columns that are no quantity's: ``relay_ready_s`` (how long it has been ready for reconnection), ``relay_moved_by``
(``REMOTE``, ``MANUAL`` or ``LOCAL``: who moved it in this step, 0 if nobody), ``limiter_over_s`` (how long the power
has been above the threshold) and ``limiter_under_s`` (how long not, since the limiter opened the relay).

References
----------
.. [1] IEC 62056-6-2, interface class 70, Disconnect control. Its modes 1 to 4 as in the enumeration ControlMode of
   Gurux DLMS, which quotes it; 5 and 6 from memory.
.. [2] The same, interface class 71, Limiter: of its thresholds the normal one, with the actions local disconnect and
   local reconnect of class 70.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import (
    Bools,
    Columns,
    Floats,
    anywhere,
    canonical,
    everything,
    flags,
    is_nothing,
    nothing,
)
from pilotfarm.emulators.contracts.device import Rating
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import easing, faulty

DISCONNECTED, CONNECTED, READY = 0.0, 1.0, 2.0
REMOTE, MANUAL, LOCAL = 1.0, 2.0, 3.0
REMOTE_CLOSES: Final = (2.0, 4.0)
MANUAL_OPENS: Final = (1.0, 2.0, 5.0)
LOCAL_CLOSES: Final = (5.0, 6.0)
"""Control modes in which it does; manual closes and remote and local open in all but 0."""

RATINGS: Final = (
    Rating(
        "relay_control_mode",
        "1",
        4.0,
        0.0,
        6.0,
        "Who may open and close the supply relay at the start: control mode of IEC 62056-6-2, class 70",
        only=tuple(map(float, range(7))),
    ),
    Rating(
        "button_after_s",
        "s",
        0.0,
        0.0,
        604_800.0,
        "How long after its relay is ready for reconnection the customer presses the button; 0 is never",
    ),
    Rating("limiter_threshold_w", "W", 0.0, 0.0, 1e7, "Limit of the power drawn at the start; 0 is none"),
    Rating("limiter_over_duration_s", "s", 60.0, 0.0, 86_400.0, "How long above the limit until the relay opens"),
    Rating(
        "limiter_under_duration_s", "s", 60.0, 0.0, 86_400.0, "How long below until it closes by itself, if it does"
    ),
)
_COUNTS: Final = ("relay_ready_s", "relay_moved_by", "limiter_over_s", "limiter_under_s")


def initial(n: int) -> Columns:
    """Return the columns of ``n`` relays at the start: connected."""
    closed = dict.fromkeys(("relay_control_state", "load_energised"), everything(n))
    return closed | dict.fromkeys((*_COUNTS, "limiter_alarm"), nothing(n))


def switched(new: Columns, obeys: Bools | None, dt_s: float) -> Floats:
    """Return where relays are closed, and move them in the step's own columns (``common.Switched``)."""
    asked = new["grid_switch"]
    if "grid_switch_window_s" in new:
        asked = easing.follow(new, "grid_switch", asked, dt_s)
    state = _move(new, asked, obeys, dt_s)
    closed = state if state is everything(len(state)) else (state == CONNECTED).astype(np.float64)
    return faulty.stuck(new, closed)


def _move(new: Columns, asked: Floats, obeys: Bools | None, dt_s: float) -> Floats:
    """Return the control states after this step's transitions, which are also in the step's own columns."""
    state = new["relay_control_state"]
    none, every = nothing(len(state)), everything(len(state))
    if state is every and asked is every and is_nothing(new["relay_manual_disconnect"], new["limiter_over_s"]):
        new["relay_moved_by"] = none
        return state
    mode, before = new["relay_control_mode"], state
    by = np.zeros(len(state))

    def put(where: Bools, to: float | Floats, who: float) -> None:
        nonlocal state
        state, by[where] = np.where(where, to, state), who

    free = mode > 0.0
    told = free if obeys is None else free & obeys
    put(told & (asked <= 0.0) & (state != DISCONNECTED), DISCONNECTED, REMOTE)
    closes = np.where(np.isin(mode, REMOTE_CLOSES), CONNECTED, READY)
    put(told & (asked > 0.0) & (state == DISCONNECTED), closes, REMOTE)
    opens = (new["relay_manual_disconnect"] > 0.0) & np.isin(mode, MANUAL_OPENS)
    put(opens & (state == CONNECTED), READY, MANUAL)
    put(free & _pressed(new, before, dt_s) & (state == READY), CONNECTED, MANUAL)
    over, under = _limited(new)
    put(free & over & (state == CONNECTED), READY, LOCAL)
    put(under & np.isin(mode, LOCAL_CLOSES) & (state == READY), CONNECTED, LOCAL)
    put(~free & (state != CONNECTED), CONNECTED, LOCAL)
    new["relay_control_state"] = state = canonical(state)
    new["relay_moved_by"] = canonical(by)
    opened = (by == LOCAL) & (state == READY)
    new["limiter_alarm"] = flags((opened | (new["limiter_alarm"] > 0.0)) & (state != CONNECTED))
    return state


def _pressed(new: Columns, before: Floats, dt_s: float) -> Bools:
    """Return where the button is pressed, on command or when it is time; count that time in the step's own columns."""
    after_s, ready_s = new["button_after_s"], np.where(before == READY, new["relay_ready_s"] + dt_s, 0.0)
    new["relay_ready_s"] = canonical(ready_s)
    in_time = (after_s > 0.0) & (before == READY) & (ready_s >= after_s)
    return np.asarray(in_time | (new["relay_manual_reconnect"] > 0.0))


def _limited(new: Columns) -> tuple[Bools, Bools]:
    """Return where power has been above the limit for long enough, and where below."""
    over_s, under_s = new["limiter_over_s"], new["limiter_under_s"]
    over = (over_s > 0.0) & (over_s >= new["limiter_over_duration_s"]) & (new["limiter_threshold_w"] > 0.0)
    return over, (under_s > 0.0) & (under_s >= new["limiter_under_duration_s"])


def watch(new: Columns, surroundings: Surroundings, live_frac: float, dt_s: float) -> None:
    """Let limiters watch a step's power, and show what is behind relays, in the step's own columns.

    A phase is energised above ``live_frac`` of the nominal voltage.
    """
    closed, none = new["grid_switch_closed"], nothing(len(new["online"]))
    new["load_energised"] = closed
    live_v = live_frac * new["nominal_voltage_v"]
    if anywhere(surroundings.mains.lowest_v <= live_v):
        seen = np.max([new[f"share_l{phase}"] > 0.0 for phase in (1, 2, 3)] * (surroundings.voltage_v > live_v), axis=0)
        new["load_energised"] = closed * seen
    threshold_w = new["limiter_threshold_w"]
    if threshold_w is none and is_nothing(new["limiter_over_s"], new["limiter_under_s"]):
        return
    over = (threshold_w > 0.0) & (0.0 - new["active_power_w"] > threshold_w)
    new["limiter_over_s"] = canonical((new["limiter_over_s"] + dt_s) * over)
    # Counted where something is to close again, and nowhere else.
    opened = ~over & (new["limiter_alarm"] > 0.0)
    new["limiter_under_s"] = canonical((new["limiter_under_s"] + dt_s) * opened)
