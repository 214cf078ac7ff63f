"""Values in PostgreSQL's own types: each is there as it was, or its row is bad."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from conftest import produce
from postgres_server import Postgres

MakeApp = Callable[..., tr.Application]
LARGE = 2**53 + 1


@pytest.fixture
def write(make_app: MakeApp, postgres: Postgres) -> Callable[[str, list[Any]], tr.Summary]:
    """Brings values into the column `v` of a new table `t`, and leaves out bad ones."""

    def run(column: str, values: list[Any]) -> tr.Summary:
        postgres.query(f"CREATE TABLE t (v {column})")
        app = make_app(on_error="skip")
        produce(app, "in", [{"v": value} for value in values])
        app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="t"))
        return app.run(until_end=True)

    return run


@pytest.mark.parametrize(
    ("column", "values", "stored"),
    [
        ("timestamptz", [20240506, 240506.123, "2024-05-06T00:00:00Z"], ["2024-05-06 00:00:00+00"]),
        ("time", [1200, "12:00"], ["12:00:00"]),
        ("cidr", [1.5, "10.0.0.0/8"], ["10.0.0.0/8"]),
        ("oid", [-1, "7"], ["7"]),
        ("real", [2**24 + 1, 2**24, 0.5], [str(2**24 * 1.0).replace("16777216.0", "1.6777216e+07"), "0.5"]),
        ("bigint GENERATED ALWAYS AS (1 + 1) STORED", [5, None], ["2"]),
        ("tsvector", ["'bad", "good"], ["'good'"]),
        ("jsonpath", ["$.[", "$.a"], ['$."a"']),
        ("regclass", ["nosuch", "t"], ["t"]),
    ],
)  # fmt: skip
def test_what_a_type_would_read_as_something_else_is_a_bad_row(
    column: str, values: list[Any], stored: list[str], write: Callable[..., tr.Summary], postgres: Postgres
) -> None:
    assert write(column, values).bad == len(values) - len(stored)
    assert [row[0] for row in postgres.rows("SELECT v FROM t")] == stored


@pytest.mark.parametrize(
    ("base", "good", "bad"),
    [("bigint", 7, 0.5), ("jsonb", {"a": 1}, "\0"), ("text", "a", 1), ("boolean", True, 1)],
)
def test_a_domain_takes_what_its_type_takes(
    base: str, good: Any, bad: Any, write: Callable[..., tr.Summary], postgres: Postgres
) -> None:
    postgres.query(f"DROP DOMAIN IF EXISTS own CASCADE; CREATE DOMAIN own AS {base}")
    summary = write("own", [good, bad])
    assert (summary.rows_out, summary.bad) == (1, 1)
    assert postgres.query("SELECT pg_typeof(v) FROM t") == "own"


def test_what_a_trigger_refuses_for_whatever_reason_is_one_row(
    write: Callable[..., tr.Summary], postgres: Postgres
) -> None:
    postgres.query(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v = 2 THEN "
        "RAISE EXCEPTION 'not this one' USING ERRCODE = 'insufficient_privilege'; END IF; RETURN NEW; END $$"
    )
    summary = write("bigint); CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse(",
                    [1, 2, 3])  # fmt: skip
    assert (summary.rows_out, summary.bad) == (2, 1)
    assert postgres.rows("SELECT v FROM t") == [("1",), ("3",)]


def test_a_row_without_a_value_has_the_default_whatever_others_have(
    make_app: MakeApp, postgres: Postgres
) -> None:
    postgres.query("CREATE TABLE t (a bigint, b bigint NOT NULL DEFAULT 7, c bigint DEFAULT 8)")
    app = make_app()
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": 5},
        {"a": 2},
        {"a": 3, "b": None, "c": 1},
        {"a": 4, "b": 6, "c": 2},
    ]
    produce(app, "in", [*rows, {"a": 5, "c": 3}, {}])
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="t"))
    assert app.run(until_end=True).rows_out == 6
    assert postgres.rows("SELECT a, b, c FROM t ORDER BY a") == [
        ("1", "5", "8"), ("2", "7", "8"), ("3", "7", "1"), ("4", "6", "2"), ("5", "7", "3"), ("", "7", "8"),
    ]  # fmt: skip


def test_integers_are_not_rounded_where_another_member_has_widened_the_column(
    make_app: MakeApp, postgres: Postgres
) -> None:
    app = make_app(on_error="skip", commit_interval=0.01)
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="t"))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(app.run)
        try:
            produce(app, "in", [{"a": 1}])
            while postgres.query("SELECT to_regclass('t') IS NOT NULL") != "t":
                assert not run.done()
            while postgres.query("SELECT count(*) FROM t") != "1":
                assert not run.done()
            postgres.query("ALTER TABLE t ALTER COLUMN a TYPE double precision")
            produce(app, "in", [{"a": LARGE}, {"a": 2}])
            while postgres.query("SELECT count(*) FROM t") != "2":
                assert not run.done()
        finally:
            app.stop()
        assert run.result().bad == 1
    assert postgres.rows("SELECT a FROM t ORDER BY a") == [("1",), ("2",)]


def test_integers_that_another_session_adds_meanwhile_are_not_rounded(
    make_app: MakeApp, postgres: Postgres, tmp_path: Path
) -> None:
    postgres.query("CREATE TABLE t (a bigint)")
    app = make_app(on_error="skip")
    produce(app, "in", [{"a": 0.5}])
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(postgres.url, table="t"))
    session = postgres.session_at_rest(f"BEGIN; INSERT INTO t VALUES ({LARGE});")
    assert session.stdin is not None
    with ThreadPoolExecutor(1) as pool:
        while postgres.query("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass") == "0":
            assert session.poll() is None
        run = pool.submit(app.run, until_end=True)
        while postgres.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == "0":
            assert not run.done()
        session.communicate(b"COMMIT;\n")
        assert run.result().bad == 1
    assert postgres.rows("SELECT a, pg_typeof(a) FROM t") == [(str(LARGE), "bigint")]
