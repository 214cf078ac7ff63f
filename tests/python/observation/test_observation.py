"""Metrics, probes and log lines of a run on the embedded log."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import tiderace as tr
from conftest import produce
from observer import Observer, until

MakeApp = Callable[..., tr.Application]
GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "operations.md"


@pytest.fixture
def observer() -> Observer:
    return Observer()


def pipeline(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input", timestamp="t"))
    sdf = sdf[sdf["x"] != 0]
    sdf["mean"] = sdf["x"].rolling("10s").mean()
    sdf.to_topic(app.topic("output"))


def test_metrics_say_what_the_summary_says(make_app: MakeApp, observer: Observer) -> None:
    app = make_app(on_error="skip", workers=2, **observer.options)
    pipeline(app)
    app.topic("input", timestamp="t")
    rows = [{"k": i % 3, "t": 20_000 + i, "x": i % 5} for i in range(1000)]
    rows += [{"k": 1, "t": 1, "x": 1}, {"k": 1, "t": 30_000, "x": "high"}]
    produce(app, "input", rows, key="k")
    with observer.running(app) as summaries:
        until(lambda: observer.value("tiderace_rows_in_total") == len(rows))
        until(lambda: observer.value("tiderace_commit_seconds_count") > 0)
        until(lambda: observer.value("tiderace_latency_seconds_count") == 801)
        found = {name: observer.value(f"tiderace_{name}_total") for name in counters}
        lag = observer.metrics()["tiderace_lag_records"].samples
        steps = {
            sample.labels["step"]: sample.value
            for sample in observer.metrics()["tiderace_step_rows_out"].samples
        }
        bytes_read = observer.value("tiderace_bytes_read_total")
    summary = summaries[0]
    assert found == {name: getattr(summary, counters[name]) for name in counters}
    assert (summary.bad, summary.late, summary.filtered) == (1, 1, 200)
    assert [(s.labels, s.value) for s in lag] == [({"topic": "input", "partition": "0"}, 0)]
    assert steps == {"0": 1002, "1": 802, "2": 801, "3": 801}
    assert bytes_read == sum(len(json.dumps(row, separators=(",", ":"))) + 1 for row in rows)


counters = {
    "rows_in": "rows_in",
    "rows_out": "rows_out",
    "rows_filtered": "filtered",
    "rows_bad": "bad",
    "rows_late": "late",
    "values_not_finite": "not_finite",
}


class Nowhere(tr.Sink):
    """A sink that forgets."""

    def open(self, group: str, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {}

    def write(self, group: str, parts: list[tr.SinkPart]) -> None:
        pass


def test_the_guide_has_every_metric(make_app: MakeApp, observer: Observer) -> None:
    documented = {}
    for line in GUIDE.read_text().splitlines():
        if match := re.match(r"\| `((?:tiderace|process)_\w+)` \| (\w+) \| (.*?) \|", line):
            documented[match[1].removesuffix("_total")] = (match[2], set(re.findall(r"`(\w+)`", match[3])))
    app = make_app(**observer.options)
    pipeline(app)
    app.dataframe(app.topic("other")).sink(Nowhere("nowhere"))
    produce(app, "other", [{"x": 1}])
    produce(app, "input", [{"k": 1, "t": 1, "x": 1}], key="k")
    with observer.running(app):
        until(lambda: observer.value("tiderace_sink_rows_total") == 1)
        until(lambda: observer.value("tiderace_rows_out_total") == 2)
        metrics = observer.metrics().values()
    exported = {
        metric.name: (metric.type, {label for sample in metric.samples for label in sample.labels} - {"le"})
        for metric in metrics
    }
    without_samples = {metric.name for metric in metrics if not metric.samples}
    assert without_samples == {"tiderace_standby_lag_records", "tiderace_standby_state_bytes"}
    for name in without_samples:  # copies are Kafka's: their labels are seen there
        exported[name] = (exported[name][0], {"topic", "partition"})
    assert exported == documented


def test_lag_goes_down_as_a_backlog_is_worked_off(make_app: MakeApp, observer: Observer) -> None:
    app = make_app(**observer.options)
    sdf = app.dataframe(app.topic("input"))
    sdf.filter(lambda row: sum(map(int, row["x"])) >= 0).to_topic(app.topic("output"))
    produce(app, "input", ({"x": f"{i:0100}"} for i in range(150_000)))
    with observer.running(app):
        until(lambda: 0 < observer.value("tiderace_lag_records") < 150_000)
        until(lambda: observer.value("tiderace_position_offset") == 150_000)
        assert observer.value("tiderace_lag_records") == 0
        assert observer.value("tiderace_end_offset") == 150_000


def test_other_paths_and_methods_are_refused(make_app: MakeApp, observer: Observer) -> None:
    app = make_app(**observer.options)
    pipeline(app)
    with observer.running(app):
        assert observer.get("/") == (404, "there are /metrics, /healthz and /readyz\n")
        assert observer.get("/metrics", "POST") == (405, "wanted GET or HEAD\n")
        assert observer.get("/metrics", "HEAD") == (200, "")
        assert observer.get("/metrics?name=x")[0] == 200
    assert observer.get("/metrics") == (0, ""), "the port is free when the run is over"


def test_a_port_that_is_taken_is_an_error_before_anything_runs(make_app: MakeApp) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = make_app(metrics_port=port, metrics_address="127.0.0.1")
        pipeline(app)
        message = (
            f"metrics_port, metrics_address: cannot listen on 127.0.0.1 port {port}: Address already in use; "
            "take another port, or stop what uses it"
        )
        with pytest.raises(tr.ConfigError, match=re.escape(message)):
            app.run(until_end=True)
    app.run(until_end=True)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_out_of_range_is_refused(make_app: MakeApp, port: int) -> None:
    with pytest.raises(tr.ConfigError, match=f"metrics_port: wanted 1 to 65535, or 0 for none, found {port}"):
        make_app(metrics_port=port)


def test_a_health_timeout_is_above_nothing(make_app: MakeApp) -> None:
    with pytest.raises(tr.ConfigError, match="health_timeout: wanted a time above 0"):
        make_app(health_timeout=0)


@pytest.mark.parametrize("port", [None, 0])
def test_no_port_is_no_server(make_app: MakeApp, port: int | None) -> None:
    app = make_app(metrics_port=port, metrics_address="no address")
    pipeline(app)
    assert app.run(until_end=True).rows_in == 0


def test_a_worker_that_hangs_is_not_alive(make_app: MakeApp, observer: Observer) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(row: dict[str, int]) -> dict[str, int]:
        hangs.set()
        goes_on.wait()
        return row

    app = make_app(health_timeout="200ms", **observer.options)
    app.dataframe(app.topic("input")).apply(hang).to_topic(app.topic("output"))
    with observer.running(app):
        until(lambda: observer.get("/readyz") == (200, "ready: 1 partitions\n"))
        assert observer.get("/healthz") == (200, "alive\n")
        produce(app, "input", [{"x": 1}])
        hangs.wait()
        reason = until(lambda: (answer := observer.get("/healthz"))[0] == 503 and answer[1])
        assert re.fullmatch(
            r"worker 0 hangs: it has made no turn for [\d.]+ s, health_timeout is 0.2 s\n", reason
        )
        assert observer.value("tiderace_worker_turn_age_seconds", worker="0") > 0.2
        goes_on.set()
        until(lambda: observer.get("/healthz")[0] == 200)


def test_a_run_is_ready_when_its_state_is_restored(
    make_app: MakeApp, observer: Observer, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    writer = make_app(state_dir=state)
    pipeline(writer)
    writer.topic("input", timestamp="t")
    produce(writer, "input", ({"k": i, "t": 1, "x": 1} for i in range(200_000)), key="k")
    writer.run(until_end=True)
    shutil.rmtree(state)
    app = make_app(state_dir=state, **observer.options)
    pipeline(app)
    answers = set()
    with observer.running(app):
        while 200 not in {status for status, _ in answers}:
            answers.add(observer.get("/readyz"))
        assert observer.value("tiderace_restored_ratio") == 1
        assert observer.value("tiderace_partition_ready") == 1
        assert observer.value("tiderace_restored_records_total") >= 200_000
        assert observer.value("tiderace_state_bytes") > 0
    assert {status for status, _ in answers} <= {503, 200}
    restoring = [r for _, r in answers if re.match(r"input partition 0 is not restored yet: \d+ of \d+", r)]
    assert restoring, answers


SERVICE = """
import tiderace as tr
app = tr.Application("embedded:log", consumer_group="cafe", on_error="skip")
sdf = app.dataframe(app.topic("input"))
sdf["y"] = sdf["x"].abs()
sdf.to_topic(app.topic("output"))
with app.get_producer() as producer:
    producer.produce("input", "k", {"x": 'a "quoted"\\n\\u00e9'})
    producer.produce("input", "k", b'{"x": "\\xff\\x01"}')
app.run(until_end=True)
"""


def test_log_lines_are_json_objects_where_asked_for(tmp_path: Path) -> None:
    environment = {"TIDERACE_LOG": "info", "TIDERACE_LOG_FORMAT": "json"}
    done = subprocess.run(
        [sys.executable, "-c", SERVICE], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.decode("utf-8", "strict").splitlines()]
    assert {tuple(line) for line in lines} == {("time", "level", "process", "thread", "message")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    assert [line["level"] for line in lines] == ["warning", "info"]
    assert "bad rows skipped" in lines[0]["message"]
    assert lines[1]["message"].startswith("cafe: rows in 2, out 0")
