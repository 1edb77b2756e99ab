"""Read-only views of columns: some rows of them, one row, one resource of a device, a device with its resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Columns, Floats, Indices, canonical
from pilotfarm.emulators.columns.resource import Resource, apart

Seen: TypeAlias = Mapping[str, Floats]
"""Columns to read: by name, ``(n,)`` each; a later step does not change them."""


_Scalar = TypeVar("_Scalar", bound=np.generic)
SiteRows: TypeAlias = tuple[slice, ...]
"""The rows of some devices among all devices of the site, as slices in the devices' own order."""


def runs(rows: Indices) -> SiteRows:
    """Return rows as slices of consecutive rows."""
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    return tuple(slice(int(run[0]), int(run[-1]) + 1) for run in np.split(rows, cuts))


def at_rows(values: npt.NDArray[_Scalar], rows: SiteRows) -> npt.NDArray[_Scalar]:
    """Return some rows along the last axis; a view where they are consecutive."""
    if len(rows) == 1:
        return values[..., rows[0]]
    return np.concatenate([values[..., run] for run in rows], axis=-1)


class Block:
    """Some rows of a pool. While a column is the same array, ``cut`` returns the same array."""

    __slots__ = ("_cuts", "rows")

    def __init__(self, rows: slice) -> None:
        self.rows = rows
        self._cuts: dict[str, tuple[Floats, Floats]] = {}

    def cut(self, name: str, column: Floats) -> Floats:
        last = self._cuts.get(name)
        if last is not None and last[0] is column:
            return last[1]
        part = column[self.rows] if column.flags.writeable else canonical(column[self.rows])
        self._cuts[name] = column, part
        return part


class _Named(Seen):
    """The names of some columns; what stands under a name is its classes' to say."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Seen) -> None:
        self._columns = columns

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


class OfBlock(_Named):
    """The columns of a pool, at the rows of a block."""

    __slots__ = ("_block",)

    def __init__(self, columns: Columns, block: Block) -> None:
        super().__init__(columns)
        self._block = block

    def __getitem__(self, name: str) -> Floats:
        return self._block.cut(name, self._columns[name])


class Overlaid(_Named):
    """Columns, some of them replaced."""

    __slots__ = ("_others",)

    def __init__(self, columns: Seen, others: Columns) -> None:
        super().__init__(columns)
        self._others = others

    def __getitem__(self, name: str) -> Floats:
        found = self._others.get(name)
        return self._columns[name] if found is None else found


class AtRow(_Named):
    """One row of columns, shape ``(1,)`` each."""

    __slots__ = ("_row",)

    def __init__(self, columns: Seen, row: int) -> None:
        super().__init__(columns)
        self._row = slice(row, row + 1)

    def __getitem__(self, name: str) -> Floats:
        return self._columns[name][self._row]


class WithResources(Seen):
    """A compound device's own columns and those of its resources, by the names they have at the device."""

    __slots__ = ("_own", "_parts", "_resources")

    def __init__(self, own: Seen, parts: Mapping[Resource, Seen]) -> None:
        self._own, self._parts, self._resources = own, parts, tuple(parts)

    def __getitem__(self, name: str) -> Floats:
        if name in self._own:
            return self._own[name]
        resource, plain = apart(name, self._resources)
        if not resource:
            raise KeyError(name)
        return self._parts[resource][plain]

    def __iter__(self) -> Iterator[str]:
        return chain(self._own, (Resource(each).of(name) for each, part in self._parts.items() for name in part))

    def __len__(self) -> int:
        return len(self._own) + sum(map(len, self._parts.values()))


class OfResource(Seen):
    """The columns of one resource of a compound device, by their plain names; a view."""

    __slots__ = ("_columns", "_resource")

    def __init__(self, columns: Seen, resource: Resource) -> None:
        self._columns, self._resource = columns, resource

    def __getitem__(self, name: str) -> Floats:
        return self._columns[self._resource.of(name)]

    def __iter__(self) -> Iterator[str]:
        return (plain for name in self._columns if (plain := self._resource.plain(name)) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def of_resource(columns: Seen, resource: str) -> Columns:
    """Return the columns of one resource of a compound device, by their plain names."""
    return {plain: columns[name] for name, plain in _of_part(tuple(columns), resource)}


@lru_cache(maxsize=64)
def _of_part(names: tuple[str, ...], resource: str) -> tuple[tuple[str, str], ...]:
    part = Resource(resource)
    return tuple((name, plain) for name in names if (plain := part.plain(name)) is not None)


def as_resource(columns: Seen, resource: str) -> Columns:
    """Return the columns of a resource, by the names they have at the compound device."""
    return dict(zip(_full(tuple(columns), resource), columns.values(), strict=True))


@lru_cache(maxsize=64)
def _full(names: tuple[str, ...], resource: str) -> tuple[str, ...]:
    return tuple(map(Resource(resource).of, names))


def without_resources(columns: Seen, resources: Iterable[str]) -> Columns:
    """Return the columns of a compound device without those of its resources."""
    names = tuple(resources)
    return {name: columns[name] for name in columns if not apart(name, names)[0]}
