"""Rows for a model behind REST: as fast as they are answered, then half as many again as that."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"
CONNECTIONS = 16
SECONDS = 10
OVERLOAD = 1.5
LOST_S = 1.0  # a row that has no answer so long after it was due is lost to whoever waits for it
BODY = json.dumps({"total": 2.5, "mean": 1.5}).encode()
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)


@dataclass
class Answers:
    offered: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.offered - len(self.seconds)


class Connection:
    """One that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self) -> None:
        self._writer.write(HEAD + BODY)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise ConnectionError(head.decode(errors="replace"))
        length = head.split(b"content-length: ")[1].split(b"\r\n")[0]
        await self._reader.readexactly(int(length))


async def connect(port: int) -> Connection:
    """Once the service listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return Connection(*await asyncio.open_connection(HOST, port))
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _closed(connection: Connection, until: float, answers: Answers) -> None:
    while (began := time.monotonic()) < until:
        await connection.ask()
        answers.offered += 1
        answers.seconds.append(time.monotonic() - began)


async def _open(connection: Connection, due: asyncio.Queue[float], answers: Answers) -> None:
    while True:
        at = await due.get()
        if time.monotonic() - at < LOST_S:
            await connection.ask()
            if time.monotonic() - at < LOST_S:
                answers.seconds.append(time.monotonic() - at)
        due.task_done()


async def _offer(rate: float, due: asyncio.Queue[float], answers: Answers) -> None:
    began = time.monotonic()
    while (now := time.monotonic() - began) < SECONDS:
        while answers.offered / rate <= now:
            due.put_nowait(began + answers.offered / rate)
            answers.offered += 1
        await asyncio.sleep(0.001)
    await due.join()


async def _both(port: int) -> tuple[Answers, Answers]:
    connections = [await connect(port) for _ in range(CONNECTIONS)]
    for connection in connections:
        await connection.ask()  # warm
    alone, overloaded = Answers(), Answers()
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(_closed(connection, until, alone) for connection in connections))
    due: asyncio.Queue[float] = asyncio.Queue()
    workers = [asyncio.create_task(_open(connection, due, overloaded)) for connection in connections]
    await _offer(OVERLOAD * len(alone.seconds) / SECONDS, due, overloaded)
    for worker in workers:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
    return alone, overloaded


def run(port: int) -> tuple[Answers, Answers]:
    """What became of rows that were sent as fast as they were answered, and at one and a half times that."""
    return asyncio.run(_both(port))
