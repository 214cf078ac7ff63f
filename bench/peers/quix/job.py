"""The jobs on Quix Streams: JOB BROKERS IN OUT GROUP FOLDER [MODEL].

Its own sliding window (job `sliding`) puts out the aggregate alone, and an update for each window that a row
falls into; for the whole row with its mean, state is kept by hand.
"""

import pickle
import sys
from datetime import timedelta
from typing import Any

from quixstreams import Application, State
from quixstreams.dataframe.windows import Mean

WINDOW_MS = 10_000


def total(row: dict[str, Any]) -> float:
    return abs(row["gForceX"]) + abs(row["gForceY"]) + abs(row["gForceZ"])


def add_mean(row: dict[str, Any], state: State) -> dict[str, Any]:
    rows = [entry for entry in state.get("rows", []) if entry[0] > row["timestamp"] - WINDOW_MS]
    rows.append([row["timestamp"], row["gForceTotal"]])
    state.set("rows", rows)
    row["gForceTotal-10s"] = sum(value for _, value in rows) / len(rows)
    return row


def main(
    job: str, brokers: str, source: str, out: str, group: str, folder: str, path: str | None = None
) -> None:
    app = Application(
        broker_address=brokers,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=f"{folder}/state",
        loglevel="WARNING",
    )
    rows = app.topic(source, value_deserializer="json", key_deserializer="str")
    sdf = app.dataframe(rows)
    sdf = sdf[sdf.apply(lambda row: row.get("gForceX") is not None)]
    if job == "row-function":
        sdf["gForceTotal"] = sdf.apply(total)
    else:
        sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
    if job == "sliding":
        window = sdf.sliding_window(timedelta(milliseconds=WINDOW_MS))
        sdf = window.agg(**{"gForceTotal-10s": Mean("gForceTotal")}).current()
    if job in ("mean", "tree", "forest"):
        sdf = sdf.apply(add_mean, stateful=True)
    if path is not None:
        with open(path, "rb") as file:
            model = pickle.load(file)
        sdf["shaking"] = sdf.apply(
            lambda row: int(model.predict([[row["gForceTotal"], row["gForceTotal-10s"]]])[0])
        )
    sdf.to_topic(app.topic(out, value_serializer="json", key_serializer="str"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
