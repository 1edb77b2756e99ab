"""How a station asks its devices, or stations they are behind, if it does: by polls, or in rounds."""

from __future__ import annotations

from collections.abc import Mapping

from pilotfarm.emulators.site.behind import polling_reader
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.collecting import CollectingReader
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.model import Station
from pilotfarm.emulators.site.polling import PollingReader
from pilotfarm.emulators.site.served import SharedStation


def reader(
    checker: Checker,
    path: Path,
    table: Station,
    name: str,
    stations: Mapping[str, SharedStation],
    *,
    media: bool,
    seed: int,
    time_zone: str,
) -> PollingReader | CollectingReader | None:
    """Return what reads how the station ``name`` at ``path`` asks its devices; ``None`` where it does not."""
    if table.collecting is not None:
        at = (*path, "collecting")
        if table.polling is not None:
            checker.document.problem(at, "a station that collects in rounds does not poll, too; leave out one of them")
        return CollectingReader(checker, at, table.collecting, name=name, media=media, seed=seed, time_zone=time_zone)
    if table.polling is not None:
        return polling_reader(checker, path, table.polling, media, seed, name, stations)
    return None
