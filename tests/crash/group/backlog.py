"""A day in a minute: rows that have piled up, and a service that is killed over them.

It is started, killed in the middle of it, and started again with two more beside it. All rows must be
through, in order, with the values of a backtest.
"""

import signal
import sys
import time

import phone_rows
import results
from ground import FOLDER, WARM_JVM, Ground
from service_process import Service

PARTITIONS = 6
KILLED_AT = 0.2  # of the rows
LIMIT_S = 600


class Backlog(Ground):
    def __init__(self, guarantee: str, brokers: int) -> None:
        super().__init__(FOLDER / f"backlog-{guarantee}", brokers, PARTITIONS, WARM_JVM)
        self._guarantee = guarantee

    def measure(self, rows: int) -> results.Row:
        self._pile_up(rows)
        options = {"processing_guarantee": self._guarantee}
        services = [Service(number, self.folder, self.bootstrap, "windows", options) for number in range(3)]
        for each in services:
            self.at_end(each.kill)
        began = time.monotonic()
        services[0].start()
        self.wait_for(lambda: self.committed() > KILLED_AT * rows, LIMIT_S, "some to be through")
        services[0].kill()
        for each in services:
            each.start()
        self.wait_for(self.drained, LIMIT_S, "everything to be committed")
        seconds = time.monotonic() - began
        for each in services:
            each.stop()
            if each.wait(60) != 0:
                self.fault(f"{each.name} does not stop as it should")
        judged = self.judge("windows", phone_rows.phone_rows(0, rows), self._guarantee == "at-least-once")
        return {
            "guarantee": self._guarantee,
            "rows": rows,
            "seconds": round(seconds, 1),
            "rows_a_second": round(rows / seconds),
            **judged,
            "verdict": self.faults or "right",
        }

    def _pile_up(self, rows: int) -> None:
        feeder = self.feeder(0, at_once=rows)
        self.wait_for(lambda: self._end() == rows, LIMIT_S, f"{rows} rows to be written")
        feeder.send_signal(signal.SIGTERM)
        feeder.wait(30)

    def _end(self) -> int:
        return sum(end for *_, end in self.state("phone-data"))


def main() -> int:
    parser = results.parser("backlog", __doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="default: 5000000")
    options = parser.parse_args()
    rows: list[results.Row] = []
    for guarantee in options.guarantees:
        with Backlog(guarantee, options.brokers) as backlog:
            rows.append(backlog.measure(options.rows))
        backlog.close(options.keep)
    results.show(rows)
    print(results.write("backlog", {"brokers": options.brokers, "partitions": PARTITIONS}, rows))
    return 1 if any(row["verdict"] != "right" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
