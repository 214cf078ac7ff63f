"""Runs the same jobs on Tiderace, a loop written by hand and other systems, in turn, and compares.

Each system reads the same rows from Apache Kafka and writes what comes of them to a topic, as its own
documentation recommends. Rates are of input rows; CPU is that of the system's own processes, for brokers
share the cores. What came out is held against an oracle. Latency runs from handing a row to its client to a
read_committed consumer of the output, at 2,000 rows a second. Without options figures, chart and
tables go to bench/results and docs/guide/peers.md.
"""

import argparse
import contextlib
import itertools
import os
import pickle
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import arrivals
import environments
import load
import measure
import numpy as np
import oracle
import peers_page
import pyarrow as pa
import results
import shaking
import systems
from ground import BUILT, FOLDER, WARM_JVM, Ground
from kafka_ports import free_ports
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from systems import Run, System

REST = Path(__file__).parent / "rest"
FASTAPI = "fastapi"
PARTITIONS = 4
RIDERS = 1000
LATENCY_ROWS_A_SECOND = 2000
WARM_UP_S = 20
SETTINGS = {"log.segment.delete.delay.ms": 1000, "file.delete.delay.ms": 1000}
Row = results.Row


def train(folder: Path) -> None:
    features, truth = shaking.examples(20_000)
    for name, model in {
        "tree": DecisionTreeClassifier(max_depth=8),
        "forest": RandomForestClassifier(n_estimators=100, max_depth=8),
    }.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model.fit(features, truth)))


