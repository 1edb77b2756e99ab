"""What a master sees when it looks at a device once, and the few words that say what that should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple


class Point(NamedTuple):
    """One value as a master has it, in the quantity's own unit, and all that is said of it but that it is good."""

    value: float
    marks: frozenset[str]
    within: float
    """How far it may be from the truth by the resolution of its register or object."""


@dataclass(frozen=True)
class Seen:
    """One look of a master: how its question ended, how long that took, and what it was told."""

    ended: str
    """``answered``, ``nothing``, ``cut``, or what the client calls it."""
    took_s: float
    points: Mapping[str, Point]
    """By quantity."""
    news: Sequence[tuple[str, float, datetime | None]] = ()
    """Changes: quantity, value in its own unit, and time tag."""
    wrote: str | None = None
    """How a set-point was answered, and whether the device was told."""
    anew: str | None = None
    """What became of another connection."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What this protocol alone has."""


class Case(NamedTuple):
    """All there is to judge by."""

    now: Seen
    before: Seen
    earlier: Seen
    """The look just before, of that fault or without it."""
    true: Mapping[str, float]
    """The farm's own values, by quantity."""
    reported: Mapping[str, float]
    """What the device says of them."""
    time: datetime
    of: Sequence[str]
    """The quantities that are looked at."""
    later_s: float

    def __str__(self) -> str:
        """What there is to see of it in one line."""
        now, values = self.now, {name: self.now.points.get(name) for name in self.of}
        true = {name: self.true[name] for name in self.of}
        rest = {
            name: value for name, value in now.more.items() if name not in ("points", "news", "serial", "registers")
        }
        news = [(name, value, at and (at - self.time).total_seconds()) for name, value, at in now.news]
        return f"{now.ended} {now.took_s:.3f} s {values=} {true=} {now.wrote=} {now.anew=} {rest} {news}"


Word = Callable[[Case], bool]

# ----------------------------------------------------------------------------------------- how it ended


def ended(how: str) -> Word:
    return lambda case: case.now.ended == how


def then(*words: Word) -> Word:
    return lambda case: all(word(case) for word in words)


def another(how: str) -> Word:
    """What becomes of another connection."""
    return lambda case: case.now.anew == how


def none_gets_in(case: Case) -> bool:
    return case.now.anew not in (None, "answered")


# --------------------------------------------------------------------------------------- values and marks


def each(holds: Callable[[Point, float, Point], bool]) -> Word:
    """Of everything that is looked at: a point, the truth, and the point as it was before."""

    def word(case: Case) -> bool:
        return case.now.ended == "answered" and all(
            holds(case.now.points[name], case.true[name], case.before.points[name]) for name in case.of
        )

    return word


def near(point: Point, value: float) -> bool:
    return abs(point.value - value) <= point.within + 1e-6 * abs(value)


def good(point: Point) -> bool:
    return not point.marks


def value_is(value: float) -> Word:
    return each(lambda point, true, before: good(point) and near(point, value) and not near(before, value))


def marked(*marks: str) -> Word:
    """The value as it is, with a doubt."""
    return each(lambda point, true, before: near(point, true) and point.marks == set(marks) and good(before))


def no_value(value: float, *marks: str) -> Word:
    def holds(point: Point, true: float, before: Point) -> bool:
        same = math.isnan(point.value) if math.isnan(value) else point.value == value
        return same and point.marks == set(marks) and good(before)

    return each(holds)


def times(factor: float) -> Word:
    """So many times what it was, whatever else moves: that is two in a hundred at most."""
    return each(
        lambda point, true, before: good(point) and math.isclose(point.value, factor * before.value, rel_tol=0.02)
    )


TRUE: Final = each(lambda point, true, before: good(point) and near(point, true))
STILL: Final = each(lambda point, true, before: good(point) and near(point, before.value) and not near(point, true))
OTHER_SIGN: Final = each(lambda point, true, before: good(point) and near(point, -true) and not near(point, true))
HIGHER: Final = each(lambda point, true, before: near(point, true) and point.value > before.value + point.within)
LOWER: Final = each(lambda point, true, before: near(point, true) and point.value < before.value - point.within)


FROM_0: Final = each(lambda point, true, before: good(point) and point.value < 2.0 < before.value)


def off(case: Case) -> bool:
    """As the device says it, and that is not true."""
    wrong = each(lambda point, true, before: good(point) and not near(point, true))
    return wrong(case) and all(near(case.now.points[name], case.reported[name]) for name in case.of)


def swapped(case: Case) -> bool:
    (one, other), now = case.of, case.now.points
    return near(now[one], case.true[other]) and near(now[other], case.true[one]) and not near(now[one], case.true[one])


