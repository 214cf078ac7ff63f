"""The crash detector as a container runs it: the pipeline of the example, and what a deployment sets of it.

Where the brokers are, how they are logged in to and how lines of the log look comes from the environment
(TIDERACE_BROKER_ADDRESS, TIDERACE_SECURITY_..., TIDERACE_LOG, TIDERACE_LOG_FORMAT), the rest from arguments.
crash_detector.cpp is the same program.
"""

import argparse
import os
from pathlib import Path

import tiderace as tr
from service import FEATURES, features

# What goes into the database: a phone that sends fields of its own makes no columns.
MEASURED = ["gForceX", "gForceY", "gForceZ", "latitude", "longitude", "altitude", "speed", "heartRate"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--model",
        default=Path(__file__).with_name("shaking.ubj"),
        help="a file, or a registry's: file:/models/shaking@champion",
    )
    parser.add_argument(
        "--poll-interval", type=int, default=0, help="seconds between looks for a new version; 0: none"
    )
    parser.add_argument("--partitions", type=int, default=4, help="of topics that it creates")
    parser.add_argument(
        "--replication-factor", type=int, default=1, help="copies of each topic that it creates, on Kafka"
    )
    parser.add_argument(
        "--retention-ms", type=int, default=-1, help="how long topics that it creates keep rows; -1: for ever"
    )
    parser.add_argument("--workers", type=int, default=1, help="threads")
    parser.add_argument("--state-dir", default="/state", help="directory of this process alone")
    parser.add_argument(
        "--state-memory-mib", type=int, default=512, help="MiB of state that each worker keeps in memory"
    )
    parser.add_argument("--standby-replicas", type=int, default=0, help="copies of state in other processes")
    parser.add_argument("--metrics-port", type=int, default=9464, help="of /metrics, /healthz and /readyz")
    parser.add_argument("--group-instance-id", default="", help="static membership: a name that is kept")
    parser.add_argument(
        "--session-timeout-ms", type=int, help="when the group misses a process; default: 6000"
    )
    parser.add_argument(
        "--database",
        default=os.environ.get("DATABASE_URL", ""),
        help="address of a PostgreSQL that rows go into as well; default: $DATABASE_URL, else none",
    )
    parser.add_argument("--table", default="telemetry", help="of the database; created if it is not there")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    timeout = options.session_timeout_ms
    app = tr.Application(
        consumer_group="crash-detector",
        processing_guarantee="exactly-once",
        # A phone can send anything: what is no row of ours is put aside, and the next is answered.
        on_error="dead-letter",
        workers=options.workers,
        state_dir=options.state_dir,
        max_state_memory=options.state_memory_mib << 20,
        standby_replicas=options.standby_replicas,
        metrics_port=options.metrics_port,
        group_instance_id=options.group_instance_id,
        consumer_config={} if timeout is None else {"session.timeout.ms": str(timeout)},
    )
    topic = {
        "num_partitions": options.partitions,
        "replication_factor": options.replication_factor,
        "retention_ms": options.retention_ms,
    }
    model = tr.load_model(options.model, poll_interval=options.poll_interval or None)

    sdf = features(app.dataframe(app.topic("phone-data", **topic)))
    sdf["shaking"] = model.predict(sdf[FEATURES])
    sdf.to_topic(app.topic("alerts", **topic))
    if options.database:
        rows = sdf[[*MEASURED, *FEATURES, "shaking"]]
        rows.sink(
            tr.PostgresSink(options.database, options.table, key_column="rider", event_time_column="at")
        )
    print(app.run(), flush=True)


if __name__ == "__main__":
    main()
