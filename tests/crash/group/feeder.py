"""Writes the input, as a process: BROKERS ROWS_PER_SECOND [AT_ONCE [KEYS]].

First so many rows at once, then at that rate. At SIGTERM it ends, and prints how many rows it wrote. A broker
that is away makes it wait; what it then is behind it makes good.
"""

import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import phone_rows
import tiderace as tr

TICK_S = 0.01
CHUNK = 1000
FLUSHES = 15


def rows_of(keys: int) -> Iterator[dict[str, Any]]:
    for begin in itertools.count(0, CHUNK):
        yield from phone_rows.phone_rows(begin, begin + CHUNK, keys).to_pylist()


def flush(producer: tr.Producer) -> None:
    """Waits for brokers that are away, about ten seconds at a time."""
    for _ in range(FLUSHES - 1):
        try:
            producer.flush()
            return
        except tr.BrokerError as away:
            print(away, file=sys.stderr, flush=True)
    producer.flush()


def main(brokers: str, rate: str, at_once: str = "0", keys: str = "0") -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    app = tr.Application(brokers, consumer_group="phone")
    rows = rows_of(int(keys))
    sent, due = 0, int(at_once)
    with app.get_producer() as producer:
        began = time.monotonic()
        while True:
            end = min(due, sent + 10_000)  # at a time, so that it can be stopped
            for row in itertools.islice(rows, end - sent):
                producer.produce("phone-data", row["k"], row, timestamp=row["t"])
            sent = end
            if sent < int(at_once):
                began = time.monotonic()
            elif stopped.wait(TICK_S):
                break
            due = int(at_once) + int((time.monotonic() - began) * int(rate))
        flush(producer)
    print(sent, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
