"""What tests share: small farms made from site files written on the spot."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_site import METERS, SITE, STORAGE

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

# Under `nohup` a hang-up is ignored, by children too; with a handler of our own, which does nothing, not by them.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture
def make_layout(tmp_path: Path) -> Callable[..., SiteLayout]:
    """Resolve a site of the groups given as YAML; by default three batteries and four meters."""

    def make(groups: str = STORAGE + METERS, seed: int = 1, stations: str = "") -> SiteLayout:
        path = tmp_path / "small.yaml"
        path.write_text(SITE.format(seed=seed, groups=groups) + stations, encoding="utf-8")
        return load(str(path))

    return make


@pytest.fixture
def farm(make_layout: Callable[..., SiteLayout]) -> Farm:
    """Three batteries on the feeder east and four meters on the feeder west, one second old."""
    made = Farm(make_layout())
    made.step(1.0)
    return made


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Limit the size of files that this process may write [bytes], as a full disk does; -1 takes the limit away."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)
