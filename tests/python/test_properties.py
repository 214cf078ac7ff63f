"""Properties against pandas: whatever the values, the cuts and the order of arrival."""

import datetime as dt
import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
import tiderace as tr
from hypothesis import given, settings
from hypothesis import strategies as st

settings.register_profile("tiderace", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("tiderace")

INTS = st.integers(-(2**31), 2**31)
FLOATS = st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: value if value else 0.0)
SMALL = st.integers(-20, 20)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)


def columns(*kinds: st.SearchStrategy[Any], size: int = 30) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(*(st.none() | kind for kind in kinds)), min_size=1, max_size=size)


def frame() -> tr.StreamingDataFrame:
    app = tr.Application(consumer_group="properties")
    return app.dataframe(app.topic("input"))


def ours(make: Callable[[Any, Any], Any], rows: list[tuple[Any, ...]]) -> list[Any]:
    """The value of an expression of `a` and `b` for every row."""
    sdf = frame()
    sdf["y"] = make(sdf["a"], sdf["b"])
    table = sdf[["y"]].backtest([{"a": a, "b": b} for a, b in rows])
    found: list[Any] = table["y"].to_pylist()
    return found


def theirs(make: Callable[[Any, Any], Any], rows: list[tuple[Any, ...]], *dtypes: str) -> list[Any]:
    a, b = (pd.Series([row[i] for row in rows], dtype=dtype) for i, dtype in enumerate(dtypes))
    return [None if value is pd.NA or value != value else value for value in make(a, b).tolist()]


