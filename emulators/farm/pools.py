"""All devices of a kind at a site in one place, stepped in one call.

What a step costs is mostly the number of NumPy calls, whatever the length of their arrays. So devices of a
kind are stepped together wherever they stand: those of every group, and those that are resources of a
compound kind. A pool holds their columns, block of rows after block. A group sees its block, and a compound
device the blocks of its resources, when it looks.

A compound kind's step is a conversation (``contracts.device.Flow``): it comes as far as its first resource's turn,
waits until the pool of that kind has been stepped, goes on to the next resource, and ends after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Columns, Floats, anywhere, canonical
from pilotfarm.emulators.columns.resource import Resource, apart
from pilotfarm.emulators.columns.views import (
    Block,
    OfBlock,
    Seen,
    SiteRows,
    WithResources,
    of_resource,
    runs,
    without_resources,
)
from pilotfarm.emulators.contracts.device import DeviceSpec, Flow, Turn
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.farm.following import Following
from pilotfarm.emulators.quantities import Role

At: TypeAlias = Callable[[SiteRows], Surroundings]


@dataclass(slots=True)
class Pool:
    """The devices of one kind: those of groups, then those that are resources of compound kinds."""

    spec: DeviceSpec
    columns: Columns
    """Of a compound kind its own, without those of its resources."""
    site_rows: SiteRows
    """A resource stands where its compound device does."""
    steady: tuple[str, ...] = field(init=False)
    """Quantities that stand still in most steps."""
    following: Following = field(init=False)

    def __post_init__(self) -> None:
        moving = (Role.MEASUREMENT, Role.TOTAL)
        self.steady = tuple(q.name for q in self.spec.quantities if q.role not in moving and q.name in self.columns)
        self.following = Following(q for q in self.spec.quantities if q.name in self.columns)

    def step(self, at: At, turns: Sequence[tuple[slice, Turn]], dt_s: float) -> None:
        """Step all devices by ``dt_s`` [s]; ``turns`` says by rows what compound kinds want of their resources."""
        before = inputs = self.columns
        world = at(self.site_rows)
        for rows, turn in turns:
            inputs = _overlaid(inputs, turn.inputs | turn.setpoints, rows)
            if turn.live is not None:
                world = world.darkened(turn.live, rows)
        others = self.following.followed(inputs, dt_s)
        after = self.spec.step(inputs | others if others else inputs, world, dt_s)
        # A step leaves set-points alone: what was told for this step only ends with it.
        after |= {name: before[name] for _, turn in turns for name in turn.setpoints}
        self.become(after | self.told(others))

    def told(self, others: Columns) -> Columns:
        """Return what stands after a step of set-points of which devices have followed others: what they were told."""
        return {name: self.columns[name] for name in others if name in self.following.setpoints}

    def become(self, after: Columns) -> None:
        """Take new columns, but keep the array of one that did not move: who encodes it need not look again."""
        before = self.columns
        for name in self.steady:
            old, new = before[name], after[name]
            # A kind hands on what cannot be written to as the same array every time: no need to compare it.
            if new is not old and new.flags.writeable and not anywhere(old != new):
                after[name] = old
        self.columns = after


class _Window:
    """Some rows of a pool, and its columns as seen from there."""

    def __init__(self, pool: Pool, rows: slice) -> None:
        self.pool, self.rows = pool, rows
        self._block = Block(rows)

    def seen(self) -> Seen:
        return OfBlock(self.pool.columns, self._block)


class _Conversation:
    """A compound kind's step under way; ``turn`` is that of the resource it waits for, ``None`` after the last."""

    def __init__(self, pool: Pool, parts: Mapping[Resource, _Window], at: At, dt_s: float) -> None:
        assert pool.spec.flow is not None
        self._pool, self._parts = pool, parts
        seen = {resource: window.seen() for resource, window in parts.items()}
        self._others = pool.following.followed(pool.columns, dt_s)
        followed = pool.columns | self._others if self._others else pool.columns
        self._flow: Flow = pool.spec.flow(followed, seen, at(pool.site_rows), dt_s)
        self.turn: Turn | None = next(self._flow)

    def asks(self, pool: Pool) -> tuple[slice, Turn] | None:
        """Return whose turn it is, and which rows of a pool these are; ``None`` if it does not wait for that pool."""
        if self.turn is None or self._parts[self.turn.resource].pool is not pool:
            return None
        return self._parts[self.turn.resource].rows, self.turn

    def answer(self) -> None:
        """Hand over the stepped columns of the resource whose turn it was."""
        assert self.turn is not None
        try:
            self.turn = self._flow.send(self._parts[self.turn.resource].seen())
        except StopIteration as ended:
            self.turn = None
            self._pool.become(ended.value | self._pool.told(self._others))


class _Member(NamedTuple):
    """Devices of a pool: a group's own, or one of its ``resource``."""

    group: str
    resource: str
    columns: Columns
    site_rows: npt.NDArray[np.intp]


