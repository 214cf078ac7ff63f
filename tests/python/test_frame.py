"""Frames and series: what each method says, and that a plan is a value."""

import datetime as dt
import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiderace as tr
from conftest import column


class Double:
    def predict(self, features: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return features[:, 0] * 2


def test_operators_on_both_sides(sdf: tr.StreamingDataFrame) -> None:
    x = sdf["x"]
    results = {
        "add": x + 1, "radd": 1 + x, "sub": x - 1, "rsub": 1 - x, "mul": x * 3, "rmul": 3 * x,
        "div": x / 4, "rdiv": 4 / x, "floor": x // 3, "rfloor": 3 // x, "mod": x % 3, "rmod": 3 % x,
        "pow": x**2, "rpow": 2**x,
        "neg": -x, "abs": abs(-x), "lt": x < 8, "le": x <= 8, "gt": x > 8, "ge": x >= 8, "eq": x == 8,
        "ne": x != 8,
        "and": (x > 1) & (x < 3), "or": (x > 9) | (x == 8), "rand": True & (x > 1), "ror": False | (x > 1),
        "invert": ~(x > 1), "yoda": operator.gt(8, x),
    }  # fmt: skip
    for name, series in results.items():
        sdf[name] = series
    row = sdf.drop("x").backtest([{"x": 8}]).to_pylist()[0]
    assert row == {
        "add": 9, "radd": 9, "sub": 7, "rsub": -7, "mul": 24, "rmul": 24, "div": 2.0, "rdiv": 0.5,
        "floor": 2,
        "rfloor": 0, "mod": 2, "rmod": 3, "pow": 64, "rpow": 256, "neg": -8, "abs": 8, "lt": False,
        "le": True,
        "gt": False, "ge": True, "eq": True, "ne": False, "and": False, "or": True, "rand": True, "ror": True,
        "invert": False, "yoda": False,
    }  # fmt: skip


def test_functions_of_numbers(sdf: tr.StreamingDataFrame) -> None:
    x = sdf["x"]
    sdf["abs"], sdf["round"], sdf["sqrt"] = x.abs(), x.round(1), x.abs().sqrt()
    sdf["exp"], sdf["log"], sdf["clip"] = x.exp(), x.abs().log(), x.clip(-1, upper=1)
    sdf["between"], sdf["isin"] = x.between(-3, 0), x.isin([1, -2.25])
    sdf["int"] = x.round().astype(int)
    row = sdf.backtest([{"x": -2.25}]).to_pylist()[0]
    assert (row["abs"], row["round"], row["sqrt"], row["clip"]) == (2.25, -2.2, 1.5, -1)
    assert row["exp"] == pytest.approx(np.exp(-2.25), rel=1e-15)
    assert row["log"] == pytest.approx(np.log(2.25), rel=1e-15)
    assert (row["between"], row["isin"], row["int"]) == (True, True, -2)


def test_nulls(sdf: tr.StreamingDataFrame) -> None:
    x = sdf["x"]
    sdf["isnull"], sdf["isna"], sdf["notnull"], sdf["notna"] = x.isnull(), x.isna(), x.notnull(), x.notna()
    sdf["filled"], sdf["more"], sdf["and"] = x.fillna(7), x + 1, (x > 0) & False
    table = sdf.backtest([{"x": None}, {}, {"x": 1}])
    assert table["isnull"].to_pylist() == table["isna"].to_pylist() == [True, True, False]
    assert table["notnull"].to_pylist() == table["notna"].to_pylist() == [False, False, True]
    assert table["filled"].to_pylist() == [7, 7, 1]
    assert table["more"].to_pylist() == [None, None, 2]
    assert table["and"].to_pylist() == [False, False, False]
    assert sdf[x > 0].backtest([{"x": None}, {"x": 1}]).num_rows == 1


def test_strings(sdf: tr.StreamingDataFrame) -> None:
    text = sdf["x"].str
    sdf["lower"], sdf["upper"], sdf["len"] = text.lower(), text.upper(), text.len()
    sdf["regex"], sdf["literal"] = text.contains("^c.t"), text.contains(".", regex=False)
    sdf["starts"], sdf["ends"] = text.startswith("Cit"), text.endswith("ité")
    row = sdf.drop("x").backtest([{"x": "Cité"}]).to_pylist()[0]
    assert row == {"lower": "cité", "upper": "CITÉ", "len": 4, "regex": False, "literal": False,
                   "starts": True, "ends": True}  # fmt: skip


def test_nested_paths(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = sdf["x"]["gps"]["lat"] + 1
    assert column(sdf, [{"gps": {"lat": 1.5}}, {"gps": {}}, None]) == [2.5, None, None]


def test_where(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = tr.where(sdf["x"] > 1, sdf["x"], "small")
    assert sdf[sdf["x"] > 1].backtest([{"x": 2}])["y"].to_pylist() == [2]
    assert column(sdf, [1]) == ["small"]


def test_numpy_functions(sdf: tr.StreamingDataFrame) -> None:
    sdf["y"] = np.sqrt(sdf["x"]) + np.float64(2) * sdf["x"] - np.int64(1)
    assert column(sdf, [4.0]) == [9.0]
    sdf["z"] = np.abs(sdf["x"]) + np.exp(sdf["x"] * 0) + np.log(sdf["x"] ** 0)
    assert column(sdf, [-3], "z") == [4.0]
    with pytest.raises(TypeError):
        np.sin(sdf["x"])


def test_columns(sdf: tr.StreamingDataFrame) -> None:
    rows = [{"a": 1, "b": "s", "c": 2.5}]
    assert sdf[["c", "a"]].backtest(rows).to_pylist() == [{"c": 2.5, "a": 1}]
    assert sdf.drop(["a", "c"]).backtest(rows).to_pylist() == [{"b": "s"}]
    assert sdf.rename({"a": "z"}).backtest(rows).to_pylist() == [{"z": 1, "b": "s", "c": 2.5}]
    sdf["a"] = sdf["a"] + 1
    sdf["d"] = "constant"
    sdf["e"] = None
    assert sdf.backtest(rows).to_pylist() == [{"a": 2, "b": "s", "c": 2.5, "d": "constant", "e": None}]


def test_a_frame_is_a_value(sdf: tr.StreamingDataFrame) -> None:
    before = sdf
    after = sdf.drop("x")
    other = sdf[["x"]]
    assert column(before, [1], "x") == [1]
    assert after.backtest([{"x": 1, "y": 2}]).column_names == ["y"]
    assert other.backtest([{"x": 1, "y": 2}]).column_names == ["x"]


def test_rolling(sdf: tr.StreamingDataFrame) -> None:
    rows = [{"k": "a", "t": 1000 * t, "x": float(x)} for t, x in enumerate([1, 2, 6, 3])]
    for name in ("mean", "sum", "min", "max", "count", "std", "var"):
        sdf[name] = getattr(sdf["x"].rolling("2s"), name)()
    sdf["rows"] = sdf["x"].rolling(2).sum()
    sdf["delta"] = sdf["x"].rolling(dt.timedelta(seconds=2)).mean()
    sdf["population"] = sdf["x"].rolling("2s").var(ddof=0)
    sdf["diff"] = sdf["x"].diff()
    sdf["shift"] = sdf["x"].shift(2)
    table = sdf.backtest(rows, key="k", timestamp="t")
    assert table["mean"].to_pylist() == table["delta"].to_pylist() == [1.0, 1.5, 4.0, 4.5]
    assert table["sum"].to_pylist() == [1, 3, 8, 9]
    assert table["min"].to_pylist() == [1, 1, 2, 3]
    assert table["max"].to_pylist() == [1, 2, 6, 6]
    assert table["count"].to_pylist() == [1, 2, 2, 2]
    assert table["var"].to_pylist() == [None, 0.5, 8.0, 4.5]
    assert table["std"].to_pylist()[0] is None
    assert table["std"].to_pylist()[1:] == pytest.approx([0.5**0.5, 8**0.5, 4.5**0.5], rel=1e-15)
    assert table["population"].to_pylist() == [0.0, 0.25, 4.0, 2.25]
    assert table["rows"].to_pylist() == [None, 3, 8, 9]
    assert table["diff"].to_pylist() == [None, 1, 4, -3]
    assert table["shift"].to_pylist() == [None, None, 1, 2]


def test_late_rows(app: tr.Application) -> None:
    late: list[dict[str, object]] = []
    rows = [{"k": "a", "t": t, "x": 1} for t in (0, 60_000, 1_000, 59_000)]
    for on_late, sums in ((None, [1, 1, None, 1]), ("drop", [1, 1, 1]), (late.append, [1, 1, 1])):
        sdf = app.dataframe(app.topic("input"))
        sdf["y"] = sdf["x"].rolling("10s", on_late=on_late).sum()
        assert sdf.backtest(rows, key="k", timestamp="t")["y"].to_pylist() == sums
        assert app.summary.late == 1
    assert late == [{"k": "a", "t": 1000, "x": 1}]
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = sdf["x"].rolling("10s", grace="60s").sum()
    assert sdf.backtest(rows, key="k", timestamp="t")["y"].to_pylist() == [1, 1, 2, 1]


def test_no_truth_and_no_iteration(sdf: tr.StreamingDataFrame) -> None:
    with pytest.raises(tr.PlanError, match=r"combine conditions with & \| ~"):
        bool(sdf["x"] > 1)
    with pytest.raises(TypeError):
        iter(sdf)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        iter(sdf["x"])  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        hash(sdf["x"])


def test_texts(app: tr.Application, sdf: tr.StreamingDataFrame) -> None:
    assert repr(sdf["x"].abs() + 1) == 'sdf["x"].abs() + 1'
    assert repr(app.topic("t", timestamp="ts")) == 'app.topic("t", timestamp="ts")'
    sdf["y"] = sdf["x"] * 2
    assert repr(sdf) == 'sdf["y"] = sdf["x"] * 2'
    sdf.to_topic(app.topic("out"))
    text = app.explain()
    assert 'sdf["y"] = sdf["x"] * 2' in str(text)
    assert repr(text) == str(text)
    assert text._repr_html_().startswith("<pre>")


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda sdf: sdf[["a"]]["b"], '"b"'),
        (lambda sdf: sdf["x"].rolling("0s"), "rolling"),
        (lambda sdf: sdf["x"].rolling(0), "rolling"),
        (lambda sdf: sdf["x"].rolling(1.5), "wanted a number of rows"),
        (lambda sdf: sdf["x"].rolling("soon"), "soon"),
        (lambda sdf: sdf["x"].rolling(2**63), "9223372036854775808"),
        (lambda sdf: sdf["x"].rolling("1s", grace="soon"), "grace: .*soon"),
        (lambda sdf: sdf[1], "wanted a name, a list of names or a condition, found 1"),
        (
            lambda sdf: tr.load_model(Double()).predict(sdf["x"]),
            r'wanted columns of a frame, sdf\[\["x", "y"\]\]',
        ),
        (lambda sdf: sdf["x"].astype("string").rolling("10s").mean(), "string"),
        (lambda sdf: sdf["x"].str.lower() + 1, "string"),
        (lambda sdf: sdf["x"].str.contains("("), r"wanted a regular expression .* found \"\(\""),
        (lambda sdf: sdf["x"] + [1], "list|nested"),
        (lambda sdf: sdf["x"].isin("abc"), "isin: wanted a list of constants"),
        (lambda sdf: sdf["x"].isin(3), "isin: wanted a list of constants"),
        (lambda sdf: sdf.__setitem__(["a", "b"], sdf["x"]), "wanted a frame of as many columns"),
        (lambda sdf: sdf["x"] + sdf[["x"]], "StreamingDataFrame"),
        (lambda sdf: sdf["x"] + object(), "object"),
        (lambda sdf: sdf["x"].rolling("1s", on_late="keep"), "on_late"),
        (lambda sdf: sdf.apply("no function"), "wanted a function"),
        (lambda sdf: sdf["x"].apply(3), "wanted a function"),
    ],
)
def test_plan_mistakes(sdf: tr.StreamingDataFrame, mistake, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(tr.PlanError, match=message):
        mistake(sdf)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"consumer_group": ""}, "consumer_group is required"),
        ({"auto_offset_reset": "newest"}, 'wanted "earliest" or "latest", found "newest"'),
        ({"processing_guarantee": "at-most-once"}, "processing_guarantee"),
        ({"on_error": "ignore"}, 'wanted "stop", "skip" or "dead-letter", found "ignore"'),
        ({"on_error": None}, "found None"),
        ({"commit_interval": "soon"}, "soon"),
        ({"commit_interval": -1}, "commit_interval"),
        ({"commit_interval": float("nan")}, "commit_interval"),
        ({"commit_interval": True}, "commit_interval"),
        ({"workers": 0}, "workers"),
        ({"durability": "none"}, "durability"),
        ({"broker_address": "carrier-pigeon:"}, "carrier-pigeon"),
        ({"dead_letter_topic": "a b"}, "a b"),
        ({"consumer_config": {"group.id": "h"}}, 'consumer_config: "group.id" .*use consumer_group='),
        ({"consumer_config": {"isolation.level": "read_uncommitted"}}, '"isolation.level" cannot be set'),
        ({"producer_config": {"acks": "0"}}, 'producer_config: "acks" cannot be set; what is guaranteed'),
        ({"on_lost_offset": "newest"}, 'wanted "stop", "earliest" or "latest", found "newest"'),
    ],
)
def test_configuration_mistakes(options: dict[str, object], message: str) -> None:
    with pytest.raises(tr.ConfigError, match=message):
        tr.Application(**{"consumer_group": "g", **options})  # type: ignore[arg-type]


