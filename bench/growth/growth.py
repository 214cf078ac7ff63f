"""Measures how the cost of a row grows: with keys, windows, columns, the size of rows, workers and state.

Each axis is run through once a round, on rows of its own in Apache Kafka, at-least-once. CPU is that of the
process, in seconds for a million rows. With `state` goes how long a checkpoint takes at 2,000 rows a second
of 200 keys, whatever else is kept. All axes: figures and curves go to bench/results and docs/guide/growth.md.
"""

import argparse
import itertools
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import growth_page
import results
from ground import BUILD, BUILT
from kafka_ports import free_ports
from peers import Peers, medians, shown
from systems import Run, System

JOB = BUILD / "bench" / "growth" / "growth_job"
LIVE_ROWS_A_SECOND, LIVE_S = 2000, 10
FILL_S = 600


@dataclass(frozen=True)
class Point:
    """Where on an axis, and what is run there: rows of the input, the job, and its limits."""

    value: int
    job: str = "mean"
    number: int = 10
    rows: int = 3_000_000
    riders: int = 1000
    columns: int = 0
    bytes: int = 0
    workers: int = 1
    max_state_mb: int = 512

    @property
    def input(self) -> tuple[int, int, int, int]:
        return self.rows, self.riders, self.columns, self.bytes


AXES: dict[str, list[Point]] = {
    "keys": [Point(keys, riders=keys) for keys in (1_000, 10_000, 100_000, 1_000_000)],
    "window_s": [Point(seconds, number=seconds, riders=100) for seconds in (1, 10, 60, 600, 3600)],
    "columns": [
        Point(columns, "sum", columns, rows=300_000, columns=300) for columns in (3, 10, 30, 100, 300)
    ],
    "row_bytes": [
        Point(size, "sum", 3, rows=rows, columns=3, bytes=size)
        for size, rows in ((200, 3_000_000), (1_000, 1_000_000), (10_000, 200_000))
    ],
    "workers": [Point(workers, workers=workers) for workers in (1, 2)],
    "state_mb": [
        Point(megabytes, "last", 1, megabytes * 200, megabytes * 200, bytes=5_000, max_state_mb=256)
        for megabytes in (10, 100, 1_000, 5_000)
    ],
}


def metrics(text: str) -> dict[str, float]:
    """The sum of each metric over its labels."""
    told: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{", 1)[0]
            told[name] = told.get(name, 0.0) + float(value)
    return told


class Growth(Peers):
    def __init__(self, cap_s: float) -> None:
        super().__init__(0, cap_s)
        self._inputs: dict[tuple[int, int, int, int], str] = {}

    def input(self, point: Point) -> str:
        """A topic with the rows of the point; the one before is deleted where it has others."""
        if point.input not in self._inputs:
            self._delete_inputs()
            topic = f"in-{next(self._numbers)}"
            self._inputs = {point.input: topic}
            self.create(topic)
            command = ["history", self.bootstrap, topic, *point.input]
            if self.program("phone", BUILT / "kafka_phone", *command).wait(FILL_S) != 0:
                raise SystemExit(f"the rows could not be written; see {self.folder}/phone.log")
        return self._inputs[point.input]

    def _delete_inputs(self) -> None:
        for topic in self._inputs.values():
            self.probe("delete", topic)
        self._inputs = {}

    def measure(self, axis: str, point: Point) -> results.Row:
        port = free_ports(1)
        source = self.input(point)

        def command(run: Run) -> list[str]:
            what = [
                point.job,
                point.number,
                run.brokers,
                run.source,
                run.out,
                run.group,
                run.folder / "state",
            ]
            return [str(part) for part in [JOB, *what, point.workers, point.max_state_mb, port]]

        with self.running(System("tiderace", (axis,), command), axis, source) as (run, app):
            measured = self.measured(run, app, point.rows, 1)
            if measured is None:
                return {}
            told = {"system": str(point.value), "job": axis, **asdict(measured)}
            if axis == "state_mb":
                told |= self._checkpoints(run, port)
        if axis == "state_mb":
            self._delete_inputs()  # it has rows more now
        return told

    def _checkpoints(self, run: Run, port: int) -> results.Row:
        """Of rows that go on coming."""
        before = self._metrics(port)
        what = ["live", self.bootstrap, run.source, LIVE_ROWS_A_SECOND, LIVE_S, 0]
        self.program("phone", BUILT / "kafka_phone", *what).wait()
        after = self._metrics(port)
        seconds, count = (
            after[name] - before[name]
            for name in ("tiderace_checkpoint_seconds_sum", "tiderace_checkpoint_seconds_count")
        )
        return {
            "checkpoint_ms": 1000 * seconds / max(count, 1),
            "stored_mb": after["tiderace_state_bytes"] / 1e6,
            "in_memory_mb": after["tiderace_state_memory_bytes"] / 1e6,
        }

    def _metrics(self, port: int) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return metrics(answer.read().decode())


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench growth", description=__doc__)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(AXES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="of each axis (default: 3)")
    parser.add_argument("--cap", type=float, default=120, help="seconds at most for a run (default: 120)")
    parser.add_argument("--keep", action="store_true", help="keep logs and data")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.axes) - set(AXES)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(AXES)}")
    return options


def runs(options: argparse.Namespace) -> Iterator[tuple[str, Point]]:
    for axis, points in AXES.items():
        if not options.axes or axis in options.axes:
            for _, point in itertools.product(range(options.rounds), points):
                yield axis, point


def by_axis(rows: Sequence[results.Row]) -> dict[str, list[results.Row]]:
    """The medians, a row for each point."""
    told: dict[str, list[results.Row]] = {}
    for row in medians(rows):
        axis, value = row.pop("job"), row.pop("system")
        told.setdefault(axis, []).append({axis: int(value), **row})
    return told


def main() -> int:
    options = parse()
    told: list[results.Row] = []
    with Growth(options.cap) as growth:
        for axis, point in runs(options):
            row = growth.measure(axis, point)
            if row:
                growth.say(f"{axis} {point.value}: {row['cpu_s_per_million']:.2f} CPU s per million rows")
                told.append(row)
    axes = by_axis(told)
    for rows in axes.values():
        results.show(shown(rows))
    about = {"faults": growth.faults, **axes}
    if list(axes) == list(AXES):
        path = results.write("growth", about, [])
        growth_page.write(path)
        print(path)
    growth.close(options.keep)
    return 1 if growth.faults else 0


if __name__ == "__main__":
    sys.exit(main())
