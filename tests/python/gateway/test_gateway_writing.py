"""What is written through a gateway: acknowledged once the log has it, stored once, in order."""

import asyncio
import http.client
import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from gateway_support import Attacks, Gateway, all_of, frame, post, receive, rest_of
from observer import free_port
from websockets.exceptions import ConnectionClosed

Start = Callable[..., Gateway]
TOPICS = "[topics]\nphone-data = { partitions = 2 }\n"
TOO_LARGE = (
    "the message{} is too large: wanted at most 1000 bytes (limits.message_bytes in gateway.toml); "
    "send it in several"
)


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


def test_what_comes_to_a_session_that_was_opened_elsewhere_is_not_stored(start_gateway: Start) -> None:
    """The new one has been told that it is not: it sends a message of the same number."""
    gateway = start_gateway(TOPICS)
    target = "phone-data?session=s&key=bob"
    old = Attacks(gateway).shaken(target)
    assert b'{"hello":{"sequence":0}}' in old.recv(100)
    message = frame(1, b'{"x": "old"}')
    old.sendall(message[:-5])

    async def write() -> Any:
        async with gateway.connect(target) as new:
            assert await receive(new) == {"hello": {"sequence": 0}}
            old.sendall(message[-5:] + frame(8, (1000).to_bytes(2, "big")))
            assert (4000).to_bytes(2, "big") in await asyncio.to_thread(all_of, old)
            await new.send('{"x": "new"}')
            return await receive(new)

    assert asyncio.run(write()) == {"ack": 1, "offsets": [[0, 0, 0]]}
    assert gateway.values("phone-data") == [{"x": "new"}]


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
        ("phone-data?sequence=1", 400, "sequence wants session="),
        ("phone-data?colour=red", 400, '"colour": there is no such parameter to POST; there are key, '),
        ("phone-data?colour=red", 400, ", header_field.NAME, session, sequence, token"),
        ("phone-data?conflate=true", 400, "no such parameter to POST, it is one to read (from=); there are"),
        ("phone-data?key=a&key=b", 400, '"key": wanted it once, found it more than once'),
        ("phone-data?header_field.x=a&header_field.x=b", 400, '"header_field.x": wanted it once'),
        ("phone-data?key=a&key_field=b", 400, "found both"),
        ("phone-data?key=%ff", 400, "no path and query in UTF-8"),
        ("%2e%2e%2fetc", 404, "there is no topic"),
    ],
)
def test_requests_that_are_none(start_gateway: Start, target: str, status: int, error: str) -> None:
    answer = post(start_gateway(TOPICS), target, b'{"x":1}')
    assert answer[0] == status
    assert error in answer[1]["error"]


