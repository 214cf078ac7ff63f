"""Sources that change, are slow, or have what is out of the ordinary."""

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import kafka_wire
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
import tiderace as tr
from conftest import Reader
from postgres_server import Postgres

MakeApp = Callable[..., tr.Application]


class Rows(tr.Source):
    def __init__(self, numbers: list[int], **options: Any) -> None:
        self._numbers = numbers
        super().__init__("rows", **options)

    def tables(self) -> Iterator[pa.Table]:
        for begin in range(0, len(self._numbers), 3):
            yield pa.table({"n": self._numbers[begin : begin + 3]})


def bring(make_app: MakeApp, source: tr.Source) -> int:
    app = make_app()
    app.dataframe(source=source).to_topic(app.topic("out"))
    return app.run(until_end=True).rows_in


@pytest.mark.parametrize("options", [{}, {"num_partitions": 3}, {"num_partitions": 3, "key": "n"}])
def test_a_source_that_has_changed_is_not_gone_on_with(options: dict[str, Any], make_app: MakeApp) -> None:
    assert bring(make_app, Rows([*range(10)], **options)) == 10
    assert bring(make_app, Rows([*range(12)], **options)) == 2
    with pytest.raises(tr.ConfigError, match="it has 11 rows by now, and 12 of it are in group-rows"):
        bring(make_app, Rows([*range(11)], **options))
    with pytest.raises(
        tr.ConfigError, match="of its first 12 rows some are others than were brought into group-rows"
    ):
        bring(make_app, Rows([0, 100, *range(1, 12)], **options))
    assert bring(make_app, Rows([*range(13)], **options)) == 1


def forget(broker: str, group: str) -> None:
    """What Kafka does with a group in which nobody has been for a week."""
    delete_groups = 42
    body = struct.pack(">ih", 1, len(group)) + group.encode()
    answer = kafka_wire.ask(broker, delete_groups, 0, body, timeout_s=40)
    # throttle time, number of groups, name, error
    assert kafka_wire.unpack(">h", answer, 4 + 4 + 2 + len(group)) == (0,)


def test_kafka_forgets_how_far_a_source_is(broker: str, name: str) -> None:
    def brought(count: int) -> list[int]:
        app = tr.Application(broker, consumer_group=name)
        app.dataframe(source=Rows([*range(count)], num_partitions=3)).to_topic(app.topic(f"{name}-out"))
        app.run(until_end=True)
        reader = app.get_reader(f"{name}-rows", until_end=True)
        return sorted(record.json()["n"] for record in reader)

    assert brought(100) == [*range(100)]
    assert brought(150) == [*range(150)]
    for count in (150, 170):
        forget(broker, f"{name}-rows-source")
        assert brought(count) == [*range(count)]


def test_files_of_a_folder_have_the_columns_that_they_have(
    make_app: MakeApp, tmp_path: Path, read: Reader
) -> None:
    folder = tmp_path / "rides"
    folder.mkdir()
    parquet.write_table(pa.table({"n": [1, 2]}), folder / "a.parquet")
    parquet.write_table(pa.table({"n": [2.5], "new": ["x"]}), folder / "c.parquet")
    assert bring(make_app, tr.ParquetSource(folder)) == 3
    assert read("out") == [{"n": 1}, {"n": 2}, {"n": 2.5, "new": "x"}]
    parquet.write_table(pa.table({"n": ["4"]}), folder / "d.parquet")
    assert bring(make_app, tr.ParquetSource(folder)) == 1
    parquet.write_table(pa.table({"n": [2]}), folder / "b.parquet")
    with pytest.raises(tr.ConfigError, match="a file came between"):
        bring(make_app, tr.ParquetSource(folder))


def grown(make_app: MakeApp, path: Path, more: str, **options: Any) -> int:
    with path.open("a") as file:
        file.write(more)
    return bring(make_app, tr.CsvSource(path, key="k", num_partitions=2, **options))


def test_a_csv_file_grows_by_rows_of_other_kinds(make_app: MakeApp, tmp_path: Path, read: Reader) -> None:
    path = tmp_path / "rides.csv"
    assert grown(make_app, path, "k,x,y\na,1,\nb,2,\n") == 2
    assert grown(make_app, path, "a,2.5,x\n") == 1
    assert grown(make_app, path, "b,3,y\nc,4,\n") == 2
    found = sorted(read("group-rides"), key=lambda row: float(row["x"]))
    assert [row["x"] for row in found] == [1, 2, 2.5, 3.0, 4.0]


