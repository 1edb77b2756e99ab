"""What is wrong with a site file is said at once, with its line, in words that help."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from pilotfarm.emulators import site
from pilotfarm.emulators.errors import ConfigError, Problem

GOOD = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
feeders:
  near: {resistance_ohm: 0.1, reactance_ohm: 0.05}
groups:
  homes:
    kind: smart_meter
    count: 3
    feeder: near
    ratings:
      main_fuse_a: 63
    endpoints:
      - {protocol: modbus}
      - {protocol: iec104, station: rtu}
stations:
  rtu: {protocol: iec104}
"""


def problems_of(tmp_path: Path, text: str) -> list[Problem]:
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        site.load(str(file))
    except ConfigError as error:
        return list(error.problems)
    return []


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, f"{old!r} must name one place"
    return GOOD.replace(old, new)


def test_the_site_all_others_are_made_from_has_no_problem(tmp_path):
    assert problems_of(tmp_path, GOOD) == []


RTU = "  rtu: {protocol: iec104}"
AT_RTU = GOOD[GOOD.index("      - {protocol: iec104") :]


def at_dnp3(*addresses: str, masters: str = "4") -> str:
    endpoints = "".join(f"      - {{protocol: dnp3, station: rtu, address: {each}}}\n" for each in addresses)
    return f"{endpoints}stations:\n  rtu: {{protocol: dnp3, options: {{masters: {masters}}}}}\n"


