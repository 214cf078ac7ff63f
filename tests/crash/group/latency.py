"""Measures the latency of the crash detector, from end to end.

Rows come one by one at a steady rate; a row's time runs from when it is handed to the client that sends it
until a read_committed consumer of `alerts` has it: twice the way over a broker, and all of the job between,
with its model. Beside it, what the way over the broker alone takes, once.
"""

import os
import pickle
import sys
import time
from pathlib import Path

import arrivals
import numpy as np
import results
import shaking
import xgboost
from ground import BUILT, FOLDER, WARM_JVM, Ground
from service_process import Service
from sklearn.tree import DecisionTreeClassifier

PARTITIONS = 6
WARM_UP_S = 30  # the broker's JVM, above all
MODELS = {"with a tree of scikit-learn": "shaking.pkl", "with XGBoost": "shaking.ubj"}


def train(path: Path) -> None:
    features, truth = shaking.examples(2000)
    if path.suffix == ".ubj":
        xgboost.XGBClassifier(n_estimators=20, max_depth=3, base_score=0.5).fit(features, truth).save_model(
            path
        )
    else:
        tree = DecisionTreeClassifier(max_depth=6).fit(features, truth)
        path.write_bytes(pickle.dumps(tree))


class Latency(Ground):
    def __init__(self, guarantee: str, brokers: int) -> None:
        super().__init__(FOLDER / f"latency-{guarantee}", brokers, PARTITIONS, WARM_JVM)
        self._guarantee = guarantee

    def measure(self, rate: int, seconds: int, linger_ms: float) -> list[results.Row]:
        os.environ["TIDERACE_LOG"] = "warning"
        rows = [self._detect(number, rate, seconds, linger_ms) for number in range(len(MODELS))]
        alone = self._from_end_to_end("alerts", rate, seconds, linger_ms)
        return [*rows, {"guarantee": self._guarantee, "job": "the broker alone", **alone}]

    def _detect(self, number: int, rate: int, seconds: int, linger_ms: float) -> results.Row:
        job, file = list(MODELS.items())[number]
        model = self.folder / file
        train(model)
        os.environ["DETECTOR_MODEL"] = str(model)
        options = {"processing_guarantee": self._guarantee}
        detector = Service(number, self.folder, self.bootstrap, "detector", options)
        self.at_end(detector.kill)
        detector.start()
        measured = self._from_end_to_end("phone-data", rate, seconds, linger_ms)
        detector.stop()
        return {"guarantee": self._guarantee, "job": job, **measured}

    def _from_end_to_end(self, topic: str, rate: int, seconds: int, linger_ms: float) -> results.Row:
        """From `topic` to whoever reads `alerts`: through the job, or without it."""
        with self.watching():
            began_ns = time.time_ns()
            what = [topic, rate, WARM_UP_S + seconds, linger_ms]
            self.program("phone", BUILT / "kafka_phone", "live", self.bootstrap, *what).wait()
            self.wait_for(self.drained, 30, "everything to be committed")
        seen = arrivals.read(self.arrivals)
        seen = seen[seen["sent_ns"] > began_ns]
        if len(seen) != rate * (WARM_UP_S + seconds):
            self.fault(f"{len(seen)} rows came of {rate * (WARM_UP_S + seconds)}")
        seen = seen[seen["sent_ns"] > began_ns + WARM_UP_S * 1_000_000_000]
        ms = (seen["arrived_ns"] - seen["sent_ns"]) / 1e6
        percentiles = {f"p{p:g}_ms": round(float(np.percentile(ms, p)), 2) for p in (50, 99, 99.9)}
        return {
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
    parser.add_argument("--linger", type=float, default=0, help="of the client that sends, ms (default: 0)")
    options = parser.parse_args()
    rows: list[results.Row] = []
    for guarantee in options.guarantees:
        with Latency(guarantee, options.brokers) as latency:
            rows += latency.measure(options.rate, options.seconds, options.linger)
        latency.close(options.keep)
        if latency.faults:
            return 1
    results.show(rows)
    about = {"brokers": options.brokers, "linger_ms": options.linger, "partitions": PARTITIONS}
    print(results.write("latency", about, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
