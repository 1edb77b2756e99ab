"""The resources of a compound device, and the names their columns have there: ``soc_frac`` is ``storage_soc_frac``."""

from __future__ import annotations

from functools import lru_cache
from typing import Final


class Resource(str):
    """The name of a resource of a compound device; it has no underscore. The empty name is the device itself."""

    __slots__ = ()

    def of(self, plain: str) -> str:
        """Return the name that a column of the resource has at the compound device."""
        return f"{self}_{plain}" if self else plain

    def plain(self, full: str) -> str | None:
        """Return a column's name at the resource alone, the inverse of ``of``; ``None`` if it is not the resource's.

        Every name is one of the device itself.
        """
        prefix = self.of("")
        return full[len(prefix) :] if full.startswith(prefix) else None


ITSELF: Final = Resource("")
"""The device itself, and not one of its resources."""


@lru_cache(maxsize=4096)
def apart(full: str, resources: tuple[str, ...]) -> tuple[Resource, str]:
    """Take a name apart: which of the resources has it, else ``ITSELF``, and its name there."""
    for resource in map(Resource, resources):
        plain = resource.plain(full)
        if plain is not None:
            return resource, plain
    return ITSELF, full
