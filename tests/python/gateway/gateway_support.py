"""Gateways that the tests start, and clients of them."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import tiderace as tr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

COMMAND = Path(__file__).resolve().parents[3] / "build" / "tiderace"
TIMEOUT = 60


class Gateway:
    """A `tiderace gateway` on a free port; `config` is TOML without listen and broker_address.

    It has no pages if that names none.
    """

    def __init__(self, folder: Path, broker: str, config: str, **environment: str) -> None:
        head = f'listen = "127.0.0.1:0"\nbroker_address = "{broker}"\n'
        if "web_root" not in config:
            head += 'web_root = ""\n'  # the pages may not be built
        self.broker = broker
        self.file = folder / "gateway.toml"
        self.file.write_text(head + config)
        self._environment = environment
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "gateway", "--config", self.file],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
        )
        assert self.process.stdout
        found = re.match(r"listening on (https?)://[^ ]*:(\d+)", line := self.process.stdout.readline())
        assert found, (line, self.process.stderr and self.process.stderr.read())
        self.greeting = line
        self.tls, self.port = found[1] == "https", int(found[2])
        metrics = re.search(r"metrics on port (\d+)", line)
        self.metrics_port = int(metrics[1]) if metrics else 0

    def url(self, target: str, scheme: str = "ws") -> str:
        return f"{scheme}{'s' * self.tls}://127.0.0.1:{self.port}/v1/topics/{target}"

    def connect(self, target: str, **options: Any) -> connect:
        return connect(self.url(target), proxy=None, **options)

    def metrics(self, path: str = "metrics") -> str:
        url = f"http://127.0.0.1:{self.metrics_port}/{path}"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str) -> float:
        """A metric of the gateway's own that has no labels."""
        found = re.search(rf"^tiderace_gateway_{name} (.+)$", self.metrics(), re.MULTILINE)
        assert found, name
        return float(found[1])

    def until_metric(self, name: str, wanted: float) -> None:
        """Asks until the metric is at least that."""
        deadline = time.monotonic() + TIMEOUT
        while (found := self.metric(name)) < wanted:
            assert time.monotonic() < deadline, f"{name} is {found}, wanted {wanted}"

    def until_idle(self) -> None:
        """Asks until nothing waits for the log."""
        deadline = time.monotonic() + TIMEOUT
        while self.metric("queued_bytes") > 0:
            assert time.monotonic() < deadline

    @contextmanager
    def log_away(self) -> Iterator[None]:
        """Its log, which is embedded, takes nothing meanwhile: somebody else is about to write."""
        file = Path(self.broker.removeprefix("embedded:")) / "log.db"
        with closing(sqlite3.connect(file, isolation_level=None, timeout=TIMEOUT)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """Ends it as an operator would; what it said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == 0, errors
        return errors

    @property
    def app(self) -> tr.Application:
        return tr.Application(self.broker, consumer_group="test")

    def values(self, topic: str) -> list[Any]:
        """What is stored, in the order of partitions and offsets; nothing where there is no topic yet."""
        try:
            records = list(self.app.get_reader(topic, until_end=True))
        except tr.ConfigError:
            return []
        return [record.json() for record in sorted(records, key=lambda each: (each.partition, each.offset))]

    def wait_for_markers(self, *topics: str) -> None:
        """Until Kafka has written how transactions ended, which whoever reads to the end waits for.

        A broker that is alone and dies between a commit and its markers never writes them: the partition is
        read no further, by anybody.
        """
        for topic in topics:
            list(self.app.get_reader(topic, until_end=True))


async def receive(socket: ClientConnection) -> Any:
    """The next message, as JSON."""
    return json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT))


async def rest_of(socket: ClientConnection) -> tuple[list[Any], int, str]:
    """All messages until the other side closes, its code and its reason."""
    messages: list[Any] = []
    try:
        while True:
            messages.append(await receive(socket))
    except ConnectionClosed as closed:
        goodbye = closed.rcvd
    assert goodbye, "the connection broke"
    return messages, goodbye.code, goodbye.reason


class Attacks:
    """Raw connections that do what no client should."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def raw(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=60)
        connection.sendall(data)
        return connection

    def shaken(self, target: str, extra: str = "") -> socket.socket:
        """A WebSocket by hand, after its handshake."""
        connection = self.raw(
            f"GET /v1/topics/{target} HTTP/1.1\r\nHost: localhost\r\n{extra}Connection: Upgrade\r\n".encode()
            + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        assert b" 101 " in answer, answer
        return connection


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    while True:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            return found
        if not data:
            return found
        found += data


def frame(
    opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv1 << 6 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload  # a mask of zeros


def post(gateway: Gateway, target: str, body: bytes, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(gateway.url(target, "http"), data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
