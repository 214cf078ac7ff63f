"""A group on Kafka with a sink: members that are killed, that stand still, and that take over."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kafka_sink_service
import phone_features
import pytest
import tiderace as tr
from postgres_server import Postgres


class Group:
    """Members of one group, and the rows that they get."""

    def __init__(self, broker: str, name: str, guarantee: str, postgres: Postgres, folder: Path) -> None:
        self.arguments = [broker, name, guarantee, postgres.url]
        self.broker, self.name, self.postgres, self.folder = broker, name, postgres, folder
        self.members: dict[int, subprocess.Popen[bytes]] = {}
        self.rows: list[dict[str, Any]] = []
        self.random = random.Random(11)

    def append(self, count: int) -> None:
        app = tr.Application(self.broker, consumer_group="phone")
        app.topic(f"{self.name}-input", num_partitions=3)
        rows = phone_features.phone_rows(len(self.rows), len(self.rows) + count)
        with app.get_producer() as producer:
            for row in rows:
                producer.produce(f"{self.name}-input", row["rider"], row, timestamp=row["t"])
        self.rows += rows

    def start(self, number: int, *options: str) -> None:
        state = str(self.folder / f"state-{number}")
        command = [sys.executable, kafka_sink_service.__file__, *self.arguments, state, *options]
        with (self.folder / f"log-{number}").open("ab") as log:
            self.members[number] = subprocess.Popen(command, stderr=log, env=os.environ)

    def signal(self, number: int, which: signal.Signals) -> None:
        self.members[number].send_signal(which)
        if which == signal.SIGKILL:
            self.members[number].wait()

    def end(self) -> None:
        for member in self.members.values():
            member.kill()
            member.wait()

    def stored(self) -> int:
        try:
            return int(self.postgres.query("SELECT count(*) FROM features"))
        except Exception:
            return 0

    def wait_for(self, rows: int) -> None:
        until = time.monotonic() + 90
        alive = [number for number, member in self.members.items() if member.poll() is None]
        while self.stored() < rows:
            assert time.monotonic() < until, f"found {self.stored()} of {rows} rows"
            for number in alive:
                log = (self.folder / f"log-{number}").read_text()
                assert self.members[number].poll() is None, f"member {number} ended:\n{log[-3000:]}"

    def wait_for_all(self) -> None:
        self.wait_for(sum("x" in row for row in self.rows))


@pytest.fixture
def group(broker: str, name: str, guarantee: str, postgres: Postgres, tmp_path: Path) -> Iterator[Group]:
    group = Group(broker, name, guarantee, postgres, tmp_path)
    yield group
    group.end()


GUARANTEES = pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])


@GUARANTEES
def test_members_that_are_killed_and_stand_still_write_each_row_once(group: Group, tmp_path: Path) -> None:
    group.append(600)
    for number in (0, 1):
        group.start(number)
    for turn in range(4):
        before = group.stored()
        group.append(600)
        group.wait_for(before + 50 + group.random.randrange(300))
        # The other takes over; one that stood still wakes up as an owner that it is no more.
        group.signal(turn % 2, signal.SIGKILL if turn < 2 else signal.SIGSTOP)
        group.append(600)
        group.wait_for_all()
        if turn < 2:
            group.start(turn % 2)
        else:
            group.signal(turn % 2, signal.SIGCONT)
            group.append(100)
            group.wait_for_all()
    assert phone_features.found(group.postgres) == phone_features.expected(group.rows, tmp_path)


@GUARANTEES
def test_a_source_of_several_members_is_brought_in_once(group: Group, tmp_path: Path) -> None:
    group.rows = phone_features.phone_rows(0, 20_000)
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in group.rows))
    group.append(0)
    for number in (0, 1):
        group.start(number, f"--source={path}")
    group.wait_for(2000)
    for number in (0, 1):
        group.signal(number, signal.SIGKILL)
        group.start(number, f"--source={path}")
    group.wait_for_all()
    assert phone_features.found(group.postgres) == phone_features.expected(group.rows, tmp_path)
