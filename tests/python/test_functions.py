"""Functions of the user: what they get, what they may return, and what happens when they fail."""

import datetime as dt
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tiderace as tr
from conftest import column, records

MakeApp = Callable[..., tr.Application]

ROWS = [{"k": "a", "x": 1}, {"k": "b", "x": 2}, {"k": "a", "x": 3}]


def test_apply_gives_a_new_row(sdf: tr.StreamingDataFrame) -> None:
    assert sdf.apply(lambda row: {"z": row["x"] * 2}).backtest(ROWS).to_pylist() == [
        {"z": 2},
        {"z": 4},
        {"z": 6},
    ]


def test_apply_gives_a_column(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf.apply(lambda row: row["x"] if row["k"] == "a" else None)
    assert sdf.backtest(ROWS)["y"].to_pylist() == [1, None, 3]


def test_columns_and_functions_together(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf["x"] + 1
    sdf = sdf.update(lambda row: row.update(z=row["y"] * 10))
    sdf["total"] = sdf["z"] + sdf["x"]
    assert sdf.backtest(ROWS)["total"].to_pylist() == [21, 32, 43]


def test_filter(sdf: tr.StreamingDataFrame) -> None:
    assert sdf.filter(lambda row: row["x"] != 2).backtest(ROWS)["x"].to_pylist() == [1, 3]
    assert sdf.filter(lambda row: np.bool_(row["x"] > 2)).backtest(ROWS)["x"].to_pylist() == [3]
    assert sdf.filter(sdf["x"] > 1).backtest(ROWS)["x"].to_pylist() == [2, 3]


def test_value_by_value(sdf: tr.StreamingDataFrame) -> None:
    seen: list[Any] = []
    sdf["y"] = sdf["x"].apply(lambda value: seen.append(value) or value)
    values = [None, True, 1, 2.5, "s", {"a": [1, None]}, [1]]
    sdf = sdf[["y"]].filter(lambda row: row["y"] is None)
    sdf.backtest([{"x": value} for value in values])
    assert seen == values
    assert [type(value) for value in seen] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), (True, True), (7, 7), (2**63 - 1, 2**63 - 1), (1.5, 1.5), (float("nan"), None),
        (float("inf"), float("inf")), ("ä\n\"", "ä\n\""), (b"\x00\xff", b"\x00\xff"), (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5), (np.int16(3), 3), (np.bool_(True), True), (np.str_("s"), "s"),
        (pd.NA, None), (pd.NaT, None), ([1, (2.0, None)], "[1,[2.0,null]]"),
        ({"a": {"b": [True]}}, '{"a":{"b":[true]}}'),
        (np.array([1, 2]), "[1,2]"), ({}, "{}"), ([], "[]"),
        ({"n": float("nan"), "i": float("inf")}, '{"n":null,"i":null}'),
    ],
)  # fmt: skip
def test_values_that_functions_return(sdf: tr.StreamingDataFrame, value: Any, expected: Any) -> None:
    sdf["y"] = sdf["x"].apply(lambda _: value)
    assert column(sdf, [0]) == [expected]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (2**63, "range", "an int beyond int64"),
        (dt.datetime(2026, 1, 1), "function", "datetime.datetime"),
        ({"a": {"b": dt.date(2026, 1, 1)}}, "function", r'field "a"\["b"\]: a datetime.date'),
        ({1: 2}, "function", "key of type int"),
        ("\ud800", "function", "lone surrogate"),
        (np.datetime64("2026-01-01"), "function", "datetime"),
        (object(), "function", "a object"),
        ({"x": 2**70}, "range", 'field "x": an int beyond int64'),
    ],
)
def test_values_that_have_no_form(sdf: tr.StreamingDataFrame, value: Any, kind: str, message: str) -> None:
    sdf["y"] = sdf["x"].apply(lambda _: value)
    with pytest.raises(tr.BadRowError, match=message) as error:
        column(sdf, [0])
    assert error.value.kind == kind


def test_a_value_inside_itself(sdf: tr.StreamingDataFrame) -> None:
    endless: list[Any] = []
    endless.append(endless)
    sdf["y"] = sdf["x"].apply(lambda _: endless)
    with pytest.raises(tr.BadRowError, match="nested more than 1000 deep, or in itself"):
        column(sdf, [0])


