"""Features of a history, the job of the guide's first page: `backtest`, and what pandas and polars do for it.

Filter the rows without `gForceX`, add up three absolute values, take the mean of the rider's last 10 s. The
table is in each library's own form before time begins; tiderace takes it as it is. In turn, several rounds;
the means are held against each other. pandas leaves them ordered by rider, which is its own way. Without
options the figures go to bench/results.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import results
import tiderace as tr
from peers import medians, shown

RIDERS, BEGIN_MS, STEP_MS = 1000, 1_700_000_000_000, 250
CLOSE = 1e-9  # relative: pandas and polars keep a sum going
AXES = ["gForceX", "gForceY", "gForceZ"]


def history(rows: int) -> pa.Table:
    """Of 1,000 riders, four rows a second each, by time; about one row in ten has no gForceX."""
    random = np.random.default_rng(1)
    number = np.arange(rows)
    columns: dict[str, Any] = {
        "timestamp": BEGIN_MS + number // RIDERS * STEP_MS,
        "rider": pa.array([f"rider-{rider:04}" for rider in range(RIDERS)]).take(number % RIDERS),
    }
    for name in AXES:
        columns[name] = random.normal(size=rows)
    columns["gForceX"] = pa.array(columns["gForceX"], mask=random.random(rows) < 0.1)
    return pa.table(columns)


def of_tiderace(table: pa.Table) -> Callable[[], np.ndarray]:
    app: Any = tr.Application("embedded:nowhere", consumer_group="backtest")
    sdf = app.dataframe(app.topic("rows", timestamp="timestamp"))
    sdf = sdf[sdf["gForceX"].notnull()]
    sdf["total"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
    sdf["mean"] = sdf["total"].rolling("10s").mean()

    def run() -> np.ndarray:
        told = sdf.backtest(table, key="rider", timestamp="timestamp", progress=False)
        return told["mean"].to_numpy()

    return run


def of_pandas(table: pa.Table) -> Callable[[], np.ndarray]:
    frame = table.to_pandas()
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms")
    frame["rider"] = frame["rider"].astype("category")

    def run() -> np.ndarray:
        rows = frame[frame["gForceX"].notna()]
        rows = rows.assign(total=sum(rows[name].abs() for name in AXES))
        groups = rows.set_index("timestamp").groupby("rider", observed=True)
        return groups["total"].rolling("10s").mean().to_numpy()

    return run


def of_polars(table: pa.Table) -> Callable[[], np.ndarray]:
    frame = pl.DataFrame(pl.from_arrow(table))
    frame = frame.with_columns(pl.from_epoch("timestamp", "ms"), pl.col("rider").cast(pl.Categorical))
    total = sum((pl.col(name).abs() for name in AXES), pl.lit(0.0))
    mean = pl.col("total").rolling_mean_by("timestamp", "10s").over("rider")

    def run() -> np.ndarray:
        rows = frame.lazy().filter(pl.col("gForceX").is_not_null())
        return rows.with_columns(total=total).with_columns(mean=mean).collect()["mean"].to_numpy()

    return run


SYSTEMS = {"tiderace": of_tiderace, "pandas": of_pandas, "polars": of_polars}


def by_row(system: str, means: np.ndarray, table: pa.Table) -> np.ndarray:
    """The means in the order of the rows."""
    if system != "pandas":
        return means
    kept = table["gForceX"].is_valid().to_numpy()
    rider = (np.arange(table.num_rows) % RIDERS)[kept]
    ordered = np.empty_like(means)
    ordered[np.argsort(rider, kind="stable")] = means
    return ordered


def measure(rows: int, rounds: int) -> tuple[list[results.Row], list[str]]:
    """A row for each run, and what is wrong with what came out."""
    table = history(rows)
    runs = {name: prepared(table) for name, prepared in SYSTEMS.items()}
    told: list[results.Row] = []
    faults: list[str] = []
    wanted = np.empty(0)
    for _ in range(rounds):
        for name, run in runs.items():
            cpu_s, began_s = time.process_time(), time.perf_counter()
            means = run()
            seconds = time.perf_counter() - began_s
            cpu_s = time.process_time() - cpu_s
            figures = {"rows_a_second": rows / seconds, "cpu_s_per_million": cpu_s / rows * 1e6}
            told.append({"system": name, "job": "features", **figures})
            means = by_row(name, means, table)
            if not wanted.size:
                wanted = means
            elif means.shape != wanted.shape or not np.allclose(means, wanted, rtol=CLOSE, atol=0):
                faults.append(f"{name} has other means")
    return told, faults


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench backtest", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="default: 10000000")
    parser.add_argument("--rounds", type=int, default=5, help="of all in turn (default: 5)")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse(sys.argv[1:])
    told, faults = measure(options.rows, options.rounds)
    rows = medians(told)
    results.show(shown(rows))
    for fault in faults:
        print(fault, file=sys.stderr)
    libraries = {"pandas": pd.__version__, "polars": pl.__version__, "numpy": np.__version__}
    about = {"rows": options.rows, "riders": RIDERS, "libraries": libraries, "faults": faults}
    if options == parse([]):
        print(results.write("backtest", about, rows))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