class Peers(Ground):
    """A broker with the rows, and what is measured on it."""

    def __init__(self, rows: int, cap_s: float) -> None:
        super().__init__(FOLDER / "peers", 1, PARTITIONS, WARM_JVM, SETTINGS)
        self._rows = rows
        self._cap_s = cap_s
        self._numbers = itertools.count(1)
        self._wanted: dict[str, pa.Table] = {}

    def fill(self) -> None:
        train(self.folder)
        command = ["history", self.bootstrap, "phone-data", self._rows, RIDERS]
        if self.program("phone", BUILT / "kafka_phone", *command).wait() != 0:
            raise SystemExit(f"the rows could not be written; see {self.folder}/phone.log")
        self._source = oracle.numbered(self.dump("phone-data"), RIDERS)

    def wanted(self, job: str) -> pa.Table:
        if job not in self._wanted:
            model = self.folder / f"{job}.pkl"
            self._wanted = {job: oracle.rows_of(job, self._source, model if model.exists() else None)}
        return self._wanted[job]

    @contextlib.contextmanager
    def running(self, system: System, job: str, source: str) -> Iterator[tuple[Run, subprocess.Popen[bytes]]]:
        """One run of the system, with an output of its own."""
        number = next(self._numbers)
        name = f"{job}-{system.name}-{number}"
        folder = self.folder / name
        folder.mkdir()
        self.create(f"out-{number}")
        run = Run(job, self.bootstrap, source, f"out-{number}", name, folder, self.folder)
        environment = {**os.environ, "TIDERACE_LOG": "warning", **system.environment}
        with (folder / "log").open("wb") as log:
            app = subprocess.Popen(
                system.command(run), stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            yield run, app
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(app.pid, signal.SIGKILL)
            app.wait()
            self.probe("delete", run.out)

    def measured(
        self, run: Run, app: subprocess.Popen[bytes], wanted: int, kept: float, committed: bool = False
    ) -> measure.Throughput | None:
        """Until `wanted` rows are in the output, a share of `kept` of the input. None: a fault.

        `committed`: not the rows in the output are counted, but those of the input that the group committed.
        """
        broker = self.cluster.brokers[0].pid
        assert broker is not None
        what = (
            ["committed", self.bootstrap, run.source, run.group]
            if committed
            else ["ends", self.bootstrap, run.out]
        )
        counter = self.program("progress", BUILT / "kafka_probe", *what)
        told = measure.throughput(app, broker, counter, wanted, kept, self._cap_s)
        counter.terminate()
        if told is None:
            log = (run.folder / "log").read_text(errors="replace")[-500:]
            self.fault(f"{run.group}: nothing came out of it: {log}")
        return told

    def throughput(self, system: System, job: str, judged: bool) -> Row:
        rows = self.wanted(job)
        wanted, kept = (
            (self._rows, 1.0) if system.puts_out_more else (rows.num_rows, rows.num_rows / self._rows)
        )
        with self.running(system, job, "phone-data") as (run, app):
            measured = self.measured(run, app, wanted, kept, committed=system.puts_out_more)
            if measured is None:
                return {}
            if judged and not system.puts_out_more:
                app.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    app.wait(10)
                for fault in self._judge(run.out, rows, system.exact):
                    self.fault(f"{system.name}, {job}: {fault}")
        return {"system": system.name, "job": job, **asdict(measured)}

    def _judge(self, topic: str, wanted: pa.Table, exact: bool) -> list[str]:
        return oracle.judge(oracle.numbered(self.dump(topic), RIDERS), wanted, exact)

    def latency(self, system: System, job: str, seconds: int) -> Row:
        source = f"live-{next(self._numbers)}"
        self.create(source)
        with self.running(system, job, source) as (run, app), self.watching(run.out):
            what = ["live", self.bootstrap, source, LATENCY_ROWS_A_SECOND, WARM_UP_S + seconds, 0]
            self.program("phone", BUILT / "kafka_phone", *what).wait()
            rows = LATENCY_ROWS_A_SECOND * (WARM_UP_S + seconds)
            self.wait_for(lambda: len(arrivals.read(self.arrivals)) >= rows, 30, "the last rows")
            memory_mb = measure.memory_mb(measure.tree(app.pid), "VmRSS")
        seen = arrivals.read(self.arrivals)
        if len(seen) != rows:
            self.fault(f"{system.name}, {job}: {len(seen)} rows came of {rows}")
        seen = seen[seen["sent_ns"] > seen["sent_ns"].min() + WARM_UP_S * 1_000_000_000]
        ms = (seen["arrived_ns"] - seen["sent_ns"]) / 1e6
        told = {f"p{p:g}_ms": float(np.percentile(ms, p)) for p in (50, 99, 99.9)}
        self.probe("delete", source)
        return {"system": system.name, "job": job, **told, "memory_mb": memory_mb}

    def rest(self, job: str) -> Row:
        """The model of the job behind REST."""
        port = free_ports(1)
        model = self.folder / f"{job}.pkl"
        service = self.program(f"rest-{job}", environments.python("rest"), REST / "job.py", port, model)
        alone, overloaded = load.run(port)
        service.terminate()
        ms = np.array(alone.seconds) * 1000
        return {
            "system": FASTAPI,
            "job": job,
            "rows_a_second": round(len(ms) / load.SECONDS),
            "p50_ms": _rounded(float(np.percentile(ms, 50))),
            "p99_ms": _rounded(float(np.percentile(ms, 99))),
            "offered_at_1.5": overloaded.offered,
            "lost": overloaded.lost,
        }


def medians(rows: Sequence[Row]) -> list[Row]:
    """One row for each job and system: the median of every figure, and its range where there were several."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["job"], row["system"]), []).append(row)
    told: list[Row] = []
    for (job, system), runs in groups.items():
        line: Row = {"job": job, "system": system, "runs": len(runs)}
        for name in [name for name in runs[0] if name not in line]:
            values = [run[name] for run in runs]
            line[name] = _rounded(statistics.median(values))
            if len(values) > 1:
                line[f"{name}_range"] = [_rounded(min(values)), _rounded(max(values))]
        told.append(line)
    return told


def _rounded(value: float) -> float:
    return round(value) if value >= 1000 else float(f"{value:.3g}")


def shown(rows: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if not name.endswith("_range")} for row in rows]


def parse(arguments: Sequence[str], names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench peers", description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="NAME", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--jobs", nargs="+", choices=systems.JOBS, default=systems.JOBS, help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="of all systems in turn (default: 3)")
    parser.add_argument("--rows", type=int, default=5_000_000, help="default: 5000000")
    parser.add_argument("--cap", type=float, default=60, help="seconds at most for a run (default: 60)")
    parser.add_argument(
        "--latency", type=int, default=30, help="seconds of measuring it; 0: not at all (default: 30)"
    )
    parser.add_argument(
        "--most-cpu", type=float, metavar="RATIO", help="of tiderace to handwritten; more is a failure"
    )
    parser.add_argument("--keep", action="store_true", help="keep logs and data")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.systems) - set(names)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
    return options


def cpu_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """By job: the CPU that Tiderace takes for a row, to that of the loop written by hand."""
    cpu = {(row["system"], row["job"]): row["cpu_s_per_million"] for row in rows}
    return {
        job: cpu["tiderace", job] / cpu["handwritten", job]
        for system, job in cpu
        if system == "tiderace" and ("handwritten", job) in cpu
    }


def measured(peers: Peers, chosen: list[System], options: argparse.Namespace) -> dict[str, list[Row]]:
    """By what was measured, a row for each run."""
    told: dict[str, list[Row]] = {"throughput": [], "latency": [], "rest": []}
    of_job = {job: [one for one in chosen if job in one.jobs] for job in options.jobs}
    for job, able in of_job.items():
        for turn, system in itertools.product(range(options.rounds), able):
            row = peers.throughput(system, job, judged=turn == 0)
            if row:
                peers.say(f"{job}, {system.name}: {row['rows_a_second']:,.0f} rows/s")
                told["throughput"].append(row)
    if options.latency:
        timed = [system for system in of_job.get(systems.MEAN, []) if not system.puts_out_more]
        told["latency"] = [
            peers.latency(system, systems.MEAN, options.latency)
            for _, system in itertools.product(range(options.rounds), timed)
        ]
    if not options.systems or FASTAPI in options.systems:
        told["rest"] = [peers.rest(job) for job in (systems.TREE, systems.FOREST) if job in options.jobs]
    return told


def main() -> int:
    known = systems.systems()
    names = [*(system.name for system in known), FASTAPI]
    options = parse(sys.argv[1:], names)
    chosen = [system for system in known if not options.systems or system.name in options.systems]
    for system in chosen:
        system.prepare()
    if not options.systems or FASTAPI in options.systems:
        environments.make_python("rest", environments.REST)
    with Peers(options.rows, options.cap) as peers:
        peers.fill()
        told = {name: medians(rows) for name, rows in measured(peers, chosen, options).items()}
        for job, ratio in cpu_ratios(told["throughput"]).items():
            peers.say(f"{job}: {ratio:.2f} times the CPU of the loop written by hand")
            if options.most_cpu is not None and ratio > options.most_cpu:
                peers.fault(f"{job}: wanted at most {options.most_cpu} times its CPU, found {ratio:.2f}")
    for rows in told.values():
        if rows:
            results.show(shown(rows))
    about = {"rows": options.rows, "riders": RIDERS, "partitions": PARTITIONS, "faults": peers.faults}
    about |= {name: rows for name, rows in told.items() if name != "throughput"}
    if options == parse([], names):  # all of it
        path = results.write("peers", about, told["throughput"])
        peers_page.write(path)
        print(path)
    peers.close(options.keep)
    return 1 if peers.faults else 0


if __name__ == "__main__":
    sys.exit(main())