GROUPED = "  rtu: {{protocol: iec104, options: {{redundancy_groups: {}}}}}"
# old text, new text, line of the problem, words it says
ONE_MISTAKE = {
    "name with a space": ("name: street", "name: my street", 1, "a name is a letter"),
    "name that is a number": ("name: street", "name: 5", 1, "a text, not 5"),
    "unknown key at the top": ("name: street", "name: street\nsede: 3", 2, "did you mean 'seed'"),
    "key written twice": ("name: street", "name: street\nname: lane", 2, "first on line 1"),
    "seed below 0": ("name: street", "name: street\nseed: -1", 2, "not -1"),
    "seed true": ("name: street", "name: street\nseed: true", 2, "not true"),
    "step of 0": ("name: street", "name: street\nstep_s: 0", 2, "0.1"),
    "step of a day": ("name: street", "name: street\nstep_s: 86400", 2, "900"),
    "step not a number": ("name: street", "name: street\nstep_s: .nan", 2, "nan"),
    "step infinite": ("name: street", "name: street\nstep_s: .inf", 2, "inf"),
    "start no date": ("name: street", "name: street\nstart: soon", 2, "'soon' is not a date"),
    "start in the gap of summer time": (
        "name: street",
        "name: street\nstart: 2026-03-29T02:30",
        2,
        "clocks go forward",
    ),
    "start in a year no time tag has": ("name: street", "name: street\nstart: 1999-12-31T23:00", 2, "1999"),
    "latitude beyond the pole": ("59.1", "91", 2, "90"),
    "longitude as a word": ("11.0", "east", 2, "'east'"),
    "time zone misspelt": ("Europe/Oslo", "Europe/Olso", 2, "did you mean 'Europe/Oslo'"),
    "time zone that is a path": ("Europe/Oslo", "../Oslo", 2, "no time zone '../Oslo'"),
    "time zone as an offset": ("Europe/Oslo", "UTC+1", 2, "for +01:00 all year Etc/GMT-1"),
    "time zone as an offset by itself": ("Europe/Oslo", "-05:00", 2, "for -05:00 all year Etc/GMT+5"),
    "time zone as half an hour": ("Europe/Oslo", "UTC+5:30", 2, "such as Europe/Oslo"),
    "time zone of POSIX": ("Europe/Oslo", "CET+1", 2, "; name a place"),
    "time zone as a summer's letters": ("Europe/Oslo", "CEST", 2, "; name a place"),
    "time zone as a town": ("Europe/Oslo", "oslo", 2, "did you mean 'Europe/Oslo'"),
    "negative resistance": ("resistance_ohm: 0.1", "resistance_ohm: -0.1", 4, "not -0.1"),
    "reactance left out": (", reactance_ohm: 0.05", "", 4, "is missing"),
    "impedance and network": (", reactance_ohm: 0.05", ", reactance_ohm: 0.05, branches: 2", 4, "has no branches"),
    "transformer of nothing": ("{resistance_ohm: 0.1, reactance_ohm: 0.05}", "{transformer_kva: 0}", 4, "5, not 0"),
    "half a branch": ("{resistance_ohm: 0.1, reactance_ohm: 0.05}", "{branches: 1.5}", 4, "not 1.5"),
    "unknown cable": ("{resistance_ohm: 0.1, reactance_ohm: 0.05}", "{cable: NYY-4x150}", 4, "NAYY-4x150"),
    "unknown key of a feeder": ("{resistance_ohm: 0.1, reactance_ohm: 0.05}", "{lenght_m: 3}", 4, "'length_m'"),
    "grid solved too seldom": ("groups:", "grid: {solve_every_s: 901}\ngroups:", 5, "900, not 901"),
    "grid as a word": ("groups:", "grid: often\ngroups:", 5, "'often'"),
    "area nobody knows": ("groups:", "frequency: {area: alpine}\ngroups:", 5, "'alpine'"),
    "source far from nominal": ("{resistance", "{source_voltage_v: 20, resistance", 4, "20 V"),
    "key that is a word of pilotfarm's": ("count: 3", "number: 3", 8, "homes.number: unknown key"),
    "key with an invisible letter": ("    count: 3", "    \u200bcount: 3", 8, "U+200B (zero width space)"),
    "feeder of nothing": ("  near: {resistance_ohm: 0.1, reactance_ohm: 0.05}", "  near:", 4, "values, not nothing"),
    "length in km": ("{resistance_ohm: 0.1, reactance_ohm: 0.05}", "{length_km: 3}", 4, "'length_m', in metres"),
    "cable in small letters": (
        "{resistance_ohm: 0.1, reactance_ohm: 0.05}",
        "{cable: al-48}",
        4,
        "did you mean 'AL-48'",
    ),
    "kind by half its name": ("smart_meter", "meter", 7, "did you mean 'smart_meter'"),
    "unknown kind": ("smart_meter", "smart_metre", 7, "did you mean 'smart_meter'"),
    "count 0": ("count: 3", "count: 0", 8, "not 0"),
    "count a million": ("count: 3", "count: 1000000", 8, "100000"),
    "count a half": ("count: 3", "count: 2.5", 8, "2.5"),
    "count as a word": ("count: 3", "count: '3'", 8, "'3'"),
    "unknown feeder": ("feeder: near", "feeder: nera", 9, "did you mean 'near'"),
    "unknown rating": ("main_fuse_a: 63", "main_fuse: 63", 11, "did you mean 'main_fuse_a'"),
    "rating in another unit": ("main_fuse_a: 63", "main_fuse_ma: 63", 11, "did you mean 'main_fuse_a', in A?"),
    "rating in kWh": ("main_fuse_a: 63", "annual_energy_kwh: 63", 11, "'annual_energy_wh', in Wh?"),
    "rating of another word": ("main_fuse_a: 63", "back_fuse_a: 63", 11, "known are main_fuse_a, nominal"),
    "rating left empty": ("main_fuse_a: 63", "main_fuse_a:", 11, "is empty"),
    "rating with its unit": ("main_fuse_a: 63", "main_fuse_a: 63 A", 11, "the number alone"),
    "rating in quotes": ("main_fuse_a: 63", "main_fuse_a: '63'", 11, "no quotes"),
    "rating with a comma": ("main_fuse_a: 63", "main_fuse_a: 63,5", 11, "a point"),
    "rating as a list": ("main_fuse_a: 63", "main_fuse_a: [16, 63]", 11, "choice"),
    "rating without end": ("main_fuse_a: 63", f"main_fuse_a: {'9' * 390}", 11, "a number"),
    "ratings as a list": ("      main_fuse_a: 63", "      - main_fuse_a: 63", 10, "keys and values, not a list"),
    "two distributions": ("a: 63", "a: {uniform: [16, 63], choice: [16]}", 11, "does not go with"),
    "impossible rating": ("main_fuse_a: 63", "main_fuse_a: -5", 11, "impossible"),
    "rating not a number": ("main_fuse_a: 63", "main_fuse_a: .nan", 11, "nan"),
    "rating as a word": ("main_fuse_a: 63", "main_fuse_a: big", 11, "'big'"),
    "rating true": ("main_fuse_a: 63", "main_fuse_a: true", 11, "not true"),
    "unknown distribution": ("main_fuse_a: 63", "main_fuse_a: {gamma: [1, 2]}", 11, "uniform, normal"),
    "distribution that can leave the bounds": ("a: 63", "a: {normal: [63, 5]}", 11, "min and max"),
    "uniform the wrong way round": ("a: 63", "a: {uniform: [63, 16]}", 11, "lower"),
    "uniform beyond the bounds": ("a: 63", "a: {uniform: [-63, 16]}", 11, "from -63 to 16"),
    "choice beyond the bounds": ("a: 63", "a: {choice: [63, -1]}", 11, "impossible"),
    "choice of nothing": ("a: 63", "a: {choice: []}", 11, "at least 1"),
    "weights of another number": ("a: 63", "a: {choice: [16, 63], weights: [1]}", 11, "2 weights"),
    "weights of nothing": ("a: 63", "a: {choice: [16, 63], weights: [0, 0]}", 11, "sum above 0"),
    "spread of 0": ("a: 63", "a: {normal: [63, 0], min: 10, max: 70}", 11, "spread"),
    "cut-off far from the mean": ("a: 63", "a: {normal: [63, 1], min: 200, max: 300}", 11, "nearly nothing"),
    "logarithm mistaken": ("a: 63", "a: {lognormal: [63, 1], min: 10, max: 70}", 11, "logarithm"),
    "unknown key in a distribution": ("a: 63", "a: {uniform: [16, 63], mn: 3}", 11, "unknown key"),
    "endpoints as a table": ("      - {protocol: modbus}\n", "", 13, ""),
    "unknown protocol": ("- {protocol: modbus}", "- {protocol: modbas}", 13, "did you mean 'modbus'"),
    "protocol in capitals": ("- {protocol: modbus}", "- {protocol: DNP3}", 13, "did you mean 'dnp3'"),
    "protocol as a number": ("- {protocol: modbus}", "- {protocol: 104}", 13, "a text, not 104"),
    "endpoint without a space": (
        "- {protocol: modbus}",
        "- {protocol:modbus}",
        13,
        "unknown key; did you mean 'protocol'",
    ),
    "masters as a word": (
        "{protocol: modbus}",
        "{protocol: dnp3, options: {masters: x}}",
        13,
        "options.masters: must be a whole number, not 'x', or must be a list",
    ),
    "unknown map": ("{protocol: modbus}", "{protocol: modbus, map: sunspc}", 13, "did you mean 'sunspec'"),
    "map of another kind": (
        "{protocol: modbus}",
        "{protocol: modbus, map: charx}",
        13,
        "does not serve a smart_meter over modbus; what does is",
    ),
    "map of another protocol": ("{protocol: modbus}", "{protocol: modbus, map: iec104}", 13, "over modbus"),
    "unknown option": ("{protocol: modbus}", "{protocol: modbus, options: {max_conections: 3}}", 13, "max_connections"),
    "option out of range": ("{protocol: modbus}", "{protocol: modbus, options: {max_connections: 0}}", 13, "not 0"),
    "address not IPv4": ("{protocol: modbus}", "{protocol: modbus, ip: localhost}", 13, "'localhost'"),
    "address of everything": ("{protocol: modbus}", "{protocol: modbus, ip: 0.0.0.0}", 13, "name the address"),
    "address off the loopback": ("{protocol: modbus}", "{protocol: modbus, ip: 10.1.0.1}", 13, "off_loopback: true"),
    "addresses past the loopback": ("{protocol: modbus}", "{protocol: modbus, ip: 127.255.255.253}", 13, "run past"),
    "addresses past all addresses": ("{protocol: modbus}", "{protocol: modbus, ip: 255.255.255.254}", 13, "run past"),
    "port 0": ("{protocol: modbus}", "{protocol: modbus, port: 0}", 13, "not 0"),
    "port too high": ("{protocol: modbus}", "{protocol: modbus, port: 65536}", 13, "65535"),
    "ports past the last": ("{protocol: modbus}", "{protocol: modbus, port: 65534}", 13, "run past 65535"),
    "unit id too high": ("{protocol: modbus}", "{protocol: modbus, address: 300}", 13, "1 to 247"),
    "unknown station": ("station: rtu", "station: rtv", 14, "did you mean 'rtu'"),
    "port at a station": ("station: rtu", "station: rtu, port: 2405", 14, "belongs to the station"),
    "common addresses past the last": ("station: rtu", "station: rtu, address: 65533", 14, "1 to 65534"),
    "station of another protocol": ("  rtu: {protocol: iec104}", "  rtu: {protocol: modbus}", 14, "speaks modbus"),
    "station nobody is at": ("  rtu: {", "  spare: {protocol: iec104}\n  rtu: {", 16, "no group has an endpoint"),
    "reserved link address": ("- {protocol: modbus}", "- {protocol: dnp3, address: 65520}", 13, "0 to 65519"),
    "link addresses past the last": (AT_RTU, at_dnp3("65518"), 14, "link address 65518 to 65520 for 3 devices"),
    "link address twice": (AT_RTU, at_dnp3("11", "13"), 15, "link address 13 at rtu is already used by"),
    "link address of a master": (AT_RTU, at_dnp3("11", masters="[1, 13]"), 14, "link address 13 is a master's"),
    "link address of one": ("{protocol: modbus}", "{protocol: dnp3, options: {masters: [10]}}", 13, "10 is a master's"),
    "station with an unknown key": ("  rtu: {", "  rtu: {prot: 1, ", 16, "did you mean"),
    "unknown time zone": (RTU, "  rtu: {protocol: iec104, options: {time_zone: Europe/Olso}}", 16, "IANA"),
    "group of no address": (RTU, GROUPED.format("{a: [scada.example]}"), 16, "an IP address, or a network"),
    "groups as a list": (RTU, GROUPED.format("[192.0.2.1]"), 16, "values, not a list"),
    "group of a word": (RTU, GROUPED.format("{a: 192.0.2.1}"), 16, "192.0.2.1"),
    "master in two groups": (RTU, GROUPED.format("{a: [192.0.2.1], b: [192.0.2.0/24]}"), 16, "a master has one group"),
    "tag": ("count: 3", "count: !!python/name:os.system 3", 8, "tag"),
}


