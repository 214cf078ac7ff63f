"""The processes of the demo: gateway, service, phones, and a reader of what comes out."""

import argparse
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway_client
import tiderace as tr
import train
from verdict import Alerts, Key, RowId, row_id

HERE = Path(__file__).parent
BUILT_SERVICE = HERE.parent.parent / "build" / "examples" / "crash_detection" / "service"
TOPICS = "[topics]\nphone-data = { partitions = 4 }\nalerts = { partitions = 4 }\n"

Process = subprocess.Popen[bytes]


class Pipeline:
    """The processes and where they stand. Leaving its `with` ends all of them."""

    def __init__(self, arguments: argparse.Namespace, directory: Path, broker: str) -> None:
        self.arguments = arguments
        self.directory = directory
        self.broker = broker
        self.labels = directory / "labels.ndjson"
        self.alerts = Alerts()
        self.gateway_url = ""
        self._processes: dict[str, Process] = {}  # by what they are called
        self._read_enough = threading.Event()
        self._records: queue.SimpleQueue[dict[str, Any] | Exception] = queue.SimpleQueue()

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def gateway(self) -> Process:
        return self._processes["gateway"]

    @property
    def service(self) -> Process:
        return self._processes["service"]

    @property
    def model(self) -> Path:
        """What the service runs, as train.py has left it."""
        return self.directory / ("shaking.ubj" if self.arguments.cpp else "shaking.pkl")

    def start_gateway(self, config: str = "") -> None:
        """Starts it, on the port that it had before; `config` is TOML in place of the demo's `listen`."""
        listen = self.gateway_url.removeprefix("ws://") or "127.0.0.1:0"
        own = f'listen = "{listen}"'
        file = self.directory / "gateway.toml"
        file.write_text(f'broker_address = "{self.broker}"\n{config or own}\n{TOPICS}')
        program = Path(sys.executable).with_name("tiderace")
        with (self.directory / "gateway.log").open("ab") as log:
            gateway = self._start("gateway", program, "gateway", "--config", file, stderr=log)
        assert gateway.stdout
        said = gateway.stdout.readline().decode()
        found = re.match(r"listening on https?://([^ ]*:\d+)", said)
        if found is None:
            gateway.wait()
            self._check(gateway, "gateway")
            raise SystemExit(f"the gateway said {said!r} in place of where it listens")
        self.gateway_url = f"ws://{found[1]}"

    def start_service(self) -> None:
        once = "exactly-once"
        if self.arguments.cpp:
            self._start("service", BUILT_SERVICE, self.broker, self.model, once)
            return
        options: list[str | Path] = ["--broker-address", self.broker, "--model", self.model]
        options += ["--guarantee", once]
        self._start("service", sys.executable, HERE / "service.py", *options)

    def start_phone(self) -> None:
        options: dict[str, Any] = {
            "gateway": self.gateway_url,
            "labels": self.labels,
            "recordings": ",".join(str(number) for number in train.HELD_OUT),
            "riders": self.arguments.riders,
            "speed-up": self.arguments.speed_up,
            "duration": self.arguments.seconds * self.arguments.speed_up,
            "seed": self.arguments.seed,
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self._start("phone", sys.executable, HERE / "phone.py", *flags)

    def start_reader(self) -> None:
        """Hands every alert that the gateway has to `arriving`, as the dashboard would get it."""

        def collect() -> None:
            try:
                for record in gateway_client.read(self.gateway_url, "alerts", until=self._read_enough):
                    self._records.put(record)
            except Exception as error:
                self._records.put(error)

        threading.Thread(target=collect, daemon=True).start()

    def arriving(self, until_s: float, all_up: bool = True) -> Iterator[tuple[Key, dict[str, Any]]]:
        """The alerts as they come in, up to a time; rows that were seen before are counted and left out.

        With `all_up`, ends the demo if a process has ended by itself.
        """
        while (left_s := until_s - time.time()) > 0:
            try:
                record = self._records.get(timeout=min(left_s, 0.05))
            except queue.Empty:
                if all_up:
                    self.check()
                continue
            if isinstance(record, Exception):
                raise SystemExit(f"the reader of alerts ended: {record}")
            known = len(self.alerts.rows)
            key = self.alerts.add(record)
            if len(self.alerts.rows) > known:
                yield key, self.alerts.rows[key]

    def check(self) -> None:
        """Ends the demo if a process has ended that should not have; phones may, once all is sent."""
        for name, process in self._processes.items():
            if name != "phone" or process.poll() != 0:
                self._check(process, name)

    def _check(self, process: Process, name: str) -> None:
        if process.poll() is None:
            return
        if name == "gateway":
            sys.stderr.write((self.directory / "gateway.log").read_text(errors="replace"))
        raise SystemExit(f"the {name} ended by itself (exit code {process.returncode}); its message is above")

    def kill(self, process: Process) -> None:
        self.check()
        process.kill()
        process.communicate()

    def wait_for_phone(self) -> str:
        """Returns what the phones said once they had sent everything."""
        phone = self._processes["phone"]
        said, _ = phone.communicate(timeout=60)
        if phone.returncode != 0:
            raise SystemExit(f"the phone ended with exit code {phone.returncode}; its message is above")
        return said.decode().strip()

    def stop_service(self) -> str:
        """Asks the service to end, as Kubernetes would, and returns what it said."""
        service = self._processes.pop("service")
        service.send_signal(signal.SIGTERM)
        said, _ = service.communicate(timeout=30)
        if service.returncode != 0:
            raise SystemExit(f"the service did not stop cleanly (exit code {service.returncode})")
        return said.decode().strip()

    def stop_gateway(self) -> None:
        """Has it drain, and end; the reader does, too."""
        self._read_enough.set()
        gateway = self._processes.pop("gateway")
        gateway.send_signal(signal.SIGTERM)
        gateway.communicate(timeout=30)

    def stored(self) -> Counter[RowId]:
        """What the topic of the phones' rows holds, and how often; also brings in the last of the alerts."""
        app = tr.Application(broker_address=self.broker, consumer_group="demo")
        for record in app.get_reader("alerts", until_end=True):
            self.alerts.add_stored(record.key, record.json())
        reader = app.get_reader("phone-data", until_end=True)
        return Counter(row_id((record.key or b"").decode(), record.json()) for record in reader)

    def _start(self, name: str, *command: str | Path, **options: Any) -> Process:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        parts = [str(part) for part in command]
        # Beside Kafka, state is kept in the working directory; that of another run belongs to another log.
        options |= {"cwd": self.directory, "env": environment, "stdout": subprocess.PIPE}
        process: Process = subprocess.Popen(parts, **options)
        self._processes[name] = process
        return process
