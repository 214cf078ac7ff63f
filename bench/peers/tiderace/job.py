"""The jobs of `./dev bench peers`, in Python: JOB BROKERS IN OUT GROUP GUARANTEE STATE_DIR [MODEL]."""

import sys
from typing import Any

import numpy as np
import tiderace as tr


def total(row: dict[str, Any]) -> float:
    return abs(row["gForceX"]) + abs(row["gForceY"]) + abs(row["gForceZ"])  # type: ignore[no-any-return]


def totals(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.abs(x) + np.abs(y) + np.abs(z)


def main(
    job: str,
    brokers: str,
    source: str,
    out: str,
    group: str,
    guarantee: str,
    state_dir: str,
    model: str | None = None,
) -> None:
    app = tr.Application(brokers, consumer_group=group, processing_guarantee=guarantee, state_dir=state_dir)
    sdf = app.dataframe(app.topic(source, timestamp="timestamp"))
    sdf = sdf[sdf["gForceX"].notnull()]
    if job == "row-function":
        sdf["gForceTotal"] = sdf.apply(total)
    elif job == "batch-function":
        sdf["gForceTotal"] = sdf[["gForceX", "gForceY", "gForceZ"]].map_batches(totals)
    else:
        sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
    if job in ("mean", "tree", "forest"):
        sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling("10s").mean()
    if model:
        sdf["shaking"] = tr.load_model(model).predict(sdf[["gForceTotal", "gForceTotal-10s"]])
    sdf.to_topic(app.topic(out))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
