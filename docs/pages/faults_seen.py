"""What a master sees of each kind of fault, by what it speaks; for other kinds the title says it."""

from __future__ import annotations

from typing import Final

_CLOCK: Final = (
    ("IEC 104 RTU", "the same of all its devices, where the target names it as its `station`; else nothing of it"),
    ("an RTU that polls", "with `time_stamps: device` those of the device in what it has read there"),
    ("a data concentrator", "nothing of it; a clock more than 10 s off is set in the next daily round"),
    ("Modbus", "where the map has a clock (`alfen`) the time that it shows; else nothing of it"),
    ("REST", "`clock_offset_s` of the device"),
)
"""What a wrong clock shows beside the time tags of a device that answers for itself."""
_OFF: Final = (
    ("Modbus", "the value is off, as far as its register can hold it"),
    ("IEC 104, DNP3", "the value is off; its quality is what `quality` says"),
    ("REST", "`value` is true, `reported` is off"),
)

SEEN: Final = {
    "clock-drift": (
        (
            "IEC 104, DNP3",
            "values in time, with time tags that go wrong; right again when a master has set the clock "
            "(`clock_command: set`), and wrong anew from then on",
        ),
        *_CLOCK,
    ),
    "clock-step": (
        (
            "IEC 104, DNP3",
            "values in time, with wrong time tags, until a master has set the clock (`clock_command: set`)",
        ),
        *_CLOCK,
    ),
    "clock-zone": (
        (
            "IEC 104, DNP3",
            "values in time, with time tags that are hours off, until a master has set the clock "
            "(`clock_command: set`); wrong anew when one zone's summer time begins or ends",
        ),
        *_CLOCK,
    ),
    "offline": (
        (
            "Modbus, DNP3",
            "connections that stand are cut; new ones are refused (`refuse`), or reset as they come (`cut`)",
        ),
        (
            "Modbus, DNP3, `silent`",
            "no answer, on connections that stand and on those that come; all of them are reset at the end",
        ),
        ("DNP3 station", "its outstation is silent; the connection stands, and others answer on it"),
        ("Modbus gateway", "its unit answers exception 11: the device behind the gateway does not answer"),
        ("IEC 104", "a device of its own as over Modbus; at an RTU what it knew last, *not topical*, and `online` 0"),
        ("an RTU that polls", "the same once its polls are given up; it is cut off itself where it is the target"),
        ("REST", "what the device says itself; only its `online` is reported as 0"),
    ),
    "cell-down": (
        (
            "every protocol, devices that answer for themselves",
            "as `offline` does: by its own nobody answers, and at the end all connections are reset and who comes is "
            "served. What cannot be had is a connection that is not even taken: this machine's own system takes it",
        ),
        ("a station that carries the label", "the same, with all its devices"),
        ("a station that does not", "devices whose group carries the label are *not topical*, or exception 11"),
        ("with `spread_s`", "devices come back one after the other in that time: a storm of masters who connect again"),
        ("over a medium", "modems attach again before they are answered, so many at a time as the cell takes"),
    ),
    "rtu-down": (
        ("every protocol", "as `offline`, at that station alone: devices answer on their other ways"),
        ("an RTU that polls", "it polls nobody meanwhile, and begins as after a `gateway-restart`"),
    ),
    "gateway-restart": (
        ("Modbus gateway", "connections are cut, and refused while it is down; then it answers as before"),
        ("IEC 104 RTU", "the same, and then an end of initialisation for each device, and no events of before"),
        ("an RTU that polls", "what it has not read again is 0 and invalid, and its sequence of events begins anew"),
        ("the devices behind it", "go on; on their other ways they answer"),
    ),
    "firmware-bad": (
        ("every protocol", "as `restart` again and again, each device of the batch at the same times"),
        ("with `pick`", "of the batch so many, or a share"),
        ("with `ramp_s`", "each device begins at a time of its own"),
    ),
    "refused": (
        (
            "every protocol, `refuse`",
            "a new connection is refused, as by a host on which nothing listens; others stand",
        ),
        ("every protocol, `reset`", "a new connection is reset before a word is said; others stand"),
        ("gateway, RTU", "the same where all of its devices are hit; else nothing of it"),
        ("at the end", "whoever comes is let in"),
    ),
    "reset": (
        (
            "every protocol",
            "RST, or FIN with `close`, on each connection that stands; those that come stay, and masters come back",
        ),
        (
            "every protocol, with `after_s`",
            "the same that long after a connection began, or the fault, again and again",
        ),
        ("every protocol, with `after_octets`", "the same amid an answer, after so many octets from the device"),
        ("at the end", "what stands stays"),
    ),
    "half-open": (
        (
            "every protocol",
            "no answer on the connections that stood, until its timers end them; those that come are answered",
        ),
        (
            "every protocol, with `reset_after_s`",
            "RST so long after what it sends next, as of a device that is up again",
        ),
        ("IEC 104", "with its default of t1 the master closes 15 s after what it sent, a test frame at the latest"),
        ("others who connect", "forgotten connections keep their places, and give way to who finds none"),
        ("at the end", "RST on those that are still there"),
    ),
    "restart": (
        ("Modbus, DNP3", "connections are cut, and refused while it is down; a boot loop is that again and again"),
        ("DNP3 station", "its outstation is silent meanwhile; the connection stands"),
        ("Modbus gateway", "its unit answers exception 11 meanwhile"),
        ("DNP3", "then IIN1.7 (device restart) until it is cleared, and no events or frozen counters from before"),
        (
            "IEC 104",
            "then an end of initialisation (cause 0), and no events, frozen counters or selections from before",
        ),
        ("IEC 104 RTU", "the same where all of its devices restart at once; else one as with `offline`, *not topical*"),
        ("REST", "its `online` is reported as 0; with `power_stops` it is not `available`"),
    ),
    "exchanged": (
        ("every protocol", "as with `restart`, and then registers of energy that began at 0"),
        ("Modbus", "another serial number where the map has one: the id of the device and the number of the fault"),
        ("DNP3", "another serial number among its attributes (g0v248); the name (g0v247) stays"),
        ("at the end", "connections are cut, and the first device is back with its registers"),
    ),
    "trip": (
        ("every protocol", "`fault_trip` and `general_alarm` 1, `available`, `running` and powers 0"),
        ("every protocol, `lock-out`", "the same, also after the end, until `alarm_reset` is written"),
        ("SunSpec", "model 103 state 7 (fault), event bit 4 (shut down); model 802 state 99"),
    ),
    "derating": (
        ("every protocol", "less power than it is told; a storage shows what it can charge and discharge"),
        ("every protocol, with `alarm`", "`general_alarm` 1"),
    ),
    "over-temperature": (
        ("every protocol, storage", "`temperature_max_degc`; an alarm and less power from 50 degC on, a trip above 62"),
        ("every protocol, PV", "`cabinet_temperature_degc`; an alarm and less power from 65 degC on, none from 85"),
    ),
    "contactor-stuck": (
        ("every protocol", "`grid_switch` as told, `grid_switch_closed` as it is"),
        (
            "every protocol, charger",
            "it charges on; once it finds out it is out of order (`charge_point_state` 5), tripped",
        ),
    ),
    "sensor-lost": (
        ("every protocol", "what that sensor measures is `invalid`, and stands still; energies go on"),
        ("every protocol, with `alarm`", "`general_alarm` 1"),
    ),
    "follows-none": (
        ("every protocol", "a set-point that is accepted and reads back, and a power that does not follow"),
    ),
    "follows-slowly": (
        ("every protocol", "a set-point that is accepted and reads back, and a power that comes to it late"),
    ),
    "identification-refused": (
        ("every protocol", "`identification_failed` 1, `identified` and `remote_enabled` 0: it obeys nobody"),
        ("every protocol, charger", "the owner of the vehicle is refused: `authorised` 0, and it does not charge"),
    ),
    "tamper": (
        ("every protocol", "the alarm of its mode and `general_alarm` 1, after the end too, until `event_clear`"),
        ("every protocol", "one more in `event_count`; a meter with a memory logs it"),
    ),
    "stuck": (
        ("Modbus", "the register stands still; where `quality` is not `good`, the map's word for what is not there"),
        ("IEC 104, DNP3", "the point stands still; its quality is what `quality` says"),
        ("REST", "`value` moves, `reported` stands still"),
    ),
    "bias": _OFF,
    "noise": _OFF,
    "drift": _OFF,
    "spike": _OFF,
    "quantised": _OFF,
    "sign-turned": (
        ("every protocol", "the value with the other sign; where a register has none, what the map makes of that"),
        ("REST", "`value` is true, `reported` is turned; energies stay as they are"),
    ),
    "missing": (
        ("Modbus", "SunSpec's value for what is not implemented, not a number as floating point, else 0"),
        ("IEC 104", "not a number, or for a state or a counter 0; IV, and with `questionable` NT"),
        ("DNP3", "0, not ONLINE; an analog with REFERENCE_ERR, and with `questionable` COMM_LOST"),
        ("REST", "`value` is true, `reported` is `null`"),
    ),
    "phase-missing": (
        ("every protocol", "0 for voltage, current and powers of the phase, and its energies stand still"),
        ("every protocol, with `shows` `nothing`", "what `missing` makes of all of these"),
        ("REST", "`value` is true; sums, means and alarms are as they were"),
    ),
    "phases-swapped": (
        ("every protocol", "of each of the two phases what the other has: voltage, current, powers, energies, alarms"),
        ("REST", "`value` is true, `reported` and `quality` are the other phase's"),
    ),
    "out-of-range": (
        ("Modbus", "the value as far as its register can hold it, by default the end of its range"),
        ("IEC 104", "the value with OV; one that is infinite has IV too"),
        ("DNP3", "the value with OVER_RANGE; one that is infinite is not ONLINE"),
        ("REST", "`reported` is the value, `null` where it is infinite"),
    ),
    "quality": (
        ("Modbus", "with `invalid` and `not-topical` the map's word for what is not there; else the value"),
        ("IEC 104", "the value with IV, NT, BL, SB or OV; a counter has only IV, also for what is not topical"),
        ("DNP3", "the value, not ONLINE; with COMM_LOST (`not-topical`), else with LOCAL_FORCED or OVER_RANGE, ONLINE"),
        ("REST", "`value` and `reported` are true, `quality` says it"),
    ),
    "stale-time-tag": (
        ("IEC 104", "changes with a time tag of then"),
        ("IEC 104 RTU", "the same of all its devices, where the target names it as its `station`; else nothing of it"),
        ("DNP3", "events and frozen counters with a time of then"),
        ("Modbus", "nothing of it; it has no time tags"),
    ),
    "blackhole": (
        ("every protocol", "no answer; connections can be made, and stay until its timers or TCP's end them"),
        ("IEC 104", "with its default of t1 the master closes 15 s after what it sent"),
    ),
    "silence": (
        ("Modbus, DNP3", "no answer, on a connection that stands; with `unanswered` a set-point is taken all the same"),
        ("IEC 104", "the same, while the link goes on: frames are acknowledged and TESTFR is answered"),
    ),
    "modbus-answer": (
        ("Modbus, `transaction`, `function`", "an answer that is not its own, which it drops until it gives up"),
        ("Modbus, `protocol`, `length`, `unit`", "a wrong header, which not every master looks at; libmodbus does not"),
        ("Modbus, `truncated`, `cut`", "no whole answer, and none to come; or the connection ends"),
        ("Modbus, `doubled`", "the same answer again; it must not take it for that of its next request"),
        ("Modbus, `corrupted`", "one bit is another; Modbus TCP has no checksum, so masters take the value for true"),
        (
            "Modbus RTU",
            "of `transaction`, `protocol` and `length` nothing, which its frames do not have; `corrupted` fails the "
            "check, and masters drop it",
        ),
        ("others", "nothing of it"),
    ),
    "modbus-late": (
        ("Modbus, `late`", "no answer in time; it comes while the next is waited for, and answers behind it wait too"),
        ("Modbus, `overtaken`", "the same, and answers to later requests come before it"),
        ("Modbus, `lagging`", "each answer comes with that to the next request, always one behind"),
        ("Modbus", "its transaction tells a late answer from the one that is waited for; a set-point is taken in time"),
        ("at the end", "what is held comes at once"),
        ("others", "nothing of it"),
    ),
    "iec104-command": (
        ("IEC 104, `unconfirmed`", "no confirmation; the device does what it was told"),
        ("IEC 104, `refused`", "a negative confirmation; the device is not told"),
        ("IEC 104, `ineffective`", "a positive confirmation and no termination; the device is not told"),
        ("IEC 104, `unterminated`", "a confirmation and no termination; the device does it"),
        ("IEC 104, `wrong-cause`", "a confirmation with cause 5 (requested); the device does it"),
        ("others", "nothing of it"),
    ),
    "iec104-function": (
        ("IEC 104, `startdt`", "connected and never started: it closes after t1, 15 s by default, and comes back"),
        ("IEC 104, `stopdt`", "data go on after its STOPDT; it closes after t1"),
        ("IEC 104, `testfr`", "its test frame is not answered: it closes after t1; while data come it may not ask"),
        ("IEC 104, with `delay_s`", "the confirmation so much later, and if that is beyond t1 the same as without"),
        ("at the end", "the connection goes on; what is to be taken late is taken at once, what was ignored is not"),
        ("others", "nothing of it"),
    ),
    "iec104-withheld": (
        ("IEC 104, `s-frames`", "what it sent is acknowledged by data of the station, or not: then it closes after t1"),
        (
            "IEC 104, `acknowledgements`",
            "answers, and none of what it sent since acknowledged: it sends no more after k, 12 by default, and "
            "closes after t1",
        ),
        ("IEC 104, `tests`", "no test frame after t3; a master that is gone unseen keeps its connection"),
        ("at the end", "the connection goes on, and what is due is acknowledged at once"),
        ("others", "nothing of it"),
    ),
    "iec104-frame": (
        ("IEC 104, `send-number`", "N(S) one too high, as if a frame had been lost: it closes at once"),
        ("IEC 104, `receive-number`", "an acknowledgement of what it never sent: it closes at once"),
        ("IEC 104, `lost`, `repeated`", "a gap in N(S) or a frame again: it closes, or misses an answer until t1"),
        ("IEC 104, `start-octet`", "a frame that does not begin with 0x68: it closes at once"),
        (
            "IEC 104, `truncated`, `cut`",
            "half a frame, and what follows taken for its end, or the end of the connection",
        ),
        (
            "IEC 104, `corrupted`",
            "one bit of a data unit is another, which nothing tells: a wrong value, type or address",
        ),
        ("at the end", "a connection that has met it is closed, but for `corrupted`; others go on"),
        ("others", "nothing of it"),
    ),
    "iec104-data": (
        ("IEC 104, `common-address`", "data of a device it does not know; c104 makes a new station of it"),
        ("IEC 104, `object-address`", "data of objects it does not know, above 8388607"),
        ("IEC 104, `type`, `cause`", "type 99, which is reserved, or cause 0, which is not used"),
        (
            "IEC 104, `count`, `truncated`",
            "a data unit it cannot read to its end; tshark calls it malformed, c104 makes up an object or misses one",
        ),
        ("IEC 104", "the connection stands; numbers and acknowledgements of its frames are right"),
        ("others", "nothing of it"),
    ),
    "iec104-time": (
        ("IEC 104, `missing`", "events without a time tag, types 1, 3 and 13 in place of 30, 31 and 36"),
        ("IEC 104, `short`", "events with CP24Time2a, types 2, 4 and 14, which 60870-5-104 does not have"),
        ("IEC 104, `invalid`", "bit IV, beside the right time"),
        ("IEC 104, `offset`", "another time, with its day of week; values and clock synchronisation are right"),
        ("IEC 104, `day-of-week`, `summer-time`", "the next day of the week, or bit SU turned over, at the right time"),
        ("IEC 104, `impossible`", "a thirteenth month"),
        ("others", "nothing of it"),
    ),
    "iec104-flood": (
        (
            "IEC 104, `states`",
            "states as they are, told again and again, each with a time of its own; every started master is told",
        ),
        ("IEC 104, `chattering`", "states that change and change back, at the end of each step as they are"),
        ("IEC 104, `measurements`", "measurements told again; of each the newest waits, so at most one a step"),
        (
            "IEC 104",
            "what it does not acknowledge in time waits in the station's queue, and beyond that the oldest is lost",
        ),
        ("at the end", "what waits is still told, and where no master is started kept for the next"),
        ("others", "nothing of it"),
    ),
    "dnp3-indication": (
        (
            "DNP3",
            "the bit in every response; masters clear `restart`, and set the time for `need-time`, again and again",
        ),
        ("others", "nothing of it"),
    ),
    "dnp3-control": (
        (
            "DNP3, `all`",
            "the status for every object of a select, an operate or a direct operate; the device is not told",
        ),
        ("DNP3, `operate`", "a select as it would be without the fault, and the status when it operates"),
        ("DNP3, with `status` 0", "success, and the device is not told"),
        ("others", "nothing of it"),
    ),
    "dnp3-confirmation": (
        ("DNP3", "the same events once more, whenever it polls for them or the outstation tries again"),
        ("others", "nothing of it"),
    ),
    "dnp3-response": (
        ("DNP3, `sequence`, `function`", "nothing that it waits for: it gives up as if there were no answer"),
        ("DNP3, `no-first`, `no-final`", "an answer without its begin, or one whose end does not come"),
        ("DNP3, `object`, `truncated`", "a response it cannot read to its end; opendnp3 says BAD_RESPONSE"),
        ("DNP3, `corrupted`", "one bit is another, with checks that fit: a wrong value, time, index or object"),
        ("others", "nothing of it"),
    ),
    "dnp3-frame": (
        ("DNP3, `header-crc`, `data-crc`", "a frame whose check fails; it drops it, and what it belongs to with it"),
        ("DNP3, `start`, `truncated`", "octets that are no frame, and a receiver that has to find the next"),
        (
            "DNP3, `source`, `destination`, `direction`",
            "frames of another outstation, for another master or of a master",
        ),
        ("DNP3, `lost`, `sequence`, `no-first`, `no-final`", "segments that make no whole fragment; it gives up"),
        ("DNP3, `repeated`, `doubled`", "a frame or a whole fragment again, which it is to know; opendnp3 does"),
        ("DNP3, `cut`", "half a frame, and the end of the connection"),
        ("at the end", "the connection goes on with its next frame"),
        ("others", "nothing of it"),
    ),
    "dnp3-link": (
        ("DNP3, `nack`, `not-supported`", "the refusal, and the service is not done, confirmed user data with it"),
        ("DNP3, `busy`", "the answer with DFC set: it is to ask for the link status before it sends more"),
        ("DNP3, `unacknowledged`", "no answer of the link; who asks for its status may take it for gone"),
        ("DNP3", "data without confirmation, by which nearly all of TCP goes, are as they were"),
        ("others", "nothing of it"),
    ),
    "dnp3-overflow": (
        ("DNP3", "IIN2.3 once an event is lost, until it has confirmed what is left; the newest events of each class"),
        ("at the end", "buffers as large as `event_buffer` has them; what is lost stays lost"),
        ("others", "nothing of it"),
    ),
    "dnp3-storm": (
        ("DNP3, `chattering`", "binary inputs that change and change back, at the end of each step as they are"),
        ("DNP3, `measurements`", "analog inputs that are told though they have not moved"),
        ("DNP3", "points of class 0 alone stay silent; what a master does not fetch or confirm overflows (IIN2.3)"),
        ("at the end", "what waits is still told"),
        ("others", "nothing of it"),
    ),
    "modbus-exception": (
        ("Modbus", "the exception, and the device is not asked; by default for every request, reads and writes alike"),
        ("others", "nothing of it"),
    ),
    "outage": (("every protocol", "voltages and powers of 0; devices stay in contact, as by a battery of their own"),),
    "phase-loss": (
        ("every protocol, `feeder`, `branch`", "the phases at 0 V and without power, the others as good as before"),
        (
            "every protocol, `transformer`",
            "one phase whole; two with its voltage between them, shared by what stands on each; two fuses leave none",
        ),
        ("customers of one phase", "dark with it: no power, `running` 0, a meter's `power_failure_alarm`"),
        ("homes and meters of three phases", "go on, with what stands on the phases that are left"),
        (
            "other devices of three phases",
            "need them all: what can deliver trips at once (`fault_trip`) and comes back by its grid code, "
            "a charger stands still until the phase is back",
        ),
    ),
    "voltage-sag": (
        ("every protocol", "the voltages, from the step on in which it begins, and meters' alarms of dips"),
        (
            "loads",
            "hold their power down to 0.7 of the nominal voltage and are impedances below; below 0.2 all is dead",
        ),
        ("inverters", "ride through as long as their grid code says and trip then; while they do, their power stays"),
    ),
    "voltage-swell": (
        ("every protocol", "the voltages, from the step on in which it begins"),
        ("inverters", "ride through as long as their grid code says, with volt-var and volt-watt where switched on"),
    ),
    "islanding": (
        ("every protocol, without generation", "0 V at once, as in an outage"),
        (
            "every protocol, with generation",
            "for `carried_s` the voltage of before times the root of what customers delivered over what they drew, "
            "1.3 at most; 0 V then, or as soon as no inverter delivers any longer, be it by its own protection",
        ),
        ("every protocol", "the frequency is the area's: that of an island is not modelled"),
    ),
    "tap": (("every protocol", "voltages higher or lower by the steps, for all behind the transformer"),),
    "weak-grid": (("every protocol", "voltages that move with the power by as much more; no other change"),),
    "generation-loss": (
        ("every protocol", "the frequency falls and comes back; inverters answer as their grid code has it"),
    ),
    "frequency-offset": (
        ("every protocol", "a frequency that is off and stays so; inverters answer as their grid code has it"),
    ),
    "weather": (
        ("PV and its weather stations", "irradiance, air and modules as they are then, and the power that comes of it"),
        ("meters", "the power of PV behind them"),
        ("homes", "what PV, heat pump and heating make of it; `outside_temperature_degc`"),
        ("storages", "temperatures that follow the air, as far as their room lets it in"),
        ("devices with `from_deg`", "in the order in which they stand, the first at once and the last after `ramp_s`"),
        (
            "devices whose PV follows a series",
            "what the series says times `irradiance_factor`; with `irradiance_w_per_m2` what the model makes of that",
        ),
        ("every protocol", "true values: nothing is wrong with what devices say"),
    ),
    "load": (
        ("meters, homes", "more or less power, by phases as it was; never more than the main fuse lets through"),
        ("every protocol", "true values, and voltages that move with the load"),
    ),
    "medium": (
        (
            "every protocol",
            "connections go on, and what is under way arrives; then the modem attaches to the other medium, and "
            "latency, rates, sleep and losses are that one's. At the end it attaches to its own medium again",
        ),
        ("REST", "`medium` of endpoints is what the site file has"),
    ),
}
"""Kind -> protocol, what a master sees; for other kinds the title says it."""
