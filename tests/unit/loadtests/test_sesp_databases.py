"""The reference SESP's databases when they are not there, go away, or take nothing; PostgreSQL's own ways."""

from __future__ import annotations

import logging
import re
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from sesp_bench import READINGS, new_postgresql, reading
from sqlalchemy import Engine, event, make_url, text
from typer.testing import CliRunner

from pilotfarm.api.cli import app
from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.sesp.app import make_app
from pilotfarm.loadtests.sesp.database import connect, without_password
from pilotfarm.loadtests.sesp.store import Store, check

GONE = "postgresql://meter:s3cret@127.0.0.1:9/readings"
"""Nobody listens on the port of the discard protocol."""


def execute(database: str, *statements: str) -> None:
    """Do something to a database behind the SESP's back."""
    engine = connect(database)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def named(database: str) -> str:
    name = make_url(database).database
    assert name
    return name


# ------------------------------------------------------------------------------------ at the start


@pytest.mark.parametrize(
    "database",
    ["/no/such/folder/sesp.sqlite", "oracle://x", "nonsense://", "sqlite+aiosqlite://", "postgresql+asyncpg://h/d"],
)
def test_a_database_that_cannot_be_used_is_named(database: str) -> None:
    with pytest.raises(StateError, match=re.escape(database)):
        check(database)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_driver_that_is_missing_is_named_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StateError, match=r"pip install 'pilotfarm\[postgresql\]'"):
        check(f"{scheme}://127.0.0.1:9/readings")


