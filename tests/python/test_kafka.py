"""The same plan on Apache Kafka: values, guarantees, members that come and die, a broker that goes away."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kafka_overloaded
import kafka_service
import pytest
import tiderace as tr
from kafka import Cluster

BUILD = Path(__file__).parents[2] / "build"
CLI = BUILD / "tiderace"
GUARANTEES = pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
Rows = list[dict[str, Any]]


class Services:
    """Processes of one group, each with its state directory."""

    def __init__(self, broker: str, name: str, guarantee: str, folder: Path) -> None:
        self._arguments = [broker, name, guarantee]
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        state = str(self._folder / f"state-{number}")
        command = [sys.executable, kafka_service.__file__, *self._arguments, state, *options]
        environment = os.environ | {"TIDERACE_LOG": "debug"} | environment
        with self.log_of(number).open("ab") as log:
            self._processes[number] = subprocess.Popen(command, stderr=log, env=environment)
        return self._processes[number]

    def log_of(self, number: int) -> Path:
        return self._folder / f"log-{number}"

    def kill(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].wait()

    def is_over(self, number: int) -> bool:
        return self._processes[number].poll() is not None

    def lose_state(self, number: int) -> None:
        shutil.rmtree(self._folder / f"state-{number}", ignore_errors=True)

    def end(self) -> None:
        for number in self._processes:
            self.kill(number)


@pytest.fixture
def services(broker: str, name: str, tmp_path: Path, guarantee: str) -> Iterator[Services]:
    services = Services(broker, name, guarantee, tmp_path)
    yield services
    services.end()


def rows(begin: int, end: int) -> Rows:
    return [
        {"k": f"k{i % 12}", "t": 1_700_000_000_000 + 100 * i, "x": i * 37 % 11} for i in range(begin, end)
    ]


def produce(broker: str, name: str, some: Rows) -> None:
    app = tr.Application(broker, consumer_group="phone")
    app.topic(f"{name}-input", num_partitions=3)
    with app.get_producer() as producer:
        for row in some:
            producer.produce(f"{name}-input", row["k"], row, timestamp=row["t"], headers={"h": b"\x01"})


def read(broker: str, topic: str) -> Rows:
    """The records, in the order of their partitions; none of a topic that is not there yet."""
    command = [CLI, "topic", "read", topic, "--broker-address", broker, "--from", "earliest", "--until-end"]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0 or b"there is no topic" in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_key(records: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for record in records:
        found.setdefault(record["key"], []).append(record["value"])
    return found


def expected(some: Rows, tmp_path: Path) -> dict[str, Rows]:
    app = tr.Application(f"embedded:{tmp_path}/none", consumer_group="backtest")
    table = kafka_service.pipeline(app, "none").backtest(some, key="k", timestamp="t")
    found: dict[str, Rows] = {}
    for row in table.to_pylist():
        found.setdefault(row["k"], []).append(row)
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Asks again and again: conditions ask the broker, which takes its time."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process is None or process.poll() is None, "the service has ended"
        assert time.monotonic() < deadline, "it did not come within two minutes"


@GUARANTEES
@pytest.mark.parametrize("workers", [1, 2])
def test_values_are_those_of_a_backtest(
    broker: str, name: str, tmp_path: Path, guarantee: str, workers: int
) -> None:
    half, whole = rows(0, 300), rows(0, 600)
    for part, state in ((half, "state"), (whole[300:], "another")):  # the second restores from the changelog
        produce(broker, name, part)
        app = tr.Application(
            broker,
            consumer_group=name,
            processing_guarantee=guarantee,
            workers=workers,
            state_dir=tmp_path / state,
        )
        kafka_service.pipeline(app, name).to_topic(app.topic(f"{name}-output", num_partitions=3))
        summary = app.run(until_end=True)
        assert (summary.rows_in, summary.rows_out) == (300, 300)
    records = read(broker, f"{name}-output")
    assert by_key(records) == expected(whole, tmp_path)
    assert {record["timestamp"] for record in records} == {row["t"] for row in whole}
    assert all(record["headers"] == [["h", "\x01"]] for record in records)
    inputs = {record["key"]: record["partition"] for record in read(broker, f"{name}-input")}
    assert {record["key"]: record["partition"] for record in records} == inputs


@GUARANTEES
def test_nothing_is_lost_and_nothing_doubled_when_members_are_killed(
    broker: str, name: str, services: Services, tmp_path: Path, guarantee: str
) -> None:
    produced: Rows = []

    def more(count: int) -> None:
        new = rows(len(produced), len(produced) + count)
        produce(broker, name, new)
        produced.extend(new)

    more(50)
    services.start(0)
    services.start(1)
    for turn in range(8):
        victim = turn % 2
        written = len(read(broker, f"{name}-output")) if turn > 0 else 0
        more(60)
        if turn % 4 < 3:  # else in the middle of whatever it is doing
            wait_for(lambda written=written: len(read(broker, f"{name}-output")) > written)  # type: ignore[misc]
        more(30)
        services.kill(victim)
        if turn % 3 == 2:
            services.lose_state(victim)
        services.start(victim)
    services.end()
    assert services.start(0, "--until-end").wait() == 0
    found = by_key(read(broker, f"{name}-output"))
    wanted = expected(produced, tmp_path)
    if guarantee == "at-least-once":  # rows may be written again, with equal values
        for key, values in found.items():
            assert all(value in wanted[key] for value in values)
            found[key] = [value for i, value in enumerate(values) if value not in values[:i]]
    assert {key: len(values) for key, values in found.items()} == {
        key: len(values) for key, values in wanted.items()
    }
    assert found == wanted


@pytest.mark.parametrize("guarantee", ["exactly-once"])
def test_a_broker_that_goes_away_is_waited_for(
    cluster: Cluster, broker: str, name: str, services: Services, tmp_path: Path
) -> None:
    produce(broker, name, rows(0, 100))
    service = services.start(0)
    wait_for(lambda: len(read(broker, f"{name}-output")) == 100, service)
    cluster.kill()
    cluster.start()
    produce(broker, name, rows(100, 200))
    wait_for(lambda: len(read(broker, f"{name}-output")) == 200, service)
    assert by_key(read(broker, f"{name}-output")) == expected(rows(0, 200), tmp_path)


class Clock:
    """The wall clock of one process, against that of the system (tests/crash/group/shifted_clock.cc)."""

    def __init__(self, file: Path, hours: float) -> None:
        self._file = file
        file.write_bytes(bytes(8))
        self.set(hours)
        library = BUILD / "tests" / "crash" / "group" / "libshifted_clock.so"
        assert library.exists()
        self.environment = {"SHIFTED_CLOCK": str(file), "LD_PRELOAD": str(library)}

    def set(self, hours: float) -> None:
        with self._file.open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("=q", int(hours * 3600e9)))


@GUARANTEES
def test_a_clock_that_is_set_back_holds_nothing_up(
    broker: str, name: str, services: Services, tmp_path: Path, guarantee: str
) -> None:
    clock = Clock(tmp_path / "clock", hours=0)
    produce(broker, name, rows(0, 60))
    service = services.start(0, **clock.environment)
    wait_for(lambda: len(read(broker, f"{name}-output")) == 60, service)
    for written in (60, 120):
        for hours in (1, 0) * 10:  # while it waits for rows, most of the time
            clock.set(hours)
            assert len(read(broker, f"{name}-output")) == written
        produce(broker, name, rows(written, written + 60))
        wait_for(lambda written=written: len(read(broker, f"{name}-output")) == written + 60, service)  # type: ignore[misc]
    assert by_key(read(broker, f"{name}-output")) == expected(rows(0, 180), tmp_path)
    for hours in (1, 0) * 10:
        clock.set(hours)
        read(broker, f"{name}-output")
    service.terminate()
    assert service.wait(60) == 0


@pytest.mark.parametrize("guarantee", ["exactly-once"])
def test_members_share_the_partitions(broker: str, name: str, services: Services, tmp_path: Path) -> None:
    produce(broker, name, rows(0, 60))
    services.start(0)
    wait_for(lambda: len(read(broker, f"{name}-output")) == 60)
    services.start(1)
    state = tmp_path / "state-1"
    wait_for(lambda: any(state.rglob("CURRENT")))  # it has a partition
    produce(broker, name, rows(60, 120))
    wait_for(lambda: len(read(broker, f"{name}-output")) == 120)
    assert by_key(read(broker, f"{name}-output")) == expected(rows(0, 120), tmp_path)


@GUARANTEES
def test_a_copy_of_the_state_is_ready_where_its_owner_dies(
    broker: str, name: str, services: Services, tmp_path: Path
) -> None:
    produce(broker, name, rows(0, 300))
    services.start(0, "--standby")
    wait_for(lambda: len(read(broker, f"{name}-output")) >= 300)
    services.start(1, "--standby")
    for number in (0, 1):  # its own and the other's
        state = tmp_path / f"state-{number}"
        wait_for(lambda state=state: len(list(state.rglob("CURRENT"))) == 3)  # type: ignore[misc]
    produce(broker, name, rows(300, 600))
    wait_for(lambda: len(read(broker, f"{name}-output")) >= 600)
    services.kill(1)
    produce(broker, name, rows(600, 900))
    wait_for(lambda: len(read(broker, f"{name}-output")) >= 900)
    log = services.log_of(0).read_text()
    assert "a copy of its state is here" in log
    assert "restored anew" not in log
    assert by_key(read(broker, f"{name}-output")) == expected(rows(0, 900), tmp_path)


@pytest.mark.parametrize("guarantee", ["exactly-once"])
def test_a_member_that_keeps_its_name_comes_back_to_its_partitions(
    broker: str, name: str, services: Services, tmp_path: Path
) -> None:
    def moves(number: int) -> int:
        return services.log_of(number).read_text().count("taken over in")

    produce(broker, name, rows(0, 60))
    for number in (0, 1):
        services.start(number, f"--as=pod-{number}")
        wait_for(lambda number=number: any((tmp_path / f"state-{number}").rglob("CURRENT")))  # type: ignore[misc]
    produce(broker, name, rows(60, 120))
    wait_for(lambda: len(read(broker, f"{name}-output")) == 120)
    before = moves(0), moves(1)
    services.kill(0)
    services.start(0, "--as=pod-0")
    produce(broker, name, rows(120, 240))
    wait_for(lambda: len(read(broker, f"{name}-output")) == 240)
    assert moves(1) == before[1]
    assert moves(0) > before[0]
    assert by_key(read(broker, f"{name}-output")) == expected(rows(0, 240), tmp_path)

    second = services.start(2, "--as=pod-1")  # another process by that name ends the first
    wait_for(lambda: services.is_over(1), second)
    assert "each process of the group needs its own" in services.log_of(1).read_text()


def test_a_backlog_waits_at_the_brokers_not_in_memory(broker: str, name: str) -> None:
    app = tr.Application(broker, consumer_group="phone")
    topic = app.topic(f"{name}-input", num_partitions=4)
    with app.get_producer() as producer:
        for i in range(60_000):  # 180 MB
            producer.produce(topic.name, f"k{i % 97}", {"text": os.urandom(1_500).hex()})
    command = [sys.executable, kafka_overloaded.__file__, broker, name, str(16 << 20)]
    peak = int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert peak < 120 << 20  # with what Python and the libraries take


def test_rows_that_come_while_a_latest_group_is_away(broker: str, name: str) -> None:
    def run() -> int:
        app = tr.Application(broker, consumer_group=name, auto_offset_reset="latest")
        app.dataframe(app.topic(f"{name}-input", num_partitions=3)).to_topic(app.topic(f"{name}-output"))
        return app.run(until_end=True).rows_in

    produce(broker, name, rows(0, 10))
    assert run() == 0
    produce(broker, name, rows(10, 30))
    assert run() == 20


def test_dead_letters_and_a_bad_row_that_stops(broker: str, name: str) -> None:
    def run(on_error: str) -> tr.Summary:
        app = tr.Application(
            broker, consumer_group=name, on_error=on_error, processing_guarantee="exactly-once"
        )
        sdf = app.dataframe(app.topic(f"{name}-input", num_partitions=3))
        sdf["y"] = sdf["x"] + 1
        sdf.to_topic(app.topic(f"{name}-output"))
        return app.run(until_end=True)

    app = tr.Application(broker, consumer_group="phone")
    app.topic(f"{name}-input", num_partitions=3)
    with app.get_producer() as producer:
        for value in (b'{"x":1}', b'{"x":"high"}', b'{"x":3}'):
            producer.produce(f"{name}-input", "k", value)
    for _ in range(2):
        with pytest.raises(tr.BadRowError) as raised:
            run("stop")
        assert raised.value.offset == 1
    assert len(read(broker, f"{name}-output")) == 1
    summary = run("dead-letter")
    assert (summary.rows_in, summary.rows_out, summary.bad) == (2, 1, 1)
    assert [record["value"] for record in read(broker, f"{name}-dead-letters")] == [{"x": "high"}]


def test_a_changelog_with_fewer_partitions(broker: str, name: str) -> None:
    app = tr.Application(broker, consumer_group=name)
    app.topic(f"{name}-{name}-input-changelog", num_partitions=2)
    with app.get_producer() as producer:
        producer.produce(f"{name}-{name}-input-changelog", "k", b"v")
    produce(broker, name, rows(0, 1))
    app = tr.Application(broker, consumer_group=name)
    kafka_service.pipeline(app, name).to_topic(app.topic(f"{name}-output"))
    with pytest.raises(
        tr.ConfigError, match=f"{name}-{name}-input-changelog has 2 partitions, its input {name}-input has 3"
    ):
        app.run(until_end=True)


def test_settings_of_the_client(broker: str, name: str) -> None:
    app = tr.Application(broker, consumer_group=name, consumer_config={"no.such.setting": "1"})
    app.dataframe(app.topic(f"{name}-input")).to_topic(app.topic(f"{name}-output"))
    with pytest.raises(tr.ConfigError, match=r"no\.such\.setting"):
        app.run(until_end=True)
