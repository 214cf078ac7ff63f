"""Rows in a real PostgreSQL: what they become there, and that each is there once whatever happens."""

import contextlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import phone_features
import pytest
import sink_service
import tiderace as tr
from conftest import produce
from postgres_server import Postgres

MakeApp = Callable[..., tr.Application]


def columns(postgres: Postgres, table: str = "rows") -> dict[str, str]:
    query = "SELECT column_name, data_type FROM information_schema.columns "
    query += f"WHERE table_schema = 'public' AND table_name = '{table}'"
    return dict(row for row in postgres.rows(query))  # type: ignore[misc]


def sink_rows(app: tr.Application, postgres: Postgres, rows: list[Any], **options: Any) -> tr.Summary:
    """Produces `rows` and runs them into the table `rows`."""
    produce(app, "in", rows)
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="rows", **options))
    return app.run(until_end=True)


def test_values_are_columns_of_their_kind(app: tr.Application, postgres: Postgres) -> None:
    rows = [
        {"i": 1, "f": 0.1, "s": "tab\tline\nback\\ ü", "b": True, "o": {"a": [1, 2.5]}, "l": [1], "n": None},
        {"i": -(2**63), "f": 1e300, "s": "\\N", "b": False, "o": {}},
        {},
    ]
    summary = sink_rows(app, postgres, rows)
    assert (summary.rows_in, summary.rows_out) == (3, 3)
    types = {"i": "bigint", "f": "double precision", "s": "text", "b": "boolean", "o": "jsonb", "l": "jsonb"}
    assert columns(postgres) == types
    query = "SELECT i, f, s = E'tab\\tline\\nback\\\\ ü', b, o->'a'->>1, l FROM rows"
    assert postgres.rows(query) == [
        ("1", "0.1", "t", "t", "2.5", "[1]"),
        ("-9223372036854775808", "1e+300", "f", "f", "", ""),
        ("", "", "", "", "", ""),
    ]
    assert postgres.query("SELECT s FROM rows WHERE i < 0") == "\\N"
    assert postgres.query("SELECT count(*) FROM rows WHERE s IS NULL") == "1"


def test_new_fields_are_new_columns_and_integers_become_floats(make_app: MakeApp, postgres: Postgres) -> None:
    sink_rows(make_app(), postgres, [{"x": 1}, {"x": 2, "y": "a"}])
    assert columns(postgres) == {"x": "bigint", "y": "text"}
    sink_rows(make_app(), postgres, [{"x": 2.5, "z": 1}])
    assert columns(postgres) == {"x": "double precision", "y": "text", "z": "bigint"}
    assert postgres.rows("SELECT * FROM rows ORDER BY x") == [("1", "", ""), ("2", "a", ""), ("2.5", "", "1")]


def test_the_record_can_be_columns_too(app: tr.Application, postgres: Postgres) -> None:
    with app.get_producer() as producer:
        producer.produce("in", "anna", {"x": 1}, timestamp=1_700_000_000_123)
        producer.produce("in", None, {"x": 2}, timestamp=0)
    sink = tr.PostgresSink(
        postgres.url,
        "rows",
        key_column="rider",
        event_time_column="at",
        topic_column="topic",
        partition_column="part",
        offset_column="nr",
    )
    app.dataframe(app.topic("in")).sink(sink)
    app.run(until_end=True)
    assert postgres.rows("SELECT rider, at AT TIME ZONE 'UTC', topic, part, nr, x FROM rows ORDER BY nr") == [
        ("anna", "2023-11-14 22:13:20.123", "in", "0", "0", "1"),
        ("", "1970-01-01 00:00:00", "in", "0", "1", "2"),
    ]


