"""What the tests share: applications on an embedded log of their own, and short ways to write and read it."""

import base64
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from gateway_support import Gateway
from kafka import Cluster
from postgres_server import Postgres

Rows = Iterable[dict[str, Any]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker for the tests of a file."""
    settings = {"group.min.session.timeout.ms": "1000"}
    with Cluster(tmp_path_factory.mktemp("kafka"), settings=settings) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def broker(cluster: Cluster) -> str:
    """The address of that broker."""
    return cluster.bootstrap


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL for the tests of a file."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(server: Postgres) -> Postgres:
    """That server, with an empty database."""
    if not server.running:
        server.start()
    server.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a new bucket, reached by the usual variables."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"models-{abs(hash(request.node.nodeid))}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """What the group and the topics of a test on a broker begin with."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")


def assert_ctrl_c_ends(program: str) -> None:
    """Runs `program`, sends SIGINT once it printed "ready", and wants "interrupted" and no more of it."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways, on an embedded log if no other is named; arguments as of `Gateway`."""
    started: list[Gateway] = []

    def start(config: str, broker: str = f"embedded:{tmp_path}/log", **environment: str) -> Gateway:
        started.append(Gateway(tmp_path, broker, config, **environment))
        return started[-1]

    yield start
    for gateway in started:
        gateway.kill()


@pytest.fixture
def make_app(tmp_path: Path) -> Callable[..., tr.Application]:
    """Applications on one embedded log; options as of `tr.Application`."""

    def make(**options: Any) -> tr.Application:
        options.setdefault("consumer_group", "group")
        return tr.Application(broker_address=f"embedded:{tmp_path}/log", **options)

    return make


@pytest.fixture
def app(make_app: Callable[..., tr.Application]) -> tr.Application:
    return make_app()


@pytest.fixture
def sdf(app: tr.Application) -> tr.StreamingDataFrame:
    """The rows of a topic without options."""
    return app.dataframe(app.topic("input"))


def column(sdf: tr.StreamingDataFrame, values: Iterable[Any], result: str = "y") -> list[Any]:
    """Backtests `sdf` over rows with one field `x`, and gives the column `result`."""
    found: list[Any] = sdf.backtest([{"x": value} for value in values])[result].to_pylist()
    return found


def produce(app: tr.Application, topic: str, rows: Rows, key: str | None = None) -> None:
    with app.get_producer() as producer:
        for row in rows:
            producer.produce(
                topic=topic, key=None if key is None else str(row[key]), value=row, timestamp=row.get("t", 1)
            )


class Reader:
    """Reads a topic with an application of its own: the rows, in the order of their partitions."""

    def __init__(self, address: Path) -> None:
        self._address = address
        self._number = 0

    def __call__(self, topic: str) -> list[dict[str, Any]]:
        self._number += 1
        app = tr.Application(f"embedded:{self._address}", consumer_group=f"reader-{self._number}")
        found: list[dict[str, Any]] = []
        app.dataframe(app.topic(topic)).update(lambda row: found.append(dict(row))).to_topic(
            app.topic("nowhere")
        )
        app.run(until_end=True)
        return found


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "log")


def records(directory: Path, topic: str) -> list[dict[str, Any]]:
    """By the command line, which shows headers; `value` as the record's own bytes."""
    cli = Path(__file__).parents[2] / "build" / "tiderace"
    command = [cli, "topic", "read", topic, "--broker-address", f"embedded:{directory}"]
    command += ["--from", "earliest", "--until-end"]
    lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    return [record_of(line) for line in lines]


def record_of(line: bytes) -> dict[str, Any]:
    about, mark, value = re.split(rb',"(value|value_base64)":', line, maxsplit=1)
    record: dict[str, Any] = json.loads(about + b"}")
    value = value.removesuffix(b"}")
    if mark == b"value_base64":
        record["value"] = base64.b64decode(json.loads(value))
    else:
        record["value"] = None if value == b"null" else value
    return record
