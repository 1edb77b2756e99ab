"""What a soak has to show, judged from its samples and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from statistics import median
from typing import Final

import numpy as np
from scipy.stats import theilslopes

from pilotfarm.loadtests.soak.samples import Sample

WARM_UP_FRAC: Final = 0.25
"""Share of the run in which memory may still grow: buffers, caches and history fill."""
MEMORY_MB_PER_H: Final = 5.0
"""Largest growth of resident memory after warm-up."""
SAMPLES_MIN: Final = 10
"""Fewest samples after warm-up that a slope is drawn through."""
DESCRIPTORS_MORE: Final = 0
SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Criterion:
    """A thing to show; ``met`` is None where the run was too short to show it."""

    name: str
    met: bool | None
    told: str

    @property
    def word(self) -> str:
        return {True: "PASS", False: "FAIL", None: "not shown"}[self.met]


@dataclass(slots=True)
class Findings:
    """What was found about a farm besides its samples."""

    silent: list[str] = field(default_factory=list)
    """Masters that have had no answer for long, or never."""
    errors: list[str] = field(default_factory=list)
    """What masters' clients complained of."""
    apart: list[str] = field(default_factory=list)
    """Values on the wire that were not as REST told them at the same standstill."""
    compared: Mapping[str, int] = field(default_factory=dict)
    """Values compared, by protocol."""
    backwards: list[str] = field(default_factory=list)
    wraps: Mapping[str, int] = field(default_factory=dict)
    highest: Mapping[str, float] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    exit_code: int | None = None


def judged(samples: Sequence[Sample], findings: Findings) -> list[Criterion]:
    """What every farm has to show."""
    compared = ", ".join(f"{number:,} over {protocol}" for protocol, number in findings.compared.items())
    return [
        memory(samples),
        flat("descriptors", [sample.descriptors for sample in samples]),
        flat("threads", [sample.threads for sample in samples]),
        _none("masters", [*findings.silent, *findings.errors], f"all answered: {_answers(samples)}"),
        _none("log", findings.log, "no line"),
        _none("wire as REST", findings.apart, f"{compared} as told by REST at a standstill")
        if compared or findings.apart
        else Criterion("wire as REST", None, "nothing was compared"),
        _none("totals", findings.backwards, "never went back, but where a register begins again at 0"),
        Criterion("end", findings.exit_code == 0, f"exit code {findings.exit_code}"),
    ]


def far_ahead(samples: Sequence[Sample], findings: Findings, zone: tzinfo) -> list[Criterion]:
    """What the farm that runs ahead has to show besides."""
    begin, end = (datetime.fromtimestamp(samples[at].site_unix_s, UTC) for at in (0, -1))
    years = list(range(begin.year + 1, end.year + 1))
    leap = [year for year in range(begin.year, end.year + 1) if _leap_day_between(year, begin, end)]
    criteria = [
        Criterion("year's end", bool(years) or None, f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}"),
        Criterion("2**31 s since 1970", begin.timestamp() < 2**31 < end.timestamp() or None, "2038-01-19T03:14:08Z"),
        Criterion("leap day", bool(leap) or None, ", ".join(map(str, leap)) or "none in that time"),
    ]
    instants = [(begin + timedelta(days=day)).astimezone(zone) for day in range((end - begin).days + 1)]
    changes = sum(one.utcoffset() != other.utcoffset() for one, other in pairwise(instants))
    criteria.append(Criterion("summer time", changes > 0 or None, f"{changes} changes"))
    for family, modulus in (("iec104", 2**31), ("dnp3", 2**32), ("modbus uint32", 2**32)):
        wraps = findings.wraps.get(family, 0)
        told = f"{wraps} times from 0 again, highest {findings.highest.get(family, 0.0):,.0f} of {modulus:,}"
        criteria.append(Criterion(f"{family} counters past 2**{modulus.bit_length() - 1}", wraps > 0 or None, told))
    for family in ("modbus uint64", "modbus float32"):
        highest = findings.highest.get(family, 0.0)
        criteria.append(Criterion(f"{family} past 2**32", highest >= 2**32 or None, f"highest {highest:,.0f}"))
    return criteria


def memory(samples: Sequence[Sample], max_mb_per_h: float = MEMORY_MB_PER_H) -> Criterion:
    """The median of the slopes between any two samples after warm-up (Theil and Sen)."""
    after = warmed_up(samples)
    if len(after) < SAMPLES_MIN:
        return Criterion("memory", None, f"{len(after)} samples after warm-up; a slope takes {SAMPLES_MIN}")
    hours = np.array([sample.elapsed_s for sample in after]) / 3600.0
    slope = theilslopes(np.array([sample.rss_mb for sample in after]), hours)
    told = (
        f"{slope.slope:+.2f} MB/h ({slope.low_slope:+.2f} to {slope.high_slope:+.2f} at 95 %), "
        f"at most {max_mb_per_h:g}; {after[0].rss_mb:.1f} to {after[-1].rss_mb:.1f} MB"
    )
    return Criterion("memory", bool(slope.slope <= max_mb_per_h), told)


def warmed_up(samples: Sequence[Sample]) -> Sequence[Sample]:
    after_s = WARM_UP_FRAC * samples[-1].elapsed_s if samples else 0.0
    return [sample for sample in samples if sample.elapsed_s >= after_s]


def flat(name: str, counts: Sequence[int], more: int = DESCRIPTORS_MORE) -> Criterion:
    """The median of the last quarter is not above that of the second; the first is warm-up."""
    quarter = len(counts) // 4
    if not quarter:
        return Criterion(name, None, f"{len(counts)} samples")
    early, late = median(counts[quarter : 2 * quarter]), median(counts[-quarter:])
    return Criterion(name, late <= early + more, f"{early:g} early, {late:g} late, at most {max(counts)}")


def pace(samples: Sequence[Sample]) -> Mapping[str, float]:
    """What is told and not judged: how late steps were, which the machine's other work decides."""
    if not samples:
        return {}
    last = samples[-1]
    return {
        "steps": last.steps,
        "late_steps": last.late_steps,
        "worst_late_s": last.worst_late_s,
        "cpu_s": last.cpu_s,
        "site_days": (last.site_unix_s - samples[0].site_unix_s) / 86_400.0,
    }


def _none(name: str, found: Sequence[str], good: str) -> Criterion:
    if not found:
        return Criterion(name, True, good)
    more = f" and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
    return Criterion(name, False, "; ".join(found[:SHOWN_MAX]) + more)


def _answers(samples: Sequence[Sample]) -> str:
    last = samples[-1]
    return f"Modbus {last.modbus_answers:,}, IEC 104 {last.iec104_answers:,}, DNP3 {last.dnp3_answers:,}"


def _leap_day_between(year: int, begin: datetime, end: datetime) -> bool:
    try:
        return begin < datetime(year, 2, 29, tzinfo=UTC) < end
    except ValueError:
        return False


def passed(criteria: Sequence[Criterion]) -> bool:
    """Whether nothing failed; what the run was too short to show does not count."""
    return all(criterion.met is not False for criterion in criteria)