def test_rows_have_infinities(sdf: tr.StreamingDataFrame) -> None:
    sdf["z"] = sdf["x"] / 0
    sdf["y"] = sdf.apply(lambda row: str(row["z"]))
    assert column(sdf, [1, -1]) == ["inf", "-inf"]


def risky(row: dict[str, Any]) -> dict[str, Any]:
    if row["x"] == 2:
        raise ValueError("two is too many")
    return row


def test_an_exception_makes_the_row_bad(sdf: tr.StreamingDataFrame) -> None:
    line = risky.__code__.co_firstlineno + 2
    message = rf"ValueError: two is too many \(test_functions.py line {line}\)"
    with pytest.raises(tr.BadRowError, match=message) as error:
        sdf.apply(risky).backtest(ROWS)
    assert (error.value.kind, error.value.offset) == ("function", 1)
    assert "apply(risky)" in error.value.step


@pytest.mark.parametrize("policy", ["skip", "dead-letter", lambda bad: "skip"])
def test_an_exception_whose_text_no_utf_8_has_is_a_bad_row(app: tr.Application, policy: Any) -> None:
    def name(row: dict[str, Any]) -> str:
        text = bytes.fromhex(row["raw"]).decode("utf-8", "surrogateescape")
        if not text.isascii():
            raise ValueError("unknown rider " + text)
        return text

    name.__code__ = name.__code__.replace(co_filename="caf\udce9.py")
    name.__name__ = "caf\udce9"
    sdf = app.dataframe(app.topic("t", on_error=policy))
    sdf["rider"] = sdf.apply(name)
    found = sdf.backtest([{"raw": b"anna".hex()}, {"raw": b"caf\xe9".hex()}, {"raw": b"ben".hex()}])
    assert found["rider"].to_pylist() == ["anna", "ben"]
    sdf = app.dataframe(app.topic("u"))
    sdf["rider"] = sdf.apply(name)
    with pytest.raises(tr.BadRowError, match=r"unknown rider caf\\udce9 \(caf\\udce9.py line"):
        sdf.backtest([{"raw": b"caf\xe9".hex()}])


def test_a_policy_that_no_utf_8_has_is_no_policy(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("t", on_error=lambda bad: "caf\udce9"))
    sdf["y"] = sdf["x"] + 1
    with pytest.raises(tr.ConfigError, match=r'found "caf\\udce9"'):
        sdf.backtest([{"x": "one"}])


def test_an_exception_in_a_library_names_the_users_line(sdf: tr.StreamingDataFrame) -> None:
    def parse(row: dict[str, Any]) -> Any:
        return dt.datetime.strptime("x", "%Y")

    sdf["y"] = sdf.apply(parse)
    with pytest.raises(
        tr.BadRowError, match=rf"test_functions.py line {parse.__code__.co_firstlineno + 1}\)"
    ):
        column(sdf, [0])


