"""Sinks in Python: those of users, Parquet files, DuckDB."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import file_sink_service
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
import tiderace as tr
from conftest import produce

MakeApp = Callable[..., tr.Application]


class Memory(tr.Sink):
    """Rows and offsets in memory; fails as it is told to."""

    def __init__(self, **columns: str) -> None:
        super().__init__("memory", **columns)
        self.rows: list[dict[str, Any]] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.failures: list[Exception] = []
        self.calls = 0

    def open(self, group: str, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return self.offsets

    def write(self, group: str, parts: list[tr.SinkPart]) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop()
        for part in parts:
            assert self.offsets.get((part.topic, part.partition)) == part.begin
            self.rows += part.table.to_pylist()
            self.offsets[part.topic, part.partition] = part.end


def test_a_sink_of_ones_own_gets_each_row_once(app: tr.Application) -> None:
    produce(app, "in", [{"x": 1, "o": {"a": 1}}, {"x": 2.5, "s": "a"}])
    sink = Memory(key_column="k", event_time_column="at", offset_column="nr")
    sink.failures = [tr.SinkUnavailable("not now"), tr.SinkUnavailable("nor now")]
    app.dataframe(app.topic("in")).sink(sink)
    assert app.run(until_end=True).rows_out == 2
    assert sink.calls == 3
    assert [(row["nr"], row["x"], row["o"], row["s"]) for row in sink.rows] == [
        (0, 1.0, '{"a":1}', None),
        (1, 2.5, None, "a"),
    ]
    assert str(sink.rows[0]["at"]) == "1970-01-01 00:00:00.001000+00:00"
    assert app.run(until_end=True).rows_in == 0
    assert len(sink.rows) == 2


def test_what_a_sink_raises_ends_the_run(app: tr.Application) -> None:
    produce(app, "in", [{"x": 1}])
    sink = Memory()
    sink.failures = [ValueError("no such shelf")]
    app.dataframe(app.topic("in")).sink(sink)
    with pytest.raises(tr.ConfigError, match=r"Memory\('memory'\): ValueError: no such shelf .*line"):
        app.run(until_end=True)
    app.run(until_end=True)
    assert sink.rows == [{"x": 1}]


def test_a_column_of_a_sink_holds_one_kind(app: tr.Application) -> None:
    produce(app, "in", [{"x": 1}, {"x": "one"}])
    app.dataframe(app.topic("in")).sink(Memory())
    with pytest.raises(
        tr.BadRowError, match='column "x": wanted a number, as the rows before it have'
    ) as caught:
        app.run(until_end=True)
    assert caught.value.offset == 1


@pytest.mark.parametrize("event_time", ["", "at"])
def test_a_field_without_a_name_keeps_its_values(event_time: str, app: tr.Application) -> None:
    produce(app, "in", [{"": 5, "x": 1}, {"": 2, "x": 2}])
    sink = Memory(event_time_column=event_time)
    app.dataframe(app.topic("in")).sink(sink)
    app.run(until_end=True)
    assert [(row[""], row["x"]) for row in sink.rows] == [(5, 1), (2, 2)]


def test_parquet_files_are_whole_and_named_by_what_they_hold(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / ".in-0-000000000000-000000000009.tmp").write_text("half")
    for begin in (0, 3):
        app = make_app()
        produce(app, "in", [{"x": n} for n in range(begin, begin + 3)])
        app.dataframe(app.topic("in")).sink(tr.ParquetSink(folder, offset_column="nr"))
        app.run(until_end=True)
    names = sorted(os.listdir(folder))
    assert names == [
        ".tiderace",
        "in-0-000000000000-000000000003.parquet",
        "in-0-000000000003-000000000006.parquet",
    ]
    tables = [parquet.read_table(folder / name).to_pylist() for name in names[1:]]
    assert [row["x"] for rows in tables for row in rows] == list(range(6))


def test_duckdb_has_rows_and_offsets(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "rows.duckdb"
    for rows in ([{"x": 1, "s": "a"}], [{"x": 2.5, "new": True}], [{"x": 3, "o": [1]}]):
        app = make_app()
        produce(app, "in", rows)
        app.dataframe(app.topic("in")).sink(tr.DuckDBSink(file, "rows"))
        app.run(until_end=True)
    with duckdb.connect(str(file)) as connection:
        found = connection.execute('SELECT x, s, "new", o FROM rows ORDER BY x').fetchall()
        assert found == [(1.0, "a", None, None), (2.5, None, True, None), (3.0, None, None, "[1]")]
        offsets = connection.execute('SELECT sink, topic, "offset" FROM tiderace_offsets').fetchall()
    assert offsets == [("rows", "in", 3)]


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_a_service_that_is_killed_at_any_moment_writes_each_row_once(kind: str, tmp_path: Path) -> None:
    chance = random.Random(3)
    app = tr.Application(f"embedded:{tmp_path}/log", consumer_group="writer")
    app.topic("in", num_partitions=2)
    command = [sys.executable, file_sink_service.__file__, kind, str(tmp_path)]
    rows = 0
    for _ in range(8):
        service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert service.stdout
        assert service.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(1, 8)):
            produce(app, "in", [{"n": n, "k": n % 5} for n in range(rows, rows + 50)], key="k")
            rows += 50
        service.send_signal(signal.SIGKILL)
        service.wait()
        service.stdout.close()
    assert subprocess.run([*command, "--until-end"], stdout=subprocess.DEVNULL, timeout=120).returncode == 0
    assert sorted(file_sink_service.numbers(kind, tmp_path)) == list(range(rows))
