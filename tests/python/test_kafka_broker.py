"""The development broker (tools/kafka.py): starts, is killed, comes back, and says why it cannot start."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import kafka_jars
import kafka_ports
import kafka_wire
import pytest
from kafka import Cluster, Jars, KafkaError

TOOL = Path(__file__).parents[2] / "tools" / "kafka.py"
CREATE_TOPICS = 19
TOPIC_ALREADY_EXISTS = 36


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One broker on free ports, not yet started."""
    with Cluster(tmp_path / "kafka") as cluster:
        yield cluster


def create_topic(address: str, name: str, copies: int = 1) -> int:
    """The error code of making a topic of four partitions, 0 if it was made."""
    topic = struct.pack(">h", len(name)) + name.encode() + struct.pack(">ihii", 4, copies, 0, 0)
    body = struct.pack(">i", 1) + topic + struct.pack(">i?", 30_000, False)
    answer = kafka_wire.ask(address, CREATE_TOPICS, 2, body, timeout_s=40)
    # throttle time, number of topics, name, error
    return int(kafka_wire.unpack(">h", answer, 4 + 4 + 2 + len(name))[0])


def command(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, TOOL, *arguments, "--folder", tmp_path / "kafka"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_a_killed_broker_comes_back_with_its_data(cluster: Cluster) -> None:
    cluster.start()
    (broker,) = cluster.brokers
    killed = broker.pid
    assert broker.answers({1})
    assert create_topic(cluster.bootstrap, "rows") == 0

    cluster.kill()
    assert broker.pid is None
    assert not broker.answers({1})

    assert cluster.start() == [broker]
    assert broker.pid not in (None, killed)
    assert cluster.start() == []
    assert create_topic(cluster.bootstrap, "rows") == TOPIC_ALREADY_EXISTS
    assert cluster.stop() == []
    assert cluster.running == []


def test_the_command_line_from_up_to_wipe(cluster: Cluster, tmp_path: Path) -> None:
    # The fixture chooses the ports and cleans up; what runs is the command's.
    address = cluster.brokers[0].address
    port = str(cluster.brokers[0].port)
    code, output = command(tmp_path, "status")
    assert code == 3
    assert "there is no broker in" in output

    code, output = command(tmp_path, "up", "--port", port)
    assert code == 0, output
    pid = cluster.brokers[0].pid
    assert f"broker 1 at {address}: up after" in output
    assert output.endswith(f" s, pid {pid}\n")
    assert command(tmp_path, "up") == (0, f"broker 1 at {address}: already up, pid {pid}\n")
    assert command(tmp_path, "status") == (0, f"broker 1 at {address}: up, pid {pid}\n")
    code, output = command(tmp_path, "up", "--brokers", "3")
    assert code == 1
    assert output.startswith("kafka: wanted a cluster of 3, but the one in ")

    assert command(tmp_path, "down") == (0, f"broker 1 at {address}: stopped, pid was {pid}\n")
    assert command(tmp_path, "status") == (3, f"broker 1 at {address}: down\n")
    folder = tmp_path / "kafka" / "1"
    assert (folder / "data" / "meta.properties").exists()
    assert not (folder / "kafka.pid").exists()

    code, output = command(tmp_path, "down", "--wipe")
    assert (code, output.splitlines()[0]) == (0, f"broker 1 at {address}: not running")
    assert not folder.exists()
    assert command(tmp_path, "down")[0] == 0


def test_two_of_three_go_on_and_the_third_comes_back(tmp_path: Path) -> None:
    with Cluster(tmp_path / "kafka", brokers=3) as cluster:
        cluster.start()
        assert all(broker.answers({1, 2, 3}) for broker in cluster.brokers)
        assert create_topic(cluster.broker(1).address, "before", copies=3) == 0

        cluster.kill(2)
        assert [broker.node for broker in cluster.running] == [1, 3]
        assert create_topic(cluster.broker(3).address, "before", copies=3) == TOPIC_ALREADY_EXISTS

        assert cluster.start(2) == [cluster.broker(2)]
        assert all(broker.answers({1, 2, 3}) for broker in cluster.brokers)
        assert create_topic(cluster.broker(2).address, "after", copies=3) == 0


def test_a_port_in_use_names_its_holder(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    with socket.create_server((kafka_ports.HOST, broker.controller_port)):
        with pytest.raises(KafkaError) as error:
            cluster.start()
        assert kafka_ports.is_free(broker.port)
    wanted = f"broker 1 wants port {broker.controller_port} of 127.0.0.1, which process {os.getpid()} ("
    assert str(error.value).startswith(wanted)
    assert str(error.value).endswith("end that process, or choose other ports (--port)")
    assert cluster.running == []


def test_a_broker_that_ends_at_once_shows_its_log(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HEAP", "-Xmx1potato")
    with pytest.raises(KafkaError, match=r"(?s)broker 1 ended while it started.*Invalid maximum heap size"):
        cluster.start()
    assert cluster.running == []
    assert not (cluster.folder / "1" / "kafka.pid").exists()


def test_a_heap_that_is_no_option_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HEAP", "512m")
    status, said = command(tmp_path, "up")
    assert status == 1
    assert 'such as "-Xms512m -Xmx512m"' in said
    assert 'found "512m"' in said


def test_a_broker_that_never_answers_is_not_left_running(cluster: Cluster) -> None:
    with pytest.raises(KafkaError, match=r"is not ready after 0 s: it should answer and know of 1 brokers"):
        cluster.start(timeout_s=0)
    assert cluster.running == []


def test_a_stale_pid_is_left_alone(cluster: Cluster) -> None:
    (broker,) = cluster.brokers
    broker.folder.mkdir(parents=True)
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (broker.folder / "kafka.pid").write_text(f"{stranger.pid}\n")
        assert broker.pid is None
        broker.send(signal.SIGKILL)
        assert cluster.stop() == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def test_without_java(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaError, match=r"wants Java 17 or later; there is no java on the PATH.*install"):
        kafka_jars.find_java()
    monkeypatch.setenv("JAVA_HOME", str(only))
    with pytest.raises(KafkaError, match=r"there is no java in JAVA_HOME, which is .*/bin: install"):
        kafka_jars.find_java()


@pytest.mark.parametrize(("version", "found"), [("11.0.25", "11"), ("1.8.0_392", "8")])
def test_java_too_old(only: Path, version: str, found: str) -> None:
    executable(only / "java", f"""echo 'openjdk version "{version}" 2024-10-15' >&2""")
    with pytest.raises(KafkaError, match=rf"wants Java 17 or later; .*/bin/java is Java {found}: install"):
        kafka_jars.find_java()


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_java_new_enough(only: Path, version: str) -> None:
    executable(only / "java", f"""echo 'openjdk version "{version}" 2024-10-15' >&2""")
    assert kafka_jars.find_java() == str(only / "java")


def test_java_that_does_not_run(only: Path) -> None:
    executable(only / "java", "echo no library >&2; exit 1")
    with pytest.raises(KafkaError, match=r"(?s)java -version does not say what it is:\n  no library"):
        kafka_jars.find_java()


def test_without_maven(only: Path, tmp_path: Path) -> None:
    executable(only / "java", """echo 'openjdk version "17"' >&2""")
    with pytest.raises(KafkaError, match="is fetched with Maven, once; there is no mvn on the PATH: install"):
        Jars(tmp_path / "jars").fetch()


def test_maven_that_fails(only: Path, tmp_path: Path) -> None:
    executable(only / "java", """echo 'openjdk version "17"' >&2""")
    executable(only / "mvn", "echo '[ERROR] no route to host'; exit 1")
    jars = Jars(tmp_path / "jars")
    with pytest.raises(
        KafkaError, match=r"(?s)needs the network this once.*\n  \[ERROR\] no route to host\n"
    ):
        jars.fetch()
    assert not jars.fetched


def test_an_answer_that_is_not_kafkas() -> None:
    with socket.create_server((kafka_ports.HOST, 0)) as server:
        server.settimeout(60)

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")

        stranger = threading.Thread(target=refuse)
        stranger.start()
        with pytest.raises(OSError, match="does not answer as Kafka does"):
            kafka_wire.api_versions(f"{kafka_ports.HOST}:{server.getsockname()[1]}")
        stranger.join()
