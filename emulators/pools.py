"""All devices of a kind at a site in one place, stepped in one call.

What a step costs is mostly the number of NumPy calls, whatever the length of their arrays. So devices of a
kind are stepped together wherever they stand: those of every group, and those that are resources of a
compound kind. A pool holds their columns, block of rows after block. A group and a compound kind see their
blocks as views, which stay the same arrays as long as the pool's columns do.

A compound kind's step is a conversation (``contracts.Flow``): it comes as far as its first resource's turn,
waits until the pool of that kind has been stepped, goes on to the next resource, and ends after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from emulators.contracts import DeviceSpec, Flow, Surroundings, Turn
from emulators.encoding import Columns, anywhere, canonical
from emulators.mains import Mains
from emulators.quantities import Role

LIGHT: Final = ("ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2")
"""What of the weather differs from device to device."""

SiteRows: TypeAlias = slice | npt.NDArray[np.intp]
"""Where the devices of a pool's groups are among all devices of the site."""
At: TypeAlias = Callable[[SiteRows], Surroundings]


class Block:
    """Some rows of a pool, and its columns as seen from there."""

    def __init__(self, rows: slice) -> None:
        self.rows = rows
        self._whole: Columns = {}
        self._views: Columns = {}

    def of(self, columns: Columns) -> Columns:
        """Return these rows of every column: the same view as before where the column is the same."""
        whole, views, rows = self._whole, self._views, self.rows
        for name, column in columns.items():
            if whole.get(name) is not column:
                whole[name] = column
                views[name] = column[rows] if column.flags.writeable else canonical(column[rows])
        return dict(views)


@dataclass(slots=True)
class Pool:
    """The devices of one kind: those of groups, then those that are resources of compound kinds."""

    spec: DeviceSpec
    columns: Columns
    site_rows: SiteRows | None
    blocks: Mapping[str, Block]
    """By a group's name, or a compound kind's and its resource's."""
    steady: tuple[str, ...] = field(init=False)
    """Quantities that stand still in most steps."""

    def __post_init__(self) -> None:
        moving = (Role.MEASUREMENT, Role.TOTAL)
        self.steady = tuple(q.name for q in self.spec.quantities if q.role not in moving)

    def seen_by(self, block: str) -> Columns:
        return self.columns if len(self.blocks) == 1 else self.blocks[block].of(self.columns)

    def step(self, at: At, turns: Mapping[str, Turn], dt_s: float) -> None:
        """Step all devices by ``dt_s`` [s]; ``turns`` says by block what compound kinds want of their resources."""
        before = lent = self.columns
        worlds = [] if self.site_rows is None else [at(self.site_rows)]
        for block, turn in turns.items():
            worlds.append(turn.surroundings)
            lent = _overlaid(lent, turn.lent | turn.told, self.blocks[block].rows)
        after = self.spec.step(lent, _side_by_side(worlds), dt_s)
        # A step leaves set-points alone: what was told for this step only ends with it.
        after |= {name: before[name] for turn in turns.values() for name in turn.told}
        self.become(after)

    def become(self, after: Columns) -> None:
        """Take new columns, but keep the array of one that did not move: who encodes it need not look again."""
        before = self.columns
        for name in self.steady:
            old, new = before[name], after[name]
            # A kind hands on what cannot be written to as the same array every time: no need to compare it.
            if new is not old and new.flags.writeable and not anywhere(old != new):
                after[name] = old
        self.columns = after


class _Conversation:
    """A compound kind's step under way; ``block`` names the resource whose turn it is, ``""`` after the last."""

    def __init__(self, pool: Pool, at: At, dt_s: float) -> None:
        assert pool.spec.flow is not None
        assert pool.site_rows is not None
        self._pool = pool
        self._flow: Flow = pool.spec.flow(pool.columns, at(pool.site_rows), dt_s)
        self._take(next(self._flow))

    def _take(self, turn: Turn) -> None:
        self.turn, self.block = turn, _block(self._pool.spec, turn.resource)

    def answer(self, columns: Columns) -> None:
        """Hand over the stepped columns of the resource whose turn it was."""
        try:
            self._take(self._flow.send(columns))
        except StopIteration as ended:
            self.block = ""
            self._pool.become(ended.value)


