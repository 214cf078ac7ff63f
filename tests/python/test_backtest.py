"""Backtests: every form of data in, one Arrow table out."""

import datetime as dt
import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
import pytest
import tiderace as tr
from conftest import assert_ctrl_c_ends

ROWS = [{"k": "a", "t": 1000 * i, "x": float(i % 7)} for i in range(20)]
TABLE = pa.Table.from_pylist(ROWS)
MEANS = [sum(row["x"] for row in ROWS[max(0, i - 2) : i + 1]) / min(i + 1, 3) for i in range(20)]  # type: ignore[misc]


@pytest.fixture
def mean(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    sdf["mean"] = sdf["x"].rolling("3s").mean()
    return sdf


class OnlyArrow:
    """Nothing but the protocol."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        pa.Table.from_batches(TABLE.to_batches(max_chunksize=3)),
        TABLE.to_pandas(),
        pl.from_arrow(TABLE),
        OnlyArrow(),
        ROWS,
        TABLE.to_batches()[0],
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=6)),
    ],
    ids=lambda data: type(data).__module__ + "." + type(data).__name__,
)
def test_forms_of_data(mean: tr.StreamingDataFrame, data: Any) -> None:
    result = mean.backtest(data, key="k", timestamp="t")
    assert isinstance(result, pa.Table)
    assert result.column_names == ["k", "t", "x", "mean"]
    assert result["mean"].to_pylist() == pytest.approx(MEANS, rel=1e-12)
    assert result["x"].to_pylist() == [row["x"] for row in ROWS]


def test_files(mean: tr.StreamingDataFrame, tmp_path: Path) -> None:
    (tmp_path / "rows.ndjson").write_text("\n".join(json.dumps(row) for row in ROWS))
    pyarrow.csv.write_csv(TABLE, tmp_path / "rows.csv")
    pyarrow.parquet.write_table(TABLE, tmp_path / "rows.parquet")
    expected = mean.backtest(TABLE, key="k", timestamp="t")
    for name in ("rows.ndjson", "rows.csv", "rows.parquet"):
        for path in (tmp_path / name, str(tmp_path / name)):
            assert (
                mean.backtest(path, key="k", timestamp="t")["mean"].to_pylist()
                == expected["mean"].to_pylist()
            )


def test_bad_lines_of_a_file(app: tr.Application, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"x": 1}\n{"x": \n[]\n{"x": 4}\n')
    sdf = app.dataframe(app.topic("input", on_error="skip"))
    assert sdf.backtest(path)["x"].to_pylist() == [1, 4]
    assert app.summary.bad == 2
    stopping = app.dataframe(app.topic("stopping"))
    with pytest.raises(tr.BadRowError) as error:
        stopping.backtest(path)
    assert (error.value.kind, error.value.offset) == ("parse", 1)


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, 20, 1000, None])
def test_batches_do_not_matter(mean: tr.StreamingDataFrame, batch_rows: int | None) -> None:
    whole = mean.backtest(TABLE, key="k", timestamp="t")
    assert mean.backtest(TABLE, key="k", timestamp="t", batch_rows=batch_rows).equals(whole)


@pytest.mark.parametrize("large", [False, True])
def test_texts_come_from_chunks_and_nulls_may_stand_over_characters(
    sdf: tr.StreamingDataFrame, large: bool
) -> None:
    ends = np.cumsum([0, *(i % 5 for i in range(40))]).astype(np.int64 if large else np.int32)
    characters = pa.py_buffer(bytes(range(97, 97 + 20)) * 4)
    valid = pa.array([i % 7 != 3 for i in range(40)]).buffers()[1]
    kind = pa.LargeStringArray if large else pa.StringArray
    texts = kind.from_buffers(40, pa.py_buffer(ends), characters, valid)
    chunks = pa.chunked_array([texts.slice(3, 9), texts.slice(20, 0), texts, texts.slice(17)])
    sdf["upper"] = sdf["s"].str.upper()
    told = sdf.backtest(pa.table({"s": chunks, "x": [1.0] * len(chunks)}), batch_rows=7)
    assert told["upper"].to_pylist() == [text and text.upper() for text in chunks.to_pylist()]


def test_untouched_columns_keep_their_types(sdf: tr.StreamingDataFrame) -> None:
    table = pa.table(
        {
            "small": pa.array([1, 2, 3], pa.int8()),
            "time": pa.array([0, 1, 2], pa.timestamp("us", "Europe/Berlin")),
            "date": pa.array([0, 1, 2], pa.date32()),
            "category": pa.array(["a", "b", "a"]).dictionary_encode(),
            "decimal": pa.array([Decimal("1.10"), None, Decimal("3.30")]),
            "struct": pa.array([{"lat": 1.5}, {"lat": 2.5}, None]),
            "list": pa.array([[1], [], None]),
            "x": pa.array([1.0, None, 3.0], pa.float32()),
        }
    )
    sdf = sdf[sdf["x"].notnull()]
    sdf["y"] = sdf["x"] + sdf["small"]
    result = sdf.backtest(table)
    assert result.drop_columns("y").equals(table.take([0, 2]))
    assert result["y"].to_pylist() == [2.0, 6.0]
    renamed = sdf.rename({"date": "day"}).drop(["list"])[["x", "day", "time"]].backtest(table)
    assert renamed.schema.types == [pa.float32(), pa.date32(), pa.timestamp("us", "Europe/Berlin")]


def test_structs_are_nested_values(sdf: tr.StreamingDataFrame) -> None:
    sdf["lat"] = sdf["gps"]["lat"]
    assert sdf.backtest(pa.table({"gps": [{"lat": 1.5}, None]}))["lat"].to_pylist() == [1.5, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_arrow_timestamps(mean: tr.StreamingDataFrame, unit: str) -> None:
    times = pa.array([row["t"] for row in ROWS], pa.timestamp("ms")).cast(pa.timestamp(unit))
    data = TABLE.set_column(1, "t", times)
    assert mean.backtest(data, key="k", timestamp="t")["mean"].to_pylist() == pytest.approx(MEANS)


def test_iso_timestamps(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input", timestamp="t", timestamp_unit="iso8601"))
    sdf["n"] = sdf["x"].rolling("3s").count()
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [{"k": 1, "t": (start + dt.timedelta(seconds=2 * i)).isoformat(), "x": i} for i in range(4)]
    assert sdf.backtest(rows, key="k")["n"].to_pylist() == [1, 2, 2, 2]


def test_integer_keys_are_text(sdf: tr.StreamingDataFrame) -> None:
    sdf["before"] = sdf["x"].shift()
    rows = [{"k": 1, "x": 1}, {"k": "1", "x": 2}]
    assert sdf[["before"]].backtest(rows, key="k")["before"].to_pylist() == [None, 1]


def test_documents(sdf: tr.StreamingDataFrame) -> None:
    sdf = sdf.apply(lambda row: {"x": row["x"], "half": row["x"] / 2, "name": "é"} if row["x"] else {"x": 0})
    assert sdf.backtest([{"x": 3}, {"x": 0}]).to_pylist() == [
        {"x": 3, "half": 1.5, "name": "é"},
        {"x": 0, "half": None, "name": None},
    ]


def test_mixed_kinds_say_astype(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = tr.where(sdf["x"] > 0, sdf["x"], "none")
    with pytest.raises(tr.PlanError, match=r'(?s)"y".*astype'):
        sdf.backtest([{"x": 1}, {"x": -1}])
    sdf["y"] = sdf["y"].astype("string")
    assert sdf.backtest([{"x": 1}, {"x": -1}])["y"].to_pylist() == ["1", "none"]


def test_ints_and_floats_make_floats(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf["x"] * 2
    result = sdf.backtest([{"x": 1}, {"x": 1.5}])["y"]
    assert (result.type, result.to_pylist()) == (pa.float64(), [2.0, 3.0])


def test_nothing_in_nothing_out(mean: tr.StreamingDataFrame) -> None:
    result = mean.backtest(TABLE.slice(0, 0), key="k", timestamp="t")
    assert result.column_names == ["k", "t", "x", "mean"]
    assert result.num_rows == 0
    assert mean.backtest(TABLE, key="k", timestamp="t").num_rows == 20  # no state is left


def test_no_documents(mean: tr.StreamingDataFrame, tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_bytes(b"")
    nothing: list[Any] = [[], empty]
    for data in nothing:
        result = mean.backtest(data, key="k", timestamp="t")
        assert (set(result.column_names), result.num_rows) == ({"k", "t", "x", "mean"}, 0)


def test_the_index_of_a_pandas_frame(sdf: tr.StreamingDataFrame) -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=["a", "b"])
    assert sdf.backtest(frame).to_pylist() == [{"x": 1}, {"x": 2}]
    assert sdf.backtest(frame.rename_axis("k")).to_pylist() == [{"k": "a", "x": 1}, {"k": "b", "x": 2}]


def test_types_that_cannot_be_read_have_their_names(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf["x"] + 1
    for values, name in (
        (pa.array([Decimal("1.5")]), r"decimal128\(2,1\)"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "map"),
    ):
        with pytest.raises(tr.PlanError, match=rf'the column \["x"\] is of the Arrow type {name}'):
            sdf.backtest(pa.table({"x": values}))


def test_fields_that_come_with_half_a_surrogate_pair(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_bytes(b'{"a":1}\n{"a":2,"b":5,"s":"\\ud800"}\n{"a":3}\n')
    assert sdf.drop("s").backtest(file)["b"].to_pylist() == [None, 5, None]


def test_a_row_that_stops_a_backtest_counts(app: tr.Application, sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf["x"] + 1
    with pytest.raises(tr.BadRowError) as raised:
        sdf.backtest([{"k": "a", "x": 1}, {"k": "b", "x": "high"}, {"k": "c", "x": 2}], key="k")
    assert (raised.value.offset, raised.value.key) == (1, "b")
    assert (app.summary.rows_in, app.summary.rows_out, app.summary.bad) == (2, 1, 1)


def test_keys_of_other_kinds(mean: tr.StreamingDataFrame) -> None:
    with pytest.raises(
        tr.BadRowError, match='a string or an integer as the key in the column "k", found the'
    ):
        mean.backtest([{"k": 1.5, "t": 1, "x": 1}], key="k", timestamp="t")


def test_files_that_cannot_be_read(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    latin, broken = tmp_path / "latin.csv", tmp_path / "broken.parquet"
    latin.write_bytes(b"a,b\n1,x\n2,caf\xe9\n")
    broken.write_bytes(b"no parquet")
    with pytest.raises(tr.PlanError, match="CSV line 3: wanted UTF-8, found the byte 0xe9"):
        sdf.backtest(latin)
    for path in (broken, tmp_path / "missing.parquet"):
        with pytest.raises(tr.PlanError, match=f"cannot read '{path}'"):
            sdf.backtest(path)


@pytest.mark.parametrize(
    "nothing", [pd.DataFrame(), pl.DataFrame(), pa.table({})], ids=["pandas", "polars", "pyarrow"]
)
def test_a_table_without_columns_has_no_rows(app: tr.Application, nothing: Any) -> None:
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = sdf["x"] + 1
    assert sdf.backtest(nothing).num_rows == 0


def test_suffixes_may_be_in_capitals(app: tr.Application, tmp_path: Path) -> None:
    path = tmp_path / "RIDES.CSV"
    path.write_text("x\n1\n")
    sdf = app.dataframe(app.topic("input"))
    assert sdf.backtest(path).to_pylist() == [{"x": 1}]


def test_summary(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input", on_error="skip"))
    sdf = sdf[sdf["x"] > 1]
    sdf["y"] = sdf["x"] + sdf["z"]
    sdf.backtest([{"x": 1, "z": 0}, {"x": 2, "z": "s"}, {"x": 3, "z": 1}])
    summary = app.summary
    assert (summary.rows_in, summary.rows_out, summary.filtered, summary.bad, summary.late) == (3, 1, 1, 1, 0)
    assert "3" in str(summary)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (TABLE, {"timestamp": "t"}, 'key="rider"'),
        (TABLE, {"key": "k"}, "timestamp"),
        (TABLE, {"key": "nobody", "timestamp": "t"}, '"nobody" is no column'),
        (TABLE, {"key": "k", "timestamp": "never"}, '"never" is no column'),
        (3, {"key": "k"}, "wanted a pyarrow, pandas or polars table"),
        (pd.Series([1], name="x"), {}, "found Series, which Arrow does not take"),
        (pl.Series("x", [1]), {}, "found Series, which Arrow does not take"),
        (pa.chunked_array([[1]]), {}, "found ChunkedArray, which Arrow does not take"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), {}, "names of their own.*'x', 'x'"),
        (pd.DataFrame({"x": [1, "a"]}), {}, "values of one type.*column x.*a list of dicts"),
        (pd.DataFrame({"x": [2**70]}), {}, "found: Python int too large.*a list of dicts"),
        ([1], {"key": "k"}, "row 0: wanted a dict"),
        (Path("rides.pq"), {}, "wanted a file .ndjson, .jsonl, .json, .csv or .parquet, found 'rides.pq'"),
        ([{"k": object()}], {"key": "k"}, 'row 0, field "k": a object'),
        ([{1: 2}], {"key": "k"}, "row 0: wanted names of fields that are str, found 1"),
        (TABLE.drop_columns(["x"]), {"key": "k", "timestamp": "t"}, r'^sdf\["x"\].*the column "x"'),
        (pa.table({"k": ["a"], "t": [1]}), {"key": "k", "timestamp": "t"}, '"x"'),
        (Path("missing.ndjson"), {}, "missing.ndjson"),
        (Path("missing.csv"), {}, "missing.csv"),
    ],
)  # fmt: skip
def test_mistakes(mean: tr.StreamingDataFrame, data: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises(tr.PlanError, match=message):
        mean.backtest(data, **options)


def test_same_values_from_columns_and_from_json(app: tr.Application) -> None:
    numbers = np.random.default_rng(1).normal(size=200) * 10.0 ** np.arange(-100, 100)
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = sdf["x"].rolling(5, min_periods=1).mean() * 3 - sdf["x"].exp() / 7
    rows = [{"k": 1, "x": float(x)} for x in numbers]
    from_json = sdf.backtest(rows, key="k")["y"]
    from_columns = sdf.backtest(pd.DataFrame(rows), key="k", batch_rows=7)["y"]
    assert from_json.to_pylist() == from_columns.to_pylist()


def test_ctrl_c_ends_a_long_backtest(tmp_path: Path) -> None:
    program = """
import numpy as np, pyarrow as pa, tiderace as tr
app = tr.Application(consumer_group="g")
sdf = app.dataframe(app.topic("t"))
sdf["y"] = sdf["x"].rolling(1000).std()
table = pa.table({"k": np.zeros(40_000_000, np.int8), "x": np.zeros(40_000_000, np.int8)})
try:
    print("ready", flush=True)
    sdf.backtest(table, key="k", progress=False)
except KeyboardInterrupt:
    print("interrupted")
"""
    assert_ctrl_c_ends(program)


def test_long_tables_are_shared_among_threads(mean: tr.StreamingDataFrame) -> None:
    rows, keys = 400_000, 50
    random = np.random.default_rng(1)
    table = pa.table(
        {
            "k": pa.array([f"key-{key}" for key in range(keys)]).take(random.integers(0, keys, rows)),
            "t": np.sort(random.integers(0, 10_000_000, rows)),
            "x": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
        }
    )
    shared = mean.backtest(table, key="k", timestamp="t")
    assert shared.select(table.column_names).equals(table)
    for key in range(0, keys, 7):
        alone = shared.filter(pa.compute.equal(table["k"], f"key-{key}"))
        of_key = table.filter(pa.compute.equal(table["k"], f"key-{key}"))
        assert mean.backtest(of_key, key="k", timestamp="t").equals(alone)


def test_a_model_in_python_sees_rows_in_order_on_this_thread(sdf: tr.StreamingDataFrame) -> None:
    threads: set[int] = set()
    seen: list[np.ndarray[Any, Any]] = []

    class Model:
        def predict(self, features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            threads.add(threading.get_ident())
            seen.append(features[:, 0])
            return features[:, 0]

    sdf["y"] = tr.load_model(Model()).predict(sdf[["x"]])
    x = np.arange(200_000.0)
    result = sdf.backtest(pa.table({"k": np.arange(200_000) % 7, "t": np.arange(200_000), "x": x}), key="k")
    assert threads == {threading.get_ident()}
    assert np.array_equal(np.concatenate(seen), x)
    assert np.array_equal(result["y"].to_numpy(), x)


def test_a_result_does_not_stand_on_memory_that_may_change(mean: tr.StreamingDataFrame) -> None:
    frame = TABLE.to_pandas()
    result = mean.backtest(frame, key="k", timestamp="t")
    frame.loc[:, "x"] = 99.0
    assert result["x"].to_pylist() == [row["x"] for row in ROWS]


@pytest.mark.parametrize(
    ("topic", "sums"),
    [
        ({"timestamp_unit": "s"}, [1, 4]),
        ({"timestamp_unit": "s", "timestamp": "t"}, [1, 4]),
        ({"timestamp_unit": "s", "timestamp": "other"}, [1, 5]),
        ({}, [1, 5]),
    ],
)
def test_times_are_in_the_unit_of_the_topic(
    app: tr.Application, topic: dict[str, str], sums: list[int]
) -> None:
    sdf = app.dataframe(app.topic("units", **topic))  # type: ignore[arg-type]
    sdf["sum"] = sdf["x"].rolling("10s").sum()
    rows = [{"k": 1, "t": 1706781600, "x": 1}, {"k": 1, "t": 1706781615, "x": 4}]
    assert sdf.backtest(rows, key="k", timestamp="t")["sum"].to_pylist() == sums


@pytest.mark.parametrize(("value", "found"), [(42, "the number 42"), ("52.1", 'the string "52.1"')])
def test_what_is_no_object_is_named_as_it_stands_in_the_table(
    app: tr.Application, value: object, found: str
) -> None:
    sdf = app.dataframe(app.topic("input"))
    sdf["result"] = sdf["gps"]["lat"]
    with pytest.raises(tr.BadRowError) as error:
        sdf.backtest([{"gps": value}])
    assert error.value.message == f'field "gps"."lat": wanted an object in "gps", found {found}'
