"""Holds what a system has written against the oracle: every row, its order, its values."""

from pathlib import Path
from typing import Any

import comparison
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tiderace as tr

BEGIN_MS, ROUND_MS = 1_700_000_000_000, 250  # kafka_phone's
MODEL_COLUMNS = ["gForceTotal", "gForceTotal-10s"]
CLOSE = 1e-9  # relative: sums that are kept going lose some of the last digits


def numbered(rows: pa.Table, riders: int) -> pa.Table:
    """With the number `n` that each row has in the input."""
    rider = pc.cast(pc.utf8_slice_codeunits(rows["key"], 6), pa.int64())
    rounds = pc.divide(pc.subtract(rows["timestamp"], BEGIN_MS), ROUND_MS)
    return rows.append_column("n", pc.add(pc.multiply(rounds, riders), rider))


def rows_of(job: str, source: pa.Table, model: Path | None) -> pa.Table:
    """What the job gives for the rows of `source`, by number, with their key as `k`."""
    app: Any = tr.Application("embedded:nowhere", consumer_group="oracle")
    sdf = app.dataframe(app.topic("source", timestamp="timestamp"))
    sdf = sdf[sdf["gForceX"].notnull()]
    sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
    if job in ("mean", "tree", "forest"):
        sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling("10s").mean()
    if model is not None:
        sdf["shaking"] = tr.load_model(str(model)).predict(sdf[MODEL_COLUMNS])
    rows = source.sort_by("n").append_column("k", source.sort_by("n")["key"])
    rows = rows.drop_columns(["partition", "offset", "key"])
    return sdf.backtest(rows, key="k", timestamp="timestamp", progress=False)


def judge(found: pa.Table, wanted: pa.Table, exact: bool) -> list[str]:
    """What is wrong; rows that had not been reached when time was over are not missing."""
    last = found.group_by("key").aggregate([("n", "max")])
    reached = dict(zip(last["key"].to_pylist(), last["n_max"].to_pylist(), strict=True))
    limits = np.array([reached.get(key, -1) for key in wanted["k"].to_pylist()])
    wanted = wanted.filter(pa.array(wanted["n"].to_numpy() <= limits))
    names = [name for name in wanted.column_names if name != "k"]
    places = found.select(["partition", "offset", "key", "n"]).append_column("k", found["key"])
    told = comparison.compare(places, wanted.select(["n", "k"]), False)
    wrong = [f"{count} rows {fault}" for fault, count in told.faults.items()]
    if wrong:
        return wrong
    found, wanted = found.sort_by("n"), wanted.sort_by("n")
    for name in names:
        if name not in found.column_names:
            wrong.append(f"no {name}")
            continue
        ours, theirs = (table[name].cast(pa.float64()).to_numpy() for table in (wanted, found))
        close = np.isclose(ours, theirs, rtol=0 if exact else CLOSE, atol=0, equal_nan=True)
        if not close.all():
            wrong.append(f"{int((~close).sum())} other values of {name}")
    return wrong