def test_a_table_of_ones_own_is_taken_as_it_is(make_app: MakeApp, postgres: Postgres) -> None:
    postgres.query(
        "CREATE SCHEMA own; CREATE TABLE own.rows (id serial PRIMARY KEY, at timestamptz, x real, "
        "n numeric(5,1), v varchar(3), j json, small smallint, d text DEFAULT 'given')"
    )
    app = make_app(on_error="dead-letter")
    good = {"at": "2024-05-06T07:08:09Z", "x": 1, "n": 2.25, "v": "abc", "j": "text", "small": 5}
    bad = [{"v": "abcd"}, {"small": 70000}, {"at": "tomorrow-ish"}, {"x": "one"}, {"n": 123456}, {"v": "a\0"}]
    produce(app, "in", [bad[0], good, *bad[1:], good])
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="own.rows"))
    summary = app.run(until_end=True)
    assert (summary.rows_out, summary.bad) == (2, 6)
    row = ("2024-05-06 07:08:09+00", "1", "2.3", "abc", '"text"', "5", "given")
    query = "SET timezone = 'UTC'; SELECT at, x, n, v, j, small, d FROM own.rows"
    assert postgres.rows(query) == [row, row]
    assert postgres.query('SELECT "offset" FROM own.tiderace_offsets') == "8"


def test_what_does_not_fit_makes_the_row_bad(app: tr.Application, postgres: Postgres) -> None:
    with pytest.raises(tr.BadRowError) as caught:
        sink_rows(app, postgres, [{"x": 1}, {"x": "one"}, {"x": 2}])
    row = caught.value
    assert (row.kind, row.offset) == ("type", 1)
    assert row.step.startswith("step 1 sdf.sink(tr.PostgresSink(")
    assert 'column "x": the table has it as bigint, found the string "one"' in str(row)
    assert postgres.rows("SELECT x FROM rows") == [("1",)]


def test_a_row_that_the_database_refuses_stops_before_it(app: tr.Application, postgres: Postgres) -> None:
    postgres.query("CREATE TABLE rows (x bigint CHECK (x < 100))")
    with pytest.raises(
        tr.BadRowError, match=r"the database refuses the row: .*violates check constraint"
    ) as caught:
        sink_rows(app, postgres, [{"x": n} for n in range(95, 105)])
    assert caught.value.offset == 5
    assert postgres.query("SELECT count(*), max(x) FROM rows") == "5|99"


def test_names_need_no_care(app: tr.Application, postgres: Postgres) -> None:
    rows = [{'a "quoted" name': 1, "select": 2, "UPPER": 3, "upper": 4, "ü": 5}]
    produce(app, "in", rows)
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table='Odd "table'))
    app.run(until_end=True)
    assert columns(postgres, 'Odd "table').keys() == rows[0].keys()
    assert postgres.rows('SELECT * FROM "Odd ""table"') == [("1", "2", "3", "4", "5")]


