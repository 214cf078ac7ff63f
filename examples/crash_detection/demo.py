"""The whole story in about a minute: train, detect live, learn, kill gateway and service, and lose nothing.

Simulated phones send to `tiderace gateway` by WebSocket, it writes the topic, the service reads that and
writes the topic of alerts, and a reader has them from the gateway, as the dashboard does. Every row goes into
a database, too; on the way a model is trained from it and published, which the service takes over while it
runs. Gateway and service are killed with SIGKILL and started again. What came out is held against a backtest.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import phone
import serve
import train
from processes import BUILT_SERVICE, Pipeline
from verdict import MEAN, Key, Run, print_summary

WATCHED = "rider-1"
COLUMNS = ["gForceX", "gForceY", "gForceZ", "gForceTotal", "gForceTotal-10s", "shaking"]
WIDTH = 15


class Table:
    """Prints the rows of the watched rider, one a second of its time, with the header now and then."""

    def __init__(self) -> None:
        self.printed = 0
        self.last: dict[str, Any] | None = None
        self.next_ms = 0

    def show(self, key: Key, row: dict[str, Any]) -> bool:
        """Whether the row is of the watched rider."""
        rider, timestamp_ms = key
        if rider != WATCHED:
            return False
        self.last = row
        if timestamp_ms >= self.next_ms:
            self.next_ms = timestamp_ms - timestamp_ms % 1000 + 1000
            self.print(row)
        return True

    def print(self, row: dict[str, Any]) -> None:
        if self.printed % 30 == 0:
            print(" ".join(f"{name:>{WIDTH}}" for name in COLUMNS))
        self.printed += 1
        print(" ".join(f"{_shown(row[name]):>{WIDTH}}" for name in COLUMNS), flush=True)


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def banner(text: str) -> None:
    print(f"\n--- {text}\n", flush=True)


def live(pipeline: Pipeline) -> Run:
    """Runs everything to the end of the ride; the gateway is killed early in it, the service later."""
    seconds, speed_up = pipeline.arguments.seconds, pipeline.arguments.speed_up
    pace = "" if speed_up == 1 else f", {speed_up:g} times as fast as real"
    banner(
        f"live: {pipeline.arguments.riders} riders{pace}; this is {WATCHED}, as the gateway's readers have it"
    )
    pipeline.start_gateway()
    print(pipeline.map_said())
    pipeline.start_service()
    pipeline.start_history()
    pipeline.start_reader()
    pipeline.start_phone()
    table = Table()
    begun_s = time.time()
    for _ in riding(pipeline, table, until_s=begun_s + seconds * 0.3):
        pass
    outages = [kill_gateway(pipeline, table)]
    banner("training anew beside all that, with the rows that the database has by now")
    pipeline.start_training()
    for is_watched, row in riding(pipeline, table, until_s=begun_s + seconds * 0.75):
        # The most telling moment is while the mean is high: one that started from nothing would not be.
        high = is_watched and (row[MEAN] or 0) > 16
        if high and time.time() > begun_s + seconds * 0.5:
            break
    outages.append(kill_service(pipeline, table))
    labels = phone.read_labels(pipeline.labels)
    expected = sum("gForceX" in row.fields for row in phone.rows(labels, seed=pipeline.arguments.seed))
    for _ in riding(pipeline, table, until_s=begun_s + seconds + 30):
        if len(pipeline.alerts.rows) == expected:
            break
    ended_s = time.time()
    phones_said = pipeline.wait_for("phone")
    if pipeline.is_to_end("training"):  # on a slow machine, or in a short run
        tell_of_model(pipeline)
    stored = pipeline.stored()  # whatever would be there twice comes before the last offset that there is now
    kept = pipeline.kept(stored.total())
    pipeline.stop("history")
    return Run(
        labels=labels,
        models=pipeline.models(),
        seed=pipeline.arguments.seed,
        speed_up=speed_up,
        alerts=pipeline.alerts,
        begun_s=begun_s,
        outages=outages,
        ended_s=ended_s,
        phones_said=phones_said,
        service_said=pipeline.stop("service"),
        stored=stored,
        kept=kept,
    )


def riding(pipeline: Pipeline, table: Table, until_s: float) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Shows what comes, up to a time: whether each row is of the watched rider, and the row.

    What is trained meanwhile is told of when it is there.
    """
    for key, row in pipeline.arriving(until_s=until_s):
        if pipeline.has_ended("training"):
            tell_of_model(pipeline)
        yield table.show(key, row), row


def tell_of_model(pipeline: Pipeline) -> None:
    banner(f"published {pipeline.wait_for('training')}: the service takes it over between two batches")


