"""Measures the latency of the crash detector, from end to end.

Rows come one by one at a steady rate; a row's time runs from when it is handed to the client that sends it
until a read_committed consumer of `alerts` has it: twice the way over a broker, and all of the job between,
with its model.
"""

import os
import pickle
import sys
import time
from pathlib import Path

import arrivals
import numpy as np
import results
from ground import BUILT, FOLDER, WARM_JVM, Ground
from service_process import Service
from sklearn.tree import DecisionTreeClassifier

PARTITIONS = 6
WARM_UP_S = 30  # the broker's JVM, above all
COMMIT_INTERVAL_S = 0.1


def train(path: Path) -> None:
    """A tree over the two features; that it is of use matters to nobody here."""
    random = np.random.default_rng(1)
    features = random.uniform(0, 6, (2000, 2))
    tree = DecisionTreeClassifier(max_depth=6).fit(features, features[:, 0] > 1.5 * features[:, 1])
    path.write_bytes(pickle.dumps(tree))


class Latency(Ground):
    def __init__(self, guarantee: str, brokers: int) -> None:
        super().__init__(FOLDER / f"latency-{guarantee}", brokers, PARTITIONS, WARM_JVM)
        self._guarantee = guarantee

    def measure(self, rate: int, seconds: int, linger_ms: float) -> results.Row:
        model = self.folder / "shaking.pkl"
        train(model)
        os.environ["DETECTOR_MODEL"] = str(model)
        options = {"processing_guarantee": self._guarantee, "commit_interval": COMMIT_INTERVAL_S}
        detector = Service(0, self.folder, self.bootstrap, "detector", options)
        self.at_end(detector.kill)
        os.environ["TIDERACE_LOG"] = "warning"
        detector.start()
        with self.watching():
            what = ["phone-data", rate, WARM_UP_S + seconds, linger_ms]
            phone = self.program("phone", BUILT / "kafka_phone", self.bootstrap, *what)
            began_ns = time.time_ns()
            phone.wait()
            self.wait_for(self.drained, 30, "everything to be committed")
        seen = arrivals.read(self.arrivals)
        if len(seen) != rate * (WARM_UP_S + seconds):
            self.fault(f"{len(seen)} rows came of {rate * (WARM_UP_S + seconds)}")
        seen = seen[seen["sent_ns"] > began_ns + WARM_UP_S * 1_000_000_000]
        ms = (seen["arrived_ns"] - seen["sent_ns"]) / 1e6
        percentiles = {f"p{p:g}_ms": round(float(np.percentile(ms, p)), 2) for p in (50, 99, 99.9)}
        return {
            "guarantee": self._guarantee,
            "rows_a_second": rate,
            "seconds": seconds,
            "rows": len(ms),
            **percentiles,
            "max_ms": round(float(ms.max()), 2),
        }


def main() -> int:
    parser = results.parser("latency", __doc__)
    parser.add_argument("--rate", type=int, default=2000, help="rows a second (default: 2000)")
    parser.add_argument("--seconds", type=int, default=60, help="after the warm-up (default: 60)")
    parser.add_argument("--linger", type=float, default=1, help="of the client that sends, ms (default: 1)")
    options = parser.parse_args()
    rows: list[results.Row] = []
    for guarantee in options.guarantees:
        with Latency(guarantee, options.brokers) as latency:
            rows.append(latency.measure(options.rate, options.seconds, options.linger))
        latency.close(options.keep)
        if latency.faults:
            return 1
    results.show(rows)
    about = {
        "brokers": options.brokers,
        "linger_ms": options.linger,
        "partitions": PARTITIONS,
        "commit_interval_s": COMMIT_INTERVAL_S,
    }
    print(results.write("latency", about, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