def test_computed_columns_are_written_as_they_are(app: tr.Application, postgres: Postgres) -> None:
    produce(app, "in", [{"x": 1, "y": 2, "z": 3}, {"x": -1, "y": 0, "z": 3}])
    sdf = app.dataframe(app.topic("in"))
    sdf["x"] = sdf["x"] / 0
    sdf = sdf.drop("y").rename({"z": "w"})
    sdf.sink(tr.PostgresSink(postgres.url, table="rows"))
    sdf[["w"]].sink(tr.PostgresSink(postgres.url, table="projected"))
    app.run(until_end=True)
    assert set(postgres.rows("SELECT x, w FROM rows")) == {("Infinity", "3"), ("-Infinity", "3")}
    assert columns(postgres).keys() == {"x", "w"}
    assert postgres.rows("SELECT * FROM projected") == [("3",), ("3",)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": ""}, "table= is required"),
        ({"table": "a.b.c"}, "table="),
        ({"table": "t", "key_column": "k", "topic_column": "k"}, "would be called"),
        ({"table": "t", "hypertable": True}, "event_time_column="),
        ({"table": "t", "timeout": 0}, "timeout"),
        ({"table": "t", "url": "postgresql://[::1"}, "wanted an address like"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(tr.ConfigError, match=message):
        tr.PostgresSink(**{"url": "postgresql://db/telemetry", **options})


def test_no_password_is_shown(app: tr.Application) -> None:
    sink = tr.PostgresSink("postgresql://ada:secret@db:5433/telemetry?sslpassword=hidden", table="t")
    app.dataframe(app.topic("in")).sink(sink)
    assert 'tr.PostgresSink("postgresql://ada@db:5433/telemetry", table="t")' in str(app.explain())
    assert "secret" not in repr(sink) + str(app.explain())


def test_two_sinks_of_one_name_are_a_mistake(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("in"))
    sdf.sink(tr.PostgresSink("postgresql://db/a", table="t"))
    with pytest.raises(tr.PlanError, match='another sink is called "t"'):
        sdf.sink(tr.PostgresSink("postgresql://db/b", table="t"))
    sdf.sink(tr.PostgresSink("postgresql://db/b", table="t", name="copy"))


def refusal(make_app: MakeApp, url: str, table: str) -> str:
    app = make_app(consumer_group="refused")
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(url, table=table))
    with pytest.raises(tr.ConfigError) as caught:
        app.run(until_end=True)
    return str(caught.value)


def test_refusals_say_what_to_do(make_app: MakeApp, postgres: Postgres) -> None:
    produce(make_app(), "in", [{"x": 1}])
    postgres.query("CREATE VIEW seen AS SELECT 1 AS x")
    assert "seen is a view, and rows go into tables; name a table" in refusal(make_app, postgres.url, "seen")
    nowhere = refusal(make_app, postgres.url.replace("/telemetry", "/nowhere"), "t")
    assert 'database "nowhere" does not exist (SQLSTATE 3D000); create the database' in nowhere
    nobody = refusal(make_app, postgres.url.replace("tiderace@", "nobody@"), "t")
    assert 'role "nobody" does not exist (SQLSTATE 28000); check user, password' in nobody
    postgres.query(
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; CREATE TABLE t (x bigint); "
        "GRANT USAGE ON SCHEMA public TO reader"
    )
    reader = refusal(make_app, postgres.url.replace("tiderace@", "reader@"), "t")
    assert "permission denied" in reader
    assert "grant the rights to this role" in reader
    app = make_app(consumer_group="refused")
    options = {"event_time_column": "at", "hypertable": True, "name": "h"}
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="hyper", **options))  # type: ignore[arg-type]
    with pytest.raises(tr.ConfigError, match="wants TimescaleDB"):
        app.run(until_end=True)


def test_rows_are_not_written_twice_where_the_log_forgets(tmp_path: Path, postgres: Postgres) -> None:
    for folder in ("first", "second"):  # as after a commit of the log that was lost
        app = tr.Application(f"embedded:{tmp_path}/{folder}", consumer_group="g")
        rows = [{"x": n} for n in range(30 if folder == "second" else 20)]
        produce(app, "in", rows)
        app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="rows"))
        app.run(until_end=True)
    assert postgres.query("SELECT count(*), count(DISTINCT x) FROM rows") == "30|30"
    other = tr.Application(f"embedded:{tmp_path}/third", consumer_group="g")
    produce(other, "in", [{"x": 1}])
    other.dataframe(other.topic("in")).sink(tr.PostgresSink(postgres.url, table="rows"))
    with pytest.raises(
        tr.StateError, match="has the rows of in partition 0 up to offset 30, and the topic ends at 1"
    ):
        other.run(until_end=True)


