"""The crash detector as a container runs it: the pipeline of the example, and what a deployment sets of it.

Where the brokers are, how they are logged in to and how lines of the log look comes from the environment
(TIDERACE_BROKER_ADDRESS, TIDERACE_SECURITY_..., TIDERACE_LOG, TIDERACE_LOG_FORMAT), the rest from arguments.
crash_detector.cpp is the same program.
"""

import argparse
from pathlib import Path

import tiderace as tr
from service import FEATURES, features


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", default=Path(__file__).with_name("shaking.ubj"), help="file of the model")
    parser.add_argument("--partitions", type=int, default=4, help="of topics that it creates")
    parser.add_argument("--workers", type=int, default=1, help="threads")
    parser.add_argument("--state-dir", default="/state", help="directory of this process alone")
    parser.add_argument("--standby-replicas", type=int, default=0, help="copies of state in other processes")
    parser.add_argument("--metrics-port", type=int, default=9464, help="of /metrics, /healthz and /readyz")
    parser.add_argument("--group-instance-id", default="", help="static membership: a name that is kept")
    parser.add_argument(
        "--session-timeout-ms", type=int, help="when the group misses a process; default: 6000"
    )
    return parser.parse_args()


def main() -> None:
    options = arguments()
    timeout = options.session_timeout_ms
    app = tr.Application(
        consumer_group="crash-detector",
        processing_guarantee="exactly-once",
        workers=options.workers,
        state_dir=options.state_dir,
        standby_replicas=options.standby_replicas,
        metrics_port=options.metrics_port,
        group_instance_id=options.group_instance_id,
        consumer_config={} if timeout is None else {"session.timeout.ms": str(timeout)},
    )
    sdf = features(app.dataframe(app.topic("phone-data", num_partitions=options.partitions)))
    sdf["shaking"] = tr.load_model(options.model).predict(sdf[FEATURES])
    sdf.to_topic(app.topic("alerts", num_partitions=options.partitions))
    print(app.run(), flush=True)


if __name__ == "__main__":
    main()
