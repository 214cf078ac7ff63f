"""What is read through a gateway: from any place, by several readers that do not wait for each other."""

import asyncio
import json
import struct
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kafka_wire
import pytest
import tiderace as tr
from gateway_support import Gateway, receive, rest_of
from observer import free_port
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

Start = Callable[..., Gateway]
TOPICS = "[topics]\nphone-data = { partitions = 2 }\nalerts = {}\n"


def write(gateway: Gateway, topic: str, *rows: tuple[str, Any]) -> None:
    with gateway.app.get_producer() as producer:
        for key, value in rows:
            producer.produce(topic, key=key, value=value, timestamp=7)


async def records_of(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found += (await receive(socket))["records"]
    assert len(found) == count
    return found


def test_records_come_as_the_command_line_prints_them(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def read() -> list[Any]:
        async with gateway.connect("alerts?from=latest") as socket:
            hello = await receive(socket)
            with gateway.app.get_producer() as producer:
                producer.produce("alerts", key="a", value={"x": 1}, timestamp=5, headers={"h": b"\xff"})
                producer.produce("alerts", key=b"\xff", value=b"no json", timestamp=6)
                producer.produce("alerts", value=None, timestamp=7)
            return [hello, *await records_of(socket, 3)]

    hello, *records = asyncio.run(read())
    assert hello == {"hello": {"position": "alerts:0:0"}}
    place = {"topic": "alerts", "partition": 0}
    assert records == [
        {
            **place,
            "offset": 0,
            "timestamp": 5,
            "key": "a",
            "headers": [["h", {"base64": "/w=="}]],
            "value": {"x": 1},
        },
        {
            **place,
            "offset": 1,
            "timestamp": 6,
            "key_base64": "/w==",
            "headers": [],
            "value_base64": "bm8ganNvbg==",
        },
        {**place, "offset": 2, "timestamp": 7, "key": None, "headers": [], "value": None},
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("phone-data?from=earliest", [0, 1, 2, 3]),
        ("phone-data?from=earliest&key=anna", [0, 2]),
        ("phone-data?from=earliest&key=anna,cy", [0, 2, 3]),
        ("phone-data?from=earliest&key=anna&key=cy", [0, 2, 3]),
        ("phone-data?from=phone-data:0:0,phone-data:1:1", [1, 2, 3]),
        ("phone-data,alerts?from=earliest", [0, 1, 2, 3, 9]),
    ],
)
def test_from_any_place(start_gateway: Start, target: str, expected: list[int]) -> None:
    gateway = start_gateway(TOPICS)
    app = gateway.app
    app.topic("phone-data", num_partitions=2)
    write(gateway, "alerts", ("z", {"x": 9}))
    with app.get_producer() as producer:
        for x, key in enumerate(["anna", "bob", "anna", "cy"]):
            producer.produce("phone-data", key=key, value={"x": x})

    async def read() -> list[int]:
        async with gateway.connect(target) as socket:
            await receive(socket)
            return sorted(record["value"]["x"] for record in await records_of(socket, len(expected)))

    assert asyncio.run(read()) == expected


def test_a_topic_that_is_named_twice_is_read_once(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def read() -> list[Any]:
        async with gateway.connect("alerts,phone-data,alerts?from=latest") as socket:
            await receive(socket)
            write(gateway, "alerts", ("k", {"x": 1}))
            write(gateway, "alerts", ("k", {"x": 2}))
            found: list[Any] = []
            while 1 not in found:
                found += [record["offset"] for record in (await receive(socket))["records"]]
            return found

    assert asyncio.run(read()) == [0, 1]


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (
            "phone-data?from=phone-data:0:0,alerts:9:0",
            "from: wanted positions of the topics that are read, phone-data, found alerts:9:0",
        ),
        ("phone-data?from=latest&key=", "key: wanted keys with commas between them, found none"),
        ("phone-data?from=latest&key=k&key=,", "key: wanted keys with commas between them, found none"),
        ("phone-data?from=nowhere", "from: wanted latest, earliest, session or TOPIC:PARTITION:OFFSET"),
        ("phone-data?from=latest&from=earliest", '"from": wanted it once, found it more than once'),
        (
            "phone-data?from=latest&key_field=rider",
            '"key_field": there is no such parameter to read (from=), it is one to POST or to write by '
            "WebSocket; there are key, from, session, conflate, token",
        ),
        (
            "phone-data?session=s&sequence=1",
            '"sequence": there is no such parameter to write by WebSocket, it is one to POST; there are ',
        ),
    ],
)
def test_sockets_that_want_what_there_is_not(start_gateway: Start, target: str, error: str) -> None:
    gateway = start_gateway(TOPICS)

    async def shake() -> Any:
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.connect(target):
                pass
        return refused.value.response

    answer = asyncio.run(shake())
    assert answer.status_code == 400
    assert json.loads(answer.body)["error"].startswith(error)