def kill_gateway(pipeline: Pipeline, table: Table) -> tuple[float, float]:
    """Kills it, has the phones ride on without it for two seconds, starts it again: from when until when."""
    pipeline.kill(pipeline.gateway)
    killed_s = time.time()
    banner("killed the gateway (SIGKILL): the phones keep what they measure, and the screen stands still")
    resumed_s = shown_after(pipeline, table, killed_s, 2, pipeline.start_gateway)
    banner(f"started it again: phones and readers are back {resumed_s - killed_s:.1f} s after the kill")
    return killed_s, resumed_s


def kill_service(pipeline: Pipeline, table: Table) -> tuple[float, float]:
    """The same with the service, whose means would begin anew if it had forgotten them."""
    pipeline.kill(pipeline.service)
    killed_s = time.time()
    for key, row in pipeline.arriving(until_s=killed_s + 2, all_up=False):
        table.show(key, row)
    before = _shown(table.last[MEAN]) if table.last else "nothing yet"
    banner(f"killed the service (SIGKILL) while the mean read {before}; starting it again")
    resumed_s = shown_after(pipeline, table, time.time(), 0, pipeline.start_service)
    after = _shown(table.last[MEAN]) if table.last else "nothing"
    banner(f"and it goes on from {after}, with what came in meanwhile")
    return killed_s, resumed_s


def shown_after(
    pipeline: Pipeline, table: Table, killed_s: float, pause_s: float, start: Callable[[], None]
) -> float:
    """Starts a process again after a pause, and returns when the watched rider's rows come again."""
    for key, row in pipeline.arriving(until_s=killed_s + pause_s, all_up=False):
        table.show(key, row)
    start()
    for key, row in pipeline.arriving(until_s=time.time() + 30):
        if table.show(key, row):
            return time.time()
    raise SystemExit("no row of the watched rider came within 30 s after the start")


@contextlib.contextmanager
def broker(kafka: bool, directory: Path) -> Iterator[str]:
    """The address of a log of its own: an embedded one, or a Kafka that is killed at the end."""
    if not kafka:
        yield f"embedded:{directory / 'log'}"
        return
    try:
        from kafka import Cluster, KafkaError
    except ImportError:
        raise SystemExit(
            "tools/ has to be on PYTHONPATH for a Kafka broker; ./dev demo --kafka does so"
        ) from None
    with Cluster(directory / "kafka") as cluster:
        banner("starting a Kafka broker")
        try:
            cluster.start()
        except KafkaError as error:
            raise SystemExit(f"kafka: {error}") from None
        print(f"at {cluster.bootstrap}")
        yield cluster.bootstrap


def run(arguments: argparse.Namespace) -> int:
    if arguments.serve:
        serve.check(arguments.port)
    with tempfile.TemporaryDirectory(prefix="tiderace-demo-") as name:
        directory = Path(name)
        banner("training, on the service's own features")
        train.run(directory)
        with (
            broker(arguments.kafka, directory) as address,
            Pipeline(arguments, directory, address) as pipeline,
        ):
            pipeline.publish()
            done = live(pipeline)
            banner("summary")
            good = print_summary(done)
            if good and arguments.serve:
                banner("serving, until Ctrl-C")
                serve.serve(pipeline, arguments.port)
        return 0 if good else 1


def end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--riders", type=int, default=200, help="phones at the same time (default 200)")
    parser.add_argument("--seconds", type=float, default=45, help="of the live part (default 45)")
    parser.add_argument("--speed-up", type=float, default=1, help="times as fast as real (default 1)")
    parser.add_argument("--seed", type=int, default=15, help="another seed, another ride")
    parser.add_argument("--cpp", action="store_true", help="run the service that is written in C++")
    parser.add_argument("--kafka", action="store_true", help="on a Kafka broker instead of the embedded log")
    parser.add_argument(
        "--serve",
        action="store_true",
        help="go on until Ctrl-C after that, with dashboard and phone page for the local network (HTTPS)",
    )
    parser.add_argument("--port", type=int, default=8443, help="of these pages (default 8443)")
    arguments = parser.parse_args(argv)
    if arguments.riders < 1 or arguments.seconds <= 0 or arguments.speed_up <= 0:
        parser.error("riders, seconds and speed-up must be more than 0")
    if arguments.cpp and not BUILT_SERVICE.exists():
        parser.error(f"no program at {BUILT_SERVICE}; ./dev build makes it")
    return arguments


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(KeyboardInterrupt):
        return run(arguments)
    print("\nstopped", file=sys.stderr)
    return 130


if __name__ == "__main__":
    sys.exit(main())
