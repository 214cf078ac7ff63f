"""Processes are killed while versions of their model come: which version scored which row holds."""

import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_service
import pytest
import tiderace as tr
from serving import POLL, From, Serving, publish, scored, until

GUARANTEES = pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
CLI = Path(__file__).parents[3] / "build" / "tiderace"
ROUNDS = {"embedded": 8, "kafka": 3}  # Kafka takes its time to hear of a death
ROWS_A_ROUND = 300
ROWS_AT_ONCE = 30


@dataclass(frozen=True)
class Written:
    """A record of the output, in the order of its partition."""

    key: str
    x: float
    y: float
    sum: float
    version: int


class Group:
    """The processes of one group, their log and the registry of their model."""

    def __init__(self, broker: str, name: str, guarantee: str, folder: Path) -> None:
        self.name = name
        self.broker = broker
        self.folder = folder
        self.address = f"{folder}/models/shaking"
        self.app = tr.Application(broker, consumer_group="phone")
        self._arguments = [broker, name, guarantee]
        self._process: subprocess.Popen[bytes] | None = None
        self.sent = 0
        self.rounds = 0
        publish(self.address, 1)

    def start(self, *options: str, state_dir: str = "state") -> subprocess.Popen[bytes]:
        state = str(self.folder / state_dir)
        command = [sys.executable, model_service.__file__, *self._arguments, state, self.address, *options]
        with (self.folder / "service.log").open("ab") as log:
            environment = os.environ | {"TIDERACE_LOG": "info"}
            self._process = subprocess.Popen(command, stderr=log, env=environment)
        return self._process

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def send(self, count: int) -> None:
        self.app.topic(f"{self.name}-input", num_partitions=3)
        for begin in range(self.sent, self.sent + count, ROWS_AT_ONCE):
            with self.app.get_producer() as producer:
                for x in range(begin, min(begin + ROWS_AT_ONCE, self.sent + count)):
                    producer.produce(f"{self.name}-input", f"k{x % 12}", {"x": x})
        self.sent += count

    def written(self) -> list[Written]:
        try:
            reader = self.app.get_reader(f"{self.name}-output", until_end=True)
        except tr.ConfigError:
            return []
        found = []
        for record in reader:
            row: dict[str, Any] = record.json()
            assert dict(record.headers)["tiderace.model.shaking"] == row["version"].encode()
            key = (record.key or b"").decode()
            found.append(Written(key, row["x"], row["y"], row["sum"], int(row["version"])))
        return found


@pytest.fixture
def group(request: pytest.FixtureRequest, name: str, tmp_path: Path, guarantee: str) -> Iterator[Group]:
    where = f"embedded:{tmp_path}/log"
    if request.param == "kafka":
        where = request.getfixturevalue("broker")
    group = Group(where, name, guarantee, tmp_path)
    group.rounds = ROUNDS[request.param]
    yield group
    group.kill()


@GUARANTEES
@pytest.mark.parametrize("group", ["embedded", "kafka"], indirect=True)
def test_versions_hold_over_kills(group: Group, guarantee: str) -> None:
    """Some times: rows, a new version, kill -9 at any moment; then to the end."""
    chance = random.Random(guarantee)
    for number in range(1, group.rounds + 1):
        service = group.start()
        seen = len(group.written())
        group.send(ROWS_A_ROUND)
        publish(group.address, number + 1)
        group.send(ROWS_A_ROUND)
        wanted = seen + chance.randrange(1, 2 * ROWS_A_ROUND)
        until(lambda wanted=wanted: len(group.written()) >= wanted)
        assert service.poll() is None
        group.kill()
        if number % 3 == 2:
            shutil.rmtree(group.folder / "state")
    service = group.start()
    while not any(row.version == group.rounds + 1 for row in group.written()):
        group.send(12)
    group.kill()
    assert group.start("--until-end").wait() == 0
    written = group.written()
    assert all(row.y == row.x * row.version for row in written), (
        "a row is scored by the version that it names"
    )
    by_row = defaultdict(list)
    by_key = defaultdict(list)
    for row in written:
        by_row[row.x].append(row)
        by_key[row.key].append(row)
    assert set(by_row) == set(range(group.sent)), "no row is lost"
    for again in by_row.values():
        assert len({row.sum for row in again}) == 1
        versions = [row.version for row in again]
        assert versions == sorted(versions), "a row that comes again is not scored by an older version"
    if guarantee == "exactly-once":
        assert len(written) == len(by_row)
        for rows in by_key.values():
            versions = [row.version for row in rows]
            assert versions == sorted(versions), "a restart does not go back"


