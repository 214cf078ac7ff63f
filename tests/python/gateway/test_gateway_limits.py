"""What ends by itself: silent sockets, bodies that do not come, and what is beyond a limit."""

import asyncio
import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway_support import COMMAND, Attacks, Gateway, all_of, post, receive
from observer import free_port

Start = Callable[..., Gateway]
TOPICS = "[topics]\nphone-data = {}\nalerts = { partitions = 2 }\n"


@pytest.mark.parametrize("target", ["phone-data", "alerts?from=latest"])
def test_a_silent_socket_is_closed_and_one_that_answers_pings_is_not(
    start_gateway: Start, target: str
) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nidle_timeout = "1s"\n')
    silent = Attacks(gateway).shaken(target)

    async def lives() -> None:
        async with gateway.connect(target) as answering:
            await receive(answering)
            more = asyncio.ensure_future(answering.recv())
            begin = time.monotonic()
            await asyncio.wait_for(asyncio.to_thread(all_of, silent), 30)
            assert time.monotonic() - begin < 10
            done, _ = await asyncio.wait([more], timeout=2)
            assert not done, "it was closed, too"
            more.cancel()

    asyncio.run(lives())


def test_a_connection_without_another_request_is_closed(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nidle_timeout = "500ms"\n')
    begin = time.monotonic()
    answer = all_of(Attacks(gateway).raw(b"GET /v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 0.4 < time.monotonic() - begin < 10


def test_a_body_that_does_not_come_is_not_waited_for(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nbody_timeout = "300ms"\n')
    head = b"POST /v1/topics/phone-data HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
    begin = time.monotonic()
    assert all_of(Attacks(gateway).raw(head + b'{"x":')) == b""
    assert 0.2 < time.monotonic() - begin < 10  # the default is 30 s
    assert post(gateway, "phone-data", b'{"x":1}')[0] == 200
    assert gateway.values("phone-data") == [{"x": 1}]


def test_connections_have_a_limit_in_all(start_gateway: Start) -> None:
    gateway = start_gateway(f"metrics_port = {free_port()}\n{TOPICS}[limits]\nconnections = 3\n")

    def ask(address: str) -> socket.socket:
        connection = socket.create_connection(
            ("127.0.0.1", gateway.port), timeout=60, source_address=(address, 0)
        )
        connection.sendall(b"GET /v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection

    held = [ask(f"127.0.0.{number}") for number in (1, 2, 3)]
    for connection in held:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert all_of(ask("127.0.0.4")) == b""
    assert gateway.metric("connections") == 3
    assert gateway.metric("connections_refused_total") == 1
    held.pop().close()
    deadline = time.monotonic() + 60
    while not ask("127.0.0.4").recv(100):
        assert time.monotonic() < deadline


def test_readers_of_many_partitions_go_on_where_they_were(start_gateway: Start) -> None:
    gateway = start_gateway("[topics]\nmeasurements = { partitions = 1000 }\n")

    async def read(target: str, count: int) -> tuple[str, list[Any]]:
        async with gateway.connect(target, max_size=None) as reader:
            position = (await receive(reader))["hello"]["position"]
            found: list[Any] = []
            while len(found) < count:
                found += [record["value"]["x"] for record in (await receive(reader))["records"]]
            return position, found

    position, _ = asyncio.run(read("measurements?from=latest", 0))
    assert position.count(",") == 999
    with gateway.app.get_producer() as producer:
        for x in range(100):
            producer.produce("measurements", key=str(x), value={"x": x})
    begin, found = asyncio.run(read(f"measurements?from={position}", 100))
    assert begin == position
    assert sorted(found) == list(range(100))


def test_a_request_over_64_kib_hears_what_to_do(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    def answer_to(size: int) -> bytes:
        target = "/v1/topics/alerts?from=" + ",".join(f"alerts:{number}:{10**6}" for number in range(5000))
        request = f"GET {target[:size]} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return all_of(Attacks(gateway).raw(request.encode()))

    for size in (20_000, 65_400):
        assert b" 431 " not in answer_to(size)[:20], size
    answer = answer_to(65_600)
    assert answer.startswith(b"HTTP/1.1 431 ")
    error = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert "more than 64 KiB" in error
    assert "from=session" in error


def test_a_reader_has_so_many_keys(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    def status(count: int) -> bytes:
        keys = ",".join(f"{number:05}" for number in range(count))
        request = f"GET /v1/topics/alerts?from=latest&key={keys} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        return all_of(Attacks(gateway).raw(request.encode()))[:12]

    assert status(3000) == b"HTTP/1.1 426"  # all is well but for the handshake
    assert status(3001) == b"HTTP/1.1 400"


def test_a_gateway_without_pages_says_how_it_gets_them(
    start_gateway: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(gateway: Gateway, path: str) -> str:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{gateway.port}{path}", timeout=60)
        assert refused.value.code == 404
        return str(json.load(refused.value)["error"])

    none = start_gateway(TOPICS)
    assert answer(none, "/").startswith("this gateway has no pages: web_root in gateway.toml names a folder ")
    assert "there are /v1/topics/TOPIC and /v1/config" in answer(none, "/v1/topic/alerts")
    alone = shutil.copy(COMMAND, tmp_path)  # beside it there are none
    monkeypatch.setattr("gateway_support.COMMAND", alone)
    unbuilt = start_gateway('id = "unbuilt"  # and no web_root\n' + TOPICS)
    assert "in a clone `./dev web` builds them, else web_root in gateway.toml names a " in answer(
        unbuilt, "/"
    )
    assert "in a clone `./dev web` builds them, and web_root of gateway.toml names others" in unbuilt.stop()


def test_a_gateway_says_when_it_listens_on_this_machine_only(start_gateway: Start) -> None:
    only = "it listens on this machine only"
    assert only in start_gateway(TOPICS).greeting
    token = '[[tokens]]\ntoken = "canary-of-the-phones"\nsubject = "s"\nread = ["alerts"]\n'
    assert only not in start_gateway(TOPICS + token).greeting
