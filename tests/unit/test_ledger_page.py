"""docs/ledger.md: its tables are the ledger's, its questions are answered on a real one, its names need no quotes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.schema import SCHEMAS
from pilotfarm.emulators.record.selection import counting, recordable
from pilotfarm.emulators.record.tables import instant, read
from pilotfarm.emulators.site import load

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
STAMPS = ("site_time",)
COLUMNS = [(table, field) for table, schema in SCHEMAS.items() for field in schema]
QUESTIONS = re.findall(r"^### ([^\n]*\?)\n.*?```sql\n(.*?)```.*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
TYPES = {"timestamp[us, tz=UTC]": "timestamp", "dictionary<values=string, indices=int32, ordered=0>": "string"}


def line_of(table: str, name: str) -> str:
    field = SCHEMAS[table].field(name)
    texts = {key.decode(): value.decode() for key, value in field.metadata.items()}
    kind = TYPES.get(str(field.type), str(field.type)).replace("list<element: string>", "list of strings")
    return f"| `{name}` | {kind} | {texts.get('unit', '')} | {texts['description']} |".replace("|  |", "| |")


def section(heading: str) -> str:
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n#")[0]


def test_the_page_has_every_table_with_its_columns_types_and_units() -> None:
    general = section("## Tables")
    assert [line for line in general.splitlines() if line.startswith("| `")] == [line_of("values", n) for n in STAMPS]
    for table, schema in SCHEMAS.items():
        lines = [line for line in section(f"### {table}").splitlines() if line.startswith("| `")]
        assert lines == [line_of(table, name) for name in schema.names if name not in STAMPS], table


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Farm, Ledger]]:
    """Thirty hours of tiny, with a fault, a lie and two commands, one of which is superseded."""
    folder = tmp_path_factory.mktemp("page")
    farm, clock = Farm(load("tiny")), ManualClock()
    book = Ledger(folder / "ledger", farm, clock, every_s=900.0)
    farm.observers.append(book)
    farm.faults.add("bias", {"device": "meter-001", "quantity": "voltage_l1_v"}, parameters={"offset": 5.0})
    farm.faults.add("offline", {"device": "charger-*"}, duration_s=7_200.0)
    for step in range(120):
        if step in (4, 5):
            command = farm.device("battery-001").submit(
                enabled({"active_power_setpoint_w": 1_000.0 * (step - 4.5)}), "modbus", "127.0.0.1:5", clock.now_s()
            )
            command.acknowledged_s = clock.now_s() + 0.25
        clock.advance(1.5)
        farm.step(900.0)
    book.close()
    before = Path.cwd()
    os.chdir(folder)
    yield farm, book
    os.chdir(before)


def same(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame without what is no matter: categories, and the zone and unit in which times are told."""
    found = frame.copy()
    for name in found.columns:
        if isinstance(found[name].dtype, pd.DatetimeTZDtype):
            found[name] = found[name].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
        elif pd.api.types.is_datetime64_dtype(found[name]):
            found[name] = found[name].astype("datetime64[us]")
        elif pd.api.types.is_timedelta64_dtype(found[name]):
            found[name] = found[name].dt.total_seconds()
        elif isinstance(found[name].dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(found[name]):
            found[name] = found[name].astype(str)
        else:
            found[name] = found[name].astype(float)
    return found.sort_values(list(found.columns), ignore_index=True)


def answers(question: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    sql, python = next((sql, python) for name, sql, python in QUESTIONS if question in name)
    with duckdb.connect() as database:
        found = database.execute(sql).df()
    names: dict[str, pd.DataFrame] = {}
    exec(python, names)
    return same(found), same(names["answer"])


def test_there_are_five_questions() -> None:
    assert len(QUESTIONS) == 5


@pytest.mark.parametrize("question", [name for name, _, _ in QUESTIONS])
def test_duckdb_and_pandas_answer_alike(ledger: tuple[Farm, Ledger], question: str) -> None:
    sql, python = answers(question)
    assert len(sql) > 0
    pd.testing.assert_frame_equal(sql, python)


def test_the_energy_of_the_days_is_that_of_the_registers(ledger: tuple[Farm, Ledger]) -> None:
    farm, _ = ledger
    found, _ = answers("energy")
    assert len(found["day"].unique()) == 2
    values = read(Path("ledger"), "values").to_pandas()
    for device in farm:
        series = values[(values["device"] == device.id) & (values["quantity"] == "energy_imported_wh")]["true_value"]
        drawn = found[found["device"] == device.id]["drawn_kwh"].sum() * 1000.0
        assert drawn == pytest.approx(series.max() - series.min())
    assert found["drawn_kwh"].sum() > 1.0


def test_the_lie_is_found_and_is_told_as_good(ledger: tuple[Farm, Ledger]) -> None:
    found, _ = answers("far from the truth")
    lie = found[(found["device"] == "meter-001") & (found["quantity"] == "voltage_l1_v")]
    assert lie[["furthest", "wrong", "wrong_and_good"]].to_numpy().tolist() == [[pytest.approx(5.0), 120.0, 120.0]]


def test_commands_are_followed_or_not(ledger: tuple[Farm, Ledger]) -> None:
    found, _ = answers("until the physics")
    asked = found[found["quantity"] == "active_power_setpoint_w"].set_index("value")
    assert (asked["until_acknowledged"] == 0.25).all()
    effects = read(Path("ledger"), "effects").to_pandas()
    effective = set(effects[effects["outcome"] == "effective"]["command"])
    assert effective
    for _, row in asked.iterrows():
        assert (row["until_effective"] > 0.0) == (row["command"] in effective)


def test_faults_touch_whom_they_gripped_until_they_are_over(ledger: tuple[Farm, Ledger]) -> None:
    found, _ = answers("fault touch")
    over = found.set_index("device")
    assert set(over.index) == {"meter-001", "charger-001"}
    assert over.loc["charger-001", "ended"] - over.loc["charger-001", "began"] == pd.Timedelta(hours=2)
    assert pd.isna(over.loc["meter-001", "ended"])


def test_the_lowest_voltage_of_every_hour_is_there(ledger: tuple[Farm, Ledger]) -> None:
    found, _ = answers("voltage on each feeder")
    assert len(found) == 31  # thirty hours from a quarter past
    feeders = read(Path("ledger"), "feeders").to_pandas()
    assert found["lowest_voltage_v"].min() == feeders["lowest_voltage_v"].min()


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(("table", "name"), [(table, field.name) for table, field in COLUMNS])
def test_no_name_has_to_be_quoted(table: str, name: str) -> None:
    with duckdb.connect() as database:
        words = {
            word
            for (word,) in database.execute(
                "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
            ).fetchall()
        }
        assert {"true", "select", "end"} <= words
        assert {"true", "select", "end"} <= RESERVED_WORDS
        assert not {table, name} & (words | RESERVED_WORDS)
        database.execute(f"CREATE VIEW {table} AS SELECT 1 AS {name}")
        assert database.execute(f"SELECT {name} FROM {table}").fetchall() == [(1,)]


def test_every_column_is_described_and_every_number_has_a_unit_or_counts() -> None:
    for table, field in COLUMNS:
        assert field.metadata[b"description"], (table, field.name)
        if str(field.type) in ("double", "timestamp[us, tz=UTC]"):
            assert field.metadata[b"unit"], (table, field.name)
        suffix = re.search(r"_(w|var|v|frac)$", field.name)
        if suffix:
            assert field.metadata[b"unit"].decode().lower() == {"frac": "1"}.get(suffix[1], suffix[1])


# ------------------------------------------------------------------------- what files say of themselves


def test_every_file_says_where_it_comes_from_and_what_it_holds(ledger: tuple[Farm, Ledger]) -> None:
    farm, _ = ledger
    query = "SELECT decode(key), decode(value) FROM parquet_kv_metadata('ledger/values/*/*.parquet')"
    with duckdb.connect() as database:
        said = dict(database.execute(query).fetchall())
    assert set(read(Path("ledger"), "values")["run"].to_pylist()) == {1}
    assert (said["pilotfarm.site"], said["pilotfarm.seed"]) == ("tiny", str(farm.layout.seed))
    assert (said["pilotfarm.every_s"], said["pilotfarm.quantities"]) == ("900.0", '["*"]')
    assert (said["pilotfarm.start"], said["pilotfarm.step_s"]) == (
        farm.layout.start.isoformat(),
        str(farm.layout.step_s),
    )
    assert "true_value" in said["pilotfarm.columns"]
    for path in Path("ledger").rglob("*.parquet"):
        schema = pq.read_schema(path)
        assert schema.equals(SCHEMAS[path.parts[-3]], check_metadata=False)
        assert {field.name: field.metadata for field in schema} == {
            field.name: field.metadata for field in SCHEMAS[path.parts[-3]]
        }
    told = json.loads((Path("ledger") / "run-1.json").read_text())
    assert (told["run"], told["started"]) == (1, instant(ManualClock().now_s()).isoformat())
    assert told["site_file"].startswith("#")
    assert told["pilotfarm_version"] == said["pilotfarm.pilotfarm_version"]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["soc_frac"], {"soc_frac"}),
        (["soc_frac", "*_energy_imported_wh"], {"soc_frac", "ev_energy_imported_wh"}),
        (["total"], {"energy_imported_wh", "energy_exported_wh"}),
        (["voltage_l[12]_v"], {"voltage_l1_v", "voltage_l2_v"}),
    ],
)
def test_the_chosen_quantities_are_recorded_of_all_that_have_them(
    farm: Farm, tmp_path: Path, patterns: list[str], names: set[str]
) -> None:
    tiny = Farm(load("tiny"))
    book = Ledger(tmp_path / "ledger", tiny, ManualClock(), 0.0, patterns)
    tiny.observers.append(book)
    tiny.step(1.0)
    book.close()
    found = read(tmp_path / "ledger", "values").to_pandas()
    assert names <= set(found["quantity"])
    wanted = set(found["quantity"])
    everything = {group: set(each) - counting(tiny.population) for group, each in recordable(tiny.population).items()}
    assert len(found) == sum(tiny.groups[group].size * len(wanted & recorded) for group, recorded in everything.items())
    if patterns != ["total"] and "*" not in "".join(patterns):
        assert wanted == names