@pytest.mark.parametrize(
    ("first", "more", "kinds", "schema"),
    [
        ("1", "x", '"x": 1 and "1"', {"x": "int64"}),
        ("true", "1", '"x": true and "true"', {"x": "bool"}),
        (str(2**53 + 1), "0.5", f'"x": {2**53 + 1} and {2**53}.0', {"x": "int64"}),
    ],
)
def test_rows_that_would_mean_something_else_ask_for_a_schema(
    first: str, more: str, kinds: str, schema: dict[str, str], make_app: MakeApp, tmp_path: Path
) -> None:
    path = tmp_path / "rides.csv"
    assert grown(make_app, path, f"k,x\na,{first}\n") == 1
    with pytest.raises(
        tr.ConfigError, match=r"other kinds .* declare the kind that it had, schema="
    ) as caught:
        grown(make_app, path, f"a,{more}\n")
    assert kinds in str(caught.value)
    assert grown(lambda: make_app(on_error="skip"), path, "", schema=schema) == 1


def test_a_row_whose_key_is_none_goes_on_without(make_app: MakeApp, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps({"k": key}) + "\n" for key in ("a", 1.5, True, 7)))
    assert bring(make_app, tr.NdjsonSource(path, key="k")) == 4
    keys = [record.key for record in make_app().get_reader("group-rows", until_end=True)]
    assert keys == [b"a", None, None, b"7"]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


TIMES = [
    "1969-12-31 23:59:59.5",
    "0044-03-15 12:00:00+00 BC",
    "2500-02-28 00:00:00",
    "12024-01-01 00:00:00.000001",
]
SECONDS = [-0.5, -63517780800.0, 16730236800.0, 317273587200.000001]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("s", SECONDS),
        ("ms", [-500, -63517780800000, 16730236800000, 317273587200000.001]),
        ("us", [-500_000, -63517780800000000, 16730236800000000, 317273587200000001]),
        ("iso8601", TIMES),
    ],
)
def test_times_are_those_of_the_database(
    unit: str, expected: list[Any], make_app: MakeApp, server: Postgres, read: Reader
) -> None:
    values = ", ".join(f"({n}, timestamptz '{time}')" for n, time in enumerate(TIMES))
    query = f"SELECT at, at::date AS day FROM (VALUES {values}, (9, 'infinity')) v(n, at) ORDER BY n"
    bring(make_app, tr.PostgresSource(server.url, query, "times", timestamp_unit=unit))
    found = read("out")
    assert [row["at"] for row in found] == [*expected, None]
    day = {"s": -86400.0, "ms": -86_400_000, "us": -86_400_000_000, "iso8601": "1969-12-31"}
    assert found[0]["day"] == day[unit]


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        ("SELECT date '2500-01-01' AS at", {"timestamp_unit": "ns"}, "2500-01-01 is no time in nanoseconds"),
        ("SELECT 1 AS id, 2 AS id", {}, 'two columns have the name "id"'),
        ("SET work_mem = '4MB'", {}, "wanted a query with rows, like SELECT"),
        ("", {}, "wanted a query with rows, like SELECT"),
        ("SELECT nothing", {}, 'column "nothing" does not exist .*42703'),
    ],
)
def test_queries_that_cannot_be(
    query: str, options: dict[str, Any], message: str, make_app: MakeApp, server: Postgres
) -> None:
    with pytest.raises(tr.ConfigError, match=message):
        bring(make_app, tr.PostgresSource(server.url, query, "wrong", **options))


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM kept",
        "DELETE FROM kept RETURNING x",
        "SELECT x FROM kept; DELETE FROM kept",
        "WITH gone AS (DELETE FROM kept RETURNING x) SELECT x FROM gone",
        "CREATE TABLE kept_too ()",
    ],
)
def test_a_query_changes_nothing(query: str, make_app: MakeApp, server: Postgres) -> None:
    server.query("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 1 AS x")
    with pytest.raises(tr.ConfigError, match=r"read-only transaction.*a source reads and changes nothing"):
        bring(make_app, tr.PostgresSource(server.url, query, "wrong"))
    assert server.query("SELECT count(*) FROM kept") == "1"


