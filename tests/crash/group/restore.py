"""Measures how soon a partition with much state goes on in another process, with a standby and without.

Two processes have a partition each, with as many keys of state. One is killed; the other has no local state
of its partition, or keeps a copy (standby_replicas=1). What is measured begins when the group assigns it.
"""

import itertools
import re
import sys
import time
from datetime import datetime

import arrivals
import group_service
import results
from ground import FOLDER, WARM_JVM, Ground
from service_process import Service

PARTITIONS = 2
TRICKLE = 1000
COPY_S = 5
LINE = re.compile(r"^(\S+Z) \w+ (.*)$", re.MULTILINE)


class Restore(Ground):
    def __init__(self, guarantee: str, standbys: int, brokers: int) -> None:
        super().__init__(FOLDER / f"restore-{guarantee}-{standbys}", brokers, PARTITIONS, WARM_JVM)
        # What the client tells of the group says when a partition was assigned.
        self._options = {
            "processing_guarantee": guarantee,
            "consumer_config": {"debug": "cgrp"},
            **({"standby_replicas": standbys} if standbys else {}),
        }
        self._about = {"guarantee": guarantee, "standby_replicas": standbys}

    def measure(self, keys: int) -> results.Row:
        services = [
            Service(number, self.folder, self.bootstrap, "counts", self._options) for number in range(2)
        ]
        for each in services:
            self.at_end(each.kill)
            each.start()
        self.wait_for(lambda: len(set(self._owners().values())) == 2, 60, "two processes")
        victim, survivor = services
        with self.watching():
            self.feeder(TRICKLE, at_once=2 * keys, keys=2 * keys)
            self.wait_for(lambda: self.committed() > 2 * keys, 300, "all keys to have state")
            time.sleep(COPY_S)
            partition = next(p for p, name in self._owners().items() if name == victim.name)
            killed_ns = time.time_ns()
            victim.kill()
            self.wait_for(lambda: self._goes_on(survivor, partition, killed_ns), 60, "the partition to go on")
        return self._row(keys, survivor, partition, killed_ns)

    def _owners(self) -> dict[int, str]:
        lines = self.probe("members", group_service.GROUP).stdout.decode().splitlines()
        return {int(partition): name for name, _, partition in map(str.split, lines)}

    def _goes_on(self, survivor: Service, partition: int, killed_ns: int) -> bool:
        """What the dead process had committed may come in the first moments."""
        started_ns = _when(
            survivor.log.read_text(), f"phone-data partition {partition}: starts at", killed_ns
        )
        return started_ns is not None and self._first_after_ns(partition, started_ns) is not None

    def _first_after_ns(self, partition: int, after_ns: int) -> int | None:
        return arrivals.first_after_ns(self.arrivals, partition, after_ns)

    def _row(self, keys: int, survivor: Service, partition: int, killed_ns: int) -> results.Row:
        log = survivor.log.read_text()
        assigned_ns = _when(log, r"incremental assignment: 1 newly added", killed_ns)
        restored = _said(log, rf"partition {partition}: taken over .* restored in ([0-9.]+)", killed_ns)
        started_ns = _when(log, rf"phone-data partition {partition}: starts at", killed_ns)
        if assigned_ns is None or restored is None or started_ns is None:
            raise LookupError(f"{survivor.log} does not tell when partition {partition} went on")
        first_ns = self._first_after_ns(partition, started_ns)
        assert first_ns is not None
        restored_ms = float(restored[1][1])  # from asking for the changelog's offsets to its last change
        return {
            **self._about,
            "keys": keys,
            "assigned_after_kill_ms": round((assigned_ns - killed_ns) / 1e6),
            "first_row_after_assignment_ms": round((first_ns - assigned_ns) / 1e6),
            "restored_in_ms": round(restored_ms),
            "keys_a_second": round(1000 * keys / restored_ms) if not self._about["standby_replicas"] else "",
        }


def _said(log: str, text: str, after_ns: int) -> tuple[int, re.Match[str]] | None:
    """When the log first says so after that moment, and what; None: it does not."""
    for line in LINE.finditer(log):
        told = datetime.fromisoformat(line[1])
        at_ns = int(told.timestamp() * 1000) * 1_000_000
        if at_ns >= after_ns and (match := re.search(text, line[2])):
            return at_ns, match
    return None


def _when(log: str, text: str, after_ns: int) -> int | None:
    said = _said(log, text, after_ns)
    return said[0] if said else None


def main() -> int:
    parser = results.parser("restore", __doc__)
    parser.add_argument(
        "--keys",
        type=int,
        nargs="+",
        default=[100_000, 600_000],
        help="of a partition (default: 100000 600000)",
    )
    options = parser.parse_args()
    rows: list[results.Row] = []
    for guarantee in options.guarantees:
        for keys, standbys in itertools.product(options.keys, (0, 1)):
            with Restore(guarantee, standbys, options.brokers) as restore:
                rows.append(restore.measure(keys))
            restore.close(options.keep)
            if restore.faults:
                return 1
    results.show(rows)
    print(results.write("restore", {"brokers": options.brokers}, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
