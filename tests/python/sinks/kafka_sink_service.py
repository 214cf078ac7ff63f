"""kafka_sink_service.py BROKER NAME GUARANTEE URL STATE [--source=FILE]: a member of a group with a sink."""

import sys

import sink_service
import tiderace as tr


def main(broker: str, name: str, guarantee: str, url: str, state: str, *options: str) -> None:
    app = tr.Application(
        broker,
        consumer_group=name,
        processing_guarantee=guarantee,
        commit_interval=0.05,
        state_dir=state,
        consumer_config={"session.timeout.ms": "1500", "heartbeat.interval.ms": "300"},
    )
    topic = app.topic(f"{name}-input", timestamp="t", num_partitions=3)
    sdf = app.dataframe(topic)
    for option in options:
        path = option.removeprefix("--source=")
        sdf = app.dataframe(
            source=tr.NdjsonSource(path, "source", key="rider", timestamp="t", num_partitions=3)
        )
    sink_service.features(sdf).sink(tr.PostgresSink(url, table="features", timeout=5))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
