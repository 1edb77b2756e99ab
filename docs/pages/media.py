"""``docs/media.md``: every medium, its numbers and what they rest on, and what the model makes of them."""

from __future__ import annotations

from typing import Final

from tables import code, table

from pilotfarm.emulators.links.channels import DEAD_AFTER_S
from pilotfarm.emulators.links.medium import DIRECTIONS, Direction, latency, passing_s, rate_bit_s
from pilotfarm.emulators.links.pipe import HELD_MAX_BYTES
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media import HEADER_OCTETS, MESSAGE_OCTETS, NAMES, NONE, Medium, medium, numbers
from pilotfarm.profiles.media.shared import SHARED, shared_medium

SAMPLES: Final = 4_000
HEAD: Final = f"""\
# Media

Made by `make pages` from the data files in `profiles/media`.

Every way to a device has a medium: `medium: lte` at an endpoint or a station of the [site file](site-file.md).
Without one it has `none`, which takes no time and adds nothing to a connection. A medium works in the farm's own
process, without privileges, on every protocol alike, and takes wall time, as protocols do, at any speed of the
site.

```yaml
groups:
  meters:
    kind: smart_meter
    count: 100
    labels: {{cell: north}}                        # they share a radio cell
    endpoints:
      - {{protocol: modbus, medium: gprs}}
      - {{protocol: iec104, station: rtu}}
stations:
  rtu: {{protocol: iec104, medium: fibre_sm}}      # the RTU's; what lies behind it: stations.md
```

`media: false` at the top of the file has all of them `none` until somebody says `--media`, as the built-in sites
do: `pilotfarm up norway --media`. `--no-media` is the opposite. `pilotfarm check`, `endpoints` and `points` take
both and show what holds, and REST does.

## The model

- **Latency**: what a message takes one way is drawn for it, from the seed, the device, the connection and its place
  among the octets sent. The quoted percentiles are met exactly; between them it is log-normal, beyond a floor and up
  to a maximum. Latencies are quoted for {MESSAGE_OCTETS} octets on a link that is up, awake and idle.
- **Rate**: octets, and {HEADER_OCTETS} of headers a segment, pass one after the other, each way at its rate; half
  duplex, both ways share one queue. A device has one modem a medium, which all its connections share; a station has
  its own.
- **Loss**: a TCP connection loses no bytes. What the medium loses is repeated after 0.2 s, 0.4 s and so on, and a
  connection ends when a segment has been on its way for {DEAD_AFTER_S:.1f} s. What the medium's own layers repeat
  is in its latencies.
- **Connections**: the machine's TCP takes a connection at once, that of a device would not: the first message waits
  for an exchange to and fro. At most {HELD_MAX_BYTES // 1024} KB are under way in one direction; a connection with
  more is cut.
- **Sleep**: a modem that has not been used for a time falls asleep, ever deeper, and the next message, of either
  side, waits until it is awake. At the start of the site all are attached, and asleep.
- **Attaching**: a device that was off the network on all ways of its modem, as by a fault `offline`, attaches
  before anybody hears of it again.
- **Forgotten connections**: when nothing has passed for a time, the operator's NAT or firewall forgets a
  connection, and tells nobody. The next message is lost, whoever sends it; the one after it is answered with a
  reset. A master that asks more often, or IEC 104's test frames (t3), keep it.
- **Radio cells**: modems of one medium whose ways carry the same label `cell` share its rates, and how many can
  attach at once: forty that come back together wait for each other. Without the label a modem has a cell to itself.

What a fault of the link adds comes on top: `latency`, `loss` and the others act around the medium. A `latency` that
is below the medium's floor, or a `bandwidth` no lower than its rate, is refused. A fault's target may name a
`medium`.

For a time ways may be over another medium: `pilotfarm fault add medium --label cell=north --set medium=gprs`, the
override [`medium`](faults.md#medium). Connections go on; a device has a modem there too, which attaches, and
afterwards its own attaches again.

A circuit-switched call (`gsm`) takes longer to set up than t1 of IEC 104, which is 15 s: give the master a longer
one.

## Numbers

"""
_COLUMNS: Final = (
    ("floor", ("floor_s",)),
    ("median", ("median_s",)),
    ("95 %", ("p95_s",)),
    ("99 %", ("p99_s",)),
    ("at most", ("max_s",)),
    ("rate up, down", ("rate_up_bit_s", "rate_down_bit_s")),
    ("lost", ("loss_frac",)),
    ("attaches in", ("attach_min_s", "attach_max_s")),
    ("forgotten after", ("nat_idle_s",)),
    ("a cell's rate up, down", ("cell_rate_up_bit_s", "cell_rate_down_bit_s")),
    ("attach at once", ("cell_attaches",)),
)
SHARED_HEAD: Final = """
## Shared media

Several devices are behind these, one exchange at a time, and no TCP repeats what is lost. They lie between a station
and the devices that it polls, behind a gateway ([stations.md](stations.md)), or between the master of a serial line and
its devices ([serial-lines.md](serial-lines.md)); these two have one hop.

- **Access** is what a frame takes a hop beside the passing of its octets: waiting for a free channel, repeats of the
  link itself, converters. It is spread as the latencies above are.
- **Passing**: the octets of each frame and its header at the rate, a hop after the other; on a serial line in
  characters of so many bits, after a silence of 3.5 characters, or 1.75 ms above 19,200 bit/s.
- **Loss**: a hop loses a share of the frames, and those with a wrong bit. Whoever asked hears nothing, and asks again.
- **Hops**: these shares of the devices are two, three and four hops away, the others one.

"""
_SHARED_COLUMNS: Final = (
    ("rate", ("rate_bit_s",)),
    ("access, median", ("access_median_s",)),
    ("95 %", ("access_p95_s",)),
    ("99 %", ("access_p99_s",)),
    ("at most", ("access_max_s",)),
    ("turn-around", ("turnaround_min_s", "turnaround_max_s")),
    ("a frame's octets, header", ("frame_octets", "header_octets")),
    ("frames lost a hop", ("loss_frac",)),
    ("bits wrong", ("bit_error_rate",)),
    ("two, three, four hops", ("hops_2_frac", "hops_3_frac", "hops_4_frac")),
)
_SAMPLED: Final = ("medium", "way", "median", "95 %", "99 %", "quoted")