def as_told_and_not_done(case: Case) -> bool:
    """The first quantity is a set-point, the second what should follow it."""
    told, done = (case.now.points[name] for name in case.of)
    return (
        near(told, case.true[case.of[0]])
        and not near(told, case.before.points[case.of[0]].value)
        and near(done, case.true[case.of[1]])
        and near(done, case.before.points[case.of[1]].value)
    )


def ever_other(case: Case) -> bool:
    """Two looks while nothing moves, and they differ."""
    one, other = (
        {name: said for name, said in seen.more.items() if name not in ("took_s", "acknowledged")}
        for seen in (case.earlier, case.now)
    )
    return one != other


def on_its_way(case: Case) -> bool:
    """The first quantity is a set-point, the second what comes to it late."""
    told, done = (case.now.points[name].value for name in case.of)
    was = case.before.points[case.of[1]].value
    return near(case.now.points[case.of[1]], case.true[case.of[1]]) and min(was, told) + 1 < done < max(was, told) - 1


# ------------------------------------------------------------------------------------------------ changes


def tagged(off_s: float | None) -> Word:
    """Changes come with time tags that are off by so much; there are none of what has no time tag."""

    def word(case: Case) -> bool:
        tags = [at for _, _, at in case.now.news]
        if off_s is None:
            return bool(tags) and all(at is None for at in tags)
        return bool(tags) and all(at is not None and abs((at - case.time).total_seconds() - off_s) < 5.0 for at in tags)

    return then(TRUE, word)


def many_news(case: Case) -> bool:
    return len(case.now.news) >= 90


def told_again(case: Case) -> bool:
    return bool(case.now.news) and case.now.news == case.earlier.news


def indicated(octet: int, bit: int) -> Word:
    """One of the answers since the fault began has the bit: some are told once."""
    return then(
        TRUE,
        lambda case: any(
            each[octet] >> bit & 1 for seen in (case.earlier, case.now) for each in seen.more["indications"]
        ),
    )


# ------------------------------------------------------------------------------------------------ the words


def more(name: str, holds: Callable[[Any], bool]) -> Word:
    return lambda case: name in case.now.more and holds(case.now.more[name])


def objects(holds: Callable[[int, int], bool]) -> Word:
    """How many there are now and were before."""
    return lambda case: holds(len(case.now.more["points"]), len(case.before.more["points"]))


def wrote(how: str) -> Word:
    return lambda case: case.now.wrote == how


def at_least_so_late(case: Case) -> bool:
    return case.now.took_s >= case.later_s > 0.0


SOON_S: Final = 20.0
NEVER_S: Final = 0.3
"""How long a master waits that is to be answered, and one that is not."""
TOTALS: Final = ("energy_exported_wh",)
"""What never becomes less."""
WRITTEN: Final = ("confirmed, done", "confirmed, terminated, done", "SUCCESS, SUCCESS, done")


def as_it_was(case: Case) -> bool:
    """Answered with what is true and no doubt, and changes in time; a set-point is confirmed and done."""
    now = case.now
    if not TRUE(case):
        return False
    same = now.more.get("serial") == case.before.more.get("serial")
    totals = all(now.points[name].value >= case.before.points[name].value for name in case.of if name in TOTALS)
    in_time = all(at is None or -100.0 < (at - case.time).total_seconds() < 1.0 for _, _, at in now.news)
    return (
        TRUE(case) and in_time and same and totals and now.wrote in (None, *WRITTEN) and now.anew in (None, "answered")
    )


def came_back(case: Case) -> bool:
    """To what it was, as far as a load of a house or a frequency stands still; totals go on."""
    points = ((case.now.points[name], case.before.points[name].value) for name in case.of if name not in TOTALS)
    return all(math.isclose(now.value, was, rel_tol=0.004, abs_tol=2 * now.within) for now, was in points)


class Said(NamedTuple):
    """What a word says, and how long a master has to wait to see it."""

    holds: Word
    patience_s: float = SOON_S
    anew_s: float | None = None
    """How long it tries another connection, if it does."""
    ends_s: float = SOON_S
    """How long it waits for what should follow an answer, such as the end of a command that is confirmed."""