class Trial:
    """A service that is ended again and again while rows come."""

    def __init__(self, tmp_path: Path, postgres: Postgres, guarantee: str) -> None:
        self.folder = tmp_path
        self.postgres = postgres
        self.arguments = [str(tmp_path / "log"), postgres.url, guarantee]
        self.app = tr.Application(f"embedded:{tmp_path}/log", consumer_group="writer")
        self.app.topic("phone-data", num_partitions=3)
        self.rows: list[dict[str, Any]] = []
        self.random = random.Random(7)

    def append(self, count: int) -> None:
        rows = phone_features.phone_rows(len(self.rows), len(self.rows) + count)
        produce(self.app, "phone-data", rows, key="rider")
        self.rows += rows

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, sink_service.__file__, *self.arguments, *options]
        return subprocess.Popen(command)

    def stored(self) -> int:
        with contextlib.suppress(Exception):
            return int(self.postgres.query('SELECT sum("offset") FROM tiderace_offsets') or 0)
        return 0

    def assert_each_row_is_there_once(self) -> None:
        assert self.start("--until-end").wait(timeout=120) == 0
        expected = phone_features.expected(self.rows, self.folder)
        assert phone_features.found(self.postgres) == expected


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
def test_a_service_that_is_killed_at_any_moment_writes_each_row_once(
    guarantee: str, tmp_path: Path, postgres: Postgres
) -> None:
    trial = Trial(tmp_path, postgres, guarantee)
    trial.append(500)
    for number in range(12):
        service = trial.start()
        trial.append(trial.random.randrange(100, 2000))
        before = trial.stored()
        # Anywhere from its start to some commits later.
        for _ in range(trial.random.randrange(1, 40)):
            if trial.stored() > before + 3 * (number % 4):
                break
        service.send_signal(signal.SIGKILL if number % 5 else signal.SIGTERM)
        assert service.wait(timeout=60) in (0, -signal.SIGKILL, -signal.SIGTERM)
    trial.assert_each_row_is_there_once()


def test_a_database_that_goes_and_comes_under_load_loses_nothing(tmp_path: Path, postgres: Postgres) -> None:
    trial = Trial(tmp_path, postgres, "at-least-once")
    trial.append(500)
    service = trial.start()
    try:
        for number in range(4):
            trial.append(3000)
            before = trial.stored()
            while trial.stored() < before + 100:
                assert service.poll() is None, "the service ended"
                trial.append(100)
            (postgres.kill if number % 2 else postgres.stop)()
            trial.append(1000)
            postgres.start()
        while trial.stored() < len(trial.rows):
            assert service.poll() is None, "the service ended"
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 0
    finally:
        service.kill()
        service.wait()
    trial.assert_each_row_is_there_once()


def test_a_stop_is_heard_while_the_database_is_away(make_app: MakeApp, postgres: Postgres) -> None:
    app = make_app()
    produce(app, "in", [{"x": 1}])
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="rows"))
    postgres.stop()
    timer = threading.Timer(0.5, app.stop)
    timer.start()
    summary = app.run()
    assert summary.rows_out == 0
    assert summary.seconds < 10
    postgres.start()
    app.run(until_end=True)
    assert postgres.rows("SELECT x FROM rows") == [("1",)]


ADVISORY = "SELECT pg_advisory_xact_lock(hashtext('tiderace'), hashtext('rows'::regclass::oid::text)); "


@pytest.mark.parametrize(
    ("held", "options"),
    [
        ("UPDATE tiderace_offsets SET updated_at = now();", {}),
        (ADVISORY + "ALTER TABLE rows ADD COLUMN y bigint;", {"key_column": "rider"}),
    ],
)
def test_an_owner_that_stands_still_in_a_transaction_is_ended(
    held: str, options: dict[str, str], make_app: MakeApp, postgres: Postgres
) -> None:
    sink_rows(make_app(), postgres, [{"x": 1}])
    name = "SET application_name = 'tiderace other sink'; BEGIN; "
    works = name + "LOCK TABLE rows IN ACCESS SHARE MODE; LOCK TABLE tiderace_offsets IN ROW SHARE MODE; "
    states = "SELECT string_agg(state || coalesce(wait_event, ''), ',' ORDER BY state) FROM pg_stat_activity "
    states += "WHERE application_name = 'tiderace other sink'"
    standing = postgres.session_at_rest(name + held)
    try:
        while postgres.query(states) != "idle in transactionClientRead":
            assert standing.poll() is None
        if not options:  # one that its server works for is left alone
            with postgres.session(works + "SELECT pg_sleep(120)") as working:
                while "PgSleep" not in postgres.query(states):
                    assert working.poll() is None
                sink_rows(make_app(), postgres, [{"x": 2}])
                assert postgres.query(states) == "activePgSleep"
                working.kill()
                # Its server would notice that when it is done.
                postgres.query(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                )
        else:
            sink_rows(make_app(), postgres, [{"x": 2}], **options)
            assert postgres.query(states) == ""
    finally:
        standing.kill()
        standing.communicate()
    assert postgres.rows("SELECT x FROM rows ORDER BY x") == [("1",), ("2",)]


