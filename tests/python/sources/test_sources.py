"""Histories replayed into a plan: the same rows as a backtest of them, each once whatever happens."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
import source_service
import tiderace as tr
from conftest import Reader
from postgres_server import Postgres

MakeApp = Callable[..., tr.Application]

RIDES = """rider,time,x,name,on,id
anna,1000,1,"a ""quoted"", name",true,007
ben,2000,,"two
lines",false,012
anna,3000,2.5,null,,003
"""


def rides(tmp_path: Path) -> Path:
    path = tmp_path / "rides.csv"
    path.write_text(RIDES)
    return path


def features(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    sdf["mean"] = sdf["x"].rolling("10s").mean()
    return sdf


def replayed(app: tr.Application, source: tr.Source, read: Reader) -> list[dict[str, Any]]:
    features(app.dataframe(source=source)).to_topic(app.topic("out"))
    app.run(until_end=True)
    return read("out")


def test_a_csv_file_gives_the_rows_of_its_backtest(app: tr.Application, tmp_path: Path, read: Reader) -> None:
    source = tr.CsvSource(rides(tmp_path), key="rider", timestamp="time", schema={"id": "string"})
    found = replayed(app, source, read)
    assert [row.pop("id") for row in found] == ["007", "012", "003"]
    sdf = features(app.dataframe(app.topic("other", timestamp="time")))
    expected = sdf.backtest(tmp_path / "rides.csv", key="rider").drop(["id"]).to_pylist()
    assert found == expected
    assert found[0]["name"] == 'a "quoted", name'


def test_ndjson_lines_are_handed_on_as_they_are(app: tr.Application, tmp_path: Path) -> None:
    path = tmp_path / "rides.ndjson"
    path.write_bytes(b'{"a": 1.50 , "k":"x"}\r\n\n  \n{"a":2,"k":7}\nnot json\n{"a":3}')
    app = tr.Application(f"embedded:{tmp_path}/log", consumer_group="g", on_error="dead-letter")
    app.dataframe(source=tr.NdjsonSource(path, key="k")).to_topic(app.topic("out"))
    summary = app.run(until_end=True)
    assert (summary.rows_in, summary.rows_out, summary.bad) == (4, 3, 1)
    records = app.get_reader("out", until_end=True)
    assert [(record.key, record.value) for record in records] == [
        (b"x", b'{"a": 1.50 , "k":"x"}'),
        (b"7", b'{"a":2,"k":7}'),
        (None, b'{"a":3}'),
    ]


@pytest.mark.parametrize("unit", ["ms", "us", "iso8601"])
def test_parquet_files_give_their_rows(unit: str, app: tr.Application, tmp_path: Path, read: Reader) -> None:
    times = pa.array([1000, 2000, 61_000], pa.timestamp("ms", "UTC"))
    table = pa.table({"rider": ["a", "b", "a"], "time": times, "x": [1, None, 3], "l": [[1], [], None]})
    parquet.write_table(table, tmp_path / "rides.parquet", row_group_size=2)
    source = tr.ParquetSource(tmp_path / "rides.parquet", key="rider", timestamp="time", timestamp_unit=unit)
    found = replayed(app, source, read)
    assert [(row["rider"], row["x"], row["mean"]) for row in found] == [
        ("a", 1, 1.0),
        ("b", None, None),
        ("a", 3, 3.0),
    ]


def test_a_restart_goes_on_behind_what_is_there(make_app: MakeApp, tmp_path: Path) -> None:
    path = tmp_path / "rides.csv"
    path.write_text("n\n" + "".join(f"{n}\n" for n in range(10)))
    counts = []
    for more in (0, 5, 0):
        with path.open("a") as file:
            file.write("".join(f"{n}\n" for n in range(10, 10 + more)))
        app = make_app()
        app.dataframe(source=tr.CsvSource(path)).to_topic(app.topic("out"))
        counts.append(app.run(until_end=True).rows_in)
    assert counts == [10, 5, 0]


def test_rows_come_as_fast_as_they_are_told_to(app: tr.Application) -> None:
    class Ticks(tr.Source):
        def tables(self) -> Iterator[pa.Table]:
            yield pa.table({"t": [1000, 1500, 2000], "x": [1, 2, 3]})

    app.dataframe(source=Ticks("ticks", timestamp="t"), replay_speed=2).to_topic(app.topic("out"))
    begin = time.monotonic()
    assert app.run(until_end=True).rows_in == 3
    assert 0.5 <= time.monotonic() - begin < 10


def test_a_stop_is_heard_between_two_rows(app: tr.Application) -> None:
    class Slow(tr.Source):
        def tables(self) -> Iterator[pa.Table]:
            yield pa.table({"t": [0, 3_600_000], "x": [1, 2]})

    app.dataframe(source=Slow("slow", timestamp="t"), replay_speed=1).to_topic(app.topic("out"))
    assert app.run(count=1).rows_in == 1


def test_partitions_get_the_rows_of_their_keys(tmp_path: Path, app: tr.Application) -> None:
    path = tmp_path / "many.ndjson"
    path.write_text("".join(json.dumps({"k": n % 7, "n": n}) + "\n" for n in range(100)))
    sdf = app.dataframe(source=tr.NdjsonSource(path, key="k", num_partitions=3))
    sdf["d"] = sdf["n"].diff()
    sdf.to_topic(app.topic("out"))
    assert app.run(until_end=True).rows_in == 100
    found = [record.json() for record in app.get_reader("out", until_end=True)]
    assert len(found) == 100
    assert {row["d"] for row in found} == {None, 7}


def test_a_database_gives_the_rows_of_a_query(app: tr.Application, read: Reader) -> None:
    with Postgres() as server:
        server.query(
            "CREATE TABLE rides (id int, rider text, at timestamptz, x float8, n numeric, o jsonb, b bool);"
            "INSERT INTO rides SELECT g, 'r' || g % 3, to_timestamp(g), g / 4.0, g, "
            "jsonb_build_object('a', g), g % 2 = 0 FROM generate_series(1, 10000) g"
        )
        query = "SELECT * FROM rides ORDER BY id"
        source = tr.PostgresSource(server.url, query, "history", key="rider", timestamp="at")
        found = replayed(app, source, read)
    assert len(found) == 10_000
    first = {"id": 1, "rider": "r1", "at": 1000, "x": 0.25, "n": 1.0, "o": {"a": 1}, "b": False, "mean": 0.25}
    assert found[0] == first


def test_values_of_a_database_do_not_go_by_the_roles_settings(app: tr.Application, read: Reader) -> None:
    with Postgres() as server:
        server.query(
            "ALTER ROLE tiderace SET extra_float_digits = -3;"
            "ALTER ROLE tiderace SET intervalstyle = iso_8601;"
            "ALTER ROLE tiderace SET bytea_output = escape"
        )
        query = "SELECT float8 '0.30000000000000004' AS x, interval '1 day' AS i, '\\x00'::bytea::text AS b"
        app.dataframe(source=tr.PostgresSource(server.url, query, "history")).to_topic(app.topic("out"))
        app.run(until_end=True)
    assert read("out") == [{"x": 0.30000000000000004, "i": "1 day", "b": "\\x00"}]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, {}, "cannot read '.*rides.csv': No such file"),
        ("", {}, "wanted a CSV file whose first line has the names"),
        ("a,a\n1,2\n", {}, "two columns have the name"),
        ("a,b\n1,2,3\n", {}, "CSV line 2: wanted 2 fields, found 3"),
        ('a\n"open\n', {}, "CSV line 2: a quote is opened and never closed"),
        ("a\n1\n", {"key": "k"}, 'key="k": there is no such column; there are "a"'),
        ("a\n1\n", {"timestamp": "t"}, 'timestamp="t": there is no such column'),
        ("a\n1\n", {"schema": {"A": "int64"}}, 'schema="A": there is no such column; there are "a"'),
        ("a\n1.5\n", {"key": "a"}, "row 0: wanted a string or an integer as key"),
    ],
)
def test_what_cannot_be_read_ends_the_run_and_says_why(
    text: str | None, options: dict[str, str], message: str, app: tr.Application, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "rides.csv").write_text(text)
    app.dataframe(source=tr.CsvSource(tmp_path / "rides.csv", **options)).to_topic(app.topic("out"))
    with pytest.raises(tr.ConfigError, match=message):
        app.run()


def test_parquet_files_that_are_not_there(make_app: Callable[..., tr.Application], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    missing = "there is no file or folder of that name"
    for name, message in (("none", missing), ("empty", "found a folder without a file")):
        app = make_app()
        app.dataframe(source=tr.ParquetSource(tmp_path / name)).to_topic(app.topic("out"))
        with pytest.raises(tr.ConfigError, match=rf"{name}'\): .*{message}$"):
            app.run(until_end=True)


def test_options_that_cannot_be(app: tr.Application) -> None:
    with pytest.raises(tr.ConfigError, match="replay_speed: wanted a number above 0"):
        app.dataframe(source=tr.CsvSource("a.csv", timestamp="t"), replay_speed=0)
    with pytest.raises(tr.ConfigError, match="has no times to go by"):
        app.dataframe(source=tr.CsvSource("a.csv"), replay_speed=1)
    app.dataframe(source=tr.CsvSource("a.csv"))
    with pytest.raises(tr.PlanError, match="another source of that name"):
        app.dataframe(source=tr.CsvSource("b/a.csv"))
    with pytest.raises(tr.ConfigError, match=r'app.topic\("t"\) is not replayed; give a source='):
        app.dataframe(app.topic("t"), replay_speed=2)
    with pytest.raises(tr.PlanError, match="wanted a topic or a source, found both"):
        app.dataframe(app.topic("t"), source=tr.CsvSource("c.csv"))
    with pytest.raises(tr.ConfigError, match="name="):
        tr.PostgresSource("postgresql://db/x", "SELECT 1", "")


def test_a_replay_that_is_killed_at_any_moment_brings_each_row_once(tmp_path: Path) -> None:
    chance = random.Random(5)
    rows = 60_000
    (tmp_path / "rows.csv").write_text("n,k\n" + "".join(f"{n},{n % 5}\n" for n in range(rows)))
    command = [sys.executable, source_service.__file__, str(tmp_path)]
    for _ in range(8):
        service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert service.stdout
        assert service.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(1, 200_000)):
            pass
        service.send_signal(signal.SIGKILL)
        service.wait()
        service.stdout.close()
    assert subprocess.run([*command, "--until-end"], stdout=subprocess.DEVNULL, timeout=120).returncode == 0
    app = tr.Application(f"embedded:{tmp_path}/log", consumer_group="reader")
    numbers: list[int] = []
    app.dataframe(app.topic("replay-rows")).update(lambda row: numbers.append(row["n"])).to_topic(
        app.topic("x")
    )
    app.run(until_end=True)
    assert sorted(numbers) == list(range(rows))
