"""A new version of a model every second, under a steady stream on Kafka.

A row's time runs from when it is handed to the client that sends it until a read_committed consumer of the
output has it, as in `./dev latency`; once without new versions, once with. Then every row is read again: none
may be missing or there twice, the header must name the version that the column names, and the score must be
the one that this version gives by the library that trained it.
"""

import json
import pickle
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import arrivals
import group_service
import numpy as np
import results
import scoring
import tiderace as tr
import xgboost
from ground import BUILT, FOLDER, WARM_JVM, Ground
from sklearn.tree import DecisionTreeRegressor

PARTITIONS = 6
LATE_MS = 50
AROUND_MS = 100  # before a new version's first row comes: rows on their way then may wait for it
MEMORY = "/dev/shm"
LINGER_MS = 5  # of the client that sends; without it, a request a row
FIRST_ROWS = 10  # with which the service is there
KINDS = ("xgboost", "scikit-learn")
Places = list[tuple[int, int]]  # partition and offset


def trained(kind: str, number: int) -> Any:
    """A model of 50 trees, or one tree; each version another."""
    random = np.random.default_rng(number)
    features = random.uniform(-2, 2, size=(2000, 3))
    truth = np.abs(features).sum(axis=1) * random.uniform(0.5, 2) + number
    if kind == "xgboost":
        return xgboost.XGBRegressor(n_estimators=50, max_depth=4, base_score=0.5).fit(features, truth)
    return DecisionTreeRegressor(max_depth=8, random_state=0).fit(features, truth)


class Versions:
    """Models that are made before time begins, and published one a second."""

    def __init__(self, address: str, kind: str, folder: Path, count: int) -> None:
        self._address = address
        self._files: list[Path] = []
        self.models: dict[str, Any] = {}
        for number in range(1, count + 1):
            model = trained(kind, number)
            path = folder / (f"{number}.ubj" if kind == "xgboost" else f"{number}.pkl")
            if kind == "xgboost":
                model.save_model(path)
            else:
                path.write_bytes(pickle.dumps(model))
            self._files.append(path)
            self.models[str(number)] = model
        self._left = iter(self._files)

    def publish(self) -> None:
        tr.publish_model(next(self._left), self._address, features=scoring.FEATURES, alias="champion")

    @contextmanager
    def every_second(self, wanted: bool) -> Iterator[None]:
        over = threading.Event()

        def go_on() -> None:
            due = time.monotonic() + 1
            while not over.wait(due - time.monotonic()):
                self.publish()
                due += 1

        thread = threading.Thread(target=go_on)
        if wanted:
            thread.start()
        yield
        over.set()
        if wanted:
            thread.join()