WORDS: Final = {
    "as before": Said(as_it_was),
    # How a question ends.
    "later": Said(then(TRUE, at_least_so_late)),
    "no answer": Said(ended("nothing"), NEVER_S),
    "no answer, another connection has": Said(then(ended("nothing"), another("answered")), NEVER_S, SOON_S),
    "no answer, none gets one": Said(then(ended("nothing"), none_gets_in), NEVER_S, NEVER_S),
    "cut": Said(ended("cut")),
    "cut, others get in": Said(then(ended("cut"), another("answered")), SOON_S, SOON_S),
    "cut, none gets in": Said(then(ended("cut"), none_gets_in), SOON_S, NEVER_S),
    "goes on, none gets in": Said(then(TRUE, none_gets_in), SOON_S, NEVER_S),
    "goes on, none starts": Said(then(TRUE, another("OPEN_MUTED")), SOON_S, NEVER_S),
    "cannot be stopped": Said(then(TRUE, more("stopped", lambda stopped: not stopped)), ends_s=NEVER_S),
    "not acknowledged": Said(
        then(TRUE, lambda case: case.now.more["acknowledged"] == case.earlier.more["acknowledged"])
    ),
    "exception 6": Said(ended("exception 6")),
    "bad response": Said(ended("FAILURE_BAD_RESPONSE")),
    "its link says so": Said(then(TRUE, more("link", bool))),
    # What is said of a value.
    "not implemented": Said(no_value(math.nan, "not implemented")),
    "not a number, IV": Said(no_value(math.nan, "Invalid")),
    "not a number, IV and NT": Said(no_value(math.nan, "Invalid", "NonTopical")),
    "0, reference error": Said(no_value(0.0, "not online", "reference error")),
    "0, reference error, lost": Said(no_value(0.0, "not online", "reference error", "communication lost")),
    "end of range": Said(each(lambda point, true, before: good(point) and abs(point.value) >= 3276.7)),
    "infinite, OV and IV": Said(no_value(math.inf, "Overflow", "Invalid")),
    "over range": Said(each(lambda point, true, before: point.marks == {"over range", "not online"})),
    "IV": Said(marked("Invalid")),
    "NT": Said(marked("NonTopical")),
    "BL": Said(marked("Blocked")),
    "SB": Said(marked("Substituted")),
    "OV": Said(marked("Overflow")),
    "not online": Said(marked("not online")),
    "communication lost": Said(marked("not online", "communication lost")),
    "forced": Said(marked("forced")),
    "over range, online": Said(marked("over range")),
    # What a value is.
    "off": Said(off),
    "still": Said(STILL),
    "other sign": Said(OTHER_SIGN),
    "swapped": Said(swapped),
    "higher": Said(HIGHER),
    "lower": Said(LOWER),
    "0": Said(value_is(0.0)),
    "1": Said(value_is(1.0)),
    "60 %": Said(times(0.6)),
    "115 %": Said(times(1.15)),
    "91 %": Said(times(1 / 1.1)),
    "as told, not done": Said(as_told_and_not_done),
    "on its way": Said(on_its_way),
    "ever other bits": Said(ever_other, 1.0),
    # What is said of a change.
    "an hour behind": Said(tagged(-3_600.0)),
    "an hour ahead": Said(tagged(3_600.0)),
    "two hours ahead": Said(tagged(7_200.0)),
    "ten seconds ahead": Said(tagged(10.0)),
    "no time": Said(tagged(None)),
    "a flood of changes": Said(then(TRUE, many_news)),
    "the same changes again": Said(then(TRUE, told_again)),
    "device trouble": Said(indicated(0, 6)),
    "events lost": Said(indicated(1, 3)),
    # What becomes of a set-point.
    "exception 6, not done": Said(then(TRUE, wrote("exception 6, not done"))),
    "done, not confirmed": Said(wrote("terminated, done")),
    "refused, not done": Said(wrote("refused, not done"), ends_s=NEVER_S),
    "confirmed, not done": Said(wrote("confirmed, not done"), ends_s=NEVER_S),
    "confirmed, done, not ended": Said(wrote("confirmed, done"), ends_s=NEVER_S),
    "done, requested": Said(wrote("cause 5, terminated, done")),
    "not authorized, not done": Said(wrote("SUCCESS, NOT_AUTHORIZED, not done")),
    # Who and what data are of.
    "another, from 0": Said(
        then(FROM_0, lambda case: case.now.more["serial"] not in ([], case.before.more["serial"])),
    ),
    "from 0": Said(FROM_0),
    "another station": Said(more("stations", lambda stations: len(stations) > 1)),
    "other objects": Said(more("objects", lambda objects: objects > 0x7FFFFF)),
    "an object too many": Said(then(TRUE, objects(lambda now, before: now > before))),
    "objects missing": Said(then(TRUE, objects(lambda now, before: now < before))),
    "another type": Said(more("types", lambda types: 99 in types)),
    "no cause": Said(more("causes", lambda causes: 0 in causes)),
}