def test_other_rows_go_on(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input", on_error="skip"))
    assert sdf.apply(risky).backtest(ROWS)["x"].to_pylist() == [1, 3]
    assert app.summary.bad == 1
    assert sdf[["x"]].map_batches(raises_at_two).backtest([{"x": 1}, {"x": 2}, {"x": 3}])[
        "x"
    ].to_pylist() == [1, 3]


@pytest.mark.parametrize("as_column", [True, False])
def test_an_integer_beyond_int64_in_a_batch_is_a_bad_row_of_its_step(
    app: tr.Application, as_column: bool
) -> None:
    def doubled(table: pa.Table) -> pa.Table:
        return pa.table(
            {"n": pa.array([2**64 - 1 if x == 2 else int(x) for x in table["x"].to_pylist()], pa.uint64())}
        )

    def frame(topic: str, on_error: str) -> tr.StreamingDataFrame:
        sdf = app.dataframe(app.topic(topic, on_error=on_error))
        if not as_column:
            return sdf[["x"]].map_batches(doubled)
        sdf["n"] = sdf[["x"]].map_batches(doubled)
        return sdf

    rows = [{"x": 1}, {"x": 2}, {"x": 3}]
    assert frame("input", "skip").backtest(rows)["n"].to_pylist() == [1, 3]
    assert app.summary.bad == 1
    with pytest.raises(tr.BadRowError, match="wanted an int64, found 18446744073709551615") as error:
        frame("strict", "stop").backtest(rows)
    assert (error.value.kind, error.value.offset) == ("range", 1)
    assert "map_batches(doubled" in error.value.step


def test_a_table_of_wrong_length_is_not_split_until_it_fits(app: tr.Application) -> None:
    calls = []

    def total(table: pa.Table) -> pa.Table:
        calls.append(table.num_rows)
        return table.slice(0, 1)

    sdf = app.dataframe(app.topic("input", on_error="skip"))
    assert sdf[["x"]].map_batches(total).backtest([{"x": 1}, {"x": 2}, {"x": 3}]).num_rows == 0
    assert (app.summary.bad, calls) == (3, [3])
    with pytest.raises(tr.BadRowError, match="a value for each of the 3 rows, found 1"):
        app.dataframe(app.topic("strict"))[["x"]].map_batches(total).backtest([{"x": 1}, {"x": 2}, {"x": 3}])


NOBODY_COULD_USE = [
    (b'{"k":1,"note":"\\ud800"}', "parse", "half a surrogate pair"),
    (b'{"k":1,"\\udc00":2}', "parse", "half a surrogate pair"),
    (b'{"k":1,"n":{"id":12345678901234567890}}', "range", "12345678901234567890"),
    (b'{"k":1,"x":1e999}', "range", "1e999"),
    (b'{"k":1,"x":1,"x":2}', "parse", 'the field "x" twice'),
    (b'{"k":1,"n":[{"x":1,"x":2}]}', "parse", 'the field "x" twice'),
]


@pytest.mark.parametrize(("value", "kind", "message"), NOBODY_COULD_USE, ids=lambda each: str(each)[:30])
@pytest.mark.parametrize("method", ["apply", "filter", "update", "value"])
def test_what_a_function_cannot_be_given_makes_the_row_bad(
    make_app: MakeApp, tmp_path: Path, method: str, value: bytes, kind: str, message: str
) -> None:
    app = make_app(on_error="dead-letter")
    sdf = app.dataframe(app.topic("input"))
    if method == "value":
        sdf["y"] = sdf.apply(lambda row: 1)
    else:
        sdf = getattr(sdf, method)(lambda row: row and True if method == "filter" else row)
    sdf.to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", "k", b'{"k":0}')
        producer.produce("input", "k", value)
        producer.produce("input", "k", b'{"k":2}')
    summary = app.run(until_end=True)
    assert (summary.rows_in, summary.rows_out, summary.bad) == (3, 2, 1)
    (letter,) = records(tmp_path / "log", "group-dead-letters")
    assert letter["value"] == value
    errors = dict(letter["headers"])
    assert errors["__tiderace.errors.kind"] == kind
    assert message in errors["__tiderace.errors.message"]


def test_infinities_that_functions_return_in_rows_are_null_and_counted(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app()
    sdf = app.dataframe(app.topic("input"))
    sdf["inf"] = sdf["x"] / 0
    sdf = sdf.update(lambda row: row.update(list=[float("-inf"), row["inf"]]))
    sdf["isnull"] = sdf["inf"].isnull()
    sdf.to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", "k", {"x": 1})
    assert app.run(until_end=True).not_finite == 3
    (record,) = records(tmp_path / "log", "output")
    assert record["value"] == b'{"x":1,"inf":null,"list":[null,null],"isnull":true}'


@pytest.mark.parametrize("batch_rows", [1, 2, 3])
def test_types_do_not_depend_on_the_batch(app: tr.Application, batch_rows: int) -> None:
    types = set()

    def norm(x: np.ndarray, y: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        types.update([x.dtype, y.dtype])
        return np.sqrt(x**2 + y**2)

    sdf = app.dataframe(app.topic("input"))
    sdf["n"] = sdf[["x", "y"]].map_batches(norm)
    rows = [{"x": 3.0, "y": 4}, {"x": None, "y": 1.0}, {"x": 0, "y": 2}]
    assert sdf.backtest(rows, batch_rows=batch_rows)["n"].to_pylist() == [5.0, None, 2.0]
    assert types == {np.dtype("float64")}


def raises_at_two(table: pa.Table) -> pa.Table:
    if 2 in table["x"].to_pylist():
        raise ValueError("two")
    return table


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_the_run(
    sdf: tr.StreamingDataFrame, exception: type[BaseException]
) -> None:
    def stop(row: dict[str, Any]) -> None:
        raise exception

    for frame in (sdf.apply(stop), sdf[["x"]].map_batches(stop)):
        with pytest.raises(exception):
            frame.backtest(ROWS)


def test_functions_run_on_the_calling_thread(sdf: tr.StreamingDataFrame) -> None:
    threads = set()
    frames: list[str] = []

    def look(row: dict[str, Any]) -> dict[str, Any]:
        threads.add(threading.current_thread())
        frames.append(sys._getframe(1).f_code.co_name)
        return row

    sdf.apply(look).backtest(ROWS)
    assert threads == {threading.main_thread()}
    assert set(frames) == {"backtest"}  # a debugger sees the caller


def test_state(sdf: tr.StreamingDataFrame) -> None:
    def remember(row: dict[str, Any], state: tr.State) -> Any:
        before = state.get("rows", default=[])
        assert state.exists("rows") == bool(before)
        state.set("rows", [*before, {"x": row["x"], "inf": float("inf")}])
        if len(before) == 2:
            state.delete("rows")
            state.delete("never there")
        return before

    sdf["y"] = sdf.apply(remember, stateful=True)
    rows = [{"k": "a", "x": x} for x in range(4)]
    found = sdf.backtest(rows, key="k", batch_rows=1)["y"].to_pylist()
    assert found == ["[]", '[{"x":0,"inf":null}]', '[{"x":0,"inf":null},{"x":1,"inf":null}]', "[]"]


def test_state_of_a_failed_call_is_undone(app: tr.Application) -> None:
    def count(row: dict[str, Any], state: tr.State) -> int:
        state.set("n", state.get("n", 0) + 1)
        if row["x"] == 2:
            raise ValueError
        return int(state.get("n"))

    sdf = app.dataframe(app.topic("input", on_error="skip"))
    sdf["n"] = sdf.apply(count, stateful=True)
    rows = [{"k": "a", "x": x} for x in (1, 2, 3)]
    assert sdf.backtest(rows, key="k")["n"].to_pylist() == [1, 2]


def test_state_is_per_key_and_filters_and_updates_have_it(sdf: tr.StreamingDataFrame) -> None:
    def first(row: dict[str, Any], state: tr.State) -> bool:
        seen = state.exists("seen")
        state.set("seen", True)
        return not seen

    def number(row: dict[str, Any], state: tr.State) -> None:
        state.set("n", state.get("n", 0) + 1)
        row["n"] = state.get("n")

    assert sdf.filter(first, stateful=True).backtest(ROWS, key="k")["x"].to_pylist() == [1, 2]
    assert sdf.update(number, stateful=True).backtest(ROWS, key="k")["n"].to_pylist() == [1, 1, 2]


def test_state_after_the_call(sdf: tr.StreamingDataFrame) -> None:
    kept: list[tr.State] = []
    sdf["y"] = sdf.apply(lambda row, state: kept.append(state), stateful=True)
    sdf.backtest(ROWS, key="k")
    with pytest.raises(tr.StateError, match="after the function's call"):
        kept[0].get("x")


def test_state_refuses_what_json_cannot_hold(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf.apply(lambda row, state: state.set("when", dt.date(2026, 1, 1)), stateful=True)
    with pytest.raises(tr.BadRowError, match=r"state when: a datetime\.date"):
        sdf.backtest(ROWS, key="k")


def as_table(table: pa.Table) -> pa.Table:
    assert isinstance(table, pa.Table)
    return table


def without_annotation(table):  # type: ignore[no-untyped-def]
    assert isinstance(table, pa.Table)
    return table


def as_record_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    assert isinstance(batch, pa.RecordBatch)
    return batch


def as_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    assert isinstance(frame, pd.DataFrame)
    return frame


def as_dict(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    assert {name: type(each) for name, each in columns.items()} == {"a": np.ndarray, "b": np.ndarray}
    return columns


@pytest.mark.parametrize("function", [as_table, without_annotation, as_record_batch, as_pandas, as_dict])
def test_forms_of_batches(sdf: tr.StreamingDataFrame, function: Any) -> None:
    sdf = sdf[["a", "b"]].map_batches(function)
    rows = [{"a": 1.5, "b": 2}, {"a": 2.5, "b": None}]
    assert sdf.backtest(rows).to_pylist() == [{"a": 1.5, "b": 2.0}, {"a": 2.5, "b": None}]


def as_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


@pytest.mark.parametrize(
    "function",
    [
        as_arrays,
        lambda table: pa.array([1.5, None]),
        lambda table: pa.chunked_array([[1.5], [None]]),
        lambda table: pd.Series([1.5, np.nan]),
        lambda table: np.array([1.5, np.nan]),
        lambda table: [1.5, None],
        lambda table: pa.table({"anything": [1.5, None]}),
        lambda table: {"anything": [1.5, None]},
    ],
)
def test_forms_of_columns(sdf: tr.StreamingDataFrame, function: Any) -> None:
    sdf["y"] = sdf[["a", "b"]].map_batches(function)
    assert sdf.backtest([{"a": 0.5, "b": 1}, {"a": None, "b": 1}])["y"].to_pylist() == [1.5, None]


def test_numbers_are_floats_unless_declared(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input", schema={"b": "int64"}))
    sdf["y"] = sdf[["a", "b"]].map_batches(lambda table: [str(table.schema.types)] * len(table))
    assert sdf.backtest([{"a": 1, "b": 1}])["y"].to_pylist() == ["[DataType(double), DataType(int64)]"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda table: [1.0] * 7, "a value for each"),
        (lambda table: pa.table({"a": [1, 2], "b": [1, 2]}), "one column"),
        (lambda table: np.zeros((2, 2)), "dim"),
        (lambda table: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_batches_that_fail(sdf: tr.StreamingDataFrame, function: Any, message: str) -> None:
    sdf["y"] = sdf[["a"]].map_batches(function)
    with pytest.raises(tr.BadRowError, match=message) as error:
        sdf.backtest([{"a": 1.0}, {"a": 2.0}, {"a": 2.0}])
    assert error.value.kind == "function"


def test_a_function_that_chooses_the_policy(app: tr.Application) -> None:
    seen: list[tr.BadRow] = []

    def choose(row: tr.BadRow) -> str:
        seen.append(row)
        return "skip" if row.offset == 1 else "stop"

    sdf = app.dataframe(app.topic("input", on_error=choose))
    sdf["y"] = sdf["x"] + 1
    assert sdf.backtest([{"x": 1}, {"x": "one"}, {"x": 3}])["x"].to_pylist() == [1, 3]
    assert (seen[0].kind, seen[0].offset, seen[0].topic) == ("type", 1, "")
    assert 'the string "one"' in repr(seen[0])
    with pytest.raises(tr.BadRowError):
        sdf.backtest([{"x": 1}, {"x": 2}, {"x": "three"}])


def test_a_policy_function_that_returns_nonsense(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input", on_error=lambda row: "perhaps"))
    sdf["y"] = sdf["x"] + 1
    with pytest.raises(tr.ConfigError, match="what on_error returned"):
        sdf.backtest([{"x": "one"}])


@pytest.mark.parametrize("annotation", [list, "pd.Series", str])
def test_batches_for_what_is_no_function_of_tables(annotation: Any, sdf: tr.StreamingDataFrame) -> None:
    def annotated(values: Any) -> Any:
        return values

    annotated.__annotations__["values"] = annotation
    for function in (3, None, annotated):
        with pytest.raises(tr.PlanError, match=r"map_batches: wanted a function with pyarrow.Table"):
            sdf[["x"]].map_batches(function)


def test_batches_of_no_columns_are_bad(sdf: tr.StreamingDataFrame) -> None:
    with pytest.raises(tr.BadRowError, match="has to return at least one column, found none"):
        sdf[["x"]].map_batches(lambda table: {}).backtest([{"x": 1}])