@pytest.mark.parametrize(("old", "new", "line", "words"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, line, words):
    found = problems_of(tmp_path, changed(old, new))
    if not words:
        assert found == []
        return
    assert [(problem.line, True) for problem in found if words in str(problem)] == [(line, True)], found
    assert all(problem.file.endswith("site.yaml") for problem in found)


def test_every_mistake_is_found_at_once(tmp_path):
    text = GOOD
    lines = []
    # Not the mistakes that end the reading or add a line.
    for name in ("latitude beyond the pole", "negative resistance", "count 0", "impossible rating", "unknown station"):
        old, new, line, _ = ONE_MISTAKE[name]
        text = text.replace(old, new)
        lines.append(line)
    text = text.replace("{protocol: modbus}", "{protocol: modbus, ip: 10.0.0.1, options: {depth: 3}, prt: 1}")
    assert sorted({problem.line for problem in problems_of(tmp_path, text)}) == sorted([*lines, 13])


def test_what_is_missing_is_named(tmp_path):
    found = {problem.where for problem in problems_of(tmp_path, "title: nothing else\n")}
    assert found == {"name", "location", "groups"}  # feeders may be left out: the devices size one


NOT_A_SITE = {
    "nothing": ("", "empty"),
    "a comment": ("# later\n", "empty"),
    "a list": ("- a\n- b\n", "table of keys"),
    "a word": ("hello\n", "table of keys"),
    "a quote that is not closed": ("name: 'x\ntitle: y\n", ":1: not YAML: the quote opened here"),
    "a bracket that is not closed": ("name: x\nlocation: {a: 1\ngroups: 5\n", ":2: not YAML: the { opened here"),
    "no space after a colon": ("name:x\ntitle: y\n", ":2: not YAML: a colon where no key can be: the line before"),
    "a line indented otherwise": ("name: x\n  title: y\n", "indented further"),
    "a line indented less": ("a:\n    b: 1\n  c: 2\n", ":3: not YAML: the line is indented otherwise"),
    "a text that begins with a sign": ("name: @x\n", "a text that begins with @ needs quotes"),
    "a space that is none": ("a:\n  b: 1\n\u00a0 c: 2\n", "U+00A0 (no-break space)"),
    "a space that is none, where YAML tells it late": (
        GOOD.replace("    count: 3", "\u00a0   count: 3"),
        ":8: not YAML: the line has the character U+00A0",
    ),
    "UTF-16": ("n\0a\0m\0e\0", ":1: not YAML: the character U+0000"),
    "another format": ('name = "x"\n', "table of keys"),
    "a tab": ("name: x\ngroups:\n\tg: 1\n", "not tabs"),
    "an open bracket": ("groups: [", "not YAML"),
    "two documents": ("name: x\n---\nname: y\n", "not YAML"),
    "a control character": ("name: \x07\n", "not YAML"),
    "an alias without an anchor": ("name: *x\n", "not YAML"),
    "an alias to itself": ("name: &x [*x]\n", "circle"),
    "a million values in a few lines": (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
        "too big",
    ),
    "a thousand brackets": ("[" * 1000, "nested too deeply"),
}


@pytest.mark.parametrize(("text", "words"), NOT_A_SITE.values(), ids=NOT_A_SITE)
def test_what_is_no_site_file_is_refused(tmp_path, text, words):
    found = problems_of(tmp_path, text)
    assert any(words in str(problem) for problem in found), found


def test_every_cut_of_a_good_file_is_read_or_refused(tmp_path):
    for end in range(len(GOOD)):
        for problem in problems_of(tmp_path, GOOD[:end]):
            assert 1 <= problem.line <= GOOD.count("\n") + 1


def test_every_value_replaced_by_every_type_is_read_or_refused(tmp_path):
    for number, line in enumerate(GOOD.splitlines()):
        key, colon, _ = line.partition(":")
        for value in ("", " 3", " -1.5", " x", " []", " {}", " null", " true", " [1, [2]]", " {a: {b: 1}}", " 1e999"):
            lines = GOOD.splitlines()
            lines[number] = f"{key}{colon}{value}"
            problems_of(tmp_path, "\n".join(lines))


def test_a_file_that_is_not_there_is_told_from_a_site_misspelt(tmp_path):
    with pytest.raises(ConfigError, match="no such file and no built-in site; did you mean 'norway'"):
        site.load("norwy")
    with pytest.raises(ConfigError, match="is a folder"):
        site.load(str(tmp_path))
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: Allgäu".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        site.load(str(latin))


@pytest.mark.parametrize("text", [GOOD.encode("utf-8-sig"), GOOD.replace("\n", "\r\n").encode()], ids=["mark", "CRLF"])
def test_what_editors_of_other_systems_write_is_read(tmp_path, text):
    file = tmp_path / "site.yaml"
    file.write_bytes(text)
    assert site.load(str(file)).device_count == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NORWAY", "did you mean 'norway'"),
        ("tiny.yaml", "did you mean 'tiny'"),
        ("/", "is a folder"),
        ("", "no site is named"),
        ("a\0b", "no name of a file"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_a_name_of_no_site_is_told_why(name, words):
    with pytest.raises(ConfigError, match=words):
        site.load(name)


@pytest.mark.parametrize(("start", "seed"), [("tomorrow", None), ("1999-01-01", None), (None, 2**63), (None, -1)])
def test_what_was_given_in_place_of_the_file_is_blamed_by_its_option(start, seed):
    with pytest.raises(ConfigError) as caught:
        site.load("tiny", start=start, seed=seed)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.where) == ("--start" if start else "--seed", 0, "")


@pytest.mark.parametrize(
    ("addressing", "option", "words"),
    [
        (site.Addressing(network=IPv4Network("127.8.0.0/30")), "--addresses", "needs 6 addresses, and .* has 2"),
        (site.Addressing(network=IPv4Network("127.8.0.0/32")), "--addresses", "needs 6 addresses, and .* has 1"),
        (site.Addressing(network=IPv4Network("224.0.0.0/8")), "--addresses", "no address to listen on"),
        (site.Addressing(network=IPv4Network("0.0.0.0/32")), "--addresses", "no address to listen on"),
        (site.Addressing(ports_from=65_530), "--ports-from", "needs 12 ports, and from 65530 there are 6"),
    ],
)
def test_an_addressing_that_does_not_fit_is_one_problem_of_its_option(addressing, option, words):
    with pytest.raises(ConfigError, match=words) as caught:
        site.load("tiny", addressing)
    assert {problem.file for problem in caught.value.problems} == {option}


@pytest.mark.parametrize(("network", "devices"), [("127.8.0.0/31", 1), ("127.8.0.0/30", 1), ("127.8.0.0/29", 5)])
def test_a_network_is_used_to_its_last_address_and_no_further(tmp_path, network, devices):
    addressing = site.Addressing(network=IPv4Network(network))
    for count, fits in ((devices, True), (devices + 1, False)):
        file = tmp_path / f"{count}.yaml"
        file.write_text(GOOD.replace("count: 3", f"count: {count}"), encoding="utf-8")
        if fits:
            assert len(site.load(str(file), addressing).stations) == devices + 1  # and the RTU
        else:
            with pytest.raises(ConfigError, match=f"needs {count + 1} addresses"):
                site.load(str(file), addressing)


def test_a_list_with_something_wrong_in_it_is_not_called_short_besides(tmp_path):
    text = changed(RTU, GROUPED.format("{a: [scada.example]}"))
    assert [problem.where for problem in problems_of(tmp_path, text)] == ["stations.rtu.options.redundancy_groups.a[0]"]


@pytest.mark.parametrize("feeders", ["feeders: [near]", "feeders: near"])
def test_what_follows_from_a_mistake_is_not_told_beside_it(tmp_path, feeders):
    text = GOOD.replace("feeders:\n  near: {resistance_ohm: 0.1, reactance_ohm: 0.05}", feeders)
    assert [problem.where for problem in problems_of(tmp_path, text)] == ["feeders"]
    told = [problem.where for problem in problems_of(tmp_path, GOOD.replace("groups:", "group:"))]
    assert sorted(told) == ["group", "groups"]


SECOND_GROUP = """\
  flats:
    kind: smart_meter
    count: 200
    endpoints:
      - {}
stations:"""


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            "modbus, ip: 127.9.0.1",
            "modbus, ip: 127.9.0.3",
            "127.9.0.3:1502 is already used by groups.homes.endpoints[0]",
        ),
        ("modbus, ip: 127.9.0.1", "dnp3, ip: 127.9.0.1, port: 1502", "127.9.0.1:1502 is already used"),
        ("modbus, port: 4000", "iec104, port: 4002", "127.0.0.1:4002 is already used"),
        ("modbus, port: 4000", "modbus, ip: 127.0.0.1, port: 4001", "127.0.0.1:4001 is already used"),
        ("modbus, ip: 127.0.1.1, port: 2404", "modbus", "127.0.1.1:2404 is already used"),
        ("iec104, station: rtu, address: 7", "iec104, station: rtu, address: 9", "common address 9 at rtu is already"),
    ],
)
def test_an_address_used_twice_is_named_with_both_places(tmp_path, first, second, words):
    text = GOOD.replace("{protocol: modbus}", f"{{protocol: {first}}}")
    text = text.replace("stations:", SECOND_GROUP.format(f"{{protocol: {second}}}"))
    found = problems_of(tmp_path, text)
    assert [problem for problem in found if words in str(problem)], found
    assert all("already used" in str(problem) for problem in found), found


