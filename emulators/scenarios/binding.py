"""A condition bound to a farm: its devices and quantities found, or what is wrong with it told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.population import Rows
from pilotfarm.emulators.scenarios.observed import PRICE, Cells, Observed, never
from pilotfarm.emulators.scenarios.words import Reference, Watch
from pilotfarm.emulators.wording import unknown
from pilotfarm.emulators.words import quoted, with_article


@dataclass(frozen=True, slots=True)
class Binder:
    """Binds conditions to a farm; ``can_be_wrong``: reported values may be beyond their bounds."""

    farm: Farm
    can_be_wrong: bool

    def bind(self, watch: Watch, line: int, tell: Callable[[str], None], *, viewed: bool) -> Observed | None:
        """Return what to look at, or ``tell`` each problem; ``viewed``: the text has to say true or reported."""
        condition = watch.condition
        left = self._cells(condition.left, tell, viewed)
        right = self._cells(condition.right, tell, viewed) if isinstance(condition.right, Reference) else None
        if left is None or (right is None and isinstance(condition.right, Reference)):
            return None
        several = right is not None and len(right) > 1
        if several and isinstance(condition.right, Reference) and condition.right.devices != condition.left.devices:
            tell(f"{condition.right} must be one device, or the same as before the comparison")
            return None
        found = Observed(watch, left, right, line)
        wrong = never(found, self.can_be_wrong)
        if wrong:
            tell(wrong)
        return found

    def unknown_device(self, name: str) -> str:
        if any(each in name for each in "*?["):
            return f"no device is called {quoted(name)}"
        return f"there is no such device: {unknown(name, self.farm.population.devices)}"

    def _cells(self, reference: Reference, tell: Callable[[str], None], viewed: bool) -> Cells | None:
        rows = self._rows(reference.devices)
        if not rows:
            tell(self.unknown_device(reference.devices))
            return None
        if reference.quantity == PRICE and self.farm.layout.currency:
            wrong = [f"{PRICE} is what is, and no device says it; say true"] if reference.reported else []
        else:
            wrong = [self._lacks(name, reference.quantity) for name in rows]
        wrong += [f"say `{reference} true` or `{reference} reported`"] if viewed and reference.reported is None else []
        for message in dict.fromkeys(filter(None, wrong)):
            tell(message)
        if any(wrong):
            return None
        return Cells(self.farm, rows, reference.quantity, bool(reference.reported))

    def _rows(self, glob: str) -> Rows:
        found = {
            group.name: np.array(
                [row for row, name in enumerate(group.layout.devices) if fnmatchcase(name, glob)], dtype=np.intp
            )
            for group in self.farm.population
        }
        return {name: rows for name, rows in found.items() if len(rows)}

    def _lacks(self, name: str, wanted: str) -> str:
        group = self.farm.groups[name]
        if wanted in group.readable:
            return ""
        if wanted in group.columns:
            return f"{wanted} of {with_article(group.spec.kind)} is a matter of the model and never reported"
        return f"{with_article(group.spec.kind)} has no such quantity: {unknown(wanted, sorted(group.readable))}"
