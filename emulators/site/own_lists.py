"""A station's own list of points: who stands where in it, and every problem of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.plans.own_list import Listed, OwnList, OwnPoint, Unfit
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site import deadbands, own_rows
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.layout import GroupLayout, SeatLayout
from pilotfarm.emulators.site.model import Endpoint
from pilotfarm.emulators.site.own_rows import ListRow
from pilotfarm.emulators.words import listed, quoted, suggestion

POINTS_MAX: Final = 100_000
"""Points of one station."""
SCALE_MIN: Final = 1e-9
SCALE_MAX: Final = 1e9
_ADDRESS_NAMES: Final = ("common_address", "unit", "link_address")
_OF_A_LIST: Final = ("address", "map", "deadbands")
"""What an endpoint leaves to the list of its station."""
_PROTOCOLS_OWN: Final = ("scale", "group", "event_class", "deadband")
"""Keys of a row that not every protocol has."""


@dataclass(slots=True)
class _Behind:
    """The devices behind a station: by id their seat, and who else there is at the site."""

    seats: Mapping[str, SeatLayout]
    kinds: Mapping[str, str]
    """By id of every device of the site."""
    is_complete: bool
    points: dict[str, list[Listed]] = field(default_factory=dict)
    """What is found, by device."""
    stands_at: dict[str, tuple[int, ListRow]] = field(default_factory=dict)
    """By device its address at the station, and the row that gave it."""


def reader(
    checker: Checker, inputs: Inputs, written: Any, spec: ProtocolSpec, options: Any, path: Path
) -> ListReader | None:
    """Return what reads the list of a station at ``path``; ``None`` where a problem has been told."""
    own = registry.own_list(spec.name)
    if own is None:
        known = listed(registry.OWN_LISTS)
        checker.document.problem(path, f"a station over {spec.name} has no list of its own; what can is {known}")
        return None
    if options is not None and (refusal := own.refusal(options)):
        checker.document.problem(path, refusal)
        return None
    rows = own_rows.read(checker, inputs, written, path)
    if rows is None or options is None:
        return None
    return ListReader(checker, path, rows, spec, own, options)


def refuse_what_a_list_says(document: Document, endpoint: Endpoint, path: Path) -> None:
    """Report what an endpoint says that is said by its station's list."""
    for key in _OF_A_LIST:
        if key in endpoint.model_fields_set:
            document.problem((*path, key), "is said by the station's list of points; leave it out")