class Pools:
    """The pools of a site. ``groups`` gives each group's kind and columns at the start, in the site's order."""

    def __init__(self, groups: Mapping[str, tuple[DeviceSpec, Seen]]) -> None:
        self._specs = {group: spec for group, (spec, _) in groups.items()}
        self._pools: dict[str, Pool] = {}
        self._windows: dict[tuple[str, str], _Window] = {}
        for spec, members in _by_kind(groups):
            stacked = {name: np.concatenate([each.columns[name] for each in members]) for name in members[0].columns}
            pool = Pool(
                spec,
                {name: canonical(column) for name, column in stacked.items()},
                runs(np.concatenate([each.site_rows for each in members])),
            )
            self._pools[spec.kind] = pool
            begin = 0
            for each in members:
                rows = slice(begin, begin := begin + len(each.site_rows))
                self._windows[each.group, each.resource] = _Window(pool, rows)
        self._parts = {
            pool.spec.kind: {resource: self._of_all(pool.spec, resource) for resource in pool.spec.resources}
            for pool in self
        }
        self._copied: set[tuple[str, str]] = set()

    def _of_all(self, spec: DeviceSpec, resource: str) -> _Window:
        """Return the window of a resource of all devices of a compound kind: those of its groups are neighbours."""
        each = [self._windows[group, resource] for group, kind in self._specs.items() if kind.kind == spec.kind]
        return _Window(each[0].pool, slice(each[0].rows.start, each[-1].rows.stop))

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._pools.values())

    def seen_by(self, group: str) -> Seen:
        """Return a group's columns, those of its resources under their prefixes."""
        parts = {resource: self._windows[group, resource].seen() for resource in self._specs[group].resources}
        own = self._windows[group, ""].seen()
        return WithResources(own, parts) if parts else own

    def write(self, group: str, name: str, row: int, value: float) -> None:
        """Set a value of one device. Once all are set, ``show_written`` shows them."""
        resource, name = apart(name, tuple(self._specs[group].resources))
        window = self._windows[group, resource]
        pool = window.pool
        if (pool.spec.kind, name) not in self._copied:
            self._copied.add((pool.spec.kind, name))
            pool.columns = pool.columns | {name: pool.columns[name].copy()}
        pool.columns[name][window.rows.start + row] = value

    def put(self, group: str, name: str, values: Floats) -> None:
        """Set a column of all devices of a group, and have it seen."""
        resource, name = apart(name, tuple(self._specs[group].resources))
        window = self._windows[group, resource]
        column = window.pool.columns[name].copy()
        column[window.rows] = values
        window.pool.columns = window.pool.columns | {name: canonical(column)}

    def show_written(self) -> None:
        """Let what was written be seen."""
        for kind, name in self._copied:
            columns = self._pools[kind].columns
            columns[name] = canonical(columns[name])
        self._copied.clear()

    def step(self, at: At, dt_s: float) -> None:
        """Step all pools by ``dt_s`` [s]; ``at`` gives the surroundings of devices by their rows in the site."""
        under_way = [_Conversation(pool, self._parts[pool.spec.kind], at, dt_s) for pool in self if pool.spec.resources]
        for pool in self:
            if not pool.spec.resources:
                asked = [(each, turn) for each in under_way if (turn := each.asks(pool)) is not None]
                pool.step(at, [turn for _, turn in asked], dt_s)
                for each, _ in asked:
                    each.answer()
        assert all(each.turn is None for each in under_way), "a resource did not take its turn in the order of the spec"


def _by_kind(groups: Mapping[str, tuple[DeviceSpec, Seen]]) -> Iterator[tuple[DeviceSpec, list[_Member]]]:
    """Yield every kind with its devices: compound kinds, their resources in the order of their turns, and the rest.

    The devices of groups come first, then those that are resources.
    """
    specs = [spec for spec, _ in groups.values()]
    compound = list({spec.kind: spec for spec in specs if spec.resources}.values())
    resources = [kind for spec in compound for kind in spec.resources.values()]
    members: dict[str, list[_Member]] = {spec.kind: [] for spec in (*compound, *resources, *specs)}
    first = 0
    rows = {}
    for group, (spec, columns) in groups.items():
        rows[group] = np.arange(first, first := first + len(next(iter(columns.values()))))
        members[spec.kind].append(_Member(group, "", without_resources(columns, spec.resources), rows[group]))
    for spec in compound:
        for resource, kind in spec.resources.items():
            for group, (own, columns) in groups.items():
                if own.kind == spec.kind:
                    members[kind.kind].append(_Member(group, resource, of_resource(columns, resource), rows[group]))
    for spec in {spec.kind: spec for spec in (*compound, *resources, *specs)}.values():
        yield spec, members[spec.kind]


def _overlaid(columns: Columns, changes: Columns, rows: slice) -> Columns:
    """Return columns with other values in some rows; one that has these values already is the same array."""
    changed = {
        name: columns[name].copy() for name, values in changes.items() if anywhere(columns[name][rows] != values)
    }
    for name, column in changed.items():
        column[rows] = changes[name]
    return columns | changed