class Pools:
    """The pools of a site. ``groups`` gives each group's kind and columns at the start, in the site's order."""

    def __init__(self, groups: Mapping[str, tuple[DeviceSpec, Columns]]) -> None:
        self._pools: dict[str, Pool] = {}
        self._kinds = {group: spec.kind for group, (spec, _) in groups.items()}
        self._copied: set[tuple[str, str]] = set()
        specs = [spec for spec, _ in groups.values()]
        compound = [spec for spec in specs if spec.resources]
        resources = [kind for spec in compound for kind in spec.resources.values()]
        for spec in (*compound, *resources, *specs):
            if spec.kind not in self._pools:
                self._pools[spec.kind] = self._pooled(spec, groups)
        self.show_written()

    def _pooled(self, spec: DeviceSpec, groups: Mapping[str, tuple[DeviceSpec, Columns]]) -> Pool:
        members: dict[str, Columns] = {}
        site_rows: list[npt.NDArray[np.intp]] = []
        first = 0
        for name, (kind, columns) in groups.items():
            size = _size(columns)
            if kind.kind == spec.kind:
                members[name] = columns
                site_rows.append(np.arange(first, first + size))
            first += size
        for pool in self._compound():
            for resource, kind in pool.spec.resources.items():
                if kind.kind == spec.kind:
                    members[_block(pool.spec, resource)] = _unprefixed(pool.columns, resource)
        ends = np.cumsum([_size(columns) for columns in members.values()]).tolist()
        rows = (slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False))
        return Pool(
            spec,
            _stacked(list(members.values())),
            _simplest(site_rows),
            dict(zip(members, map(Block, rows), strict=True)),
        )

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._pools.values())

    def _compound(self) -> list[Pool]:
        return [pool for pool in self if pool.spec.resources]

    def seen_by(self, group: str) -> Columns:
        """Return a group's columns, those of its resources under their prefixes."""
        return self._pools[self._kinds[group]].seen_by(group)

    def write(self, group: str, name: str, row: int, value: float) -> None:
        """Set a value of one device. Once all are set, ``show_written`` shows them."""
        pool = self._pools[self._kinds[group]]
        row += pool.blocks[group].rows.start
        for resource, kind in pool.spec.resources.items():
            if name.startswith(f"{resource}_"):
                row += self._pools[kind.kind].blocks[_block(pool.spec, resource)].rows.start
                pool, name = self._pools[kind.kind], name.removeprefix(f"{resource}_")
                break
        if (pool.spec.kind, name) not in self._copied:
            self._copied.add((pool.spec.kind, name))
            pool.columns = pool.columns | {name: pool.columns[name].copy()}
        pool.columns[name][row] = value

    def show_written(self) -> None:
        """Let compound kinds see what was written to their resources."""
        for written, name in self._copied:
            columns = self._pools[written].columns
            columns[name] = canonical(columns[name])
        self._copied.clear()
        for pool in self._compound():
            for resource, kind in pool.spec.resources.items():
                seen = self._pools[kind.kind].seen_by(_block(pool.spec, resource))
                pool.columns = pool.columns | {f"{resource}_{name}": column for name, column in seen.items()}

    def step(self, at: At, dt_s: float) -> None:
        """Step all pools by ``dt_s`` [s]; ``at`` gives the surroundings of devices by their rows in the site."""
        under_way = [_Conversation(pool, at, dt_s) for pool in self._compound()]
        for pool in self:
            if not pool.spec.resources:
                waiting = {each.block: each for each in under_way if each.block in pool.blocks}
                pool.step(at, {block: each.turn for block, each in waiting.items()}, dt_s)
                for block, each in waiting.items():
                    each.answer(pool.seen_by(block))
        assert not any(each.block for each in under_way), "a resource did not take its turn in the order of the spec"


def _block(spec: DeviceSpec, resource: str) -> str:
    return f"{spec.kind}.{resource}"


def _size(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _unprefixed(columns: Columns, resource: str) -> Columns:
    prefix = f"{resource}_"
    return {name.removeprefix(prefix): column for name, column in columns.items() if name.startswith(prefix)}


def _stacked(members: Sequence[Columns]) -> Columns:
    return {name: canonical(np.concatenate([each[name] for each in members])) for name in members[0]}


def _simplest(rows: Iterable[npt.NDArray[np.intp]]) -> SiteRows | None:
    """Return rows that lie next to each other as a slice, which needs no copying."""
    every = np.concatenate([*rows, np.zeros(0, dtype=np.intp)])
    if not len(every):
        return None
    first, last = int(every[0]), int(every[-1])
    return slice(first, last + 1) if last - first + 1 == len(every) else every


def _overlaid(columns: Columns, changes: Columns, rows: slice) -> Columns:
    """Return columns with other values in some rows; one that has these values already is the same array."""
    changed = {
        name: columns[name].copy() for name, values in changes.items() if anywhere(columns[name][rows] != values)
    }
    for name, column in changed.items():
        column[rows] = changes[name]
    return columns | changed


def _side_by_side(worlds: Sequence[Surroundings]) -> Surroundings:
    """Return the surroundings of several blocks' devices as those of all."""
    if len(worlds) == 1:
        return worlds[0]
    light: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in worlds]) for name in LIGHT}
    return replace(worlds[0], mains=Mains.beside([each.mains for each in worlds]), **light)
