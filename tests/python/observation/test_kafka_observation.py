"""Metrics, probes and groups on Apache Kafka."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from kafka import Cluster
from observer import Observer, until

CLI = Path(__file__).parents[3] / "build" / "tiderace"
PARTITIONS = 2


@pytest.fixture
def make_app(broker: str, name: str, tmp_path: Path) -> Callable[..., tr.Application]:
    """Applications that count the rows of each key."""

    def make(**options: Any) -> tr.Application:
        options.setdefault("state_dir", tmp_path / "state")
        app = tr.Application(broker, consumer_group=name, **options)
        sdf = app.dataframe(app.topic(f"{name}-input", num_partitions=PARTITIONS))
        sdf["n"] = sdf["x"].rolling(1000, min_periods=1).count()
        sdf.to_topic(app.topic(f"{name}-output", num_partitions=PARTITIONS))
        return app

    return make


MakeApp = Callable[..., tr.Application]


def produce(app: tr.Application, name: str, count: int, keys: int) -> None:
    with app.get_producer() as producer:
        for i in range(count):
            producer.produce(f"{name}-input", f"k{i % keys}", {"x": i}, timestamp=1_700_000_000_000 + i)


def cli(broker: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [CLI, *words, "--broker-address", broker]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def shown(broker: str, group: str) -> list[dict[str, Any]]:
    return lines(cli(broker, "group", "show", group, "--json").stdout)


def counts(broker: str, topic: str) -> list[int]:
    found = lines(cli(broker, "topic", "read", topic, "--from", "earliest", "--until-end").stdout)
    return [record["value"]["n"] for record in found]


def test_a_member_is_ready_when_its_state_is_restored(make_app: MakeApp, name: str, tmp_path: Path) -> None:
    app = make_app()
    produce(app, name, 200_000, keys=200_000)
    app.run(until_end=True)
    shutil.rmtree(tmp_path / "state")
    observer = Observer()
    answers = set()
    with observer.running(make_app(**observer.options)):
        while 200 not in {status for status, _ in answers}:
            assert observer.get("/healthz") == (200, "alive\n")
            answers.add(observer.get("/readyz"))
        assert observer.get("/readyz") == (200, "ready: 2 partitions\n")
        assert observer.value("tiderace_restored_records_total") >= 200_000
        until(lambda: observer.value("tiderace_end_offset") >= 200_000)
        assert observer.value("tiderace_lag_records") == 0
        assert observer.value("tiderace_rebalances_total") >= 1
    reasons = {reason for status, reason in answers if status == 503}
    assert "worker 0 waits for its group to assign partitions\n" in reasons
    assert any(re.search(r"is not restored yet: \d+ of \d+ records", reason) for reason in reasons)


def test_marks_of_transactions_are_no_lag(broker: str, name: str, make_app: MakeApp, tmp_path: Path) -> None:
    writer = make_app(processing_guarantee="exactly-once")
    produce(writer, name, 1000, keys=10)
    writer.run(until_end=True)
    observer = Observer()
    reader = tr.Application(broker, consumer_group=f"{name}-reader", **observer.options)
    reader.dataframe(reader.topic(f"{name}-output")).to_topic(reader.topic(f"{name}-copy"))
    with observer.running(reader):
        until(lambda: observer.value("tiderace_rows_out_total") == 1000)
        until(lambda: observer.value("tiderace_end_offset") > 1000)
        until(lambda: observer.value("tiderace_lag_records") == 0)
        until(lambda: observer.value("tiderace_position_offset") == observer.value("tiderace_end_offset"))


def test_copies_of_state_are_seen(name: str, make_app: MakeApp, tmp_path: Path) -> None:
    first, second = Observer(), Observer()
    owner = make_app(standby_replicas=1, **first.options)
    other = make_app(standby_replicas=1, state_dir=tmp_path / "other", **second.options)
    produce(owner, name, 1000, keys=100)

    def standbys(observer: Observer) -> list[float]:
        return [sample.value for sample in observer.metrics()["tiderace_standby_lag_records"].samples]

    with first.running(owner):
        until(lambda: first.value("tiderace_rows_out_total") == 1000)
        assert standbys(first) == []
        with second.running(other):
            until(lambda: standbys(first) == [0] and standbys(second) == [0])  # of what the other has
            assert first.value("tiderace_standby_state_bytes") > 0
            labels = first.metrics()["tiderace_standby_lag_records"].samples[0].labels
            assert labels.keys() == {"topic", "partition"}
        until(lambda: standbys(first) == [])  # its own again


def test_show_names_members_and_reset_leaves_them_alone(broker: str, name: str, make_app: MakeApp) -> None:
    observer = Observer()
    app = make_app(workers=2, **observer.options)
    produce(app, name, 100, keys=10)
    with observer.running(app):
        until(lambda: observer.value("tiderace_partition_ready") == PARTITIONS)
        until(lambda: sum(p["offset"] or 0 for p in shown(broker, name)) == 100)
        until(lambda: len({p["member"] for p in shown(broker, name)}) == 2)  # at first one may have both
        members = shown(broker, name)
        assert [p["partition"] for p in members] == [0, 1]
        assert all(re.fullmatch(r"tiderace-\S+ at /127\.0\.0\.1", p["member"]) for p in members)
        reset = ["group", "reset", name, "--topic", f"{name}-input", "--to", "earliest", "--state", "anew"]
        refused = cli(broker, *reset, "--execute")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"group {name} has members (tiderace-" in refused.stderr
        assert "--execute wants them stopped first" in cli(broker, *reset).stderr
    until(lambda: [p["member"] for p in shown(broker, name)] == [None, None])
    assert sum(p["lag"] for p in shown(broker, name)) == 0


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
def test_a_reset_moves_offsets_and_state(
    broker: str, name: str, make_app: MakeApp, tmp_path: Path, guarantee: str
) -> None:
    def run() -> int:
        rows = app.run(until_end=True).rows_in
        # Its leave may be answered late, and members forbid a reset.
        until(lambda: all(p["member"] is None for p in shown(broker, name)))
        return rows

    app = make_app(processing_guarantee=guarantee)
    produce(app, name, 100, keys=1)
    assert run() == 100
    reset = ["group", "reset", name, "--topic", f"{name}-input", "--to", "2023-11-14T22:13:20.090Z"]
    planned = cli(broker, *reset, "--json")
    moved = [move for move in lines(planned.stdout) if move["end"] > 0]
    assert [(move["offset"], move["new_offset"]) for move in moved] == [(100, 90)]
    assert "say whether it begins anew or is kept" in cli(broker, *reset, "--execute").stderr
    done = cli(broker, *reset, "--state", "anew", "--execute", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == lines(planned.stdout)
    assert run() == 10
    assert counts(broker, f"{name}-output") == [*range(1, 101), *range(1, 11)]
    done = cli(broker, *reset, "--state", "keep", "--execute")
    assert (done.returncode, done.stderr) == (0, "")
    shutil.rmtree(tmp_path / "state")  # from the changelog alone
    assert run() == 10
    assert counts(broker, f"{name}-output")[110:] == list(range(11, 21))


def test_waiting_for_brokers_is_no_hang(cluster: Cluster, name: str, make_app: MakeApp) -> None:
    observer = Observer()
    app = make_app(
        processing_guarantee="exactly-once", commit_interval=5, health_timeout=15, **observer.options
    )
    produce(app, name, 100, keys=10)
    with observer.running(app) as summaries:
        until(lambda: observer.value("tiderace_rows_in_total") == 100)
        cluster.kill()  # in the middle of a transaction
        end = time.monotonic() + 25
        while time.monotonic() < end:
            assert observer.get("/healthz") == (200, "alive\n")
        cluster.start()
        produce(app, name, 100, keys=10)
        until(lambda: observer.value("tiderace_rows_in_total") == 200)
        until(lambda: observer.value("tiderace_commit_seconds_count") > 0)
    assert summaries[0].rows_out == 200
