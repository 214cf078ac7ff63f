"""Runs on the embedded log: what goes in comes out, when a run ends, and what survives."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from conftest import Reader, produce, records

MakeApp = Callable[..., tr.Application]


def doubled(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = sdf["x"] * 2
    sdf.to_topic(app.topic("output"))


def test_round_trip(app: tr.Application, read: Reader) -> None:
    doubled(app)
    produce(app, "input", [{"x": x} for x in range(5)])
    summary = app.run(until_end=True)
    assert (summary.rows_in, summary.rows_out, summary.bad) == (5, 5, 0)
    assert app.summary.rows_out == 5
    assert read("output") == [{"x": x, "y": 2 * x} for x in range(5)]


@pytest.mark.parametrize("count", [3, 1500])
def test_fields_that_no_row_has_are_told_of_once(
    count: int, app: tr.Application, capfd: pytest.CaptureFixture[str]
) -> None:
    name = f"input-{count}"
    sdf = app.dataframe(app.topic(name, schema={"seldom": "int64"}))
    sdf["y"] = sdf["X"] + sdf["inner"]["z"] + sdf["x"] + sdf["seldom"]
    sdf.to_topic(app.topic("output"))
    produce(app, name, [{"x": x, "inner": {"y": 1}, "seldom": None} for x in range(count)])
    app.run(until_end=True)
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "none of the first" in line)
    assert f'{name}: none of the first {count} rows of this run has a value in "X", "inner.z", which' in line
    produce(app, name, [{"x": 1}])
    app.run(until_end=True)
    assert "none of the first" not in capfd.readouterr().err


def test_records_pass_with_key_headers_and_time(app: tr.Application, tmp_path: Path) -> None:
    app.dataframe(app.topic("input")).to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce(
            topic="input", key="k", value=b'{"x" : 1.0}', timestamp=7, headers={"a": b"1", "b": None}
        )
        producer.produce(
            topic="input",
            key=b"\xff",
            value='{"u": "\\u00e9"}',
            timestamp=8,
            headers=[("a", "1"), ("a", b"2")],
        )
    app.run(until_end=True)
    cli = Path(__file__).parents[2] / "build" / "tiderace"
    command = [
        cli,
        "topic",
        "read",
        "output",
        "--broker-address",
        f"embedded:{tmp_path}/log",
        "--from",
        "earliest",
        "--until-end",
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert '"timestamp":7' in lines[0]
    assert '"key":"k"' in lines[0]
    assert '[["a","1"],["b",null]]' in lines[0]
    assert '"value":{"x" : 1.0}' in lines[0]
    assert '"key_base64":"/w=="' in lines[1]
    assert '[["a","1"],["a","2"]]' in lines[1]
    assert '"value":{"u": "\\u00e9"}' in lines[1]


def test_the_producer(app: tr.Application, read: Reader) -> None:
    producer = app.get_producer()
    with producer:
        producer.produce("input", "k", {"x": [1, None, {"y": "z"}]}, timestamp=1)
        producer.flush()
        assert read("input") == [{"x": [1, None, {"y": "z"}]}]
        with pytest.raises(tr.ConfigError, match="key: wanted str or bytes"):
            producer.produce("input", 1, {})  # type: ignore[arg-type]
        with pytest.raises(tr.ConfigError, match='value: field "x": a object'):
            producer.produce("input", None, {"x": object()})
        with pytest.raises(tr.ConfigError, match="topic"):
            producer.produce("", None, {})
        for headers in ([("a",)], [("a", "b", "c")], ["ab"]):
            with pytest.raises(tr.ConfigError, match="headers: wanted a dict or pairs"):
                producer.produce("input", None, {}, headers=headers)  # type: ignore[arg-type]
        with pytest.raises(tr.ConfigError, match="key: the str has half a surrogate pair"):
            producer.produce("input", "\ud800", {})
    with pytest.raises(tr.ConfigError, match="closed"):
        producer.produce("input", None, {})


def test_the_producer_creates_topics_as_they_are_declared(app: tr.Application, tmp_path: Path) -> None:
    app.topic("wide", num_partitions=4)
    with app.get_producer() as producer:
        for number in range(40):
            producer.produce("wide", str(number), {})
            producer.produce("narrow", str(number), {})
    assert {record["partition"] for record in records(tmp_path / "log", "wide")} == {0, 1, 2, 3}
    assert {record["partition"] for record in records(tmp_path / "log", "narrow")} == {0}


def test_a_group_goes_on_where_it_was(make_app: MakeApp, read: Reader) -> None:
    for number in range(3):
        app = make_app()
        doubled(app)
        produce(app, "input", [{"x": number}])
        assert app.run(until_end=True).rows_in == 1
    assert [row["x"] for row in read("output")] == [0, 1, 2]


def test_count(app: tr.Application, read: Reader) -> None:
    doubled(app)
    produce(app, "input", [{"x": x} for x in range(10)])
    assert app.run(count=4).rows_in == 4
    assert app.run(count=3).rows_in == 3
    assert len(read("output")) == 7


def test_timeout(app: tr.Application) -> None:
    doubled(app)
    produce(app, "input", [{"x": 1}])
    assert app.run(timeout=0.05).rows_in == 1
    assert app.run(timeout="50ms").rows_in == 0


def test_stop_from_another_thread(app: tr.Application) -> None:
    sdf = app.dataframe(app.topic("input"))
    sdf.update(lambda row: threading.Thread(target=app.stop).start()).to_topic(app.topic("output"))
    produce(app, "input", [{"x": 1}])
    assert app.run().rows_out == 1


def test_runs_in_another_thread(app: tr.Application) -> None:
    doubled(app)
    produce(app, "input", [{"x": 1}])
    summaries: list[tr.Summary] = []
    thread = threading.Thread(target=lambda: summaries.append(app.run(until_end=True)))
    thread.start()
    thread.join()
    assert summaries[0].rows_out == 1


def test_workers_call_functions(make_app: MakeApp, read: Reader) -> None:
    app = make_app(workers=3)
    sdf = app.dataframe(app.topic("input", num_partitions=3))
    sdf["n"] = sdf.apply(
        lambda row, state: state.set("n", state.get("n", 0) + 1) or state.get("n"), stateful=True
    )
    sdf.to_topic(app.topic("output"))
    app.run(until_end=True)  # creates the topic with its partitions
    produce(app, "input", [{"k": f"k{i % 7}", "i": i} for i in range(70)], key="k")
    assert app.run(until_end=True).rows_out == 70
    counts: dict[str, list[int]] = {}
    for row in read("output"):
        counts.setdefault(row["k"], []).append(row["n"])
    assert counts == {f"k{i}": list(range(1, 11)) for i in range(7)}


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
@pytest.mark.parametrize("lose_state", [False, True])
def test_state_goes_on(
    make_app: MakeApp, read: Reader, tmp_path: Path, guarantee: str, lose_state: bool
) -> None:
    rows = [{"k": f"k{i % 3}", "t": 1000 * i, "x": float(i)} for i in range(30)]

    def build(app: tr.Application) -> tr.StreamingDataFrame:
        sdf = app.dataframe(app.topic("input", timestamp="t"))
        sdf["mean"] = sdf["x"].rolling("20s").mean()
        sdf["diff"] = sdf["x"].diff()
        sdf["n"] = sdf.apply(
            lambda row, state: state.set("n", state.get("n", 0) + 1) or state.get("n"), stateful=True
        )
        return sdf

    for part in range(3):
        state = tmp_path / (f"state-{part}" if lose_state else "state")
        app = make_app(processing_guarantee=guarantee, state_dir=state)
        build(app).to_topic(app.topic("output"))
        produce(app, "input", rows[10 * part : 10 * part + 10], key="k")
        app.run(until_end=True)
    assert read("output") == build(make_app()).backtest(rows, key="k").to_pylist()


def test_to_topic_with_a_key(make_app: MakeApp, read: Reader) -> None:
    app = make_app()
    sdf = app.dataframe(app.topic("input"))
    sdf.to_topic(app.topic("by-column"), key="rider")
    sdf.to_topic(app.topic("by-series"), key=sdf["rider"].str.upper())
    sdf.to_topic(app.topic("by-function"), key=lambda row: row["rider"] * 2)
    produce(app, "input", [{"rider": "ada"}])
    app.run(until_end=True)
    app = make_app(consumer_group="second")
    for name in ("by-column", "by-series", "by-function"):
        sdf = app.dataframe(app.topic(name))
        sdf["n"] = sdf["rider"].shift()
        sdf.to_topic(app.topic("shifted"))
    assert app.run(until_end=True).rows_out == 3  # the rows have keys


def test_print_goes_to_pythons_standard_output(
    app: tr.Application, capsys: pytest.CaptureFixture[str]
) -> None:
    sdf = app.dataframe(app.topic("input"))
    sdf.print(width=8)
    produce(app, "input", [{"x": 1, "name": "é"}, {"x": 2.5, "name": "much too long"}])
    app.run(until_end=True)
    assert capsys.readouterr().out == "       x name\n       1 é\n     2.5 much to…\n"


def test_print_hides_nothing_and_moves_no_cursor(
    app: tr.Application, capsys: pytest.CaptureFixture[str]
) -> None:
    sdf = app.dataframe(app.topic("input"))
    sdf["inf"] = sdf["x"] / 0
    sdf.print(width=8)
    produce(app, "input", [{"x": 1234567890, "s": "a\nb\x1b["}])
    app.run(until_end=True)
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["x", "s", "inf"]
    assert row == "1234567… a\\nb\\x1…      inf"


LIVE = """
import sys, tiderace as tr
app = tr.Application(sys.argv[1], consumer_group="live")
app.dataframe(app.topic("input")).print(live=True)
app.run(until_end=True)
"""


def test_a_live_table_fits_its_terminal(app: tr.Application, tmp_path: Path) -> None:
    produce(app, "input", [{f"column{c}": 100 * r + c for c in range(9)} for r in range(40)])
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 50, 0, 0))
    command = [sys.executable, "-c", LIVE, f"embedded:{tmp_path}/log"]
    process = subprocess.Popen(command, stdout=theirs)
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # the terminal is gone
        while part := os.read(ours, 65536):
            output += part
    os.close(ours)
    assert process.wait() == 0
    last = output.decode().split("\x1b[J")[-1].splitlines()
    assert len(last) == 11  # a line less than the terminal has
    assert {len(line) for line in last} == {50}
    assert "3900" in last[-1]


def test_nothing_to_run(app: tr.Application) -> None:
    app.dataframe(app.topic("input"))
    with pytest.raises(tr.PlanError, match="nothing to run"):
        app.run()


def test_one_run_at_a_time(app: tr.Application) -> None:
    errors: list[Exception] = []

    def again(row: dict[str, Any]) -> None:
        try:
            app.run()
        except tr.ConfigError as error:
            errors.append(error)

    app.dataframe(app.topic("input")).update(again).to_topic(app.topic("output"))
    produce(app, "input", [{"x": 1}])
    app.run(until_end=True)
    assert "one run at a time" in str(errors[0])


def test_what_a_function_raises_for_the_program_ends_the_run(make_app: MakeApp, read: Reader) -> None:
    def leave(row: dict[str, Any]) -> None:
        if row["x"] == 3:
            raise SystemExit(5)

    app = make_app(processing_guarantee="exactly-once")
    app.dataframe(app.topic("input")).update(leave).to_topic(app.topic("output"))
    produce(app, "input", [{"x": x} for x in range(5)])
    with pytest.raises(SystemExit) as error:
        app.run(until_end=True)
    assert error.value.code == 5
    assert read("output") == []


SERVICE = """
import sys, threading, tiderace as tr
app = tr.Application(
    sys.argv[1], consumer_group="service", commit_interval=0.02, processing_guarantee="exactly-once"
)
sdf = app.dataframe(app.topic("input", timestamp="t"))
sdf["mean"] = sdf["x"].rolling("10s").mean()
sdf.to_topic(app.topic("output"))
sdf.update(lambda row: print(row["x"], flush=True)).to_topic(app.topic("seen"))
if len(sys.argv) > 2:
    thread = threading.Thread(target=app.run); thread.start(); thread.join()
