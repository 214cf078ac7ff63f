"""Every bad input under every policy: named with what was found and where, and nothing lost."""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from conftest import Reader, records

MakeApp = Callable[..., tr.Application]
Build = Callable[[tr.StreamingDataFrame], tr.StreamingDataFrame]


def same(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    return sdf


def plus_one(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    sdf["y"] = sdf["x"] + 1
    return sdf


def per_key(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    sdf["y"] = sdf["x"].diff()
    return sdf


def in_python(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    def fails(row: dict[str, Any]) -> Any:
        return 1 // row["x"]

    sdf["y"] = sdf.apply(fails)
    return sdf


class Model:
    def predict(self, features: Any) -> Any:
        if (features == 0).any():
            raise ValueError("zero")
        return features[:, 0]


def by_model(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    sdf["y"] = tr.load_model(Model()).predict(sdf[["x"]])
    return sdf


@dataclass
class Bad:
    """A bad record, what it meets, and what is said of it."""

    name: str
    value: bytes | None
    kind: str
    message: str
    build: Build = same
    key: str | None = "k"
    options: tuple[tuple[str, Any], ...] = ()


GOOD = b'{"x":1,"t":5}'
DEEP = b"[" * 1_000_000 + b"]" * 1_000_000
LONG = b'{"s": "' + b"a" * 2000 + b'"}'
CASES = [
    Bad("not-json", b"hello", "parse", "byte 0"),
    Bad("an-array", b"[1]", "parse", "object"),
    Bad("a-number", b"17", "parse", "object"),
    Bad("truncated", b'{"x": 1', "parse", "byte"),
    Bad("invalid-utf-8", b'{"s": "\xff"}', "parse", "UTF-8"),
    Bad("byte-order-mark", b'\xef\xbb\xbf{"x": 1}', "parse", "byte 0"),
    Bad("trailing-comma", b'{"x": 1,}', "parse", "byte"),
    Bad("unread-field", b'{"x": 1, "other": 01}', "parse", "byte", plus_one),
    Bad("two-objects", b"{}{}", "parse", "byte 2"),
    Bad("duplicate", b'{"x": 1, "x": 2}', "parse", "x", plus_one),
    Bad("empty", b"", "parse", "empty"),
    Bad("tombstone", None, "parse", "null|tombstone|no value"),
    Bad("no-timestamp", b'{"x": 1}', "timestamp", '"t"', options=(("timestamp", "t"),)),
    Bad("text-timestamp", b'{"t": "noon"}', "timestamp", "noon", options=(("timestamp", "t"),)),
    Bad("negative-timestamp", b'{"t": -1}', "timestamp", "-1", options=(("timestamp", "t"),)),
    Bad("far-timestamp", b'{"t": 1e300}', "timestamp", "1e\\+?300", options=(("timestamp", "t"),)),
    Bad("ahead", b'{"t": 7200000}', "timestamp", "ahead", options=(("timestamp", "t"), ("max_ahead", "1h"))),
    Bad("string-for-number", b'{"x": "high"}', "type", 'the string "high"', plus_one),
    Bad("beyond-int64", b'{"x": 9223372036854775808}', "range", "9223372036854775808", plus_one),
    Bad("beyond-double", b'{"x": 1e400}', "range", "1e400", plus_one),
    Bad("declared", b'{"x": 1.5}', "type", "int64", options=(("schema", {"x": "int64"}),)),
    Bad("depth", b'{"x":' + b"[" * 1000 + b"]" * 1000 + b"}", "parse|too_large", "1000|1,000"),
    Bad("million-deep", b'{"x":' + DEEP + b"}", "parse|too_large", "1000|1,000"),
    Bad("too-large", LONG, "too_large", "1000", options=(("max_record_bytes", 1000),)),
    Bad("no-key", b'{"x": 1}', "key", "key", per_key, key=None),
    Bad("function", b'{"x": 0}', "function", r"ZeroDivisionError: .* \(test_errors.py line \d+\)", in_python),
    Bad("model", b'{"x": 0}', "model", "ValueError: zero", by_model),
]  # fmt: skip
cases = pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)


def pipeline(make_app: MakeApp, bad: Bad, **options: Any) -> tr.Application:
    app = make_app(**options)
    sdf = app.dataframe(app.topic("input", **dict(bad.options)))
    bad.build(sdf).to_topic(app.topic("output"))
    return app


def write(app: tr.Application, bad: Bad) -> None:
    with app.get_producer() as producer:
        producer.produce("input", "k", GOOD, timestamp=5)
        producer.produce("input", bad.key, bad.value, timestamp=7, headers={"h": b"\x01"})
        producer.produce("input", "k", GOOD, timestamp=9)


@cases
def test_stop_names_the_row_and_meets_it_again(make_app: MakeApp, read: Reader, bad: Bad) -> None:
    write(make_app(), bad)
    for _ in range(2):
        app = pipeline(make_app, bad, processing_guarantee="exactly-once")
        with pytest.raises(tr.BadRowError, match="input partition 0 offset 1, step ") as raised:
            app.run(until_end=True)
        error = raised.value
        assert error.kind in bad.kind.split("|")
        assert (error.topic, error.partition, error.offset, error.key) == ("input", 0, 1, bad.key)
        assert error.step.startswith("step ")
        assert error.value == bad.value
        assert error.message in str(error)
        _matches(bad.message, error.message)
        assert app.summary.bad == 1
    assert len(read("output")) == 1


def _matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text[:300]


@cases
def test_skip_counts(make_app: MakeApp, read: Reader, bad: Bad) -> None:
    write(make_app(), bad)
    app = pipeline(make_app, bad, on_error="skip")
    summary = app.run(until_end=True)
    assert (summary.rows_in, summary.rows_out, summary.bad) == (3, 2, 1)
    assert len(read("output")) == 2


@cases
def test_dead_letters_keep_the_record(make_app: MakeApp, tmp_path: Path, bad: Bad) -> None:
    write(make_app(), bad)
    app = pipeline(make_app, bad, on_error="dead-letter", processing_guarantee="exactly-once")
    summary = app.run(until_end=True)
    assert (summary.rows_out, summary.bad) == (2, 1)
    (letter,) = records(tmp_path / "log", "group-dead-letters")
    assert letter["key"] == bad.key
    assert letter["timestamp"] == 7
    assert letter["value"] == bad.value
    (own, *added) = letter["headers"]
    assert own == ["h", "\x01"]
    errors = dict(added)
    assert errors["__tiderace.errors.kind"] in bad.kind.split("|")
    _matches(bad.message, errors["__tiderace.errors.message"])
    assert errors["__tiderace.errors.topic"] == "input"
    assert (errors["__tiderace.errors.partition"], errors["__tiderace.errors.offset"]) == ("0", "1")
    assert errors["__tiderace.errors.step"].startswith("step ")


def test_a_5_mb_row_passes(make_app: MakeApp, read: Reader) -> None:
    app = make_app()
    plus_one(app.dataframe(app.topic("input"))).to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", "k", {"x": 1, "s": "a" * 5_000_000})
    assert app.run(until_end=True).rows_out == 1
    (row,) = read("output")
    assert (row["y"], len(row["s"])) == (2, 5_000_000)


def test_what_nobody_reads_passes(make_app: MakeApp) -> None:
    app = make_app()
    plus_one(app.dataframe(app.topic("input"))).to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", None, b'{"x":1,"big":1e400,"big":99999999999999999999,"lone":"\\ud800"}')
    assert app.run(until_end=True).rows_out == 1


def test_a_filter_before_the_step_spares_the_row(make_app: MakeApp, read: Reader) -> None:
    app = make_app()
    sdf = app.dataframe(app.topic("input"))
    sdf = sdf[sdf["ok"]]
    plus_one(sdf).to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", None, {"ok": False, "x": "high"})
        producer.produce("input", None, {"ok": True, "x": 1})
    assert app.run(until_end=True).rows_out == 1


def test_a_topic_has_a_policy_of_its_own(make_app: MakeApp) -> None:
    app = make_app(on_error="stop")
    app.dataframe(app.topic("input", on_error="skip")).to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", None, b"hello")
    assert app.run(until_end=True).bad == 1


def test_a_dead_letter_topic_of_its_own(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(on_error="dead-letter", dead_letter_topic="graveyard")
    app.dataframe(app.topic("input")).to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", "k", b"hello")
    app.run(until_end=True)
    assert records(tmp_path / "log", "graveyard")[0]["value"] == b"hello"


def test_errors_are_one_family() -> None:
    for kind in (tr.PlanError, tr.ConfigError, tr.BadRowError, tr.BrokerError, tr.StateError):
        assert issubclass(kind, tr.Error)


def test_a_row_that_stops_says_how_to_go_on(app: tr.Application) -> None:
    sdf = plus_one(app.dataframe(app.topic("input")))
    with pytest.raises(tr.BadRowError) as raised:
        sdf.backtest([{"x": "high"}])
    printed = "".join(traceback.format_exception(raised.value))
    assert 'give the application or the topic on_error="skip", or "dead-letter"' in printed


def test_a_text_as_time_says_how_texts_are_read(app: tr.Application) -> None:
    rows = [{"t": "2024-02-01 10:00:00"}]
    wanted = 'wanted a number of milliseconds since 1970 .*found the string .*timestamp_unit="iso8601"'
    with pytest.raises(tr.BadRowError, match=wanted):
        app.dataframe(app.topic("input", timestamp="t")).backtest(rows)
    iso = app.topic("texts", timestamp="t", timestamp_unit="iso8601")
    assert app.dataframe(iso).backtest(rows).to_pylist() == rows