def test_a_server_that_is_not_there_is_one_line_and_the_password_is_not_in_it() -> None:
    ended = CliRunner().invoke(app, ["sesp", "--port", "0", "--database", GONE])
    assert (ended.exit_code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "postgresql://meter:***@127.0.0.1:9/readings" in ended.stderr
    assert "refused" in ended.stderr
    assert "s3cret" not in ended.stderr


@pytest.mark.parametrize(
    ("database", "wanted"),
    [
        ("postgresql://u:s3cret@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql://u:s3c@ret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:s3c/ret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:s3cret@h:port/d", "postgresql://u:***@h:port/d"),
        ("postgresql:///d?user=u&password=s3cret&host=h", "postgresql:///d?user=u&password=***&host=h"),
        ("postgresql://u@h:1/d", "postgresql://u@h:1/d"),
        ("postgresql://h:1/d", "postgresql://h:1/d"),
        ("folder/sesp.sqlite", "folder/sesp.sqlite"),
    ],
)
def test_a_message_names_a_database_without_its_password(database: str, wanted: str) -> None:
    assert without_password(database) == wanted
    assert "s3c" not in without_password(database)


def test_a_file_that_is_read_only_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "sesp.sqlite"
    check(str(path))
    with pytest.raises(StateError, match="readonly"):
        check(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_a_server_that_is_read_only_is_refused_at_the_start(postgresql: str) -> None:
    check(postgresql)
    execute(postgresql, f"ALTER DATABASE {named(postgresql)} SET default_transaction_read_only = on")
    with pytest.raises(StateError, match="read-only"):
        check(postgresql)


def test_a_user_who_may_not_make_the_table_is_refused_at_the_start(postgresql: str) -> None:
    role = f"guest_{named(postgresql)}"
    execute(postgresql, f"CREATE ROLE {role} LOGIN PASSWORD 'guest'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        guest = make_url(postgresql).set(username=role, password="guest")
        with pytest.raises(StateError, match="permission denied"):
            check(guest.render_as_string(hide_password=False))
    finally:
        execute(postgresql, f"DROP ROLE {role}")


def test_another_table_of_that_name_is_refused_at_the_start(database: str) -> None:
    execute(database, "CREATE TABLE readings (id INTEGER PRIMARY KEY, colour TEXT)")
    with pytest.raises(StateError, match="run"):
        check(database)


def test_the_trial_at_the_start_leaves_nothing_behind(database: str) -> None:
    check(database)
    store = Store(database)
    assert store.devices(after="", limit=10) == []
    assert store.readings(device_id=None, run=None, since_s=None, after=0, limit=10) == []
    store.close()


# ----------------------------------------------------------------------------------- in the middle


def test_a_database_that_fails_is_told_to_the_sender_and_does_not_stop_the_sesp(
    serve: Any, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(make_app(database)) as url, httpx.Client(base_url=url) as client:
        execute(database, "ALTER TABLE readings RENAME TO hidden")
        for _ in range(3):
            refused = client.post(READINGS, json=reading())
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
        execute(database, "ALTER TABLE hidden RENAME TO readings")
        for sequence in (1, 2):
            assert client.post(READINGS, json=reading(sequence)).status_code == 201
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 2, "the operator is told when it begins and when it ends"
    assert "readings" in said[0]
    assert said[1] == "the database takes readings again"


def test_a_file_that_is_full_is_told_to_the_sender_and_what_is_stored_stays(serve: Any, tmp_path: Path) -> None:
    def few_pages(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA max_page_count = 8")

    event.listen(Engine, "connect", few_pages)
    try:
        _fill(serve, str(tmp_path / "sesp.sqlite"), "full")
    finally:
        event.remove(Engine, "connect", few_pages)


def test_a_server_whose_disk_is_full_is_told_to_the_sender_and_what_is_stored_stays(
    serve: Any, postgresql: str
) -> None:
    # The server's own words (sqlstate 53100), raised by a trigger: a disk cannot be filled on any machine.
    check(postgresql)
    execute(
        postgresql,
        """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.sequence > 5 THEN
               RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
             END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER full_disk BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    _fill(serve, postgresql, "No space left on device")


def _fill(serve: Any, database: str, said: str) -> None:
    with serve(make_app(database)) as url, httpx.Client(base_url=url) as client:
        answers = [client.post(READINGS, json=reading(n, values={"p" * 200: 1.0})) for n in range(1, 101)]
        stored = client.get(f"{READINGS}?limit=500").json()["readings"]
    assert {answer.status_code for answer in answers} == {201, 503}
    assert said in next(answer for answer in answers if answer.status_code == 503).json()["detail"]
    acknowledged = [n for n, answer in enumerate(answers, 1) if answer.status_code == 201]
    assert [row["sequence"] for row in stored] == acknowledged


def test_a_server_made_read_only_refuses_until_it_is_writable_again(serve: Any, postgresql: str) -> None:
    with serve(make_app(postgresql)) as url, httpx.Client(base_url=url) as client:
        assert client.post(READINGS, json=reading(1)).status_code == 201
        for setting, status in (("on", 503), ("off", 201)):
            execute(
                postgresql,
                "SET default_transaction_read_only = off",
                f"ALTER DATABASE {named(postgresql)} SET default_transaction_read_only = {setting}",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{named(postgresql)}' AND pid <> pg_backend_pid()",
            )
            answer = client.post(READINGS, json=reading(2))
            assert answer.status_code == status
            assert status == 201 or "read-only" in answer.json()["detail"]
            assert client.get(READINGS).status_code == 200


class Gate:
    """A way to a server that can be shut: connections end in the middle, and new ones are refused."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[Thread] = []
        self._start(self._accept, self._listener)

    def shut(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for pair in self._pairs:
            for each in pair:
                with suppress(OSError):  # one that has ended already
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10.0)
        self._threads.clear()
        self._pairs.clear()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept, self._listener)

    def _start(self, target: Any, *arguments: Any) -> None:
        self._threads.append(Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                self._pairs.append((client, socket.create_connection(self._server)))
                self._start(self._carry, *self._pairs[-1])

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with one, other:
            while True:
                for ready in select.select([one, other], [], [])[0]:
                    if not (octets := ready.recv(65_536)):
                        return
                    (other if ready is one else one).sendall(octets)


@pytest.fixture
def gate(postgresql: str) -> Iterator[Gate]:
    url = make_url(postgresql)
    assert url.host
    gate = Gate(url.host, url.port or 5432)
    yield gate
    gate.shut()


def test_a_server_that_vanishes_is_told_to_the_sender_and_found_again_when_it_is_back(
    serve: Any, postgresql: str, gate: Gate
) -> None:
    database = make_url(postgresql).set(host="127.0.0.1", port=gate.port).render_as_string(hide_password=False)
    with serve(make_app(database)) as url, httpx.Client(base_url=url) as client:
        assert client.post(READINGS, json=reading(1)).status_code == 201
        gate.shut()
        for _ in range(2):
            refused = client.post(READINGS, json=reading(2))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert client.get(READINGS).status_code == 503
        gate.open()
        assert client.post(READINGS, json=reading(2)).json()["stored"] == 1
        assert [row["sequence"] for row in client.get(READINGS).json()["readings"]] == [1, 2]


def test_connections_the_server_ended_while_nobody_sent_cost_no_reading(serve: Any, postgresql: str) -> None:
    with serve(make_app(postgresql)) as url, httpx.Client(base_url=url) as client:
        assert client.post(READINGS, json=reading(1)).status_code == 201
        execute(
            postgresql,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{named(postgresql)}' AND pid <> pg_backend_pid()",
        )
        assert client.post(READINGS, json=reading(2)).status_code == 201


def test_a_statement_that_waits_for_ever_is_given_up(postgresql: str) -> None:
    engine = connect(postgresql + "?options=-c%20statement_timeout%3D50ms")
    with engine.connect() as connection, pytest.raises(Exception, match="statement timeout"):
        connection.execute(text("SELECT pg_sleep(60)"))
    engine.dispose()
    engine = connect(postgresql)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "30s"
    engine.dispose()


# ------------------------------------------------------------------------ encodings and order in PostgreSQL


def test_a_database_without_an_encoding_keeps_any_text(serve: Any) -> None:
    name = "Zähler-測定-" + "Ω" * 190
    with new_postgresql("ENCODING 'SQL_ASCII' LOCALE 'C'") as database, serve(make_app(database)) as url:
        assert httpx.post(url + READINGS, json=reading(device=name)).status_code == 201
        assert [row["device_id"] for row in httpx.get(url + READINGS).json()["readings"]] == [name]


def test_a_database_whose_encoding_lacks_characters_is_refused_with_what_to_do() -> None:
    with new_postgresql("ENCODING 'LATIN1' LOCALE 'C'") as database, pytest.raises(StateError, match="--encoding UTF8"):
        check(database)


@pytest.mark.parametrize("options", ["LOCALE 'C'", "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"])
def test_pages_of_names_have_the_same_order_in_every_locale(serve: Any, options: str) -> None:
    names = ["B", "a", "a-2", "a2", "b", "ä"]
    with new_postgresql(f"ENCODING 'UTF8' {options}") as database, serve(make_app(database)) as url:
        httpx.post(url + READINGS, json=[reading(device=name) for name in reversed(names)])
        first = httpx.get(url + "/api/v1/devices", params={"limit": 3}).json()
        rest = httpx.get(url + "/api/v1/devices", params={"after": first["next"]}).json()
    assert [row["device_id"] for row in first["devices"] + rest["devices"]] == names