else:
    print(app.run())
print("closed")
"""


class Service:
    """The program above, as a process."""

    def __init__(self, address: str, *arguments: str) -> None:
        command = [sys.executable, "-c", textwrap.dedent(SERVICE), address, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, line: str) -> None:
        assert self.process.stdout
        for found in self.process.stdout:
            if found.strip() == line:
                return
        raise AssertionError(f"the service ended without {line}: {self.process.communicate()}")

    def end(self, by: signal.Signals) -> str:
        self.process.send_signal(by)
        output, errors = self.process.communicate(timeout=30)
        assert errors == ""
        return output


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [[], ["in-a-thread"]])
def test_signals_stop_cleanly(
    app: tr.Application, tmp_path: Path, by: signal.Signals, arguments: list[str]
) -> None:
    produce(app, "input", [{"k": "a", "t": 1, "x": 1}], key="k")
    service = Service(f"embedded:{tmp_path}/log", *arguments)
    service.until("1")
    assert service.end(by).endswith("closed\n")
    assert service.process.returncode == 0


def test_a_signal_ends_the_wait_for_another_process_of_the_group(app: tr.Application, tmp_path: Path) -> None:
    produce(app, "input", [{"k": "a", "t": 1, "x": 1}], key="k")
    holder = Service(f"embedded:{tmp_path}/log")
    holder.until("1")
    waiting = Service(f"embedded:{tmp_path}/log")
    assert waiting.process.stderr
    assert "consumer group service is held by process" in waiting.process.stderr.readline()
    waiting.process.send_signal(signal.SIGINT)
    output, _ = waiting.process.communicate(timeout=30)
    assert (waiting.process.returncode, output.endswith("closed\n")) == (0, True)
    holder.end(signal.SIGTERM)


def test_kill_and_go_on_exactly_once(app: tr.Application, tmp_path: Path, read: Reader) -> None:
    rows = [{"k": f"k{i % 2}", "t": 1000 * i, "x": i} for i in range(60)]
    for part in range(6):
        service = Service(f"embedded:{tmp_path}/log")
        produce(app, "input", rows[10 * part : 10 * part + 10], key="k")
        service.until(str(10 * part + 9))
        service.end(signal.SIGKILL if part < 5 else signal.SIGINT)
    sdf = app.dataframe(app.topic("input", timestamp="t"))
    sdf["mean"] = sdf["x"].rolling("10s").mean()
    assert read("output") == sdf.backtest(rows, key="k").to_pylist()


def test_applications_come_and_go(make_app: MakeApp) -> None:
    for _ in range(20):
        app = make_app()
        app.dataframe(app.topic("input")).update(lambda row: None).to_topic(app.topic("output"))
        del app


def test_import_is_light() -> None:
    program = (
        "import sys, tiderace\n"
        "print([name for name in ('pandas', 'numpy', 'pyarrow', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "[]\n"
