"""One run: a cluster, its input, the processes of a group, and what the schedule does to them."""

import contextlib
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import arrivals
import kafka_wire
import phone_rows
import pipeline
import pyarrow as pa
import service
import tiderace as tr
import verdict
from kafka_cluster import Cluster
from schedule import CONTROLLER, SLOTS, Schedule
from slot import BUILT, HERE, Slot

DRAIN_S = 180
STOP_S = 30
SETTLE_S = 10
STOPPED = (0, -signal.SIGTERM)  # the latter before it ran
GENERATION = re.compile(rf"Stabilized group {service.GROUP} generation (\d+)")
CLI = HERE.parents[2] / "build" / "tiderace"
COORDINATOR = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator.group=info"
HEAP = "-Xmx384m"  # three brokers beside everything else; wins over the usual
CHANGELOG = f"{service.GROUP}-phone-data-changelog"


def expected(rows: int) -> pa.Table:
    app = tr.Application("embedded:nowhere", consumer_group="backtest")
    table = phone_rows.phone_rows(0, rows)
    return pipeline.pipeline(app).backtest(table, key="k", timestamp="t", progress=False)


class Trial:
    """Leaving its `with` ends every process, and keeps the state of the services if there were faults."""

    def __init__(self, folder: Path, guarantee: str, schedule: Schedule, rate: int) -> None:
        self.folder = folder
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._schedule = schedule
        self._guarantee = guarantee
        self._rate = rate
        self._killed_broker = 0
        self._began = time.monotonic()
        self._events = (folder / "events.log").open("w")
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> "Trial":
        with contextlib.ExitStack() as ends:
            ends.callback(self._events.close)
            self.cluster = ends.enter_context(
                Cluster(self.folder / "kafka", brokers=3, options=[HEAP, COORDINATOR])
            )
            self.cluster.start()
            for topic in ("phone-data", "alerts"):
                self._create(topic)
            arguments = [self.cluster.bootstrap, self._guarantee]
            self.slots = [Slot(number, self.folder, arguments) for number in range(SLOTS)]
            for slot in self.slots:
                ends.callback(lambda slot=slot: slot.close(bool(self.faults)))
            self.feeder = ends.enter_context(
                self._program(
                    "feeder", sys.executable, HERE / "feeder.py", self.cluster.bootstrap, str(self._rate)
                )
            )
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.faults.append(f"ended by {error!r}")
        self._ends.close()

    @contextlib.contextmanager
    def _program(self, name: str, *command: object) -> Iterator[subprocess.Popen[bytes]]:
        """A process beside the trial, which ends with it."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def say(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:7.1f} s  {text}"
        print(line, flush=True)
        print(line, file=self._events, flush=True)

    def fault(self, text: str) -> None:
        self.faults.append(text)
        self.say(f"FAULT: {text}")

    # ---- the schedule ----

    def run(self, seconds: float) -> None:
        with self._watched():
            self._began = time.monotonic()
            for number in range(SLOTS - 1):
                self.start(number)
            for event in self._schedule.events:
                self._supervise_until(self._began + event.at_s)
                self.say(str(event))
                self.counts[event.action] += 1
                amount = [event.amount] if event.action == "shift" else []
                getattr(self, event.action)(event.target, *amount)
            self._supervise_until(self._began + seconds)

    def _supervise_until(self, end: float) -> None:
        while True:
            for slot in self.slots:
                self._look_after(slot)
            if self.feeder.poll() is not None and "feeder" not in self.counts:
                self.counts["feeder"] += 1
                self.fault(f"the feeder ended with status {self.feeder.returncode}")
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))

    def _look_after(self, slot: Slot) -> None:
        """A service that ended by itself is started again, as an orchestrator would do.

        With a full disk that is how it should be, otherwise it is a fault.
        """
        status = slot.ended()
        if status is None or slot.full:
            return
        if slot.stopping and status in STOPPED:
            slot.kill()
            return
        if slot.was_full and not slot.stopping:
            self.say(f"service {slot.number} had ended on its full disk with status {status}")
            self.counts["ended on a full disk"] += 1
            if status < 0:
                self.fault(f"service {slot.number} ended by signal {-status}")
                slot.dump_stacks()
        else:
            self.fault(f"service {slot.number} ended with status {status}")
            slot.dump_stacks()
        slot.start()

    def start(self, number: int) -> None:
        self._reap(self.slots[number])
        self.slots[number].start()

    def _reap(self, slot: Slot) -> None:
        """What was stopped is given time to end."""
        if slot.stopping:
            status = slot.wait(STOP_S)
            if status is None:
                self.fault(f"service {slot.number} does not stop within {STOP_S} s")
            elif status not in STOPPED:
                self.fault(f"service {slot.number} was stopped and ended with status {status}")
        slot.kill()

    def kill(self, number: int) -> None:
        """What dies of itself in that very moment, or is still writing its core, counts."""
        slot = self.slots[number]
        self._look_after(slot)
        stopping = slot.stopping
        status = slot.kill()
        if status != -signal.SIGKILL and not (stopping and status in STOPPED):
            self.fault(f"service {number} ended with status {status} before it was killed")

    def stop(self, number: int) -> None:
        self.slots[number].stop()

    def pause(self, number: int) -> None:
        self.slots[number].send(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        self.slots[number].send(signal.SIGCONT)

    def lose(self, number: int) -> None:
        self._reap(self.slots[number])
        self.slots[number].lose_state()

    def fill(self, number: int) -> None:
        self.slots[number].fill()

    def free(self, number: int) -> None:
        self.slots[number].free()

    def shift(self, number: int, hours: float) -> None:
        self.slots[number].shift(hours)

    def kill_broker(self, node: int) -> None:
        if node == CONTROLLER:
            node = next(filter(None, map(_quorum_leader, self.cluster.running)), 1)
            self.say(f"the controller is broker {node}")
        self._killed_broker = node
        self.cluster.kill(node)

    def start_broker(self, _: int) -> None:
        number = next(i for i in itertools.count() if not self._broker_log(i).exists())
        shutil.copy(self.cluster.broker(self._killed_broker).log, self._broker_log(number))
        self.cluster.start(self._killed_broker, wait=False)

    def _broker_log(self, number: int) -> Path:
        return self.folder / f"broker-{self._killed_broker}-{number}.log"

    # ---- the end ----

    def finish(self) -> int:
        """Lets the services do what is left; returns how many rows there were."""
        self.feeder.send_signal(signal.SIGTERM)
        out, _ = self.feeder.communicate(timeout=60)
        rows = int(out or 0)
        self.say(f"the input has ended after {rows} rows")
        if self._schedule.ends_with_one:
            self._end_with_one()
        drained = self._await(self._drained, DRAIN_S, "everything to be committed")
        for slot in self.slots:
            if not drained:
                slot.dump_stacks()
            if slot.pid is not None:
                slot.stop()
        for slot in self.slots:
            self._reap(slot)
        self._await(self._settled, SETTLE_S, "open transactions to end")
        return rows

    def _end_with_one(self) -> None:
        self.say("all are killed; one goes on until the end")
        for slot in self.slots:
            self.kill(slot.number)
        slot = self.slots[0]
        slot.start("--until-end")
        status = slot.wait(DRAIN_S)
        if status is None:
            self.fault(f"until_end=True does not return within {DRAIN_S} s")
            return
        slot.kill()
        if status != 0:
            self.fault(f"until_end=True ended with status {status}")
        elif not self._drained():
            self.fault(f"until_end=True returned before the end: {self._lag()} rows are left")
            slot.start()

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> bool:
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                self.fault(f"waited {seconds} s for {what}; {self._open() or self._lag()}")
                return False
            time.sleep(0.2)
        self.say(f"waited {time.monotonic() - began:.1f} s for {what}")
        return True

    def _create(self, topic: str) -> None:
        command = [CLI, "topic", "create", topic, "--broker-address", self.cluster.bootstrap]
        counts = ["--partitions", phone_rows.PARTITIONS, "--replication-factor", pipeline.REPLICAS]
        subprocess.run([str(part) for part in [*command, *counts]], check=True, capture_output=True)
        self._await(lambda: self._has_topic(topic), 30, f"topic {topic}")

    def _has_topic(self, topic: str) -> bool:
        return self._probe("state", service.GROUP, topic, check=False).returncode == 0

    def _lag(self) -> int:
        state = self._state("phone-data")
        return sum(max(stable, 0) - max(committed, 0) for _, _, committed, stable, _ in state)

    def _drained(self) -> bool:
        return self._lag() == 0

    def _open(self) -> list[str]:
        """What open transactions hold back."""
        topics = ("phone-data", "alerts", CHANGELOG, "__consumer_offsets")
        return [
            f"{topic} partition {partition}: stable to {stable} of {end}"
            for topic, partition, _, stable, end in self._state(*topics)
            if stable != end
        ]

    def _settled(self) -> bool:
        return not self._open()

    def _state(self, *topics: str) -> list[tuple[str, int, int, int, int]]:
        lines = self._probe("state", service.GROUP, *topics).stdout.splitlines()
        return [(topic.decode(), *map(int, numbers)) for topic, *numbers in map(bytes.split, lines)]  # type: ignore[misc]

    def _probe(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        line = [str(BUILT / "kafka_probe"), command, self.cluster.bootstrap, *arguments]
        return subprocess.run(line, capture_output=True, check=check)

    def dump(self, topic: str) -> pa.Table:
        path = self.folder / f"{topic}.ndjson"
        with path.open("wb") as file:
            subprocess.run(
                [BUILT / "kafka_probe", "dump", self.cluster.bootstrap, topic], stdout=file, check=True
            )
        return verdict.read_dump(path)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        path = self.folder / "arrivals"
        command = [BUILT / "kafka_probe", "watch", self.cluster.bootstrap, "alerts", path]
        with self._program("watch", *command) as watch:
            assert watch.stdout is not None
            watch.stdout.readline()
            yield
            watch.send_signal(signal.SIGTERM)
            watch.wait(30)
        self.silence_s = arrivals.longest_silence_s(path)

    # ---- what is told ----

    def rebalances(self) -> int:
        """The group's generations, which the coordinators count."""
        logs = [*self.folder.glob("broker-*.log"), *self.folder.glob("kafka/*/kafka.log")]
        found = [
            int(number) for log in logs for number in GENERATION.findall(log.read_text(errors="replace"))
        ]
        return max(found, default=0)

    def went_back(self) -> int:
        return sum(
            slot.log.read_bytes().count(b"going back to the last commit")
            for slot in self.slots
            if slot.log.exists()
        )

    def judge(self, rows: int) -> dict[str, Any]:
        judged = {
            "phone-data": verdict.compare(self.dump("phone-data"), phone_rows.phone_rows(0, rows), False),
            "alerts": verdict.compare(
                self.dump("alerts"), expected(rows), self._guarantee == "at-least-once"
            ),
        }
        for topic, about in judged.items():
            for fault, count in about.faults.items():
                self.fault(f"{topic}: {count} rows {fault}")
        shown = [{"topic": topic, **row} for topic, about in judged.items() for row in about.shown]
        if shown:
            (self.folder / "differences.json").write_text(json.dumps(shown, indent=1) + "\n")
        return {"alerts": judged["alerts"].rows, "doubled": judged["alerts"].doubled}


def _quorum_leader(broker: Any) -> int | None:
    try:
        return kafka_wire.quorum_leader(broker.address)
    except OSError:
        return None