def close(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for ours_, theirs_ in zip(found, expected, strict=True):
        if isinstance(theirs_, float) and ours_ is not None:
            assert ours_ == theirs_ or math.isclose(ours_, theirs_, rel_tol=1e-14, abs_tol=1e-300)
        else:
            assert ours_ == theirs_
            assert (ours_ is None) == (theirs_ is None)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "1+": lambda a, b: 1 + a,
    "2-": lambda a, b: 2 - a,
    "neg": lambda a, b: -a,
    "abs": lambda a, b: abs(a),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "isna": lambda a, b: a.isna(),
    "notnull": lambda a, b: a.notnull(),
    "fillna": lambda a, b: a.fillna(b),
    "between": lambda a, b: a.between(-5, b),
    "clip": lambda a, b: a.clip(-5, 5),
    "clip-low": lambda a, b: a.clip(lower=3),
}
DIVISION: dict[str, Callable[[Any, Any], Any]] = {
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


@pytest.mark.parametrize("name", ARITHMETIC)
@given(rows=columns(INTS, INTS))
def test_ints(name: str, rows: list[tuple[Any, ...]]) -> None:
    assert ours(ARITHMETIC[name], rows) == theirs(ARITHMETIC[name], rows, "Int64", "Int64")


@pytest.mark.parametrize("name", ARITHMETIC)
@given(rows=columns(FLOATS, FLOATS))
def test_floats(name: str, rows: list[tuple[Any, ...]]) -> None:
    assert ours(ARITHMETIC[name], rows) == theirs(ARITHMETIC[name], rows, "Float64", "Float64")


@pytest.mark.parametrize("name", [name for name in ARITHMETIC if name != "fillna"])
@given(rows=columns(SMALL, FLOATS))
def test_ints_and_floats(name: str, rows: list[tuple[Any, ...]]) -> None:
    assert ours(ARITHMETIC[name], rows) == theirs(ARITHMETIC[name], rows, "Int64", "Float64")


@pytest.mark.parametrize("name", DIVISION)
@given(rows=columns(INTS, INTS.filter(bool)))
def test_division_of_ints(name: str, rows: list[tuple[Any, ...]]) -> None:
    assert ours(DIVISION[name], rows) == theirs(DIVISION[name], rows, "Int64", "Int64")


@pytest.mark.parametrize("name", DIVISION)
@given(rows=columns(FLOATS, FLOATS.filter(lambda value: abs(value) > 1e-3)))
def test_division_of_floats(name: str, rows: list[tuple[Any, ...]]) -> None:
    close(ours(DIVISION[name], rows), theirs(DIVISION[name], rows, "Float64", "Float64"))


@given(rows=columns(SMALL.filter(lambda value: value != 1), st.integers(1, 10)))
def test_powers(rows: list[tuple[Any, ...]]) -> None:
    # pandas has 1 for null ** 0 and 1 ** null; here arithmetic with null is null.
    assert ours(lambda a, b: a**b, rows) == theirs(lambda a, b: a**b, rows, "Int64", "Int64")


@pytest.mark.parametrize("name", ["&", "|"])
@given(rows=columns(st.booleans(), st.booleans()))
def test_three_valued_logic(name: str, rows: list[tuple[Any, ...]]) -> None:
    make: Callable[[Any, Any], Any] = (lambda a, b: a & ~b) if name == "&" else (lambda a, b: ~a | b)
    assert ours(make, rows) == theirs(make, rows, "boolean", "boolean")


@pytest.mark.parametrize("name", ["sqrt", "exp", "log"])
@given(rows=columns(st.floats(1e-6, 500), st.none()))
def test_functions(name: str, rows: list[tuple[Any, ...]]) -> None:
    expected = [None if a is None else getattr(math, name)(a) for a, _ in rows]
    close(ours(lambda a, b: getattr(a, name)(), rows), expected)


@given(rows=columns(FLOATS, st.none()), decimals=st.integers(0, 4))
def test_round(rows: list[tuple[Any, ...]], decimals: int) -> None:
    found = ours(lambda a, b: a.round(decimals), rows)
    for value, (a, _) in zip(found, rows, strict=True):
        assert (value is None) == (a is None)
        assert a is None or abs(value - a) <= 0.5 * 10**-decimals * (1 + 1e-9) + abs(a) * 1e-15


@given(rows=columns(SMALL, SMALL), values=st.lists(SMALL, max_size=5))
def test_isin_and_where(rows: list[tuple[Any, ...]], values: list[int]) -> None:
    found = ours(lambda a, b: a.isin(values), rows)
    assert found == [a is not None and a in values for a, _ in rows]
    found = ours(lambda a, b: tr.where(a > b, a, b), rows)
    assert found == [b if a is None or b is None else max(a, b) for a, b in rows]


@given(rows=columns(TEXTS, TEXTS))
def test_texts(rows: list[tuple[Any, ...]]) -> None:
    for make in (
        lambda a, b: a.str.len(),
        lambda a, b: a.str.startswith("a"),
        lambda a, b: a.str.endswith("0"),
        lambda a, b: a.str.contains("a", regex=False),
        lambda a, b: a == b,
        lambda a, b: a.fillna(b),
    ):
        assert ours(make, rows) == theirs(make, rows, "object", "object") or ours(make, rows) == theirs(
            make, rows, "string", "string"
        )


EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3000), st.none() | st.floats(-1e6, 1e6)),
    min_size=1,
    max_size=60,
)
AGGREGATES = ("mean", "sum", "min", "max", "count", "std", "var")


def event_rows(events: list[tuple[str, int, float | None]]) -> list[dict[str, Any]]:
    return [{"k": k, "t": t, "x": x} for k, t, x in events]


def rolled(
    rows: list[dict[str, Any]], window: Any, batch_rows: int | None = None, **options: Any
) -> dict[str, list[Any]]:
    sdf = frame()
    for name in AGGREGATES:
        sdf[name] = getattr(sdf["x"].rolling(window, **options), name)()
    table = sdf[list(AGGREGATES)].backtest(rows, key="k", timestamp="t", batch_rows=batch_rows)
    return {name: table[name].to_pylist() for name in AGGREGATES}


def assert_aggregate(name: str, found: float | None, window: list[float]) -> None:
    """Against the exact result over the window's values, to the precision that is promised."""
    if name == "count":
        assert found == len(window)
    elif len(window) < (2 if name in ("std", "var") else 1):
        assert found is None
    elif name in ("min", "max"):
        assert found == (min(window) if name == "min" else max(window))
    elif len(set(window)) == 1 and name in ("std", "var"):
        assert found == 0
    else:
        exact = {"mean": statistics.mean, "sum": sum, "std": statistics.stdev, "var": statistics.variance}
        values = list(map(Fraction, window))
        expected = float(exact[name](values))
        assert found is not None
        assert abs(found - expected) <= 1e-9 * promised(name, expected, values) + 5e-324, (name, expected)


