"""The plans under test."""

import os
from collections.abc import Callable
from typing import Any

import tiderace as tr


def judge(row: dict[str, Any], state: tr.State) -> None:
    """Counts the rows of the key, and how many in a row were shaken."""
    mean, total = row["mean"], row["total"]
    shaken = mean is not None and total is not None and total > 1.5 * mean
    streak = state.get("streak", 0) + 1 if shaken else 0
    state.set("streak", streak)
    state.set("seen", state.get("seen", 0) + 1)
    row["streak"], row["seen"] = streak, state.get("seen")


def windows(app: tr.Application) -> tr.StreamingDataFrame:
    """Windows of every kind, a filter, and a Python function with state."""
    sdf = app.dataframe(app.topic("phone-data", timestamp="t"))
    sdf = sdf[sdf["x"].notnull()]
    sdf["total"] = sdf["x"].abs() + sdf["y"]
    sdf["mean"] = sdf["total"].rolling("10s").mean()
    sdf["spread"] = sdf["x"].rolling("30s").std()
    sdf["most"] = sdf["y"].rolling(7, min_periods=1).max()
    sdf["change"] = sdf["x"].diff()
    return sdf.update(judge, stateful=True)


def count(row: dict[str, Any], state: tr.State) -> None:
    state.set("seen", state.get("seen", 0) + 1)
    row["seen"] = state.get("seen")


def counts(app: tr.Application) -> tr.StreamingDataFrame:
    """One value of state a key."""
    return app.dataframe(app.topic("phone-data", timestamp="t")).update(count, stateful=True)


def detector(app: tr.Application) -> tr.StreamingDataFrame:
    """The crash detector of the README, with the model that the environment names."""
    sdf = app.dataframe(app.topic("phone-data", timestamp="timestamp"))
    sdf = sdf[sdf["gForceX"].notnull()]
    sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
    sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling("10s").mean()
    model = tr.load_model(os.environ["DETECTOR_MODEL"])
    sdf["shaking"] = model.predict(sdf[["gForceTotal", "gForceTotal-10s"]])
    return sdf


PLANS: dict[str, Callable[[tr.Application], tr.StreamingDataFrame]] = {
    "windows": windows,
    "counts": counts,
    "detector": detector,
}
