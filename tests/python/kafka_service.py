"""A service on Kafka, a process: BROKER NAME GUARANTEE STATE_DIRECTORY [--until-end|--standby|--as=NAME]."""

import sys
from typing import Any

import tiderace as tr


def count(row: dict[str, Any], state: tr.State) -> None:
    state.set("n", state.get("n", 0) + 1)
    row["n"] = state.get("n")


def pipeline(app: tr.Application, name: str) -> tr.StreamingDataFrame:
    """Every kind of state, over the topic NAME-input."""
    sdf = app.dataframe(app.topic(f"{name}-input", timestamp="t", num_partitions=3))
    sdf["mean"] = sdf["x"].rolling("10s").mean()
    sdf["change"] = sdf["x"].diff()
    return sdf.update(count, stateful=True)


def main(broker: str, name: str, guarantee: str, state_dir: str, *options: str) -> None:
    app = tr.Application(
        broker,
        consumer_group=name,
        processing_guarantee=guarantee,
        commit_interval=0.1,
        state_dir=state_dir,
        standby_replicas=int("--standby" in options),
        group_instance_id="".join(option.removeprefix("--as=") for option in options if "--as=" in option),
    )
    pipeline(app, name).to_topic(app.topic(f"{name}-output", num_partitions=3))
    app.run(until_end="--until-end" in options)


if __name__ == "__main__":
    main(*sys.argv[1:])
