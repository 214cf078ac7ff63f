"""The crash detection example: what its phone sends and how, and its demo."""

import asyncio
import contextlib
import json
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import demo
import numpy as np
import phone
import pytest
import tiderace as tr
import train
import verdict
from gateway_client import GatewayError, Sender, read
from gateway_support import TIMEOUT, Gateway
from processes import Pipeline
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

Start = Callable[..., Gateway]


def played(**options: object) -> tuple[list[phone.Label], list[phone.Row]]:
    truth = phone.labels(**options)  # type: ignore[arg-type]
    return truth, list(phone.rows(truth))


def test_recordings_are_what_the_note_of_origin_says() -> None:
    activities = Counter(recording.activity for recording in phone.recordings().values())
    assert activities == {"standing": 10, "walking": 10, "running": 10, "badminton": 10}
    assert all(len(recording.acceleration) == 100 for recording in phone.recordings().values())


def test_two_kinds_of_row_at_their_rates() -> None:
    _, rows = played(riders=2, duration_s=30)
    kinds = Counter((row.rider, tuple(row.fields)) for row in rows)
    force = ("timestamp", "gForceX", "gForceY", "gForceZ")
    place = ("timestamp", "latitude", "longitude", "altitude", "speed", "heartRate")
    wanted = {force: 300, place: 30}
    assert kinds == {(rider, kind): n for rider in ("rider-1", "rider-2") for kind, n in wanted.items()}


def test_rows_come_in_order_of_time_and_carry_it() -> None:
    _, rows = played(riders=3, duration_s=20, start_ms=1_700_000_000_123)
    times = [row.timestamp_ms for row in rows]
    assert times == sorted(times)
    assert times[0] == 1_700_000_000_123
    assert times[-1] == 1_700_000_000_123 + 19_900
    assert all(row.fields["timestamp"] == row.timestamp_ms for row in rows)


@pytest.mark.parametrize("rate", [1, 3, 4, 7.5, 10, 25])
def test_rate_sets_the_rows_a_second(rate: float) -> None:
    truth = phone.labels(duration_s=40)
    times = [row.timestamp_ms for row in phone.rows(truth, rate=rate) if "gForceX" in row.fields]
    assert len(times) == 40 * rate
    assert len(set(times)) == len(times)


def test_at_rest_the_total_is_gravity() -> None:
    truth = phone.labels(riders=30, duration_s=10)
    assert {label.activity for label in truth} == {"standing"}
    totals = [
        sum(abs(row.fields[name]) for name in ("gForceX", "gForceY", "gForceZ"))
        for row in phone.rows(truth)
        if "gForceX" in row.fields
    ]
    assert 9.8 <= median(totals) <= 10.5
    assert phone.g_force((0.0, 0.0, 0.0)) == {"gForceX": 9.81, "gForceY": 0.0, "gForceZ": 0.0}


def test_shaking_moves_more_than_gravity() -> None:
    truth, rows = played(riders=5, duration_s=60)
    shaken = [label for label in truth if label.shaking]
    assert {label.activity for label in shaken} == phone.SHAKING
    for label in shaken:
        totals = [
            sum(abs(row.fields[name]) for name in ("gForceX", "gForceY", "gForceZ"))
            for row in rows
            if row.rider == label.rider
            and label.begin_ms <= row.timestamp_ms < label.end_ms
            and "gForceX" in row.fields
        ]
        assert len(totals) == 100
        assert sum(totals) / len(totals) > 12


def test_labels_cover_each_ride_without_gaps() -> None:
    truth = phone.labels(riders=4, duration_s=65, start_ms=5)
    for rider in ("rider-1", "rider-2", "rider-3", "rider-4"):
        mine = [label for label in truth if label.rider == rider]
        assert [label.begin_ms for label in mine] == [5 + 10_000 * i for i in range(7)]
        assert [label.end_ms for label in mine] == [*(label.begin_ms for label in mine[1:]), 65_005]
        assert all(label.shaking == (label.activity in phone.SHAKING) for label in mine)


