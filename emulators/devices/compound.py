"""The step of a compound device outside of pools: its flow, with its resources stepped one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.columns.views import Seen, as_resource, of_resource, without_resources
from pilotfarm.emulators.contracts.device import DeviceSpec, Flow, ResourceColumns
from pilotfarm.emulators.contracts.world import Surroundings


def stepped(
    flow: Callable[[Columns, ResourceColumns, Surroundings, float], Flow], resources: Mapping[Resource, DeviceSpec]
) -> Callable[[Columns, Surroundings, float], Columns]:
    """Return the ``step`` of the kind that has this flow and these resources."""

    def step(columns: Columns, surroundings: Surroundings, dt_s: float) -> Columns:
        parts: dict[Resource, Seen] = {resource: of_resource(columns, resource) for resource in resources}
        under_way = flow(without_resources(columns, resources), dict(parts), surroundings, dt_s)
        turn = next(under_way)
        while True:
            own = parts[turn.resource]
            world = surroundings if turn.live is None else surroundings.darkened(turn.live)
            after = resources[turn.resource].step({**own, **turn.inputs, **turn.setpoints}, world, dt_s)
            parts[turn.resource] = after | {name: own[name] for name in turn.setpoints}
            try:
                turn = under_way.send(parts[turn.resource])
            except StopIteration as ended:
                home: Columns = dict(ended.value)
                for each, part in parts.items():
                    home |= as_resource(part, each)
                return home

    return step
