"""Clients of `tiderace gateway`: a phone that loses no row and sends none twice, and a reader of topics.

Both come back by themselves when the connection breaks or the gateway dies, and go on where they were.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

RETRY_S = 0.1
ROWS_A_MESSAGE = 500
WRONG_TO_REPEAT = {1008, 1009, 4000}  # the server will not have it, however often it is sent

Row = dict[str, Any]


class GatewayError(Exception):
    """The gateway has refused what was sent to it: coming back would not help."""


def topic_url(gateway: str, topics: str, **parameters: str | None) -> str:
    """Where a topic is, for example of `ws://127.0.0.1:8765`; parameters that are None are left out."""
    given = {name.rstrip("_"): value for name, value in parameters.items() if value is not None}
    return f"{gateway.rstrip('/')}/v1/topics/{topics}?{urlencode(given, safe=':,')}"


def _raise_if_final(url: str, error: Exception) -> None:
    """GatewayError if the same again would end in the same way."""
    where = url.partition("?")[0]
    if isinstance(error, InvalidStatus) and error.response.status_code < 500:
        body = (error.response.body or b"").decode(errors="replace").strip()
        raise GatewayError(f"{where} answers {error.response.status_code}: {body}") from error
    if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code in WRONG_TO_REPEAT:
        raise GatewayError(f"{where} was closed with {error.rcvd.code}: {error.rcvd.reason}") from error


class Sender:
    """One phone: rows that are put in are stored in their order, each once.

    Rows that wait are cut into a message once; it keeps its number, and stays here until the gateway has
    acknowledged it. One message is under way at a time. For one event loop.
    """

    def __init__(self, gateway: str, rider: str, session: str, topic: str = "phone-data") -> None:
        options = {"key": rider, "session": session, "timestamp_field": "timestamp"}
        self._url = topic_url(gateway, topic, **options)
        self._waiting: deque[Row] = deque()
        self._message: list[Row] = []  # what has the number _stored + 1
        self._stored = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._known = False  # whether the gateway has told where the session is
        self._connected = False
        self.trouble = ""  # why there is no connection, since when in seconds of `time.monotonic`
        self.trouble_since = time.monotonic()
        self.rows_stored = 0
        self.connections_lost = 0
        self.messages_repeated = 0

    def put(self, row: Row) -> None:
        self._waiting.append(row)
        self._empty.clear()
        self._changed.set()

    async def flush(self) -> None:
        """Returns when all that was put in is stored."""
        await self._empty.wait()

    def close(self) -> None:
        """No row comes any more: `run` ends when all are stored."""
        self._closed = True
        self._changed.set()

    async def run(self) -> None:
        """Sends until `close`. GatewayError if the gateway refuses a row, or lets this phone not in."""
        while True:
            try:
                async with connect_async(self._url, proxy=None) as socket:
                    await self._resume(socket)
                    while await self._next_message():
                        await self._send(socket)
                return
            except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:
                _raise_if_final(self._url, error)
                self.trouble_since = self.trouble_since if self.trouble else time.monotonic()
                self.trouble = str(error) or type(error).__name__
            self.connections_lost += self._connected
            self._connected = False
            await asyncio.sleep(RETRY_S)

    async def _resume(self, socket: ClientConnection) -> None:
        """Takes the number that the gateway has; the message that was under way may be stored or not."""
        hello = json.loads(await socket.recv())["hello"]
        sequence = hello["sequence"]
        self._connected, self.trouble = True, ""
        if not self._known:
            self._stored, self._known = sequence, True
        if self._message and sequence == self._stored + 1:
            # A number is used up by a refusal, too, whose answer may have been lost with the connection.
            if any(first <= sequence <= last for first, last in hello.get("refused", ())):
                raise GatewayError(f"the gateway refused message {sequence}; its reason was lost")
            self._acknowledged()
        elif sequence != self._stored:
            raise GatewayError(
                f"wanted message {self._stored} to be the session's last, but the gateway has {sequence}: "
                "somebody else writes in this session, or the gateway has another log"
            )
        self.messages_repeated += bool(self._message)

    async def _next_message(self) -> bool:
        """Cuts a message of what waits, as soon as something does; False at the end."""
        while not self._message:
            while self._waiting and len(self._message) < ROWS_A_MESSAGE:
                self._message.append(self._waiting.popleft())
            if not self._message:
                if self._closed:
                    return False
                self._changed.clear()
                await self._changed.wait()
        return True

    async def _send(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps(self._message))
        answer = json.loads(await socket.recv())
        if answer.get("ack") != self._stored + 1:
            raise GatewayError(f"wanted message {self._stored + 1} to be acknowledged, but heard: {answer}")
        self._acknowledged()

    def _acknowledged(self) -> None:
        self.rows_stored += len(self._message)
        self._message = []
        self._stored += 1
        if not self._waiting:
            self._empty.set()


def read(
    gateway: str, topics: str, since: str = "earliest", until: threading.Event | None = None
) -> Iterator[dict[str, Any]]:
    """The records of topics (commas between them) as they come, none twice and none left out.

    For ever, or until a connection ends while `until` is set.
    Records are as `tiderace topic read` prints them. GatewayError if the gateway lets nobody read here.
    """
    positions: dict[str, str] = {}  # by TOPIC:PARTITION
    while until is None or not until.is_set():
        url = topic_url(gateway, topics, from_=since)
        try:
            with connect(url, proxy=None, max_size=None) as socket:
                for text in socket:
                    frame = json.loads(text)
                    position = frame.get("hello", frame)["position"]
                    positions.update(_split(place) for place in position.split(","))
                    since = ",".join(f"{partition}:{offset}" for partition, offset in positions.items())
                    yield from frame.get("records", ())
        except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as error:
            _raise_if_final(url, error)
        time.sleep(RETRY_S)


def _split(place: str) -> tuple[str, str]:
    partition, _, offset = place.rpartition(":")
    return partition, offset
