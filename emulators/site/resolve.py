"""From a site file's data to a ``SiteLayout``: every default filled in, every problem found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.site import ratings, tables
from pilotfarm.emulators.site.addresses import Addressing, Allocator
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.layout import FeederLayout, GroupLayout, SiteLayout
from pilotfarm.emulators.site.model import DEVICES_MAX, SEED_END, START_DEFAULT, GroupHead, Head, SiteFile
from pilotfarm.emulators.site.series import SeriesReader
from pilotfarm.emulators.site.stations import Stations
from pilotfarm.emulators.words import quoted
from pilotfarm.profiles import draws

_TABLES: Final = ("location", "feeders", "groups", "stations", "grid", "frequency", "weather", "market", "series")
_IN_A_GROUP: Final = ("ratings", "endpoints", "replay")
"""Keys of a group that are read apart from the others."""


def resolve(
    document: Document, text: str, addressing: Addressing, start: str | None, seed: int | None, media: bool | None
) -> SiteLayout:
    """Build the layout; problems gather in the document, and a layout with problems is not to be used."""
    data, checker = document.data, Checker(document)
    assert isinstance(data, dict), "what is no table is refused before"
    plain = {key: value for key, value in data.items() if key not in _TABLES}
    head = checker.read(Head, plain, (), known=SiteFile.model_fields)
    for key in ("location", "groups"):
        if key not in data:
            document.problem((key,), "is missing")
    place = tables.place(checker, data)
    start_text = start if start is not None else head.start if head else START_DEFAULT
    used_seed = _seed(document, seed) if seed is not None else head.seed if head else 0
    group_tables = checker.table(data, "groups", at_least_one=True)
    # A site that names no feeder has one that is sized by its devices.
    feeder_tables = checker.table(data, "feeders", at_least_one=True) if "feeders" in data else {"grid": {}}
    station_tables = checker.table(data, "stations", at_least_one=False)
    feeders = {name: layout for name, value in feeder_tables.items() if (layout := tables.feeder(checker, name, value))}
    off_loopback = head.off_loopback if head else data.get("off_loopback") is True
    allocator = Allocator(addressing, document, off_loopback)
    with_media = media if media is not None else head.media if head else True
    site_name = head.name if head else ""
    inputs = Inputs(document)
    stations = Stations(
        checker, allocator, inputs, station_tables, place.time_zone, site=site_name, media=with_media, seed=used_seed
    )
    feeder_names = tuple(feeder_tables) if isinstance(data.get("feeders", {}), dict) else None
    begins = tables.start(checker, start_text, place.time_zone)
    series = SeriesReader(checker, data, inputs, begins, place.time_zone)
    reader = _GroupReader(checker, stations, series, feeder_names, feeders, used_seed)
    if not isinstance(data.get("groups"), dict):
        stations.is_complete = series.is_complete = False
    groups = [group for name, value in group_tables.items() if (group := reader.read(name, value))]
    total = sum(len(group.devices) for group in groups)
    if total > DEVICES_MAX:
        document.problem(("groups",), f"{total:,} devices in all; a site may have {DEVICES_MAX:,}")
    stations.lay_points(groups)
    stations.lay_polling(groups)
    stations.report_unused()
    if media and not stations.have_media and stations.is_complete:
        document.problem(("media",), "no endpoint or station of the site has a medium")
    allocator.report()
    tables.market(checker, data)
    series.of_site(data)
    sky, replays = tables.weather(checker, data, place, inputs), series.layouts()
    return SiteLayout(
        name=site_name,
        title=head.title if head else "",
        source=document.file,
        place=place,
        start=begins,
        seed=used_seed,
        step_s=head.step_s if head else 1.0,
        feeders=feeders,
        groups=tuple(groups),
        stations=() if document.problems else tuple(stations.layouts()),
        text=text,
        grid=tables.grid(checker, data),
        weather=sky,
        frequency_area=tables.frequency_area(checker, data),
        replays=replays,
        currency=series.currency(),
        inputs=inputs.found,
    )


def _seed(document: Document, seed: int) -> int:
    """Check a seed that was given in place of the file's."""
    if not 0 <= seed < SEED_END:
        document.problem(("seed",), f"must be a whole number from 0 to {SEED_END - 1}, not {seed}")
        return 0
    return seed


class _GroupReader:
    """Reads the groups of a site: who they are, their ratings, and how they are reached."""

    def __init__(
        self,
        checker: Checker,
        stations: Stations,
        series: SeriesReader,
        feeder_names: tuple[str, ...] | None,
        feeders: Mapping[str, FeederLayout],
        seed: int,
    ) -> None:
        self._checker = checker
        self._document = checker.document
        self._stations = stations
        self._series = series
        self._feeder_names = feeder_names
        self._feeders = feeders
        self._seed = seed

    def read(self, name: str, value: Any) -> GroupLayout | None:
        path: Path = ("groups", name)
        if not isinstance(value, dict):
            self._document.problem(path, f"must be a table of keys and values, not {quoted(value)}")
            self._stations.is_complete = self._series.is_complete = False
            return None
        plain = {key: item for key, item in value.items() if key not in _IN_A_GROUP}
        head = self._checker.read(GroupHead, plain, path, known=(*GroupHead.model_fields, *_IN_A_GROUP))
        spec = self._kind(value, path)
        feeder = self._feeder_of(value, path)
        # A group with a wrong count is checked as one device, so that its other problems show too.
        devices = device_ids(name, head.count if head else 1)
        keys = draws.keys_of(self._seed, [f"{name}/{device}" for device in devices])
        written = ratings.read(self._checker, spec, value, path)
        endpoints = self._stations.read_endpoints(value, path)
        if spec is None:
            self._stations.is_complete = self._series.is_complete = False
            return None
        services = self._stations.services(endpoints, spec)
        served = tuple(dict.fromkeys(each.served for each in services))
        nominal = self._feeders[feeder].nominal_voltage_v if feeder in self._feeders else None
        columns = ratings.sampled(spec, written, nominal, keys)
        group = GroupLayout(name, spec.kind, devices, feeder, columns, keys, served, head.labels if head else {})
        self._stations.assign(group, services)
        self._series.of_group(group, spec, value)
        return group

    def _kind(self, value: Mapping[str, Any], path: Path) -> DeviceSpec | None:
        kind = value.get("kind")
        if not isinstance(kind, str):
            return None
        if kind not in registry.DEVICES:
            self._checker.unknown((*path, "kind"), "device kind", kind, registry.DEVICES)
            return None
        return registry.device(kind)

    def _feeder_of(self, value: Mapping[str, Any], path: Path) -> str:
        name = value.get("feeder")
        if self._feeder_names is None:  # a problem of its own
            return ""
        if name is None and "feeder" not in value:
            if len(self._feeder_names) == 1:
                return self._feeder_names[0]
            if self._feeder_names:
                self._document.problem((*path, "feeder"), f"is missing; one of {', '.join(self._feeder_names)}")
        elif isinstance(name, str):
            if name not in self._feeder_names:
                self._checker.unknown((*path, "feeder"), "feeder", name, self._feeder_names)
            return name
        return ""


def device_ids(group: str, count: int) -> tuple[str, ...]:
    """Name the devices of a group, counted from 1 with as many digits as the last needs, and at least three."""
    width = max(3, len(str(count)))
    return tuple(f"{group}-{index:0{width}}" for index in range(1, count + 1))