def promised(name: str, expected: float, values: list[Fraction]) -> float:
    """What an error of `name` is relative to."""
    if name in ("mean", "sum"):
        return float(sum(map(abs, values)))
    mean, std = abs(statistics.mean(values)), statistics.stdev(values)
    beyond = float(max(map(abs, values))) ** (2 if name == "var" else 1) * 1e9
    return expected if mean <= 1e5 * std else beyond


@given(events=EVENTS, seconds=st.integers(1, 2000))
def test_rolling_over_time_in_any_order(events: list[tuple[str, int, float | None]], seconds: int) -> None:
    """Each value is that of the window over the rows that had arrived, whatever the order of arrival."""
    rows = event_rows(events)
    found = rolled(rows, dt.timedelta(milliseconds=seconds), grace="1h")
    for i, row in enumerate(rows):
        window = [
            other["x"] for other in rows[: i + 1]
            if other["k"] == row["k"] and other["x"] is not None
            and row["t"] - seconds < other["t"] <= row["t"]
        ]  # fmt: skip
        for name in AGGREGATES:
            assert_aggregate(name, found[name][i], window)


@given(events=EVENTS, seconds=st.integers(1, 2000))
def test_rolling_over_time_as_pandas(events: list[tuple[str, int, float | None]], seconds: int) -> None:
    events = sorted(events, key=lambda event: event[1])
    found = rolled(event_rows(events), f"{seconds}ms")
    data = pd.DataFrame(events, columns=["k", "t", "x"]).astype({"x": "float64"})
    data.index = pd.to_datetime(data["t"], unit="ms")
    for key, group in data.reset_index(drop=True).assign(time=data.index).groupby("k"):
        for name in ("mean", "sum", "min", "max", "count"):
            series = pd.Series(group["x"].to_numpy(), index=group["time"]).rolling(f"{seconds}ms")
            for place, expected in zip(group.index, getattr(series, name)(), strict=True):
                value = found[name][place]
                if expected != expected:
                    assert value is None or name == "count", (key, name)
                else:
                    assert value == pytest.approx(expected, rel=1e-9, abs=1e-4)


@given(events=EVENTS, rows=st.integers(1, 12), data=st.data())
def test_rolling_over_rows_as_pandas(
    events: list[tuple[str, int, float | None]], rows: int, data: Any
) -> None:
    least = data.draw(st.integers(1, rows))
    found = rolled(event_rows(events), rows, min_periods=least)
    seen: dict[str, list[float | None]] = {}
    for i, (key, _, x) in enumerate(events):
        seen.setdefault(key, []).append(x)
        window = [value for value in seen[key][-rows:] if value is not None]
        for name in AGGREGATES:
            if name != "count" and len(window) < least:
                assert found[name][i] is None
            else:
                assert_aggregate(name, found[name][i], window)


@given(events=EVENTS, batch_rows=st.integers(1, 20), seconds=st.integers(1, 2000))
def test_batches_do_not_matter(
    events: list[tuple[str, int, float | None]], batch_rows: int, seconds: int
) -> None:
    rows = event_rows(events)
    assert rolled(rows, f"{seconds}ms", batch_rows) == rolled(rows, f"{seconds}ms")
    assert rolled(rows, 3, batch_rows) == rolled(rows, 3)


@given(events=EVENTS, periods=st.integers(1, 4))
def test_diff_and_shift_as_pandas(events: list[tuple[str, int, float | None]], periods: int) -> None:
    sdf = frame()
    sdf["shift"] = sdf["x"].shift(periods)
    sdf["diff"] = sdf["x"].diff(periods)
    table = sdf.backtest(event_rows(events), key="k", timestamp="t")
    data = pd.DataFrame(events, columns=["k", "t", "x"]).astype({"x": "Float64"})
    groups = data.groupby("k")["x"]
    assert table["shift"].to_pylist() == [None if v is pd.NA else v for v in groups.shift(periods)]
    assert table["diff"].to_pylist() == [None if v is pd.NA else v for v in data["x"] - groups.shift(periods)]
