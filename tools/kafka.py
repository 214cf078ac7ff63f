"""The development broker: Apache Kafka on 127.0.0.1, for trying things out and for the tests.

up starts what does not run, waits until it answers, and keeps the data of earlier runs; down stops it; status
prints a line a broker and ends with 0 if all of them are up, else with 3.

Environment:
  KAFKA_HEAP   memory of a broker, as options of its JVM (default: -Xms256m -Xmx768m)
  KAFKA_JVM    further options of the JVM, which win over those chosen here (for example
               -Dorg.slf4j.simpleLogger.defaultLogLevel=info for a talkative .kafka/1/kafka.log)
  JAVA_HOME    the Java to run it with (default: the first on the PATH)
"""

import argparse
import sys
import time
from pathlib import Path

from kafka_broker import Broker, heap_options
from kafka_cluster import FOLDER, SIZES, Cluster, Listener, recorded
from kafka_jars import VERSION, Jars, KafkaError

__all__ = ["Broker", "Cluster", "Jars", "KafkaError", "Listener"]

PORT = 9092
NOT_UP = 3


def up(options: argparse.Namespace) -> int:
    heap_options()  # a mistake in them is said before anything is fetched or started
    port = recorded(options.folder).get("port", PORT) if options.port is None else options.port
    cluster = Cluster(options.folder, options.brokers, port)
    if not cluster.jars.fetched:
        print(f"fetching Apache Kafka {VERSION} with Maven", flush=True)
        cluster.fetch()
    began = time.monotonic()
    started = cluster.start()
    seconds = time.monotonic() - began
    for broker in cluster.brokers:
        how = f"up after {seconds:.1f} s" if broker in started else "already up"
        print(f"broker {broker.node} at {broker.address}: {how}, pid {broker.pid}")
    return 0


def down(options: argparse.Namespace) -> int:
    if not recorded(options.folder):
        print(f"there is no broker in {options.folder}")
        return 0
    cluster = Cluster(options.folder)
    pids = {broker.node: broker.pid for broker in cluster.brokers}
    killed = cluster.stop()
    for broker in cluster.brokers:
        how = "killed, since it did not end when asked to" if broker in killed else "stopped"
        pid = pids[broker.node]
        print(
            f"broker {broker.node} at {broker.address}: {f'{how}, pid was {pid}' if pid else 'not running'}"
        )
    if options.wipe:
        cluster.wipe()
        print(f"deleted the data in {cluster.folder}")
    return 0


def status(options: argparse.Namespace) -> int:
    if not recorded(options.folder):
        print(f"there is no broker in {options.folder}; ./dev kafka up starts one")
        return NOT_UP
    all_up = True
    for broker in Cluster(options.folder).brokers:
        pid = broker.pid
        answers = pid is not None and broker.answers({broker.node})
        all_up = all_up and answers
        how = "down" if pid is None else f"{'up' if answers else 'not answering'}, pid {pid}"
        print(f"broker {broker.node} at {broker.address}: {how}")
    return 0 if all_up else NOT_UP


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev kafka", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="up | down | status")
    starting = commands.add_parser("up", help="starts what does not run and waits until it answers")
    starting.set_defaults(run=up)
    starting.add_argument(
        "--brokers", type=int, choices=SIZES, help="of a new cluster (default: 1); three keep three copies"
    )
    starting.add_argument(
        "--port",
        type=int,
        help=f"of the first broker (default: the last used, {PORT} at first; 0: free ones)",
    )
    stopping = commands.add_parser("down", help="stops them; their data stay")
    stopping.set_defaults(run=down)
    stopping.add_argument("--wipe", action="store_true", help="deletes the data as well")
    telling = commands.add_parser("status", help="a line a broker; ends with 3 unless all are up")
    telling.set_defaults(run=status)
    for command in (starting, stopping, telling):
        command.add_argument(
            "--folder", type=Path, default=FOLDER, help="for data and settings (default: .kafka)"
        )
    options = parser.parse_args()
    try:
        code: int = options.run(options)
    except KafkaError as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
