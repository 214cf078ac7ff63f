"""A gateway under load: phones that send rows, and readers; figures in bench/results/gateway.json.

It has the embedded log on this disk, or with --kafka a broker of its own, and shares the machine's cores with
that and with the program that plays the phones.
Memory is what the process holds resident beyond what it held before anybody connected.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import results
from kafka import Cluster

BUILD = Path(__file__).resolve().parents[2] / "build"
CONFIG = """
broker_address = "{broker}"
listen = "127.0.0.1:{port}"
metrics_port = {metrics_port}
web_root = ""
[topics]
phone-data = {{ partitions = 4 }}
[limits]
connections = 15000
connections_per_address = 15000
"""


def resident_kb(process: subprocess.Popen[str]) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1])


def stored_p99_ms(metrics: str) -> float:
    """The upper bound of the bucket that the 99th percentile is in."""
    buckets = re.findall(r'stored_seconds_bucket\{le="([^"]+)"\} (\d+)', metrics)
    wanted = 0.99 * int(buckets[-1][1])
    return next(float(bound) for bound, count in buckets if int(count) >= wanted) * 1000


@contextmanager
def log_in(folder: str, kafka: bool) -> Iterator[str]:
    """The address of an empty log."""
    if not kafka:
        yield f"embedded:{folder}/log"
        return
    with Cluster(Path(folder) / "kafka") as cluster:
        cluster.start()
        yield cluster.bootstrap


def measure(
    phones: int, per_second: float, readers: int, seconds: int, kafka: bool = False
) -> dict[str, Any]:
    ports = (18_080, 18_081)
    with tempfile.TemporaryDirectory() as folder, log_in(folder, kafka) as broker:
        config = Path(folder) / "gateway.toml"
        config.write_text(CONFIG.format(broker=broker, port=ports[0], metrics_port=ports[1]))
        command = [BUILD / "tiderace", "gateway", "--config", config]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
            assert gateway.stdout
            gateway.stdout.readline()
            before = resident_kb(gateway)
            load = [
                BUILD / "bench/gateway/gateway_load",
                *map(str, (ports[0], phones, per_second, readers, seconds)),
            ]
            with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as program:
                assert program.stdout
                line = program.stdout.readline()
                resident = resident_kb(gateway)
                with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/metrics") as answer:
                    metrics = answer.read().decode()
            gateway.terminate()
    figures: dict[str, Any] = json.loads(line)
    figures["stored_p99_ms_at_most"] = stored_p99_ms(metrics)
    figures["kib_a_socket"] = round((resident - before) / (phones + readers), 1)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--per-second", type=float, default=4)
    parser.add_argument("--readers", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--kafka", action="store_true", help="on a broker of its own")
    given = parser.parse_args()
    idle = measure(given.phones, 0.001, 0, 1)
    loads = [(given.per_second, given.kafka)]
    if len(sys.argv) == 1:  # what is recorded
        loads = [(4, False), (2, False), (1, True)]
    rows = [{"log": "embedded", "rows_a_phone": 0, **idle}]
    for per_second, kafka in loads:
        figures = measure(given.phones, per_second, given.readers, given.seconds, kafka)
        rows.append({"log": "Kafka" if kafka else "embedded", "rows_a_phone": per_second, **figures})
    results.show(rows)
    if len(sys.argv) == 1:
        results.write("gateway", {}, rows)


if __name__ == "__main__":
    main()