@GUARANTEES
@pytest.mark.parametrize("group", ["embedded"], indirect=True)
def test_versions_hold_where_one_takes_over_at_once_and_is_killed(group: Group, guarantee: str) -> None:
    """Killed as soon as rows are seen that the version before fails on; what comes again comes in parts."""
    publish(group.address, 2, From(100))
    group.send(50)
    assert group.start("--until-end").wait() == 0
    publish(group.address, 3)
    group.send(100)
    group.start("--rarely")
    until(lambda: any(row.x >= 100 for row in group.written()))
    group.kill()
    group.send(1)
    for option in ("--one", "--until-end"):
        assert group.start(option).wait() == 0
    by_row = defaultdict(list)
    for row in group.written():
        assert row.y == row.x * row.version
        by_row[row.x].append(row.version)
    assert set(by_row) == set(range(group.sent)), "no row is lost"
    assert all(versions == sorted(versions) for versions in by_row.values())
    if guarantee == "exactly-once":
        assert all(len(versions) == 1 for versions in by_row.values())


@GUARANTEES
@pytest.mark.parametrize("group", ["kafka"], indirect=True)
def test_a_partition_takes_its_version_along(group: Group, guarantee: str) -> None:
    """Another process takes over what the dead one had, with state from the changelog alone."""
    group.start()
    group.send(60)
    until(lambda: len(group.written()) == 60)
    publish(group.address, 2)
    while not any(row.version == 2 for row in group.written()):
        group.send(12)
        until(lambda: len(group.written()) >= group.sent)
    group.kill()
    sent = group.sent
    before = group.written()
    tr.promote_model(group.address, 1)
    shutil.rmtree(group.folder / "state")
    group.send(12)
    assert group.start("--until-end").wait() == 0
    at_last = {row.key: row.version for row in before}
    again = group.written()[len(before) :]
    first = {row.key: row.version for row in reversed(group.written()) if row.x >= sent}
    assert again
    assert first == at_last, "the first batch is scored by what the state says, though the alias went back"


@GUARANTEES
@pytest.mark.parametrize("group", ["kafka"], indirect=True)
def test_a_standby_takes_over_while_the_registry_is_away(group: Group, guarantee: str) -> None:
    """What a process has in memory needs no registry."""
    first = group.start("--standby")
    group.start("--standby", state_dir="other")
    try:
        group.send(60)
        until(lambda: len(group.written()) >= 60)
        publish(group.address, 2)
        while {*{row.key: row.version for row in group.written()}.values()} != {2}:
            group.send(12)
            until(lambda: len(group.written()) >= group.sent)
        log = group.folder / "service.log"
        until(lambda: log.read_text().count("version 2 is loaded") >= 2)
        registry = Path(group.address)
        registry.rename(registry.with_name("away"))
    finally:
        first.kill()
        first.wait()
    sent = group.sent
    group.send(12)
    until(lambda: {row.x for row in group.written()} >= set(range(group.sent)))
    assert {row.version for row in group.written() if row.x >= sent} == {2}


@pytest.mark.parametrize("guarantee", ["at-least-once"])
@pytest.mark.parametrize("group", ["kafka"], indirect=True)
def test_a_control_topic_on_kafka(group: Group, guarantee: str) -> None:
    """It is followed, also where it tells of a version that is not there yet."""
    for number in (2, 3):
        publish(group.address, number)
    control, state = f"{group.name}-control", str(group.folder / "state")
    app = tr.Application(group.broker, consumer_group=group.name, state_dir=state)
    model = tr.load_model(f"{group.address}@champion", control_topic=control)
    sdf = app.dataframe(app.topic(f"{group.name}-input"))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic(f"{group.name}-output"))
    with Serving(app, f"{group.name}-input", f"{group.name}-output").running() as serving:
        assert serving.send(1).version == "3"
        with app.get_producer() as producer:
            producer.produce(control, "shaking", {"version": "2"})
        until(lambda: model.version == "2")
        assert serving.send(2, 3).version == "2"
        with app.get_producer() as producer:
            producer.produce(control, "shaking", {"version": "4"})
        assert serving.send(4).version == "2"
        publish(group.address, 4)
        until(lambda: model.version == "4")
        assert serving.send(5, 6).y == 24


def test_rows_that_go_through_again_are_scored_as_they_were(tmp_path: Path) -> None:
    address = f"{tmp_path}/models/shaking"
    publish(address, 1)

    def service() -> tuple[tr.Application, tr.Model]:
        app = tr.Application(f"embedded:{tmp_path}/log", consumer_group="group")
        sdf = app.dataframe(app.topic("input"))
        model = tr.load_model(f"{address}@champion", poll_interval=POLL)
        sdf["y"] = model.predict(sdf[["x"]])
        sdf.to_topic(app.topic("output"))
        return app, model

    app, model = service()
    with Serving(app).running() as serving:
        serving.send(1, 2)
        for number in (2, 3, 4):
            publish(address, number)
            until(lambda wanted=str(number): model.version == wanted)
            serving.send(*range(10 * number, 10 * number + 4))
    once = [(row.x, row.version) for row in scored(app)]
    assert {version for _, version in once} == {"1", "2", "3", "4"}
    command = [
        CLI,
        "group",
        "reset",
        "group",
        "--topic",
        "input",
        "--to",
        "1",
        "--state",
        "keep",
        "--execute",
    ]
    subprocess.run([*command, "--broker-address", f"embedded:{tmp_path}/log"], check=True)
    app, model = service()
    app.run(until_end=True)
    assert [(row.x, row.version) for row in scored(app)][len(once) :] == once[1:]