@pytest.mark.parametrize("moves", [True, False])
def test_an_owner_whose_rows_come_slowly_is_not_ended(
    moves: bool, make_app: MakeApp, postgres: Postgres
) -> None:
    postgres.query("CREATE TABLE rows (x bigint, s text)")
    copying = postgres.session_at_rest(
        "SET application_name = 'tiderace other sink'; BEGIN; COPY rows FROM STDIN;"
    )
    assert copying.stdin
    row = f"1\t{'s' * 9000}\n".encode()
    watching = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    other = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tiderace other sink'"
    with ThreadPoolExecutor(1) as pool:
        try:
            copying.stdin.write(10 * row)
            copying.stdin.flush()
            while (
                postgres.query("SELECT count(*) FROM pg_stat_progress_copy WHERE bytes_processed > 0") == "0"
            ):
                assert copying.poll() is None
            run = pool.submit(sink_rows, make_app(), postgres, [{"x": 2}], key_column="rider")
            watched = [False]
            while watched[-2:] != [True, False] and postgres.query(other) == "1":
                if moves:
                    copying.stdin.write(row)
                    copying.stdin.flush()
                if (watches := postgres.query(watching) != "0") != watched[-1]:
                    watched.append(watches)
            if moves:
                assert postgres.query(other) == "1"
                copying.communicate(b"\\.\nCOMMIT;\n")
            assert run.result().rows_out == 1
        finally:
            copying.kill()
            copying.wait()
    assert (postgres.query("SELECT count(*) > 10 FROM rows WHERE x = 1") == "t") == moves
    assert postgres.query("SELECT count(*) FROM rows WHERE x = 2") == "1"


def test_a_backtest_writes_nothing(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("in"))
    sdf.sink(tr.PostgresSink("postgresql://nowhere.invalid/telemetry", table="rows"))
    assert sdf.backtest([{"x": 1}]).to_pylist() == [{"x": 1}]


def test_a_zombie_does_not_write_behind_the_new_owner(tmp_path: Path, postgres: Postgres) -> None:
    """The old owner stands still with rows in hand; another takes over and writes."""
    trial = Trial(tmp_path, postgres, "at-least-once")
    trial.append(2000)
    service = trial.start()
    while trial.stored() < 2000:
        assert service.poll() is None
    service.send_signal(signal.SIGSTOP)
    # What another member wrote is what the offsets say; the log of this test has one process a group.
    trial.append(10)
    moved = 'UPDATE tiderace_offsets SET "offset" = "offset" + 1 WHERE partition = 0'
    postgres.query(moved)
    service.send_signal(signal.SIGCONT)
    trial.append(2000)
    while trial.stored() < len(trial.rows):
        assert service.poll() is None
    service.send_signal(signal.SIGTERM)
    assert service.wait(timeout=60) == 0
    lacking = {str(row["n"]) for row in trial.rows if "x" in row} - {
        row[0] for row in postgres.rows("SELECT n FROM features")
    }
    assert len(lacking) <= 1  # the row that the other member is said to have written
    assert postgres.query("SELECT count(*) - count(DISTINCT n) FROM features") == "0"
