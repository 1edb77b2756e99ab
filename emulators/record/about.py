"""What a run says of itself: in each of its files what is the same when it is repeated, beside the tables the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pilotfarm.emulators.record.schema import CONVENTIONS, VERSION
from pilotfarm.emulators.site.layout import SiteLayout


def of_files(layout: SiteLayout, every_s: float, quantities: Sequence[str]) -> Mapping[str, Any]:
    """Return what its files say."""
    return {
        "ledger_version": VERSION,
        "pilotfarm_version": version("pilotfarm"),
        "site": layout.name,
        "seed": layout.seed,
        "start": layout.start.isoformat(),
        "step_s": layout.step_s,
        "every_s": every_s,
        "quantities": list(quantities) or ["*"],
        "conventions": CONVENTIONS,
    }


def of_run(layout: SiteLayout, run: int, started_s: float, said: Mapping[str, Any]) -> str:
    """Return what stands beside the tables, as JSON: ``said`` by the files, and what is of this run alone."""
    started = datetime.fromtimestamp(started_s, UTC).isoformat()
    own = {"run": run, "started": started, "source": layout.source}
    files = {each.name: each.sha256 for each in layout.inputs}
    return json.dumps({**own, **said, "files": files, "site_file": layout.text}, indent=2) + "\n"
