"""Use a client that was generated from the API's schema: read, break, mend, command, run, and be refused."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(folder: str, url: str, device: str) -> dict[str, Any]:
    sys.path.insert(0, folder)
    from pilotfarm_client import Client
    from pilotfarm_client.api.clock import step_clock
    from pilotfarm_client.api.devices import list_devices, read_device, write_setpoints
    from pilotfarm_client.api.faults import add_fault, clear_fault, list_fault_kinds
    from pilotfarm_client.api.scenarios import (
        list_scenarios,
        read_scenario,
        read_scenario_junit,
        run_scenario,
        stop_scenario,
    )
    from pilotfarm_client.api.watch import read_health
    from pilotfarm_client.models import (
        FaultRequest,
        FaultRequestKind,
        FaultRequestTarget,
        PhaseTable,
        ProblemDocument,
        ScenarioFile,
        StepRequest,
        StepTable,
        WriteSetpointsValues,
    )

    with Client(base_url=url, timeout=30.0) as client:

        def power() -> list[Any]:
            quantity = read_device.sync(device, client=client).quantities["active_power_w"]
            return [quantity.value, quantity.reported, quantity.unit, quantity.role.value]

        target = FaultRequestTarget(device=device, quantity="active_power_w")
        fault = add_fault.sync(client=client, body=FaultRequest(kind=FaultRequestKind.STUCK, target=target))
        step_clock.sync(client=client, body=StepRequest(steps=1))
        ended = clear_fault.sync(fault.id, client=client)
        step_clock.sync(client=client, body=StepRequest(steps=1))
        told = write_setpoints.sync(device, client=client, body=WriteSetpointsValues.from_dict({"stop": 1}))
        step_clock.sync(client=client, body=StepRequest(steps=60))
        refused = write_setpoints.sync(device, client=client, body=WriteSetpointsValues.from_dict({"nonsense": 1}))

        def scenario(step: StepTable) -> ScenarioFile:
            return ScenarioFile(name="made", phases=[PhaseTable(name="only", steps=[step])])

        running = run_scenario.sync(client=client, body=scenario(StepTable(wait=3_600.0)))
        ran = run_scenario.sync(client=client, body=scenario(StepTable(expect=f"{device}.online true == 1")))
        passed = read_scenario.sync(ran.id, client=client)
        stopped = stop_scenario.sync(running.id, client=client)
        nobody = read_device.sync_detailed("nobody", client=client)
        assert isinstance(refused, ProblemDocument)
        return {
            "devices": [each.device for each in list_devices.sync(client=client)],
            "kinds": [each.kind for each in list_fault_kinds.sync(client=client)],
            "health": read_health.sync(client=client).status,
            "fault": [fault.hit, ended.id == fault.id],
            "accepted": told.accepted.additional_properties,
            "after": power(),
            "refused": [refused.status, [[each.where, each.message] for each in refused.problems]],
            "scenarios": [each.id for each in list_scenarios.sync(client=client)] == [running.id, ran.id],
            "ran": [running.state.value, passed.verdict, [each.text for each in passed.results]],
            "stopped": [stopped.state.value, stopped.results[0].verdict.value],
            "junit": read_scenario_junit.sync(ran.id, client=client).count("<testcase"),
            "nobody": [int(nobody.status_code), nobody.parsed.title],
        }


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
