"""What every program here stands on: a cluster with the topics of the plan, its input, ways to ask Kafka."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import arrivals
import comparison
import group_service
import pipeline
import pyarrow as pa
import tiderace as tr
from kafka_cluster import Cluster

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / "build"
BUILT = BUILD / "tests" / "crash" / "group"
COORDINATOR = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator.group=info"
# Three brokers beside everything else. What is measured wants a broker that is warm and compiled in full.
QUICK_JVM = ("-Xmx384m",)
WARM_JVM = ("-Xmx768m", "-XX:TieredStopAtLevel=4")
FOLDER = HERE.parents[2] / ".cache" / "crash"
PROBE_S = 30
CHANGELOG = f"{group_service.GROUP}-phone-data-changelog"

State = list[tuple[str, int, int, int, int]]


class Ground:
    """A context manager; at its end all that it started is killed. `folder` holds what it writes.

    `settings` are the brokers'.
    """

    def __init__(
        self,
        folder: Path,
        brokers: int,
        partitions: int,
        jvm: Sequence[str] = QUICK_JVM,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder
        self.partitions = partitions
        self.faults: list[str] = []
        self.arrivals = folder / "arrivals"
        self.cluster = Cluster(
            folder / "kafka", brokers=brokers, options=[*jvm, COORDINATOR], settings=settings
        )
        self.began = time.monotonic()
        self._events = (folder / "events.log").open("w")
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:
            ends.callback(self._events.close)
            ends.enter_context(self.cluster)
            self.cluster.start()
            for topic in ("phone-data", "alerts"):
                self.create(topic)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.faults.append(f"ended by {error!r}")
        self._ends.close()

    def close(self, keep: bool) -> None:
        """Deletes what is in `folder`, unless there were faults; else it says where to look."""
        if self.faults or keep:
            print(f"logs and whatever differs are in {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder)

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    def at_end(self, call: Callable[[], object]) -> None:
        """`call` before what was there already ends."""
        self._ends.callback(call)

    def say(self, text: str) -> None:
        line = f"{time.monotonic() - self.began:7.1f} s  {text}"
        print(line, flush=True)
        print(line, file=self._events, flush=True)

    def fault(self, text: str) -> None:
        self.faults.append(text)
        self.say(f"FAULT: {text}")

    def program(self, name: str, *command: object) -> subprocess.Popen[bytes]:
        """A process beside this one, until the end; what it says as an error is in `name`.log."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        self.at_end(process.communicate)
        self.at_end(process.kill)
        return process

    def feeder(self, rate: int, at_once: int = 0, keys: int = 0) -> subprocess.Popen[bytes]:
        """Writes `phone_rows` at so many a second."""
        return self.program("feeder", sys.executable, HERE / "feeder.py", self.bootstrap, rate, at_once, keys)

    @contextlib.contextmanager
    def watching(self, topic: str = "alerts") -> Iterator[None]:
        """Writes to `arrivals` when which row of the topic comes."""
        watch = self.program("watch", BUILT / "kafka_probe", "watch", self.bootstrap, topic, self.arrivals)
        assert watch.stdout is not None
        watch.stdout.readline()
        yield
        watch.send_signal(signal.SIGTERM)
        if watch.wait(30) != 0:
            self.fault(f"the watcher ended with status {watch.returncode}")

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> bool:
        """Whether it came within that time; if not, that is a fault."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                self.fault(f"waited {seconds} s for {what}")
                return False
            time.sleep(0.2)
        self.say(f"waited {time.monotonic() - began:.1f} s for {what}")
        return True

    def create(self, topic: str) -> None:
        command = [BUILD / "tiderace", "topic", "create", topic, "--broker-address", self.bootstrap]
        counts = ["--partitions", self.partitions, "--replication-factor", len(self.cluster.brokers)]
        subprocess.run([str(part) for part in [*command, *counts]], check=True, capture_output=True)
        if not self.wait_for(lambda: self._is_there(topic), 30, f"topic {topic}"):
            raise TimeoutError(topic)

    def _is_there(self, topic: str) -> bool:
        return self.probe("state", group_service.GROUP, topic, check=False).returncode == 0

    def probe(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """`check`: asks again for a while, for leaders may be on the move; then it is an error."""
        line = [str(BUILT / "kafka_probe"), command, self.bootstrap, *arguments]
        deadline = time.monotonic() + (PROBE_S if check else 0)
        while True:
            done = subprocess.run(line, capture_output=True)
            if done.returncode == 0 or not check:
                return done
            if time.monotonic() > deadline:
                raise OSError(f"{' '.join(line)}: {done.stderr.decode()}")

    def state(self, *topics: str) -> State:
        """Topic, partition, offset that the group has committed, last stable offset, end."""
        lines = self.probe("state", group_service.GROUP, *topics).stdout.splitlines()
        return [(topic.decode(), *map(int, numbers)) for topic, *numbers in map(bytes.split, lines)]  # type: ignore[misc]

    def lag(self) -> int:
        """Rows that the group has not committed yet."""
        return sum(stable - max(committed, 0) for _, _, committed, stable, _ in self.state("phone-data"))

    def committed(self) -> int:
        return sum(max(committed, 0) for _, _, committed, _, _ in self.state("phone-data"))

    def drained(self) -> bool:
        return self.lag() == 0

    def held_back(self) -> list[str]:
        """What open transactions hold back."""
        return [
            f"{topic} partition {partition}: stable to {stable} of {end}"
            for topic, partition, _, stable, end in self.state(
                "phone-data", "alerts", CHANGELOG, "__consumer_offsets"
            )
            if stable != end
        ]

    def dump(self, topic: str) -> pa.Table:
        """All records of the topic, as a read_committed consumer sees them."""
        path = self.folder / f"{topic}.ndjson"
        with path.open("wb") as file:
            command = [str(BUILT / "kafka_probe"), "dump", self.bootstrap, topic]
            subprocess.run(command, stdout=file, check=True)
        return comparison.read_dump(path)

    def judge(self, plan: str, rows: pa.Table, again: bool) -> dict[str, int]:
        """Whether `rows` are in the input, and in `alerts` what `plan` makes of them; `again`: also twice.

        What is not as it should be is a fault, and the first such rows are in differences.json.
        """
        source, alerts = self.dump("phone-data"), self.dump("alerts")
        of_input = comparison.compare(source, rows, True)
        if of_input.doubled and again:
            self.fault("the input has rows twice, since its producer was replaced: no verdict, run it again")
        elif of_input.doubled:
            rows, alerts = comparison.as_written(source, alerts)
        of_alerts = comparison.compare(alerts, expected(plan, rows), again)
        judged = {"phone-data": of_input, "alerts": of_alerts}
        for topic, about in judged.items():
            for fault, count in about.faults.items():
                self.fault(f"{topic}: {count} rows {fault}")
        shown = [{"topic": topic, **row} for topic, about in judged.items() for row in about.shown]
        if shown:
            (self.folder / "differences.json").write_text(json.dumps(shown, indent=1) + "\n")
        told = {"sent_twice": of_input.doubled} if of_input.doubled else {}
        return {**told, "alerts": of_alerts.rows, "doubled": of_alerts.doubled}

    def silence_s(self) -> float:
        """The longest of any partition. Says which and when, to be looked for in what else was said."""
        silence = arrivals.longest_silence(self.arrivals)
        ago_s = (time.time_ns() - silence.begin_ns) / 1e9
        begin_s = time.monotonic() - ago_s - self.began
        self.say(
            f"the longest silence: partition {silence.partition}, from {begin_s:.1f} s "
            f"to {begin_s + silence.seconds:.1f} s"
        )
        return silence.seconds


def expected(plan: str, rows: pa.Table) -> pa.Table:
    """What the plan gives for these rows without log, crash and clock."""
    app: Any = tr.Application("embedded:nowhere", consumer_group="backtest")
    return pipeline.PLANS[plan](app).backtest(rows, key="k", timestamp="t", progress=False)
