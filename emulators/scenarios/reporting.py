"""What a run writes for others: JSON Lines as it goes, JUnit XML at its end. Both name site time alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree as Xml

from pilotfarm.emulators.scenarios.plan import Plan
from pilotfarm.emulators.scenarios.verdict import Result, Verdict, overall
from pilotfarm.emulators.site.layout import SiteLayout

VERSION: Final = 1
"""Of the lines; a later version has these keys too."""
_ELEMENTS: Final = {Verdict.FAIL: "failure", Verdict.BLOCKED: "error", Verdict.SKIPPED: "skipped"}


@dataclass(frozen=True, slots=True)
class About:
    """What runs where, and since when in site time."""

    scenario: str
    title: str
    file: str
    site: str
    seed: int
    step_s: float
    began: datetime
    expectations: int


def about(plan: Plan, layout: SiteLayout, began: datetime) -> About:
    return About(plan.name, plan.title, plan.file, layout.name, layout.seed, layout.step_s, began, plan.expectations)


def header(what: About) -> str:
    """Return the first line."""
    return _line(event="scenario", version=VERSION, **{**asdict(what), "began": what.began.isoformat()})


def line(result: Result, began: datetime) -> str:
    """Return the line of a result; ``began`` is when the scenario did."""
    return _line(
        event="result",
        phase=result.phase,
        step=result.step,
        line=result.line,
        text=result.text,
        verdict=str(result.verdict),
        began_s=result.began_s,
        ended_s=result.ended_s,
        ended=later(began, result.ended_s).isoformat(),
        detail=result.detail,
    )


def footer(results: Sequence[Result]) -> str:
    """Return the last line: the verdict, and how many results are what."""
    return _line(event="verdict", verdict=str(overall(results)), **counts(results))


def counts(results: Sequence[Result]) -> dict[str, int]:
    """Count results by their verdict, none left out."""
    found = Counter(result.verdict for result in results)
    return {str(verdict).lower(): found[verdict] for verdict in Verdict}


def junit(scenario: str, file: str, results: Sequence[Result], began: datetime) -> str:
    """Return JUnit XML: a test case a result, BLOCKED as an error; times are site seconds."""
    found = counts(results)
    figures = {
        "tests": len(results),
        "failures": found["fail"],
        "errors": found["blocked"],
        "skipped": found["skipped"],
        "time": f"{max((result.ended_s for result in results), default=0.0):.3f}",
    }
    shared = {name: str(figure) for name, figure in figures.items()}
    suites = Xml.Element("testsuites", shared)
    stamp = began.replace(tzinfo=None).isoformat(timespec="seconds")
    suite = Xml.SubElement(suites, "testsuite", {"name": scenario, "timestamp": stamp, **shared})
    for result in results:
        suite.append(_case(scenario, file, result))
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def later(began: datetime, seconds: float) -> datetime:
    """Return an instant of site time, in the zone of ``began``."""
    return datetime.fromtimestamp(began.timestamp() + seconds, began.tzinfo)


def _case(scenario: str, file: str, result: Result) -> Xml.Element:
    took_s = 0.0 if result.began_s is None else result.ended_s - result.began_s
    facts = {
        "classname": _plain(f"{scenario}.{result.phase}"),
        "name": _plain(f"{result.step}: {result.text}"),
        "file": _plain(file),
        "line": str(result.line),
        "time": f"{took_s:.3f}",
    }
    case = Xml.Element("testcase", facts)
    if result.verdict in _ELEMENTS:
        said = {"message": _plain(result.detail)} | (
            {} if result.verdict is Verdict.SKIPPED else {"type": str(result.verdict)}
        )
        Xml.SubElement(case, _ELEMENTS[result.verdict], said)
    elif result.detail:
        Xml.SubElement(case, "system-out").text = _plain(result.detail)
    return case


def _plain(text: str) -> str:
    """Text without what XML cannot hold."""
    return "".join(each if each.isprintable() else " " for each in text)


def _line(**values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False)