def test_what_is_no_message_hears_where_it_does_not_end(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    unfinished = "row 1: wanted `,` or `}`, but the text ends inside the object that begins at byte 0"
    assert post(gateway, "phone-data", b'{"a":1') == (400, {"error": unfinished})

    async def write() -> Any:
        async with gateway.connect("phone-data") as socket:
            await receive(socket)
            await socket.send('{"a":1')
            return await receive(socket)

    assert asyncio.run(write()) == {"refused": 1, "error": unfinished}


def test_a_message_over_the_limit_is_refused(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nmessage_bytes = "1kB"\n')
    status, answer = post(gateway, "phone-data", body := b'{"x":"' + b"a" * 2000 + b'"}')
    assert (status, answer["error"]) == (413, TOO_LARGE.format(" of 2008 bytes"))
    chunks = b"Transfer-Encoding: chunked\r\n\r\n7d8\r\n" + body + b"\r\n0\r\n\r\n"
    head = b"POST /v1/topics/phone-data HTTP/1.1\r\nHost: localhost\r\n"
    unsized = all_of(Attacks(gateway).raw(head + chunks))
    assert json.loads(unsized.split(b"\r\n\r\n", 1)[1]) == {"error": TOO_LARGE.format("")}

    async def write() -> int:
        async with gateway.connect("phone-data") as socket:
            await receive(socket)
            await socket.send('{"x":"' + "a" * 2000 + '"}')
            return (await rest_of(socket))[1]

    assert asyncio.run(write()) == 1009
    assert gateway.values("phone-data") == []


def test_a_refusal_is_told_again(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def write(*messages: str) -> list[Any]:
        async with gateway.connect("phone-data?key=k&session=s") as socket:
            answers = [await receive(socket)]
            for message in messages:
                await socket.send(message)
                answers.append(await receive(socket))
            return answers

    answers = asyncio.run(write('{"x":1}', "no row", '{"x":3}', "none", "none"))
    assert [next(iter(answer)) for answer in answers] == [
        "hello",
        "ack",
        "refused",
        "ack",
        "refused",
        "refused",
    ]
    gateway.stop()
    gateway.start()
    assert asyncio.run(write()) == [{"hello": {"sequence": 5, "refused": [[2, 2], [4, 5]]}}]
    again = "phone-data?key=k&session=s&sequence="
    assert post(gateway, again + "2", b'{"x":2}') == (400, {"refused": 2, "error": "it was refused before"})
    assert post(gateway, again + "3", b'{"x":3}') == (200, {"ack": 3, "duplicate": True})
    assert gateway.values("phone-data") == [{"x": 1}, {"x": 3}]


def limit_records(gateway: Gateway, topic: str, size: int) -> None:
    """What a record of `topic` may come to, as an operator may have set it."""
    log = Path(gateway.broker.removeprefix("embedded:")) / "log.db"
    with sqlite3.connect(log, timeout=60) as database:
        changed = database.execute("UPDATE topics SET max_message_bytes = ? WHERE name = ?", (size, topic))
        assert changed.rowcount == 1


def test_what_a_topic_does_not_take_is_left_out_of_its_batch(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    gateway.values("phone-data")
    post(gateway, "phone-data", b"{}")
    gateway.stop()
    limit_records(gateway, "phone-data", 2000)
    gateway.start()
    sizes = [10_000 if x % 7 == 3 else 10 for x in range(60)]

    async def write() -> list[Any]:
        async with gateway.connect("phone-data?key=k&session=s") as socket:
            await receive(socket)
            for x, size in enumerate(sizes):
                await socket.send(json.dumps({"x": x, "padding": "p" * size}))
            return [await receive(socket) for _ in sizes]

    answers = asyncio.run(write())
    for number, (answer, size) in enumerate(zip(answers, sizes, strict=True), 1):
        assert answer.get("refused" if size > 2000 else "ack") == number
        assert size > 2000 or len(answer["offsets"]) == 1
    stored = [row["x"] for row in gateway.values("phone-data") if row]
    assert stored == [x for x, size in enumerate(sizes) if size < 2000]


def test_a_record_that_kafka_does_not_take_is_left_out(start_gateway: Start, broker: str, name: str) -> None:
    app = tr.Application(broker, consumer_group=name)
    app.topic(name, compacted=True)
    app.create_topics()
    gateway = start_gateway(f'id = "{name}-gateway"\n[topics]\n{name} = {{}}\n', broker=broker)

    async def write() -> list[Any]:
        async with gateway.connect(f"{name}?key=k&session=s") as keyed, gateway.connect(name) as keyless:
            await receive(keyed)
            await receive(keyless)
            for x in range(20):
                await keyed.send(json.dumps({"x": x}))
                await keyless.send(json.dumps({"x": -1}))
            refused = [await receive(keyless) for _ in range(20)]
            return refused + [await receive(keyed) for _ in range(20)]

    answers = asyncio.run(asyncio.wait_for(write(), 120))
    assert [answer.get("refused") for answer in answers[:20]] == list(range(1, 21))
    assert "INVALID_RECORD" in answers[0]["error"]
    assert [answer.get("ack") for answer in answers[20:]] == list(range(1, 21))
    assert gateway.values(name) == [{"x": x} for x in range(20)]


def test_a_gateway_whose_id_was_taken_acknowledges_nothing_of_the_other(
    start_gateway: Start, broker: str, name: str, tmp_path: Path
) -> None:
    config = f'id = "{name}"\n[topics]\n{name} = {{}}\n'
    first = start_gateway(f"metrics_port = {free_port()}\n{config}", broker=broker)

    async def write(gateway: Gateway, *rows: int) -> list[Any]:
        async with gateway.connect(f"{name}?key=k&session=s") as socket:
            answers = [await receive(socket)]
            for x in rows:
                await socket.send(json.dumps({"x": x}))
                answers.append(await receive(socket))
            return answers

    assert asyncio.run(write(first, 0, 1))[0] == {"hello": {"sequence": 0}}
    (tmp_path / "second").mkdir()
    second = Gateway(tmp_path / "second", broker, config)
    try:
        assert asyncio.run(write(second, 2, 3))[0] == {"hello": {"sequence": 2}}
        # It does not know yet that another has gone on, also where the log refuses a record of it.
        assert post(first, name, json.dumps({"x": "y" * 1_048_500}).encode())[0] in (400, 413)
        hello, *acknowledged = asyncio.run(write(first, 4, 5))
        assert hello == {"hello": {"sequence": 4}}
        assert "tiderace_gateway_fenced_total 1\n" in first.metrics()
        assert all(answer["offsets"] for answer in acknowledged)
    finally:
        second.kill()
    assert gateway_values(first, name) == list(range(6))
    assert f'another gateway has the id "{name}"; give each its own `id`' in first.stop()


def gateway_values(gateway: Gateway, topic: str) -> list[int]:
    return [row["x"] for row in gateway.values(topic)]


def test_a_message_that_would_grow_is_refused(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nmessage_bytes = "100kB"\n')
    fields = "&".join(f"header_field.h{number}=f" for number in range(16))
    for target, body in (
        ("phone-data?key=" + "k" * 8000, b"{}" * 20_000),
        (f"phone-data?{fields}", b'{"f":1}' * 10_000),
        (f"phone-data?{fields}", json.dumps({"f": "x" * 60_000}).encode()),
    ):
        status, answer = post(gateway, target, body)
        assert status == 400
        assert "its rows come to more than 800000 bytes" in answer["error"]
    assert post(gateway, f"phone-data?{fields}&header_field.one=f", b"{}")[0] == 400
    assert gateway.values("phone-data") == []


def test_a_body_over_the_limit_is_answered(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    for _ in range(3):
        assert post(gateway, "phone-data", b'{"x":"' + b"a" * 3_000_000 + b'"}')[0] == 413


def test_posts_have_a_rate(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + "[limits]\nmessages_per_second = 50\n")
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    begin = time.monotonic()
    for x in range(80):
        connection.request("POST", "/v1/topics/phone-data?key=k", json.dumps({"x": x}))
        assert connection.getresponse().read()
    assert time.monotonic() - begin >= 0.5
    assert len(gateway.values("phone-data")) == 80


def test_a_subject_has_so_many_sessions(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + "[limits]\nsessions = 2\n")
    for session in "ab":
        assert post(gateway, f"phone-data?session={session}&sequence=1", b'{"x":1}')[0] == 200
    assert post(gateway, "phone-data?session=c&sequence=1", b'{"x":1}')[0] == 503
    assert post(gateway, "phone-data?session=a&sequence=2", b'{"x":2}')[0] == 200

    async def told() -> tuple[list[Any], int, str]:
        async with gateway.connect("phone-data?session=c") as socket:
            return await rest_of(socket)

    assert asyncio.run(told()) == ([], 1013, "there are too many sessions of this subject")


def test_sessions_of_one_batch_are_counted_once_and_for_their_subject(start_gateway: Start) -> None:
    tokens = "".join(
        f'[[tokens]]\ntoken = "canary-of-subject-{name}"\nsubject = "{name}"\nwrite = ["*"]\nread = ["*"]\n'
        for name in "ab"
    )
    settings = f"metrics_port = {free_port()}\n{TOPICS}{tokens}[limits]\nsessions = 3\n"
    gateway = start_gateway(settings)
    attacks = Attacks(gateway)

    def begin(subject: str, session: str, sequence: int) -> Any:
        """Waits until that is queued; while the log is away there is no answer."""
        target = f"phone-data?key=k&token=canary-of-subject-{subject}{session}"
        before = gateway.metric("queued_bytes")
        head = 'Host: localhost\r\nConnection: close\r\nContent-Length: 7\r\n\r\n{"x":1}'
        connection = (
            attacks.raw(f"POST /v1/topics/{target}&sequence={sequence} HTTP/1.1\r\n{head}".encode())
            if sequence
            else attacks.shaken(target)
        )
        gateway.until_metric("queued_bytes", before + 1)
        return connection

    assert post(gateway, "phone-data?token=canary-of-subject-a", b"{}")[0] == 200  # there is a log
    gateway.until_idle()
    with gateway.log_away():
        missing = [begin("b", f"&session=n{number}", 2) for number in range(4)]
        stored = [begin("a", f"&session=s{number}", 1) for number in range(2)]
        last = begin("a", "&session=last", 0)
        other = begin("b", "&session=other", 0)
    assert [all_of(each).split(b" ", 2)[1] for each in missing + stored] == [b"409"] * 4 + [b"200"] * 2
    for each in (last, other):
        assert b'{"hello":{"sequence":0}}' in each.recv(1000)


def test_it_ends_with_large_messages_at_work(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nmessage_bytes = "4MB"\n')

    async def write() -> list[int]:
        async with gateway.connect("phone-data?session=s&key=k", max_size=None) as socket:
            await receive(socket)
            large = json.dumps({"x": "y" * 3_000_000})
            sending = asyncio.gather(*(socket.send(large) for _ in range(20)), return_exceptions=True)
            assert (await receive(socket))["ack"] == 1
            ending = asyncio.ensure_future(asyncio.to_thread(gateway.stop))
            answers, _, _ = await rest_of(socket)
            await ending
            await sending
            return [1, *(answer["ack"] for answer in answers)]

    acknowledged = asyncio.run(write())
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert len(gateway.values("phone-data")) == len(acknowledged)


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
            await asyncio.to_thread(gateway.wait_for_markers, "away", f"{name}-sequences")
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
