"""The processes of the demo: gateway, service, history, training, phones, and a reader of what comes out."""

import argparse
import contextlib
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
import retrain
import tiderace as tr
import train
from service import FEATURES
from verdict import Alerts, Key, RowId, row_id

HERE = Path(__file__).parent
PAGES = HERE.parent.parent / "web" / "dist"
BUILT_SERVICE = HERE.parent.parent / "build" / "examples" / "crash_detection" / "service"
VERSION = "tiderace.model.shaking"  # the header that names it
TOPICS = "[topics]\nphone-data = { partitions = 4 }\nalerts = { partitions = 4 }\n"

PATIENCE_S = 120
ENDING = ("phone", "training")  # by themselves, when all is done

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
    def kind(self) -> str:
        """Of model: the C++ service runs XGBoost's."""
        return "ubj" if self.arguments.cpp else "pkl"

    @property
    def registry(self) -> str:
        return f"file:{self.directory}/models/shaking"

    @property
    def database(self) -> Path:
        return self.directory / "telemetry.duckdb"

    def publish(self) -> None:
        """Makes what train.py has left the first version of the registry."""
        file = self.directory / f"shaking.{self.kind}"
        tr.publish_model(file, self.registry, features=FEATURES, alias="champion")

    def models(self) -> dict[str, tr.Model]:
        """All versions that there are."""
        newest = tr.load_model(f"{self.registry}@champion").about
        assert newest is not None
        numbers = range(1, int(newest.version) + 1)
        return {str(number): tr.load_model(f"{self.registry}@{number}") for number in numbers}

    def start_gateway(self, config: str = "") -> None:
        """Starts it, on the port that it had before; `config` is TOML in place of the demo's `listen`."""
        listen = self.gateway_url.removeprefix("ws://") or "127.0.0.1:0"
        pages = f'web_root = "{PAGES}"\n' if PAGES.exists() else ""
        own = f'{pages}listen = "{listen}"'
        file = self.directory / "gateway.toml"
        file.write_text(f'broker_address = "{self.broker}"\n{config or own}\n{TOPICS}')
        program = Path(sys.executable).with_name("tiderace")
        gateway = self._start("gateway", program, "gateway", "--config", file, logged=True)
        assert gateway.stdout
        said = gateway.stdout.readline().decode()
        found = re.match(r"listening on https?://([^ ]*:\d+)", said)
        if found is None:
            gateway.wait()
            self._check(gateway, "gateway")
            raise SystemExit(f"the gateway said {said!r} in place of where it listens")
        self.gateway_url = f"ws://{found[1]}"

    def map_said(self) -> str:
        """Where the dashboard is, while the demo runs."""
        if not PAGES.exists():
            return "the map is not built; ./dev web does that"
        return f"the map: http{self.gateway_url.removeprefix('ws')}/"

    def start_service(self) -> None:
        once = "exactly-once"
        model = f"{self.registry}@champion"
        if self.arguments.cpp:
            self._start("service", BUILT_SERVICE, self.broker, model, once, "1")
            return
        options = ["--broker-address", self.broker, "--model", model, "--poll-interval", "1"]
        self._start("service", sys.executable, HERE / "service.py", *options, "--guarantee", once)

    def start_history(self) -> None:
        options: list[str | Path] = ["--broker-address", self.broker, "--database", self.database]
        # That training has the file open for a moment is a warning of its sink's.
        self._start("history", sys.executable, HERE / "to_database.py", *options, logged=True)

    def start_training(self) -> None:
        """Trains on what is in the database by now, and publishes the model, while all else goes on."""
        options: list[str | Path] = ["--database", self.database, "--labels", self.labels]
        options += ["--model", self.registry, "--kind", self.kind]
        self._start("training", sys.executable, HERE / "retrain.py", *options)

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
        """Ends the demo if a process has ended that should not have; some may, once all is done."""
        for name, process in self._processes.items():
            if name not in ENDING or process.poll() != 0:
                self._check(process, name)

    def _check(self, process: Process, name: str) -> None:
        if process.poll() is None:
            return
        with contextlib.suppress(FileNotFoundError):
            sys.stderr.write(self._log_of(name).read_text(errors="replace"))
        raise SystemExit(f"the {name} ended by itself (exit code {process.returncode}); its message is above")

    def kill(self, process: Process) -> None:
        self.check()
        process.kill()
        process.communicate()

    def is_to_end(self, name: str) -> bool:
        """Whether it was started and not waited for yet."""
        return name in self._processes

    def has_ended(self, name: str) -> bool:
        """Whether waiting for it takes no time."""
        return self.is_to_end(name) and self._processes[name].poll() is not None

    def wait_for(self, name: str) -> str:
        """Returns what phones or training said once they had done everything."""
        process = self._processes.pop(name)
        try:
            said, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise SystemExit(f"the {name} did not end within {PATIENCE_S} s") from None
        if process.returncode != 0:
            raise SystemExit(f"the {name} ended with exit code {process.returncode}; its message is above")
        return said.decode().strip()

    def stop(self, name: str) -> str:
        """Asks service or history to end, as Kubernetes would, and returns what it said."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
        if process.returncode != 0:
            raise SystemExit(f"the {name} did not stop cleanly (exit code {process.returncode})")
        return said.decode().strip()

    def kept(self, wanted: int) -> Counter[RowId]:
        """What the database holds, and how often, once it is so many rows or a minute is over."""
        until_s = time.monotonic() + 60
        while len(rows := retrain.kept(self.database)) < wanted and time.monotonic() < until_s:
            time.sleep(1)  # its sink wants the file, too
        return Counter(row_id(row.rider, row.fields) for row in rows)

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
            version = (dict(record.headers).get(VERSION) or b"").decode()
            self.alerts.add_stored(record.key, record.json(), version)
        reader = app.get_reader("phone-data", until_end=True)
        return Counter(row_id((record.key or b"").decode(), record.json()) for record in reader)

    def _start(self, name: str, *command: str | Path, logged: bool = False) -> Process:
        """`logged`: what it says on stderr goes into a file, which is shown if it ends by itself."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        parts = [str(part) for part in command]
        with self._log_of(name).open("ab") if logged else contextlib.nullcontext() as log:
            # Beside Kafka, state is kept in the working directory; that of another run is of another log.
            self._processes[name] = subprocess.Popen(
                parts, cwd=self.directory, env=environment, stdout=subprocess.PIPE, stderr=log
            )
        return self._processes[name]

    def _log_of(self, name: str) -> Path:
        return self.directory / f"{name}.log"