def test_a_position_is_where_to_go_on(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    write(gateway, "alerts", *(("k", {"x": x}) for x in range(1000)))

    async def read(target: str, count: int) -> tuple[list[int], str]:
        async with gateway.connect(target) as socket:
            position = (await receive(socket))["hello"]["position"]
            found: list[int] = []
            while len(found) < count:
                frame = await receive(socket)
                found += [record["value"]["x"] for record in frame["records"]]
                position = frame["position"]
            return found, position

    found, position = asyncio.run(read("alerts?from=earliest", 1))
    assert position == f"alerts:0:{len(found)}"
    assert 1 <= len(found) < 1000
    rest, position = asyncio.run(read(f"alerts?from={position}", 1000 - len(found)))
    assert found + rest == list(range(1000))
    assert position == "alerts:0:1000"


def test_a_position_beyond_the_end_is_the_end(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    write(gateway, "alerts", ("k", {"x": 0}), ("k", {"x": 1}))

    async def read() -> None:
        async with gateway.connect("alerts?from=alerts:0:500") as socket:
            assert await receive(socket) == {"hello": {"position": "alerts:0:2"}}
            write(gateway, "alerts", ("k", {"x": 2}))
            assert (await records_of(socket, 1))[0]["offset"] == 2

    asyncio.run(read())


def test_a_record_over_what_may_wait_is_read(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    write(gateway, "alerts", ("k", {"x": "y" * 2_500_000}), ("k", {"x": 1}))

    async def read() -> list[int]:
        async with gateway.connect("alerts?from=earliest", max_size=None) as socket:
            await receive(socket)
            return [record["offset"] for record in await records_of(socket, 2)]

    assert asyncio.run(read()) == [0, 1]


def test_a_record_over_what_may_wait_is_read_behind_others(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    large = {"x": "y" * 2_500_000}
    write(gateway, "alerts", *(("k", {"x": x}) for x in range(3)), ("k", large), ("k", {"x": 4}))

    async def read() -> list[int]:
        async with gateway.connect("alerts?from=earliest", max_size=None) as socket:
            await receive(socket)
            found = await records_of(socket, 5)
            write(gateway, "alerts", ("k", {"x": 5}), ("k", large), ("k", {"x": 7}))
            return [record["offset"] for record in found + await records_of(socket, 3)]

    assert asyncio.run(read()) == list(range(8))


@pytest.mark.parametrize("target", ["alerts?from=latest", "alerts?from=latest&key=k"])
def test_one_commit_may_be_more_than_may_wait(start_gateway: Start, target: str) -> None:
    gateway = start_gateway(TOPICS)
    rows = b"[" + b",".join(b'{"x":%d}' % x for x in range(100)) + b"]"
    header = "a" * 50_000

    async def read() -> list[int]:
        async with gateway.connect(target, compression=None, max_size=None) as socket:
            await receive(socket)
            url = gateway.url(f"alerts?key=k&header.a={header}", "http")
            for _ in range(3):
                await asyncio.to_thread(urllib.request.urlopen, url, data=rows, timeout=60)
            return [record["offset"] for record in await records_of(socket, 300)]

    assert asyncio.run(read()) == list(range(300))


def test_a_long_position_comes_whole(start_gateway: Start) -> None:
    gateway = start_gateway("[topics]\nalerts = { partitions = 20 }\n")

    async def read() -> tuple[str, list[Any], str]:
        async with gateway.connect("alerts?from=latest") as socket:
            hello = (await receive(socket))["hello"]["position"]
            ending = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
            messages, code, reason = await rest_of(socket)
            await ending
            assert code == 1001
            return hello, messages, reason

    hello, messages, reason = asyncio.run(read())
    assert hello.count(",") == 19
    assert (messages, reason) == ([{"position": hello}], "")


def test_readers_are_live_again_after_a_restart(start_gateway: Start, broker: str, name: str) -> None:
    gateway = start_gateway(
        f'id = "{name}"\nmetrics_port = {free_port()}\n[topics]\n{name} = {{ partitions = 2 }}\n',
        broker=broker,
    )

    async def read(position: str | None) -> str:
        async with (
            gateway.connect(f"{name}?from={position or 'earliest'}") as socket,
            gateway.connect(f"{name}?key=k") as writer,
        ):
            await receive(writer)
            hello: str = (await receive(socket))["hello"]["position"]
            if position is not None:  # of one partition; in the other one nothing comes
                while "tiderace_gateway_readers_behind 0" not in gateway.metrics():
                    await asyncio.sleep(0)
                return hello
            await writer.send('{"x": 1}')
            found = await receive(socket)
            assert found["records"][0]["value"] == {"x": 1}
            return str(found["position"])

    position = asyncio.run(read(None))
    gateway.stop()
    gateway.start()
    asyncio.run(asyncio.wait_for(read(position), 60))


def test_the_first_reader_joins_rows_that_come(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    rows = 20_000
    ahead = threading.Semaphore(1000)  # rows of 1 kB that wait for a reader: it is never too slow for them

    async def read() -> list[int]:
        writing = asyncio.ensure_future(asyncio.to_thread(flood, gateway.app, "alerts", rows, 7, ahead))
        while not gateway.values("alerts"):
            await asyncio.sleep(0)
        async with gateway.connect("alerts?from=earliest", compression=None, max_size=None) as socket:
            try:
                await receive(socket)
                found: list[int] = []
                while len(found) < rows:
                    for record in (await receive(socket))["records"]:
                        found.append(record["offset"])
                        ahead.release()
            finally:
                ahead.release(rows)
                await writing
            return found

    assert asyncio.run(read()) == list(range(rows))


def test_many_readers_of_history_take_turns(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    flood(gateway.app, "alerts", 25_000, 7)  # more than is kept in memory
    readers = 40

    async def read(number: int) -> int:
        async with gateway.connect("alerts?from=earliest&key=k3", compression=None, max_size=None) as socket:
            await receive(socket)
            found = await records_of(socket, 25_000 // 7)
            assert [record["offset"] for record in found] == list(range(3, 25_000, 7))
            return number

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(read(number) for number in range(readers)))

    assert asyncio.run(asyncio.wait_for(all_of_them(), 120)) == list(range(readers))


def test_metrics_and_health(start_gateway: Start) -> None:
    gateway = start_gateway(f"metrics_port = {free_port()}\n{TOPICS}")
    write(gateway, "alerts", ("k", {"x": 1}))

    async def read() -> None:
        async with gateway.connect("alerts?from=earliest") as socket:
            await receive(socket)
            await records_of(socket, 1)
            assert "tiderace_gateway_connections 1\n" in gateway.metrics()

    assert gateway.metrics("healthz") == "ok\n"
    asyncio.run(read())
    with urllib.request.urlopen(gateway.url("alerts?key=k", "http"), data=b"{}", timeout=60) as answer:
        assert json.load(answer)["ack"] == 0  # the log has it, so it is ready
    assert gateway.metrics("readyz") == "ready\n"
    guide = (Path(__file__).resolve().parents[3] / "docs/guide/gateway.md").read_text()
    families = list(text_string_to_metric_families(gateway.metrics()))
    assert len(families) > 10
    for family in families:
        assert family.name.removeprefix("tiderace_gateway_") in guide, family.name


def test_a_reader_that_sends_something_else_is_closed(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def read() -> int:
        async with gateway.connect("alerts?from=latest") as socket:
            await receive(socket)
            await socket.send('{"x": 1}')
            return (await rest_of(socket))[1]

    assert asyncio.run(read()) == 1008


def flood(
    app: tr.Application, topic: str, rows: int, keys: int, ahead: threading.Semaphore | None = None
) -> None:
    padding = "x" * 1000
    with app.get_producer() as producer:
        for x in range(rows):
            if ahead:
                ahead.acquire()
            producer.produce(topic, key=f"k{x % keys}", value={"x": x, "padding": padding})


def test_a_slow_reader_is_closed_with_where_it_was_and_others_go_on(start_gateway: Start) -> None:
    """After 30 s in which it took nothing."""
    gateway = start_gateway(f"metrics_port = {free_port()}\n{TOPICS}")

    async def read() -> str:
        async with (
            gateway.connect("alerts?from=latest", max_queue=1, compression=None) as slow,
            gateway.connect("alerts?from=latest", compression=None) as quick,
        ):
            await receive(slow)
            await receive(quick)
            for _ in range(40):
                await asyncio.to_thread(flood, gateway.app, "alerts", 500, 10)
                found = await records_of(quick, 500)
                assert [record["value"]["x"] for record in found] == list(range(500))
            await asyncio.to_thread(gateway.until_metric, "readers_too_slow_total", 1)
            frames, code, reason = await rest_of(slow)
            taken = sum(len(frame["records"]) for frame in frames)
            assert (code, reason) == (1013, f"alerts:0:{taken}")
            return reason

    position = asyncio.run(read())

    async def rest() -> list[int]:
        first = int(position.rsplit(":", 1)[1])
        async with gateway.connect(f"alerts?from={position}") as socket:
            await receive(socket)
            return [record["offset"] for record in await records_of(socket, 20_000 - first)]

    found = asyncio.run(rest())
    assert found == list(range(20_000 - len(found), 20_000))


def test_a_slow_reader_that_asked_for_it_gets_the_newest_of_each_key(start_gateway: Start) -> None:
    gateway = start_gateway(f"metrics_port = {free_port()}\n{TOPICS}")

    async def read() -> None:
        async with gateway.connect("alerts?from=latest&conflate=true", max_queue=1, compression=None) as slow:
            await receive(slow)
            await asyncio.to_thread(flood, gateway.app, "alerts", 20_000, 10)
            newest: dict[str, int] = {}
            conflated, taken = False, 0
            while newest.get("k9") != 19_999:
                frame = await receive(slow)
                conflated = conflated or frame.get("conflated", False)
                for record in frame["records"]:
                    assert record["value"]["x"] > newest.get(record["key"], -1)
                    newest[record["key"]] = record["value"]["x"]
                    taken += 1
            assert conflated
            assert taken < 20_000
            assert gateway.metric("records_conflated_total") == 20_000 - taken
            assert newest == {f"k{i}": 19_990 + i for i in range(10)}

    asyncio.run(read())


def test_a_long_history_comes_in_order_and_joins_what_is_new(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    flood(gateway.app, "alerts", 30_000, 7)  # more than is kept in memory

    async def read() -> list[int]:
        async with gateway.connect("alerts?from=latest") as other:  # so that it follows already
            await receive(other)
            async with gateway.connect("alerts?from=earliest", compression=None) as socket:
                await receive(socket)
                more = asyncio.ensure_future(asyncio.to_thread(flood, gateway.app, "alerts", 10_000, 7))
                found = await records_of(socket, 40_000)
                await more
                return [record["offset"] for record in found]

    assert asyncio.run(read()) == list(range(40_000))


def test_readers_of_kafka_see_what_is_committed(start_gateway: Start, broker: str, name: str) -> None:
    gateway = start_gateway(f'id = "{name}"\n[topics]\n{name} = {{ partitions = 2 }}\n', broker=broker)

    async def read() -> list[int]:
        async with (
            gateway.connect(f"{name}?from=earliest") as socket,
            gateway.connect(f"{name}?key=k") as writer,
        ):
            await receive(socket)
            await receive(writer)
            for x in range(100):
                await writer.send(json.dumps({"x": x}))
            return [record["value"]["x"] for record in await records_of(socket, 100)]

    assert asyncio.run(read()) == list(range(100))


def add_partitions(address: str, topic: str, count: int) -> None:
    """Makes it so many partitions in all."""
    create_partitions, timeout_ms = 37, 30_000
    body = struct.pack(">ih", 1, len(topic)) + topic.encode() + struct.pack(">ii", count, -1)
    body += struct.pack(">i?", timeout_ms, False)
    answer = kafka_wire.ask(address, create_partitions, 0, body, timeout_s=40)
    # throttle time, number of topics, name, error
    assert kafka_wire.unpack(">h", answer, 4 + 4 + 2 + len(topic)) == (0,)


def test_a_partition_that_is_added_is_read_from_its_beginning(
    start_gateway: Start, broker: str, name: str
) -> None:
    gateway = start_gateway(f'id = "{name}"\n[topics]\n{name} = {{}}\n', broker=broker)
    keys = [f"k{number}" for number in range(8)]  # in both partitions, once there are two

    async def offsets(socket: ClientConnection, wanted: int) -> list[int]:
        """Of the added partition, all that come until its record `wanted`."""
        found: list[int] = []
        while wanted not in found:
            records = (await receive(socket))["records"]
            found += [record["offset"] for record in records if record["partition"] == 1]
        return found

    async def read() -> None:
        gateway.app.topic(name)
        write(gateway, name, *((key, {"x": 0}) for key in keys))
        async with gateway.connect(f"{name}?from=latest") as live:
            await receive(live)
            add_partitions(broker, name, 2)
            while {record.partition for record in gateway.app.get_reader(name, until_end=True)} != {0, 1}:
                write(gateway, name, *((key, {"x": 1}) for key in keys))
            stored = list(gateway.app.get_reader(name, until_end=True))
            last = max(record.offset for record in stored if record.partition == 1)
            assert await offsets(live, last) == list(range(last + 1))

    asyncio.run(asyncio.wait_for(read(), 120))
