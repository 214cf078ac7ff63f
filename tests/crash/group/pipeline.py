"""The plan under test: windows of every kind, a filter, and a Python function with state."""

from typing import Any

import phone_rows
import tiderace as tr

REPLICAS = 3


def judge(row: dict[str, Any], state: tr.State) -> None:
    """Counts the rows of the key, and how many in a row were shaken."""
    mean, total = row["mean"], row["total"]
    shaken = mean is not None and total is not None and total > 1.5 * mean
    streak = state.get("streak", 0) + 1 if shaken else 0
    state.set("streak", streak)
    state.set("seen", state.get("seen", 0) + 1)
    row["streak"], row["seen"] = streak, state.get("seen")


def pipeline(app: tr.Application) -> tr.StreamingDataFrame:
    options = {"num_partitions": phone_rows.PARTITIONS, "replication_factor": REPLICAS}
    sdf = app.dataframe(app.topic("phone-data", timestamp="t", **options))
    sdf = sdf[sdf["x"].notnull()]
    sdf["total"] = sdf["x"].abs() + sdf["y"]
    sdf["mean"] = sdf["total"].rolling("10s").mean()
    sdf["spread"] = sdf["x"].rolling("30s").std()
    sdf["most"] = sdf["y"].rolling(7, min_periods=1).max()
    sdf["change"] = sdf["x"].diff()
    return sdf.update(judge, stateful=True)