@pytest.mark.parametrize("speed_up", [0, 0.5, 1, 3])
def test_no_row_is_of_the_future(speed_up: float) -> None:
    before_s = time.time()
    due = list(phone.due_rows(phone.parse(["--duration", "30", "--speed-up", str(speed_up)])))
    after_s = time.time()
    took_s = 30 / speed_up if speed_up else 0
    assert before_s - 0.001 <= due[0][0] <= after_s
    assert due[-1][0] - due[0][0] == pytest.approx(29.9 / 30 * took_s)
    assert due[-1][1].timestamp_ms - due[0][1].timestamp_ms == 29_900
    assert all(row.timestamp_ms <= due_s * 1000 for due_s, row in due)
    if speed_up != 0.5:
        assert due[-1][0] * 1000 - due[-1][1].timestamp_ms < 101


def test_a_seed_plays_the_same_again_and_another_seed_does_not() -> None:
    first = phone.labels(riders=3, duration_s=100, seed=1)
    assert first == phone.labels(riders=3, duration_s=100, seed=1)
    assert first != phone.labels(riders=3, duration_s=100, seed=2)
    assert list(phone.rows(first, seed=1)) == list(phone.rows(first, seed=1))
    # More riders do not change what the others do.
    assert first == [label for label in phone.labels(riders=9, duration_s=100, seed=1) if label in first]


def test_only_chosen_recordings_are_played() -> None:
    truth = phone.labels(riders=5, duration_s=100, replay=[7, 17, 27])
    assert {label.recording for label in truth} == {7, 17, 27}


def test_labels_survive_the_file(tmp_path: Path) -> None:
    truth = phone.labels(riders=2, duration_s=30)
    phone.write_labels(tmp_path / "labels.ndjson", truth)
    assert phone.read_labels(tmp_path / "labels.ndjson") == truth


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--riders", "0"], ["--rate", "-1"], ["--recordings", "3,99"]):
        with pytest.raises(SystemExit, match="2"):
            phone.parse(wrong)
    assert "no such recording: [99]; there are 0 to 39" in capsys.readouterr().err


TOPICS = "[topics]\nphone-data = { partitions = 2 }\nalerts = { partitions = 2 }\n"


