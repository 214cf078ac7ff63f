"""Measures how long partitions are silent when processes join, leave and die.

What is measured is the longest time between two rows of a partition in `alerts`, as a read_committed consumer
sees it: of the partitions that go to another process, and of those that stay where they are; beside it, what
it is when nothing happens. Everything has its default setting.
"""

import statistics
import sys
import time
from collections.abc import Callable

import arrivals
import group_service
import results
from ground import FOLDER, WARM_JVM, Ground
from service_process import Service

PARTITIONS = 6
KILL_S = 14  # how long it is looked at; a session ends after 6 s
CHANGE_S = 7
REST_S = 2  # for what the start of a process disturbs


class Failover(Ground):
    def __init__(self, guarantee: str, processes: int, brokers: int, rate: int) -> None:
        super().__init__(FOLDER / f"failover-{guarantee}-{processes}", brokers, PARTITIONS, WARM_JVM)
        self._guarantee = guarantee
        self._processes = processes
        self._rate = rate
        self.silences: dict[tuple[str, str], list[float]] = {}  # by event and "stay", "move" or "all"

    def measure(self, rounds: int) -> None:
        options = {"processing_guarantee": self._guarantee}
        services = [
            Service(number, self.folder, self.bootstrap, "windows", options)
            for number in range(self._processes)
        ]
        for each in services:
            self.at_end(each.kill)
        self.feeder(self._rate)
        with self.watching():
            for each in services:
                each.start()
            self._settle(services)
            time.sleep(CHANGE_S)
            for _ in range(rounds):
                self._during("nothing", CHANGE_S, services, lambda: None)
            for number in range(rounds):
                victim = services[number % len(services)]
                others = [each for each in services if each is not victim]
                self._during("kill -9", KILL_S, others, victim.kill)
                self._join(victim, services)
                self._during("leave", CHANGE_S, others, victim.stop)
                self._join(victim, services)

    def _join(self, service: Service, after: list[Service]) -> None:
        ready = service.said(b"ready")
        service.start("--wait")
        self.wait_for(lambda: service.said(b"ready") > ready, 60, "the process to be ready")
        time.sleep(REST_S)
        self._during("join", CHANGE_S, after, service.go)

    def _during(self, event: str, seconds: float, after: list[Service], act: Callable[[], object]) -> None:
        before = self._owners()
        begin_ns = time.time_ns()
        act()
        time.sleep(seconds)
        self._settle(after)
        now = self._owners()
        for partition, silence_s in arrivals.gaps_s(self.arrivals, begin_ns, time.time_ns()).items():
            kind = "stay" if before.get(partition) == now.get(partition) else "move"
            self.silences.setdefault((event, kind), []).append(silence_s)
            self.say(f"{event}: partition {partition}, {kind}: {silence_s * 1000:.0f} ms")

    def _owners(self) -> dict[int, str]:
        lines = self.probe("members", group_service.GROUP).stdout.decode().splitlines()
        return {int(partition): name for name, _, partition in map(str.split, lines)}

    def _settle(self, services: list[Service]) -> None:
        """Each of these has partitions, nobody else has, and rows come of all."""
        names = {each.name for each in services}

        def settled() -> bool:
            owners = self._owners()
            flowing = arrivals.quiet_for_s(self.arrivals, PARTITIONS, time.time_ns()) < 1
            return flowing and len(owners) == PARTITIONS and set(owners.values()) == names

        self.wait_for(settled, 60, f"{len(services)} processes")

    def rows(self) -> list[results.Row]:
        return [
            {
                "guarantee": self._guarantee,
                "processes": self._processes,
                "event": event,
                "partitions": kind,
                "seen": len(found),
                "median_ms": round(statistics.median(found) * 1000),
                "longest_ms": round(max(found) * 1000),
            }
            for (event, kind), found in sorted(self.silences.items())
        ]


def main() -> int:
    parser = results.parser("failover", __doc__)
    parser.add_argument("--processes", type=int, choices=[2, 3], help="default: both")
    parser.add_argument("--rounds", type=int, default=3, help="of kill, join, leave, join (default: 3)")
    parser.add_argument("--rate", type=int, default=2000, help="rows a second (default: 2000)")
    options = parser.parse_args()

    rows: list[results.Row] = []
    for guarantee in options.guarantees:
        for processes in [options.processes] if options.processes else (2, 3):
            with Failover(guarantee, processes, options.brokers, options.rate) as failover:
                failover.measure(options.rounds)
            rows += failover.rows()
            failover.close(options.keep)
            if failover.faults:
                return 1
    results.show(rows)
    about = {"brokers": options.brokers, "rows_a_second": options.rate, "partitions": PARTITIONS}
    print(results.write("failover", about, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