class ListReader:
    """Reads the list of one station; what is wrong becomes problems at its rows."""

    def __init__(
        self, checker: Checker, path: Path, rows: Sequence[ListRow], spec: ProtocolSpec, own: OwnList, options: Any
    ) -> None:
        self._checker, self._path, self._rows = checker, path, rows
        self._spec, self._own, self._options = spec, own, options
        self._form: Hashable = spec.form(options)
        self._taken: dict[tuple[int, str, int], ListRow] = {}
        """By station address, space and address."""
        self._count = 0

    def seats(
        self,
        behind: Sequence[SeatLayout],
        groups: Mapping[str, GroupLayout],
        endpoints: Sequence[Path],
        *,
        is_complete: bool,
    ) -> list[SeatLayout]:
        """Return the seats of those devices behind the station of which the list has points.

        ``endpoints`` are where groups say that they are behind it.
        """
        ids = {groups[seat.group].devices[seat.row]: seat for seat in behind}
        kinds = {name: group.kind for group in groups.values() for name in group.devices}
        found = _Behind(ids, kinds, is_complete)
        for row in self._rows:
            self._lay(row, found)
        if self._count > POINTS_MAX:
            message = f"{self._count:,} points; a station may have {POINTS_MAX:,}"
            self._checker.document.problem(self._path, message)
        self._report_idle(found, endpoints)
        return [
            replace(seat, address=found.stands_at[name][0], points=tuple(sorted(found.points[name], key=_by_address)))
            for name, seat in ids.items()
            if name in found.points
        ]

    def _report_idle(self, behind: _Behind, endpoints: Sequence[Path]) -> None:
        """Report endpoints of groups that the list has nothing of, unless it is for another problem."""
        listed_groups = {behind.seats[name].group for name in behind.points}
        for at in endpoints if behind.is_complete and not self._checker.document.problems else ():
            if at[1] not in listed_groups:
                self._checker.document.problem(at, "no point of the station's list is of these devices")

    # ---------------------------------------------------------------------------------- one row

    def _lay(self, row: ListRow, behind: _Behind) -> None:
        devices = list(dict.fromkeys(self._devices(row, behind)))
        names = [row.table.quantity] if isinstance(row.table.quantity, str) else row.table.quantity
        if not names:
            row.problem("names no quantity", "quantity")
        kinds = dict.fromkeys(behind.kinds[name] for name in devices)
        points = {kind: self._points(row, names, registry.device(kind)) for kind in kinds}
        at = self._station_address(row)
        if not devices or not names or at is None or any(each is None for each in points.values()):
            return
        usable = {kind: each for kind, each in points.items() if each is not None}
        spans = [self._own.span(point, self._form) for point in next(iter(usable.values()))]
        taken = sum(span.width for span in spans)
        step = taken if row.table.step is None else row.table.step
        if step < taken:
            row.problem(f"is {step}, and the points of a device take {taken} addresses", "step")
            return
        first, last = row.table.address, row.table.address + step * (len(devices) - 1) + taken - 1
        low, high = max(span.first for span in spans), min(span.last for span in spans)
        if not low <= first <= last <= high:
            needed = f"{first}" if first == last else f"{first} to {last}"
            why = next((f" {span.why}" for span in spans if span.why), "")
            row.problem(f"needs {needed}; there are {low} to {high}{why}", "address")
            return
        self._count += len(devices) * len(names)
        if self._count > POINTS_MAX:
            return
        for number, device in enumerate(devices):
            if not self._stands(row, device, at, behind):
                continue
            address = first + step * number
            for point, span in zip(usable[behind.kinds[device]], spans, strict=True):
                self._take(row, at, span.space, address, span.width)
                behind.points.setdefault(device, []).append(Listed(address, point))
                address += span.width

    def _devices(self, row: ListRow, behind: _Behind) -> Iterator[str]:
        """Yield the ids of the devices that a row names, in its order; those of a glob in that of the station."""
        written = row.table.devices
        names = [written] if isinstance(written, str) else written
        if not names:
            row.problem("names no device", "devices")
        for name in names:
            if any(mark in name for mark in "*?["):
                found = [each for each in behind.seats if fnmatchcase(each, name)]
                others = [each for each in behind.kinds if fnmatchcase(each, name)]
            else:
                found = [name] if name in behind.seats else []
                others = [name] if name in behind.kinds else []
            if not found and behind.is_complete:
                message = f"{quoted(name)} is not behind this station" if others else f"no device is {quoted(name)}"
                row.problem(message + ("" if others else suggestion(name, behind.seats)), "devices")
            yield from found

    def _station_address(self, row: ListRow) -> int | None:
        """Return the common address, unit id or link address of a row's points."""
        name, found = self._spec.address_name, self._spec.default_address
        low, high = self._spec.address_range
        if self._spec.address_max is not None:
            high = self._spec.address_max(self._options)
        for key in _ADDRESS_NAMES:
            value = getattr(row.table, key)
            if value is None:
                continue
            if key != name:
                row.problem(f"is not what {self._spec.title} has; that is {name}", key)
            elif not low <= value <= high:
                row.problem(f"must be {low} to {high}, not {value}", key)
                return None
            else:
                found = value
        if found in self._spec.masters(self._options):
            row.problem(f"{name.replace('_', ' ')} {found} is a master's, by the options; no device can have it")
            return None
        return found

    def _points(self, row: ListRow, names: Sequence[str], spec: DeviceSpec) -> list[OwnPoint] | None:
        """Return what a row has of a kind of device; ``None`` where a problem has been told."""
        before = len(row.document.problems)
        for key in _PROTOCOLS_OWN:
            if getattr(row.table, key) is not None and key not in self._own.keys:
                row.problem(f"a point over {self._spec.name} has none", key)
        self._in_one_unit(row, [name for name in names if any(each.name == name for each in spec.quantities)])
        found = [point for name in names if (point := self._point(row, name, spec)) is not None]
        return found if len(row.document.problems) == before else None

    def _in_one_unit(self, row: ListRow, names: Sequence[str]) -> None:
        units = list(dict.fromkeys(quantity(name).unit for name in names))
        if isinstance(row.table.deadband, int | float) and row.table.deadband and len(units) > 1:
            row.problem(f"is a number in one unit, and the quantities are in {listed(units)}", "deadband")

    def _point(self, row: ListRow, name: str, spec: DeviceSpec) -> OwnPoint | None:
        known = [each.name for each in spec.quantities]
        if name not in known:
            row.problem(f"{quoted(name)} is no quantity of kind {spec.kind}{suggestion(name, known)}", "quantity")
            return None
        asked = row.table
        scale = asked.scale if "scale" in self._own.keys else None
        if scale is not None and not SCALE_MIN <= abs(scale) <= SCALE_MAX:
            row.problem(f"must be {SCALE_MIN:g} to {SCALE_MAX:g}, or minus that, not {scale:g}", "scale")
            return None
        point = OwnPoint(name, asked.type or "", scale, asked.group, asked.event_class)
        try:
            point = self._own.settled(point, spec, self._form)
        except Unfit as error:
            for key, message in error.problems:
                row.problem(message, key)
            return None
        if asked.deadband is None or "deadband" not in self._own.keys:
            return point
        try:
            return replace(point, deadband=deadbands.of_one(name, asked.deadband, point.deadband))
        except deadbands.WrongDeadband as error:
            row.problem(str(error), "deadband")
            return None

    def _stands(self, row: ListRow, device: str, at: int, behind: _Behind) -> bool:
        """Whether a device stands at one address alone."""
        earlier, other = behind.stands_at.setdefault(device, (at, row))
        if earlier == at:
            return True
        label = self._spec.address_name.replace("_", " ")
        place = other.document.locate(other.path)
        row.problem(f"{device} is at {label} {at} here and at {earlier} at {place}; it can be at one", "devices")
        return False

    def _take(self, row: ListRow, at: int, space: str, address: int, count: int) -> None:
        for each in range(address, address + count):
            other = self._taken.setdefault((at, space, each), row)
            if other is not row:
                label = f"{space} " if space else ""
                row.problem(f"{label}{each} is already used by {other.document.locate(other.path)}", "address")
                return


def _by_address(listed_: Listed) -> int:
    return listed_.address
