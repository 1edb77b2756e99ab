"""Whether a farm that runs already is what a scenario asks for."""

from __future__ import annotations

from pathlib import PurePath

from pilotfarm.emulators.scenarios.reading import Draft
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.tables import start
from pilotfarm.emulators.words import quoted


def fit(draft: Draft, layout: SiteLayout, step_s: float) -> None:
    """Find what a scenario says of site, start, seed and step that a farm was not brought up with.

    Each becomes a problem of the draft. ``step_s`` is the length of the farm's steps now. Of a site file the name alone
    is looked at.
    """
    head, document = draft.head, draft.document
    if head is None:
        return
    if head.site is not None and not _is_called(layout, head.site):
        document.problem(("site",), f"is {quoted(head.site)}, and this farm is {layout.name}")
    if head.start is not None:
        known = len(document.problems)
        begins = start(Checker(document), head.start, layout.place.time_zone)
        if len(document.problems) == known and begins != layout.start:
            document.problem(("start",), f"is {head.start}, and this farm was brought up at {layout.start.isoformat()}")
    if head.seed is not None and head.seed != layout.seed:
        document.problem(("seed",), f"is {head.seed}, and this farm was brought up with {layout.seed}")
    if head.step_s is not None and head.step_s != step_s:
        document.problem(("step_s",), f"is {head.step_s:g}, and a step of this farm is {step_s:g} s long")


def _is_called(layout: SiteLayout, site: str) -> bool:
    return site == layout.name or PurePath(site).stem == PurePath(layout.source).stem
