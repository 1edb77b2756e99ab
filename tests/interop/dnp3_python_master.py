"""A conversation of dnp3-python with one outstation, told as JSON: run by a Python that dnp3-python has wheels for.

The argument is a JSON object: the parameters of ``main``. The last line printed is what the master saw.
"""

import json
import os
import sys
import time
import urllib.request

from dnp3_python.dnp3station.master import MyMaster
from dnp3_python.dnp3station.station_utils import SOEHandler
from pydnp3 import asiodnp3, opendnp3

PATIENCE_S = 20.0
POINTS = {
    "Group1Var2": "BI",
    "Group10Var2": "BO",
    "Group20Var1": "CTR",
    "Group30Var1": "AI",
    "Group40Var1": "AO",
}
EVENTS = {"Group2Var2": "BI", "Group32Var3": "AI"}
KEPT = []
"""Masters until the process ends: dnp3-python's shutdown sleeps, and then waits for a thread that waits for Python."""


class Silent(asiodnp3.IChannelListener):
    def OnStateChange(self, state):
        pass


def name_of(variation):
    return str(variation).rpartition(".")[2]


class Heard(SOEHandler):
    """Also keeps all events, as dnp3-python keeps the last of each point."""

    def __init__(self):
        super().__init__()
        self.events = []

    def _post_process(self, info_gv, visitor_ind_val):
        super()._post_process(info_gv, visitor_ind_val)
        kind = EVENTS.get(name_of(info_gv))
        self.events += [(kind + str(index), float(value)) for index, value in visitor_ind_val if kind]

    def points(self, kinds):
        """What it holds: point -> value."""
        return {
            kinds[name_of(variation)] + str(index): float(value)
            for variation, values in list(self.gv_index_value_nested_dict.items())
            if name_of(variation) in kinds
            for index, value in list((values or {}).items())
        }


def until(true):
    end = time.monotonic() + PATIENCE_S
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def main(host, port, outstation, points, rest):
    heard, said = Heard(), {}
    station = MyMaster(
        master_ip="127.0.0.1",
        outstation_ip=host,
        port=port,
        master_id=2,
        outstation_id=outstation,
        soe_handler=heard,
        listener=Silent(),
        channel_log_level=0,
        master_log_level=0,
    )

    def ordered(send, *order):
        """How a command was answered, or how it was refused before it was sent."""
        answers = []

        def each(point):
            answers.append(opendnp3.CommandPointStateToString(point.state))
            answers.append(opendnp3.CommandStatusToString(point.status))

        def answered(result):
            result.ForeachItem(each)
            answers.append(opendnp3.TaskCompletionToString(result.summary))

        try:
            send(*order, answered)
        except (TypeError, ValueError) as error:
            return [type(error).__name__]
        until(lambda: answers)
        return answers

    def step(steps):
        body = json.dumps({"steps": steps}).encode()
        request = urllib.request.Request(rest + "clock/step", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=30).close()

    def follow():
        """Step, and return what comes of it without having been asked for."""
        del heard.events[:]
        step(10)
        until(lambda: "AI537" in dict(heard.events))
        return list(heard.events)

    KEPT.append(station)
    station.start()
    until(lambda: len(heard.points(POINTS)) >= points)
    all_classes, config = opendnp3.ClassField().AllClasses(), opendnp3.TaskConfig().Default()
    said["startup"] = heard.points(POINTS)

    point, direct = station.send_direct_point_command, station.send_direct_operate_command
    said["integer"] = ordered(point, 40, 1, 508, 1900)
    said["double"] = ordered(point, 40, 4, 511, -650.0)
    said["relay on"] = ordered(point, 10, 2, 18, True)
    said["relay on too"] = ordered(point, 10, 2, 27, True)
    said["selected first"] = ordered(station.send_select_and_operate_command, opendnp3.AnalogOutputInt32(1900), 508)
    said["pulse"] = ordered(direct, opendnp3.ControlRelayOutputBlock(opendnp3.ControlCode.PULSE_ON), 50002)
    said["unsolicited"] = follow()

    said["float at an integer variation"] = ordered(point, 40, 1, 508, 1900.0)
    said["the group of a command"] = ordered(point, 41, 1, 508, 1900)
    said["a relay by a number"] = ordered(point, 10, 2, 18, 1)
    said["per mille as a double"] = ordered(point, 40, 4, 88, 400.0)
    said["per mille as an integer"] = ordered(point, 40, 1, 88, 400)
    said["share as a double"] = ordered(point, 40, 4, 88, 1.0)
    said["no such point"] = ordered(point, 40, 1, 499, 1)

    del heard.events[:]
    station.master.ScanClasses(all_classes, config)
    step(2)
    until(lambda: heard.points(POINTS).get("AO508") == 1900.0)
    said["integrity"] = heard.points(POINTS)
    floats = station.get_db_by_group_variation(30, 5)
    said["floats"] = {str(index): value for index, value in next(iter(floats.values())).items()}
    return said


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
    sys.stdout.flush()
    os._exit(0)
