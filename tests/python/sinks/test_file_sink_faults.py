"""File sinks that fail on the way, meet others, or are given what does not fit."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as dataset  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
import tiderace as tr
from conftest import produce
from tiderace import file_sinks

MakeApp = Callable[..., tr.Application]


def numbers(folder: Path) -> list[int]:
    found: list[int] = []
    for file in folder.glob("*.parquet"):
        found += parquet.read_table(file)["n"].to_pylist()
    return sorted(found)


class Step:
    """Fails at the call `at` of all that `publish` and `os.open` see, once; `after`: with its effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, after: bool) -> None:
        self.calls = 0
        real = file_sinks._publish

        def publish(temporary: Path, file: Path) -> None:
            self.calls += 1
            if self.calls == at and not after:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(temporary, file)
            if self.calls == at and after:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(file_sinks, "_publish", publish)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("restarts", [False, True])
def test_a_write_that_fails_at_any_step_doubles_nothing(
    restarts: bool, at: int, after: bool, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(begin: int, end: int) -> None:
        app = make_app()
        topic = app.topic("in", num_partitions=2)
        produce(app, "in", [{"n": n, "k": n} for n in range(begin, end)], key="k")
        app.dataframe(topic).sink(tr.ParquetSink(tmp_path / "rows"))
        app.run(until_end=True)

    with monkeypatch.context() as patch:
        step = Step(patch, at, after)
        if restarts:  # the process ends where it fails, and more rows have come when the next begins
            patch.setattr(file_sinks, "_unavailable", lambda error: RuntimeError(str(error)))
        for begin, end in ((0, 6), (6, 9)):
            with contextlib.suppress(*[tr.ConfigError] * restarts):
                run(begin, end)
        assert step.calls >= at
    run(9, 10)
    assert numbers(tmp_path / "rows") == list(range(10))


KILLED = """
import os, signal, sys
import tiderace as tr
from tiderace import file_sinks

folder, at, after = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
calls, real = [0], file_sinks._publish

def publish(temporary, file):
    calls[0] += 1
    if calls[0] == at and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    real(temporary, file)
    if calls[0] == at and after:
        os.kill(os.getpid(), signal.SIGKILL)

file_sinks._publish = publish
app = tr.Application(f"embedded:{folder}/log", consumer_group="group")
app.dataframe(app.topic("in", num_partitions=2)).sink(tr.ParquetSink(f"{folder}/rows"))
app.run(until_end=True)
"""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_write_that_is_killed_at_any_step_doubles_nothing(
    at: int, after: bool, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app()
    app.topic("in", num_partitions=2)
    produce(app, "in", [{"n": n, "k": n} for n in range(6)], key="k")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run([*command, str(at), str(after)]).returncode == -signal.SIGKILL
    produce(app, "in", [{"n": n, "k": n} for n in range(6, 9)], key="k")
    assert subprocess.run([*command, "0", "False"]).returncode == 0
    assert numbers(tmp_path / "rows") == list(range(9))


@pytest.mark.parametrize(("group", "name"), [("group", "other"), ("other", "rows"), ("group-o", "ther")])
def test_a_folder_belongs_to_one_sink(group: str, name: str, make_app: MakeApp, tmp_path: Path) -> None:
    def run(group: str, name: str) -> None:
        app = make_app(consumer_group=group)
        app.dataframe(app.topic("in")).sink(tr.ParquetSink(tmp_path / "rows", name=name))
        app.run(until_end=True)

    produce(make_app(), "in", [{"n": 1}])
    run("group", "rows")
    with pytest.raises(tr.ConfigError, match="belongs to the sink 'rows' of the consumer group 'group'"):
        run(group, name)
    assert numbers(tmp_path / "rows") == [1]


def test_files_without_their_offsets_are_not_touched(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    produce(app, "in", [{"n": 1}])
    app.dataframe(app.topic("in")).sink(tr.ParquetSink(tmp_path / "rows"))
    app.run(until_end=True)
    (tmp_path / "rows" / ".tiderace" / "offsets.json").unlink()
    with pytest.raises(tr.ConfigError, match=r"has Parquet files, and .*offsets.json' is not there"):
        app.run(until_end=True)
    assert numbers(tmp_path / "rows") == [1]


def test_topics_whose_names_are_alike_have_files_of_their_own(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    for number, topic in enumerate(["a", "a-0", "a-0-000000000000"]):
        produce(app, topic, [{"n": number}])
    sink = tr.ParquetSink(tmp_path / "rows")
    for topic in ["a", "a-0", "a-0-000000000000"]:
        app.dataframe(app.topic(topic)).sink(sink)
    for _ in range(2):
        app.run(until_end=True)
    assert numbers(tmp_path / "rows") == [0, 1, 2]


def test_topics_with_hidden_names_have_files_that_are_seen(make_app: MakeApp, tmp_path: Path) -> None:
    topics = ["a", ".a", "_a", "..a"]
    for run in range(2):
        app = make_app()
        sink = tr.ParquetSink(tmp_path / "rows")
        for number, topic in enumerate(topics):
            produce(app, topic, [{"n": 10 * run + number}] * (1 if run or topic == "a" else 3))
            app.dataframe(app.topic(topic)).sink(sink)
        app.run(until_end=True)
    found = dataset.dataset(tmp_path / "rows", format="parquet").to_table()["n"].to_pylist()
    assert sorted(found) == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 10, 11, 12, 13]


def test_a_folder_is_read_where_a_field_is_null_at_first(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    for rows in ([{"a": 1, "b": None}], [{"a": None, "b": None}], [{"a": 2, "b": "x"}, {"b": None, "a": 3}]):
        app = make_app()
        produce(app, "in", rows)
        app.dataframe(app.topic("in")).sink(tr.ParquetSink(folder))
        app.run(until_end=True)
    assert [row["a"] for row in parquet.read_table(folder).to_pylist()] == [1, 2, 3]
    found = duckdb.sql(
        f"SELECT a, b FROM read_parquet('{folder}/*.parquet', union_by_name = true) ORDER BY a"
    )
    assert found.fetchall() == [(1, None), (2, "x"), (3, None)]
    assert len([*folder.glob("*.parquet")]) == 2


def test_a_folder_is_listed_at_a_start_alone(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(commit_interval=0.001)
    produce(app, "in", [{"n": n} for n in range(3)])
    sink = tr.ParquetSink(tmp_path / "rows")
    lists: list[int] = []
    writes: list[int] = []
    files, write = tr.ParquetSink._files, tr.ParquetSink.write

    def write_and_more(sink: tr.ParquetSink, group: str, parts: list[tr.SinkPart]) -> None:
        write(sink, group, parts)
        writes.append(len(lists))
        if parts[0].end == 6:
            app.stop()
        elif parts[0].end >= 3:
            produce(app, "in", [{"n": parts[0].end}])

    def files_and_more(sink: tr.ParquetSink) -> Iterator[Any]:
        lists.append(1)
        return files(sink)

    monkeypatch.setattr(tr.ParquetSink, "_files", files_and_more)
    monkeypatch.setattr(tr.ParquetSink, "write", write_and_more)
    app.dataframe(app.topic("in")).sink(sink)
    app.run()
    assert len(writes) >= 4
    assert len(set(writes)) == 1
    assert numbers(tmp_path / "rows") == [*range(6)]


class Table:
    """Rows through a DuckDB sink, run by run."""

    def __init__(self, make_app: MakeApp, tmp_path: Path) -> None:
        self._make_app = make_app
        self.file = tmp_path / "rows.duckdb"

    def write(self, rows: list[dict[str, Any]], **columns: str) -> tr.Summary:
        app = self._make_app(on_error="skip")
        produce(app, "in", rows)
        app.dataframe(app.topic("in")).sink(tr.DuckDBSink(self.file, "rows", **columns))
        return app.run(until_end=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def table(make_app: MakeApp, tmp_path: Path) -> Table:
    return Table(make_app, tmp_path)


def test_a_column_that_is_null_at_first_is_made_when_it_has_values(table: Table) -> None:
    for rows in ([{"x": 1, "y": None}], [{"x": 2, "y": "a"}], [{"x": None, "y": None}, {}], [{"y": "b"}]):
        table.write(rows)
    assert table.rows("SELECT x, y FROM rows ORDER BY x, y") == [
        (1, None),
        (2, "a"),
        (None, "b"),
        (None, None),
        (None, None),
    ]


def test_values_are_of_the_kind_that_the_table_has(table: Table) -> None:
    table.write([{"i": 1, "f": 1.5, "s": "a", "b": True}])
    wrong = [{"i": True}, {"i": "17"}, {"f": "1"}, {"s": 5}, {"s": True}, {"b": 1}, {"b": "true"}]
    summary = table.write([*wrong, {"i": 2, "f": 2, "s": "17", "b": False}])
    assert (summary.bad, summary.rows_out) == (len(wrong), 1)
    assert table.rows("SELECT i, f, s, b FROM rows ORDER BY i") == [(1, 1.5, "a", True), (2, 2, "17", False)]


def test_integers_that_no_double_is_stay_what_they_are(table: Table) -> None:
    large = 2**53 + 1
    table.write([{"n": large, "m": 2**60}])
    assert table.write([{"n": 0.5}, {"n": 7}, {"m": 0.5}]).bad == 1
    assert table.write([{"n": 0.25}, {"m": large}]).bad == 2
    assert table.rows("SELECT n, m FROM rows WHERE n IS NOT NULL ORDER BY n") == [(7, None), (large, 2.0**60)]
    with duckdb.connect(str(table.file)) as connection:
        connection.execute(f"DELETE FROM rows WHERE n = {large}")
    assert table.write([{"n": 0.25}]).bad == 0


def refusing(*faults: int, real: Callable[..., None] = os.link) -> Callable[..., None]:
    """A call that ends in each of these once, and then does what it should."""
    left = list(faults)

    def call(*arguments: Any) -> None:
        if left:
            fault = left.pop(0)
            raise OSError(fault, os.strerror(fault))
        real(*arguments)

    return call


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_made_by_who_is_first(
    links: bool, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refusing(*[errno.EPERM] * 2))
    # What a process of the same number is at work on, on another host.
    (tmp_path / f".rows.duckdb.{os.getpid()}.tmp").write_text("of another")
    table.write([{"x": 1}])
    assert table.rows("SELECT x FROM rows") == [(1,)]
    assert (tmp_path / f".rows.duckdb.{os.getpid()}.tmp").read_text() == "of another"
    made = tmp_path / "made"
    made.write_text("new")
    file_sinks._appear(made, table.file)
    assert table.rows("SELECT x FROM rows") == [(1,)]


@pytest.mark.parametrize("links", [True, False])
def test_a_fault_while_a_file_is_made_is_waited_for(
    links: bool, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = (errno.ENOSPC, errno.EMFILE)
    if links:
        monkeypatch.setattr(os, "link", refusing(*faults))
    else:
        monkeypatch.setattr(os, "link", refusing(*[errno.EPERM] * 3))
        monkeypatch.setattr(file_sinks, "_lock", refusing(*faults, real=file_sinks._lock))
    table.write([{"x": 1}])
    assert table.rows("SELECT x FROM rows") == [(1,)]


def test_where_there_are_no_links_and_no_locks_there_is_no_table(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing(errno.ENOSYS))
    monkeypatch.setattr(file_sinks, "_lock", refusing(errno.ENOLCK))
    with pytest.raises(tr.ConfigError, match="hard links or locks"):
        table.write([{"x": 1}])
    assert not table.file.exists()


def test_names_of_other_capitals_are_one_column(table: Table) -> None:
    table.write([{"speed": 1}])
    summary = table.write([{"Speed": 2}, {"SPEED": 3.5, "speed": None}, {"Speed": 4, "speed": 4}])
    assert (summary.bad, summary.rows_out) == (1, 2)
    assert table.rows("SELECT * FROM rows ORDER BY 1") == [(1,), (2,), (3.5,)]
    assert table.write([{"SPEED": "fast"}]).bad == 1


@pytest.mark.parametrize("names", [["Ä", "ä", "Ä"], ["\u212a", "k", "\u212a"]])
def test_capitals_beyond_ascii_make_columns_of_their_own(names: list[str], table: Table) -> None:
    for number, name in enumerate(names):
        assert table.write([{name: number, "n": number}]).rows_out == 1
    assert table.write([{names[0]: 2**53 + 1}, {names[1]: "text"}]).bad == 1
    assert table.write([{names[0]: 0.5}, {names[1]: 0.5}]).bad == 1
    found = table.rows(f'SELECT n, "{names[0]}", "{names[1]}" FROM rows WHERE n IS NOT NULL ORDER BY n')
    assert found == [(0, 0, None), (1, None, 1), (2, 2, None)]


def test_a_table_of_other_capitals_is_the_one(table: Table) -> None:
    with duckdb.connect(str(table.file)) as connection:
        connection.execute('CREATE TABLE "ROWS" (X bigint); CREATE TABLE other (x text)')
    assert table.write([{"x": 1}, {"x": "text"}, {"x": 2, "y": "a"}]).bad == 1
    assert table.write([{"x": 0.5}]).rows_out == 1
    assert table.rows('SELECT x, y FROM "ROWS" ORDER BY x') == [(0.5, None), (1.0, None), (2.0, "a")]


def test_a_value_without_a_name_is_a_bad_row(table: Table) -> None:
    summary = table.write([{"": 5, "x": 1}, {"": None, "x": 2}, {"x": 3}, {"": "a"}])
    assert (summary.bad, summary.rows_out) == (2, 2)
    assert table.rows("SELECT * FROM rows ORDER BY x") == [(2,), (3,)]


def test_a_key_that_is_no_text_is_a_bad_row(make_app: MakeApp, tmp_path: Path, table: Table) -> None:
    app = make_app(on_error="skip")
    with app.get_producer() as producer:
        for key in (b"anna", b"\xff\xfe", None):
            producer.produce("in", key, {"x": 1})
    app.dataframe(app.topic("in")).sink(tr.DuckDBSink(table.file, "rows", key_column="rider"))
    summary = app.run(until_end=True)
    assert (summary.bad, summary.rows_out) == (1, 2)
    assert table.rows("SELECT rider, x FROM rows ORDER BY rider") == [("anna", 1), (None, 1)]


def test_a_file_that_is_no_database_ends_the_run(make_app: MakeApp, tmp_path: Path) -> None:
    produce(make_app(), "in", [{"x": 1}])
    (tmp_path / "text.duckdb").write_text("nothing of a database " * 1000)
    (tmp_path / "duckdb.csv").write_text("x,speed\n1,2\n")  # DuckDB opens it as a database
    for file in ("text.duckdb", "duckdb.csv", "no folder/rows.duckdb"):
        app = make_app()
        app.dataframe(app.topic("in")).sink(tr.DuckDBSink(tmp_path / file, "rows"))
        wanted = "No such file" if "/" in file else f"{file}' is not a valid DuckDB database: .*name another$"
        with pytest.raises(tr.ConfigError, match=wanted):
            app.run(until_end=True)


def test_a_file_that_another_process_has_open_is_waited_for(table: Table, make_app: MakeApp) -> None:
    table.write([{"x": 1}])
    hold = f"import duckdb\nwith duckdb.connect({str(table.file)!r}):\n print(1, flush=True)\n input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "1\n"
        timer = threading.Timer(0.5, other.communicate, ["\n"])
        timer.start()
        table.write([{"x": 2}])
        timer.join()
    assert table.rows("SELECT x FROM rows ORDER BY x") == [(1,), (2,)]


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_a_field_is_not_replaced_by_a_column_of_the_record(
    kind: str, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(on_error="dead-letter")
    with app.get_producer() as producer:
        producer.produce("in", "anna", {"n": 1, "rider": "ben"})
        producer.produce("in", "anna", {"n": 2, "rider": None})
    sink: tr.Sink = tr.ParquetSink(tmp_path / "rows", key_column="rider")
    if kind == "duckdb":
        sink = tr.DuckDBSink(tmp_path / "rows.duckdb", "rows", key_column="rider")
    app.dataframe(app.topic("in")).sink(sink)
    summary = app.run(until_end=True)
    assert (summary.bad, summary.rows_out) == (1, 1)
    if kind == "parquet":
        (file,) = (tmp_path / "rows").glob("*.parquet")
        assert parquet.read_table(file).to_pylist() == [{"rider": "anna", "n": 2}]


def test_a_bad_row_does_not_say_what_a_column_holds(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(on_error="skip")
    produce(app, "in", [{"y": 0}, {"x": "oops", "y": "text"}, {"x": 2, "y": 3}])
    app.dataframe(app.topic("in")).sink(tr.ParquetSink(tmp_path / "rows"))
    summary = app.run(until_end=True)
    assert (summary.bad, summary.rows_out) == (1, 2)


def test_integers_that_are_no_floats_are_not_rounded(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(on_error="skip")
    large = 2**53 + 1
    produce(
        app, "in", [{"n": 1}, {"n": large}, {"n": 0.5}, {"n": 2**60}, {"m": 0.5}, {"m": large}, {"m": 2**60}]
    )
    app.dataframe(app.topic("in")).sink(tr.ParquetSink(tmp_path / "rows"))
    summary = app.run(until_end=True)
    assert (summary.bad, summary.rows_out) == (2, 5)
    (file,) = (tmp_path / "rows").glob("*.parquet")
    assert parquet.read_table(file)["n"].to_pylist()[:3] == [1, large, 2**60]


def test_offsets_are_in_the_folder(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    produce(app, "in", [{"n": 1}])
    app.dataframe(app.topic("in")).sink(tr.ParquetSink(tmp_path / "rows"))
    app.run(until_end=True)
    known = json.loads((tmp_path / "rows" / ".tiderace" / "offsets.json").read_text())
    assert known == {"group": "group", "name": "rows", "offsets": [["in", 0, 1]]}
    assert sorted(os.listdir(tmp_path / "rows" / ".tiderace")) == ["lock", "offsets.json"]