def test_one_topic_with_two_sets_of_options(app: tr.Application) -> None:
    app.topic("t", timestamp="ts")
    assert app.topic("t", timestamp="ts").name == "t"
    with pytest.raises(tr.PlanError, match='"t"'):
        app.topic("t", timestamp="other")


def test_nothing_is_contacted_before_run(tmp_path: Path) -> None:
    app = tr.Application(f"embedded:{tmp_path}/log", consumer_group="g", state_dir=tmp_path / "state")
    app.dataframe(app.topic("a")).to_topic(app.topic("b"))
    assert os.listdir(tmp_path) == []


Call = Callable[[tr.Application, tr.StreamingDataFrame, Any], object]
PLANS: list[tuple[Call, Any, str]] = [
    (lambda _, sdf, v: sdf.to_topic(v), "alerts", r'topic: wanted a .*app.topic\("alerts"\), found'),
    (lambda _, sdf, v: sdf.sink(v), "x", r"sink: wanted a sink, such as tr.ParquetSink.*found 'x'"),
    (lambda app, sdf, _: sdf.sink(app.topic("x")), None, r'sdf.to_topic.*found app.topic\("x"\)'),  # type: ignore[arg-type]
    (lambda _, sdf, v: sdf.sink(v), None, "sdf.sink: sink: wanted a sink.*found None"),
    (lambda app, _, v: app.dataframe(source=v), "a.csv", r'wanted a source.*CsvSource\("a.csv"\)'),
    (lambda app, _, v: app.dataframe(source=v), "a.parquet", r'ParquetSource\("a.parquet"\)'),
    (lambda app, _, v: app.topic("t", timestamp=v), 5, "app.topic: timestamp: wanted text, found 5"),
    (lambda app, _, v: app.topic("t", schema=v), ["x"], "schema: wanted a dict from text to text"),
    (lambda _, sdf, v: sdf["x"].diff(v), "a", "series.diff: periods: wanted an integer, found 'a'"),
    (lambda _, sdf, v: sdf["x"].shift(v), 1.5, "series.shift: periods: wanted an integer, found 1.5"),
    (lambda _, sdf, v: sdf["x"][v], 0, "name: wanted text, found 0"),
    (lambda _, sdf, v: sdf["x"].rolling(2).std(v), "a", "std: ddof: wanted an integer, found 'a'"),
]  # fmt: skip
CONFIGURATIONS: list[tuple[Call, Any, str]] = [
    (lambda app, *a: app.get_producer().produce(a[1]), 5, "Producer.produce: topic: wanted text, found 5"),
    (lambda app, *a: app.get_producer().produce("t", timestamp=a[1]), "now", "timestamp: wanted an integer"),
    (lambda *a: tr.Application(workers=a[2]), "4", "tr.Application: workers: wanted an integer"),
    (lambda *a: tr.Application(workers=a[2]), 2**40, "out of its range.*workers=1099511627776"),
    (lambda *a: tr.Application(consumer_group=a[2]), 5, "consumer_group: wanted text, found 5"),
    (lambda *a: tr.Application(state_dir=a[2]), 5, "state_dir: wanted text or a path, found 5"),
    (lambda *a: tr.CsvSource("a.csv", key=a[2]), 5, "tr.CsvSource: key: wanted text, found 5"),
    (lambda *a: tr.ParquetSink("a", key_column=a[2]), 5, "tr.ParquetSink: key_column: wanted text"),
    (lambda *a: tr.PostgresSink("a", table=a[2]), 5, "tr.PostgresSink: table: wanted text"),
    (lambda app, *a: app.get_transactional_producer(a[1]), 5, "transactional_id: wanted text"),
    (lambda app, *a: app.run(until_end=a[1]), "x", "until_end: wanted True or False, found 'x'"),
    (lambda *a: tr.publish_model(object(), a[2]), 5, "tr.publish_model: name: wanted text or a path"),
]  # fmt: skip
WRONG = [(tr.PlanError, *case) for case in PLANS] + [(tr.ConfigError, *case) for case in CONFIGURATIONS]


