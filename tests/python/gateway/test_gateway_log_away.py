"""A gateway whose log is away: it keeps what it has room for, acknowledges nothing, and goes on after it."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from gateway_support import Attacks, Gateway, all_of, frame, post, receive, rest_of
from observer import free_port
from websockets.exceptions import ConnectionClosed

Start = Callable[..., Gateway]


def config(queue_bytes: str, more: str = "") -> str:
    return f"""
metrics_port = {free_port()}
queue_bytes = "{queue_bytes}"
[topics]
phone-data = {{}}
[limits]
messages_per_second = 1000000
{more}"""


async def until_stuck(sending: "asyncio.Task[None]", sent: list[int]) -> None:
    """Until nothing more of `sent` is taken."""
    count = -1
    while count < len(sent):
        count = len(sent)
        done, _ = await asyncio.wait([sending], timeout=1)
        assert not done, "all was taken"


async def until_acknowledged(socket: Any) -> tuple[list[Any], int, str]:
    """One answer; or none, with the code and the reason of the goodbye."""
    try:
        return [await receive(socket)], 0, ""
    except ConnectionClosed:
        return await rest_of(socket)


def test_beyond_its_queue_a_writer_is_not_read_any_more(start_gateway: Start) -> None:
    gateway = start_gateway(config("100kB"))
    rows = 3000
    padding = "p" * 10_000

    async def write() -> None:
        async with gateway.connect("phone-data?session=s&key=k", compression=None) as socket:
            await receive(socket)
            sent: list[int] = []

            async def send() -> None:
                for x in range(rows):
                    await socket.send(json.dumps({"x": x, "padding": padding}))
                    sent.append(x)

            with gateway.log_away():
                sending = asyncio.create_task(send())
                await asyncio.to_thread(gateway.until_metric, "held_bytes", 1)
                await until_stuck(sending, sent)
                # The rest is in the buffers of both sides.
                assert 80_000 < gateway.metric("queued_bytes") <= 100_000
                assert 10_000 < gateway.metric("held_bytes") < 11_000
                assert gateway.metric("messages_total") == 0
                row = json.dumps({"x": -1, "padding": padding}).encode()
                status, answer = await asyncio.to_thread(post, gateway, "phone-data", row)
                assert (status, answer) == (503, {"error": "too much waits for the log; try again"})
            for x in range(rows):
                assert (await receive(socket))["ack"] == x + 1
            await sending
            assert gateway.metric("held_bytes") == gateway.metric("queued_bytes") == 0

    asyncio.run(write())
    assert [row["x"] for row in gateway.values("phone-data")] == list(range(rows))


def test_what_sockets_keep_has_a_bound(start_gateway: Start) -> None:
    """3 messages in the queue, 3 more at their sockets; the others are sent again by who has a session."""
    gateway = start_gateway(config("1MB"))
    writers = 40
    padding = "p" * 300_000

    async def write(x: int, begun: asyncio.Barrier, back: asyncio.Event) -> str:
        async with gateway.connect(f"phone-data?session=s{x}&key=k", compression=None) as socket:
            assert (await receive(socket)) == {"hello": {"sequence": 0}}
            await begun.wait()
            await socket.send(json.dumps({"x": x, "padding": padding}))
            messages, code, reason = await until_acknowledged(socket)
            if messages:
                assert messages[0]["ack"] == 1
                return "kept"
            assert code == 1013
        await back.wait()
        answers: list[Any] = []
        while not answers:  # it may meet too many others again
            async with gateway.connect(f"phone-data?session=s{x}&key=k", compression=None) as socket:
                assert (await receive(socket)) == {"hello": {"sequence": 0}}
                await socket.send(json.dumps({"x": x, "padding": padding}))
                answers = (await until_acknowledged(socket))[0]
        assert answers[0]["ack"] == 1
        return reason

    async def run() -> list[str]:
        begun, back = asyncio.Barrier(writers + 1), asyncio.Event()
        clients = [asyncio.ensure_future(write(x, begun, back)) for x in range(writers)]
        while gateway.metric("writers_total") < writers or gateway.metric("queued_bytes") > 0:
            await asyncio.sleep(0)
        with gateway.log_away():
            await begun.wait()
            await asyncio.to_thread(gateway.until_metric, "turned_away_total", writers - 6)
            for name in ("queued_bytes", "held_bytes"):
                assert 900_000 < gateway.metric(name) <= 1_000_000
        back.set()
        return await asyncio.gather(*clients)

    told = asyncio.run(run())
    assert sorted(told) == ["kept"] * 6 + ["too much waits for the log; try again"] * (writers - 6)
    assert gateway.metric("held_bytes") == 0
    assert sorted(row["x"] for row in gateway.values("phone-data")) == list(range(writers))


def test_what_a_socket_kept_is_not_stored_once_its_session_was_opened_elsewhere(start_gateway: Start) -> None:
    gateway = start_gateway(config("2kB"))
    target = "phone-data?session=s&key=k"

    async def write() -> Any:
        old = Attacks(gateway).shaken(target)  # which does not say goodbye
        assert b'{"hello":{"sequence":0}}' in old.recv(100)
        async with gateway.connect("phone-data?key=k") as other:
            await receive(other)
            with gateway.log_away():
                await other.send(json.dumps({"x": "other", "padding": "p" * 1400}))
                await asyncio.to_thread(gateway.until_metric, "queued_bytes", 1)
                old.sendall(frame(1, json.dumps({"x": "old", "padding": "p" * 1400}).encode()))
                await asyncio.to_thread(gateway.until_metric, "held_bytes", 1)
                before = gateway.metric("queued_bytes")
                new = await gateway.connect(target)
                await asyncio.to_thread(gateway.until_metric, "queued_bytes", before + 1)
            async with new:
                assert await receive(new) == {"hello": {"sequence": 0}}
                await new.send('{"x": "new"}')
                return await receive(new)

    assert asyncio.run(asyncio.wait_for(write(), 60)) == {"ack": 1, "offsets": [[0, 1, 1]]}
    assert [row["x"] for row in gateway.values("phone-data")] == ["other", "new"]


def test_who_posts_and_goes_holds_no_connection(start_gateway: Start) -> None:
    gateway = start_gateway(config("1MB"))
    attacks = Attacks(gateway)
    post_of = "POST /v1/topics/phone-data?key=k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n{}\r\n{}"
    assert post(gateway, "phone-data?key=k", b'{"x":0}')[0] == 200  # there is a log
    with gateway.log_away():
        stays = attacks.raw(post_of.format("Connection: close\r\n", '{"x":1}').encode())
        # One of them has sent another request, which is not read.
        gone = [attacks.raw(post_of.format("", '{"x":2}').encode() + more) for more in (b"", b"GET / ")]
        gateway.until_metric("connections", 3)
        queued = gateway.metric("queued_bytes")
        for connection in gone:
            connection.close()
        deadline = time.monotonic() + 60
        while gateway.metric("connections") > 1:
            assert time.monotonic() < deadline
        assert gateway.metric("queued_bytes") >= queued
    assert all_of(stays).startswith(b"HTTP/1.1 200 ")
    gateway.until_idle()
    assert sorted(row["x"] for row in gateway.values("phone-data")) == [0, 1, 2, 2]


def test_a_socket_that_is_not_read_for_too_long_is_over_and_what_it_kept(start_gateway: Start) -> None:
    """It is not read while it keeps a message, so it is as good as silent."""
    gateway = start_gateway(config("1kB", 'idle_timeout = "1s"'))

    async def write() -> None:
        async with gateway.connect("phone-data?session=s&key=k") as socket:
            await receive(socket)
            with gateway.log_away():
                for x in range(4):
                    await socket.send(json.dumps({"x": x}))
                await asyncio.to_thread(gateway.until_metric, "held_bytes", 1)
                while gateway.metric("held_bytes") > 0 or gateway.metric("connections") > 0:
                    await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(write(), 60))


@pytest.mark.parametrize("target", ["phone-data?session=", "phone-data?from=session&session="])
def test_a_session_hears_why_it_may_not_begin(start_gateway: Start, target: str) -> None:
    gateway = start_gateway(config("1kB"))

    async def told(session: str) -> tuple[list[Any], int, str]:
        async with gateway.connect(target + session) as socket:
            return await rest_of(socket)

    attacks = Attacks(gateway)
    assert post(gateway, "phone-data?key=k", b"{}")[0] == 200  # there is a log
    gateway.until_idle()
    with gateway.log_away():
        held = [attacks.shaken(f"{target}s{number}") for number in range(4)]
        gateway.until_metric("queued_bytes", 1001)
        assert asyncio.run(told("s4")) == ([], 1013, "too much waits for the log; try again")
    for connection in held:
        connection.close()


def test_positions_that_wait_have_a_bound(start_gateway: Start) -> None:
    gateway = start_gateway(config("1kB"))
    target = "phone-data?from=session&session="
    assert post(gateway, "phone-data?key=k", b"[{},{},{}]")[0] == 200

    async def send(socket: Any, offset: int, wanted_bytes: int) -> None:
        await socket.send(json.dumps({"position": f"phone-data:0:{offset}"}))
        await asyncio.to_thread(gateway.until_metric, "position_bytes", wanted_bytes)

    async def read() -> None:
        async with AsyncExitStack() as stack:
            sockets = []
            for name in "abcd":
                await asyncio.to_thread(gateway.until_idle)
                sockets.append(await stack.enter_async_context(gateway.connect(target + name)))
                await receive(sockets[-1])
            with gateway.log_away():
                await send(sockets[0], 1, 256)
                await send(sockets[1], 1, 512)
                for offset in (2, 1) * 20:  # in place of one another
                    await send(sockets[1], offset, 512)
                await send(sockets[2], 3, 768)
                assert gateway.metric("position_bytes") <= 1000
                await sockets[3].send('{"position": "phone-data:0:3"}')
                assert (await rest_of(sockets[3]))[1:] == (1013, "too much waits for the log; try again")
                assert gateway.metric("position_bytes") <= 1000
            while gateway.metric("position_bytes") > 0:
                await asyncio.sleep(0)
        for name, offset in zip("abcd", (1, 1, 3, 3), strict=True):
            await asyncio.to_thread(gateway.until_idle)
            async with gateway.connect(target + name) as socket:
                assert await receive(socket) == {"hello": {"position": f"phone-data:0:{offset}"}}

    asyncio.run(asyncio.wait_for(read(), 60))


@pytest.mark.parametrize("kind", ["embedded", "kafka"])
def test_it_ends_while_its_log_is_away(
    start_gateway: Start, kind: str, request: pytest.FixtureRequest
) -> None:
    """Within its drain time; what it has not stored it has not acknowledged, and is sent again."""
    away = f"away-{kind}"
    settings = f'id = "{away}"\n[topics]\n{away} = {{}}\n'
    cluster = request.getfixturevalue("cluster") if kind == "kafka" else None
    gateway = start_gateway(settings, **({"broker": cluster.bootstrap} if cluster else {}))

    async def write() -> float:
        # It is not read while it ends, so it hears no pong.
        async with gateway.connect(f"{away}?session=s&key=k", ping_interval=None) as socket:
            await receive(socket)
            await socket.send('{"x": 0}')
            assert (await receive(socket))["ack"] == 1
            if cluster:
                await asyncio.to_thread(gateway.wait_for_markers, away, f"{away}-sequences")
                cluster.kill(1)
                return await end(socket)
            with gateway.log_away():
                return await end(socket)

    async def end(socket: Any) -> float:
        for x in range(1, 11):
            await socket.send(json.dumps({"x": x}))
        head = f"POST /v1/topics/{away} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        posted = Attacks(gateway).raw(head.encode() + b'{"x": -1}')
        begin = time.monotonic()
        ending = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
        assert (await rest_of(socket))[:2] == ([], 1001)
        await ending
        taken = time.monotonic() - begin
        assert all_of(posted)[9:12] in (b"", b"503")
        return taken

    assert asyncio.run(write()) < 60
    if cluster:
        cluster.start()
    gateway.start()

    async def go_on() -> None:
        async with gateway.connect(f"{away}?session=s&key=k", ping_interval=None) as socket:
            done = (await receive(socket))["hello"]["sequence"]
            for x in range(done, 12):
                await socket.send(json.dumps({"x": x}))
            for x in range(done, 12):
                assert (await receive(socket))["ack"] == x + 1

    asyncio.run(go_on())
    assert [row for row in gateway.values(away) if row["x"] >= 0] == [{"x": x} for x in range(12)]