def test_a_stop_is_heard_while_a_query_runs(make_app: MakeApp, server: Postgres) -> None:
    app = make_app()
    source = tr.PostgresSource(server.url, "SELECT 1 AS x FROM pg_sleep(300)", "slow")
    app.dataframe(source=source).to_topic(app.topic("out"))
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"

    def stop() -> None:
        while server.query(sleeping) == "0":
            pass
        app.stop()

    stopping = threading.Thread(target=stop)
    stopping.start()
    begin = time.monotonic()
    app.run()
    stopping.join()
    assert time.monotonic() - begin < 30
    while server.query(sleeping) != "0":
        assert time.monotonic() - begin < 60


class Given(tr.Source):
    def __init__(self, *tables: Any, **options: Any) -> None:
        self._given = tables
        super().__init__(options.pop("name", "given"), **options)

    def tables(self) -> Iterator[Any]:
        yield from self._given


DAY = date(2024, 1, 2)
NOON = datetime(2024, 1, 2, 12)
TIME_TYPES = [
    (pa.timestamp("s"), NOON),
    (pa.timestamp("us", "UTC"), NOON),
    (pa.timestamp("ns", "America/New_York"), NOON),
    (pa.date32(), DAY),
    (pa.date64(), DAY),
    (pa.dictionary(pa.int32(), pa.timestamp("us")), NOON),
]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "iso8601"])
@pytest.mark.parametrize(("kind", "time"), TIME_TYPES)
def test_times_of_ones_own_tables_are_in_the_unit_of_the_topic(
    kind: Any, time: date, unit: str, make_app: MakeApp, tmp_path: Path, read: Reader
) -> None:
    is_dictionary = pa.types.is_dictionary(kind)
    values = pa.array([time, time], kind.value_type if is_dictionary else kind)
    table = pa.table({"t": values.dictionary_encode() if is_dictionary else values})
    bring(make_app, Given(table, table.to_batches()[0], timestamp="t", timestamp_unit=unit))
    seconds = 1_704_153_600 + (43_200 if time is NOON else 0)
    found = [*make_app().get_reader("group-given", until_end=True)]
    assert [record.timestamp for record in found] == [seconds * 1000] * 4
    parquet.write_table(table, tmp_path / "same.parquet")
    bring(make_app, tr.ParquetSource(tmp_path / "same.parquet", timestamp="t", timestamp_unit=unit))
    same = [*make_app().get_reader("group-same", until_end=True)]
    assert [record.value for record in found] == 2 * [record.value for record in same]
    if unit != "iso8601":
        assert found[0].json() == {"t": seconds * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]}


def test_times_in_lists_and_structs_are_in_the_unit_of_the_topic(
    make_app: MakeApp, tmp_path: Path, read: Reader
) -> None:
    inside = pa.struct([("at", pa.timestamp("us")), ("days", pa.list_(pa.date32()))])
    rows = [
        {"s": {"at": NOON, "days": [DAY, None]}, "l": [NOON, None]},
        {"s": {"at": None, "days": None}, "l": None},
        {"s": None, "l": []},
        {"s": {"at": NOON, "days": []}, "l": [NOON]},
    ]
    table = pa.Table.from_pylist(rows, pa.schema([("s", inside), ("l", pa.list_(pa.timestamp("ns")))]))
    fixed = pa.array([[NOON, NOON], None, [None, NOON], None], pa.list_(pa.timestamp("s"), 2))
    table = table.append_column("f", fixed)
    parquet.write_table(table, tmp_path / "nested.parquet")
    bring(make_app, Given(table.slice(0, 1), table.slice(1, 0), table.slice(1), timestamp_unit="s"))
    noon, day = 1_704_196_800, 1_704_153_600
    expected = [
        {"s": {"at": noon, "days": [day, None]}, "l": [noon, None], "f": [noon, noon]},
        {"s": {"at": None, "days": None}, "l": None, "f": None},
        {"s": None, "l": [], "f": [None, noon]},
        {"s": {"at": noon, "days": []}, "l": [noon], "f": None},
    ]
    assert read("group-given") == expected
    bring(make_app, tr.ParquetSource(tmp_path / "nested.parquet", timestamp_unit="s"))
    assert read("group-nested") == expected


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("time", "kind", "unit", "message"),
    [
        (date(9999, 12, 31), pa.date32(), "ns", "9999-12-31 is no time in nanoseconds, .* 1677 to 2262"),
        (datetime(9999, 12, 31), pa.timestamp("us", "UTC"), "ns", "9999-12-31 00:00:00.000000 is no time in"),
        (2**60, pa.timestamp("s"), "us", f'{2**60}.* is no time in microseconds.*="ms"'),
        (2**60, pa.timestamp("s"), "iso8601", f'{2**60}.* is no time in microseconds.*="ms"'),
        (2**60, pa.timestamp("s"), "ms", f'{2**60}.* is no time in milliseconds.*="s"'),
    ],
)
def test_a_time_that_the_unit_does_not_hold_ends_the_run(
    nested: bool, time: Any, kind: Any, unit: str, message: str, make_app: MakeApp
) -> None:
    small = {int: 0, date: DAY, datetime: NOON}[type(time)]
    stored = pa.int64() if time == 2**60 else kind
    near, far = (pa.array([small, small, None, last], stored).cast(kind) for last in (small, time))
    if nested:
        sizes = pa.array([0, 0, 1, 2, 4], pa.int32())
        near, far = (pa.ListArray.from_arrays(sizes, each) for each in (near, far))
    tables = [pa.table({"n": range(4), "t": each}) for each in (near, far)]
    with pytest.raises(tr.ConfigError, match=rf'row 7: column "t": {message}'):
        bring(make_app, Given(*tables, timestamp_unit=unit))


