"""What the compose file starts, started here: a broker with its settings, three processes of the service."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chart import ROOT
from kafka import Cluster
from kafka_ports import free_ports
from observer import Observer, until
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


def test_three_processes_share_the_partitions(
    services: dict[str, Any], addresses: dict[str, str], app_folder: Path, tmp_path: Path
) -> None:
    service = services["service"]
    observers = [Observer() for _ in range(service["deploy"]["replicas"])]
    known = {name: value for name, value in os.environ.items() if not name.startswith("TIDERACE_")}
    known |= service["environment"] | {"TIDERACE_BROKER_ADDRESS": addresses["INTERNAL"]}
    with contextlib.ExitStack() as stack:
        for i, observer in enumerate(observers):
            own = [f"--metrics-port={observer.port}", f"--state-dir={tmp_path}/state-{i}"]
            command = [sys.executable, app_folder / "crash_detector.py", *service["command"], *own]
            stack.enter_context(ended(command, known))
        for observer in observers:
            until(lambda observer=observer: observer.get("/readyz")[0] == 200)
        until(lambda: sum(observer.value("tiderace_partition_ready") for observer in observers) == PARTITIONS)
        assert all(observer.value("tiderace_partition_ready") >= 1 for observer in observers)
        write_rows(addresses["EXTERNAL"], 1000, riders=20)
        until(lambda: sum(observer.value("tiderace_rows_out_total") for observer in observers) == 1000)
        assert sum(observer.value("tiderace_rows_in_total") for observer in observers) == 1000
    read = [ROOT / "build/tiderace", "topic", "read", "alerts", "--from", "earliest", "--until-end"]
    done = subprocess.run(
        [*read, "--broker-address", addresses["EXTERNAL"]], capture_output=True, text=True, check=True
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 1000
    assert {record["partition"] for record in records} == set(range(PARTITIONS))
    assert all("shaking" in record["value"] for record in records)