def page() -> str:
    """Return the whole page."""
    names = [name for name in NAMES if name != NONE]
    rows = [[code(name), *(_values(name, keys) for _, keys in _COLUMNS)] for name in names]
    shared = [[code(name), *(_values(name, keys) for _, keys in _SHARED_COLUMNS)] for name in SHARED]
    sleeps = [
        (code(name), each.name, _time(each.after_s), f"{_time(each.wake_min_s)} to {_time(each.wake_max_s)}")
        for name in names
        for each in medium(name).sleeps
    ]
    return "".join(
        (
            HEAD,
            table(("medium", *(title for title, _ in _COLUMNS)), rows),
            "\n## Sleep\n\n",
            table(("medium", "state", "after", "wakes up in"), sleeps),
            f"\n## Samples\n\nOf {SAMPLES:,} messages of {MESSAGE_OCTETS} octets each way; a test holds them against "
            "the quoted percentiles.\n\n",
            table(_SAMPLED, [row for name in names for row in _sampled(name)]),
            *(_sources(name, medium(name).title) for name in names),
            SHARED_HEAD,
            table(("medium", *(title for title, _ in _SHARED_COLUMNS)), shared),
            *(_sources(name, shared_medium(name).title) for name in SHARED),
        )
    )


def _sampled(name: str) -> list[tuple[str, ...]]:
    this = medium(name)
    quoted = ", ".join(map(_time, (this.median_s, this.p95_s, this.p99_s)))
    return [(code(name), _way(way), *map(_time, _percentiles(this, way)), quoted) for way in DIRECTIONS]


def _percentiles(this: Medium, way: Direction) -> list[float]:
    passing, key = passing_s(MESSAGE_OCTETS, rate_bit_s(this, way)), key_of(1, this.name)
    times = sorted(passing + latency(this, way).drawn(key, number) for number in range(SAMPLES))
    return [times[round(share * SAMPLES) - 1] for share in (0.5, 0.95, 0.99)]


def _way(direction: Direction) -> str:
    return direction.replace("_", " ")


def _sources(name: str, title: str) -> str:
    """What a medium's numbers rest on, a line for all that have it in common."""
    grounds: dict[tuple[str, str], list[str]] = {}
    for key, number in numbers(name).items():
        note = f" ({number.note})" if number.note else ""
        said = f"{code(key)} {_value(number.value, key)}{note}"
        grounds.setdefault((number.confidence, number.source), []).append(said)
    rows = [(", ".join(each), confidence, source) for (confidence, source), each in grounds.items()]
    return f"\n## `{name}`\n\n{title}.\n\n{table(('number', 'confidence', 'source'), rows)}"


def _values(name: str, keys: tuple[str, ...]) -> str:
    found = [_value(numbers(name)[key].value, key) for key in keys if key in numbers(name)]
    return (" to " if "_min_" in keys[0] else ", ").join(found)


def _value(value: float, key: str) -> str:
    if key.endswith("_bit_s"):
        return _rate(value)
    return _time(value) if key.endswith("_s") else f"{value:g}"


def _rate(value: float) -> str:
    units = (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3))
    unit, size = next((unit, size) for unit, size in units if value >= size)
    return f"{value / size:g} {unit}"


def _time(value: float) -> str:
    if value >= 100.0:
        return f"{value:,.0f} s"
    return f"{value:.3g} s" if value >= 1.0 else f"{1e3 * value:.3g} ms"
