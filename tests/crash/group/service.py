"""The service under test, as a process: BROKERS GUARANTEE STATE_DIRECTORY [--until-end]."""

import faulthandler
import signal
import sys

import phone_rows
import tiderace as tr
from pipeline import REPLICAS, pipeline

GROUP = "crash"


def main(brokers: str, guarantee: str, state_dir: str, *options: str) -> None:
    faulthandler.register(signal.SIGUSR1)
    app = tr.Application(
        brokers,
        consumer_group=GROUP,
        processing_guarantee=guarantee,
        state_dir=state_dir,
        consumer_config={"debug": "cgrp"},  # tells of the group in the log, which changes nothing else
    )
    alerts = app.topic("alerts", num_partitions=phone_rows.PARTITIONS, replication_factor=REPLICAS)
    pipeline(app).to_topic(alerts)
    print(app.run(until_end="--until-end" in options), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
