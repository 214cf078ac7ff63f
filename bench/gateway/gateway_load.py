"""A gateway under load: phones that send rows, and readers; figures in bench/results/gateway.json.

It has the embedded log on this disk, and shares the machine's cores with the program that plays the phones.
Memory is what the process holds resident beyond what it held before anybody connected.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import results

BUILD = Path(__file__).resolve().parents[2] / "build"
CONFIG = """
broker_address = "embedded:{folder}/log"
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


def measure(
    phones: int, per_second: float, readers: int, seconds: int, ports: tuple[int, int]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.toml"
        config.write_text(CONFIG.format(folder=folder, port=ports[0], metrics_port=ports[1]))
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
    given = parser.parse_args()
    idle = measure(given.phones, 0.001, 0, 1, (18_080, 18_081))
    loaded = measure(given.phones, given.per_second, given.readers, given.seconds, (18_080, 18_081))
    print(json.dumps({"idle": idle, "loaded": loaded}, indent=1))
    if len(sys.argv) == 1:
        results.write("gateway", {}, [{"load": "idle", **idle}, {"load": "loaded", **loaded}])


if __name__ == "__main__":
    main()