class Cutter:
    """Stands between phone and gateway, and breaks every connection after so many bytes in one direction.

    By turns it swallows the gateway's last answer, so that what is stored is not known to the phone, and the
    phone's last bytes.
    """

    def __init__(self, gateway: Gateway, cuts: int) -> None:
        self.gateway = gateway
        self.cuts_left = cuts
        self.connections = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        up, down = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        cut, self.cuts_left = self.cuts_left > 0, self.cuts_left - 1
        # Past the handshake and the hello, in the middle of messages and of acknowledgements.
        answers, messages = (600, 10**9) if self.connections % 2 else (10**9, 3000)
        await asyncio.wait(
            [
                asyncio.create_task(_pump(up, writer, answers if cut else 10**9)),
                asyncio.create_task(_pump(reader, down, messages if cut else 10**9)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for end in (writer, down):
            end.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, limit: int) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while (part := await source.read(4096)) and (passed := passed + len(part)) <= limit:
            sink.write(part)
            await sink.drain()


def sender_to(url: str, session: str = "s") -> Sender:
    return Sender(url, "rider-1", session)


def numbers(gateway: Gateway) -> list[int]:
    return [value["x"] for value in gateway.values("phone-data")]


def test_a_phone_loses_no_row_and_sends_none_twice_over_lost_connections(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def send() -> tuple[Sender, int]:
        cutter = Cutter(gateway, cuts=12)
        async with cutter as url:
            sender = sender_to(url)
            running = asyncio.create_task(sender.run())
            x = 0
            while cutter.connections < 13 or x % 100:
                sender.put({"timestamp": x, "x": x})
                x += 1
                # One row or some at a time, so that messages are of several sizes.
                if x % 3 == 0:
                    await asyncio.sleep(0)
                if x % 100 == 0:
                    await sender.flush()
            sender.close()
            await running
            return sender, x

    sender, sent = asyncio.run(asyncio.wait_for(send(), TIMEOUT))
    assert numbers(gateway) == list(range(sent))
    assert sender.rows_stored == sent
    assert sender.connections_lost == 12
    assert sender.messages_repeated > 0


def test_a_phone_rides_on_while_the_gateway_is_killed(start_gateway: Start, tmp_path: Path) -> None:
    gateway = start_gateway(TOPICS)
    rows = 3000

    async def send() -> Sender:
        sender = sender_to(gateway.url("").partition("/v1")[0])
        running = asyncio.create_task(sender.run())
        for x in range(rows):
            sender.put({"timestamp": x, "x": x})
            await asyncio.sleep(0)
            if x % 1000 == 500:
                gateway.kill()
                listen = f'listen = "127.0.0.1:{gateway.port}"'
                gateway.file.write_text(re.sub("listen = .*", listen, gateway.file.read_text()))
                gateway.start()
        sender.close()
        await running
        return sender

    sender = asyncio.run(asyncio.wait_for(send(), TIMEOUT))
    assert numbers(gateway) == list(range(rows))
    assert sender.rows_stored == rows


def test_a_phone_that_starts_anew_goes_on_in_its_session(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    async def send(x: int) -> None:
        sender = sender_to(gateway.url("").partition("/v1")[0])
        sender.put({"timestamp": x, "x": x})
        sender.close()
        await sender.run()

    asyncio.run(send(1))
    asyncio.run(send(2))
    assert numbers(gateway) == [1, 2]


def test_a_phone_hears_what_repeating_does_not_help(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    url = gateway.url("").partition("/v1")[0]

    async def send(topic: str, row: dict[str, Any]) -> None:
        sender = Sender(url, "rider-1", "s", topic)
        sender.put(row)
        await sender.run()

    with pytest.raises(GatewayError, match="/v1/topics/elsewhere answers 404"):
        asyncio.run(send("elsewhere", {"timestamp": 1}))
    with pytest.raises(GatewayError, match=r"wanted message 1 to be acknowledged, but heard: .*refused"):
        asyncio.run(send("phone-data", {"timestamp": "noon"}))


def test_a_phone_hears_of_a_refusal_whose_answer_was_lost() -> None:
    connections = 0

    async def serve_twice(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        hello = {"sequence": 0} if connections == 1 else {"sequence": 1, "refused": [[1, 1]]}
        await socket.send(json.dumps({"hello": hello}))
        await socket.recv()  # and ends without an answer

    async def send() -> None:
        async with serve_websockets(serve_twice, "127.0.0.1", 0) as server:
            sender = sender_to(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            sender.put({"timestamp": "noon"})
            sender.close()
            await sender.run()

    with pytest.raises(GatewayError, match="the gateway refused message 1; its reason was lost"):
        asyncio.run(asyncio.wait_for(send(), TIMEOUT))
    assert connections == 2


def test_a_reader_goes_on_where_it_was_after_the_gateway_was_killed(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)

    def produce(begin: int) -> None:
        with gateway.app.get_producer() as producer:
            for x in range(begin, begin + 50):
                producer.produce("alerts", key=f"rider-{x}", value={"x": x})

    produce(0)
    records = read(gateway.url("").partition("/v1")[0], "alerts")
    found = [next(records)["value"]["x"] for _ in range(50)]
    gateway.kill()
    listen = f'listen = "127.0.0.1:{gateway.port}"'
    gateway.file.write_text(re.sub("listen = .*", listen, gateway.file.read_text()))
    produce(50)
    gateway.start()
    found += [next(records)["value"]["x"] for _ in range(50)]
    assert sorted(found) == list(range(100))
    with pytest.raises(GatewayError, match="answers 404"):
        next(read(gateway.url("").partition("/v1")[0], "elsewhere"))


def test_phones_say_that_they_have_no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone, "TROUBLE_S", 0.05)
    nowhere = ["--gateway", "ws://127.0.0.1:1", "--riders", "2", "--duration", "1", "--speed-up", "0"]

    async def first_words() -> str:
        words: asyncio.Queue[str] = asyncio.Queue()
        monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=words.put_nowait, flush=lambda: None))
        sending = asyncio.create_task(phone.send(phone.parse(nowhere)))
        said = await asyncio.wait_for(words.get(), TIMEOUT)
        sending.cancel()
        return said

    assert re.search(
        "2 of 2 phones have no connection and try again: .*127.0.0.1', 1", asyncio.run(first_words())
    )


@pytest.mark.parametrize("where", [[], ["--kafka"]], ids=["embedded", "kafka"])
def test_the_demo_from_end_to_end(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo.run(demo.parse(["--riders", "5", "--seconds", "10", "--speed-up", "3", *where])) == 0
    assert not list(tmp_path.iterdir()), "another run would find the state of this one"
    said = capfd.readouterr().out
    assert "killed the gateway (SIGKILL)" in said
    assert "killed the service (SIGKILL)" in said
    assert "published version 2, which has learnt from " in said
    assert re.search(r"rows in +1,650, in the topic 1,650: 0 lost, 0 twice\n", said)
    assert re.search(r"database +1,650: 0 lost, 0 twice\n", said)
    assert re.search(r"alerts +1,500: 0 missing, 0 twice\n", said)
    assert re.search(r"equals a backtest +yes, all fields of all rows, bit for bit\n", said)


Stored = list[tuple[str, dict[str, Any]]]  # rider and alert


class Judged:
    """A run of one rider in which all is right until a test spoils it, and what is said of it."""

    def __init__(self, model: tr.Model) -> None:
        self.truth, self.rows = played(riders=1, duration_s=20, seed=3)
        self.models = {"1": model}
        self.versions: dict[verdict.Key, str] = {}  # where a test names another than 1
        self.kept: list[phone.Row] = self.rows
        wanted = verdict.backtest(self.rows, self.models, {})
        self.stored: Stored = [(rider, dict(alert)) for (rider, _), alert in wanted.items()]
        self.seen: Stored = [(rider, dict(alert)) for rider, alert in self.stored]

    def good(self) -> bool:
        alerts = verdict.Alerts()
        for rider, value in self.seen:
            alerts.add({"key": rider, "value": value})
        for rider, value in self.stored:
            version = self.versions.get((rider, value["timestamp"]), "1")
            alerts.add_stored(rider.encode(), value, version)
        stored, kept = (
            Counter(verdict.row_id(row.rider, row.fields) for row in rows) for rows in (self.rows, self.kept)
        )
        sent = self.truth, self.models, 0, 1
        return verdict.print_summary(
            verdict.Run(*sent, alerts, stored, kept, 0, [(1, 2)], 12, "all sent", "rows in 9, bad 3, late 0")
        )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tr.Model:
    return tr.load_model(train.train(tmp_path_factory.mktemp("model"))[0])


@pytest.fixture
def judged(model: tr.Model) -> Judged:
    return Judged(model)


def test_the_verdict_on_a_run_in_which_all_is_right(
    judged: Judged, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {value["shaking"] for _, value in judged.stored} == {0, 1}, "or a wrong one would not be seen"
    assert judged.good()
    said = capsys.readouterr().out
    assert re.search(r"rows in +220, in the topic 220: 0 lost, 0 twice\n", said)
    assert re.search(r"alerts +200: 0 missing, 0 twice\n", said)
    assert re.search(r"equals a backtest +yes, all fields of all rows, bit for bit\n", said)
    assert re.search(r"bad +3, says the service", said)


def wrong_value(name: str, change: Callable[[Any], Any]) -> Callable[[Judged], None]:
    """One stored alert has another value in this field, and its reader saw the same."""

    def spoil(judged: Judged) -> None:
        for _, value in (judged.stored[7], judged.seen[7]):
            value[name] = change(value[name])

    return spoil


def always(name: str, constant: Any) -> Callable[[Judged], None]:
    def spoil(judged: Judged) -> None:
        for _, value in judged.stored + judged.seen:
            value[name] = constant

    return spoil


def without(name: str) -> Callable[[Judged], None]:
    def spoil(judged: Judged) -> None:
        del judged.stored[7][1][name], judged.seen[7][1][name]

    return spoil


def twice(stored: Stored) -> None:
    stored.append(stored[7])


def beside(value: float) -> float:
    return math.nextafter(value, math.inf)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda judged: judged.stored.clear(), "200 missing, 200 unstored"),
        (lambda judged: judged.stored.pop(), "1 missing, 1 unstored"),
        (lambda judged: judged.seen.clear(), "200 unseen"),
        (lambda judged: judged.seen.pop(), "1 unseen"),
        (lambda judged: twice(judged.stored), "1 twice"),
        (lambda judged: twice(judged.seen), "1 seen twice"),
        (lambda judged: judged.stored.append(("rider-2", judged.stored[7][1])), "1 unknown, 1 unseen"),
        (lambda judged: judged.seen[7][1].update(gForceTotal=1.5), "1 changed"),
        (wrong_value("gForceTotal", beside), "1 differ in gForceTotal"),
        (wrong_value("gForceTotal-10s", beside), "1 differ in gForceTotal-10s"),
        (wrong_value("gForceX", beside), "1 differ in gForceX"),
        (wrong_value("gForceZ", lambda _: "wrong"), "1 differ in gForceZ"),
        (wrong_value("shaking", lambda shaking: 1 - shaking), "1 differ in shaking"),
        (wrong_value("shaking", float), "1 differ in shaking"),
        (wrong_value("shaking", lambda _: None), "1 differ in shaking"),
        (always("shaking", 0), r"\d+ differ in shaking"),
        (always("gForceTotal", "wrong"), "200 differ in gForceTotal"),
        (without("gForceTotal"), "1 differ in gForceTotal"),
        (lambda judged: judged.stored[7][1].update(more=1), "1 changed, 1 differ in more"),
    ],
)
def test_the_verdict_sees_each_way_to_be_wrong(
    judged: Judged, spoil: Callable[[Judged], None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(judged)
    assert not judged.good()
    assert re.search(rf"equals a backtest +NO: {says}\n", capsys.readouterr().out)


def test_the_verdict_sees_rows_that_the_phones_topic_lacks_or_has_twice(
    judged: Judged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = judged.rows
    monkeypatch.setattr(verdict.Run, "sent", lambda _: sent)
    judged.rows = sent[1:]
    assert not judged.good()
    judged.rows = [*sent, sent[0]]
    assert not judged.good()
    said = capsys.readouterr().out
    assert "1 lost, 0 twice" in said
    assert "0 lost, 1 twice" in said


def test_the_verdict_holds_a_row_against_the_version_that_it_names(
    judged: Judged, model: tr.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    class Always:
        def predict(self, inputs: Any) -> Any:
            return np.ones(len(inputs), dtype=np.int64)

    judged.models["2"] = tr.load_model(Always())
    (rider, alert), (_, seen) = judged.stored[0], judged.seen[0]
    assert alert["shaking"] == 0
    judged.versions[rider, alert["timestamp"]] = "2"
    assert not judged.good()
    alert["shaking"] = seen["shaking"] = 1
    assert judged.good()
    said = capsys.readouterr().out
    assert "version 1, 199 rows: precision" in said
    assert "version 2, 1 rows: precision" in said


def test_the_verdict_sees_rows_that_the_database_lacks_or_has_twice(
    judged: Judged, capsys: pytest.CaptureFixture[str]
) -> None:
    judged.kept = judged.rows[1:]
    assert not judged.good()
    judged.kept = [*judged.rows, judged.rows[0]]
    assert not judged.good()
    said = capsys.readouterr().out
    assert re.search("database +219: 1 lost, 0 twice", said)
    assert re.search("database +221: 0 lost, 1 twice", said)


def test_the_demo_ends_when_the_phones_fail(tmp_path: Path) -> None:
    arguments = demo.parse(["--riders", "1", "--seconds", "1"])
    with Pipeline(arguments, tmp_path, "embedded:log") as pipeline:
        well = pipeline._start("phone", sys.executable, "-c", "")
        well.wait(timeout=TIMEOUT)
        pipeline.check()
        badly = pipeline._start("phone", sys.executable, "-c", "raise SystemExit(3)")
        with pytest.raises(SystemExit, match=r"the phone ended by itself \(exit code 3\)"):
            for _ in pipeline.arriving(until_s=time.time() + TIMEOUT):
                pass
        assert badly.returncode == 3