def test_blocks_that_only_touch_are_no_problem(tmp_path):
    text = GOOD.replace("{protocol: modbus}", "{protocol: modbus, ip: 127.9.0.1}")
    text = text.replace("stations:", SECOND_GROUP.format("{protocol: modbus, ip: 127.9.0.4}"))
    assert problems_of(tmp_path, text) == []


def test_two_devices_of_one_group_at_one_address_are_named(tmp_path):
    text = GOOD.replace("- {protocol: modbus}", "- {protocol: modbus}\n      - {protocol: modbus}")
    (problem,) = problems_of(tmp_path, text)
    assert (problem.line, "already used by groups.homes.endpoints[0] (line 13)" in problem.message) == (14, True)


def test_too_many_devices_in_all_are_named(tmp_path):
    text = GOOD.replace("count: 3", "count: 60_000").replace("stations:", SECOND_GROUP.format("{protocol: modbus}"))
    text = text.replace("count: 200", "count: 60_000")
    assert any("120,000 devices in all" in str(problem) for problem in problems_of(tmp_path, text))


def test_a_place_with_two_mistakes_tells_of_both(tmp_path: Path) -> None:
    text = GOOD.replace("59.1", "95").replace("Europe/Oslo", "Europe/Olso")
    told = [problem.where for problem in problems_of(tmp_path, text)]
    assert {"location.latitude_deg", "location.time_zone"} <= set(told)
