"""Gateways that the tests start, and clients of them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import urllib.request
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
