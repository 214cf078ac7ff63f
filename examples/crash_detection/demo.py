"""The whole story in under a minute: train, detect live, kill the service, and see that nothing was lost.

Starts phone.py and service.py as processes of their own on one embedded log in a fresh directory, shows what
the service makes of one rider, kills it with SIGKILL, starts it again, and holds all that came out against a
backtest.
"""

import argparse
import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import phone
import train
from verdict import MEAN, Alerts, Key, Run, print_summary

HERE = Path(__file__).parent
BUILT_SERVICE = HERE.parent.parent / "build" / "examples" / "crash_detection" / "service"
WATCHED = "rider-1"
COLUMNS = ["gForceX", "gForceY", "gForceZ", "gForceTotal", "gForceTotal-10s", "shaking"]
WIDTH = 15


class Demo:
    """The processes and where they stand. Leaving its `with` ends all of them."""

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self.arguments = arguments
        self.directory = directory
        self.broker = f"embedded:{directory / 'log'}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.alerts = Alerts()
        self.killed_s = self.resumed_s = float("inf")

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, *command: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen([str(part) for part in command], env=environment, **options)
        self.processes.append(process)
        return process

    def tiderace(self, *options: str) -> list[str]:
        program = Path(sys.executable).with_name("tiderace")
        return [str(program), *options, "--broker-address", self.broker]

    def make_topics(self) -> None:
        for topic in ("phone-data", "alerts"):
            subprocess.run(
                self.tiderace("topic", "create", topic, "--partitions", "4"), check=True, stdout=sys.stderr
            )

    def start_service(self) -> subprocess.Popen[bytes]:
        if self.arguments.cpp:
            return self.start(
                BUILT_SERVICE, self.broker, self.directory / "shaking.ubj", stdout=subprocess.PIPE
            )
        options = ["--broker-address", self.broker, "--model", str(self.directory / "shaking.pkl")]
        return self.start(sys.executable, HERE / "service.py", *options, stdout=subprocess.PIPE)

    def start_phone(self) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {
            "broker-address": self.broker,
            "labels": self.directory / "labels.ndjson",
            "recordings": ",".join(str(number) for number in train.HELD_OUT),
            "riders": self.arguments.riders,
            "speed-up": self.arguments.speed_up,
            "duration": self.arguments.seconds * self.arguments.speed_up,
            "seed": self.arguments.seed,
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return self.start(sys.executable, HERE / "phone.py", *flags, stdout=subprocess.DEVNULL)

    def start_reader(self) -> None:
        """Hands every record of the alerts topic, as the command line prints it, to `lines`."""
        reader = self.start(
            *self.tiderace("topic", "read", "alerts", "--from", "earliest"), stdout=subprocess.PIPE
        )

        def collect() -> None:
            assert reader.stdout is not None
            for line in reader.stdout:
                self.lines.put(line)

        threading.Thread(target=collect, daemon=True).start()

    def arriving(self, until_s: float) -> Iterator[tuple[Key, dict[str, Any]]]:
        """The alerts as they come in, up to a time; rows that were seen before are counted and left out."""
        while (left_s := until_s - time.time()) > 0:
            try:
                line = self.lines.get(timeout=min(left_s, 0.05))
            except queue.Empty:
                continue
            known = len(self.alerts.rows)
            key = self.alerts.add(line)
            if len(self.alerts.rows) > known:
                yield key, self.alerts.rows[key]


class Table:
    """Prints the rows of the watched rider, one a second of its time, with the header now and then."""

    def __init__(self) -> None:
        self.printed = 0
        self.last: dict[str, Any] | None = None
        self.next_ms = 0

    def show(self, key: Key, row: dict[str, Any]) -> bool:
        """Whether the row is of the watched rider."""
        rider, timestamp_ms = key
        if rider != WATCHED:
            return False
        self.last = row
        if timestamp_ms >= self.next_ms:
            self.next_ms = timestamp_ms - timestamp_ms % 1000 + 1000
            self.print(row)
        return True

    def print(self, row: dict[str, Any]) -> None:
        if self.printed % 30 == 0:
            print(" ".join(f"{name:>{WIDTH}}" for name in COLUMNS))
        self.printed += 1
        print(" ".join(f"{_shown(row[name]):>{WIDTH}}" for name in COLUMNS), flush=True)


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def banner(text: str) -> None:
    print(f"\n--- {text}\n", flush=True)


def live(demo: Demo) -> Run:
    """Runs phone and service to the end of the ride, with a kill in the middle."""
    seconds, speed_up = demo.arguments.seconds, demo.arguments.speed_up
    banner(f"live: {demo.arguments.riders} riders, {speed_up:g} times as fast as real; this is {WATCHED}")
    demo.make_topics()
    demo.start_reader()
    service = demo.start_service()
    sender = demo.start_phone()
    table = Table()
    begun_s = time.time()
    for key, row in demo.arriving(until_s=begun_s + seconds * 0.7):
        # The most telling moment is while the mean is high: one that started from nothing would not be.
        high = table.show(key, row) and (row[MEAN] or 0) > 16
        if high and time.time() > begun_s + seconds * 0.4:
            break
    still_running(service, "service")
    service = kill_and_restart(demo, service, table)
    if sender.poll() is not None and sender.returncode != 0:
        raise SystemExit(f"the phone ended by itself (exit code {sender.returncode})")
    labels = phone.read_labels(demo.directory / "labels.ndjson")
    expected = sum("gForceX" in row.fields for row in phone.rows(labels, seed=demo.arguments.seed))
    for key, row in demo.arriving(until_s=begun_s + seconds + 15):
        table.show(key, row)
        still_running(service, "service")
        if len(demo.alerts.rows) == expected:
            break
    ended_s = time.time()
    sender.wait(timeout=10)
    return Run(
        labels=labels,
        seed=demo.arguments.seed,
        speed_up=speed_up,
        alerts=demo.alerts,
        begun_s=begun_s,
        killed_s=demo.killed_s,
        resumed_s=demo.resumed_s,
        ended_s=ended_s,
        said=stop(service),
    )


def still_running(process: subprocess.Popen[bytes], name: str) -> None:
    if process.poll() is not None:
        raise SystemExit(f"the {name} ended by itself (exit code {process.returncode}); its message is above")


def kill_and_restart(demo: Demo, service: subprocess.Popen[bytes], table: Table) -> subprocess.Popen[bytes]:
    service.kill()
    service.wait()
    demo.killed_s = time.time()
    for key, row in demo.arriving(until_s=demo.killed_s + 2):
        table.show(key, row)
    before = _shown(table.last[MEAN]) if table.last else "nothing yet"
    banner(f"killed the service (SIGKILL) while the mean read {before}; starting it again")
    service = demo.start_service()
    for key, row in demo.arriving(until_s=time.time() + 15):
        if demo.resumed_s == float("inf"):
            demo.resumed_s = time.time()
        if table.show(key, row):
            banner(f"and it goes on from {_shown(row[MEAN])}, with what came in meanwhile")
            break
    return service


def stop(service: subprocess.Popen[bytes]) -> str:
    """Asks the service to end, as Kubernetes would, and returns what it said."""
    service.send_signal(signal.SIGTERM)
    said, _ = service.communicate(timeout=20)
    if service.returncode != 0:
        raise SystemExit(f"the service did not stop cleanly (exit code {service.returncode})")
    return said.decode().strip()


def run(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="tiderace-demo-") as name:
        directory = Path(name)
        banner("training, on the service's own features")
        train.run(directory)
        with Demo(arguments, directory) as demo:
            done = live(demo)
        banner("summary")
        return 0 if print_summary(done) else 1


def end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--riders", type=int, default=100, help="phones at the same time (default 100)")
    parser.add_argument("--seconds", type=float, default=30, help="of the live part (default 30)")
    parser.add_argument("--speed-up", type=float, default=3, help="times as fast as real (default 3)")
    parser.add_argument("--seed", type=int, default=15, help="another seed, another ride")
    parser.add_argument("--cpp", action="store_true", help="run the service that is written in C++")
    arguments = parser.parse_args()
    if arguments.cpp and not BUILT_SERVICE.exists():
        parser.error(f"no program at {BUILT_SERVICE}; ./dev build makes it")
    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt):
        return run(arguments)
    print("\nstopped", file=sys.stderr)
    return 130


if __name__ == "__main__":
    sys.exit(main())
