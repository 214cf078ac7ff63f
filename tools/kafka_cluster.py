"""A Kafka cluster of one or three brokers on loopback, in a folder of its own."""

import base64
import json
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from kafka_broker import Broker
from kafka_jars import Jars, KafkaError, locked
from kafka_ports import HOST, free_ports

FOLDER = Path(__file__).resolve().parents[1] / ".kafka"
SIZES = (1, 3)


def recorded(folder: Path) -> dict[str, Any]:
    """What the cluster in `folder` was started with: brokers, port, cluster_id; empty if there is none."""
    try:
        known: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return {}
    return known


@dataclass(frozen=True)
class Listener:
    """A further door of each broker: a protocol, settings of Kafka for this door alone, and the host that the
    broker names to those who come by it. `name` is of capital letters.
    """

    name: str
    protocol: str
    settings: Mapping[str, object] = field(default_factory=dict)
    host: str = HOST


class Cluster:
    """One or three brokers, numbered from 1, each a controller too, and all that they keep in `folder`.

    Brokers listen on `port` and those behind it, in plain text, then come the ports of the controllers and
    those of `listeners`, door by door. A folder that was
    used before keeps its number of brokers and, without `port`, its ports; a new one without `port` takes
    free ones. `settings` are Kafka's own and win over those chosen here, `options` are the JVM's.

    Brokers outlive this object and its process. As a context manager it kills them at its end.
    """

    def __init__(
        self,
        folder: Path,
        brokers: int | None = None,
        port: int | None = None,
        *,
        jars: Jars | None = None,
        settings: Mapping[str, object] | None = None,
        options: Sequence[str] = (),
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.folder = folder.resolve()
        known = recorded(self.folder)
        count: int = brokers or known.get("brokers", 1)
        if count not in SIZES:
            raise KafkaError(f"a cluster has 1 or 3 brokers, not {count}")
        if count != known.get("brokers", count):
            raise KafkaError(
                f"wanted a cluster of {count}, but the one in {self.folder} is of {known['brokers']}: "
                "go on with that one, or delete it with its data (down --wipe)"
            )
        first: int = port or known.get("port") or free_ports((2 + len(listeners)) * count)
        self._moves = first != known.get("port", first)
        self._cluster_id: str = known.get("cluster_id") or _new_cluster_id()
        self.jars = jars or Jars(FOLDER)
        self._settings = settings or {}
        self._options = options
        self._listeners = listeners
        self.brokers = [
            Broker(
                node,
                self.folder / str(node),
                first + node - 1,
                first + count + node - 1,
                self.jars,
                [first + (2 + door) * count + node - 1 for door in range(len(listeners))],
            )
            for node in range(1, count + 1)
        ]

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers, running or not, as clients take them."""
        return ",".join(broker.address for broker in self.brokers)

    def door(self, name: str) -> str:
        """The addresses of all brokers at the listener of that name."""
        index = [listener.name for listener in self._listeners].index(name)
        return ",".join(f"{self._listeners[index].host}:{broker.doors[index]}" for broker in self.brokers)

    @property
    def running(self) -> list[Broker]:
        """The brokers that have a process."""
        return [broker for broker in self.brokers if broker.pid is not None]

    def broker(self, node: int) -> Broker:
        return self.brokers[node - 1]

    def fetch(self) -> None:
        """Gets Kafka, unless it is there; otherwise `start` does it."""
        if self.jars.fetch():
            keep_classes(self.jars)

    def start(self, *nodes: int, wait: bool = True, timeout_s: float = 120) -> list[Broker]:
        """Starts those of these brokers (of all, if none is named) that have no process, and returns them.

        Waits until every broker that has a process answers and knows all of them to be up. If it cannot be
        done, that is a KafkaError, and nothing that was started is left running.
        """
        self.fetch()
        with locked(self.folder / "lock"):
            running = self.running
            starting = [broker for broker in self._chosen(nodes) if broker not in running]
            if running and self._moves:
                raise KafkaError(f"the brokers in {self.folder} run on other ports: stop them first (down)")
            for broker in starting:
                broker.check_ports()
            self._record()
            for broker in starting:
                broker.configure(self._properties(broker))
            self._format([broker for broker in starting if not broker.formatted])
            try:
                for broker in starting:
                    broker.launch(self._options)
                if wait:
                    _wait_until_ready([*running, *starting], timeout_s)
            except BaseException:
                _kill(starting)
                raise
            return starting

    def stop(self, *nodes: int, timeout_s: float = 30) -> list[Broker]:
        """Stops these brokers, or all, by SIGTERM; data, logs and settings stay.

        Returns those that were still there after `timeout_s` and had to be killed.
        """
        with locked(self.folder / "lock"):
            deadline = time.monotonic() + timeout_s
            stopping = self._chosen(nodes)
            for broker in stopping:
                broker.send(signal.SIGTERM)
            slow = [
                broker
                for broker in stopping
                if not broker.wait_until_ended(max(0, deadline - time.monotonic()))
            ]
            _kill(slow)
            return slow

    def kill(self, *nodes: int) -> None:
        """Ends these brokers, or all, by SIGKILL, and returns when they are gone."""
        _kill(self._chosen(nodes))

    def wipe(self) -> None:
        """Deletes data, logs and settings of a cluster that does not run."""
        with locked(self.folder / "lock"):
            for broker in self.running:
                raise KafkaError(f"broker {broker.node} runs (pid {broker.pid}): stop it first (down)")
            for broker in self.brokers:
                shutil.rmtree(broker.folder, ignore_errors=True)
            (self.folder / "cluster.json").unlink(missing_ok=True)

    def _chosen(self, nodes: Sequence[int]) -> list[Broker]:
        return [self.broker(node) for node in nodes] if nodes else self.brokers

    def _record(self) -> None:
        known = {
            "brokers": len(self.brokers),
            "port": self.brokers[0].port,
            "cluster_id": self._cluster_id,
        }
        (self.folder / "cluster.json").write_text(json.dumps(known) + "\n")
        self._moves = False

    def _format(self, brokers: Sequence[Broker]) -> None:
        started = [broker.format(self._cluster_id) for broker in brokers]
        for broker, formatting in zip(brokers, started, strict=True):
            broker.wait_until_formatted(formatting)

    def _properties(self, broker: Broker) -> dict[str, object]:
        count = len(self.brokers)
        in_sync = 2 if count == 3 else 1
        doors = list(zip(self._listeners, broker.doors, strict=True))
        own = f"PLAINTEXT://{broker.address}"
        voters = (f"{other.node}@{HOST}:{other.controller_port}" for other in self.brokers)
        return {
            "process.roles": "broker,controller",
            "node.id": broker.node,
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(
                [
                    own,
                    f"CONTROLLER://{HOST}:{broker.controller_port}",
                    *(f"{door.name}://{HOST}:{port}" for door, port in doors),
                ]
            ),
            "advertised.listeners": ",".join(
                [own, *(f"{door.name}://{door.host}:{port}" for door, port in doors)]
            ),
            "listener.security.protocol.map": ",".join(
                [
                    "PLAINTEXT:PLAINTEXT",
                    "CONTROLLER:PLAINTEXT",
                    *(f"{door.name}:{door.protocol}" for door, _ in doors),
                ]
            ),
            "log.dirs": "data",
            "auto.create.topics.enable": "false",
            # Kafka's default deletes rows whose event time is more than a week ago.
            "log.retention.ms": -1,
            "default.replication.factor": count,
            "min.insync.replicas": in_sync,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": count,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": count,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": count,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            # A broker that was killed is missed, and let in again, after this time; Kafka's default is 9 s.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            **{
                f"listener.name.{door.name.lower()}.{setting}": value
                for door, _ in doors
                for setting, value in door.settings.items()
            },
            **self._settings,
        }


def keep_classes(jars: Jars) -> None:
    """Has a broker of its own write what it has loaded, so that those to come start sooner."""
    with tempfile.TemporaryDirectory(dir=jars.folder.parent) as folder:
        archive = Path(folder) / jars.archive.name
        with Cluster(Path(folder), jars=jars, options=[f"-XX:ArchiveClassesAtExit={archive}"]) as cluster:
            cluster.start()
            cluster.stop()
        if archive.exists():
            archive.replace(jars.archive)


def _new_cluster_id() -> str:
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # Kafka's command line takes what begins with a dash for an option.
        if not cluster_id.startswith("-"):
            return cluster_id


def _kill(brokers: Sequence[Broker]) -> None:
    for broker in brokers:
        broker.send(signal.SIGKILL)
    for broker in brokers:
        if not broker.wait_until_ended(30):
            raise KafkaError(f"broker {broker.node} (pid {broker.pid}) is still there 30 s after kill -9")


def _wait_until_ready(brokers: Sequence[Broker], timeout_s: float) -> None:
    """Returns when each of the brokers answers and knows the others; KafkaError if one ends or time is up."""
    deadline = time.monotonic() + timeout_s
    nodes = {broker.node for broker in brokers}
    waiting = list(brokers)
    while True:
        for broker in brokers:
            if broker.pid is None:
                raise KafkaError(
                    f"broker {broker.node} ended while it started; the last lines of {broker.log}:\n"
                    f"{broker.last_log_lines()}"
                )
        waiting = [broker for broker in waiting if not broker.answers(nodes)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            slow = waiting[0]
            raise KafkaError(
                f"broker {slow.node} at {slow.address} is not ready after {timeout_s:g} s: it should answer "
                f"and know of {len(nodes)} brokers; the last lines of {slow.log}:\n{slow.last_log_lines()}"
            )
        time.sleep(0.05)