class Swap(Ground):
    def __init__(self, guarantee: str, kind: str, swaps: bool) -> None:
        name = f"swap-{guarantee}-{kind}-{'with' if swaps else 'without'}"
        super().__init__(FOLDER / name, 1, PARTITIONS, WARM_JVM)
        self._guarantee = guarantee
        self._kind = kind
        self._swaps = swaps

    def measure(self, rate: int, warm_up_s: int, seconds: int) -> results.Row:
        # In memory: what is synced to the disk of a broker that writes 50 MB a second waits for all of that,
        # and the broker with it. Registries are elsewhere.
        memory = tempfile.mkdtemp(prefix="tiderace-swap-", dir=MEMORY)
        self.at_end(lambda: shutil.rmtree(memory))
        address = f"{memory}/shaking"
        versions = Versions(address, self._kind, self.folder, warm_up_s + seconds + 30 if self._swaps else 1)
        versions.publish()
        state = self.folder / "state"
        what = [self.bootstrap, group_service.GROUP, self._guarantee, state, address]
        service = self.program("scoring", sys.executable, scoring.__file__, *what)
        first = [self.bootstrap, "phone-data", FIRST_ROWS, 1, 0]
        self.program("phone", BUILT / "kafka_phone", "live", *first).wait()
        self.wait_for(self.drained, 60, "the service")
        with self.watching(), versions.every_second(self._swaps):
            began_ns = time.time_ns()
            live = ["live", self.bootstrap, "phone-data", rate, warm_up_s + seconds, LINGER_MS]
            self.program("phone", BUILT / "kafka_phone", *live).wait()
            self.wait_for(self.drained, 60, "everything to be committed")
        service.terminate()
        if service.wait(60) != 0:
            self.fault(f"the service ended with status {service.returncode}")
        measured_ns = began_ns + warm_up_s * 1_000_000_000
        judged, firsts = self._judge(versions, FIRST_ROWS + rate * (warm_up_s + seconds))
        times = self._times(rate * (warm_up_s + seconds), measured_ns, firsts)
        return {
            "guarantee": self._guarantee,
            "model": self._kind,
            "new_versions": "every second" if self._swaps else "none",
            "rows_a_second": rate,
            "seconds": seconds,
            **times,
            **judged,
        }

    def _times(self, wanted: int, measured_ns: int, firsts: Places) -> results.Row:
        seen = arrivals.read(self.arrivals)
        if len(seen) < wanted:
            self.fault(f"{len(seen)} rows came of {wanted}")
        around = self._around(seen, firsts)[seen["sent_ns"] > measured_ns]
        seen = seen[seen["sent_ns"] > measured_ns]
        ms = (seen["arrived_ns"] - seen["sent_ns"]) / 1e6
        late = ms > LATE_MS
        percentiles = {f"p{p:g}_ms": round(float(np.percentile(ms, p)), 2) for p in (50, 99, 99.99)}
        return {
            **percentiles,
            "max_ms": round(float(ms.max()), 2),
            "rows": len(ms),
            f"later_than_{LATE_MS}_ms": int(late.sum()),
            "around_swaps": round(float(around.mean()), 3),
            "late_around_swaps": int((late & around).sum()),
        }

    @staticmethod
    def _around(seen: Any, firsts: Places) -> Any:
        """Whether each row was on its way when a new version of its partition took over."""
        around = np.zeros(len(seen), dtype=bool)
        for partition, offset in firsts:
            there = seen["partition"] == partition
            first_ns = seen["arrived_ns"][there & (seen["offset"] == offset)]
            if not len(first_ns):
                continue  # of the warm-up's first rows
            came_after = seen["arrived_ns"] >= first_ns[0] - AROUND_MS * 1_000_000
            around |= there & came_after & (seen["sent_ns"] <= first_ns[0])
        return around

    def _judge(self, versions: Versions, wanted: int) -> tuple[results.Row, Places]:
        """Every row of the output, version by version; where a partition's first row of a version stands."""
        rows: dict[str, list[list[float]]] = {}
        firsts: Places = []
        present: dict[int, str] = {}
        app = tr.Application(self.bootstrap, consumer_group="judge")
        for record in app.get_reader("alerts", until_end=True):
            row = json.loads(record.value or b"")
            version = row["version"]
            if record.headers != [("tiderace.model.shaking", version.encode())]:
                self.fault(f"headers {record.headers} of a row that says version {version}")
                break
            if present.setdefault(record.partition, version) != version:
                firsts.append((record.partition, record.offset))
            present[record.partition] = version
            features = [row[name] for name in scoring.FEATURES]
            rows.setdefault(version, []).append([*features, row["score"], row["sent"]])
        total = sum(map(len, rows.values()))
        sent = {row[-1] for found in rows.values() for row in found}
        if total != wanted or len(sent) != wanted:
            self.fault(f"{total} rows were written, {len(sent)} different ones, of {wanted}")
        wrong = sum(self._wrong(versions.models[version], np.array(found)) for version, found in rows.items())
        if wrong:
            self.fault(f"{wrong} rows have another score than their version gives")
        judged: results.Row = {
            "versions": len(rows),
            "swaps_of_partitions": len(firsts),
            "wrong": wrong,
            "lost": wanted - len(sent),
        }
        return judged, firsts

    @staticmethod
    def _wrong(model: Any, rows: Any) -> int:
        gap = np.abs(model.predict(rows[:, :3]) - rows[:, 3])
        return int((gap > 1e-5 * np.abs(rows[:, 3]) + 1e-6).sum())


def main() -> int:
    parser = results.parser("bench swap", __doc__)
    parser.set_defaults(guarantees=["at-least-once"])
    parser.add_argument("--rate", type=int, default=100_000, help="rows a second (default: 100000)")
    parser.add_argument("--seconds", type=int, default=60, help="after the warm-up (default: 60)")
    parser.add_argument("--warm-up", type=int, default=20, help="seconds (default: 20)")
    parser.add_argument("--model", nargs="+", choices=KINDS, default=KINDS, help="default: both")
    options = parser.parse_args()
    rows: list[results.Row] = []
    faults = 0
    for guarantee in options.guarantees:
        for kind in options.model:
            for swaps in (False, True):
                with Swap(guarantee, kind, swaps) as swap:
                    rows.append(swap.measure(options.rate, options.warm_up, options.seconds))
                swap.close(options.keep)
                faults += len(swap.faults)
    results.show(rows)
    print(results.write("swap", {"brokers": 1, "partitions": PARTITIONS, "linger_ms": LINGER_MS}, rows))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
