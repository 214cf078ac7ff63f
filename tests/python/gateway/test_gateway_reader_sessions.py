"""Sessions of readers: where each was is remembered, and it is said where that cannot be."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from gateway_support import Gateway, receive, rest_of
from observer import free_port
from websockets.exceptions import ConnectionClosed

Start = Callable[..., Gateway]
TOPICS = "[topics]\nphone-data = { partitions = 2 }\nalerts = {}\n"


def post_one(gateway: Gateway) -> int:
    with urllib.request.urlopen(gateway.url("alerts?key=k", "http"), data=b"{}", timeout=60) as answer:
        return int(answer.status)


def test_a_session_remembers_where_it_was(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    target = "alerts?from=session&session=dashboard"

    async def read(store: str) -> str:
        async with gateway.connect(target) as socket:
            position: str = (await receive(socket))["hello"]["position"]
            await socket.send(json.dumps({"position": store}))
            assert post_one(gateway) == 200
            await receive(socket)
            return position

    assert asyncio.run(read("alerts:0:1")) == "alerts:0:0"
    assert asyncio.run(read("alerts:0:2")) == "alerts:0:1"
    gateway.stop()
    gateway.start()

    async def hello() -> Any:
        async with gateway.connect(target) as socket:
            return await receive(socket)

    assert asyncio.run(hello()) == {"hello": {"position": "alerts:0:2"}}


def test_a_session_remembers_partitions_in_which_nothing_came(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    app = gateway.app
    app.topic("phone-data", num_partitions=2)
    keys = ["anna", "bob"]  # one in each partition

    async def read(write_first: list[str], expected: int, store: bool) -> list[int]:
        async with gateway.connect("phone-data?from=session&session=s") as socket:
            await receive(socket)
            with app.get_producer() as producer:
                for key in write_first:
                    producer.produce("phone-data", key=key, value={"x": 1})
            found: list[int] = []
            while len(found) < expected:
                frame = await receive(socket)
                found += [record["partition"] for record in frame["records"]]
                if store:
                    await socket.send(json.dumps({"position": frame["position"]}))
            return found

    assert sorted(asyncio.run(read(keys, 2, True))) == [0, 1]
    first = asyncio.run(read(keys[:1], 1, True))
    with app.get_producer() as producer:  # while nobody reads
        producer.produce("phone-data", key=keys[1], value={"x": 2})
    second = asyncio.run(read([], 1, True))
    assert sorted(first + second) == [0, 1]


def test_a_position_of_something_else_is_refused(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def read(position: str) -> int:
        async with gateway.connect("alerts?from=latest&session=s") as socket:
            await receive(socket)
            await socket.send(json.dumps({"position": position}))
            return (await rest_of(socket))[1]

    for position in ("phone-data:0:1", "alerts:7:1", "other:0:1"):
        assert asyncio.run(read(position)) == 1008


def test_reading_sessions_have_a_limit(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + "[limits]\nsessions = 2\n")

    async def read(session: str) -> Any:
        async with gateway.connect(f"alerts?from=session&session={session}") as socket:
            try:
                await receive(socket)
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None
            await socket.send('{"position":"alerts:0:0"}')
            return "reads"

    for session in "ab":
        assert asyncio.run(read(session)) == "reads"
    assert post_one(gateway) == 200  # behind the positions
    assert asyncio.run(read("c")) == 1013
    assert asyncio.run(read("a")) == "reads"


def test_a_position_of_a_session_that_may_not_begin_is_not_lost_in_silence(start_gateway: Start) -> None:
    gateway = start_gateway(f"metrics_port = {free_port()}\n{TOPICS}[limits]\nsessions = 2\n")
    target = "alerts?from=session&session="
    assert post_one(gateway) == 200

    async def read() -> None:
        async with AsyncExitStack() as stack:
            sockets = []
            for name in "abcd":
                sockets.append(await stack.enter_async_context(gateway.connect(target + name)))
                assert await receive(sockets[-1]) == {"hello": {"position": "alerts:0:1"}}
            with gateway.log_away():
                for socket in sockets:
                    await socket.send('{"position":"alerts:0:0"}')
                await asyncio.to_thread(gateway.until_metric, "position_bytes", 4 * 256)
            for closed in asyncio.as_completed([rest_of(socket) for socket in sockets]):
                assert await closed == ([], 1013, "there are too many sessions of this subject")
                if gateway.metric("turned_away_total") == 2:
                    break
            assert gateway.metric("sessions") == 2

    asyncio.run(asyncio.wait_for(read(), 60))


def store_position(gateway: Gateway, position: str) -> None:
    """Of the session `s`, as a gateway has it that runs elsewhere meanwhile."""
    assert post_one(gateway) == 200  # there is a topic of sequences
    gateway.stop()
    with gateway.app.get_producer() as producer:
        value = f'{{"position":"{position}"}}'.encode()
        producer.produce("gateway-sequences", key="r/anonymous/s", value=value)
    gateway.start()


def test_a_session_remembers_more_partitions_than_a_client_sends_at_once(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    store_position(gateway, "alerts:0:0" + "".join(f",t:{number}:7" for number in range(12_000)))

    async def read() -> Any:
        async with gateway.connect("alerts?from=session&session=s") as socket:
            return await receive(socket)

    assert asyncio.run(read()) == {"hello": {"position": "alerts:0:0"}}


def test_a_session_that_comes_back_without_news_is_not_forgotten(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    assert post_one(gateway) == 200  # there is a topic of sequences
    gateway.stop()
    stored = {"r/anonymous/s": b'{"position":"alerts:0:0"}', "w/anonymous/s": b'{"sequence":7}'}
    days_ms = 24 * 3600 * 1000
    now_ms = int(time.time() * 1000)
    with gateway.app.get_producer() as producer:
        for key, value in stored.items():  # after more than half of the 7 days
            producer.produce("gateway-sequences", key=key, value=value, timestamp=now_ms - 5 * days_ms)
    gateway.start()

    async def hello(target: str) -> Any:
        async with gateway.connect(target) as socket:
            return (await receive(socket))["hello"]

    assert asyncio.run(hello("alerts?from=session&session=s")) == {"position": "alerts:0:0"}
    assert asyncio.run(hello("alerts?key=k&session=s")) == {"sequence": 7}
    gateway.stop()
    records = gateway.app.get_reader("gateway-sequences", until_end=True)
    last = {record.key.decode(): record for record in records if record.key}
    for key, value in stored.items():
        assert (last[key].value, last[key].timestamp >= now_ms) == (value, True)


def test_a_session_is_remembered_for_as_long_as_its_socket_is_open(start_gateway: Start) -> None:
    gateway = start_gateway(f'session_ttl = "2s"\nmetrics_port = {free_port()}\n{TOPICS}')

    async def read() -> Any:
        async with gateway.connect("phone-data?from=session&session=s") as socket:
            await receive(socket)
            await socket.send('{"position":"phone-data:0:0"}')
            await asyncio.to_thread(gateway.until_metric, "sessions", 1)
            end = time.monotonic() + 4
            while time.monotonic() < end:  # what is stored makes it look at sessions
                assert await asyncio.to_thread(post_one, gateway) == 200
                assert gateway.metric("sessions") == 1

    asyncio.run(read())
    end = time.monotonic() + 60
    while gateway.metric("sessions") == 1:  # and no longer
        assert post_one(gateway) == 200
        assert time.monotonic() < end


def test_a_stored_position_that_is_none_is_not_the_latest(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    store_position(gateway, "nowhere")

    async def read(place: str) -> Any:
        async with gateway.connect(f"alerts?from={place}&session=s") as socket:
            try:
                return await receive(socket)
            except ConnectionClosed as closed:
                return closed.rcvd and closed.rcvd.reason

    assert asyncio.run(read("session")) == "the stored position of the session is none; begin elsewhere"
    assert asyncio.run(read("earliest")) == {"hello": {"position": "alerts:0:0"}}
    assert 'gateway: the position of "r/anonymous/s" is none' in gateway.stop()
