"""A service that scores, a process: BROKER NAME GUARANTEE STATE_DIRECTORY REGISTRY [OPTION].

`--until-end`, `--one` row, `--rarely`: commits seldom, `--standby`: has a replica of the others' state.
"""

import sys

import tiderace as tr


def main(broker: str, name: str, guarantee: str, state_dir: str, address: str, *options: str) -> None:
    app = tr.Application(
        broker,
        consumer_group=name,
        processing_guarantee=guarantee,
        commit_interval=3 if "--rarely" in options else 0.05,
        state_dir=state_dir,
        standby_replicas=int("--standby" in options),
    )
    sdf = app.dataframe(app.topic(f"{name}-input", num_partitions=3))
    model = tr.load_model(f"{address}@champion", poll_interval="10ms")
    sdf["sum"] = sdf["x"].rolling(3, min_periods=1).sum()
    sdf["y"] = model.predict(sdf[["x"]], version_column="version")
    sdf.to_topic(app.topic(f"{name}-output", num_partitions=3))
    app.run(until_end="--until-end" in options, count=1 if "--one" in options else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
