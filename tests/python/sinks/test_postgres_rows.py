"""Rows that PostgreSQL cannot have, whatever the reason: each is bad by itself, and the others are there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from conftest import produce
from postgres_server import Postgres

MakeApp = Callable[..., tr.Application]
Rows = list[dict[str, Any]]


@pytest.fixture
def write(make_app: MakeApp, postgres: Postgres) -> Callable[..., tr.Summary]:
    """Brings rows into the table `rows` of that server, and leaves out bad ones."""

    def run(rows: Rows, url: str = "", topic: str = "in", **options: Any) -> tr.Summary:
        app = make_app(on_error="skip")
        produce(app, topic, rows)
        app.dataframe(app.topic(topic)).sink(tr.PostgresSink(url or postgres.url, table="rows", **options))
        return app.run(until_end=True)

    return run


Write = Callable[..., tr.Summary]


def test_rows_without_a_value_are_rows(write: Write, postgres: Postgres) -> None:
    assert write([{}]).rows_out == 1
    assert postgres.query("SELECT count(*) FROM rows") == "1"
    assert write([{"x": 1, "y": 2}]).rows_out == 1
    assert write([{"x": None, "y": None}, {}]).rows_out == 2
    assert postgres.rows("SELECT x, y FROM rows ORDER BY x") == [("1", "2"), ("", ""), ("", ""), ("", "")]


def test_null_in_a_table_of_one_text_is_null(write: Write, postgres: Postgres) -> None:
    postgres.query("CREATE TABLE rows (s text, d text DEFAULT 'given')")
    write([{"s": None}, {}])
    assert postgres.query("SELECT count(*) FROM rows WHERE s IS NULL AND d = 'given'") == "2"


NAMES = ["xmin", "xmax", "cmin", "cmax", "ctid", "tableoid", "", "a\0b", "n" * 64]


def test_names_that_no_column_has_make_rows_bad(write: Write, postgres: Postgres) -> None:
    summary = write([{"x": 1}, *({"x": 2, name: 1} for name in NAMES), {"x": 3, "XMIN": 4, "oid": 5}])
    assert (summary.bad, summary.rows_out) == (len(NAMES), 2)
    assert postgres.rows('SELECT x, "XMIN", oid FROM rows ORDER BY x') == [("1", "", ""), ("3", "4", "5")]


def test_more_fields_than_a_table_has_columns(write: Write, postgres: Postgres) -> None:
    wide = {f"f{n}": n for n in range(1700)}
    summary = write([{"x": 1}, wide, {"x": 2}])
    assert (summary.bad, summary.rows_out) == (1, 2)
    assert postgres.rows("SELECT * FROM rows ORDER BY 1") == [("1",), ("2",)]
    narrow = {f"f{n}": True for n in range(1599)}
    summary = write([narrow, {"x": 3, "a": 1}, {"x": 4, "b": 1}, {"x": 5}])
    assert (summary.bad, summary.rows_out) == (2, 2)


def test_what_a_trigger_or_an_index_refuses_is_one_row(write: Write, postgres: Postgres) -> None:
    postgres.query(
        "CREATE TABLE rows (x bigint, s text); CREATE INDEX ON rows (s);"
        "ALTER TABLE rows ALTER s SET STORAGE plain;"
        "CREATE FUNCTION check_x() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.x = 3 THEN "
        "RAISE 'not three'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER check_x BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION check_x()"
    )
    summary = write([{"x": n} for n in range(6)] + [{"x": 6, "s": "t" * 5000}, {"x": 7, "s": "t"}])
    assert (summary.bad, summary.rows_out) == (2, 6)
    assert postgres.query("SELECT string_agg(x::text, ',' ORDER BY x) FROM rows") == "0,1,2,4,5,7"


def test_a_constraint_of_the_end_of_a_transaction_is_one_row(write: Write, postgres: Postgres) -> None:
    postgres.query("CREATE TABLE rows (x bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    summary = write([{"x": n} for n in (1, 2, 3, 2, 4)])
    assert (summary.bad, summary.rows_out) == (1, 4)
    assert postgres.query("SELECT string_agg(x::text, ',' ORDER BY x) FROM rows") == "1,2,3,4"


@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize(
    ("wrong", "good"),
    [
        ({"id": -1}, [1, 2, 3, 4, 5, 6]),  # refused by itself
        ({"id": 9, "parent": 99}, [1, 2, 3, 4, 5, 6]),  # refused at the end
        ({"id": -5, "parent": 4}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_rows_that_want_one_another_are_there_beside_a_bad_one(
    wrong: dict[str, int], good: list[int], deferred: str, write: Write, postgres: Postgres
) -> None:
    postgres.query(
        "CREATE TABLE rows (id bigint PRIMARY KEY CHECK (id > 0), "
        f"parent bigint REFERENCES rows {deferred}, other bigint)"
    )
    rows: Rows = [{"id": n, "parent": n + 1} for n in range(1, 6)] + [{"id": 6, "other": 1}]
    for at in (0, 3, 6):
        postgres.query("DELETE FROM rows")
        summary = write([*rows[:at], wrong, *rows[at:]])
        assert (summary.bad, summary.rows_out) == (1, len(good))
        assert [int(row[0]) for row in postgres.rows("SELECT id FROM rows ORDER BY id")] == good


@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_rows_that_want_one_another_and_none_is_bad(deferred: str, write: Write, postgres: Postgres) -> None:
    postgres.query(
        f"CREATE TABLE rows (id bigint PRIMARY KEY, parent bigint REFERENCES rows {deferred}, other bigint)"
    )
    rows: Rows = [{"id": n, "parent": n + 1} for n in range(1, 6)] + [{"id": 6, "other": 1}]
    summary = write(rows)  # rows of other fields are another statement
    assert (summary.bad, summary.rows_out) == (0, 6)
    assert postgres.query("SELECT count(*) FROM rows") == "6"


def test_a_row_that_wants_a_bad_one_is_bad(write: Write, postgres: Postgres) -> None:
    postgres.query(
        "CREATE TABLE rows (id bigint PRIMARY KEY CHECK (id <> 3), "
        "parent bigint REFERENCES rows DEFERRABLE INITIALLY DEFERRED)"
    )
    summary = write([{"id": n, "parent": n - 1 or None} for n in range(1, 6)])
    assert (summary.bad, summary.rows_out) == (3, 2)


def test_a_column_that_cannot_be_widened_stays(write: Write, postgres: Postgres) -> None:
    postgres.query("CREATE TABLE rows (x bigint, y bigint); CREATE VIEW seen AS SELECT x FROM rows")
    summary = write([{"x": 1}, {"x": 2.5}, {"x": 3, "y": 0.5}])
    assert (summary.bad, summary.rows_out) == (1, 2)
    assert postgres.rows("SELECT x, y FROM rows ORDER BY x") == [("1", ""), ("3", "0.5")]


def test_a_role_that_does_not_own_the_table_writes_what_fits(write: Write, postgres: Postgres) -> None:
    postgres.query(
        "DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN; CREATE TABLE rows (x bigint);"
        "GRANT USAGE, CREATE ON SCHEMA public TO writer; GRANT INSERT, SELECT ON rows TO writer"
    )
    url = postgres.url.replace("tiderace@", "writer@")
    summary = write(
        [{"x": 1}, {"x": 2, "new": 1}, {"x": 3, "other": 1}, {"x": 4, "new": None}, {"x": 0.5}], url
    )
    assert (summary.bad, summary.rows_out) == (3, 2)
    with pytest.raises(tr.ConfigError, match=r"must be owner of table rows .* or add the column yourself"):
        write([{"x": 5}], url, key_column="rider")
    assert postgres.rows("SELECT * FROM rows") == [("1",), ("4",)]


WRITER = """DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN; CREATE TABLE rows (x bigint);
GRANT USAGE, CREATE ON SCHEMA public TO writer; GRANT INSERT, SELECT ON rows TO writer"""
VIEW = WRITER + "; ALTER TABLE rows OWNER TO writer; CREATE VIEW seen AS SELECT x FROM rows"


@pytest.mark.parametrize(
    ("begin", "refused", "mend"),
    [
        (WRITER, {"new": 1}, "ALTER TABLE rows ADD COLUMN new bigint"),
        (WRITER, {"new": 1}, "ALTER TABLE rows OWNER TO writer"),
        (WRITER, {"x": 0.5}, "ALTER TABLE rows ALTER COLUMN x TYPE double precision"),
        (VIEW, {"x": 0.5}, "DROP VIEW seen"),
    ],
)
def test_a_table_that_was_mended_takes_the_rows_without_a_restart(
    begin: str, refused: dict[str, Any], mend: str, make_app: MakeApp, postgres: Postgres
) -> None:
    postgres.query(begin)
    app = make_app(on_error="skip", commit_interval=0.01)
    url = postgres.url.replace("tiderace@", "writer@")
    app.dataframe(app.topic("in")).sink(tr.PostgresSink(url, table="rows"))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(app.run)
        try:
            produce(app, "in", [refused, {"x": 1}])
            while postgres.query("SELECT count(*) FROM rows") != "1":
                assert not run.done()
            postgres.query(mend)
            while postgres.query("SELECT count(*) FROM rows") == "1":
                assert not run.done()
                produce(app, "in", [refused])
        finally:
            app.stop()
        assert run.result().bad > 0
    (field,) = refused
    assert (str(refused[field]),) in postgres.rows(f"SELECT DISTINCT {field} FROM rows")


def test_a_right_that_is_lacking_makes_no_row_bad(write: Write, postgres: Postgres) -> None:
    postgres.query(
        "DROP ROLE IF EXISTS other; CREATE ROLE other LOGIN; CREATE TABLE rows (x bigint);"
        "GRANT USAGE, CREATE ON SCHEMA public TO other"
    )
    with pytest.raises(tr.ConfigError, match="permission denied for table rows"):
        write([{"x": 1}], postgres.url.replace("tiderace@", "other@"))


def test_a_bad_row_changes_no_table(write: Write, postgres: Postgres) -> None:
    postgres.query("CREATE TABLE rows (y bigint, z bigint)")
    summary = write([{"x": "oops", "y": "text"}, {"x": 2, "y": 3}, {"y": True, "z": 0.5, "w": 1}])
    assert (summary.bad, summary.rows_out) == (2, 1)
    assert postgres.rows("SELECT * FROM rows") == [("3", "", "2")]
    types = "SELECT string_agg(data_type, ',') FROM information_schema.columns WHERE table_name = 'rows'"
    assert postgres.query(types) == "bigint,bigint,bigint"


def test_integers_that_are_no_double_precision_are_not_rounded(write: Write, postgres: Postgres) -> None:
    large = 2**53 + 1
    summary = write([{"a": 1, "b": 0.5}, {"a": large}, {"a": 0.5}, {"b": large}, {"b": 2**60}])
    assert (summary.bad, summary.rows_out) == (2, 3)
    assert write([{"a": 0.25}, {"a": 7}]).bad == 1  # what the table has is looked at, too
    assert postgres.rows("SELECT a, b FROM rows ORDER BY a") == [
        ("1", "0.5"),
        ("7", ""),
        (str(large), ""),
        ("", str(float(2**60)).replace("e+", "e+")),
    ]


@pytest.mark.parametrize("more", range(3))
def test_a_long_name_is_cut_between_two_characters(more: int, write: Write, postgres: Postgres) -> None:
    postgres.query(
        "CREATE TABLE rows (x bigint, by text DEFAULT pg_catalog.current_setting('application_name'))"
    )
    assert write([{"x": 1}], name="n" * more + "€" * 40, timeout=5).rows_out == 1
    (row,) = postgres.rows("SELECT x, length(by) > 20 FROM rows")
    assert row == ("1", "t")


def test_members_that_change_a_table_at_once_lose_nothing(tmp_path: Path, postgres: Postgres) -> None:
    rows = [{"member": "", "n": n, "x": n + 0.5 if n % 2 else n, f"c{n // 20}": n} for n in range(200)]
    apps = []
    for member in ("a", "b", "c"):
        app = tr.Application(
            f"embedded:{tmp_path}/{member}", consumer_group=member, workers=2, commit_interval=0.01
        )
        topic = app.topic("in", num_partitions=4)
        produce(app, "in", [row | {"member": member} for row in rows])
        app.dataframe(topic).sink(tr.PostgresSink(postgres.url, table="rows"))
        apps.append(app)
    with ThreadPoolExecutor() as pool:
        summaries = list(pool.map(lambda app: app.run(until_end=True), apps))
    assert [summary.rows_out for summary in summaries] == [200] * 3
    assert postgres.query("SELECT count(*), count(DISTINCT (member, n)), sum(x) FROM rows") == "600|600|59850"
    assert (
        postgres.query(
            "SELECT count(*) FROM rows WHERE num_nonnulls(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9) = 1"
        )
        == "600"
    )


@pytest.mark.parametrize("topic", ["null", "NULL"])
def test_a_topic_may_be_called_as_no_value_is(topic: str, write: Write, postgres: Postgres) -> None:
    for n in range(2):
        assert write([{"x": n}], topic=topic).rows_out == 1
    assert postgres.rows('SELECT topic, "offset" FROM tiderace_offsets') == [(topic, "2")]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:100%sure@db/x",
        "postgresql://ada:secret@[::1",
        "host=db password=my secret",
        "postgresql://ada:p@sure@db/x",
        "postgresql://ada:pa/sure@db/x",
        "postgresql://ada:12/sure@db/x",
        "postgresql://ada:p?sure/@db/x",
        "postgresql://ada:1?sure=/x@db/x",
        "host=sure@db user=ada",
    ],
)
def test_no_part_of_a_password_is_told(url: str) -> None:
    for make in (
        lambda: tr.PostgresSink(url, table="t"),
        lambda: tr.PostgresSource(url, "SELECT 1", "s"),
    ):
        with pytest.raises(tr.ConfigError, match="wanted an address like") as caught:
            make()
        assert not any(word in str(caught.value) for word in ("sure", "secret", "ada", "pa/"))


def test_an_address_may_have_what_it_may_have() -> None:
    shown = {
        "postgresql://ada:a%40b@db,other:5432,5433/x?user=ada@server": "ada@server",
        "postgres://db": "postgresql://db/",
        "host=db password='my secret' dbname=x": "postgresql://db/x",
        "postgresql://ada:p?q:r@db/x": "ada@db/x",
    }
    for url, text in shown.items():
        assert text in repr(tr.PostgresSink(url, table="t"))
