"""What is written through a gateway: acknowledged once the log has it, stored once, in order."""

import asyncio
import json
import random
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from gateway_support import Gateway, receive, rest_of
from websockets.exceptions import ConnectionClosed

Start = Callable[..., Gateway]
TOPICS = "[topics]\nphone-data = { partitions = 2 }\n"


def post(gateway: Gateway, target: str, body: bytes, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(gateway.url(target, "http"), data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_messages_are_acknowledged_with_their_offsets(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def write() -> list[Any]:
        async with gateway.connect(
            "phone-data?key_field=rider&timestamp_field=at&header.from=phone"
        ) as socket:
            answers = [await receive(socket)]
            for message in (
                '{"rider":"anna","at":5}',
                '[{"rider":"anna","at":6}, {"rider":"bob","at":7}]',
                b'{"rider":"anna","at":8}\n{"rider":"bob","at":9}\n',
                "[]",
                '[{"rider":"anna","at":8},{"rider":"bob"}]',
                "no rows",
            ):
                await socket.send(message)
                answers.append(await receive(socket))
            return answers

    answers = asyncio.run(write())
    assert answers[:5] == [
        {"hello": {"sequence": 0}},
        {"ack": 1, "offsets": [[1, 0, 0]]},
        {"ack": 2, "offsets": [[1, 1, 1], [0, 0, 0]]},
        {"ack": 3, "offsets": [[1, 2, 2], [0, 1, 1]]},
        {"ack": 4, "offsets": []},
    ]
    assert answers[5]["refused"] == 5
    assert 'row 2: wanted milliseconds since 1970 for the timestamp in field "at"' in answers[5]["error"]
    assert answers[6] == {"refused": 6, "error": "row 1: wanted an object at byte 0, found byte 0x6e"}
    records = list(gateway.app.get_reader("phone-data", until_end=True))
    assert {(record.timestamp, record.key) for record in records} == {
        (5, b"anna"), (6, b"anna"), (7, b"bob"), (8, b"anna"), (9, b"bob"),
    }  # fmt: skip
    assert all(record.headers == [("from", b"phone")] for record in records)
    assert gateway.stop() == ""


def test_a_session_goes_on_where_it_was(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def write(first: int, count: int) -> int:
        async with gateway.connect("phone-data?key=k&session=s") as socket:
            stored = (await receive(socket))["hello"]["sequence"]
            for x in range(first, first + count):
                await socket.send(json.dumps({"x": x}))
            for x in range(first, first + count):
                assert (await receive(socket))["ack"] == stored + 1 + x - first
            return int(stored)

    assert asyncio.run(write(0, 10)) == 0
    assert asyncio.run(write(10, 5)) == 10
    gateway.stop()
    gateway.start()
    assert asyncio.run(write(15, 1)) == 15
    assert gateway.values("phone-data") == [{"x": x} for x in range(16)]


def test_a_session_that_is_opened_elsewhere_closes_here(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def both() -> None:
        async with gateway.connect("phone-data?session=s&key=bob") as old:
            await receive(old)
            await old.send('{"x": 1}')
            async with gateway.connect("phone-data?session=s&key=bob") as new:
                stored = (await receive(new))["hello"]["sequence"]
                answers, code, _ = await rest_of(old)
                assert code == 4000
                assert answers in ([], [{"ack": 1, "offsets": [[0, 0, 0]]}])
                if stored == 0:  # then it does not count on what the old one has sent
                    await new.send('{"x": 1}')
                    assert (await receive(new))["ack"] == 1

    asyncio.run(both())
    assert gateway.values("phone-data") == [{"x": 1}]


def test_posts_are_numbered_by_their_sender(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    assert post(gateway, "phone-data?key=k", b'{"x":1}') == (200, {"ack": 0, "offsets": [[0, 0, 0]]})
    session = "phone-data?key=k&session=p&sequence="
    assert post(gateway, session + "1", b'[{"x":2},{"x":3}]') == (200, {"ack": 1, "offsets": [[0, 1, 2]]})
    assert post(gateway, session + "1", b'[{"x":2},{"x":3}]') == (200, {"ack": 1, "duplicate": True})
    assert post(gateway, session + "3", b'{"x":5}') == (
        409,
        {"error": "wanted message 2 first", "sequence": 1},
    )
    assert post(gateway, session + "2", b'{"x":')[0] == 400
    assert post(gateway, session + "3", b'{"x":5}') == (200, {"ack": 3, "offsets": [[0, 3, 3]]})
    assert gateway.values("phone-data") == [{"x": 1}, {"x": 2}, {"x": 3}, {"x": 5}]


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("nope", 404, "there is no topic"),
        ("phone-data?session=a/b", 400, "session: wanted 1 to 64"),
        ("phone-data?session=s", 400, "session wants sequence="),
        ("phone-data?session=s&sequence=0", 400, "sequence: wanted a whole number"),
        ("phone-data?colour=red", 400, "there is no such parameter"),
        ("phone-data?key=a&key_field=b", 400, "found both"),
        ("phone-data?key=%ff", 400, "no path and query in UTF-8"),
        ("%2e%2e%2fetc", 404, "there is no topic"),
    ],
)
def test_requests_that_are_none(start_gateway: Start, target: str, status: int, error: str) -> None:
    answer = post(start_gateway(TOPICS), target, b'{"x":1}')
    assert answer[0] == status
    assert error in answer[1]["error"]


def test_a_message_over_the_limit_is_refused(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nmessage_bytes = "1kB"\n')
    assert post(gateway, "phone-data", b'{"x":"' + b"a" * 2000 + b'"}')[0] == 413

    async def write() -> int:
        async with gateway.connect("phone-data") as socket:
            await receive(socket)
            await socket.send('{"x":"' + "a" * 2000 + '"}')
            return (await rest_of(socket))[1]

    assert asyncio.run(write()) == 1009
    assert gateway.values("phone-data") == []


async def send_all(gateway: Gateway, session: str, rows: list[dict[str, Any]], killed: asyncio.Event) -> None:
    """A client as it should be: keeps what is not acknowledged, connects again, sends again."""
    done = 0
    while done < len(rows):
        try:
            async with gateway.connect(f"phone-data?key={session}&session={session}") as socket:
                done = (await receive(socket))["hello"]["sequence"]
                next_row = done
                while done < len(rows):
                    while next_row < min(len(rows), done + 20):
                        await socket.send(json.dumps(rows[next_row]))
                        next_row += 1
                    done = (await receive(socket))["ack"]
        except (ConnectionClosed, OSError):
            await killed.wait()  # until there is another gateway


def survive(gateway: Gateway, seed: int) -> None:
    sessions = {f"s{number}": [{"session": number, "x": x} for x in range(300)] for number in range(8)}
    chance = random.Random(seed)

    async def run() -> None:
        killed = asyncio.Event()
        clients = [
            asyncio.ensure_future(send_all(gateway, session, rows, killed))
            for session, rows in sessions.items()
        ]
        for _ in range(6):
            seen = len(gateway.values("phone-data"))
            goal = seen + chance.randint(1, 300)
            while len(gateway.values("phone-data")) < min(goal, 2400):
                await asyncio.sleep(0)  # the clients go on
            killed.clear()
            gateway.kill()
            await asyncio.to_thread(gateway.start)
            killed.set()
        await asyncio.wait_for(asyncio.gather(*clients), 120)

    asyncio.run(run())
    stored = gateway.values("phone-data")
    expected = [row for rows in sessions.values() for row in rows]
    assert sorted(stored, key=lambda row: (row["session"], row["x"])) == expected
    for number in range(8):
        assert [row["x"] for row in stored if row["session"] == number] == list(range(300))


def test_kills_lose_nothing_and_store_nothing_twice(start_gateway: Start) -> None:
    survive(start_gateway(TOPICS), seed=1)


def test_kills_on_kafka(start_gateway: Start, broker: str, name: str) -> None:
    survive(start_gateway(f'id = "{name}"\n{TOPICS}', broker=broker), seed=2)


def test_nothing_is_acknowledged_while_kafka_is_away(
    start_gateway: Start, broker: str, cluster: Any, name: str
) -> None:
    gateway = start_gateway(f'id = "{name}"\nqueue_bytes = "4kB"\n[topics]\naway = {{}}\n', broker=broker)

    async def write() -> None:
        async with gateway.connect("away?session=s") as socket:
            await receive(socket)
            await socket.send('{"x": 0}')
            assert (await receive(socket))["ack"] == 1
            cluster.kill(1)
            for x in range(1, 101):
                await socket.send(json.dumps({"x": x}))
            answer = asyncio.ensure_future(receive(socket))
            done, _ = await asyncio.wait([answer], timeout=2)
            assert not done
            await asyncio.to_thread(cluster.start)
            assert (await answer)["ack"] == 2
            for x in range(2, 101):
                assert (await receive(socket))["ack"] == x + 1

    asyncio.run(write())
    assert gateway.values("away") == [{"x": x} for x in range(101)]


def test_it_drains_when_it_is_told_to_end(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def write() -> list[int]:
        async with gateway.connect("phone-data?session=s&key=k") as socket:
            await receive(socket)
            for x in range(200):
                await socket.send(json.dumps({"x": x}))
            ending = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
            answers, code, _ = await rest_of(socket)
            await ending
            assert code == 1001
            return [answer["ack"] for answer in answers]

    acknowledged = asyncio.run(write())
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert gateway.values("phone-data") == [{"x": x} for x in range(len(acknowledged))]