def test_what_tables_raises_is_told_with_its_line(make_app: MakeApp) -> None:
    class Gone(tr.Source):
        def tables(self) -> Iterator[pa.Table]:
            raise KeyError("gone")

    with pytest.raises(
        tr.ConfigError, match=r"Gone\('gone'\): KeyError: 'gone' \(test_source_faults.py line"
    ):
        bring(make_app, Gone("gone"))


@pytest.mark.parametrize("parquets", [False, True])
@pytest.mark.parametrize("dictionary", [False, True])
def test_integers_beyond_int64_go_on_digit_by_digit(
    dictionary: bool, parquets: bool, make_app: MakeApp, tmp_path: Path
) -> None:
    values = pa.array([1, None, 2**63, 2**64 - 1], pa.uint64())
    table = pa.table({"n": [*range(4)], "x": values.dictionary_encode() if dictionary else values})

    def brought(rows: int, on_error: str = "stop", **options: Any) -> tuple[int, int]:
        source: tr.Source = Given(table.slice(0, rows), **options)
        if parquets:
            parquet.write_table(table.slice(0, rows), tmp_path / "given.parquet")
            source = tr.ParquetSource(tmp_path / "given.parquet", **options)
        app = make_app(on_error=on_error)
        app.dataframe(source=source).to_topic(app.topic("out"))
        summary = app.run(until_end=True)
        return summary.rows_out, summary.bad

    assert brought(3) == (3, 0)
    assert brought(4) == (1, 0)
    texts = [record.value.decode() for record in make_app().get_reader("out", until_end=True)]
    digits = ["1", "null", "9223372036854775808", "18446744073709551615"]
    assert texts == [f'{{"n":{n},"x":{each}}}' for n, each in enumerate(digits)]
    assert brought(4, "skip", name="declared", schema={"x": "int64"}) == (2, 2)
    found = r'row 2: wanted a string or an integer as key in "x", found .*9223372036854775808'
    with pytest.raises(tr.ConfigError, match=found):
        brought(4, name="keyed", key="x")


def test_the_pace_is_kept_after_an_interruption_and_with_times_out_of_order(make_app: MakeApp) -> None:
    class Ticks(tr.Source):
        def tables(self) -> Iterator[pa.Table]:
            yield pa.table({"t": [0, 400, 200, 60_000, 60_400, 60_200], "n": [*range(6)]})

    def run(**limits: Any) -> float:
        app = make_app()
        source = Ticks("ticks", timestamp="t")
        app.dataframe(source=source, replay_speed=2).to_topic(app.topic("out"))
        begin = time.monotonic()
        app.run(**limits)
        return time.monotonic() - begin

    run(count=3)
    # From the fourth row on: the time from it to the last ones, and no wait for what was before.
    assert 0.2 <= run(until_end=True) < 10
    numbers = [record.json()["n"] for record in make_app().get_reader("group-ticks", until_end=True)]
    assert numbers == [*range(6)]
