"""The service as compose file and chart start it, on a Kafka with the settings of the compose file."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from chart import ROOT, container, environment
from kafka import Cluster
from kafka_ports import free_ports
from observer import Observer, until
from postgres_server import Postgres
from programs import app_folder, ended, write_rows
from test_compose import services

__all__ = ["app_folder", "services"]  # fixtures

PARTITIONS = 4


@pytest.fixture
def addresses(services: dict[str, Any], tmp_path: Path) -> Iterator[dict[str, str]]:
    """A broker with the settings of the compose file, but for hosts, ports and folders; its doors by name."""
    first = free_ports(3)
    moved = {"9092": str(first), "9093": str(first + 1), "29092": str(first + 2)}

    def here(value: str) -> str:
        value = re.sub(
            r"(?:kafka|localhost|127\.0\.0\.1)?:(29092|9092|9093)\b",
            lambda m: f"127.0.0.1:{moved[m[1]]}",
            value,
        )
        return value.replace("/var/lib/kafka/data", str(tmp_path / "kafka/1/data"))

    settings = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): here(value)
        for name, value in services["kafka"]["environment"].items()
    }
    with Cluster(tmp_path / "kafka", port=first, settings=settings) as cluster:
        cluster.start()
        yield dict(entry.split("://") for entry in settings["advertised.listeners"].split(","))


class Group:
    """Three processes of the program, with these variables, each with its own port and directory."""

    def __init__(self, program: Path, folder: Path, variables: dict[str, str]) -> None:
        known = {name: value for name, value in os.environ.items() if not name.startswith("TIDERACE_")}
        self.variables = known | variables
        self.program = program
        self.folder = folder
        self.observers = [Observer() for _ in range(3)]

    def process(self, index: int, arguments: list[str]) -> AbstractContextManager[None]:
        """Its last arguments win."""
        port = self.observers[index].port
        own = [f"--metrics-port={port}", f"--state-dir={self.folder}/state-{index}"]
        # One broker, and rows whose timestamps are long ago.
        own += ["--replication-factor=1", "--retention-ms=-1"]
        return ended([sys.executable, self.program, *arguments, *own], self.variables)

    def values(self, metric: str) -> list[float]:
        return [observer.value(metric) for observer in self.observers]

    def wait_until_shared_out(self) -> None:
        for observer in self.observers:
            until(lambda observer=observer: observer.get("/readyz")[0] == 200)
        until(lambda: sorted(self.values("tiderace_partition_ready")) == [1, 1, 2])


def alerts(broker: str) -> list[dict[str, Any]]:
    words = [ROOT / "build/tiderace", "topic", "read", "alerts", "--from", "earliest", "--until-end"]
    done = subprocess.run([*words, "--broker-address", broker], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_three_processes_share_the_partitions(
    services: dict[str, Any], addresses: dict[str, str], app_folder: Path, tmp_path: Path
) -> None:
    variables = services["service"]["environment"] | {"TIDERACE_BROKER_ADDRESS": addresses["INTERNAL"]}
    group = Group(app_folder / "crash_detector.py", tmp_path, variables)
    assert services["service"]["deploy"]["replicas"] == len(group.observers)
    with Postgres() as server:
        command = [*services["service"]["command"], f"--database={server.url}"]
        with ExitStack() as stack:
            for i in range(3):
                stack.enter_context(group.process(i, command))
            group.wait_until_shared_out()
            write_rows(addresses["EXTERNAL"], 1000, riders=20)
            # To the topic and to the database.
            until(lambda: sum(group.values("tiderace_rows_out_total")) == 2000)
        assert server.query("SELECT count(*), count(DISTINCT rider) FROM telemetry") == "1000|20"
    records = alerts(addresses["EXTERNAL"])
    assert len(records) == 1000
    assert {record["partition"] for record in records} == set(range(PARTITIONS))
    assert all("shaking" in record["value"] for record in records)


def test_an_update_of_the_chart_moves_no_partition(
    addresses: dict[str, str], app_folder: Path, tmp_path: Path
) -> None:
    """A pod that stops and comes back under its name: the others never hear of it, and no row is missed."""
    variables = {
        name: value for name, value in environment("default", "service").items() if value is not None
    }
    variables["TIDERACE_BROKER_ADDRESS"] = addresses["INTERNAL"]
    group = Group(app_folder / "crash_detector.py", tmp_path, variables)

    def pod(index: int) -> AbstractContextManager[None]:
        words = container("default", "service")["args"]
        return group.process(index, [word.replace("$(POD_NAME)", f"demo-service-{index}") for word in words])

    with ExitStack() as stack:
        for i in (1, 2):
            stack.enter_context(pod(i))
        with pod(0):
            group.wait_until_shared_out()
            write_rows(addresses["EXTERNAL"], 500, riders=20)
            until(lambda: sum(group.values("tiderace_rows_out_total")) == 500)
            owned = group.values("tiderace_partition_ready")
            rebalances = group.values("tiderace_rebalances_total")
            before = group.values("tiderace_rows_out_total")[0]
        write_rows(addresses["EXTERNAL"], 500, riders=20)
        stack.enter_context(pod(0))
        until(lambda: group.observers[0].get("/readyz")[0] == 200)
        until(lambda: sum(group.values("tiderace_rows_out_total")) == 1000 - before)
        assert group.values("tiderace_partition_ready") == owned
        assert group.values("tiderace_rebalances_total")[1:] == rebalances[1:]
    assert len(alerts(addresses["EXTERNAL"])) == 1000
