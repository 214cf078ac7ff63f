"""Rows from the embedded log into PostgreSQL, as fast as they go; beside it, the server's own COPY of them.

Two jobs: `whole`: rows as they came, eight fields, whose columns nobody has named; `features`: a selection of
seven columns, two of them computed per rider. PostgreSQL runs on this machine, with fsync, on a socket; each
round writes into a new table, and the number of rows there is checked. Without options the figures go to
bench/results.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import results
import tiderace as tr
from peers import medians, shown
from postgres_server import Postgres, programs

RIDERS, BEGIN_MS, STEP_MS = 1000, 1_700_000_000_000, 250
SERVER = {"fsync": "on", "autovacuum": "on", "shared_buffers": "128MB", "max_wal_size": "4GB"}
COPIED = "COPY (SELECT * FROM whole) TO '{path}'"


def fill(log: Path, rows: int) -> None:
    """Phone rows of 1,000 riders, about 180 bytes each."""
    app = tr.Application(f"embedded:{log}", consumer_group="phones")
    with app.get_producer() as producer:
        for n in range(rows):
            rider = f"rider-{n % RIDERS:04}"
            value = (
                f'{{"timestamp":{BEGIN_MS + n // RIDERS * STEP_MS},"rider":"{rider}",'
                f'"gForceX":{n % 997 / 512},"gForceY":{-(n % 991) / 256},"gForceZ":{n % 983 / 128},'
                f'"speed":{n % 53 / 4},"heartRate":{60 + n % 90},"activity":"riding"}}'
            )
            producer.produce("phone-data", rider, value)


def pipeline(app: tr.Application, job: str, sink: tr.PostgresSink) -> None:
    sdf = app.dataframe(app.topic("phone-data", timestamp="timestamp"))
    if job == "features":
        sdf["total"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
        sdf["mean"] = sdf["total"].rolling("10s").mean()
        sdf = sdf[["timestamp", "rider", "gForceX", "gForceY", "gForceZ", "total", "mean"]]
    sdf.sink(sink)


def run(log: Path, server: Postgres, job: str, guarantee: str, rows: int, number: int) -> results.Row:
    app = tr.Application(
        f"embedded:{log}", consumer_group=f"{job}-{guarantee}-{number}", processing_guarantee=guarantee
    )
    server.query(f"DROP TABLE IF EXISTS {job}")
    pipeline(app, job, tr.PostgresSink(server.url, table=job))
    cpu_s, began_s = time.process_time(), time.perf_counter()
    app.run(until_end=True)
    seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    found = int(server.query(f"SELECT count(*) FROM {job}"))
    if found != rows:
        raise SystemExit(f"{job}: wanted {rows} rows, found {found}")
    return {
        "job": job,
        "system": f"tiderace {guarantee}",
        "rows_a_second": rows / seconds,
        "cpu_s_per_million": cpu_s / rows * 1e6,
    }


def run_copy(server: Postgres, folder: Path, rows: int) -> results.Row:
    """psql's COPY of a file with the same rows, in one transaction: what the server takes at most so."""
    server.query(COPIED.format(path=folder / "whole.txt"))
    server.query("DROP TABLE IF EXISTS copied; CREATE TABLE copied (LIKE whole)")
    command = [str(programs() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url, "-c"]
    began_s = time.perf_counter()
    subprocess.run([*command, f"\\copy copied FROM '{folder}/whole.txt'"], check=True)
    seconds = time.perf_counter() - began_s
    return {"job": "whole", "system": "psql", "rows_a_second": rows / seconds, "cpu_s_per_million": 0.0}


def measure(rows: int, rounds: int) -> list[results.Row]:
    told: list[results.Row] = []
    with Postgres(SERVER) as server, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        fill(log, rows)
        for number in range(rounds):
            for job in ("whole", "features"):
                for guarantee in ("at-least-once", "exactly-once"):
                    told.append(run(log, server, job, guarantee, rows, number))
                    server.query(
                        "CHECKPOINT"
                    )  # what the round before has left to write is not the next one's
            told.append(run_copy(server, server.folder, rows))
    return told


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench sink", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="default: 2000000")
    parser.add_argument("--rounds", type=int, default=3, help="of all in turn (default: 3)")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse(sys.argv[1:])
    rows = medians(measure(options.rows, options.rounds))
    results.show(shown(rows))
    if options == parse([]):
        version = ""
        with contextlib.suppress(OSError):
            version = subprocess.run(
                [programs() / "postgres", "--version"], capture_output=True, text=True, check=True
            ).stdout.strip()
        about = {"rows": options.rows, "riders": RIDERS, "server": version, "settings": SERVER}
        print(results.write("sink", about, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