@pytest.mark.parametrize(("kind", "call", "value", "message"), WRONG, ids=range(len(WRONG)))
def test_an_argument_of_a_wrong_type_is_named(
    kind: type[tr.Error],
    call: Call,
    value: Any,
    message: str,
    app: tr.Application,
    sdf: tr.StreamingDataFrame,
) -> None:
    with pytest.raises(kind, match=message):
        call(app, sdf, value)


@pytest.mark.parametrize(
    "options",
    [
        {"security": {"sasl.password": "canary"}},
        {"producer_config": {"sasl.password": b"canary"}},
        {"consumer_config": "canary"},
    ],
)
def test_an_argument_of_a_wrong_type_shows_no_secret(options: dict[str, Any]) -> None:
    with pytest.raises(tr.ConfigError, match=r"wanted .*, found a ") as error:
        tr.Application(consumer_group="g", **options)
    assert "canary" not in str(error.value)


def test_what_does_not_fit_a_signature_stays_a_type_error(app: tr.Application) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'wurkers'"):
        tr.Application(wurkers=4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="name"):
        app.topic()  # type: ignore[call-arg]


def test_what_code_of_the_user_raises_is_left_as_it_is(sdf: tr.StreamingDataFrame) -> None:
    class Odd(tr.Sink):
        def _connector(self, name: str, columns: dict[str, str]) -> Any:
            raise TypeError("of the user")

    with pytest.raises(TypeError, match="of the user"):
        Odd(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            lambda sdf: sdf["x"].rolling("10s"),
            r"a window of which nothing is asked; call \.mean\(\), \.sum\(\)",
        ),
        (lambda sdf: sdf[["x"]].rolling("10s"), r"a window of which nothing is asked; call \.mean\(\)"),
        (lambda sdf: sdf["x"].rolling("10s").mean, r"the method mean, not called: write \.mean\(\)"),
        (lambda sdf: sdf["x"].abs, r"the method abs, not called: write \.abs\(\)"),
    ],
)
def test_what_is_still_to_be_called(
    value: Callable[[tr.StreamingDataFrame], Any], message: str, sdf: tr.StreamingDataFrame
) -> None:
    with pytest.raises(tr.PlanError, match=message):
        sdf["y"] = value(sdf)
    with pytest.raises(tr.PlanError, match=message):
        sdf["x"] + value(sdf)
